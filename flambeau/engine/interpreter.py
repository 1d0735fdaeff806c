"""The interpreter tier: a program run operation by operation through the rows' NumPy references.

This is the living definition of what a program means.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from .. import config
from ..core.dtypes import INT, dtype, narrow, widen
from ..errors import InternalError
from ..graph.program import Capture, Instruction, Program
from .buffers import GONE, as_array

ndarray = np.ndarray


class Interpreter:
    """What interprets a program. `run` takes the inputs' buffers and the scalars."""

    def __init__(self, program: Program) -> None:
        self.program = program
        avals = _register_avals(program)
        self._steps = tuple(_step(program, ins, avals) for ins in program.instructions)
        self._spare = len(program.instructions)
        self.donated = _donated(program)

    def execute(self, captured: Capture) -> None:
        """Run with a capture's inputs and give its results their buffers.

        Where an operation fails, the inputs that were not overwritten yet keep theirs.
        """
        leaves = captured.leaves
        buffers = [as_array(leaf) for leaf in leaves]
        for slot in self.donated:
            leaves[slot].buffer = GONE
        try:
            outputs = self.run(buffers, captured.scalars)
        except BaseException:
            for slot in self.donated:
                if buffers[slot] is not None:
                    leaves[slot].buffer = buffers[slot]
            raise
        for value, buffer in zip(captured.results, outputs, strict=True):
            value.buffer = buffer

    def run(self, buffers: list[Any], scalars: list[Any]) -> list[Any]:
        """Give the outputs' buffers: C-contiguous arrays of the avals' shapes and dtypes.

        `buffers` is emptied of the `donated` inputs: a write into them may reuse their memory.
        Where an operation fails, those that were not written yet are put back.
        """
        registers = buffers + scalars
        for slot in self.donated:
            buffers[slot] = None
        registers.extend([None] * self._spare)
        steps = self._steps
        if config.profile:
            from .profiling import timed_steps

            steps = timed_steps(self.program, steps)
        try:
            with np.errstate(all="ignore"):
                for fn, args, params, target, dies, finish in steps:
                    values = [None if a is None else registers[a] for a in args]
                    for register in dies:
                        registers[register] = None
                    registers[target] = finish(fn(values, params))
        except BaseException:
            for slot in self.donated:
                buffers[slot] = registers[slot]
            raise
        return [_own(registers[o]) for o in self.program.outputs]


def _donated(program: Program) -> tuple[int, ...]:
    """Inputs that die in an operation that writes into them."""
    return tuple(
        ins.args[0]
        for ins in program.instructions
        if ins.op.writes and ins.args[0] in ins.dies and ins.args[0] < len(program.inputs)
    )


def _own(array: Any) -> Any:
    if array.__class__ is tuple:  # several results, not picked apart yet
        return tuple([_own(part) for part in array])
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _reusable(values: list[Any]) -> bool:
    """Whether the first array owns its memory and only the list `values` refers to it."""
    return (
        getrefcount(values[0]) <= _HELD_BY_LIST
        and values[0].base is None
        and bool(values[0].flags.writeable)
    )


_HELD_BY_LIST = (lambda values: getrefcount(values[0]))([np.empty(1)])


def step_of(program: Program, ins: Instruction) -> Any:
    """One instruction alone: a function of its arguments' buffers (None where not given) that gives
    its result's buffer."""
    fn, _, params, _, _, finish = _step(program, ins._replace(dies=()), _register_avals(program))

    def run(values: list[Any]) -> Any:
        with np.errstate(all="ignore"):
            return finish(fn(values, params))

    return run


def _step(program: Program, ins: Instruction, avals: dict[int | None, Any]) -> tuple[Any, ...]:
    """Prepare an instruction: how to call its reference and how to finish its result."""
    row = ins.op
    reference = row.numpy
    narrow_args: list[tuple[int, dtype]] = []
    if not row.moves:
        for i, a in enumerate(ins.args):
            if a in avals and avals[a].dtype.is_narrow:
                narrow_args.append((i, avals[a].dtype))
    wrap = [] if row.moves else _wrapped_scalars(program, ins, avals)
    if row.rounds and narrow_args:
        wrap += _rounded_scalars(program, ins, narrow_args[0][1])
    if row.takes_list:
        def call(values: list[Any], params: Any) -> Any:
            return reference(values, *params)
    elif row.writes and ins.args[0] in ins.dies:
        def call(values: list[Any], params: Any) -> Any:
            reuse = _reusable(values)  # before the call's own tuple refers to them too
            return reference(*values, *params, reuse=reuse)
    else:
        def call(values: list[Any], params: Any) -> Any:
            return reference(*values, *params)
    if narrow_args or wrap:
        plain = call

        def call(values: list[Any], params: Any) -> Any:
            for i, d in narrow_args:
                values[i] = widen(values[i], d)
            for i, convert in wrap:
                values[i] = convert(values[i])
            return plain(values, params)

    return call, ins.args, ins.params, ins.target, ins.dies, _finisher(ins, row.moves)


def _register_avals(program: Program) -> dict[int | None, Any]:
    """The aval of each register that holds one array."""
    avals: dict[int | None, Any] = dict(enumerate(program.inputs))
    for ins in program.instructions:
        if not isinstance(ins.aval, tuple):
            avals[ins.target] = ins.aval
    return avals


def _scalar_places(program: Program, ins: Instruction, kinds: tuple[type, ...]) -> list[int]:
    """Which arguments are numbers of these types."""
    base, top = len(program.inputs), len(program.inputs) + len(program.scalars)
    return [
        i for i, a in enumerate(ins.args)
        if a is not None and base <= a < top and program.scalars[a - base] in kinds
    ]  # fmt: skip


def _rounded_scalars(program: Program, ins: Instruction, d: dtype) -> list[tuple[int, Any]]:
    """Numbers as they would be in a 16-bit dtype."""

    def rounded(value: Any) -> float:
        return float(widen(narrow(value, d), d))

    return [(i, rounded) for i in _scalar_places(program, ins, (float, int))]


def _wrapped_scalars(
    program: Program, ins: Instruction, avals: dict[int | None, Any]
) -> list[tuple[int, Any]]:
    """Integer scalars that meet integer arrays wrap around, as C's conversion does; NumPy would
    refuse those out of range."""
    found_avals = [avals.get(a) for a in ins.args if a is not None]
    kinds = [a.dtype for a in found_avals if a is not None and not isinstance(a, tuple)]
    ints = [d for d in kinds if d.category == INT]
    if not ints or len(ints) != len(kinds):
        return []

    def wrapped(value: int) -> Any:
        return _wrap_integer(value, ints[0].np)

    return [(i, wrapped) for i in _scalar_places(program, ins, (int, bool))]


def _wrap_integer(value: int, kind: np.dtype[Any]) -> Any:
    bits = kind.itemsize * 8
    value &= (1 << bits) - 1
    if kind.kind == "i" and value >> (bits - 1):
        value -= 1 << bits
    return kind.type(value)


def _finisher(ins: Instruction, moves: bool) -> Any:
    """How a reference's result becomes a buffer of the instruction's aval."""
    aval = ins.aval
    if isinstance(aval, tuple):
        parts = [_finish_one(a, moves) for a in aval]

        def finish_all(results: Any) -> Any:
            return tuple(part(r) for part, r in zip(parts, results, strict=True))

        return finish_all
    finish = _finish_one(aval, moves)
    if not config.check:
        return finish

    def checked(result: Any) -> Any:
        array = finish(result)
        if array.shape != tuple(aval.shape):
            raise InternalError(
                f"{ins.op.name}: the interpreter gave {array.shape} where {aval} was promised"
            )
        return array

    return checked


def _finish_one(aval: Any, moves: bool) -> Any:
    d = aval.dtype
    want = d.np
    if d.is_narrow and not moves:
        return lambda result: narrow(result, d)

    def finish(result: Any) -> Any:
        if result.__class__ is ndarray and result.dtype is want:
            return result
        return np.asarray(result, dtype=want)

    return finish
