"""The valid programs that are made hostile: every row of the op table in all its forms, and the library."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import flambeau as torch
from flambeau.ops import signature
from flambeau.ops.table import Row, table
from tests.nn.cases import FUNCTIONS, INITS, MODULES
from tests.ops.samples import Maker, leaves

from . import lines
from .programs import Program, Unspoken, encode, from_line

SAMPLES = 3
"""How many samples of a row are used."""

WHERE = {"": "torch", "nn": "torch._nn", "linalg": "torch.linalg", "special": "torch.special",
         "fft": "torch.fft"}  # fmt: skip


def _calls(row: Row, number: int, args: Any, kwargs: Any, grad: bool) -> Iterator[Program]:
    """One sample of a row as a function, a method, in place, and with `out=`."""
    inputs: list[tuple[str, str]] = []
    try:
        given = [encode(a, torch, inputs) for a in args]
        given += [f"{k}={encode(v, torch, inputs)}" for k, v in kwargs.items()]
    except Unspoken:
        return
    ins = tuple(inputs)
    path = _path(row)
    known = _known(path)
    if known:
        yield Program(row.name, ins, f"{path}({', '.join(given)})")
    if not given or given[0] not in dict(ins) or number:
        return
    rest = ", ".join(given[1:])
    if hasattr(torch.Tensor, row.name):
        yield Program(f"Tensor.{row.name}", ins, f"{given[0]}.{row.name}({rest})")
    if hasattr(torch.Tensor, f"{row.name}_"):
        start = "x = x0 * 1; " if grad else ""
        target = "x" if grad else "x0"
        yield Program(f"Tensor.{row.name}_", ins, f"{start}{target}.{row.name}_({rest})")
    if "o" in row.forms and known and not grad:
        outs = ", ".join(f"torch.empty(0, dtype={d})" for d in _result_dtypes(row, args, kwargs))
        if outs:
            out = f"({outs})" if "," in outs.replace(", dtype", "") else outs
            yield Program(f"{row.name} out=", ins, f"{path}({', '.join(given)}, out={out})")
            yield Program(f"{row.name} out=x0", ins, f"{path}({', '.join(given)}, out=x0)")


def _path(row: Row) -> str:
    """Where users find a row's function: `fft_rfft` is `torch.fft.rfft`."""
    return f"{WHERE.get(row.where)}.{row.name.removeprefix(f'{row.where}_')}"


def _known(path: str) -> bool:
    """Whether there is a function of this name: a row's name may be another one's namespace away."""
    try:
        return callable(eval(path, {"torch": torch}))
    except AttributeError:
        return False


def _result_dtypes(row: Row, args: Any, kwargs: Any) -> list[Any]:
    from flambeau.frontend import dispatch

    return [t.dtype for t in leaves(dispatch.function(row.name)(*args, **kwargs))]


def of_rows() -> list[Program]:
    """Of every row that users can call. Those without samples stand in `lines`."""
    found: list[Program] = []
    for row in table.values():
        if row.samples is None or not row.forms:
            continue
        for grad in (False, True):
            samples = list(row.samples(Maker(grad=grad)))[: SAMPLES if not grad else 1]
            for number, (args, kwargs) in enumerate(samples):
                found += _calls(row, number, args, kwargs, grad)
    return found


def _without_samples() -> Iterator[Program]:
    """Rows that have no samples, called with a tensor for each tensor and 1 for each number."""
    guesses = {"Tensor": "f(2, 3)", "Operand": "f(2, 3)", "Tensor[]": "[f(2, 3), f(2, 3)]", "int[]": "(1,)",
               "any": "(2, 3)",
               "dtype": "torch.float32", "bool": "True", "str": "'mean'", "Tensor?": "f(2, 3)"}  # fmt: skip
    for row in table.values():
        path = _path(row)
        if row.samples is None and _known(path):
            needed = [
                a
                for a in signature.parse(row.schema).arguments
                if a.default is None and not a.keyword_only
            ]
            args = ", ".join(guesses.get(a.type, "1") for a in needed)
            yield from_line(row.name, f"{path}({args})")


def of_library() -> list[Program]:
    """Everything else."""
    found = [*_without_samples()]
    for kind, texts in (("creation", lines.CREATION), ("draws", lines.DRAWS), ("methods", lines.METHODS),
                        ("indexing", lines.INDEXING), ("functional", FUNCTIONS)):  # fmt: skip
        found += [from_line(f"{kind} {text[:40]}", text) for text in texts]
    for text in MODULES:
        layer, _, args = text.lstrip("~").partition(" | ")
        found.append(from_line(layer, f"({layer}).double()({args})"))
        found.append(from_line(layer, f"{layer}"))
    found += [from_line(text, text) for text in INITS]
    for text in lines.OPTIMIZERS:
        made = text.format("x0")
        weights = (("x0", "torch.ones(3, 2).requires_grad_()"),)
        found += [Program(made[:20], weights, step.format(made)) for step in lines.STEPPED]
    for text in lines.SCHEDULERS:
        steps = f"o = optim.SGD([torch.ones(3).requires_grad_()], lr=0.1); s = {text}; o.step(); s.step()"
        found.append(Program(text[:40], (), f"{steps}; s.get_last_lr()"))
    for text in lines.DISTRIBUTIONS:
        found += [from_line(text[:30], asked.format(text)) for asked in lines.ASKED]
    return found


@functools.cache
def subjects() -> list[Program]:
    """All of them, in an order that is the same every time."""
    return of_rows() + of_library()
