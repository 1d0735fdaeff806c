"""`torch.autograd.forward_ad`: forward mode with dual tensors.

    with dual_level():
        x = make_dual(primal, tangent)
        value, derivative = unpack_dual(f(x))
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import refusing
from ..frontend.tensor import Tensor
from ..graph.trace import state
from . import levels
from .dual import DualLevel
from .node import Node, edge_of


class UnpackedDualTensor(NamedTuple):
    """The parts of a dual tensor; `tangent` is None where it has none."""

    primal: Any
    tangent: Any


def _entered() -> list[DualLevel]:
    """The levels that were entered here, the outermost first."""
    return [x for x in levels.running.levels if isinstance(x, DualLevel) and x.joins_all]


def enter_dual_level() -> int:
    """Enter a level, and return its number: 0, or one more than that around it."""
    DualLevel(joins_all=True).__enter__()
    return len(_entered()) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the innermost level. Its dual tensors are their primals from now on."""
    entered = _entered()
    if not entered or (level is not None and level != len(entered) - 1):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    entered[-1].__exit__()


class dual_level:
    """A level until the end of a `with` block: tangents are only known inside."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: object) -> None:
        exit_dual_level()


def _level(level: int | None, doing: str) -> DualLevel:
    entered = _entered()
    number = len(entered) - 1 if level is None else level
    if not 0 <= number < len(entered):
        raise RuntimeError(
            f"Trying to {doing} for forward AD but no level exists, make sure to enter_dual_level() "
            "first."
        )
    return entered[number]


class _MakeDual(Node):
    """Where a dual tensor comes from: its gradient is its primal's."""

    __slots__ = ()

    def __init__(self, primal: Any) -> None:
        super().__init__()
        self.edges, self.out = (edge_of(primal),), (primal._aval,)

    def name(self) -> str:
        return "MakeDualBackward0"

    def apply(self, grads: list[Any], edges: Any) -> Any:
        return (grads[0],)


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A dual tensor: a view of `tensor` that carries `tangent`, of the same shape and dtype.

    Operations on it give dual tensors. RuntimeError outside of a level, or where shapes differ;
    ValueError for dtypes that have no derivatives.
    """
    chosen = _level(level, "create a dual Tensor")
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(x, Tensor):
            raise TypeError(f"make_dual(): expected the {name} to be a Tensor, not {type(x).__name__}")
        if not x._aval.differentiable:
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {x.dtype}"
            )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            f"Trying to set a forward gradient of size {list(tangent.shape)} for a Tensor of size "
            f"{list(tensor.shape)}: they must be the same"
        )
    if tensor.dtype is not tangent.dtype:
        raise RuntimeError(
            "Expected that primal and tangent have the same dtype, got "
            f"{tensor.dtype} and {tangent.dtype}"
        )
    if levels.level_of(tensor) is chosen:
        if chosen.tangent(tensor) is not None:
            raise RuntimeError("make_dual(): the tensor has a tangent at this level already")
        tensor = chosen.primal(tensor)
    dual = chosen.wrap(tensor, tangent)
    dual._view = tensor if tensor._view is None else tensor._view
    if tensor.requires_grad and state.grad:
        dual._view = None  # at its level it comes from a node of its own
        dual._rg, dual._node = True, _MakeDual(tensor)
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """Primal and tangent of a dual tensor; (tensor, None) for others and outside of levels."""
    entered = _entered()
    number = len(entered) - 1 if level is None else level
    if not 0 <= number < len(entered) or levels.level_of(tensor) is not entered[number]:
        return UnpackedDualTensor(tensor, None)
    chosen = entered[number]
    return UnpackedDualTensor(chosen.primal(tensor), chosen.tangent(tensor))


__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual",
           "unpack_dual"]  # fmt: skip

__getattr__ = refusing(__name__)
