"""FLAMBEAU_VERIFY=1: every program in both tiers, and where they differ, the first operation that
does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import widen
from ..errors import InternalError
from ..graph.program import Capture, Instruction, Program
from ..graph.value import Value, leaf
from .buffers import as_array
from .interpreter import Interpreter

RELATIVE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2, "bfloat16": 6e-2}
"""How far apart the tiers may be, relative to the largest element of a result: summing in another
order moves a sum by its number of terms times the rounding error, and programs are long."""


def run(program: Program, captured: Capture, compiled: Any) -> bool:
    """Run both tiers and compare; the results are the compiled ones. False where the compiled tier
    declines (see Compiled.run)."""
    buffers = [as_array(x) for x in captured.leaves]
    buffers = [tuple(p.copy() for p in b) if isinstance(b, tuple) else b.copy() for b in buffers]
    expected = Interpreter(program).run(list(buffers), list(captured.scalars))
    if not compiled.run(captured, True):
        return False
    found = [as_array(v) for v in captured.results]
    avals = [v.aval for v in captured.results]
    if not all(_close(a, b, v) for a, b, v in zip(expected, found, avals, strict=True)):
        culprit = _first_difference(program, buffers, list(captured.scalars))
        raise InternalError(
            f"the compiled tier differs from the interpreter{culprit}\n{program}"
        )
    return True


def _close(a: Any, b: Any, aval: Any) -> bool:
    """Whether two results are equal up to rounding."""
    if isinstance(aval, tuple):
        return all(map(_close, a, b, aval))
    a, b = widen(a, aval.dtype), widen(b, aval.dtype)
    if aval.dtype.category < 2:
        return bool(np.array_equal(a, b))
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    size = float(np.abs(a[finite]).max(initial=0.0))
    limit = RELATIVE.get(aval.dtype.name, 1e-4) * max(size, 1e-3)
    return bool(np.all(np.abs(a[finite] - b[finite]) <= limit))


def _first_difference(program: Program, buffers: list[Any], scalars: list[Any]) -> str:
    """Run each operation by itself, compiled, on what the interpreter gives it."""
    everything = Program(
        program.key, program.inputs, program.scalars,
        tuple(i._replace(dies=()) for i in program.instructions),
        tuple(i.target for i in program.instructions),
    )  # fmt: skip
    found = Interpreter(everything).run([_copy(b) for b in buffers], list(scalars))
    registers: dict[int, Any] = dict(enumerate([*buffers, *scalars]))
    avals: dict[int, Any] = dict(enumerate(program.inputs))
    for ins, value in zip(program.instructions, found, strict=True):
        if not _agrees(ins, registers, avals, value):
            return f", first in this operation, by itself too: %{ins.target} = {ins.op.name}{tuple(ins.params)}"
        registers[ins.target], avals[ins.target] = value, ins.aval
    return ", though no operation by itself does: the fault lies in how they were put together"


def _copy(x: Any) -> Any:
    return tuple(p.copy() for p in x) if isinstance(x, tuple) else x.copy()


def _agrees(ins: Instruction, registers: dict[int, Any], avals: dict[int, Any], value: Any) -> bool:
    from .compiled import Compiled, Guard

    arrays = [r for r in dict.fromkeys(ins.args) if r is not None and r in avals]
    if any(isinstance(avals[r], tuple) for r in arrays):
        return True
    numbers = [r for r in dict.fromkeys(ins.args) if r is not None and r not in avals]
    order = {r: i for i, r in enumerate([*arrays, *numbers])}
    alone = Program(
        None, tuple(avals[r] for r in arrays), tuple(type(registers[r]) for r in numbers),  # type: ignore[arg-type]
        (Instruction(ins.op, ins.params, tuple(None if r is None else order[r] for r in ins.args),
                     len(order), ins.aval, ()),),
        (len(order),),
    )  # fmt: skip
    result = Value(ins.op, ins.aval, (), ins.params)
    captured = Capture(
        None, [leaf(avals[r], registers[r]) for r in arrays], [registers[r] for r in numbers], [result]  # type: ignore[arg-type]
    )
    if not Compiled(alone, Guard((), ())).run(captured, True):
        return True
    return _close(value, as_array(result), ins.aval)
