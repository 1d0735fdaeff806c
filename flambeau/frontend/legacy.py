"""PyTorch 0.3's constructor `torch.Tensor(5, 3)`; its type names: `torch.FloatTensor`,
`x.type("torch.LongTensor")`; and its methods that call a Python function for each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU, device, usable
from ..core.size import Size
from ..errors import shown
from .creation import constant, converted, sizes
from .from_data import is_sequence, read_data
from .tensor import Tensor

_BY_LEGACY = {d.legacy: d for d in dtypes.ALL}


def legacy_tensor(cls: Any, dt: dtypes.dtype, *args: Any, **kwargs: Any) -> Any:
    """`torch.Tensor(5, 3)`: uninitialised sizes, or `torch.Tensor([1, 2])`: data."""
    where = usable(kwargs.get("device"))
    if len(args) == 1 and isinstance(args[0], Tensor):
        source = args[0]
        if source._aval.dtype is not dt:
            raise TypeError(f"expected {dt} (got {source._aval.dtype})")
        t = source._alias()
    elif len(args) == 1 and not isinstance(args[0], (int, Size)):
        if not (is_sequence(args[0]) or isinstance(args[0], np.ndarray)):
            if not isinstance(args[0], (str, bytes)):
                raise TypeError(
                    f"new(): data must be a sequence (got {type(args[0]).__name__})"
                )
        array, found = read_data(args[0])
        t = converted(array, found, dt, False, where)
    else:
        t = constant(sizes("new", args) if args else (0,), 0, dt, where, False)
    if cls is not Tensor:
        t.__class__ = cls
    return t


class _TypeMeta(type):
    """`torch.FloatTensor`: called it makes tensors, isinstance tests the dtype."""

    _dtype: dtypes.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return legacy_tensor(Tensor, cls._dtype, *args, **kwargs)

    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, Tensor) and obj._aval.dtype is cls._dtype

    @property
    def dtype(cls) -> dtypes.dtype:
        return cls._dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls._dtype.legacy}Tensor'>"


TYPES: dict[str, Any] = {
    f"{d.legacy}Tensor": _TypeMeta(f"{d.legacy}Tensor", (), {"_dtype": d}) for d in dtypes.ALL
    if d.native or d.is_complex
}


def type_name(dt: dtypes.dtype, where: device = CPU) -> str:
    """`torch.FloatTensor` for float32, `torch.cuda.FloatTensor` on a GPU."""
    return f"torch.{'' if where is CPU else where.type + '.'}{dt.legacy}Tensor"


def type_of(what: Any) -> tuple[Any, ...]:
    """The dtype of a dtype; device and dtype of a legacy type or its name."""
    if isinstance(what, dtypes.dtype):
        return (what,)
    if isinstance(what, _TypeMeta):
        return (CPU, what._dtype)
    if isinstance(what, type) and what.__module__ == "torch.cuda":  # torch.cuda.FloatTensor
        what = f"torch.cuda.{what.__name__}"
    if isinstance(what, str):
        short = what.removeprefix("torch.").removesuffix("Tensor")
        kind = short.removeprefix("cuda.")
        where = usable("cuda") if kind != short else CPU
        if kind in _BY_LEGACY:
            return (where, _BY_LEGACY[kind])
        raise ValueError(f"invalid type: '{what}'")
    if what is Tensor:
        return (CPU, dtypes.get_default())
    raise ValueError(f"invalid type: {shown(what)}")


def _replace_elements(t: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    """Replace each element by the function's value at it, and at those of other tensors."""
    if t.requires_grad:
        raise RuntimeError("Can't call a Python function on the elements of a Variable that "
                           "requires grad. Use var.detach() instead.")  # fmt: skip
    for x in others:
        if not isinstance(x, Tensor):
            raise TypeError(f"map_(): argument 'tensor' must be Tensor, not {type(x).__name__}")
    columns = [x.expand_as(t).reshape(-1).tolist() for x in (t, *others)]
    values = [function(*row) for row in zip(*columns, strict=True)]
    from .creation import tensor

    with_values: Tensor = t.copy_(tensor(values, dtype=t.dtype).reshape(t.shape))  # type: ignore[operator]
    return with_values


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element x by callable(x). Slow: a Python call for each."""
    return _replace_elements(self, callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element x by callable(x, y), y from `tensor`, which is broadcast."""
    return _replace_elements(self, callable, tensor)


for _method in (apply_, map_):
    setattr(Tensor, _method.__name__, _method)
