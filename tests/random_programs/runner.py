"""Runs the lines of a program on a module that stands for torch, and compares two runs."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from types import CodeType
from typing import Any, Literal, NamedTuple

import numpy as np

TOLERANCE = 3e-4
"""Relative and absolute, for floats: the programs keep to a range where float32 allows it."""

Kind = Literal["run", "read", "check"]


class Line(NamedTuple):
    """One line. `run` executes it, `read` compares its value, `check` compares everything alive."""

    source: str
    kind: Kind = "run"


class Facts(NamedTuple):
    """What a tensor or an array says about itself; None where PyTorch leaves it open."""

    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...] | None
    offset: int | None
    requires_grad: bool | None
    is_leaf: bool | None
    version: int | None


class Outcome(NamedTuple):
    """What one line did."""

    error: str | None = None
    value: Any = None
    facts: dict[str, Facts] = {}
    message: str = ""


class Difference(Exception):
    """The two runs disagree."""


class Machine:
    """The names of one running program."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.names: dict[str, Any] = {"torch": torch, "np": np}
        self.is_oracle = hasattr(torch, "reset")
        if self.is_oracle:
            torch.reset()

    def step(self, line: Line) -> Outcome:
        """Run one line; an exception of torch's kinds is part of the outcome."""
        if line.kind == "check":
            return Outcome(value=self.everything())
        before = set(self.names)
        code = _compiled(line)
        try:
            if line.kind == "read":
                return Outcome(value=_plain(eval(code, self.names)))
            exec(code, self.names)
        except (RuntimeError, IndexError, TypeError, ValueError) as problem:
            if self.is_oracle and not str(problem).startswith("oracle:"):
                raise
            return Outcome(error=_error_name(problem), message=str(problem))
        made = self.names.keys() - before - {"__builtins__"}
        known = {name: self.names[name] for name in made}
        return Outcome(facts={n: self.facts(v) for n, v in known.items() if not _is_several(v)})

    def facts(self, value: Any) -> Facts:
        """Shape, dtype, layout and autograd flags: nothing that needs the values."""
        if isinstance(value, np.ndarray):
            steps = tuple(step // value.itemsize for step in value.strides)
            strides = _visible_strides(value.shape, steps)
            return Facts(value.shape, value.dtype.name, strides, None, None, None, None)
        shape = tuple(value.shape)
        loose = getattr(value, "loose", False)
        loose_version = getattr(value, "loose_version", False)
        return Facts(
            shape,
            _dtype_name(value.dtype),
            None if loose else _visible_strides(shape, tuple(value.stride())),
            None if loose or loose_version or 0 in shape else value.storage_offset(),
            value.requires_grad,
            value.is_leaf,
            None if loose_version else value._version,
        )

    def tensors(self) -> dict[str, Any]:
        """The tensors alive, by name."""
        return {name: v for name, v in self.names.items() if isinstance(v, self.torch.Tensor)}

    def arrays(self) -> dict[str, np.ndarray]:
        """The NumPy arrays alive, by name."""
        return {name: v for name, v in self.names.items() if isinstance(v, np.ndarray)}

    def everything(self) -> dict[str, Any]:
        """Facts and values of all that is alive."""
        result: dict[str, Any] = {}
        for name, tensor in self.tensors().items():
            result[name] = (self.facts(tensor), _plain(tensor.detach().tolist()))
            if tensor.is_leaf and tensor.requires_grad and tensor.grad is not None:
                result[name + ".grad"] = (_plain(tensor.grad.tolist()), tuple(tensor.grad.shape))
        for name, array in self.arrays().items():
            result[name] = (self.facts(array), array.copy())
        return result

    def sharing(self) -> set[tuple[str, str]]:
        """Which pairs of names lie over common memory."""
        there = {name: t for name, t in self.tensors().items() if getattr(t, "is_cuda", False)}
        found = _overlapping(there)
        here = {name: t for name, t in self.tensors().items() if name not in there}
        memory = {name: t.detach().numpy() for name, t in here.items()}
        memory |= self.arrays()
        full = sorted(name for name, array in memory.items() if array.size)
        pairs = combinations(full, 2)
        return found | {(a, b) for a, b in pairs if np.may_share_memory(memory[a], memory[b])}


def _overlapping(tensors: dict[str, Any]) -> set[tuple[str, str]]:
    """The same on a device whose memory can't be seen from here: by storages, and the stretches of
    them that tensors cover."""

    def stretch(t: Any) -> tuple[int, int, int]:
        last = sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True))
        start = t.storage_offset()
        return id(t._storage), start * t.itemsize, (start + last + 1) * t.itemsize

    found = {name: stretch(t) for name, t in sorted(tensors.items()) if t.numel()}
    return {
        (a, b) for a, b in combinations(found, 2)
        if found[a][0] == found[b][0] and found[a][1] < found[b][2] and found[b][1] < found[a][2]
    }  # fmt: skip


def _is_several(value: Any) -> bool:
    return isinstance(value, tuple)


def _visible_strides(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides that matter: a dimension of size 1 has none, an empty tensor neither."""
    if 0 in shape:
        return ()
    return tuple(0 if size == 1 else step for size, step in zip(shape, strides, strict=True))


def _dtype_name(dtype: Any) -> str:
    return str(dtype).rsplit(".", 1)[-1]


def _plain(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _error_name(problem: Exception) -> str:
    """The public type: subclasses such as torch's own count as what they derive from."""
    for kind in (IndexError, TypeError, ValueError, RuntimeError):
        if isinstance(problem, kind):
            return kind.__name__
    raise problem


def same_value(expected: Any, actual: Any) -> bool:
    """Equality of numbers, nested lists, arrays, facts; floats within the tolerance."""
    if isinstance(expected, Facts):
        if not isinstance(actual, Facts):
            return False
        pairs = zip(expected, actual, strict=True)
        return all(want is None or want == have for want, have in pairs)
    if isinstance(expected, tuple):
        return (
            isinstance(actual, tuple)
            and len(expected) == len(actual)
            and all(same_value(a, b) for a, b in zip(expected, actual, strict=True))
        )
    if isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(
            same_value(value, actual[name]) for name, value in expected.items()
        )
    try:
        want, have = np.asarray(expected), np.asarray(actual)
    except ValueError:  # one of them is nested facts, the other is missing
        return False
    if want.shape != have.shape or (want.size and want.dtype.kind != have.dtype.kind):
        return False
    if isinstance(expected, np.ndarray) and expected.dtype != have.dtype:
        return False
    if want.dtype.kind == "f":
        return bool(np.allclose(have, want, rtol=TOLERANCE, atol=TOLERANCE))
    return bool(np.array_equal(want, have))


class Program:
    """Lines, and what each of them has to give."""

    def __init__(self, lines: list[Line], oracle: Any) -> None:
        self.lines = lines
        machine = Machine(oracle)
        self.expected = [machine.step(line) for line in lines]
        self._finish(machine)

    @classmethod
    def from_trace(cls, lines: list[Line], expected: list[Outcome], machine: Machine) -> Program:
        """A program that the oracle has run already, line by line."""
        program = cls.__new__(cls)
        program.lines, program.expected = lines, expected
        program._finish(machine)
        return program

    def _finish(self, machine: Machine) -> None:
        # A backward pass that failed halfway leaves gradients that nothing defines, and others
        # may share their memory.
        last = self.lines[-1].source if self.lines else ""
        failed = bool(self.expected) and self.expected[-1].error is not None
        self.broken = failed and ("backward(" in last or "autograd.grad(" in last)
        self.end = {} if self.broken else machine.everything()
        self.shared = machine.sharing()

    def compare(self, torch: Any) -> None:
        """Run on a module and raise `Difference` at the first thing that isn't as expected."""
        machine = Machine(torch)
        for number, line in enumerate(self.lines):
            actual = machine.step(line)
            expected = self.expected[number]
            if expected.error != actual.error:
                raise Difference(
                    f"line {number + 1}: {line.source}\n  expected "
                    f"{expected.error or 'no exception'} {expected.message}\n  got "
                    f"{actual.error or 'no exception'} {actual.message}"
                )
            if not (
                same_value(expected.value, actual.value)
                and same_value(expected.facts, actual.facts)
            ):
                raise Difference(
                    f"line {number + 1}: {line.source}\n"
                    + _tell(expected.value, actual.value)
                    + _tell(expected.facts, actual.facts)
                )
        end = {} if self.broken else machine.everything()
        if not same_value(self.end, end):
            raise Difference("at the end:\n" + _tell(self.end, end))
        if machine.sharing() != self.shared:
            pairs = sorted(machine.sharing() ^ self.shared)
            raise Difference(f"at the end, shared memory differs for {pairs}")

    def script(self, module: str = "flambeau") -> str:
        """The program as a file that runs on its own and asserts what was expected."""
        text = ["import numpy as np", f"import {module} as torch", ""]
        for line, expected in zip(self.lines, self.expected, strict=True):
            if expected.error:
                text += [
                    "try:",
                    f"    {line.source}",
                    f"except {expected.error}:",
                    "    pass",
                    "else:",
                    f'    raise AssertionError("expected {expected.error}")',
                ]
            elif line.kind == "check":
                text.append("# everything alive is compared here")
            elif line.kind == "read":
                text.append(f"print({line.source})  # expected {_short(expected.value)}")
            else:
                text.append(line.source)
        text.append("# at the end:")
        for name, value in self.end.items():
            held = value[0] if name.endswith(".grad") else value[1]
            text.append(f"print({name!r}, {name})  # expected {_short(held)}")
        return "\n".join(text) + "\n"


@lru_cache(maxsize=1024)
def _compiled(line: Line) -> CodeType:
    """Both runs of a line use the same code."""
    return compile(line.source, "<random program>", "eval" if line.kind == "read" else "exec")


def _short(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def _tell(expected: Any, actual: Any) -> str:
    """The parts that differ, expected over actual."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        text = ""
        for name in sorted(expected.keys() | actual.keys()):
            want, have = expected.get(name), actual.get(name)
            if not same_value(want, have):
                text += f"  {name}: expected {want}\n  {' ' * len(name)}       got {have}\n"
        return text
    return "" if same_value(expected, actual) else f"  expected {expected}\n       got {actual}\n"
