"""`python -m flambeau run`: a program gets what Python would give it, and flambeau for torch."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.compat.support import run, run_text


def lines(result: object) -> list[str]:
    assert result.returncode == 0, result.stderr  # type: ignore[attr-defined]
    return result.stdout.splitlines()  # type: ignore[attr-defined, no-any-return]


def test_arguments_and_the_main_module(tmp_path: Path) -> None:
    text = """
import os, sys
import __main__
print(sys.argv[0] == __file__ == os.path.abspath("script.py"), sys.argv[1:])
print(__name__, __main__.__dict__ is globals(), sys.modules["__main__"].__file__ == __file__)
print(sys.path[0] == os.path.dirname(os.path.realpath(__file__)), __package__, __doc__)
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("rest", nargs="*")
print(parser.prog, parser.parse_args())
"""
    assert lines(run_text(text, tmp_path, "--lr", 0.1, "x y")) == [
        "True ['--lr', '0.1', 'x y']",
        "__main__ True True",
        "True None None",
        "script.py Namespace(lr=0.1, rest=['x y'])",
    ]


def test_the_scripts_folder_leads_and_data_are_found_from_here(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "helper.py").write_text("import torch\nname = torch.nn.Linear.__name__\n")
    (tmp_path / "source" / "main.py").write_text(
        "import helper\nprint(helper.name, open('data.txt').read())\n"
    )
    (tmp_path / "data.txt").write_text("here")
    assert lines(run(["source/main.py"], tmp_path)) == ["Linear here"]


def test_module_names_are_flambeaus(tmp_path: Path) -> None:
    text = """
import torch, torchvision
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.data as data
import torchvision.transforms as T
from torch.utils.data.dataset import Dataset
from torch.optim.lr_scheduler import StepLR
from torch import nn as other, Tensor
from torchvision import datasets
import flambeau, flambeau.nn, flambeau.vision
import sys
print(torch is flambeau, torch.nn is flambeau.nn, nn is other, F is flambeau.nn.functional)
print(torchvision is flambeau.vision, T is flambeau.vision.transforms, datasets is torchvision.datasets)
print(Dataset is data.Dataset, data is flambeau.utils.data, Tensor is flambeau.Tensor)
print(isinstance(flambeau.nn.Linear(1, 1), nn.Module), StepLR is torch.optim.lr_scheduler.StepLR)
print(sys.modules["torch.nn"] is sys.modules["flambeau.nn"], torch.nn.__spec__.name)
import importlib
print(importlib.import_module("torch.nn.modules.linear").Linear is nn.Linear)
print(importlib.reload(sys.modules["torch.nn.functional"]) is F)
"""
    assert lines(run_text(text, tmp_path)) == [
        "True True True True",
        "True True True",
        "True True True",
        "True True",
        "True flambeau.nn",
        "True",
        "True",
    ]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('no data')", 1),
        ("raise SystemExit", 0),
        ("1 / 0", 1),
        ("import os; os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import threading; threading.Thread(target=print, args=('late',)).start()", 0),
    ],
)
def test_exit_status(text: str, status: int, tmp_path: Path) -> None:
    assert run_text(text, tmp_path).returncode == status


def test_exit_handlers_see_the_programs_names(tmp_path: Path) -> None:
    text = "import atexit, torch\nx = torch.ones(2)\natexit.register(lambda: print(x.sum().item()))"
    assert lines(run_text(text, tmp_path)) == ["2.0"]


def test_tracebacks_begin_in_the_program(tmp_path: Path) -> None:
    text = "import torch\n\ndef f(x):\n    return x.view(7)\n\nf(torch.zeros(3))\n"
    shown = run_text(text, tmp_path).stderr.splitlines()
    script = tmp_path / "script.py"
    assert shown[0] == "Traceback (most recent call last):"
    assert shown[1] == f'  File "{script}", line 6, in <module>'
    assert f'  File "{script}", line 4, in f' in shown
    assert "runner.py" not in "\n".join(shown)
    assert shown[-1].startswith("RuntimeError: view()")


def test_tracebacks_of_syntax_errors(tmp_path: Path) -> None:
    shown = run_text("import torch\nx = = 1\n", tmp_path).stderr
    assert shown.startswith(f'  File "{tmp_path / "script.py"}", line 2')
    assert shown.rstrip().endswith("SyntaxError: invalid syntax")


def test_warnings_name_the_programs_line(tmp_path: Path) -> None:
    text = "import torch.nn as nn\n\nnn.MSELoss(size_average=False)\n"
    shown = run_text(text, tmp_path).stderr
    assert shown.startswith(f"{tmp_path / 'script.py'}:3: UserWarning: size_average")


def test_a_missing_script(tmp_path: Path) -> None:
    result = run(["nowhere.py"], tmp_path)
    assert result.returncode == 2
    assert str(tmp_path / "nowhere.py") in result.stderr
    assert "Traceback" not in result.stderr


def test_how_to_use_it(tmp_path: Path) -> None:
    assert run([], tmp_path).returncode == 2
    assert run(["--help"], tmp_path).stdout.startswith("usage: python -m flambeau run SCRIPT")
    assert run(["-m"], tmp_path).returncode == 2


def test_modules(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("import torch\nvalue = torch.arange(3).sum().item()\n")
    text = "import sys\nfrom .part import value\nprint(value, __name__, __package__, sys.argv[1:])\n"
    (package / "__main__.py").write_text(text)
    (package / "train.py").write_text(text)
    assert lines(run(["-m", "package", "a"], tmp_path)) == ["3 __main__ package ['a']"]
    assert lines(run(["-m", "package.train", "b"], tmp_path)) == ["3 __main__ package ['b']"]
    missing = run(["-m", "package.nothing"], tmp_path)
    assert missing.returncode == 1
    assert "no module named package.nothing" in missing.stderr


def test_a_folder_with_a_main_file(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("import part\nprint(part.x)\n")
    (tmp_path / "app" / "part.py").write_text("import torch\nx = torch.ones(1).item()\n")
    assert lines(run(["app"], tmp_path)) == ["1.0"]


def test_an_installed_torch_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    assert lines(run_text("import torch\nprint(torch.__name__)\n", tmp_path)) == ["flambeau"]


WORKERS = """
import multiprocessing, sys
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return torch.tensor([i, i * i])

def work(queue, x):
    from torch import nn
    queue.put((x.tolist(), torch.__name__, nn.Linear.__module__, __name__, sys.argv[1:]))

if __name__ == "__main__":
    method = sys.argv[1]
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=work, args=(queue, torch.arange(3)))
    process.start()
    print(*queue.get())
    process.join()
    loader = DataLoader(Squares(), batch_size=3, num_workers=2, multiprocessing_context=method)
    print(*[batch.tolist() for batch in loader])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_the_program(method: str, tmp_path: Path) -> None:
    """The names hold in them too: a spawned process imports the script anew."""
    name = "__main__" if method == "fork" else "__mp_main__"
    result = run_text(WORKERS, tmp_path, method)
    assert lines(result) == [
        f"[0, 1, 2] flambeau flambeau.nn.modules.linear {name} ['{method}']",
        "[[0, 0], [1, 1], [2, 4]] [[3, 9], [4, 16]]",
    ]


def test_spawned_processes_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("value = 4\n")
    text = "from .part import value\n" + WORKERS.replace("torch.__name__", "value")
    (tmp_path / "package" / "work.py").write_text(text)
    found = lines(run(["-m", "package.work", "spawn"], tmp_path))
    assert found[0] == "[0, 1, 2] 4 flambeau.nn.modules.linear __mp_main__ ['spawn']"


def test_torchs_own_spawn(tmp_path: Path) -> None:
    text = """
import sys
import torch
import torch.multiprocessing as mp

def work(rank, start, folder):
    (torch.arange(start, start + 2) * rank).numpy().tofile(f"{folder}/{rank}")
    if start < 0:
        raise ValueError("no such start")

if __name__ == "__main__":
    folder = sys.argv[1]
    mp.spawn(work, args=(3, folder), nprocs=2)
    print(*[open(f"{folder}/{rank}", "rb").read()[:1] for rank in range(2)])
    try:
        mp.spawn(work, args=(-1, folder), nprocs=2)
    except mp.ProcessRaisedException as error:
        print("ValueError: no such start" in str(error), error.error_index in (0, 1))
"""
    assert lines(run_text(text, tmp_path, tmp_path)) == [r"b'\x00' b'\x03'", "True True"]
