"""The loop language: what a loop kernel computes, as plain data.

A kernel runs over parallel dimensions (outer) and reduction dimensions (inner):

    for p in parallel dims:            # the first of them is the tasks
        for each stage, in order:
            for r in reduction dims:   # only in stages of level "full"
                statements: loads, arithmetic, reductions, stores

A stage of level "row" runs once for each p, at the first positions of the reduction dimensions. It
may read what earlier stages have reduced. Softmax over the last dimension is: full (max), full (sum
of exp(x - max)), full (store).

Memory may be an input's and an output's if both lie in it alike: an element is then stored after it
was loaded, and a later stage loads what an earlier one has stored. Other overlaps are not allowed.

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
and, or, xor work on bools and integers. shl and shr by the width or more, or by a negative number,
give 0 (-1 for the right shift of a negative number). floordiv and remainder (NumPy's, of the
divisor's sign; 0 for an integer divided by 0) are of integers or floats. Integers wrap around. add,
sub, mul, min and max of bools are or, xor, and, and, or; everything else is of floats."""
TERNARY = frozenset(["select", "fma", "philox"])
"""select(condition, a, b). philox(block, half, key) of int64: two of the four random 32-bit words of
Philox4x32-10's block of that number, as one number with the first word low: see `codegen.loop_philox`."""

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


def verify(loop: Loop) -> None:
    """Check the grammar; an AssertionError says what is wrong."""
    assert loop.par >= 1 and loop.red >= 0, "at least one parallel dimension"
    assert loop.vector in ("par", "red"), loop.vector
    assert loop.vector == "par" or loop.red, "vectors along a reduction need one"
    assert loop.red or [s.level for s in loop.stages] == ["full"], "elementwise: one full stage"
    assert not loop.dense or (loop.par == 1 and loop.vector == "par"), "blocks of one dimension"
    for o in (*loop.inputs, *loop.outputs):
        assert o.dtype in DTYPES and o.inner in (0, 1, 2, None), o
    assert all(t in ("float64", "int64") for t in loop.numbers), loop.numbers
    assert all(0 <= g < len(loop.inputs) for g in loop.gathers), loop.gathers
    seen: list[tuple[Statement, int]] = []
    for number, stage in enumerate(loop.stages):
        assert stage.level in ("full", "row"), stage.level
        for s in stage.body:
            try:
                _verify_statement(loop, number, s, seen)
            except AssertionError as e:
                raise AssertionError(f"%{len(seen)} = {s}: {e}") from None
            seen.append((s, number))


def _verify_statement(
    loop: Loop, number: int, s: Statement, seen: list[tuple[Statement, int]]
) -> None:
    level = loop.stages[number].level
    for a in s.args:
        assert 0 <= a < len(seen), f"%{a} is not there yet"
        t, stage = seen[a]
        assert t.op != "store", f"%{a} has no value"
        if t.op == "reduce":
            assert stage < number, f"%{a} is reduced in this stage"
        elif t.op not in ("number", "const"):
            same = stage == number or loop.stages[stage].level == "row"
            assert same, f"%{a} belongs to another full stage"
    kinds = [seen[a][0].dtype for a in s.args]
    assert s.dtype in DTYPES, s.dtype
    if s.op == "load":
        assert 0 <= s.attr < len(loop.inputs) and loop.inputs[s.attr].dtype == s.dtype, "operand"
        assert len(s.args) == (s.attr in loop.gathers) and kinds in ([], ["int64"]), "index"
    elif s.op == "store":
        assert 0 <= s.attr < len(loop.outputs) and loop.outputs[s.attr].dtype == s.dtype, "operand"
        assert kinds == [s.dtype], "the value has the output's dtype"
    elif s.op == "number":
        assert not s.args and 0 <= s.attr < len(loop.numbers), "number"
    elif s.op == "const":
        assert not s.args and isinstance(s.attr, (int, float)), "const"
    elif s.op == "index":
        dims = loop.par + (loop.red if level == "full" else 0)
        assert not s.args and 0 <= s.attr < dims and s.dtype == "int64", "index"
    elif s.op == "cast":
        assert len(s.args) == 1, "cast"
    elif s.op == "reduce":
        assert loop.red and level == "full" and len(s.args) == 1, "reduce"
        _verify_reduction(loop, s, kinds[0])
    else:
        _verify_operation(s, kinds)


_INTEGERS = frozenset(["uint8", "int8", "int16", "int32", "int64"])
_FLOATS = frozenset(["float32", "float64"])
_BITWISE = frozenset(["not", "and", "or", "xor"])
_ANY = frozenset(
    "neg abs floor ceil trunc rint isnan add sub mul min max fmin fmax lt le gt ge eq ne".split()
)
_COMPARISONS = frozenset(["lt", "le", "gt", "ge", "eq", "ne", "isnan"])


def _verify_reduction(loop: Loop, s: Statement, source: str) -> None:
    assert s.attr in REDUCTIONS and source not in ("float16", "bfloat16"), s.attr
    assert s.dtype not in ("float16", "bfloat16"), "accumulators of 16 bits"
    if s.attr in ("any", "all"):
        assert s.dtype == "bool", "any and all are bools"
    if s.attr in ("argmax", "argmin"):
        assert s.dtype == "int64" and loop.red == 1, "an int64 index in one dimension"


def _verify_operation(s: Statement, kinds: list[str]) -> None:
    count = 1 if s.op in UNARY else 2 if s.op in BINARY else 3 if s.op in TERNARY else 0
    assert count and len(kinds) == count, "operation and its arguments"
    values = kinds
    if s.op == "select":
        assert kinds[0] == "bool", "the condition is a bool"
        values = kinds[1:]
    assert len(set(values)) == 1, "arguments of one dtype"
    kind = values[0]
    assert s.dtype == ("bool" if s.op in _COMPARISONS else kind), "the result's dtype"
    if s.op == "select":
        return
    numbers = _INTEGERS | _FLOATS
    if s.op in _BITWISE:
        assert kind in _INTEGERS or kind == "bool", "of bools and integers"
    elif s.op in ("shl", "shr"):
        assert kind in _INTEGERS, "of integers"
    elif s.op == "philox":
        assert kind == "int64", "of int64"
    elif s.op in ("floordiv", "remainder"):
        assert kind in numbers, "of numbers"
    elif s.op in _ANY:
        assert kind in numbers or kind == "bool" and s.op not in ("neg", "abs"), "of numbers"
    else:
        assert kind in _FLOATS, "of floats"
