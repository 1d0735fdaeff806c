"""FLAMBEAU_VERIFY=1: every kernel of every compiled program against NumPy, where it stands.

A program runs kernel by kernel. What a kernel reads is copied first (results may take over the
memory of what they are made of); then the nodes that it computes are evaluated on the copies, and
what it wrote must be that up to rounding (`graph.rounding`). The first kernel that differs is named.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any, NamedTuple

import numpy as np

from ..codegen.plan import Unit
from ..codegen.planning import Placed
from ..core import device as devices
from ..errors import InternalError
from ..graph.access import resolve
from ..graph.elementwise import numpy_dtype
from ..graph.ir import Node
from ..graph.program import Capture, Program
from ..graph.rounding import EPSILON, Bounded, evaluate
from ..runtime import pool

SAFETY = 4.0
"""How many times its bound a result may be off: bounds are of first order."""

checked = 0
"""How many kernels have been compared."""
skipped: dict[str, int] = {}
"""Kernels that could not be, by the reason."""


class Native(NamedTuple):
    """A unit, ready to run by itself."""

    unit: Unit
    program: Any
    args: list[Any]


class Verifier:
    """Runs one executable's units one after the other, in place of its own program."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.units = [self._prepared(u) for u in compiled.plan.units]

    def _prepared(self, unit: Unit) -> Native:
        args, records = [], []
        for x in unit.launches:
            words = x.words()
            args.append((ctypes.c_int64 * max(len(words), 1))(*words))
            address = self.compiled.addresses[repr(x.kernel.key)]
            kernel = (address, ctypes.addressof(args[-1]))
            records.append(pool.Record((kernel,), x.tasks, x.grain, 0, x.tasks > 1))
        return Native(unit, pool.Program(records, self.compiled.threads), args)

    def run(self, table: Any, captured: Capture, made: list[Any]) -> None:
        """In place of Compiled._run_mixed."""
        table.ticket = 0
        pool.synchronize()
        for native in self.units:
            if native.unit.call is not None:
                self.compiled._call(native.unit.call, table, captured)
            elif native.unit.launches:
                self._one(native, table)

    def _one(self, native: Native, table: Any) -> None:
        unit = native.unit
        known = {x: _copied(x, unit, table) for x in read(unit)}
        pool.run_now(native.program.address, table.address)
        try:
            expected = evaluate(unit.results, known, self._numbers(table))
        except NotImplementedError as error:
            skipped[str(error)] = skipped.get(str(error), 0) + 1
            return
        global checked
        checked += 1
        for node, want in zip(unit.results, expected, strict=True):
            found = difference(_array(unit.places[node], table), want, node.dtype)
            if found:
                raise InternalError(told(unit, node, found, self.compiled.program))

    def _numbers(self, table: Any) -> list[Any]:
        """The program's scalars as they lie in the table."""
        plan, kinds = self.compiled.plan, self.compiled.program.scalars
        words = table.words[plan.inputs : plan.inputs + plan.numbers]
        return [
            struct.unpack("d", struct.pack("q", w))[0] if kind is float else w
            for w, kind in zip(words, kinds, strict=True)
        ]  # fmt: skip


def read(unit: Any) -> list[Node]:
    """What a unit reads from memory."""
    own = set(unit.nodes)
    found: dict[Node, None] = {}
    for node in unit.nodes:
        for x in node.args:
            base = resolve(x).base
            if base not in own and base.op not in ("const", "number"):
                found[base] = None
    return list(found)


def _copied(x: Node, unit: Unit, table: Any) -> Any:
    """What is there before the unit runs. Where it makes no difference, the unit does not read."""
    if x not in unit.places:
        return np.zeros(x.shape, numpy_dtype(x.dtype))
    return _array(unit.places[x], table).copy()


def _array(placed: Placed, table: Any) -> Any:
    """An array over a run's memory."""
    kind = numpy_dtype(placed.dtype)
    size = int(np.prod(placed.shape)) * kind.itemsize
    if not size:
        return np.empty(placed.shape, kind)
    address = table.words[placed.slot] + placed.offset * kind.itemsize
    memory: Any = (ctypes.c_char * size).from_address(address)
    return np.ndarray(placed.shape, kind, memory)


def difference(have: Any, want: Bounded, dtype: str, slack: float = SAFETY) -> str:
    """How a result differs beyond its bound (`slack` times what `graph.rounding` says); "" where it
    doesn't."""
    value = np.asarray(want.value)
    if dtype == "bfloat16":
        have, value = _wide(have), _wide(value)
    if dtype not in EPSILON:
        wrong = have != value
        if want.bound is not None:
            distance = np.abs(have.astype(np.float64) - value)
            wrong &= ~(want.bound if dtype == "bool" else distance <= slack * want.bound)
        return _worst(have, value, wrong, np.zeros(value.shape))
    bound = np.zeros(value.shape) if want.bound is None else np.broadcast_to(want.bound, value.shape)
    bound = slack * bound + (0.0 if want.bound is None else np.finfo(np.float32).smallest_normal)
    with np.errstate(all="ignore"):
        distance = np.abs(have.astype(np.float64) - value.astype(np.float64))
        same = (have == value) | (np.isnan(have) & np.isnan(value))
        wrong = ~(same | (distance <= bound) | ~np.isfinite(bound))
    return _worst(have, value, wrong, bound)


def _wide(bits: Any) -> Any:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _worst(have: Any, want: Any, wrong: Any, bound: Any) -> str:
    if not np.any(wrong):
        return ""
    with np.errstate(all="ignore"):
        size = np.abs(have.astype(np.float64) - want.astype(np.float64))
        excess = np.where(wrong, np.where(np.isnan(size), np.inf, size - bound), -1.0)
    at = np.unravel_index(int(np.argmax(excess)), wrong.shape)
    place = tuple(int(i) for i in at)
    return (
        f"{int(np.sum(wrong))} of {wrong.size} elements; the largest difference is at {place}: "
        f"{have[at]!r}, where {want[at]!r} is right within {bound[at]:.3g}"
    )


def told(unit: Any, node: Node, difference: str, program: Program) -> str:
    kernels = ", ".join(f"{x.kernel.name} ({x.label})" for x in unit.launches)
    nodes = "\n".join(f"  {n!r}" for n in unit.nodes)
    return (
        f"a kernel differs from its definition: {kernels}\nresult {node!r}\n{difference}\n"
        f"it computes\n{nodes}\nin\n{program}"
    )


def run(program: Program, captured: Capture, compiled: Any) -> bool:
    """Run a program, verifying; False where it declines (see Compiled.run)."""
    if devices.others and hasattr(compiled, "index"):
        from . import cuda_verify

        cuda_verify.attach(compiled)
    else:
        _attach(compiled)
    done: bool = compiled.run(captured, True)
    return done


def _attach(compiled: Any) -> None:
    if not isinstance(getattr(compiled._run_mixed, "__self__", None), Verifier):
        compiled.native = False
        compiled._run_mixed = Verifier(compiled).run

