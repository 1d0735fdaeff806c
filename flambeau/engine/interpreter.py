"""The interpreter tier: a program run operation by operation through the rows' NumPy references.

This is the living definition of what a program means.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from .. import config
from ..core.aval import aval as flat_aval
from ..core.dtypes import INT, dtype, narrow, widen
from ..errors import InternalError
from ..graph.program import Capture, Instruction, Program
from ..graph.value import Value, leaf
from ..ops.core import PICK, REINTERPRET, VIEW
from ..runtime import shortage
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

        Where an operation fails, or a signal's handler raises, nothing is lost: see `rescue`.
        """
        leaves = captured.leaves
        buffers = [as_array(leaf) for leaf in leaves]
        try:
            for slot in self.donated:
                leaves[slot].buffer = GONE
            outputs = self.run(buffers, captured.scalars)
            for value, buffer in zip(captured.results, outputs, strict=True):
                value.buffer = buffer
        except BaseException:
            rescue(self.program, captured, self.donated, buffers)
            raise

    def run(self, buffers: list[Any], scalars: list[Any]) -> list[Any]:
        """Give the outputs' buffers: C-contiguous arrays of the avals' shapes and dtypes.

        `buffers` is emptied of the `donated` inputs: their memory is free from their last reader on,
        or written by it. In the end, or where an operation fails, `buffers` becomes the contents of
        all registers that are still needed.
        """
        registers = buffers + scalars + [None] * self._spare
        steps = self._steps
        if config.profile:
            from .profiling import timed_steps

            steps = timed_steps(self.program, steps)
        values: Any
        args: Any
        values, args, target = (), (), -1
        try:
            for slot in self.donated:
                buffers[slot] = None
            with np.errstate(all="ignore"):
                for fn, args, params, target, dies, finish in steps:
                    values = [None if a is None else registers[a] for a in args]
                    for register in dies:
                        registers[register] = None
                    registers[target] = finish(fn(values, params))
                    values = ()  # a signal may come before the next ones are there
            buffers[:] = registers
            return [_own(registers[o]) for o in self.program.outputs]
        except BaseException as error:
            if values and registers[target] is None:  # what it was given is still needed
                for a, value in zip(args, values, strict=True):
                    if a is not None:
                        registers[a] = value
            buffers[:] = registers
            if isinstance(error, MemoryError):
                ins = self.program.instructions[target - len(registers) + self._spare]
                note(error, ins.op.called or ins.op.name, ins.aval)
            raise


def rescue(
    program: Program, captured: Capture, donated: tuple[int, ...], registers: list[Any]
) -> None:
    """After a run that failed half-way: inputs that were donated get their buffers back, and the
    values that were computed and are still needed are computed from now on."""
    for slot in donated:
        if registers[slot] is not None:
            captured.leaves[slot].buffer = registers[slot]
    if len(registers) == len(program.inputs):
        return  # it had not begun
    for ins, place in zip(program.instructions, captured.places):
        if registers[ins.target] is not None:
            try:
                _keep(captured.nodes[place], registers[ins.target])
            except MemoryError:  # no room for the copy that some need: computed again, then
                pass


def _keep(value: Value, content: Any) -> None:
    """Give a value its buffer. An array with gaps is none: the value becomes a view of its memory,
    since there may be no room for a copy."""
    if content.__class__ is tuple:
        value.buffer = tuple([_own(part) for part in content])
    elif content.flags.c_contiguous:
        value.buffer = content
    elif min(content.strides) >= 0:
        size = content.itemsize
        steps = tuple([s // size for s in content.strides])
        last = sum([(n - 1) * s for n, s in zip(content.shape, steps, strict=True)])
        flat = np.lib.stride_tricks.as_strided(content, (last + 1,), (size,))
        memory = leaf(flat_aval((last + 1,), value.aval.dtype), flat)
        value.op, value.inputs, value.token = VIEW, (memory, None), 0
        value.params = (value.aval.shape, steps)
        return
    else:
        value.buffer = _own(content)
    value.inputs = value.params = ()  # what is referred to is wanted


def _donated(program: Program) -> tuple[int, ...]:
    """Inputs that die in an operation that writes into them, and large ones that die at all."""
    n = len(program.inputs)
    return tuple(
        register
        for ins in program.instructions
        for register in ins.dies
        if register < n
        and (_is_big(program.inputs[register]) or (ins.op.writes and register == ins.args[0]))
    )


def _is_big(aval: Any) -> bool:
    return not isinstance(aval, tuple) and bool(aval.big)


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
            values = values.copy()  # the caller's are put back where the operation fails
            for i, d in narrow_args:
                values[i] = widen(values[i], d)
            for i, convert in wrap:
                values[i] = convert(values[i])
            return plain(values, params)

    nbytes = 0 if row in _NO_MEMORY or row.writes else _nbytes(ins.aval)
    if nbytes >= shortage.LARGE:
        call = _admitted(call, nbytes)
    return call, ins.args, ins.params, ins.target, ins.dies, _finisher(ins, row.moves)


_NO_MEMORY = (VIEW, REINTERPRET, PICK)


def _nbytes(aval: Any) -> int:
    return sum(a.nbytes for a in aval) if isinstance(aval, tuple) else int(aval.nbytes)


def _admitted(call: Any, nbytes: int) -> Any:
    """A call whose result is so large that it is asked beforehand whether it fits."""

    def asking(values: list[Any], params: Any) -> Any:
        shortage.admit(nbytes)
        return call(values, params)

    return asking


def note(error: MemoryError, operation: str, aval: Any) -> None:
    """Note with an error whose memory it was that could not be had."""
    known: Any = error
    known.operation = getattr(error, "operation", "") or operation
    if shortage.asked(error) is None:
        known.nbytes = _nbytes(aval)


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

    def rounded(value: Any) -> Any:
        return widen(narrow(value, d), d).item()

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
