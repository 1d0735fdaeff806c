"""Sums, means, products, extrema and truth over dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .lowering import reductions as low
from .rules import reduced_shape
from .table import Spec, call, row


def axes(x: np.ndarray, dim: Any) -> Any:
    """NumPy's axis for a reduction over `dim`, where None and () are all dimensions."""
    return None if x.ndim == 0 or dim is None or dim == () else dim


def kept(x: np.ndarray, keepdim: bool) -> bool:
    """NumPy's keepdims: a 0-d array has nothing to keep."""
    return keepdim and x.ndim > 0


def restore(grad: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    """A reduced gradient with its dimensions back, at size one."""
    if keepdim or not shape:
        return grad
    full, _ = reduced_shape(tuple(shape), dim, True)
    return grad.reshape(full)


def count(shape: Any, dim: Any) -> int:
    """How many elements one result is made of."""
    dims = reduced_shape(tuple(shape), dim, False)[1]
    return math.prod(shape[d] for d in dims) if shape else 1


def _node(name: str) -> Any:
    """PyTorch numbers the nodes of reductions: 0 over everything, 1 over dimensions."""

    def node(dim: Any, *rest: Any) -> str:
        return f"{name}Backward{0 if dim is None else 1}"

    return node


def _sum_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(aval(shape, dt, x.device), dt)


_PART = 256
"""Float32 sums over more rows than this are taken in parts of so many: NumPy adds row by row, and
the error of that grows with their number. (Within a row it adds in pairs, as PyTorch does.)"""


def total(x: np.ndarray, axis: Any, keepdims: bool = False) -> Any:
    """x.sum(), with float32 sums over leading dimensions in parts."""
    if x.dtype == np.float32 and axis is not None and x.size and x.flags.c_contiguous:
        dims = axis if isinstance(axis, tuple) else (axis,)
        lead = len(dims)
        rows = math.prod(x.shape[:lead])
        if lead < x.ndim and rows > _PART and sorted(d % x.ndim for d in dims) == list(range(lead)):
            out = _in_parts(x.reshape(rows, -1))
            return out.reshape((1,) * (lead * keepdims) + x.shape[lead:])
    if isinstance(axis, tuple):  # NumPy takes no True for a 1
        axis = tuple(map(int, axis))
    return x.sum(axis=axis, keepdims=keepdims)


def _in_parts(rows: np.ndarray) -> np.ndarray:
    while len(rows) > _PART:
        cut = len(rows) - len(rows) % _PART
        parts = rows[:cut].reshape(-1, _PART, rows.shape[1]).sum(1)
        rows = np.concatenate([parts, rows[cut:]]) if cut < len(rows) else parts
    return rows.sum(0)  # type: ignore[no-any-return]


row(
    "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_sum_rule, forms="fmo", node=_node("Sum"),
    numpy=lambda x, dim, keepdim, dt: total(x, axes(x, dim), kept(x, keepdim)),
    lower=low.sum_of,
    grads={"input": lambda grad, input_shape, dim, keepdim:
           restore(grad, input_shape, dim, keepdim).expand(input_shape)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 4), (0, 2), True), {}), ((m(),), {}), ((m(0, 2), 0), {})],
    doc="Sum over all elements or over dimensions.",
)  # fmt: skip

def _nansum_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    if x.dtype.category == dtypes.COMPLEX:
        raise RuntimeError(f"nansum on CPU does not support complex inputs, got {x.dtype}")
    return _sum_rule(x, dim, keepdim, dt)


row(
    "nansum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_nansum_rule, forms="fmo",
    numpy=lambda x, dim, keepdim, dt: total(np.where(np.isnan(x), 0, x), axes(x, dim), kept(x, keepdim)).astype(x.dtype),
    lower=low.nansum,
    grads={"input": lambda grad, input, dim, keepdim:
           (restore(grad, input.shape, dim, keepdim).expand(input.shape)
            * call.isnan(input).logical_not())},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1, True), {})],
    doc="Sum over all elements or over dimensions, NaN counting as zero.",
)  # fmt: skip


def _sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over leading and broadcast dimensions so that the result has shape `size`."""
    target = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = tuple(input.shape)
    lead = len(shape) - len(target)
    if lead < 0 or any(t != 1 and t != s for t, s in zip(target, shape[lead:], strict=True)):
        raise RuntimeError(
            f"sum_to_size(): size {list(target)} is not expandable to size {list(shape)}"
        )
    if not target:
        return call.sum(input)
    dims = tuple(range(lead)) + tuple(
        i + lead for i, s in enumerate(target) if s == 1 and shape[i + lead] != 1
    )
    out = call.sum(input, dims, True) if dims else input
    return out.reshape(target) if lead else out


row("sum_to_size(Tensor input, int* size) -> Tensor", body=_sum_to_size, forms="m",
    samples=lambda m: [((m(2, 3), (1, 3)), {}), ((m(2, 3, 2), 3, 1), {}), ((m(2, 2), ()), {})],
    doc="Sum down to a shape that broadcasts to this one.")  # fmt: skip


def _mean_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    out = dt or x.dtype
    if out.category < dtypes.FLOAT:
        raise RuntimeError(
            "could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {out.legacy}"
        )
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, out, x.device), out)


def mean_of(x: np.ndarray, axis: Any, n: int, keepdims: bool) -> Any:
    """The mean over n elements; NaN where there are none."""
    return np.true_divide(total(x, axis, keepdims), x.real.dtype.type(n))


row(
    "mean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_mean_rule, forms="fmo", node=_node("Mean"),
    numpy=lambda x, dim, keepdim, dt: mean_of(x, axes(x, dim), count(x.shape, dim), kept(x, keepdim)),
    lower=low.mean,
    grads={"input": lambda grad, input_shape, dim, keepdim:
           restore(grad, input_shape, dim, keepdim).expand(input_shape)
           / max(count(input_shape, dim), 1)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 4), (0, -1), True), {}), ((m(),), {})],
    doc="Mean over all elements or over dimensions.",
)  # fmt: skip


def _nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean over all elements or over dimensions of those that are not NaN."""
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.legacy}"
        )
    there = call.isnan(input).logical_not()
    return call.nansum(input, dim, keepdim, dtype=dtype) / there.sum(dim, keepdim)


row("nanmean(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor", body=_nanmean,
    forms="fmo", samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 0, True), {})], doc="See body.")  # fmt: skip


def _prod_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(aval(shape, dt, x.device), dt)


def _prod_grad(grad: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    """Each element's gradient is the product of the others: from both sides, so that zeros are no
    trouble."""
    if input.ndim == 0:
        return grad
    if dim is None:
        flat = _prod_grad(grad.reshape(1), input.reshape(-1), 0, True)
        return flat.reshape(input.shape)
    g = restore(grad, input.shape, dim, keepdim)
    n = input.shape[dim]
    if n == 0:
        return g.expand(input.shape)
    one = call.ones_like(input.narrow(dim, 0, 1))
    before = call.cat([one, input.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    after = call.cat([one, input.narrow(dim, 1, n - 1).flip(dim)], dim).cumprod(dim).flip(dim)
    others = before * after
    return g * (call.conj(others) if others.is_complex() else others)


row(
    "prod(Tensor input, int? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_prod_rule, forms="fmo", node=_node("Prod"),
    numpy=lambda x, dim, keepdim, dt: x.prod(axis=axes(x, dim), keepdims=kept(x, keepdim)),
    lower=low.over("prod"),
    grads={"input": lambda grad, input, dim, keepdim: _prod_grad(grad, input, dim, keepdim)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(),), {}), ((m(2, 3), 0, True), {})],
    doc="Product of all elements, or along one dimension.",
)  # fmt: skip


def need_elements(x: Aval, dims: Any) -> None:
    """IndexError where a dimension that is reduced has no element to pick."""
    for d in dims if x.ndim else ():
        if x.shape[d] == 0:
            raise IndexError(
                f"Expected reduction dim {d} to have non-zero size, got a tensor of shape "
                f"{list(x.shape)}"
            )


def ordered(x: Aval) -> None:
    """Refuse numbers that have no order."""
    if x.dtype.category == dtypes.COMPLEX:
        raise NotImplementedError(f"not implemented for '{x.dtype.legacy}': it has no order")


def _extreme_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    if x.ndim and not x.numel and (dim is None or dim == ()):
        raise RuntimeError(
            "Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            f"dim with the 'dim' argument (shape {list(x.shape)})."
        )
    need_elements(x, dims)
    ordered(x)
    return Spec(x.with_shape(shape))


def _amax_grad(grad: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    """Shared evenly between equal extremes."""
    mask = input == restore(result, input.shape, dim, keepdim)
    dims = tuple(range(input.ndim)) if dim is None or dim == () else dim
    times = mask.sum(dims, True) if input.ndim else mask
    return restore(grad, input.shape, dim, keepdim) * mask / times


for _name, _np in (("amax", np.max), ("amin", np.min)):
    row(
        f"{_name}(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
        rule=_extreme_rule, forms="fmo", out="exact",
        numpy=(lambda f: lambda x, dim, keepdim: f(x, axis=axes(x, dim), keepdims=kept(x, keepdim)))(_np),
        lower=low.over(_name[1:]),
        grads={"input": lambda grad, input, result, dim, keepdim:
               _amax_grad(grad, input, result, dim, keepdim)},
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2), True), {}), ((m(),), {})],
        doc=f"The {'largest' if _name == 'amax' else 'smallest'} element, over dimensions.",
    )  # fmt: skip


def _both_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    one = _extreme_rule(x, dim, keepdim).aval
    return Spec((one, one))


def _both_grad(grads: Any, input: Any, low: Any, high: Any, dim: Any, keepdim: bool) -> Any:
    parts = [
        _amax_grad(g, input, extreme, dim, keepdim)
        for g, extreme in zip(grads, (low, high), strict=True)
        if g is not None
    ]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


row(
    "aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (min, max)",
    rule=_both_rule, forms="fmo", out="exact",
    numpy=lambda x, dim, keepdim: tuple(
        f(x, axis=axes(x, dim), keepdims=kept(x, keepdim)) for f in (np.min, np.max)),
    lower=low.aminmax,
    grads={"input": lambda grads, input, min, max, dim, keepdim:
           _both_grad(grads, input, min, max, dim, keepdim)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3),), {"dim": 1, "keepdim": True})],
    doc="The smallest and the largest element, of all or along a dimension.",
)  # fmt: skip


def _extreme_all_rule(x: Aval) -> Spec:
    if not x.numel:
        raise RuntimeError(
            "Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            f"dim with the 'dim' argument (shape {list(x.shape)})."
        )
    return _extreme_rule(x, None, False)


def all_grad(grad: Any, input: Any, result: Any) -> Any:
    """Shared evenly between elements that are equal to the result, NaN to NaN too."""
    mask = (input == result) | (call.isnan(input) & call.isnan(result))
    return grad * mask / mask.sum()


def _extreme_dim_rule(x: Aval, dim: int, keepdim: bool) -> Spec:
    if x.dtype.category == dtypes.COMPLEX:
        raise RuntimeError(f"does not support complex input, got {x.dtype}")
    one = _extreme_rule(x, dim, keepdim).aval
    return Spec((one, one.with_dtype(dtypes.int64)))


def _arg(x: np.ndarray, find: Any, dim: int, keepdim: bool) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    found = find(x, axis=dim)
    return np.expand_dims(found, dim) if keepdim else found


def taken(x: np.ndarray, at: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """Values and indices of the places `at`, which has size one along `dim`."""
    values = np.take_along_axis(x, at, dim)
    return (values, at) if keepdim else (values.squeeze(dim), at.squeeze(dim))


def _extreme_dim(find: Any) -> Any:
    def extreme(x: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        return taken(x, np.expand_dims(find(x, axis=dim), dim), dim, keepdim)

    return extreme


def place_back(grad: Any, indices: Any, shape: Any, dim: int, keepdim: bool) -> Any:
    """The gradient of values picked along a dimension, at their places."""
    if not shape:
        return grad
    g, at = (grad, indices) if keepdim else (grad.unsqueeze(dim), indices.unsqueeze(dim))
    return call.zeros(tuple(shape), dtype=grad.dtype).scatter(dim, at, g)


def _extreme_body(name: str) -> Any:
    def extreme(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        second = other if other is not None else dim
        if hasattr(second, "numel"):
            return getattr(call, name + "imum")(input, second)
        if dim is None:
            return getattr(call, f"{name}_all")(input)
        return getattr(call, f"{name}_dim")(input, dim, keepdim)

    extreme.__name__ = name
    extreme.__doc__ = (
        f"torch.{name}(input): of all elements; (input, dim, keepdim=False): values and indices "
        f"along a dimension; (input, other): elementwise."
    )
    return extreme


for _name, _find in (("max", np.argmax), ("min", np.argmin)):
    row(
        f"{_name}_all(Tensor input) -> Tensor",
        rule=_extreme_all_rule, forms="", node=f"{_name.capitalize()}Backward1", called=_name,
        numpy=np.max if _name == "max" else np.min,
        lower=low.over(_name),
        grads={"input": lambda grad, input, result: all_grad(grad, input, result)},
        doc="Of all elements.",
    )  # fmt: skip
    row(
        f"{_name}_dim(Tensor input, int dim, bool keepdim=False) -> (values, indices)",
        rule=_extreme_dim_rule, numpy=_extreme_dim(_find), forms="", called=_name,
        node=f"{_name.capitalize()}Backward0",
        lower=low.extreme_dim(_name),
        grads={"input": lambda grad, indices, input_shape, dim, keepdim:
               place_back(grad, indices, input_shape, dim, keepdim)},
        doc="Values and indices along a dimension.",
    )  # fmt: skip
    row(f"{_name}(Tensor input, any dim=None, bool keepdim=False) -> Tensor",
        body=_extreme_body(_name), forms="fmo",
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), 0, True), {}), ((m(2, 3), m(3)), {}), ((m(), 0), {})],
        doc="See body.")  # fmt: skip


def _arg_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    if x.dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise RuntimeError(f"does not support {x.dtype.name.rstrip('0123456789')} input")
    if dim is None and not x.numel:
        raise IndexError(
            "Expected reduction dim to be specified for input.numel() == 0, got a tensor of shape "
            f"{list(x.shape)}."
        )
    found = _extreme_rule(x, dim, keepdim).aval
    return Spec(found.with_dtype(dtypes.int64))


def _arg_all(x: np.ndarray, find: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return find(x).reshape((1,) * x.ndim if keepdim else ())
    return _arg(x, find, dim, keepdim)


for _name, _find in (("argmax", np.argmax), ("argmin", np.argmin)):
    row(
        f"{_name}(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
        rule=_arg_rule, forms="fmo", out="exact",
        numpy=(lambda f: lambda x, dim, keepdim: _arg_all(x, f, dim, keepdim))(_find),
        lower=low.arg(_name),
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), 0, True), {})],
        doc="Where the extreme is, along a dimension or in the flattened input.",
    )  # fmt: skip


def _truth_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    # No dimensions at all are none here, where for sum() they are all.
    shape = x.shape if dim == () else reduced_shape(x.shape, dim, keepdim)[0]
    return Spec(aval(shape, dtypes.uint8 if x.dtype is dtypes.uint8 else dtypes.bool_, x.device))


for _name, _np in (("any", np.any), ("all", np.all)):  # type: ignore[assignment]
    row(
        f"{_name}(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
        rule=_truth_rule, forms="fmo", out="exact",
        lower=low.truth(_name),
        numpy=(lambda f: lambda x, dim, keepdim: x != 0 if dim == () else f(
            x, axis=axes(x, dim), keepdims=kept(x, keepdim)))(_np),
        samples=lambda m: [((m(2, 3),), {}), ((m.bool(2, 3), 1), {}), ((m(0),), {}), ((m.int(2, 3, 2), (0, 2)), {})],
        doc=f"Whether {_name} element is not zero.",
    )  # fmt: skip


def _count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero, over all or some dimensions."""
    return (input != 0).sum(dim)


row("count_nonzero(Tensor input, any dim=None) -> Tensor", body=_count_nonzero, forms="fm",
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m.bool(2, 3), (0, 1)), {})],
    doc="See body.")  # fmt: skip
