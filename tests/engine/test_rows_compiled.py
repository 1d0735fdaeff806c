"""Operations of all rows in the compiled tier, each as a program of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from flambeau.core import dtypes
from flambeau.engine.buffers import as_array
from flambeau.engine.compiled import Compiled, Guard
from flambeau.graph.program import Capture
from flambeau.graph.value import Value, leaf

from ..ops.steps import (
    NAMES,
    Step,
    collected,
    compare,
    in_dtype,
    is_complex,
    is_defined,
    known_numbers,
    reference,
    with_special,
)

ENOUGH = 1
"""So many operations of each combination of dtypes are tried: each has kernels to compile."""

NOT_SPECIAL = frozenset(
    ["convolution", "convolution_transposed", "convolution_input", "convolution_weight"]
)
"""Rows in which an infinite weight may meet the zeros of a padding, or may not."""


def compiled(step: Step) -> list[np.ndarray] | None:
    """What native code gives; None where the row declines."""
    program, known = step.program, known_numbers(step)
    made = Compiled(program, Guard(tuple(known), tuple(known.values())))
    if made.lowered.declined:
        return None
    leaves = [leaf(a, np.array(x, order="C")) for a, x in zip(program.inputs, step.arrays)]
    ins = program.instructions[0]
    value = Value(ins.op, ins.aval, (), ())
    assert made.run(Capture((), leaves, list(step.numbers), [value]), True)
    found = as_array(value)
    return list(found) if isinstance(found, tuple) else [found]


def chosen(name: str) -> list[Step]:
    """A few operations, in float32 and with special numbers where they have floats."""
    out: list[Step] = []
    seen: Counter[Any] = Counter()
    for step in collected()[name]:
        kinds = tuple(a.dtype for a in step.program.inputs)
        seen[kinds] += 1
        if is_complex(step) or seen[kinds] > ENOUGH:
            continue
        out.append(step)
        single = in_dtype(step, dtypes.float32) if dtypes.float64 in kinds else None
        if single is not None:
            out.append(single if name in NOT_SPECIAL else with_special(single, 3))
    return out


@pytest.mark.parametrize("name", NAMES)
def test_native_code_means_what_the_reference_does(name: str) -> None:
    for step in chosen(name):
        if not is_defined(step):
            continue
        have = compiled(step)
        if have is None:
            continue
        aval = step.program.instructions[0].aval
        avals = aval if isinstance(aval, tuple) else (aval,)
        for h, w, a in zip(have, reference(step), avals, strict=True):
            compare(step, h, w, a.dtype)
