"""The example programs on tiny settings, and a way to run them in this process.

`record(folder)` writes what each prints under PyTorch to `printed.json`, which the plain tests
compare with: `python -m tests.examples.programs` does it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import random
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flambeau.compat import names

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
PRINTED = Path(__file__).parent / "printed.json"

_NUMBER = re.compile(r"[-+]?\d+\.\d+(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Program:
    """One run of an example; runs of one example share their folder, in the order given."""

    script: str
    arguments: str = ""
    tolerance: float = 1e-3
    data: bool = False
    """Whether it reads MNIST."""
    ours: str = ""
    """More arguments for flambeau, where PyTorch would take long."""

    @property
    def name(self) -> str:
        return f"{self.script} {self.arguments}".strip()

    @property
    def folder(self) -> str:
        return self.script.partition("/")[0]


# Small steps: batch norm over four pictures makes chaos of the last bits.
_IMAGENET = "--dummy --dummy-size 8 -b 4 --image-size 64 -p 1 --seed 1 --lr 1e-5"
_LANGUAGE = "--size 60 --emsize 16 --nhid 16 --epochs 1 --bptt 8 --log-interval 4"

PROGRAMS = [
    Program("mnist/main.py", "--epochs 1 --limit 4 --log-interval 1 --test-batch-size 200", data=True),
    Program("mnist_rnn/main.py", "--epochs 1 --limit 3 --log-interval 1 --hidden 16", data=True),
    Program("mnist_rnn/main.py", "--epochs 1 --limit 2 --hidden 8 --bidirectional", data=True),
    Program("mnist_forward_forward/main.py", "--epochs 5 --train-size 100 --test-size 50", data=True),
    Program("vae/main.py", "--epochs 1 --limit 3 --log-interval 1", data=True),
    Program("dcgan/main.py", "--niter 1 --limit 2 --batchSize 16 --manualSeed 3", data=True),
    Program("siamese_network/main.py", "--pairs 100 --epochs 1 --log-interval 1", data=True),
    Program("vision_transformer/main.py", "--train-size 128 --epochs 1", data=True),
    Program("word_language_model/main.py", _LANGUAGE),
    Program("word_language_model/generate.py", "--size 60 --words 30"),
    Program("word_language_model/main.py", f"{_LANGUAGE} --model GRU --tied"),
    Program("word_language_model/main.py", f"{_LANGUAGE} --model RNN_TANH --use-optimizer"),
    Program("word_language_model/main.py", f"{_LANGUAGE} --model Transformer --lr 1"),
    Program("word_language_model/generate.py", "--size 60 --words 10"),
    Program("char_rnn_classification/main.py", "--iters 60 --print-every 30 --save names.pt"),
    Program("char_rnn_generation/main.py", "--iters 40 --print-every 20"),
    Program("seq2seq_translation/main.py", "--epochs 1 --size 120 --hidden 24"),
    Program("time_sequence_prediction/main.py",
            "--steps 1 --max-iter 4 --waves 6 --length 20 --hidden 12 --future 4"),
    Program("time_sequence_prediction/main.py",
            "--steps 1 --max-iter 3 --waves 6 --length 15 --hidden 8 --future 4 "
            "--line-search strong_wolfe"),
    Program("reinforcement_learning/reinforce.py", "--episodes 4 --log-interval 1"),
    Program("reinforcement_learning/actor_critic.py", "--episodes 4 --log-interval 1"),
    Program("super_resolution/main.py", "--pictures 10 --nEpochs 1 --size 24 --batchSize 4"),
    Program("gcn/main.py", "--epochs 12 --val-every 4"),
    Program("gcn/main.py", "--epochs 12 --val-every 4 --sparse"),
    Program("gat/main.py", "--epochs 6 --val-every 3"),
    Program("gat/main.py", "--epochs 6 --val-every 3 --sparse"),
    Program("fast_neural_style/main.py", "--pictures 8 --epochs 1 --log-interval 1 --width 4"),
    Program("imagenet/main.py", f"{_IMAGENET} --num-classes 10 --epochs 1"),
    Program("imagenet/main.py", f"{_IMAGENET} --num-classes 10 --epochs 2 --resume checkpoint.pth.tar"),
    Program("transfer_learning/main.py", "--per-class 4 --image-size 32 --epochs 1"),
    Program("mingpt/train.py", "--max-iters 4 --eval-interval 2 --eval-iters 2 --generate 20"),
    Program("mingpt/train.py", "--max-iters 6 --eval-interval 2 --eval-iters 2 --resume "
            "--no-flash --generate 5", ours="--compile"),
    Program("rnn_regression/main.py", "--steps 20"),
    Program("mixture_density/main.py", "--steps 10 --print-every 5 --samples 100"),
    Program("normalizing_flow/main.py", "--steps 6 --print-every 3 --batch-size 32"),
    Program("neural_ode/main.py", "--steps 4 --print-every 2"),
    Program("neural_ode/main.py", "--steps 4 --print-every 2 --adjoint"),
    Program("snli/main.py", "--epochs 1 --size 96"),
    Program("regression/main.py", "--limit 50"),
    Program("polynomial/main.py", "--steps 20"),
    Program("old_style/classifier_0_4.py", "--epochs 2"),
]  # fmt: skip


def make_data(folder: Path, limit: int = 200) -> None:
    """MNIST's files with the first digits of flambeau's sample."""
    spec = importlib.util.spec_from_file_location("make_data", EXAMPLES / "make_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(folder, limit)


def command(program: Program, data: Path, ours: bool) -> list[str]:
    """The script's path and its arguments, for flambeau or for PyTorch."""
    arguments = [*program.arguments.split(), *program.ours.split() * ours]
    return [str(EXAMPLES / program.script), *arguments, *(["--data", str(data)] * program.data)]


def run(program: Program, data: Path, cwd: Path) -> str:
    """What the program prints, with whatever `import torch` finds now."""
    ours = sys.modules.get("torch") is not None and sys.modules["torch"].__name__ == "flambeau"
    path, *arguments = command(program, data, ours)
    random.seed(0)
    np.random.seed(0)
    printed = io.StringIO()
    with _as_script(path, arguments, cwd), contextlib.redirect_stdout(printed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(path, run_name="__main__")
    return printed.getvalue()


def run_under_flambeau(program: Program, data: Path, cwd: Path) -> str:
    """What the program prints where `import torch` finds flambeau."""
    names.install()
    try:
        return run(program, data, cwd)
    finally:
        names.remove()


@contextlib.contextmanager
def _as_script(path: str, arguments: list[str], cwd: Path) -> Iterator[None]:
    """Arguments, folder and modules as a program of its own would have them."""
    before = sys.argv, list(sys.path), os.getcwd(), set(sys.modules)
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(path))
    os.chdir(cwd)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before[0], before[1]
        os.chdir(before[2])
        for name in set(sys.modules) - before[3]:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(EXAMPLES)):
                del sys.modules[name]


def differences(expected: str, found: str, tolerance: float) -> list[str]:
    """The first lines that differ in more than their numbers' last digits."""
    lines, others = expected.splitlines(), found.splitlines()
    wrong = [f"{a!r} became {b!r}" for a, b in zip(lines, others) if not _close(a, b, tolerance)]
    if len(lines) != len(others):
        wrong.append(f"{len(others)} lines in place of {len(lines)}: {found[-500:]}")
    return wrong[:5]


def _close(a: str, b: str, tolerance: float) -> bool:
    if a == b:
        return True
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    pairs = zip(numbers(a), numbers(b))
    return all(abs(x - y) <= tolerance * max(abs(x), abs(y)) + 1e-4 for x, y in pairs)


def numbers(text: str) -> list[float]:
    """Every number with a point."""
    return [float(number) for number in _NUMBER.findall(text)]


def record(folder: Path) -> None:
    """Write what PyTorch prints; the two paths in it become names."""
    from tests.parity.torchvision_for_examples import torchvision

    data = folder / "data"
    make_data(data)
    texts: dict[str, Any] = {}
    with torchvision():
        for program in PROGRAMS:
            cwd = folder / program.folder
            cwd.mkdir(exist_ok=True)
            texts[program.name] = without_paths(run(program, data, cwd), data).splitlines()
    PRINTED.write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def without_paths(text: str, data: Path) -> str:
    return text.replace(str(data), "DATA")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        record(Path(made))
