"""How many runs a program stays with the interpreter, by what it is: never by the clock.

The tiers differ in the last bits, so when a program goes from one to the other has to be the same in
every run (docs/decisions/0021-the-switch-is-counted.md). The count is a guess of how many runs take
as long as the compiler does where the kernels are in its cache. A wrong guess costs time only: too
high, and the interpreter goes on though there is something faster; too low, and the program waits.
"""

from __future__ import annotations

import math
from typing import Any

from ..graph.program import Program

LEAST, MOST = 3, 100
"""Bounds of the count. What runs twice only is never worth waiting for."""

MOST_ON_A_GPU = 20
"""The same where programs run on a GPU: running an operation alone takes little there, whatever its size,
and much of what it takes is saved."""

COMPILE_NS, COMPILE_NS_EACH = 100e6, 0.7e6
"""Compiling with a warm cache, and more for each operation: 0.25 s for the 80 of the tutorial's
step, 0.8 s for the 876 of ResNet-18's."""
INTERPRET_NS_EACH, ELEMENT_NS, PRODUCT_NS = 12e3, 4.0, 0.3
"""The interpreter's time for an operation, for an element that it gives, and for a product that it
adds up."""


def patience(program: Program, gpu: bool = False) -> int:
    """How many runs to wait for the compiler."""
    compiling = COMPILE_NS + COMPILE_NS_EACH * len(program.instructions)
    if gpu:
        running = INTERPRET_NS_EACH * len(program.instructions)
        return min(MOST_ON_A_GPU, max(LEAST, round(compiling / max(running, 1.0))))
    return min(MOST, max(LEAST, round(compiling / max(_interpreting(program), 1.0))))


def _interpreting(program: Program) -> float:
    """Nanoseconds of a run in the interpreter, roughly."""
    base = len(program.inputs) + len(program.scalars)
    total = 0.0
    for ins in program.instructions:
        total += INTERPRET_NS_EACH
        shapes = []
        for a in ins.args:
            if a is not None and not len(program.inputs) <= a < base:
                found: Any = program.inputs[a] if a < base else program.instructions[a - base].aval
                shapes += [x.shape for x in _parts(found)]
        given = _parts(ins.aval)
        total += ELEMENT_NS * sum(x.numel for x in given)
        if len(given) == 1 and len(shapes) == 2 and not ins.op.moves:
            total += PRODUCT_NS * _products(shapes[0], shapes[1], given[0].shape)
    return total


def _parts(aval: Any) -> tuple[Any, ...]:
    return aval if isinstance(aval, tuple) else (aval,)


def _products(a: tuple[int, ...], b: tuple[int, ...], result: tuple[int, ...]) -> float:
    """How many products a contraction adds up, 0 for what goes element by element. For (m, k) by
    (k, n) each of m, k and n is in two of the three sizes; for a convolution it is nearly so."""
    if _fits(a, result) and _fits(b, result):
        return 0.0
    return math.sqrt(math.prod(a)) * math.sqrt(math.prod(b)) * math.sqrt(math.prod(result))


def _fits(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to the result's."""
    return len(shape) <= len(result) and all(
        n in (1, m) for n, m in zip(reversed(shape), reversed(result))
    )
