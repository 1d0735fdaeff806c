"""Random numbers on GPUs: one generator for each, whose draws are recorded like any operation.

A generator is a seed and an offset, the 32-bit words that have been drawn so far (Philox4x32-10: see
`ops.philox`). A draw of n elements moves the offset by n, rounded up to a multiple of 4; by 2 n where an
element takes 64 bits. So numbers are a function of the seed and of what was drawn before, whatever
computes them and when: nothing runs at the call, and the numbers are made inside of the loop that uses
them. They are not the CPU's numbers, nor those that PyTorch draws on a GPU.

`randperm`, `poisson`, `binomial` and gamma numbers are drawn on the host, from a stream that the seed and
the offset choose, and copied; what they are drawn with has to be waited for.
"""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import aval
from ..core.device import device as Device
from ..core.device import gpu
from ..ops.philox import blocks, chosen, numbers, permutation
from ..ops.table import call, table
from ..runtime import random as streams
from ..runtime import shortage
from ..runtime.mt19937 import DEFAULT_SEED
from ..runtime.random_rules import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    check_bounds,
    check_permutation,
    checked_range,
    default_range,
    float_row,
)
from . import generator as generators
from .creation import at_device, wrap
from .generator import Generator

STATE_BYTES = 16
_ALL = (1 << 64) - 1
_FULL_RANGE = -(1 << 63)
_NARROW_RANGE = 1 << 28
"""Ranges below this take 32 bits, as in PyTorch."""

Shape = tuple[int, ...]


def _signed(x: int) -> int:
    """The 64 bits of a number, as those of an int64."""
    return (x + (1 << 63)) % (1 << 64) - (1 << 63)


class Philox:
    """A GPU's stream: what `runtime.random.Generator` is on the CPU, but its draws are tensors."""

    gives_tensors = True

    def __init__(self, where: Device) -> None:
        self.device = where
        self._seed = DEFAULT_SEED
        self._offset = 0
        self._lock = threading.Lock()
        self._rules = streams.Generator()

    # --- seeds and states -------------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Philox:
        """Start the stream of a seed in [-2**63, 2**64 - 1]."""
        self._rules.manual_seed(seed)  # raises for what is none
        with self._lock:
            self._seed, self._offset = seed & _ALL, 0
        return self

    def initial_seed(self) -> int:
        return self._seed

    def seed(self) -> int:
        """Seed from the operating system's entropy, and return the seed."""
        # 53 bits, as PyTorch's: a float holds them.
        found = int.from_bytes(os.urandom(8), "little") >> 11
        self.manual_seed(found)
        return found

    def get_state(self) -> np.ndarray:
        """Seed and offset as 16 bytes."""
        with self._lock:
            return np.array([self._seed, self._offset], "<u8").view(np.uint8)

    def set_state(self, state: np.ndarray) -> None:
        """Go on from a state of `get_state`; 8 bytes are a seed.

        Raises:
            RuntimeError: it has another size, or an offset that no draw ends at.
        """
        if state.ndim != 1 or state.size not in (8, STATE_BYTES):
            raise RuntimeError(f"RNG state is wrong size: {state.size} bytes, not {STATE_BYTES}")
        seed, *offset = (int(x) for x in np.ascontiguousarray(state).view("<u8"))
        self._move(offset[0] if offset else 0, seed)

    @property
    def offset(self) -> int:
        """How many 32-bit words have been drawn."""
        return self._offset

    @offset.setter
    def offset(self, words: int) -> None:
        self._move(words, self._seed)

    def _move(self, offset: int, seed: int) -> None:
        if offset % 4:
            raise RuntimeError(f"offset must be a multiple of 4, got {offset}")
        with self._lock:
            self._seed, self._offset = seed, offset & _ALL

    def mark(self) -> Any:
        """Where the stream is, for `go_back`."""
        return self._seed, self._offset

    def go_back(self, mark: Any) -> None:
        """Draw again from a mark on."""
        with self._lock:
            self._seed, self._offset = mark

    def take(self, count: int, wide: bool = False) -> tuple[float, float, float]:
        """Where a draw of `count` elements begins, as rows take it: the key's words, the first block."""
        with self._lock:
            seed, start = self._seed, self._offset // 4
            self._offset = (self._offset + 4 * blocks(count, wide)) & _ALL
        return numbers(seed, start)

    def _host(self) -> streams.Generator:
        """A stream on the host that belongs to this place of the stream."""
        return streams.Generator().manual_seed(chosen(*self.take(1)))

    # --- what rows draw ---------------------------------------------------------------------------

    def _record(self, name: str, shape: Any, dtype: str, wide: bool, given: Any, *params: Any) -> Any:
        dt, shape = dtypes.by_name(dtype), tuple(shape)
        a = aval(shape, dt, self.device)
        shortage.possible(a.nbytes, "random numbers", shape)
        scalars = (*self.take(a.numel, wide), *given)
        return at_device(table[name], a, scalars, (*params, shape, dt))

    def uniform(self, shape: Any, dtype: str = "float32", low: float = 0.0, high: float = 1.0) -> Any:
        """Uniform in [low, high)."""
        if dtype in COMPLEX:
            return _as_complex(self.uniform((*shape, 2), COMPLEX[dtype], low, high))
        _, _, largest = float_row("uniform_", dtype)
        if low != 0 or high != 1:
            check_bounds(dtype, low, high, largest)
        return self._record("philox_uniform", shape, dtype, dtype == "float64", (float(low), float(high)))

    def normal(
        self, shape: Any, dtype: str = "float32", mean: float = 0.0, std: float = 1.0, *,
        contiguous: bool = True,
    ) -> Any:  # fmt: skip
        """Normal numbers. Of complex ones each part has the deviation std / sqrt(2)."""
        if not std >= 0:
            raise RuntimeError(f"normal_: expected std >= 0, got std={std}")
        if dtype in COMPLEX:
            return _as_complex(self.normal((*shape, 2), COMPLEX[dtype], mean, std / math.sqrt(2)))
        float_row("normal_", dtype)
        return self._record("philox_normal", shape, dtype, dtype == "float64", (float(mean), float(std)))

    def random(
        self, shape: Any, dtype: str = "int64", low: int | None = None, high: int | None = None
    ) -> Any:
        """Integers in [low, high), or in the dtype's default range: as on the CPU."""
        if low is None and high is None and dtype in (*FLOATS, *INTEGERS):
            first, width, span = default_range(dtype)
            return self._integers(shape, dtype, first, span, width == 64)
        if high is None and low == _FULL_RANGE:
            self._rules.random((0,), dtype, low, high)  # raises for dtypes that don't hold them
            return self._record("philox_integers", shape, dtype, True, (0, 0), "whole")
        if dtype not in FLOATS and dtype not in INTEGERS:
            self._rules.random((0,), dtype, low, high)
        first, stop = checked_range(dtype, 0 if low is None else low, high)
        return self._integers(shape, dtype, first, stop - first, stop - first >= _NARROW_RANGE)

    def _integers(self, shape: Any, dtype: str, low: int, span: int, wide: bool) -> Any:
        kind = "wide" if wide else "narrow"
        return self._record("philox_integers", shape, dtype, wide, (low, _signed(span)), kind)

    def bernoulli(self, shape: Any, dtype: str = "float32", p: Any = 0.5) -> Any:
        """Ones with probability p, a number or a tensor of the shape, else zeros. What is in a tensor is
        not looked at."""
        if isinstance(p, (int, float)):
            if not 0 <= p <= 1:
                raise RuntimeError(f"bernoulli_: expected p in [0, 1], got p={p}")
            return self._record("philox_bernoulli", shape, dtype, False, (float(p),))
        double = p.dtype is dtypes.float64
        uniform = self.uniform(shape, "float64" if double else "float32")
        return call.to_dtype(uniform < p.to(uniform.dtype), dtypes.by_name(dtype))

    # --- what is made of uniform numbers ----------------------------------------------------------

    def _unit(self, shape: Any, dtype: str) -> tuple[Any, float]:
        """Numbers in (0, 1] to compute with, and the distance of the largest two from 1."""
        double = dtype == "float64"
        x = self.uniform(shape, "float64" if double else "float32")
        return 1 - x, 2.0**-53 if double else 2.0**-24

    def _done(self, x: Any, dtype: str) -> Any:
        return call.to_dtype(x, dtypes.by_name(dtype))

    def exponential(self, shape: Any, dtype: str = "float32", rate: float = 1.0) -> Any:
        """Exponential numbers, all above 0."""
        self._rules.exponential((0,), dtype, rate)  # raises for what can't be
        x, least = self._unit(shape, dtype)
        return self._done((-x.log()).clamp(min=least) / rate, dtype)

    def geometric(self, shape: Any, dtype: str = "float32", p: float = 0.5) -> Any:
        """Numbers of trials up to the first success."""
        self._rules.geometric((0,), dtype, p)
        x, _ = self._unit(shape, dtype)
        return self._done((x.log() / math.log1p(-p)).ceil().clamp(min=1), dtype)

    def cauchy(self, shape: Any, dtype: str = "float32", median: float = 0.0, sigma: float = 1.0) -> Any:
        """Cauchy numbers."""
        self._rules.cauchy((0,), dtype, median, sigma)
        x, least = self._unit(shape, dtype)
        return self._done(((x.clamp(max=1 - least) - 0.5) * math.pi).tan() * sigma + median, dtype)

    def log_normal(self, shape: Any, dtype: str = "float32", mean: float = 1.0, std: float = 2.0) -> Any:
        """exp of normal numbers."""
        self._rules.log_normal((0,), dtype, mean, std)
        working = "float64" if dtype == "float64" else "float32"
        return self._done(self.normal(shape, working, mean, std).exp(), dtype)

    def multinomial(self, weights: Any, count: int, replacement: bool = False) -> Any:
        """Indices drawn in proportion to weights on the device, (k,) or (rows, k), as a tensor of (count,)
        or (rows, count). Shape and count have been checked; the weights are not looked at: a row that has
        NaN, infinity, negative numbers or nothing but zeros gives some indices, in range.

        One index, and several without replacement: where exponential waits with these rates are over
        first, in that order. Else each is looked up in the running sum of the weights, in float64.
        """
        if replacement and count > 1:
            return self._looked_up(weights, count)
        double = weights.dtype is dtypes.float64
        waits = self.exponential(tuple(weights.shape), "float64" if double else "float32")
        keys = weights.to(waits.dtype) / waits
        return keys.argmax(-1, keepdim=True) if count == 1 else call.topk(keys, count)[1]

    def _looked_up(self, weights: Any, count: int) -> Any:
        w = weights.to(dtypes.float64)
        # Rounding must not make a step where the weight is zero: such a place is never the first one above.
        running = call.where(w > 0, w.cumsum(-1), 0.0).cummax(-1)[0]
        shares = running / running[..., -1:]
        points = self.uniform((*w.shape[:-1], count), "float64")
        return call.searchsorted(shares, points, right=True).clamp(max=w.shape[-1] - 1)

    # --- on the host ------------------------------------------------------------------------------

    def randperm(self, n: int, dtype: str = "int64") -> Any:
        """A random order of 0 ... n - 1, as a tensor."""
        check_permutation(n, dtype)
        order, dt = permutation(*self.take(n, True), n), dtypes.by_name(dtype)
        return wrap(dtypes.convert(order, dtypes.int64, dt), dt, device=self.device)

    def poisson(self, rates: Any, dtype: str = "float32") -> Any:
        """Numbers as an array."""
        return self._host().poisson(rates, dtype)

    def binomial(self, count: Any, prob: Any, dtype: str = "float32") -> Any:
        """Numbers as an array."""
        return self._host().binomial(count, prob, dtype)

    def standard_gamma(self, alpha: Any, dtype: str = "float32") -> Any:
        """Numbers as an array."""
        return self._host().standard_gamma(alpha, dtype)


def _as_complex(parts: Any) -> Any:
    return call.view_as_complex(parts)


# --- the default generators -----------------------------------------------------------------------

_lock = threading.Lock()


def generator(index: int) -> Generator:
    """The generator that draws for `cuda:index` where none is named. A new one has the seed that was
    last given to `torch.manual_seed`, if there is one."""
    found = generators.gpus.get(index)
    if found is None:
        with _lock:
            found = generators.gpus.get(index)
            if found is None:
                found = Generator(gpu(index))
                if generators.gpu_seed is not None:
                    found.manual_seed(generators.gpu_seed)
                generators.gpus[index] = found
    return found


def manual_seed_all(seed: int) -> None:
    """Start the streams of all GPUs that belong to a seed."""
    generators.seed_gpus(int(seed))


def seed_all() -> None:
    """Start the streams of all GPUs from one seed of the operating system's entropy."""
    generators.seed_gpus(int.from_bytes(os.urandom(8), "little") >> 11)

