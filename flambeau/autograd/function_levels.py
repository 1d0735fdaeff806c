"""The user's Functions inside of vmap and forward mode.

A call whose arguments are wrapped is a call with what is underneath, and, where the level has a graph
of its own, a node there. Its ctx is made by `setup_context` from the wrapped arguments and results; a
Function of the older style leaves what it has put into the ctx of the call underneath.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..frontend.tensor import Tensor
from ..graph.trace import state
from ..ops.table import call
from . import levels
from .batching import BatchLevel
from .dual import DualLevel
from .function import Function, _connect
from .node import edge_of


def apply_at(
    level: levels.Level, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """A Function's `apply` where `level` is the innermost of the arguments."""
    if not level.alive:
        return cls.apply(*[_outlived(level, x) for x in args], **kwargs)
    if isinstance(level, DualLevel):
        return _dual(level, cls, args, kwargs)
    assert isinstance(level, BatchLevel)
    return _batched(level, cls, args, kwargs)


def _outlived(level: levels.Level, x: Any) -> Any:
    return level.after(x) if levels.level_of(x) is level else x


def _places(args: tuple[Any, ...]) -> tuple[tuple[int, ...], list[Any]]:
    places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
    return places, [args[i] for i in places]


def _parts(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def _at_level(
    level: levels.Level, cls: Any, args: tuple[Any, ...], outputs: tuple[Any, ...], inner: Any
) -> None:
    """Make the node of a call in the level's graph, where an argument brings that."""
    if not levels.tracked(level, args):
        return
    places, tensors = _places(args)
    node = cls._node_class()
    node._places, node._count = places, len(args)
    node.edges = tuple(
        edge_of(t) if level.joins_all or levels.level_of(t) is level else None for t in tensors
    )
    node.avals = tuple(t._aval for t in tensors)
    node.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    before = state.grad
    state.grad = False
    try:
        if cls.setup_context is not Function.setup_context:
            cls.setup_context(node, args, outputs if len(outputs) > 1 else outputs[0])
        elif inner is not None:
            _copy_context(level, node, inner, args, outputs)
        else:
            raise RuntimeError(
                "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
                f"jacrev, ...), it must override the setup_context staticmethod ({cls.__name__})"
            )
    finally:
        state.grad = before
    node.out = tuple(o._aval if isinstance(o, Tensor) else None for o in outputs)
    _connect(node, outputs, {})
    node._finish(outputs)


def _copy_context(
    level: Any, node: Any, inner: Any, args: tuple[Any, ...], outputs: tuple[Any, ...]
) -> None:
    """What forward has left in the ctx underneath, with the wrapped tensors in the place of what
    they stand for."""
    wrapped = [t for t in (*args, *outputs) if levels.level_of(t) is level]
    known = {id(level.primal(t)._storage): t for t in wrapped}
    skip = ("_places", "_count", "needs_input_grad", "_shown", "_for_forward")
    for key, value in vars(inner).items():
        if key not in skip:
            setattr(node, key, known.get(id(getattr(value, "_storage", None)), value))
    node._saved = tuple(known.get(id(getattr(t, "_storage", None)), t) for t in inner.saved_tensors)


# --- forward mode -------------------------------------------------------------------------------


def _dual(level: DualLevel, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    primals = tuple(level.primal(a) if isinstance(a, Tensor) else a for a in args)
    moving = [level.tangent(a) if isinstance(a, Tensor) else None for a in args]
    places, tensors = _places(primals)
    with levels.below(level):
        if levels.innermost(tensors) is not None:
            found, inner = cls.apply(*primals, **kwargs), None
        else:
            found, inner = cls._applied(primals, kwargs, places, tensors)
    outputs = _parts(found)
    moved: list[Any] = [None] * len(outputs)
    if any(t is not None for t in moving):
        inner = inner or _bare_context(cls, primals, found)
        with levels.below(level):
            moved = _pushed(cls, inner, primals, moving, outputs)
    if not any(t is not None for t in moved) and not levels.tracked(level, args):
        return found
    made = tuple(
        level.wrap(o, t) if isinstance(o, Tensor) else o for o, t in zip(outputs, moved, strict=True)
    )
    _at_level(level, cls, args, made, inner)
    return made if isinstance(found, tuple) else made[0]


def _bare_context(cls: Any, args: tuple[Any, ...], found: Any) -> Any:
    """A ctx for jvp where the call itself was one of another level."""
    node = cls._node_class()
    if cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
            f"...), it must override the setup_context staticmethod ({cls.__name__})"
        )
    cls.setup_context(node, args, found)
    node._shown = node._saved
    return node


def _pushed(
    cls: Any, ctx: Any, primals: tuple[Any, ...], moving: list[Any], outputs: tuple[Any, ...]
) -> list[Any]:
    """The tangents that jvp gives. RuntimeError where there are not as many as results, or they
    have other shapes."""
    given = [
        call.zeros_like(p)
        if t is None and ctx._materialize and isinstance(p, Tensor) and p._aval.differentiable
        else t
        for p, t in zip(primals, moving, strict=True)
    ]
    before = ctx._shown
    ctx._shown = before if ctx._for_forward is None else ctx._for_forward
    try:
        moved = _parts(cls.jvp(ctx, *given))
    finally:
        ctx._shown = before
    if len(moved) != len(outputs):
        raise RuntimeError(
            f"Function {ctx.name()}'s jvp returned {len(moved)} tangents for {len(outputs)} outputs"
        )
    for o, t in zip(outputs, moved, strict=True):
        if t is not None and tuple(t.shape) != tuple(o.shape):
            raise RuntimeError(
                f"Function {ctx.name()}'s jvp returned a tangent of shape {list(t.shape)} for an output "
                f"of shape {list(o.shape)}"
            )
    return list(moved)


# --- vmap ---------------------------------------------------------------------------------------


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told."""

    batch_size: int
    randomness: str


def _batched(level: BatchLevel, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    own = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule and own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overriden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            "overriden vmap staticmethod to avoid ambiguity."
        )
    if not cls.generate_vmap_rule and not own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True."
        )
    plain = tuple(level.whole(a)[0] if isinstance(a, Tensor) else a for a in args)
    dims = tuple(level.whole(a)[1] if isinstance(a, Tensor) else None for a in args)
    if own:
        info = VmapInfo(level.size, level.randomness)
        with levels.below(level):
            found, out_dims = cls.vmap(info, dims, *plain)
        several = isinstance(found, tuple)
        parts = _parts(found)
        places = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(parts)
    else:
        with levels.below(level):
            found = _generated(cls, level, dims, kwargs).apply(*plain)
        several, parts = isinstance(found, tuple), _parts(found)
        places = tuple(0 for _ in parts)
    made = tuple(
        level.wrap(p, None if d is None else d % p.dim()) if isinstance(p, Tensor) else p
        for p, d in zip(parts, places, strict=True)
    )
    _at_level(level, cls, args, made, None)
    return made if several else made[0]


def _put(inside: BatchLevel, x: Any, dim: int | None) -> Any:
    """A tensor with the batch at `dim` as one sample's; what has no batch as it is."""
    return inside.wrap(x, dim) if isinstance(x, Tensor) and dim is not None else x


def _whole(inside: BatchLevel, x: Any) -> Any:
    """The whole batch of a sample's tensor, at dimension 0."""
    if not isinstance(x, Tensor):
        return x
    value, dim = inside.whole(x)
    if dim is None:
        return value.unsqueeze(0).expand(inside.size, *value.shape)
    return value.movedim(dim, 0)


def _summed(g: Any, dim: int | None) -> Any:
    """A batch of gradients as the gradient of the input: a sum where that has no batch."""
    return g.sum(0) if dim is None else g.movedim(0, dim)


def _keep(ctx: Any, inside: BatchLevel, inner: Any, given: Any, args: Any) -> None:
    """Keep what `cls` saves, by what is underneath; inputs as the inputs that they are."""
    inputs = {id(g): a for g, a in zip(given, args, strict=True)}
    saved: list[Any] = []
    places: list[Any] = []
    for t in inner._saved:
        if t is None:
            places.append("none")
            continue
        value, dim = inside.whole(t)
        saved.append(inputs.get(id(t), value))
        places.append(dim)
    ctx.save_for_backward(*saved)
    ctx.kept_dims = tuple(places)


def _generated(cls: Any, level: BatchLevel, dims: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A Function of whole batches: forward and backward of `cls` inside of a vmap of their own."""
    size, randomness = level.size, level.randomness

    class Batched(Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            with BatchLevel(size, randomness) as inside:
                given = tuple(_put(inside, a, d) for a, d in zip(args, dims, strict=True))
                ctx.inner = inner = cls._node_class()
                if cls.setup_context is Function.setup_context:
                    found = cls.forward(inner, *given, **kwargs)
                else:
                    found = cls.forward(*given, **kwargs)
                    cls.setup_context(inner, given, found)
                ctx.set_materialize_grads(inner._materialize)
                _keep(ctx, inside, inner, given, args)
                outputs = tuple(_whole(inside, p) for p in _parts(found))
                fixed = [o for o, p in zip(outputs, _parts(found), strict=True)
                         if any(p is f for f in inner._fixed)]  # fmt: skip
                ctx.mark_non_differentiable(*fixed)
                return outputs if isinstance(found, tuple) else outputs[0]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            with BatchLevel(size, randomness) as inside:
                inner = ctx.inner
                inner.needs_input_grad = ctx.needs_input_grad
                kept = iter(ctx.saved_tensors)
                inner._shown = tuple(
                    None if d == "none" else _put(inside, next(kept), d) for d in ctx.kept_dims
                )
                given = [_put(inside, g, 0) for g in grads]
                found = _parts(cls._derivative()(inner, *given))
                return tuple(
                    None if g is None else _summed(_whole(inside, g), d)
                    for g, d in zip(found, dims, strict=False)
                )

    Batched.__name__ = Batched.__qualname__ = cls.__name__
    return Batched


__all__ = ["VmapInfo", "apply_at"]
