"""Shape and dtype rules shared by rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtypes, layout
from ..core.aval import MOST_DIMENSIONS, Aval, aval
from ..core.device import CPU
from ..core.dtypes import dtype
from .table import Spec


def common_dtype(operands: tuple[Any, ...]) -> dtype:
    """PyTorch's promoted dtype of avals and scalar types."""
    dims: list[dtype] = []
    zeros: list[dtype] = []
    scalars: list[dtype] = []
    for x in operands:
        if isinstance(x, Aval):
            (dims if x.ndim else zeros).append(x.dtype)
        elif x is not None:
            scalars.append(dtypes.of_scalar(x))
    return dtypes.result_type(dims, zeros, scalars)


def common_shape(operands: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that all tensor operands broadcast to."""
    shapes = [x.shape for x in operands if isinstance(x, Aval)]
    first = shapes[0] if shapes else ()
    if all(s == first for s in shapes):
        return first
    return layout.broadcast(*shapes)


def pointwise(
    result: str = "same", operands: int | None = None, allow: str = "bifc"
) -> Callable[..., Spec]:
    """Broadcast all operands to one shape, promote them to one dtype.

    `result`: "same" keeps the promoted dtype, "float" computes integers in the default dtype,
    "bool" compares, "real" gives the real dtype of a complex one. `operands` is how many of the
    arguments are operands, the others being parameters. `allow` has a letter for each category that
    is allowed: b(ool), i(nt), f(loat), c(omplex).
    """

    def rule(*args: Any) -> Spec:
        xs = args if operands is None else args[:operands]
        dt = common_dtype(xs)
        if "bifc"[dt.category] not in allow:
            kind = ("bool", "integer", "floating", "complex")[dt.category]
            raise NotImplementedError(f"not implemented for {kind} dtype {dt} (`{dt.legacy}`)")
        if result == "float" and dt.category < dtypes.FLOAT:
            dt = dtypes.get_default()
        shape = common_shape(xs)
        out = dt
        if result == "bool":
            out = dtypes.bool_
        elif result == "real":
            out = dt.to_real()
        cast = None
        for x in xs:
            if isinstance(x, Aval) and x.dtype is not dt:
                cast = dt
        return Spec(aval(shape, out, CPU), cast)

    return elementwise(rule)


def elementwise(rule: Callable[..., Spec]) -> Callable[..., Spec]:
    """Mark a rule of rows that broadcast their inputs and work on each element by itself: vmap needs
    to know no more of them."""
    rule.elementwise = True  # type: ignore[attr-defined]
    return rule


def with_a_tensor(rule: Callable[..., Spec]) -> Callable[..., Spec]:
    """The rule of two Operands of which one at least is a tensor: TypeError for two numbers."""

    def checked(*args: Any) -> Spec:
        if not any(isinstance(x, Aval) for x in args):
            kinds = ", ".join(getattr(x, "__name__", type(x).__name__) for x in args)
            raise TypeError(f"expected a tensor among the arguments, but got ({kinds})")
        return rule(*args)

    return elementwise(checked)


def same(x: Aval, *params: Any) -> Spec:
    """Shape and dtype of the first input."""
    return Spec(x)


def floating(name: str, x: Aval) -> None:
    """Refuse integer inputs where an operation has floating ones only."""
    if x.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'"{name}" not implemented for \'{x.dtype.legacy}\'')


def matching(*avals: Aval | None) -> dtype:
    """The dtype that all given tensors share; RuntimeError naming those that differ."""
    first = None
    for x in avals:
        if x is None:
            continue
        if first is None:
            first = x.dtype
        elif x.dtype is not first:
            raise RuntimeError(
                f"expected all tensors to have the same dtype, but got {first} and {x.dtype}"
            )
    assert first is not None
    return first


def reduced_shape(
    shape: tuple[int, ...], dim: Any, keepdim: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape after reducing over `dim` (None or () for all), and the dimensions wrapped."""
    n = len(shape)
    if n > MOST_DIMENSIONS:
        raise RuntimeError(f"only tensors with up to {MOST_DIMENSIONS} dims are supported, got {n}")
    if dim is None or dim == ():
        dims = tuple(range(n))
    elif isinstance(dim, tuple):
        dims = layout.wrap_dims(dim, n)
    else:
        dims = (layout.wrap_dim(dim, n),)
    if n == 0:
        return (), ()
    if keepdim:
        return tuple(1 if i in dims else s for i, s in enumerate(shape)), dims
    return tuple(s for i, s in enumerate(shape) if i not in dims), dims
