"""The loop language in NumPy: what a loop means, without LLVM.

Every value is an array over all dimensions, parallel ones first, of size 1 where it is the same
along a dimension. Operands are given so too: as views that broadcast to the extents, with one more
dimension at the end, the index's, where an input is gathered. bfloat16 is its bits in uint16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import to_bfloat16
from .loop import Loop, Stage, Statement

Array = np.ndarray[Any, Any]


def run(
    loop: Loop, extents: Sequence[int], operands: Sequence[Array], numbers: Sequence[float] = ()
) -> None:
    """Run a loop over inputs and outputs; the outputs are written."""
    Run(loop, tuple(extents), operands, numbers).all()


class Run:
    """One run of a loop."""

    def __init__(
        self, loop: Loop, extents: tuple[int, ...],
        operands: Sequence[Array], numbers: Sequence[float],
    ) -> None:  # fmt: skip
        self.loop = loop
        self.extents = extents
        self.inputs = operands[: len(loop.inputs)]
        self.outputs = operands[len(loop.inputs) :]
        self.numbers = numbers
        self.values: list[Any] = []

    def all(self) -> None:
        with np.errstate(all="ignore"):
            for stage in self.loop.stages:
                for s in stage.body:
                    self.values.append(self.one(stage, s))

    def one(self, stage: Stage, s: Statement) -> Any:
        """A statement's value."""
        args = [self.values[a] for a in s.args]
        if s.op == "load":
            return self.load(stage, s, *args)
        if s.op == "store":
            return self.store(stage, s, args[0])
        if s.op == "number":
            return cast(np.asarray(self.numbers[s.attr]), s.dtype)
        if s.op == "const":
            return constant(s.attr, s.dtype)
        if s.op == "index":
            n = len(self.extents)
            shape = [-1 if d == s.attr else 1 for d in range(n)]
            return np.arange(self.extents[s.attr], dtype=np.int64).reshape(shape)
        if s.op == "cast":
            return cast(args[0], s.dtype, self.dtype(s.args[0]))
        if s.op == "reduce":
            return self.reduce(args[0], s)
        return apply(s.op, *args)

    def dtype(self, number: int) -> str:
        """Of an earlier statement."""
        return [s for stage in self.loop.stages for s in stage.body][number].dtype

    def load(self, stage: Stage, s: Statement, index: Array | None = None) -> Array:
        x = self.start(stage, self.inputs[s.attr])
        if index is None:
            return x.copy()  # The memory may be an output's.
        shape = np.broadcast_shapes(x.shape[:-1], index.shape)
        whole = np.broadcast_to(x, (*shape, x.shape[-1]))
        at = np.broadcast_to(index, shape)[..., None]
        return np.take_along_axis(whole, at, -1)[..., 0]

    def store(self, stage: Stage, s: Statement, x: Any) -> None:
        out = self.start(stage, self.outputs[s.attr])
        out[...] = np.broadcast_to(cast(x, s.dtype, self.dtype(s.args[0])), out.shape)

    def start(self, stage: Stage, x: Array) -> Array:
        """In a row stage: what lies at the first positions of the reduction dimensions."""
        if stage.level == "full":
            return x
        first = (slice(None),) * self.loop.par + (slice(0, 1),) * self.loop.red
        return x[first]

    def reduce(self, x: Any, s: Statement) -> Array:
        """Over all reduction dimensions, which stay with size 1."""
        par = self.extents[: self.loop.par]
        over = np.broadcast_to(x, (*np.broadcast_shapes(np.shape(x)[: self.loop.par] or par, par),
                                   *self.extents[self.loop.par :]))  # fmt: skip
        rows = over.reshape(*par, math.prod(self.extents[self.loop.par :]))
        out = REDUCE[s.attr](rows, s.dtype)
        return out.reshape(*par, *(1,) * self.loop.red)


def constant(value: Any, dtype: str) -> Any:
    """A Python number; integers wrap around."""
    if dtype in _BITS and dtype != "bool":
        bits, signed = _BITS[dtype]
        wrapped = int(value) % (1 << bits)
        if signed and wrapped >> (bits - 1):
            wrapped -= 1 << bits
        return np.dtype(dtype).type(wrapped)
    if dtype == "bfloat16":
        return to_bfloat16(np.asarray(value, np.float32))[()]
    return np.dtype(dtype).type(value)


_BITS = {"uint8": (8, 0), "int8": (8, 1), "int16": (16, 1), "int32": (32, 1), "int64": (64, 1)}


# --- casts --------------------------------------------------------------------------------------


def cast(x: Any, dtype: str, source: str = "") -> Any:
    """The numbers of x in another dtype. 16-bit floats are rounded from float32."""
    x = np.asarray(x)
    if source == "bfloat16":
        if dtype == source:
            return x
        x = (x.astype(np.uint32) << 16).view(np.float32)
    if dtype == "bool":
        return x != 0
    if dtype == "bfloat16":
        return _bfloat16(x.astype(np.float32))
    if dtype == "float16":
        return x.astype(np.float32).astype(np.float16)
    if x.dtype.kind == "f" and dtype in ("uint8", "int8", "int16"):
        return x.astype(np.int32).astype(dtype)
    return x.astype(dtype)


def _bfloat16(x: Array) -> Array:
    bits = x.view(np.uint32).astype(np.uint64)
    up = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FC0), up)


# --- elementwise --------------------------------------------------------------------------------


def apply(op: str, *args: Any) -> Any:
    """An operation of UNARY, BINARY or TERNARY."""
    if op == "select":
        return np.where(*args)
    if op == "fma":
        return _fma(*args)
    if op in ("add", "sub", "mul") and np.asarray(args[0]).dtype == bool:
        return {"add": np.logical_or, "sub": np.logical_xor, "mul": np.logical_and}[op](*args)
    return FUNCTIONS[op](*args)


def _fma(a: Any, b: Any, c: Any) -> Any:
    """Rounded once: exact for float32 but for double rounding, by long double for float64."""
    kind = np.result_type(a, b, c)
    wide = np.float64 if kind == np.float32 else np.longdouble
    return (np.asarray(a, wide) * np.asarray(b, wide) + np.asarray(c, wide)).astype(kind)


def _shift(left: bool) -> Callable[[Any, Any], Any]:
    def shift(a: Any, b: Any) -> Any:
        kind = np.asarray(a).dtype
        width = 8 * kind.itemsize
        far = (b < 0) | (b >= width)
        by = np.where(far, 0, b).astype(kind)
        if left:
            return np.where(far, 0, np.left_shift(a, by)).astype(kind)
        sign = np.where(np.asarray(a) < 0, -1, 0) if kind.kind == "i" else 0
        return np.where(far, sign, np.right_shift(a, by)).astype(kind)

    return shift


def _erf(x: Any) -> Any:
    f = np.vectorize(math.erf, otypes=[np.float64])
    return f(np.asarray(x, np.float64)).astype(np.asarray(x).dtype)


def _erfc(x: Any) -> Any:
    f = np.vectorize(math.erfc, otypes=[np.float64])
    return f(np.asarray(x, np.float64)).astype(np.asarray(x).dtype)


def _isnan(x: Any) -> Any:
    return np.isnan(x) if np.asarray(x).dtype.kind == "f" else np.zeros(np.shape(x), bool)


def _keep_integers(f: Any) -> Callable[[Any], Any]:
    return lambda x: f(x) if np.asarray(x).dtype.kind == "f" else x


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "neg": lambda x: np.negative(x),
    "abs": np.abs,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: np.asarray(x).dtype.type(1) / np.sqrt(x),
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "tanh": np.tanh,
    "erf": _erf,
    "erfc": _erfc,
    "floor": _keep_integers(np.floor), "ceil": _keep_integers(np.ceil),
    "trunc": _keep_integers(np.trunc), "rint": _keep_integers(np.rint),
    "not": np.invert,
    "isnan": _isnan,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "min": np.minimum, "max": np.maximum, "fmin": np.fmin, "fmax": np.fmax,
    "pow": np.power, "atan2": np.arctan2, "copysign": np.copysign,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "shl": _shift(True), "shr": _shift(False),
    "floordiv": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod,
}  # fmt: skip


# --- reductions ---------------------------------------------------------------------------------


def _extreme(name: str) -> Callable[[Array, str], Array]:
    def reduce(x: Array, dtype: str) -> Array:
        kind = np.dtype(dtype)
        worst: Any
        if kind.kind == "f":
            worst = math.inf if name == "min" else -math.inf
        elif kind.kind == "b":
            worst = name == "min"
        else:
            worst = np.iinfo(kind).max if name == "min" else np.iinfo(kind).min
        f = np.minimum if name == "min" else np.maximum
        return f.reduce(x.astype(kind), axis=-1, initial=worst)

    return reduce


def _first_extreme(f: Any) -> Callable[[Array, str], Array]:
    def reduce(x: Array, dtype: str) -> Array:
        if not x.shape[-1]:
            return np.zeros(x.shape[:-1], np.int64)
        return f(x, axis=-1)

    return reduce


REDUCE: dict[str, Callable[[Array, str], Array]] = {
    "sum": lambda x, dtype: np.asarray(np.sum(cast(x, dtype), axis=-1, dtype=dtype)),
    "prod": lambda x, dtype: np.asarray(np.prod(cast(x, dtype), axis=-1, dtype=dtype)),
    "min": _extreme("min"),
    "max": _extreme("max"),
    "any": lambda x, dtype: np.any(x != 0, axis=-1),
    "all": lambda x, dtype: np.all(x != 0, axis=-1),
    "argmax": _first_extreme(np.argmax),
    "argmin": _first_extreme(np.argmin),
}
