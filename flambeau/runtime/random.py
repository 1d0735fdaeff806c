"""Random numbers as PyTorch's CPU generator gives them, bit for bit.

One Mersenne Twister (MT19937: Matsumoto and Nishimura, "Mersenne twister: a 623-dimensionally
equidistributed uniform pseudo-random number generator", 1998) feeds everything. NumPy's bit
generator of that name yields the same 32-bit stream; a `Generator` turns it into distributions with
the formulas of PyTorch 2.13's x86-64 build on a CPU with AVX2, in the same order of draws, and
keeps its state in the same 5056 bytes, so that states can be exchanged with PyTorch both ways.

dtypes are names. ``"bfloat16"`` results are float32 arrays whose values bfloat16 can hold. Every
draw returns a fresh C-contiguous array. A tensor with another memory layout is filled by PyTorch in
the order of its memory: draw its dimensions sorted by falling stride and transpose back.

Doubles go through the C library's log1p, sin and so on, as in PyTorch: results agree bit for bit on
the same C library.

Where a machine can run them, native kernels make the most used draws (`native_random`): the same
bits from the same state.

A generator may be used from several threads (no number is handed out twice) but the order is then
nobody's promise. A forked child inherits the state and so repeats its parent's numbers until it is
seeded anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flambeau.runtime import native_random, recycled
from flambeau.runtime.box_muller import box_muller32
from flambeau.runtime.mt19937 import Stream
from flambeau.runtime.random_rules import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    Array,
    check_bounds,
    check_permutation,
    check_weights,
    checked_range,
    default_range,
    float_row,
    narrow,
    probabilities,
)
from flambeau.runtime.rounding import fma32, fma64
from flambeau.runtime.shuffle import inside_out, swap_in_turn

_CHUNK = 16384  # elements at a time, so that temporaries stay in the second-level cache
_FULL_RANGE = -(2**63)  # random_(-2**63, None) means all 64 bits
_INSIDE_OUT = (2**32 - 1) // 20
_SPLITTABLE = (2.0**-900, 2.0**900)  # factors with which `fma64` is sure to round as an FMA does
_ONES = {np.float16: 0x3C00, np.float32: 0x3F800000, np.float64: 0x3FF0000000000000}
"""The bits of a float's 1; an integer's are those of 1."""
_MASKS = {1: "mask1", 2: "mask2", 4: "mask4", 8: "mask8"}
_NORMAL = {"float32": "normal32", "float64": "normal64"}

Shape = int | Sequence[int]
Doubles = NDArray[np.float64]


class Generator(Stream):
    """A stream of random numbers: `torch.Generator`'s methods, and the draws that tensors need.

    A fresh generator has PyTorch's default seed. Seeding and states are `Stream`'s.
    """

    __slots__ = ()

    # --- uniform and normal -----------------------------------------------------------------------

    def uniform(
        self, shape: Shape, dtype: str = "float32", low: float = 0.0, high: float = 1.0
    ) -> Array:
        """Uniform in [low, high), as ``uniform_`` and ``rand``.

        ``x * (high - low) + low`` with 24 random bits of one draw for x, in double 53 bits of two.
        Half and bfloat16 are rounded from float32; where a rounding hits `high`, the value is
        `low`. A complex number is two floats. Raises RuntimeError for bounds out of order or out of
        the dtype's range, NotImplementedError for an integer dtype.
        """
        if dtype in COMPLEX:
            return _as_complex(self.uniform(_doubled(shape), COMPLEX[dtype], low, high), dtype)
        storage, _, largest = float_row("uniform_", dtype)
        if low != 0 or high != 1:
            check_bounds(dtype, low, high, largest)
        out = _empty(shape, storage)
        if not self._native_uniform(out, dtype, low, high):
            for part in _chunks(out):
                part[...] = self._uniform_part(part.size, dtype, low, high)
        return out

    def _native_uniform(self, out: Array, dtype: str, low: float, high: float) -> bool:
        if dtype == "float32":
            span = high - low if low == 0 else float(np.float32(high) - np.float32(low))
            return self._native("uniform32", out, out.size, span, low, high)
        if dtype == "float64" and _exact(high - low, low):
            return self._native("uniform64", out, out.size, high - low, low, high)
        return False

    def _uniform_part(self, count: int, dtype: str, low: float, high: float) -> Array:
        if dtype == "float64":
            values: Array = self.doubles(count)
            if low != 0 or high != 1:
                values = fma64(values, high - low, low)
        else:
            values = self.singles(count)
            if low != 0 or high != 1:
                values = fma32(values, np.float32(high) - np.float32(low), np.float32(low))
            elif dtype == "float32":
                return values
        values = narrow(values, dtype)
        bounds = narrow(np.array([low, high]), dtype)
        values[values == bounds[1]] = bounds[0]
        return values

    def normal(
        self,
        shape: Shape,
        dtype: str = "float32",
        mean: float = 0.0,
        std: float = 1.0,
        *,
        contiguous: bool = True,
    ) -> Array:
        """Normal numbers, as ``normal_`` and ``randn``: Box and Muller's, in PyTorch's two ways.

        From 16 elements on, uniforms fill the result first and groups of 16 are transformed, eight
        radii with eight angles; where 16 does not divide the size, the last 16 are drawn anew.
        Float32, half and bfloat16 take `box_muller32`, doubles the C library's functions. Fewer
        elements, or a tensor that is not contiguous (``contiguous=False``), are made one by one in
        double, and the second of a pair waits in the state. The imaginary and real parts of complex
        numbers have the standard deviation ``std / sqrt(2)``. Raises RuntimeError for std < 0.
        """
        if not std >= 0:
            raise RuntimeError(f"normal_: expected std >= 0, got std={std}")
        if dtype in COMPLEX:
            parts = self.normal(
                _doubled(shape), COMPLEX[dtype], mean, std / math.sqrt(2), contiguous=contiguous
            )
            return _as_complex(parts, dtype)
        storage, _, _ = float_row("normal_", dtype)
        out = _empty(shape, storage)
        if out.size < 16 or not contiguous:
            flat = out.reshape(-1)
            flat[...] = narrow(fma64(self._normals(out.size), float(std), float(mean)), dtype)
            return out
        self._normal_fill(out.reshape(-1), dtype, float(mean), float(std))
        return out

    def _normal_fill(self, out: Array, dtype: str, mean: float, std: float) -> None:
        make = self._sixteens64 if dtype == "float64" else self._sixteens32
        entry = _NORMAL.get(dtype)
        rest = out.size % 16
        if (
            entry is None
            or (dtype == "float64" and not _exact(std, mean))
            or not self._native(entry, out, out.size // 16, std, mean)
        ):
            for part in _chunks(out[: out.size - rest]):
                part[...] = narrow(make(part.size, mean, std), dtype)
        if rest:
            # Floats and doubles draw for each element before the last 16 are made again.
            if entry is not None:
                self.words(rest if dtype == "float32" else 2 * rest)
            out[-16:] = narrow(make(16, mean, std), dtype)

    def _sixteens32(self, count: int, mean: float, std: float) -> NDArray[np.float32]:
        if native_random.kernels is not None:
            made = np.empty(count, np.float32)
            self._native("normal32", made, count // 16, std, mean)
            return made
        words = (self.words(count) & np.uint32(0xFFFFFF)).reshape(-1, 2, 8)
        cosines, sines = box_muller32(words[:, 0].reshape(-1), words[:, 1].reshape(-1))
        out = np.empty((count // 16, 2, 8), np.float32)
        out[:, 0] = cosines.reshape(-1, 8)
        out[:, 1] = sines.reshape(-1, 8)
        with np.errstate(over="ignore", invalid="ignore"):  # std may be hardly a number of the dtype
            return fma32(out.reshape(-1), np.float32(std), np.float32(mean))

    def _sixteens64(self, count: int, mean: float, std: float) -> Doubles:
        if native_random.kernels is not None and _exact(std, mean):
            made = np.empty(count)
            self._native("normal64", made, count // 16, std, mean)
            return made
        uniforms = self.doubles(count).reshape(-1, 2, 8)
        radius = np.sqrt(-2.0 * _each(math.log, (1.0 - uniforms[:, 0]).reshape(-1)))
        cosines, sines = _cos_sin((2.0 * math.pi) * uniforms[:, 1].reshape(-1))
        out = np.empty((count // 16, 2, 8))
        out[:, 0] = (radius * cosines).reshape(-1, 8)
        out[:, 1] = (radius * sines).reshape(-1, 8)
        return fma64(out.reshape(-1), std, mean)

    def _normals(self, count: int) -> Doubles:
        """Standard normal doubles one by one; an odd one out is kept for the next call."""
        out = np.empty(count)
        start = 0
        if count and self._spare is not None:
            out[0], self._spare, start = self._spare, None, 1
        pairs = (count - start + 1) // 2
        if not pairs:
            return out
        if native_random.kernels is not None:
            made = np.empty(2 * pairs)
            self._native("pairs", made, pairs)
            out[start:] = made[: count - start]
            if (count - start) % 2:
                self._spare = float(made[-1])
            return out
        uniforms = self.doubles(2 * pairs)
        radius = np.sqrt(-2.0 * _each(math.log1p, -uniforms[1::2]))
        cosines, sines = _cos_sin((2.0 * math.pi) * uniforms[0::2])
        out[start::2] = radius * cosines
        out[start + 1 :: 2] = (radius * sines)[: (count - start) // 2]
        if (count - start) % 2:
            self._spare = float(radius[-1] * sines[-1])
        return out

    def _next_normal(self) -> float:
        return float(self._normals(1)[0])

    # --- integers ---------------------------------------------------------------------------------

    def random(
        self, shape: Shape, dtype: str = "int64", low: int | None = None, high: int | None = None
    ) -> Array:
        """Integers in [low, high) as ``random_`` and ``randint`` draw them.

        ``draw % (high - low) + low``, where a draw has 32 bits for a range below 2**28, else 64.
        With neither bound the range is the dtype's non-negative half, for floats [0, 2**precision];
        with `high` alone it begins at 0; with `low` alone it ends at the dtype's largest value, and
        for ``low=-2**63`` all 64 bits are used. Raises RuntimeError for an empty range and for one
        that the dtype can't hold; a float range that is wider than its precision warns.
        """
        if dtype not in FLOATS and dtype not in INTEGERS:
            bounded = high is not None or low not in (None, _FULL_RANGE)
            kind = RuntimeError if bounded else NotImplementedError
            raise kind(f"random_: expected an integer, float or bool dtype, got {dtype}")
        if high is None and low is None:
            return self._fill_integers(shape, dtype, *default_range(dtype))
        if high is None and low == _FULL_RANGE:
            if dtype not in ("int64", "float32", "float64", "bfloat16"):
                kind = NotImplementedError if dtype in ("float16", "bool") else RuntimeError
                raise kind(f"random_: {dtype} does not hold the full range of 64 bits")
            return self._fill_integers(shape, dtype, 0, 64, None)
        low, stop = checked_range(dtype, 0 if low is None else low, high)
        return self._fill_integers(shape, dtype, low, 64 if stop - low >= 2**28 else 32, stop - low)

    def _fill_integers(
        self, shape: Shape, dtype: str, low: int, width: int, modulus: int | None
    ) -> Array:
        storage = FLOATS[dtype][0] if dtype in FLOATS else INTEGERS[dtype][0]
        out = _empty(shape, storage)
        if width == 32 and modulus and dtype in ("int32", "int64"):
            if self._native(f"below{out.itemsize}", out, out.size, modulus, 1 / modulus, low):
                return out
        for part in _chunks(out):
            draws: Array = self.words64(part.size) if width == 64 else self.words(part.size)
            if modulus is not None and modulus < 2**width:
                draws %= draws.dtype.type(modulus)
            values: NDArray[np.int64] = draws.astype(np.int64)
            values += low
            part[...] = values if dtype in ("float64", "float32") else narrow(values, dtype)
        return out

    def randperm(self, n: int, dtype: str = "int64") -> Array:
        """A random permutation of 0 … n - 1 by Fisher and Yates' shuffle, as ``randperm``.

        Place i changes with place ``i + draw % (n - i)``, i rising. From n = 2**32 // 20 on,
        PyTorch builds the permutation inside out with 64-bit draws, and so does this (in minutes).
        Raises RuntimeError for a negative n and for one that the dtype can't count to.
        """
        storage = check_permutation(n, dtype)
        if n >= _INSIDE_OUT:
            order = inside_out(n, self.words64)
        else:
            order = np.arange(n)
            if n > 1 and not self._native("shuffle", order, n):
                left = np.arange(n, 1, -1, dtype=np.uint32)
                order[:-1] += (self.words(n - 1) % left).astype(np.int64)
                order = swap_in_turn(order)
        return narrow(order, dtype).astype(storage, copy=False)

    # --- other distributions ----------------------------------------------------------------------

    def bernoulli(self, shape: Shape, dtype: str = "float32", p: float | Array = 0.5) -> Array:
        """Ones with probability `p`, else zeros: ``bernoulli_``, ``bernoulli`` and dropout's masks.

        ``uniform < p``, for a scalar or a float64 array with a double uniform (two draws an
        element), for another float array with a 24-bit one (one draw). An array is broadcast to
        `shape`. PyTorch 2.13's wheels draw from this stream on every processor; older ones took
        scalar probabilities from MKL's stream on Intel's, which is not reproduced.
        """
        if dtype not in FLOATS and dtype not in INTEGERS:
            raise NotImplementedError(f"bernoulli_: not defined for dtype {dtype}")
        storage = FLOATS[dtype][0] if dtype in FLOATS else INTEGERS[dtype][0]
        out = _empty(shape, storage)
        if native_random.kernels is not None and isinstance(p, (float, int)) and 0 <= p <= 1:
            entry, bound = _MASKS[out.itemsize], math.ceil(p * 2.0**53)
            self._native(entry, out, out.size, bound, _ONES.get(storage, 1))
            return out
        limits = probabilities(p, out.shape)
        for part, limit in zip(_chunks(out), _chunks_like(limits, out.size), strict=True):
            double = limit.dtype == np.float64
            part[...] = (self.doubles if double else self.singles)(part.size) < limit
        return out

    def exponential(self, shape: Shape, dtype: str = "float32", rate: float = 1.0) -> Array:
        """Exponential numbers, as ``exponential_``; rate > 0.

        ``-1 / rate * log1p(-uniform)`` in double.
        """
        if dtype not in FLOATS:
            raise RuntimeError(f"exponential_: expected a float dtype, got {dtype}")
        if not rate > 0:
            raise RuntimeError(f"exponential_: expected lambd > 0, got lambd={rate}")
        factor = -1.0 / rate
        if native_random.kernels is not None:
            logs = _empty(shape, np.float64)
            self._native("log1p64", logs, logs.size)
            return narrow(np.multiply(logs, factor, out=logs), dtype)
        return self._from_doubles(shape, dtype, lambda u: factor * _each(math.log1p, -u))

    def geometric(self, shape: Shape, dtype: str = "float32", p: float = 0.5) -> Array:
        """Numbers of trials up to the first success, as ``geometric_``; 0 < p < 1.

        ``ceil(log(uniform) / log1p(-p))`` in double.
        """
        if dtype not in FLOATS and (dtype not in INTEGERS or dtype == "bool"):
            raise NotImplementedError(f"geometric_: not defined for dtype {dtype}")
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_: expected p in (0, 1), got p={p}")
        scale = math.log1p(-p)
        return self._from_doubles(shape, dtype, lambda u: np.ceil(_each(_log, u) / scale))

    def cauchy(
        self, shape: Shape, dtype: str = "float32", median: float = 0.0, sigma: float = 1.0
    ) -> Array:
        """Cauchy numbers, as ``cauchy_``; sigma > 0.

        ``median + sigma * tan(pi * (uniform - 0.5))`` in double.
        """
        if dtype not in FLOATS:
            raise RuntimeError(f"cauchy_: expected a float dtype, got {dtype}")
        if not sigma > 0:
            raise RuntimeError(f"cauchy_: expected sigma > 0, got sigma={sigma}")
        return self._from_doubles(
            shape,
            dtype,
            lambda u: fma64(_each(math.tan, math.pi * (u - 0.5)), float(sigma), float(median)),
        )

    def log_normal(
        self, shape: Shape, dtype: str = "float32", mean: float = 1.0, std: float = 2.0
    ) -> Array:
        """``exp(normal(mean, std))`` in double, as ``log_normal_``; std > 0.

        The normal numbers come one by one, and the second of a pair waits in the state.
        """
        if dtype not in FLOATS:
            raise NotImplementedError(f"log_normal_: expected a float dtype, got {dtype}")
        if not std > 0:
            raise RuntimeError(f"log_normal_: expected std > 0, got std={std}")
        out = _empty(shape, FLOATS[dtype][0])
        for part in _chunks(out):
            normals = fma64(self._normals(part.size), float(std), float(mean))
            part[...] = narrow(_each(_exp, normals), dtype)
        return out

    def _from_doubles(
        self, shape: Shape, dtype: str, formula: Callable[[Doubles], Doubles]
    ) -> Array:
        out = _empty(shape, (FLOATS.get(dtype) or INTEGERS[dtype])[0])
        for part in _chunks(out):
            part[...] = narrow(formula(self.doubles(part.size)), dtype)
        return out

    def multinomial(
        self, weights: Array, count: int, replacement: bool = False, dtype: str | None = None
    ) -> NDArray[np.int64]:
        """Indices drawn in proportion to `weights`, as ``multinomial``.

        Weights of shape (k,) give (count,), those of shape (rows, k) give (rows, count). With
        replacement: a double uniform each, looked up in the running sum of the weights. Without,
        and where `count` is 1: the `count` largest of ``weights / exponential``, computed in `dtype`, the weights' own
        where it is not given; largest first, equal ones (such as zero weights) in index order,
        which PyTorch leaves open.
        """
        check_weights(weights, count, replacement)
        rows = np.atleast_2d(weights)
        chosen = np.empty((len(rows), count), np.int64)
        if replacement and count > 1:
            for row, place in zip(rows, chosen, strict=True):
                place[...] = self._choose(row, count)
        else:
            name = dtype or rows.dtype.name
            with np.errstate(divide="ignore"):
                keys = narrow(rows / self.exponential(rows.shape, name), name)
            chosen[...] = np.argsort(-keys, axis=-1, kind="stable")[:, :count]
        return chosen.reshape((*weights.shape[:-1], count))

    def _choose(self, row: Array, count: int) -> NDArray[np.intp]:
        running = np.cumsum(row, dtype=np.float32 if row.dtype == np.float16 else row.dtype)
        running /= running[-1]
        running[-1] = 1
        return np.searchsorted(running.astype(np.float64), self.doubles(count), side="left")

    def poisson(self, rates: Array, dtype: str = "float32") -> Array:
        """Poisson numbers for an array of finite rates >= 0, as ``poisson``.

        The formulas are `rejection.poisson`'s.
        """
        from flambeau.runtime.rejection import poisson

        storage, _, _ = float_row("poisson", dtype)
        if not ((rates >= 0) & (rates < np.inf)).all():
            raise RuntimeError("poisson: expected finite rates >= 0")
        values = (poisson(rate, self.next_double) for rate in rates.reshape(-1).tolist())
        return _collect(values, rates.shape, storage, dtype)

    def standard_gamma(self, alpha: Array, dtype: str = "float32") -> Array:
        """Gamma numbers of rate 1 for an array of shape parameters, as ``_standard_gamma``.

        The formulas are `rejection.gamma`'s; a result is at least the dtype's smallest normal one.
        """
        from flambeau.runtime.rejection import gamma

        if dtype not in ("float32", "float64"):
            raise NotImplementedError(f"standard_gamma: expected float32 or float64, got {dtype}")
        storage = FLOATS[dtype][0]
        values = (
            gamma(a, self.next_double, self._next_normal, dtype == "float32")
            for a in alpha.reshape(-1).tolist()
        )
        tiny = np.finfo(storage).tiny
        out = _collect(values, alpha.shape, storage, dtype)
        return np.where(out > tiny, out, tiny).astype(storage)

    def binomial(self, count: Array, prob: Array, dtype: str = "float32") -> Array:
        """Binomial numbers for two arrays of one shape, as ``binomial``.

        The formulas are `rejection.binomial`'s.
        """
        from flambeau.runtime.rejection import binomial

        if dtype not in ("float32", "float64"):
            raise NotImplementedError(f"binomial: expected float32 or float64, got {dtype}")
        pairs = zip(count.reshape(-1).tolist(), prob.reshape(-1).tolist(), strict=True)
        values = (binomial(n, p, self.next_double, dtype == "float32") for n, p in pairs)
        return _collect(values, count.shape, FLOATS[dtype][0], dtype)


# --- arrays ---------------------------------------------------------------------------------------


def _empty(shape: Shape, storage: Any) -> Array:
    return recycled.empty(shape, storage)


def _chunks(out: Array) -> Iterator[Array]:
    """Flat views of a contiguous array, short enough for the cache and multiples of 16 long."""
    flat = out.reshape(-1)
    if flat.size <= _CHUNK:
        if flat.size:
            yield flat
        return
    for start in range(0, flat.size, _CHUNK):
        yield flat[start : start + _CHUNK]


def _chunks_like(values: Array, size: int) -> Iterator[Array]:
    """The chunks of `values` beside those of an array of that size; a 0-d array goes with each."""
    for start in range(0, size, _CHUNK):
        yield values if values.ndim == 0 else values[start : start + _CHUNK]


def _exact(factor: float, term: float) -> bool:
    """Whether `fma64` and a native FMA surely agree."""
    return term == 0 or _SPLITTABLE[0] < factor < _SPLITTABLE[1]


def _collect(
    values: Iterable[float], shape: tuple[int, ...], storage: type[np.floating[Any]], dtype: str
) -> Array:
    doubles = np.fromiter(values, np.float64, math.prod(shape))
    return narrow(doubles, dtype).astype(storage, copy=False).reshape(shape)


def _doubled(shape: Shape) -> tuple[int, ...]:
    return (shape, 2) if isinstance(shape, int) else (*shape, 2)


def _as_complex(parts: Array, dtype: str) -> Array:
    return parts.view(dtype).reshape(parts.shape[:-1])


# --- the C library --------------------------------------------------------------------------------


def _each(function: Callable[[float], float], values: Doubles) -> Doubles:
    """`function` of each number; NumPy's own may differ from the C library's in the last bit."""
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


def _cos_sin(angles: Doubles) -> tuple[Doubles, Doubles]:
    """Cosines and sines by the C library, whose exp of an imaginary number is just these."""
    turns = np.zeros(angles.size, np.complex128)
    turns.imag = angles
    np.exp(turns, out=turns)
    return turns.real, turns.imag


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


default_generator = Generator()
"""The generator of every call that names none."""
