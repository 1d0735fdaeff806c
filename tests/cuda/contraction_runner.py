"""Runs the launches of contractions on a simulated GPU, beside what they should give in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, target
from flambeau.codegen.planning import Placed, row_major
from flambeau.core.dtypes import to_bfloat16
from tools.gpu import Statistics, run_kernel

Array = np.ndarray[Any, Any]

EPS = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}
TF32 = 2.0**-10
"""Twice what rounding a factor to TF32 changes it by, at most."""


def encoded(x: Array, dtype: str) -> Array:
    """Numbers as elements; bfloat16 as its bits."""
    if dtype == "bfloat16":
        return to_bfloat16(np.asarray(x, np.float32)).view(np.uint16)  # type: ignore[no-any-return]
    return np.asarray(x, dtype)


def decoded(x: Array, dtype: str) -> Array:
    if dtype == "bfloat16":
        return (x.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return x.astype(np.float64)


class Bench:
    """A `Room` whose slots are arrays of exactly the bytes that are used; temporaries hold NaNs."""

    def __init__(self, capability: int = 90, multiprocessors: int = 4, seed: int = 3) -> None:
        self.gpu = Gpu(capability, multiprocessors)
        self.slots: list[Any] = []
        self.rng = np.random.default_rng(seed)
        self.moved: set[int] = set()

    def temporary(self, nbytes: int) -> int:
        self.slots.append(np.full(nbytes, 0xFF, np.uint8))
        return len(self.slots) - 1

    def aligned(self, slot: int) -> bool:
        return slot not in self.moved

    def put(
        self, x: Array, dtype: str, order: Sequence[int] | None = None, pad: int = 0, offset: int = 0
    ) -> tuple[Placed, Array]:
        """Numbers in memory, their dimensions in this order from outside, rows `pad` elements apart: the
        array and what is in it."""
        order = list(order or range(x.ndim))
        shape = [x.shape[i] for i in order]
        if shape:
            shape[-1] += pad
        strides = [0] * x.ndim
        for i, s in zip(order, row_major(tuple(shape)), strict=True):
            strides[i] = s
        end = offset + sum((n - 1) * s for n, s in zip(x.shape, strides, strict=True)) + 1
        memory = encoded(np.full(max(end, 1), np.nan), dtype)
        self.slots.append(memory)
        placed = Placed(len(self.slots) - 1, dtype, x.shape, tuple(strides), offset)
        self._elements(placed)[...] = encoded(x, dtype)
        return placed, self.value(placed)

    def random(self, shape: Sequence[int], dtype: str, **how: Any) -> tuple[Placed, Array]:
        return self.put(self.rng.standard_normal(tuple(shape)), dtype, **how)

    def _elements(self, x: Placed) -> Array:
        memory = self.slots[x.slot]
        steps = [s * memory.itemsize for s in x.strides]
        return np.lib.stride_tricks.as_strided(memory[x.offset :], x.shape, steps)

    def value(self, x: Placed) -> Array:
        return decoded(self._elements(x).copy(), x.dtype)

    def run(self, launches: Sequence[GpuLaunch], **how: Any) -> list[Statistics]:
        """Run them in order, watched for races."""
        how.setdefault("race_check", True)
        capability = self.gpu.capability
        return [
            run_kernel(
                x.kernel.emit(target(capability), "kernel_under_test"), "kernel_under_test", x.grid, x.block,
                args=x.args, shared=x.shared, capability=capability, table=self.slots, **how,
            )
            for x in launches
        ]  # fmt: skip

    def check(self, out: Placed, want: Array, size: Array, terms: int, tf32: bool = False) -> None:
        """Whether the results are right: `size` is the sum of the terms' magnitudes, of which there are
        so many. Sums are in float64 if the result is, else in float32."""
        eps = EPS["float64" if out.dtype == "float64" else "float32"] * (terms + 4) + TF32 * tf32
        least = 2.0**-24 if out.dtype == "float16" else 1e-30
        bound = eps * size + 1.01 * EPS[out.dtype] * np.abs(want) + least
        np.testing.assert_array_less(np.abs(self.value(out) - want), bound)


# --- convolutions, by taps ------------------------------------------------------------------------


def _windows(x: Array, kernel: Sequence[int], out: Sequence[int], settings: Any) -> Any:
    """(tap, what of the padded array it meets)"""
    stride, padding, dilation, _ = settings
    for tap in np.ndindex(*kernel):
        yield (
            tap,
            (slice(None), slice(None))
            + tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, dilation, out, stride, strict=True)
            ),
        )


def _padded(x: Array, padding: Sequence[int]) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])


def out_size(size: Sequence[int], kernel: Sequence[int], settings: Any) -> tuple[int, ...]:
    stride, padding, dilation, _ = settings
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _parts(groups: int, count: int) -> list[slice]:
    each = count // groups
    return [slice(g * each, (g + 1) * each) for g in range(groups)]


def conv_forward(x: Array, w: Array, settings: Any) -> Array:
    out = out_size(x.shape[2:], w.shape[2:], settings)
    data = _padded(x, settings[1])
    y = np.zeros((x.shape[0], w.shape[0], math.prod(out)))
    groups = settings[3]
    for tap, where in _windows(data, w.shape[2:], out, settings):
        part = data[where].reshape(x.shape[0], x.shape[1], -1)
        for o, c in zip(_parts(groups, w.shape[0]), _parts(groups, x.shape[1]), strict=True):
            y[:, o] += np.einsum("oc,ncp->nop", w[(o, slice(None), *tap)], part[:, c])
    return y.reshape(x.shape[0], w.shape[0], *out)


def conv_input(g: Array, w: Array, shape: Sequence[int], settings: Any) -> Array:
    dx = _padded(np.zeros(tuple(shape)), settings[1])
    groups, flat = settings[3], g.reshape(g.shape[0], g.shape[1], -1)
    for tap, where in _windows(dx, w.shape[2:], g.shape[2:], settings):
        for o, c in zip(_parts(groups, w.shape[0]), _parts(groups, shape[1]), strict=True):
            met = np.einsum("oc,nop->ncp", w[(o, slice(None), *tap)], flat[:, o])
            dx[where][:, c] += met.reshape(*met.shape[:2], *g.shape[2:])
    inside = tuple(slice(p, p + n) for p, n in zip(settings[1], shape[2:], strict=True))
    return dx[(slice(None), slice(None), *inside)]


def conv_weight(g: Array, x: Array, shape: Sequence[int], settings: Any) -> Array:
    data = _padded(x, settings[1])
    dw = np.zeros(tuple(shape))
    groups, flat = settings[3], g.reshape(g.shape[0], g.shape[1], -1)
    for tap, where in _windows(data, shape[2:], g.shape[2:], settings):
        part = data[where].reshape(x.shape[0], x.shape[1], -1)
        for o, c in zip(_parts(groups, shape[0]), _parts(groups, x.shape[1]), strict=True):
            dw[(o, slice(None), *tap)] = np.einsum("nop,ncp->oc", flat[:, o], part[:, c])
    return dw
