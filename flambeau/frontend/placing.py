"""Operands and devices: where an operation's result is, and copies from one device to another."""

from __future__ import annotations

from typing import Any

from ..autograd.node import VOLATILE, Node, edge_of
from ..autograd.saved import fresh
from ..autograd.wrapped import Intercept
from ..core import device as devices
from ..core.aval import Aval, aval
from ..core.device import CPU, device
from ..core.dtypes import dtype
from ..engine.flush import realise
from ..graph.trace import state
from ..graph.value import Value, leaf
from ..ops.table import Spec
from .memory import read


def _find_gpu(index: int | None) -> int:
    from ..runtime import cuda

    count = cuda.device_count()
    if not count:
        raise cuda.absent() or RuntimeError("there is no GPU")
    found = cuda.current_device() if index is None else index
    if found >= count:
        raise RuntimeError(
            f"CUDA error: invalid device ordinal: cuda:{found}, where there is "
            f"{'cuda:0' if count == 1 else f'cuda:0 to cuda:{count - 1}'}"
        )
    return found


devices.find_gpu = _find_gpu


def moved(a: Any, where: device) -> Any:
    """An aval (tuple of them) on a device."""
    if isinstance(a, tuple):
        return tuple([moved(x, where) for x in a])
    return a if a.device is where else aval(a.shape, a.dtype, where)


class Placed:
    """Instead of a dtype that operands are cast to: where they are copied to as well. Only operands
    without dimensions are, from the CPU."""

    __slots__ = ("where", "cast")

    def __init__(self, where: device, cast: dtype | None) -> None:
        self.where, self.cast = where, cast

    def placed(self, value: Value) -> tuple[Value, dtype]:
        """A value there, and the dtype it is to have."""
        target = self.cast or value.aval.dtype
        return copied(value, self.where), target


def placed(spec: Spec, called: str, operands: tuple[Any, ...]) -> Spec:
    """What a row's rule says, on the device that its operands are on.

    Raises:
        RuntimeError: operands are on several devices. Tensors without dimensions may be on the CPU.
    """
    avals: list[Aval] = []
    for x in operands:
        if x.__class__ is Aval:
            avals.append(x)
        elif x.__class__ is tuple:
            avals += [a for a in x if a.__class__ is Aval]
    found = {a.device for a in avals}
    if not found or found == {CPU}:
        return spec
    if len(found) == 1:
        (where,) = found
        return Spec(moved(spec.aval, where), spec.cast)
    where = device_of(avals, called)
    return Spec(moved(spec.aval, where), Placed(where, spec.cast))  # type: ignore[arg-type]


def device_of(avals: list[Aval], called: str) -> device:
    """The one device that operands are on, but for those without dimensions on the CPU."""
    places: list[device] = []
    for a in avals:
        if a.device not in places and (a.ndim or a.device is not CPU):
            places.append(a.device)
    if len(places) != 1:
        kinds = ", ".join(f"{a} on {a.device}" for a in avals)
        names = [str(p) for p in places] or ["cpu"]
        raise RuntimeError(
            f"{called}(): Expected all tensors to be on the same device, but found at least two "
            f"devices, {names[0]} and {names[1]}! (got {kinds}; move one with .to(device))"
        )
    return places[0]


def copied(value: Value, where: device) -> Value:
    """A value on a device: itself where it is there. What it needs runs; a copy to a GPU is not
    waited for, one from it is."""
    here = value.aval.device
    if here is where:
        return value
    target = moved(value.aval, where)
    if where is CPU:
        return leaf(target, own(realise(value, "a copy to the CPU")))
    if here is CPU:
        return uploaded(realise(value, "a copy to a GPU"), target)
    from ..engine import cuda

    return cuda.copy_between(value, target)  # type: ignore[no-any-return]


def uploaded(array: Any, a: Aval) -> Value:
    """A copy of an array as a value of aval `a`, on its device, which is not the CPU."""
    from ..engine import cuda

    devices.used()
    return cuda.upload(array, a)  # type: ignore[no-any-return]


def own(array: Any) -> Any:
    """An array that may be kept and written."""
    return array if array.flags.owndata and array.flags.c_contiguous else array.copy()


class ToCopyBackward0(Node):
    """A copy on another device: the gradient goes back where the tensor was."""

    __slots__ = ()

    def __init__(self, source: Any, out: Aval) -> None:
        edge = edge_of(source)  # before this node has its number
        super().__init__()
        self.edges = (edge,)
        self.out = (out,)
        self.params = (source._aval.device,)

    def apply(self, grads: list[Any], edges: Any) -> Any:
        (g,) = grads
        return (None if g is None else to_device(g, self.params[0]),)


def to_device(t: Any, where: device) -> Any:
    """A tensor's copy on a device, in its graph; the tensor itself where it is there."""
    if t._aval.device is where:
        return t
    try:
        value = copied(read(t), where)
    except Intercept:
        raise NotImplementedError(
            f"to(): a tensor inside of vmap or forward mode can't go from {t._aval.device} to {where}; "
            "move it before"
        ) from None
    made: Any = fresh(value, value.aval)
    if t._rg is VOLATILE:
        made._rg = VOLATILE
    elif state.grad and t.requires_grad:
        made._rg, made._node = True, ToCopyBackward0(t, value.aval)
    return made


# --- page-locked memory -------------------------------------------------------------------------


def pinned(t: Any) -> Any:
    """A copy of a tensor of the CPU in page-locked memory. The tensor itself where there is no GPU."""
    from ..runtime import cuda

    if not cuda.available():
        return t
    from ..runtime import cuda_memory

    content = realise(read(t), "it is copied to page-locked memory")
    array = cuda_memory.pinned(max(content.nbytes, 1)).array(content.dtype, content.shape)
    array[...] = content
    made: Any = fresh(leaf(t._aval, array), t._aval)
    return made


def is_pinned(t: Any) -> bool:
    """Whether a tensor's content lies in page-locked memory."""
    storage = t._storage
    buffer = storage.buffer if storage.value is None else storage.value.buffer
    base = getattr(buffer, "base", None)
    if base is None or not devices.others and not _cuda_loaded():
        return False
    from ..runtime import cuda_memory

    while base is not None and not isinstance(base, cuda_memory.PinnedBlock):
        base = getattr(base, "base", None)
    return base is not None


def _cuda_loaded() -> bool:
    import sys

    return f"{__package__.split('.')[0]}.runtime.cuda_memory" in sys.modules
