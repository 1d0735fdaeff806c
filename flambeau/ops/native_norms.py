"""`torch.native_layer_norm` and its kin: normalisations that also give the statistics, with the
arguments that PyTorch's C++ gives them."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import uint8
from .table import call, row


def _inverse(variance: Any, eps: float) -> Any:
    return call.rsqrt(variance + eps)


def _native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """Layer normalisation, the means, and 1 / sqrt(variance + eps)."""
    out = call.layer_norm(input, normalized_shape, weight, bias, eps)
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return out, input.mean(axes, True), _inverse(input.var(axes, correction=0, keepdim=True), eps)


def _native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float  # noqa: N803
) -> tuple[Any, Any, Any]:
    """Group normalisation, the means (N, group), and 1 / sqrt(variance + eps)."""
    out = call.group_norm(input, group, weight, bias, eps)
    flat = input.reshape(N, group, C // group * HxW)
    return out, flat.mean(2), _inverse(flat.var(2, correction=0), eps)


def _native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Batch normalisation; while training also the batch's means and 1 / sqrt(variance + eps), else
    empty tensors."""
    out = call.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, False
    )
    if not training:
        return out, call.empty((0,), dtype=input.dtype), call.empty((0,), dtype=input.dtype)
    axes = (0, *range(2, input.ndim))
    return out, input.mean(axes), _inverse(input.var(axes, correction=0), eps)


for _name, _body, _arguments in (
    ("batch", _native_batch_norm, "Tensor? weight, Tensor? bias, Tensor? running_mean, "
     "Tensor? running_var, bool training, float momentum, float eps"),
    ("layer", _native_layer_norm, "int[] normalized_shape, Tensor? weight, Tensor? bias, float eps"),
    ("group", _native_group_norm, "Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps"),
):  # fmt: skip
    row(f"{_name}_norm_with_statistics(Tensor input, {_arguments}) -> Tensors", body=_body,
        forms="fo", where="native", alias=(f".native_{_name}_norm",), called=f"native_{_name}_norm",
        doc=_body.__doc__ or "")  # fmt: skip


def _legit(input: Any, weight: Any, bias: Any, *rest: Any, **named: Any) -> tuple[Any, Any, Any]:
    """As native_batch_norm; the running statistics, which training changes, may be left out."""
    names: tuple[str, ...] = ("running_mean", "running_var", "training", "momentum", "eps")
    if "running_mean" not in named and len(rest) + len(named) == 3:
        names = names[2:]
    given = {"running_mean": None, "running_var": None, **dict(zip(names, rest)), **named}
    found: tuple[Any, Any, Any] = _native_batch_norm(input, weight, bias, **given)
    return found


def _with_update(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any, Any]:
    """As native_batch_norm while training, and the memory that another library would keep: none."""
    found = _native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return (*found, call.empty((0,), dtype=uint8))


_STATISTICS = "Tensor running_mean, Tensor running_var"
row(f"_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, {_STATISTICS}, bool training, "
    "float momentum, float eps) -> Tensors", body=_legit, forms="fo", doc="See body.")  # fmt: skip
row(f"_batch_norm_with_update(Tensor input, Tensor? weight, Tensor? bias, {_STATISTICS}, float momentum, "
    "float eps) -> Tensors", body=_with_update, where="nn", forms="f", doc="See body.")  # fmt: skip
