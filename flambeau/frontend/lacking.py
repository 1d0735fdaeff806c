"""Attributes of PyTorch's tensors that ours lack: using one says so.

They are descriptors, one a name. A `__getattr__` would do it for every name, but it makes all
attributes of tensors slower to read: recording an operation took a seventh longer.
"""

from __future__ import annotations

from typing import Any

NAMES = """
as_strided_ ccol_indices chalf coalesce col_indices const_data_ptr crow_indices dequantize eig frexp
geqrf grad_dtype hash_tensor i0 i0_ igamma igamma_ igammac igammac_ index index_reduce index_reduce_
indices int_repr ipu is_coalesced is_distributed is_ipu is_maia is_mtia is_sparse_csr is_vulkan
is_xla istft lstsq map2_ module_load mtia mvlgamma mvlgamma_ nextafter nextafter_ nonzero_static
orgqr ormqr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point
qscheme reinforce resize resize_as resize_as_sparse_ row_indices slice_inverse smm
solve sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm stft storage_type symeig
to_mkldnn to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc
to_sparse_csr values xpu
""".split()
"""Public attributes of PyTorch 2.13's Tensor; those that we have by now are left alone."""


class Lacking:
    """Raises AttributeError when it is read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        from ..lacking.advice import tensor_advice

        kind = (owner or type(instance)).__name__
        raise AttributeError(
            f"{kind!r} object has no attribute {self.name!r}: PyTorch has torch.Tensor.{self.name}, "
            f"flambeau lacks it so far{tensor_advice(self.name)}",
            name=self.name,
            obj=owner if instance is None else instance,
        )


def names(cls: Any) -> set[str]:
    """The names that a class still lacks."""
    return {name for name in NAMES if isinstance(cls.__dict__.get(name), Lacking)}


def install(cls: Any) -> None:
    """Give a class a descriptor for each of the names that it has nothing for."""
    for name in NAMES:
        if not any(name in vars(base) for base in cls.__mro__):
            setattr(cls, name, Lacking(name))
