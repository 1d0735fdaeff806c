"""The types of exceptions that hostile calls raise, here and in PyTorch.

    python -m tests.parity.hostile_types --calls 5000 --seed 3

Both libraries run the same programs of `tests.hostile_calls`, each in children under limits (some of
these calls kill PyTorch). What is counted: calls that both refuse, with the same type or another,
and those that one of them refuses.

Of the first 2,500 calls of seed 3, 1,324 are refused by both, 1,248 with the same type. What differs
is left as it is:

- Here a tensor of the wrong layout or device is refused first: a sparse tensor where PyTorch looks
  at other arguments before (NotImplementedError for RuntimeError, TypeError or OverflowError), and
  `x.to(64)` (AssertionError, as `x.cuda()` has it, or ValueError for RuntimeError).
- Which of two mistakes is told: the shape or the dtype, the dimension or the number of them
  (RuntimeError for IndexError or NotImplementedError, and the other way round).
- A number beyond 64 bits where one int stands for several (`max_pool2d(x, 10**30)`), or for one that
  is wrong in other ways too (`chunk(x, -10**30)`, `movedim(x, 2**64, 0)`): TypeError, RuntimeError or
  IndexError for ValueError.
- What PyTorch does not take and NumPy does is judged by its value: `permute(x, 0, 5)`, `dim=np.array(5)`
  (IndexError for TypeError).
- Names of PyTorch's internals with other arguments (`_nn.nll_loss(…, reduction="none")`), and
  internal assertions of PyTorch's.
- `norm((1, 2))` and `x.rsub(mask)`: TypeError and RuntimeError for AttributeError.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import signal
import warnings
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import flambeau
from flambeau import config
from tests.hostile_calls.mutation import mutate
from tests.hostile_calls.programs import Program, namespace
from tests.hostile_calls.subjects import subjects
from tests.hostile_calls.worker import limit

SECONDS = 5
"""What one call may take, of a processor and of a clock."""

LACKING = re.compile(r"module 'torch[\w.]*' has no attribute|'Tensor' object has no attribute '\w+_'")
"""One that has fewer names, of functions in place most of all, is not compared."""

Outcome = tuple[str, str]
"""The exception's type ("" for none), and its message."""


def chosen(seed: int, calls: int) -> list[Program]:
    """The programs: valid ones of all of the table, each with a hostile argument or two."""
    programs = subjects()
    step = max(1, len(programs) // calls) | 1
    order = [i * step % len(programs) for i in range(calls)]
    return [mutate(random.Random(f"{seed}:{i}:{n}"), programs[n]) for i, n in enumerate(order)]


def outcome(torch: Any, program: Program) -> Outcome:
    """How a program ends in a library."""
    names = namespace(torch)
    source = (
        program.call.replace("torch._nn.", "torch._C._nn.")
        if torch is not flambeau
        else program.call
    )
    signal.alarm(SECONDS)
    try:
        for name, text in program.inputs:
            try:
                names[name] = eval(text, names)
            except Exception:
                return "input", ""
        exec(source, names)
    except Exception as error:
        kind = type(error).__name__.lstrip("_")
        if isinstance(error, AttributeError) and LACKING.search(str(error)):
            return "input", ""
        return ("RuntimeError" if kind == "OutOfMemoryError" else kind), str(error)[:160].split(
            "\n"
        )[0]
    finally:
        signal.alarm(0)
    return "", ""


def _child(torch: Any, programs: list[Program], first: int, out: Any) -> None:
    config.compile = "off"
    warnings.simplefilter("ignore")
    limit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with open(out, "a", buffering=1, errors="replace") as file:
        for index in range(first, len(programs)):
            file.write(f"{index}\t")
            file.write(
                "\t".join(x.replace("\t", " ") for x in outcome(torch, programs[index])) + "\n"
            )


def outcomes(torch: Any, programs: list[Program]) -> list[Outcome]:
    """How all of them end; what kills the process or takes too long is called so."""
    out, first = Path(mkdtemp(prefix="types")) / "out", 0
    found: dict[int, Outcome] = {}
    while first < len(programs):
        pid = os.fork()
        if not pid:
            try:
                _child(torch, programs, first, out)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        for line in out.read_text(errors="replace").splitlines():
            index, _, rest = line.partition("\t")
            found[int(index)] = tuple(rest.split("\t", 1)) if rest else ("death", str(status))  # type: ignore[assignment]
        with open(out, "a") as file:
            file.write("\n" if status else "")
        out.write_text("".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in found.items()))
        first = max(found) + 1
    return [found[i] for i in range(len(programs))]


def compare(
    programs: list[Program], examples: int = 2
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """How often which types met (theirs, ours), and examples of those that differ."""
    import torch

    ours, theirs = outcomes(flambeau, programs), outcomes(torch, programs)
    met: Counter[tuple[str, str]] = Counter()
    shown: list[str] = []
    for program, (there, said), (here, text) in zip(programs, theirs, ours, strict=True):
        if "input" in (there, here):
            continue
        met[there, here] += 1
        if there != here and met[there, here] <= examples:
            shown.append(
                f"PyTorch {there or 'fine'} ({said}), here {here or 'fine'} ({text})\n    {program.text()[-400:]}"
            )
    return met, shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity.hostile_types", description=__doc__
    )
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--examples", type=int, default=2)
    options = parser.parse_args()
    met, shown = compare(chosen(options.seed, options.calls), options.examples)
    print("\n".join(shown))
    both = {pair: n for pair, n in met.items() if all(pair) and "death" not in pair}
    same = sum(n for (a, b), n in both.items() if a == b)
    for (there, here), n in met.most_common():
        print(f"{n:6d}  PyTorch {there or 'fine':20} here {here or 'fine'}")
    print(
        f"{sum(met.values())} calls; of {sum(both.values())} that both refuse {same} with the same type"
    )


if __name__ == "__main__":
    main()
