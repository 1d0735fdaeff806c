"""Runs one hostile program and says what was wrong with how it ended."""

from __future__ import annotations

import ast
import os
import resource
import traceback
import warnings
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import InternalError

from .programs import Program, namespace

ALLOWED = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, OverflowError, BufferError,
           torch.OutOfMemoryError, torch.linalg.LinAlgError)  # fmt: skip
"""What PyTorch raises for a wrong call (BufferError: `from_dlpack` of a tensor with a gradient).
Of these types themselves: subclasses come from inside."""

MOST_OBSERVED = 1 << 22
"""Elements of a result, or an input, that is still looked at."""
MUCH = 3 << 30
"""Bytes that a call may take beyond its inputs and results."""

PYTHONIC = ("nn/", "optim/", "distributions/", "utils/", "signal/")
"""What PyTorch too writes in Python, where it asks a wrong argument for the attributes of a right
one: `nn.functional.group_norm([1], 1)` is an AttributeError in both, `optim.Rprop(…, etas={})` a
KeyError, `nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5], 0)` a ZeroDivisionError (`Decimal`s have such
errors of their own), and `signal.windows.gaussian(5, std=np.array("x"))` NumPy's error."""


PYTHONS = (AttributeError, ZeroDivisionError, MemoryError, UnicodeError)
"""What the program itself may raise: `x.sin()` where x is a list by now."""
NOWHERE = "outside"


class Fault(NamedTuple):
    """What was wrong: its kind, where it comes from, and the text of the error."""

    kind: str
    where: str
    text: str


def _leaves(value: Any, depth: int = 0) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)) and depth < 4:
        return [t for item in value[:50] for t in _leaves(item, depth + 1)]
    if isinstance(value, dict) and depth < 4:
        return [t for item in value.values() for t in _leaves(item, depth + 1)]
    return []


def _content(t: Any) -> Any:
    """What a tensor holds, as bytes; None where it is too much."""
    if t.numel() > MOST_OBSERVED:
        return None
    if t.is_sparse:
        return _content(t.to_dense().detach())
    t = t.detach().resolve_conj().resolve_neg()
    if t.dtype.is_opaque:
        t = t.cfloat() if t.is_complex() else t.float()
    array = t.numpy()
    return array.shape, str(t.dtype), array.tobytes()


def origin(error: BaseException) -> str:
    """The last place in flambeau that a traceback names, and whether the error was raised there on
    purpose ("raise") or comes from what that line calls ("leak")."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "flambeau" in f.filename and "hostile_calls" not in f.filename]
    if not ours:
        return NOWHERE
    last = ours[-1]
    line = (last.line or "").strip()
    meant = frames[-1] is last and (line.startswith("raise") or _within_raise(last))
    name = last.filename.rpartition("flambeau/")[2]
    return f"{name}:{last.lineno} {last.name} {'raise' if meant else 'leak'}"


_trees: dict[str, set[int]] = {}


def _within_raise(frame: traceback.FrameSummary) -> bool:
    """Whether a frame's line is part of a `raise` of several lines."""
    lines = _trees.get(frame.filename)
    if lines is None:
        lines = set()
        try:
            with open(frame.filename) as file:
                tree = ast.parse(file.read())
        except OSError:
            tree = ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise):
                lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        _trees[frame.filename] = lines
    return frame.lineno in lines


def _only_here(error: BaseException) -> bool:
    """Whether it is memory that the machine has, but this process's limit does not let it have."""
    nbytes = getattr(error, "nbytes", None)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return isinstance(error, torch.OutOfMemoryError) and nbytes is not None and nbytes < machine


def _bad_type(error: BaseException) -> bool:
    if type(error) in (AssertionError, AttributeError, KeyError):
        place = origin(error)
        if place.endswith("raise"):  # where PyTorch has them too: asserts of layers, missing names
            return False
        has_not = type(error) is AttributeError and "' has no attribute '" in _without_object(error)
        # A dict for a pair of numbers, or for a data set, has not what is looked up in it.
        missed = type(error) is KeyError and place.startswith(("optim/", "utils/data/dataset"))
        return not (has_not and place.startswith(PYTHONIC) or missed)
    if type(error) is StopIteration:  # of the program's own next()
        return not origin(error).startswith(PYTHONIC)
    if type(error).__name__ == "UFuncTypeError" or isinstance(error, ArithmeticError):
        kinds = (*PYTHONIC, "outside")  # of the program's own array or number
        return type(error) not in ALLOWED and not (origin(error).startswith(kinds) or _own(error))
    return type(error) not in ALLOWED or isinstance(error, InternalError)


def _own(error: BaseException) -> bool:
    """Whether an error comes from the program's own function, which flambeau calls (`apply_`)."""
    return traceback.extract_tb(error.__traceback__)[-1].filename == "<call>"


def _without_object(error: BaseException) -> str:
    return str(error).replace(" object has", " has")


def _as_fault(kind: str, error: BaseException) -> Fault:
    text = f"{type(error).__name__}: {str(error)[:300]}"
    return Fault(f"{kind} {type(error).__name__}", origin(error), text)


class Judge:
    """Runs programs one after the other; `calls`, `refused` and `leaks` count."""

    def __init__(self) -> None:
        self.names = namespace(torch)
        self.methods = dict(vars(torch.Tensor))
        self.refused = 0
        self.leaks: dict[str, int] = {}
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def counted(self) -> tuple[int, dict[str, int]]:
        """How many calls were refused since this was asked for last, and the leaks among them."""
        found = self.refused, self.leaks
        self.refused, self.leaks = 0, {}
        return found

    def run(self, program: Program) -> list[Fault]:
        """All that was wrong."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            faults = self._run(program)
        torch.set_grad_enabled(True)
        if "= torch.Tensor; " in program.call:
            self._restore()
        for each in caught:
            inside = "flambeau" in each.filename or "numpy" in each.filename
            numpys = issubclass(each.category, RuntimeWarning) or (
                "numpy" in str(each.message).lower() and each.category is not UserWarning
            )
            place = each.filename.rpartition("flambeau/")[2]
            # PyTorch too computes with a NumPy number that is given for a tensor, where it is Python.
            if numpys and inside and not place.startswith(("frontend/outside.py", *PYTHONIC)):
                where = f"{each.filename.rpartition('/')[2]}:{each.lineno}"
                faults.append(
                    Fault(f"warning {each.category.__name__}", where, str(each.message)[:200])
                )
        return faults

    def _restore(self) -> None:
        """Undo `x = torch.Tensor; x.requires_grad = True`, which is as good as `del builtins.len`."""
        for name, value in list(vars(torch.Tensor).items()):
            if name not in self.methods:
                delattr(torch.Tensor, name)
            elif self.methods[name] is not value:
                setattr(torch.Tensor, name, self.methods[name])

    def _run(self, program: Program) -> list[Fault]:
        names = dict(self.names)
        for name, source in program.inputs:
            try:
                names[name] = eval(source, names)
            except Exception as error:
                return self._refusal(error, "input: ")
        tensors = [
            names[name] for name, _ in program.inputs if isinstance(names[name], torch.Tensor)
        ]
        large = any(t.numel() > MOST_OBSERVED for t in tensors) or "expand(2 ** " in program.call
        try:
            before = [_content(t) for t in tensors]
        except Exception as error:
            return [_as_fault("late input", error)]
        *statements, last = ast.parse(program.call).body
        try:
            for statement in statements:
                exec(compile(ast.Module([statement], []), "<call>", "exec"), names)
            if isinstance(last, ast.Expr):
                result = eval(compile(ast.Expression(last.value), "<call>", "eval"), names)
            else:
                result = exec(compile(ast.Module([last], []), "<call>", "exec"), names)
        except BaseException as error:
            faults = self._refusal(error, "")
            error.__traceback__ = None
            if len(program.call.split("; ")) == 1:
                faults += _changed(tensors, before)
            return faults + self._memory([])
        if large:
            return []
        return self._observe(result, tensors) + self._memory(_leaves(result))

    def _refusal(self, error: BaseException, kind: str) -> list[Fault]:
        self.refused += 1
        if _bad_type(error):
            if isinstance(error, PYTHONS) and origin(error) == NOWHERE:
                return []
            return [_as_fault(f"{kind}type", error)]
        where = origin(error)
        if where.endswith("leak"):
            self.leaks[where] = self.leaks.get(where, 0) + 1
        return []

    def _observe(self, result: Any, tensors: list[Any]) -> list[Fault]:
        """Errors that come only when results are looked at; and the backward pass."""
        results = _leaves(result)
        try:
            for t in results:
                _content(t)
            torch._flush()
        except BaseException as error:
            return [] if _only_here(error) else [_as_fault("late", error)]
        roots = [
            t for t in results
            if t.requires_grad and t.grad_fn is not None and 0 < t.numel() < MOST_OBSERVED and not t.is_sparse
        ]  # fmt: skip
        if not roots:
            return []
        try:
            torch.autograd.backward(roots, [torch.ones_like(t) for t in roots])
        except BaseException as error:
            return [_as_fault("backward", error)] if _bad_type(error) else []
        try:
            for t in tensors:
                if t.requires_grad and t.is_leaf and t.grad is not None:
                    _content(t.grad)
            torch._flush()
        except BaseException as error:
            return [_as_fault("late gradient", error)]
        return []

    def _memory(self, results: list[Any]) -> list[Fault]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown = (peak - self.peak) << 10
        self.peak = peak
        held = sum(t.numel() * t.element_size() for t in results)
        if grown - 4 * held > MUCH:
            return [Fault("memory", "", f"{grown >> 20} MB for {held >> 20} MB of results")]
        return []


def _changed(tensors: list[Any], before: list[Any]) -> list[Fault]:
    """Inputs that a failed call has changed."""
    try:
        after = [_content(t) for t in tensors]
    except BaseException as error:
        return [_as_fault("after an error", error)]
    if after != before:
        return [Fault("half-changed", "", "an input is not what it was before the error")]
    return []
