"""Sums, means, extrema and other reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .rules import reduced_shape
from .table import Spec, call, row


def _sum_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(aval(shape, dt, x.device), dt)


def _axes(x: np.ndarray, dim: Any) -> Any:
    if x.ndim == 0 or dim is None or dim == ():
        return None
    return dim


def _sum(x: np.ndarray, dim: Any, keepdim: bool, dt: Any) -> Any:
    return x.sum(axis=_axes(x, dim), keepdims=keepdim and x.ndim > 0)


def restore(grad: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    """A reduced gradient with its dimensions back, at size one."""
    if keepdim or not shape:
        return grad
    kept, _ = reduced_shape(tuple(shape), dim, True)
    return grad.reshape(kept)


row(
    "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_sum_rule, numpy=_sum, forms="fmo",
    grads={"input": lambda grad, input_shape, dim, keepdim:
           restore(grad, input_shape, dim, keepdim).expand(input_shape)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 4), (0, 2), True), {}), ((m(),), {}), ((m(0, 2), 0), {})],
    doc="Sum over all elements or over dimensions.",
)  # fmt: skip


def _sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over leading and broadcast dimensions so that the result has shape `size`."""
    target = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = tuple(input.shape)
    lead = len(shape) - len(target)
    dims = tuple(range(lead)) + tuple(
        i + lead for i, s in enumerate(target) if s == 1 and shape[i + lead] != 1
    )
    if lead < 0 or any(t != 1 and t != s for t, s in zip(target, shape[lead:], strict=True)):
        raise RuntimeError(f"size {list(target)} is not expandable to size {list(shape)}")
    out = call.sum(input, dims, True) if dims else input
    return out.reshape(target) if lead else out


row("sum_to_size(Tensor input, int* size) -> Tensor", body=_sum_to_size, forms="m",
    doc="Sum down to a shape that broadcasts to this one.")  # fmt: skip


def _mean_rule(x: Aval, dim: Any, keepdim: bool, dt: Any) -> Spec:
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    out = dt or x.dtype
    if out.category < dtypes.FLOAT:
        raise RuntimeError(
            "could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {out.legacy}"
        )
    return Spec(aval(shape, out, x.device), out)


def _mean(x: np.ndarray, dim: Any, keepdim: bool, dt: Any) -> Any:
    axes = _axes(x, dim)
    total = x.sum(axis=axes, keepdims=keepdim and x.ndim > 0)
    return np.true_divide(total, x.dtype.type(_count(x.shape, dim)))


def _count(shape: Any, dim: Any) -> int:
    """How many elements one result is made of."""
    kept, _ = reduced_shape(tuple(shape), dim, False)
    total = 1
    for s in shape:
        total *= s
    rest = 1
    for s in kept:
        rest *= s
    if rest:
        return total // rest
    n = 1
    for d in reduced_shape(tuple(shape), dim, False)[1]:
        n *= shape[d]
    return n


row(
    "mean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_mean_rule, numpy=_mean, forms="fmo",
    grads={"input": lambda grad, input_shape, dim, keepdim:
           restore(grad, input_shape, dim, keepdim).expand(input_shape)
           / max(_count(input_shape, dim), 1)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 4), (0, -1), True), {}), ((m(),), {})],
    doc="Mean over all elements or over dimensions.",
)  # fmt: skip


def _prod_all(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product of all elements, or along one dimension."""
    if dim is None:
        flat = call.prod_dim(input.reshape(-1), 0, False, dtype)
        return flat
    return call.prod_dim(input, dim, keepdim, dtype)


row("prod(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", body=_prod_all, forms="fmo",
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(),), {}), ((m(2, 3), 0, True), {})],
    doc="See body.")  # fmt: skip


def _one_dim(x: Aval, dim: int, keepdim: bool) -> Any:
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    return shape


def _prod_rule(x: Aval, dim: int, keepdim: bool, dt: Any) -> Spec:
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(aval(_one_dim(x, dim, keepdim), dt, x.device), dt)


def _prod_grad(grad: Any, input: Any, dim: int, keepdim: bool) -> Any:
    """Each element's gradient is the product of the others: from both sides, so that zeros are no
    trouble."""
    g = restore(grad, input.shape, dim, keepdim)
    if input.ndim == 0:
        return g
    n = input.shape[dim]
    if n == 0:
        return g.expand(input.shape)
    one = call.ones_like(input.select(dim, 0)).unsqueeze(dim)
    before = call.cat([one, input.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    after = call.cat([one, input.narrow(dim, 1, n - 1).flip(dim)], dim).cumprod(dim).flip(dim)
    others = before * after
    return g * (call.conj(others) if others.is_complex() else others)


row(
    "prod_dim(Tensor input, int dim, bool keepdim, dtype? dtype) -> Tensor",
    rule=_prod_rule, forms="", node="ProdBackward1",
    numpy=lambda x, dim, keepdim, dt: x.prod(axis=dim if x.ndim else None, keepdims=keepdim and x.ndim > 0),
    grads={"input": lambda grad, input, dim, keepdim: _prod_grad(grad, input, dim, keepdim)},
    doc="Product along a dimension.",
)  # fmt: skip


def _var_rule(x: Aval, dim: Any, correction: float, keepdim: bool) -> Spec:
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, x.dtype.to_real(), x.device))


def _var(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> Any:
    axes = _axes(x, dim)
    n = _count(x.shape, dim)
    keep = keepdim and x.ndim > 0
    if not x.size:
        return np.full(reduced_shape(x.shape, dim, keep)[0], np.nan, x.real.dtype)
    d = x - x.mean(axis=axes, keepdims=True)
    squares = (d * d.conj()).real if np.iscomplexobj(d) else d * d
    return squares.sum(axis=axes, keepdims=keep) / x.real.dtype.type(max(n - correction, 0))


def _var_grad(grad: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    n = _count(input.shape, dim)
    dims = tuple(range(input.ndim)) if dim is None or dim == () else dim
    centred = input - (input.mean(dims, True) if input.ndim else input)
    return restore(grad, input.shape, dim, keepdim) * centred * (2.0 / max(n - correction, 0) if n > correction else float("nan"))


row(
    "var_dims(Tensor input, int[]? dim, float correction, bool keepdim) -> Tensor",
    rule=_var_rule, numpy=_var, forms="", node="VarBackward0",
    grads={"input": lambda grad, input, dim, correction, keepdim:
           _var_grad(grad, input, dim, correction, keepdim)},
    doc="Variance; see torch.var.",
)  # fmt: skip

row(
    "std_dims(Tensor input, int[]? dim, float correction, bool keepdim) -> Tensor",
    rule=_var_rule, forms="", node="StdBackward0",
    numpy=lambda x, dim, correction, keepdim: np.sqrt(_var(x, dim, correction, keepdim)),
    grads={"input": lambda grad, input, result, dim, correction, keepdim:
           _var_grad(grad / (result * 2), input, dim, correction, keepdim)
           .masked_fill(restore(result, input.shape, dim, keepdim) == 0, 0)},
    doc="Standard deviation; see torch.std.",
)  # fmt: skip


def _spread_of(primitive: str) -> Any:
    def spread(
        input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
        return getattr(call, primitive)(input, dims, float(correction), keepdim)

    spread.__name__ = primitive[:3]
    spread.__doc__ = f"The {primitive[:3]} over all elements or dimensions, of n - correction (1)."
    return spread


for _name in ("var", "std"):
    row(f"{_name}(Tensor input, any dim=None, any unbiased=None, bool keepdim=False) -> Tensor",
        body=_spread_of(f"{_name}_dims"), forms="fmo",
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2)), {"correction": 0, "keepdim": True})],
        doc="See body.")  # fmt: skip
    row(f"{_name}_mean(Tensor input, any dim=None) -> Tensors", forms="f",
        body=(lambda p: lambda input, dim=None, unbiased=None, keepdim=False, *, correction=None: (
            _spread_of(p)(input, dim, unbiased, keepdim, correction=correction),
            input.mean(None if isinstance(dim, bool) else dim, keepdim)))(f"{_name}_dims"),
        doc="Both at once.")  # fmt: skip


def _extreme_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    if x.dtype.category == dtypes.COMPLEX:
        raise RuntimeError(f"not implemented for '{x.dtype.legacy}'")
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    if x.ndim and not x.numel and (dim is None or dim == ()):
        raise RuntimeError(
            f"Expected reduction dim to be specified for an input without elements, {list(x.shape)}"
        )
    if x.ndim and any(x.shape[d] == 0 for d in dims):
        raise IndexError(
            f"Expected reduction dim {dims[0]} to have non-zero size for input of {list(x.shape)}"
        )
    return Spec(x.with_shape(shape))


def _amax_grad(grad: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    """Shared evenly between equal extremes."""
    top = restore(result, input.shape, dim, keepdim)
    mask = (input == top).to(grad.dtype)
    dims = tuple(range(input.ndim)) if dim is None or dim == () else dim
    count = mask.sum(dims, True) if input.ndim else mask
    return restore(grad, input.shape, dim, keepdim) * mask / count


for _name, _np in (("amax", np.max), ("amin", np.min)):
    row(
        f"{_name}(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
        rule=_extreme_rule, forms="fmo",
        numpy=(lambda f: lambda x, dim, keepdim: f(x, axis=_axes(x, dim), keepdims=keepdim and x.ndim > 0))(_np),
        grads={"input": lambda grad, input, result, dim, keepdim:
               _amax_grad(grad, input, result, dim, keepdim)},
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2), True), {}), ((m(),), {})],
        doc=f"The {'largest' if _name == 'amax' else 'smallest'} element, over dimensions.",
    )  # fmt: skip


def _extreme_all_rule(x: Aval) -> Spec:
    if not x.numel:
        raise RuntimeError(
            "Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    return _extreme_rule(x, None, False)


def _extreme_dim_rule(x: Aval, dim: int, keepdim: bool) -> Spec:
    one = _extreme_rule(x, dim, keepdim).aval
    return Spec((one, one.with_dtype(dtypes.int64)))


def _arg(x: np.ndarray, find: Any, dim: int, keepdim: bool) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    found = find(x, axis=dim)
    return np.expand_dims(found, dim) if keepdim else found


def _extreme_dim(find: Any) -> Any:
    def extreme(x: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        at = np.expand_dims(find(x, axis=dim), dim)
        values = np.take_along_axis(x, at, dim)
        return (values, at) if keepdim else (values.squeeze(dim), at.squeeze(dim))

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
            return getattr(call, {"max": "maximum", "min": "minimum"}[name])(input, second)
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
        rule=_extreme_all_rule, forms="", node=f"{_name.capitalize()}Backward1",
        numpy=np.max if _name == "max" else np.min,
        grads={"input": lambda grad, input, result: _amax_grad(grad, input, result, None, False)},
        doc="Of all elements.",
    )  # fmt: skip
    row(
        f"{_name}_dim(Tensor input, int dim, bool keepdim=False) -> (values, indices)",
        rule=_extreme_dim_rule, numpy=_extreme_dim(_find), forms="",
        node=f"{_name.capitalize()}Backward0",
        grads={"input": lambda grad, indices, input_shape, dim, keepdim:
               place_back(grad, indices, input_shape, dim, keepdim)},
        doc="Values and indices along a dimension.",
    )  # fmt: skip
    row(f"{_name}(Tensor input, any dim=None, bool keepdim=False) -> Tensor",
        body=_extreme_body(_name), forms="fmo",
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), 0, True), {}), ((m(2, 3), m(3)), {})],
        doc="See body.")  # fmt: skip


def _arg_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    if dim is None and not x.numel:
        raise IndexError("Expected reduction dim to be specified for input.numel() == 0.")
    found = _extreme_rule(x, dim, keepdim).aval
    return Spec(found.with_dtype(dtypes.int64))


for _name, _find in (("argmax", np.argmax), ("argmin", np.argmin)):
    row(
        f"{_name}(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
        rule=_arg_rule, forms="fm",
        numpy=(lambda f: lambda x, dim, keepdim:
               f(x).reshape((1,) * x.ndim if keepdim else ()) if dim is None else _arg(x, f, dim, keepdim))(_find),
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), 0, True), {})],
        doc="Where the extreme is, along a dimension or in the flattened input.",
    )  # fmt: skip


def _truth_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, dtypes.uint8 if x.dtype is dtypes.uint8 else dtypes.bool_, x.device))


for _name, _np in (("any", np.any), ("all", np.all)):
    row(
        f"{_name}(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
        rule=_truth_rule, forms="fmo",
        numpy=(lambda f: lambda x, dim, keepdim: f(x, axis=_axes(x, dim), keepdims=keepdim and x.ndim > 0))(_np),
        samples=lambda m: [((m(2, 3),), {}), ((m.bool(2, 3), 1), {}), ((m(0),), {})],
        doc=f"Whether {_name} element is not zero.",
    )  # fmt: skip
