"""The loop language: what a loop kernel computes, as plain data.

A kernel runs over parallel dimensions (outer) and reduction dimensions (inner):

    for p in parallel dims:            # the first of them is the tasks
        for each stage, in order:
            for r in reduction dims:   # only in stages of level "full"
                statements: loads, arithmetic, reductions, stores

A stage of level "row" runs once for each p. It may read what earlier stages have reduced. Softmax
over the last dimension is: full (max), full (sum of exp(x - max)), full (store).

Exactly one dimension runs in vectors: the last parallel one (`vector="par"`: each lane is a row of
its own), or the last reduction one (`vector="red"`: lanes are combined at a stage's end, in a fixed
order). Extents and strides are run-time words. See `words` for their order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

DTYPES = {
    "bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8,
}  # fmt: skip
"""Element types and their bytes. A bool is a byte that is 0 or 1. float16 and bfloat16 can be
loaded, stored and cast, nothing else."""

UNARY = frozenset(
    "neg abs sqrt rsqrt exp exp2 log log2 log10 log1p expm1 sin cos tan asin acos atan sinh cosh "
    "asinh acosh atanh tanh erf erfc floor ceil trunc rint not isnan".split()
)
BINARY = frozenset(
    "add sub mul div min max fmin fmax pow atan2 copysign lt le gt ge eq ne and or xor shl shr "
    "floordiv remainder fmod".split()
)
"""min and max propagate NaN (as np.minimum), fmin and fmax prefer numbers. Comparisons give bool.
and, or, xor work on bools and integers. div is of floats. floordiv and remainder (NumPy's, of the
divisor's sign; 0 for an integer divided by 0) are of integers or floats; fmod of floats. Integers
wrap around."""
TERNARY = frozenset(["select", "fma"])
"""select(condition, a, b)."""

REDUCTIONS = frozenset("sum prod min max any all argmax argmin".split())
"""min and max propagate NaN. argmax and argmin give the int64 index within the last reduction
dimension (there must be one only) of the first extreme, NaN counting as extreme."""


class Operand(NamedTuple):
    """An input or output. `inner` is its stride, in elements, along the vector dimension: 0, 1, 2
    or None for a run-time one."""

    dtype: str
    inner: int | None


class Statement(NamedTuple):
    """One value. Arguments are numbers of earlier statements of this kernel (all stages count
    through), which must be of this stage's level or invariant (loads and arithmetic of "row"
    stages, reductions, numbers).

    op          args                    attr
    load        () or (index,)          operand's number; `index` (int64) adds index * gather stride
    number      ()                      number's place among the kernel's run-time numbers
    const       ()                      a Python number
    index       ()                      the int64 position along dimension `attr` (parallel dims
                                        first, then reduction dims)
    cast        (x,)                    None: to `dtype`. From float to integer it truncates (any
                                        value where it does not fit), to bool it is != 0
    reduce      (x,)                    a reduction's name; `dtype` is the accumulator's. Only in
                                        "full" stages; the value is there in later stages
    store       (x,)                    the output's number
    any of UNARY, BINARY, TERNARY
    """

    op: str
    args: tuple[int, ...]
    dtype: str
    attr: Any = None


class Stage(NamedTuple):
    level: str
    """ "full" or "row"."""
    body: tuple[Statement, ...]


class Loop(NamedTuple):
    """A loop kernel's structure."""

    par: int
    """Parallel dimensions, at least 1."""
    red: int
    """Reduction dimensions, 0 for a purely elementwise kernel (one "full" stage)."""
    vector: str
    """ "par" or "red"."""
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    numbers: tuple[str, ...]
    """Types of the run-time numbers in the table: "float64" or "int64"."""
    stages: tuple[Stage, ...]
    gathers: tuple[int, ...] = ()
    """Inputs that are loaded with an index, each of which has a gather stride."""
    dense: bool = False
    """One parallel dimension in blocks: the task is a block of the only parallel dimension, whose
    size in elements is a run-time word; only with par == 1 and vector == "par"."""


class Access(NamedTuple):
    """Where one operand's elements are, for one launch."""

    slot: int
    offset: int
    strides: tuple[int, ...]
    """Bytes a step along each dimension, parallel ones first."""
    gather: int = 0
    """Bytes a step of the gather index."""


def words(
    loop: Loop, extents: tuple[int, ...], operands: tuple[Access, ...], numbers: tuple[int, ...],
    block: int = 0,
) -> list[int]:  # fmt: skip
    """A launch's argument words: extents (parallel, then reduction), the block size if `dense`,
    then for each input and output its slot, offset, strides and, where it is gathered, its gather
    stride, then the slots of the run-time numbers."""
    out = list(extents)
    if loop.dense:
        out.append(block)
    for i, a in enumerate(operands):
        out += (a.slot, a.offset, *a.strides)
        if i in loop.gathers:
            out.append(a.gather)
    out += numbers
    return out
