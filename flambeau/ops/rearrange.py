"""Elements in other places: flips, rolls, repeats, triangles, diagonals, padding, stacking."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .rules import same
from .table import Spec, call, row


def _flip_rule(x: Aval, dims: Any) -> Spec:
    layout.wrap_dims(dims, x.ndim)
    return Spec(x)


row(
    "flip(Tensor input, int* dims) -> Tensor", rule=_flip_rule, moves=True,
    numpy=lambda x, dims: np.flip(x, dims) if x.ndim else x,
    grads={"input": lambda grad, dims: grad.flip(dims)},
    samples=lambda m: [((m(3), 0), {}), ((m(2, 3), (0, 1)), {}), ((m(2, 3), -1), {})],
    doc="Dimensions in reverse.",
)  # fmt: skip
row("fliplr(Tensor input) -> Tensor", body=lambda input: input.flip(1), doc="Columns reversed.",
    samples=lambda m: [((m(2, 3),), {})])  # fmt: skip
row("flipud(Tensor input) -> Tensor", body=lambda input: input.flip(0), doc="Rows reversed.",
    samples=lambda m: [((m(2, 3),), {})])  # fmt: skip


def _roll_rule(x: Aval, shifts: Any, dims: Any) -> Spec:
    if not shifts:
        raise RuntimeError("`shifts` required")
    if dims and len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if not dims and len(shifts) > 1:
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
    for d in dims:
        layout.wrap_dim(d, x.ndim)
    return Spec(x)


row(
    "roll(Tensor input, int[] shifts, int[] dims=()) -> Tensor", rule=_roll_rule, moves=True,
    numpy=lambda x, shifts, dims: np.roll(x, shifts, dims) if dims and x.ndim else np.roll(x, shifts[0]),
    grads={"input": lambda grad, shifts, dims: grad.roll(tuple(-s for s in shifts), dims)},
    samples=lambda m: [((m(4), 1), {}), ((m(2, 3), (1, -1), (0, 1)), {}), ((m(2, 3), 2), {})],
    doc="Elements moved round along dimensions, or in the flattened input.",
)  # fmt: skip


def _rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turned by 90 degrees k times in the plane of two dimensions."""
    a, b = dims
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return input.flip((a, b))
    if k == 1:
        return input.transpose(a, b).flip(a)
    return input.flip(a).transpose(a, b)


row("rot90(Tensor input, int k=1, int[] dims=(0, 1)) -> Tensor", body=_rot90,
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 3), {})], doc="See body.")  # fmt: skip


def _repeat(input: Any, *repeats: Any) -> Any:
    """The tensor tiled: how often along each dimension, leading ones new."""
    times = tuple(repeats[0]) if len(repeats) == 1 and not isinstance(repeats[0], int) else repeats
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: got {list(times)} for shape {list(input.shape)}"
        )
    if any(t < 0 for t in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {list(times)}")
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    split: list[int] = []
    grown: list[int] = []
    for t, s in zip(times, shape, strict=True):
        split += [1, s]
        grown += [t, s]
    out = input.reshape(tuple(split)).expand(tuple(grown))
    return out.reshape(tuple(t * s for t, s in zip(times, shape, strict=True))).clone()


row("repeat(Tensor input, int* repeats) -> Tensor", body=_repeat, forms="m",
    samples=lambda m: [((m(3), 2), {}), ((m(2, 1), 2, 1, 3), {})], doc="See body.")  # fmt: skip


def _tile(input: Any, *dims: Any) -> Any:
    """repeat() with missing leading counts taken as one."""
    times = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return _repeat(input, (1,) * (input.ndim - len(times)) + tuple(times))


row("tile(Tensor input, int* dims) -> Tensor", body=_tile,
    samples=lambda m: [((m(2, 3), 2), {})], doc="See body.")  # fmt: skip


def _repeat_interleave(
    input: Any, repeats: Any, dim: Any = None, *, output_size: Any = None
) -> Any:
    """Each element (or each index of a dimension) repeated in its place."""
    x = input.reshape(-1) if dim is None else input
    d = 0 if dim is None else layout.wrap_dim(dim, input.ndim)
    n = x.shape[d]
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("repeats can not be negative")
        index = np.repeat(np.arange(n), repeats)
    else:
        counts = call.observe(repeats, "repeat_interleave: the result's size depends on data")
        if counts.size not in (1, n):
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.size} and input.size({d}) = {n}"
            )
        if (counts < 0).any():
            raise RuntimeError("repeats can not be negative")
        index = np.repeat(np.arange(n), np.broadcast_to(counts.reshape(-1), n))
    return x.index_select(d, call.tensor_of(index.astype(np.int64), dtypes.int64))


row("repeat_interleave(Tensor input, any repeats, int? dim=None) -> Tensor",
    body=_repeat_interleave,
    samples=lambda m: [((m(3), 2), {}), ((m(2, 3), 2, 1), {})], doc="See body.")  # fmt: skip


def _matrix_rule(x: Aval, diagonal: int) -> Spec:
    if x.ndim < 2:
        raise RuntimeError("input tensor must have at least 2 dimensions")
    return Spec(x)


for _name, _np in (("triu", np.triu), ("tril", np.tril)):
    row(
        f"{_name}(Tensor input, int diagonal=0) -> Tensor", rule=_matrix_rule, moves=True,
        numpy=_np, forms="fmio",
        grads={"input": (lambda n: lambda grad, diagonal: getattr(grad, n)(diagonal))(_name)},
        samples=lambda m: [((m(3, 3),), {}), ((m(2, 3, 4), 1), {}), ((m(3, 2), -1), {})],
        doc=f"The {'upper' if _name == 'triu' else 'lower'} triangle of matrices, zeros elsewhere.",
    )  # fmt: skip


def _indices(name: str, row_: int, col: int, offset: int, dtype: Any) -> Any:
    find = np.triu_indices if name == "triu" else np.tril_indices
    return call.tensor_of(np.array(find(row_, offset, col)).astype(np.int64), dtypes.int64)


row("triu_indices(int row, int col, int offset=0) -> Tensor", forms="f",
    body=lambda row, col, offset=0, *, dtype=None, device=None, layout=None:
        _indices("triu", row, col, offset, dtype),
    doc="(2, n) indices of an upper triangle.")  # fmt: skip
row("tril_indices(int row, int col, int offset=0) -> Tensor", forms="f",
    body=lambda row, col, offset=0, *, dtype=None, device=None, layout=None:
        _indices("tril", row, col, offset, dtype),
    doc="(2, n) indices of a lower triangle.")  # fmt: skip


def _diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last dimension as the diagonal of a new matrix in dimensions dim1 and dim2."""
    n = input.shape[-1] + abs(offset)
    ndim = input.ndim + 1
    a, b = layout.wrap_dim(dim1, ndim), layout.wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    base = call.zeros((*input.shape[:-1], n, n), dtype=input.dtype)
    target = base.diagonal(offset, -2, -1)
    out = call.as_strided_scatter(
        base, input, tuple(target.shape), target.stride(), target.storage_offset()
    )
    return out.movedim((-2, -1), (a, b))


row("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    body=_diag_embed, samples=lambda m: [((m(3),), {}), ((m(2, 3), 1), {}), ((m(2, 2), 0, 0, 2), {})],
    doc="See body.")  # fmt: skip


def _diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector."""
    if input.ndim == 1:
        return _diag_embed(input, diagonal)
    if input.ndim == 2:
        return input.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


row("diag(Tensor input, int diagonal=0) -> Tensor", body=_diag, forms="fmo",
    samples=lambda m: [((m(3),), {}), ((m(2, 3), 1), {})], doc="See body.")  # fmt: skip

row("diagflat(Tensor input, int offset=0) -> Tensor",
    body=lambda input, offset=0: _diag_embed(input.reshape(-1), offset),
    samples=lambda m: [((m(2, 2),), {})], doc="All elements as the diagonal of a matrix.")  # fmt: skip


def _trace(input: Any) -> Any:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return input.diagonal().sum()


row("trace(Tensor input) -> Tensor", body=_trace, samples=lambda m: [((m(3, 3),), {}), ((m(2, 3),), {})],
    doc="See body.")  # fmt: skip


def _meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinates of a grid: each vector expanded over the others' dimensions."""
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if any(t.ndim > 1 for t in given):
        raise RuntimeError("torch.meshgrid: Expected 0D or 1D tensor in the tensor list")
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = tuple(t.numel() for t in given)
    n = len(shape)
    out = [
        t.reshape(tuple(-1 if k == i else 1 for k in range(n))).expand(shape)
        for i, t in enumerate(given)
    ]
    if swap:
        out = [o.transpose(0, 1) for o in out]
        out[0], out[1] = out[1], out[0]
    return tuple(out)


row("meshgrid(any tensors) -> Tensors", body=_meshgrid, forms="f", doc="See body.")  # fmt: skip


def _cartesian_prod(*tensors: Any) -> Any:
    """All combinations of the vectors' elements, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return call.stack([g.reshape(-1) for g in _meshgrid(*tensors)], 1)


row("cartesian_prod(any tensors) -> Tensor", body=_cartesian_prod, forms="f", doc="See body.")  # fmt: skip


def _at_least(n: int) -> Any:
    def at_least(*tensors: Any) -> Any:
        many = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
        out = []
        for t in many:
            if t.ndim == 0:
                t = t.reshape((1,) * n)
            elif t.ndim == 1 and n > 1:
                t = t.unsqueeze(0)
            if t.ndim == 2 and n == 3:
                t = t.unsqueeze(-1)
            out.append(t)
        single = len(tensors) == 1 and not isinstance(tensors[0], (list, tuple))
        return out[0] if single else tuple(out)

    at_least.__doc__ = f"The tensors with at least {n} dimension(s)."
    return at_least


for _n in (1, 2, 3):
    row(f"atleast_{_n}d(any tensors) -> Tensors", body=_at_least(_n), forms="f", doc="See body.")


def _stacked(name: str, n: int, axis: int) -> Any:
    def stacked(tensors: Any) -> Any:
        items = [_at_least(n)(t) for t in tensors]
        at = 0 if name == "hstack" and items and items[0].ndim == 1 else axis
        return call.cat(items, at)

    stacked.__doc__ = f"Joined along dimension {axis} after making them at least {n}-dimensional."
    return stacked


for _name, _n, _axis in (("hstack", 1, 1), ("vstack", 2, 0), ("dstack", 3, 2)):
    row(f"{_name}(Tensor[] tensors) -> Tensor", body=_stacked(_name, _n, _axis), forms="fo",
        alias=("row_stack",) if _name == "vstack" else (),
        samples=lambda m: [(([m(2, 2), m(2, 2)],), {}), (([m(2), m(2)],), {})], doc="See body.")  # fmt: skip

row("column_stack(Tensor[] tensors) -> Tensor", forms="fo",
    body=lambda tensors: call.cat([t.reshape(-1, 1) if t.ndim <= 1 else t for t in tensors], 1),
    samples=lambda m: [(([m(2), m(2, 2)],), {})], doc="Vectors as columns, joined.")  # fmt: skip


def _block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one."""
    blocks = [t.reshape(1, -1) if t.ndim < 2 else t for t in tensors]
    width = sum(b.shape[1] for b in blocks)
    rows, at = [], 0
    for b in blocks:
        rows.append(call.constant_pad_nd(b, (at, width - at - b.shape[1])))
        at += b.shape[1]
    return call.cat(rows, 0)


row("block_diag(any tensors) -> Tensor", body=_block_diag, forms="f", doc="See body.")  # fmt: skip


def _pad_rule(x: Aval, value: type, pad: Any) -> Spec:
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise RuntimeError(
            f"Length of pad should be even and no more than twice the number of dimensions of the "
            f"input: got {list(pad)} for shape {list(x.shape)}"
        )
    shape = list(x.shape)
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        shape[d] += pad[2 * i] + pad[2 * i + 1]
        if shape[d] < 0:
            raise RuntimeError(
                f"The input size {x.shape[d]}, plus negative padding {pad[2 * i]} and "
                f"{pad[2 * i + 1]} resulted in a negative output size, which is invalid. Check "
                f"dimension {d} of your input."
            )
    return Spec(x.with_shape(tuple(shape)))


def _pad(x: np.ndarray, value: Any, pad: Any) -> np.ndarray:
    shape, source, target = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        low, high = pad[2 * i], pad[2 * i + 1]
        shape[d] += low + high
        source[d] = slice(max(-low, 0), x.shape[d] - max(-high, 0))
        target[d] = slice(max(low, 0), shape[d] - max(high, 0))
    out = np.full(shape, value, x.dtype)
    out[tuple(target)] = x[tuple(source)]
    return out


row(
    "constant_pad_from(Tensor input, Scalar value, int[] pad) -> Tensor",
    rule=_pad_rule, numpy=_pad, forms="", node="ConstantPadNdBackward0",
    grads={"input": lambda grad, pad: call.constant_pad_from(grad, 0, tuple(-p for p in pad))},
    doc="Padded with a number; see F.pad.",
)  # fmt: skip

row("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", forms="f",
    body=lambda input, pad, value=0: call.constant_pad_from(input, value, tuple(pad)),
    samples=lambda m: [((m(2, 3), (1, 2)), {}), ((m(2, 3), (1, -1, 0, 2), 1.5), {})],
    doc="Padded with a number, pairs from the last dimension on; negative ones cut.")  # fmt: skip


def _edge_index(n: int, low: int, high: int, mode: str) -> np.ndarray:
    at = np.arange(-low, n + high)
    if mode == "replicate":
        return at.clip(0, n - 1)
    if mode == "circular":
        return at % n
    period = 2 * (n - 1) or 1
    at = np.abs(at) % period
    return np.where(at >= n, period - at, at)


def _pad_body(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Padded on both ends of the last dimensions, pairs from the last on: by a number, or in modes
    'reflect', 'replicate' and 'circular' by the input's own elements."""
    pairs = tuple(int(p) for p in pad)
    if len(pairs) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(pairs)}")
    if mode == "constant":
        return call.constant_pad_from(input, 0 if value is None else value, pairs)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not (len(pairs) // 2 + 1 <= input.ndim <= len(pairs) // 2 + 2):
        raise NotImplementedError(
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"{len(pairs) // 2} padded dimensions of an input of shape {list(input.shape)}"
        )
    out = input
    for i in range(len(pairs) // 2):
        d = input.ndim - 1 - i
        low, high, n = pairs[2 * i], pairs[2 * i + 1], out.shape[d]
        if mode == "reflect" and (low >= n or high >= n):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({low}, {high}) at dimension {d} of input {list(input.shape)}"
            )
        if mode == "circular" and (low > n or high > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if low or high:
            index = _edge_index(n, low, high, mode).astype(np.int64)
            out = out.index_select(d, call.tensor_of(index, dtypes.int64))
    return out


row("pad(Tensor input, int[] pad, str mode='constant', any value=None) -> Tensor", body=_pad_body,
    where="nn", forms="f",
    samples=lambda m: [((m(1, 2, 3), (1, 2)), {}), ((m(1, 2, 3), (2, 1)), {"mode": "reflect"}),
                       ((m(1, 2, 3), (2, 1)), {"mode": "replicate"}), ((m(1, 2, 3), (2, 1)), {"mode": "circular"})],
    doc="See body.")  # fmt: skip


def _pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(*, C r^2, H, W) → (*, C, H r, W r) (Shi et al. 2016)."""
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    out = input.reshape((*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return out.permute(order).reshape((*lead, c // (r * r), h * r, w * r))


def _pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """The reverse of pixel_shuffle."""
    r = downscale_factor
    *lead, c, h, w = input.shape
    if r <= 0 or h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, got "
            f"{list(input.shape)} and {r}"
        )
    n = len(lead)
    out = input.reshape((*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return out.permute(order).reshape((*lead, c * r * r, h // r, w // r))


row("pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", body=_pixel_shuffle, forms="f",
    samples=lambda m: [((m(1, 4, 2, 2), 2), {})], doc="See body.")  # fmt: skip
row("pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", body=_pixel_unshuffle,
    forms="f", samples=lambda m: [((m(1, 1, 4, 2), 2), {})], doc="See body.")  # fmt: skip
row("channel_shuffle(Tensor input, int groups) -> Tensor", forms="f",
    body=lambda input, groups: input.reshape(
        (input.shape[0], groups, input.shape[1] // groups, *input.shape[2:])
    ).transpose(1, 2).reshape(input.shape),
    samples=lambda m: [((m(1, 4, 2), 2), {})], doc="Channels of groups interleaved.")  # fmt: skip

_ = (same, aval)
