"""Resizing the spatial dimensions of images: what `nn.functional.interpolate` stands on.

Every mode is separable: along one dimension each output is a weighted sum of a few inputs, its
taps. So a mode is a function that says which taps, and resizing is the same for all. It is linear:
the derivative sends the gradient back along the same taps, and that has resizing for its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dtypes import dtype
from .table import call, row

Array = np.ndarray
Taps = list[tuple[Any, Any]]
"""For each tap the input's index and the weight of every output; no weights: all are 1."""

_NAMES = {
    ("nearest", 1): "UpsampleNearest1D", ("nearest", 2): "UpsampleNearest2D",
    ("nearest", 3): "UpsampleNearest3D", ("nearest-exact", 1): "UpsampleNearestExact1D",
    ("nearest-exact", 2): "UpsampleNearestExact2D", ("nearest-exact", 3): "UpsampleNearestExact3D",
    ("linear", 1): "UpsampleLinear1D", ("linear", 2): "UpsampleBilinear2D",
    ("linear", 3): "UpsampleTrilinear3D", ("cubic", 2): "UpsampleBicubic2D",
}  # fmt: skip


def _node(size: Any, factors: Any, kind: str, align: bool, antialias: bool) -> str:
    return f"{_NAMES[kind, len(size)]}{'Aa' if antialias else ''}Backward0"


def _check(images: Any, size: Any, factors: Any, kind: str) -> None:
    """Refuse images of other dimensions than `size` has, sizes that are none, and unknown kinds."""
    if any(not hasattr(n, "__index__") for n in size):
        raise TypeError(f"expected a size of ints, got {tuple(type(n).__name__ for n in size)}")
    if (kind, len(size)) not in _NAMES or images.ndim != 2 + len(size):
        raise ValueError(
            f"no kind {kind!r} for {len(size)} sizes and images of shape {list(images.shape)}"
        )
    if factors is not None and len(factors) != len(size):
        raise ValueError(f"expected {len(size)} factors, got {len(factors)}")
    if any(n < 1 for n in (*images.shape[2:], *size)):
        raise RuntimeError(
            f"sizes should be greater than 0, got {list(images.shape[2:])} and {list(size)}"
        )


def _resize(
    input: Any, size: Any, factors: Any, kind: str, align: bool = False, antialias: bool = False
) -> Any:
    """(N, C, ...) with its spatial dimensions resized to `size`.

    `kind` is "nearest", "nearest-exact", "linear" or "cubic"; `factors` are the scales asked for
    (None: sizes decide) and `align` puts the first and last elements on top of each other. Images of
    bytes are computed in fixed point.
    """
    _check(input, size, factors, kind)
    if not (input.is_floating_point() or kind.startswith("nearest")):
        return _resize_bytes(input, size, factors, kind, align, antialias)
    for axis, n in enumerate(size):
        factor = None if factors is None or factors[axis] is None else float(factors[axis])
        dim = 2 + axis
        total: Any = None
        for index, weight in _taps(
            input.shape[dim], n, factor, kind, align, antialias, input.dtype, input.device
        ):
            part = call.index_select(input, dim, index)
            if weight is not None:
                part = part * _along(weight, dim, input.ndim)
            total = part if total is None else total + part
        input = total
    return input


def _resize_backward(
    grad: Any, input_size: Any, factors: Any, kind: str, align: bool = False, antialias: bool = False
) -> Any:
    """The gradient by an input of `input_size` (its spatial dimensions), along the same taps."""
    _check(grad, input_size, factors, kind)
    for axis in reversed(range(len(input_size))):
        factor = None if factors is None or factors[axis] is None else float(factors[axis])
        dim, n = 2 + axis, input_size[axis]
        shape = (*grad.shape[:dim], n, *grad.shape[dim + 1 :])
        total = call.zeros(shape, dtype=grad.dtype)
        for index, weight in _taps(
            n, grad.shape[dim], factor, kind, align, antialias, grad.dtype, grad.device
        ):
            part = grad if weight is None else grad * _along(weight, dim, grad.ndim)
            total = call.index_add(total, dim, index, part)
        grad = total
    return grad


def _resize_bytes(
    input: Any, size: Any, factors: Any, kind: str, align: bool, antialias: bool
) -> Any:
    """Images of uint8 as PyTorch computes them: columns before rows, each with weights of 16 bits and
    rounded to bytes."""
    if input.dtype is not dtypes.uint8 or len(size) != 2:
        raise NotImplementedError(f"interpolate: this mode is not for {input.dtype}")
    for axis in (1, 0):
        n = input.shape[2 + axis]
        if size[axis] == n:
            continue
        factor = None if factors is None or factors[axis] is None else float(factors[axis])
        matrix = np.zeros((size[axis], n))
        for index, weight in _weights(n, size[axis], factor, kind, align, antialias):
            np.add.at(matrix, (np.arange(size[axis]), index), weight)
        one = 2.0 ** _precision(float(matrix.max()))
        fixed = np.trunc(matrix * one + np.copysign(0.5, matrix)) / one
        by, wide = call.lasting(fixed, dtypes.float64, input.device), input.to(dtypes.float64)
        total = wide @ by.t() if axis else by @ wide
        input = (total + 0.5).floor().clamp(0, 255).to(dtypes.uint8)
    return input


def _precision(largest: float) -> int:
    """Bits behind the point so that the largest weight fits into 16 bits with its sign."""
    bits = 0
    while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 1 << 15:
        bits += 1
    return bits


def _along(weight: Any, dim: int, ndim: int) -> Any:
    shape = [1] * ndim
    shape[dim] = weight.shape[0]
    return weight.reshape(shape)


@functools.lru_cache(maxsize=256)
def _taps(
    n: int, size: int, factor: float | None, kind: str, align: bool, antialias: bool, dt: dtype,
    where: Any,
) -> Taps:
    """The taps that resize `n` elements to `size`, weights in the images' dtype, on their device."""
    found = _weights(n, size, factor, kind, align, antialias)
    return [
        (call.lasting(i, dtypes.int64, where), None if w is None else call.lasting(w, dt, where))
        for i, w in found
    ]


def _weights(
    n: int, size: int, factor: float | None, kind: str, align: bool, antialias: bool
) -> list[tuple[Array, Any]]:
    if kind.startswith("nearest"):
        return _nearest_taps(n, size, factor, exact=kind == "nearest-exact")
    scale = _scale(n, size, factor, align)
    if antialias:
        return _wide_taps(n, size, scale, _triangle if kind == "linear" else _catmull_rom)
    position = np.arange(size, dtype=np.float64)
    source = position * scale if align else (position + 0.5) * scale - 0.5
    return _linear_taps(n, source) if kind == "linear" else _cubic_taps(n, source)


def _scale(n: int, size: int, factor: float | None, align: bool) -> float:
    """How far apart in the input two neighbours of the output are."""
    if align:
        return (n - 1) / (size - 1) if size > 1 else 0.0
    return n / size if factor is None else 1.0 / factor


def _nearest_taps(n: int, size: int, factor: float | None, exact: bool) -> list[tuple[Array, Any]]:
    # In float32, as PyTorch: it decides which way an element on the border falls.
    position = np.arange(size, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
    source = position * np.float32(_scale(n, size, factor, False))
    return [(np.clip(np.floor(source).astype(np.int64), 0, n - 1), None)]


def _linear_taps(n: int, source: Array) -> list[tuple[Array, Any]]:
    source = np.maximum(source, 0)
    low = np.minimum(np.floor(source), n - 1)
    share = np.clip(source - low, 0, 1)
    index = low.astype(np.int64)
    return [(index, 1 - share), (np.minimum(index + 1, n - 1), share)]


def _cubic_taps(n: int, source: Array) -> list[tuple[Array, Any]]:
    """Keys' cubic convolution (1981) with a = -0.75, on four neighbours."""
    low = np.floor(source)
    index = low.astype(np.int64)
    return [
        (np.clip(index + k, 0, n - 1), _keys(np.abs(source - low - k), -0.75)) for k in range(-1, 3)
    ]


def _keys(x: Array, a: float) -> Array:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _triangle(x: Array) -> Array:
    return np.maximum(1 - np.abs(x), 0)


def _catmull_rom(x: Array) -> Array:
    return _keys(np.abs(x), -0.5)


def _wide_taps(
    n: int, size: int, scale: float, filter: Callable[[Array], Array]
) -> list[tuple[Array, Any]]:
    """A filter that is stretched by the scale when the image shrinks."""
    stretch = max(scale, 1.0)
    reach = stretch * (1.0 if filter is _triangle else 2.0)
    centre = (np.arange(size, dtype=np.float64) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), n)
    found = []
    for k in range(int((last - first).max())):
        index = first + k
        weight = filter((index - centre + 0.5) / stretch)
        found.append((np.minimum(index, n - 1), np.where(index < last, weight, 0.0)))
    total = sum((weight for _, weight in found), np.zeros(size))
    return [(index, weight / total) for index, weight in found]


def _image(m: Any, *size: int) -> Any:
    return m(1, 2, *size)


row(
    "resize_image(Tensor input, any size, any factors, str kind, bool align=False, bool antialias=False) -> Tensor",
    body=_resize, where="nn", forms="f", node=_node,
    grads={"input": lambda grad, input_shape, factors, kind, align, antialias:
           call.resize_image_backward(grad, tuple(input_shape)[2:], factors, kind, align, antialias)},
    samples=lambda m: [
        ((_image(m, 3), (5,), None, "nearest"), {}), ((_image(m, 3), (5,), None, "linear"), {}),
        ((_image(m, 3, 2), (2, 5), None, "cubic", True), {}),
        ((_image(m, 4, 3), (2, 2), None, "linear", False, True), {}),
        ((_image(m, 2, 2, 1), (3, 3, 3), (1.5, 1.6, 3.0), "linear"), {}),
    ],
    doc="See body.",
)  # fmt: skip

row(
    "resize_image_backward(Tensor grad, any input_size, any factors, str kind, bool align=False, bool antialias=False) -> Tensor",
    body=_resize_backward, where="nn", forms="f",
    node=lambda *params: _node(*params).replace("Backward0", "BackwardBackward0"),
    grads={"grad": lambda grad, grad_shape, factors, kind, align, antialias:
           call.resize_image(grad, tuple(grad_shape)[2:], factors, kind, align, antialias)},
    samples=lambda m: [((_image(m, 5), (3,), None, "linear"), {})],
    doc="See body.",
)  # fmt: skip


# --- PyTorch's own names ------------------------------------------------------------------------


def _checked(name: str, x: Any, size: Any, factors: Any, dims: int) -> tuple[int, ...]:
    """The output's size, from the scales where it is None."""
    if x.ndim != dims + 2:
        raise RuntimeError(f"{name}(): expected a {dims + 2}-d tensor, got shape {list(x.shape)}")
    if size is None and factors is None:
        raise RuntimeError(f"{name}(): must specify exactly one of output_size and scale_factors")
    if size is None:
        return tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True))
    size = (size,) * dims if isinstance(size, int) else tuple(size)
    if len(size) != dims or min(*size, *x.shape[2:]) < 1:
        raise RuntimeError(
            f"{name}(): input and output sizes should be {dims} numbers greater than 0, but got "
            f"input {list(x.shape[2:])} and output {list(size)}"
        )
    return size


def _named(name: str, kind: str, dims: int, aligned: bool, antialias: bool) -> tuple[Any, Any]:
    """The function of one of PyTorch's names, and its derivative's."""

    def scales(given: tuple[Any, ...]) -> Any:
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            return tuple(given[0])
        return tuple(given) if any(g is not None for g in given) else None

    def forward(input: Any, output_size: Any, *rest: Any, **named: Any) -> Any:
        align, given = _split(rest, named, aligned)
        factors = scales(given)
        size = _checked(name, input, output_size, factors, dims)
        return call.resize_image(input, size, factors, kind, align, antialias)

    def backward(grad_output: Any, output_size: Any, input_size: Any, *rest: Any, **named: Any) -> Any:
        align, given = _split(rest, named, aligned)
        if not grad_output.ndim == len(input_size) == dims + 2:
            raise RuntimeError(
                f"{name}_backward: expected a gradient and an input_size of {dims + 2} dimensions, got "
                f"{list(grad_output.shape)} and {list(input_size)}"
            )
        size = tuple(input_size)[2:]
        return call.resize_image_backward(grad_output, size, scales(given), kind, align, antialias)

    return forward, backward


def _split(rest: tuple[Any, ...], named: dict[str, Any], aligned: bool) -> tuple[bool, tuple[Any, ...]]:
    """align_corners, where the operation has it, and the scales."""
    given = list(rest) + [v for k, v in named.items() if k != "align_corners"]
    if not aligned:
        return False, tuple(given)
    align = named["align_corners"] if "align_corners" in named else given.pop(0)
    return bool(align), tuple(given)


for _name, _kind, _dims, _aligned, _antialias in (
    ("upsample_nearest1d", "nearest", 1, False, False), ("upsample_nearest2d", "nearest", 2, False, False),
    ("upsample_nearest3d", "nearest", 3, False, False),
    ("_upsample_nearest_exact1d", "nearest-exact", 1, False, False),
    ("_upsample_nearest_exact2d", "nearest-exact", 2, False, False),
    ("_upsample_nearest_exact3d", "nearest-exact", 3, False, False),
    ("upsample_linear1d", "linear", 1, True, False), ("upsample_bilinear2d", "linear", 2, True, False),
    ("upsample_trilinear3d", "linear", 3, True, False), ("upsample_bicubic2d", "cubic", 2, True, False),
    ("_upsample_bilinear2d_aa", "linear", 2, True, True), ("_upsample_bicubic2d_aa", "cubic", 2, True, True),
):  # fmt: skip
    _forward, _backward = _named(_name, _kind, _dims, _aligned, _antialias)
    _scales = "float? scales_h=None, float? scales_w=None"
    _extra = "bool align_corners, " if _aligned else ""
    row(f"{_name}(Tensor input, any output_size, {_extra}{_scales}) -> Tensor", body=_forward,
        where="nn", forms="fo", doc="Images resized; see nn.functional.interpolate.")  # fmt: skip
    row(f"{_name}_backward(Tensor grad_output, any output_size, any input_size, {_extra}{_scales}) -> Tensor",
        body=_backward, where="nn", forms="f", doc=f"The gradient of {_name}.")  # fmt: skip
