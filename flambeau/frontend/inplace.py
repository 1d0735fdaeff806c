"""Writing into tensors: in-place forms, `out=`, and what they and views mean to autograd."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.node import RELEASED, VOLATILE, Node, attach, edge_of, joined, version
from ..core.dtypes import can_cast
from ..core.layout import has_overlap, partly_overlap
from ..errors import shape_text
from ..graph.trace import state
from ..ops.table import Row, call
from ..runtime.storage import Storage
from .memory import bump, convert, read, stride, write

NO_GRAD_VIEW = -1
"""`_seen` of a view that was made while grad mode was off."""


def _layout(t: Any) -> tuple[Any, Any, int]:
    return tuple(t._aval.shape), stride(t), t._offset


def check_target(
    t: Any, name: str, others: tuple[Any, ...] = (), *, uniform: bool = False
) -> None:
    """Refuse what must not be written in place: leaves that require grad, memory that overlaps.

    `uniform`: all elements get the same value, so that overlaps within `t` don't matter.
    """
    check_graph(t, name)
    if not uniform and t._strides is not None and has_overlap(t._aval.shape, t._strides):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor "
            "refers to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )
    for x in others:
        if x is not t and getattr(x, "_storage", None) is t._storage:
            if partly_overlap(_layout(t), _layout(x)):
                raise RuntimeError(
                    f"{name}: unsupported operation: some elements of the input tensor and the "
                    "written-to tensor refer to a single memory location. Please clone() the "
                    "tensor before performing the operation."
                )


def check_graph(t: Any, name: str) -> None:
    """Refuse to write leaves that require grad, one of several views, inference tensors."""
    if t._view is not None:
        joined(t)
    if state.grad and t._rg is True:
        view = t._view
        if view is None and t._node is None:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place "
                "operation. Do it under torch.no_grad(), or on a clone()."
            )
        if view is not None and view._node is None and view._rg is True:
            raise RuntimeError(
                f"{name}: a view of a leaf Variable that requires grad is being used in an "
                "in-place operation. Do it under torch.no_grad(), or on a clone()."
            )
    if t._multi and state.grad and (t._rg is True or t._view._rg is True):
        raise RuntimeError(
            f"{name}: Output {t._nr} of {t.grad_fn.name() if t.grad_fn else 'a multi-view'} is a "
            "view and is being modified inplace. This view is the output of a function that "
            "returns multiple views. Such functions do not allow the output views to be modified "
            "inplace. You should replace the inplace operation by an out-of-place one."
        )
    if t._inference and not state.inference:
        raise RuntimeError(
            f"{name}: Inplace update to inference tensor outside InferenceMode is not allowed. "
            "You can make a clone to get a normal tensor before doing inplace update."
        )


def check_result(t: Any, result: Any, name: str) -> None:
    """Refuse results that don't fit into the written-to tensor."""
    if result._aval.shape != t._aval.shape:
        raise RuntimeError(
            f"{name}: output with shape {shape_text(t._aval.shape)} doesn't match the broadcast "
            f"shape {shape_text(result._aval.shape)}"
        )
    if not can_cast(result._aval.dtype, t._aval.dtype):
        raise RuntimeError(
            f"{name}: result type {result._aval.dtype.legacy} can't be cast to the desired output "
            f"type {t._aval.dtype.legacy}"
        )


def assign(t: Any, result: Any) -> Any:
    """Make `result` (of `t`'s shape) the content of `t`, and `t` part of its graph."""
    if result._aval.dtype is not t._aval.dtype:
        result = result.to(t._aval.dtype)
    tracked = state.grad and (result._rg or t._rg)
    before = edge_of(t._view) if tracked and t._view is not None else None
    if tracked and t._view is not None and t._seen == NO_GRAD_VIEW:
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode "
            "enabled. Make the view in the mode that it is used in, or clone() it."
        )
    write(t, read(result))
    if not tracked:
        return t
    if t._rg is VOLATILE or result._rg is VOLATILE:
        t._rg = VOLATILE
        return t
    node = result._node
    if node is not None and node.saved_results:
        node.saved_results = tuple(
            (t._storage, version(t), s[2], *([t._count] if t._count else []))
            if s is not None and s[0] is result._storage and t._view is None
            else s
            for s in node.saved_results
        )
    if t._view is None:
        t._rg, t._node, t._nr = bool(result._rg), node, result._nr
        if node is not None:
            move_hooks(t)
    else:
        _rebase(t._view, t, result, before)
    return t


def move_hooks(t: Any) -> None:
    """Tensor hooks stay with the gradient of the tensor as it was before the change."""
    t._hooks = None


class CopySlices(Node):
    """A tensor after one of its views was written: the old tensor's gradient loses the written
    elements, the written value gets them."""

    __slots__ = ("layout",)

    def release(self) -> None:
        self.saved = RELEASED

    def apply(self, grads: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        self.check_released()
        (g,) = grads
        shape, strides, offset = self.layout
        found: list[Any] = [None, None]
        g = g.contiguous()
        if needs[0]:
            zeros = call.zeros_like(g).as_strided(shape, strides, offset)
            found[0] = call.as_strided_scatter(g, zeros, shape, strides, offset)
        if needs[1]:
            found[1] = g.as_strided(shape, strides, offset).clone()
        return found


def _rebase(base: Any, t: Any, result: Any, before: Any) -> None:
    """The base of a written view becomes the result of a CopySlices."""
    node = CopySlices()
    node.edges = (before, edge_of(result))
    node.out = (base._aval,)
    node.layout = _layout(t)
    base._rg, base._node, base._nr = True, node, 0
    t._rg = True
    t._seen = -2  # whatever the version: the node is made anew from the base


def view_node(t: Any) -> Any:
    """The node of a view, made anew from its base where memory has changed since."""
    base = t._view
    if t._seen == version(t) or t._seen == NO_GRAD_VIEW or base._rg is not True:
        return t._node
    fresh = base.as_strided(*_layout(t))
    t._node, t._nr, t._rg = fresh._node, fresh._nr, True
    t._seen = version(t)
    return t._node


def note_view(node_class: Any, t: Any, source: Any, params: tuple[Any, ...]) -> None:
    """Pass on to a new view what its source is: silent, made in inference mode, in the graph."""
    if source._view is not None:
        joined(source)
    if source._count:
        t._count, t._seen = source._count, source._count[0]
    if source._inference:
        t._inference = True
    if source._rg:
        if state.grad:
            attach(node_class, (t,), (source,), (source._aval,), params)
        else:
            t._seen = NO_GRAD_VIEW


def multi_view(
    node_class: Any, source: Any, found: list[tuple[Any, ...]], params: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Several views at once (split, unbind): they share one node."""
    from .tensor import Tensor

    out = []
    root = source._view
    for aval, strides, offset, plain in found:
        t: Any = object.__new__(Tensor)
        t._storage = source._storage
        t._aval, t._strides, t._offset, t._plain = aval, strides, offset, plain
        t._view = source if root is None else root
        t._seen = version(source)
        t._count = source._count
        t._multi = True
        out.append(t)
    if source._rg or (root is not None and joined(source)):
        if state.grad:
            attach(node_class, tuple(out), (source,), (source._aval,), params)
        else:
            for t in out:
                t._seen = NO_GRAD_VIEW
    return tuple(out)


def _before(t: Any) -> Any:
    """A tensor as it is now, in a storage of its own: what an operation in place saves of its
    first argument stays as it was."""
    before = object.__new__(type(t))
    before._storage = Storage(read(t), t._aval)
    before._aval = t._aval
    before._rg = t._rg
    before._node = t.grad_fn
    before._nr = t._nr
    return before


def make_inplace(row: Row, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.add_(y)`: the function's result becomes the content of its first argument."""
    name = row.name + "_"

    def inplace(input: Any, *args: Any, **kwargs: Any) -> Any:
        check_target(input, name, args, uniform=row.uniform)
        tracked = state.grad and (input._rg or any(getattr(x, "_rg", False) for x in args))
        result = function(_before(input) if tracked else input, *args, **kwargs)
        check_result(input, result, name)
        return assign(input, result)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__module__ = "flambeau"
    inplace.__doc__ = f"In-place version of {row.name}(): changes `input` and returns it."
    return inplace


def make_relayout(row: Row, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.t_()`: the tensor itself shows its memory through the layout of a view from now on."""
    name = row.name + "_"

    def relayout(input: Any, *args: Any, **kwargs: Any) -> Any:
        check_graph(input, name)
        tracked = state.grad and input._rg
        # Views' gradients are reckoned in a base that is row-major: the tensor as it was.
        source = _as_it_was(input, tracked) if input._view is None else input
        found = function(source, *args, **kwargs)
        input._aval, input._strides = found._aval, found._strides
        input._offset, input._plain = found._offset, found._plain
        input._view = found._view
        if tracked:
            input._rg, input._node, input._nr = found._rg, found._node, found._nr
        bump(input)
        input._seen = version(input)
        return input

    relayout.__name__ = relayout.__qualname__ = name
    relayout.__module__ = "flambeau"
    relayout.__doc__ = f"In-place version of {row.name}(): changes the layout of `input`."
    return relayout


def _as_it_was(t: Any, tracked: Any) -> Any:
    """Another tensor over the same memory, in the graph where `tracked`."""
    base = t._alias()
    base._count = t._count
    if tracked:
        base._rg, base._node, base._nr = t._rg, t._node, t._nr
    return base


def into_out(
    row: Row, function: Any, out: Any, args: Any, operands: tuple[Any, ...] = ()
) -> Any:
    """The `out=` form: the result is written into given tensors, which take its shape.

    `operands` are what the operation reads: RuntimeError where they partly overlap the result.
    """
    from .tensor import Tensor

    name = row.name
    outs = out if isinstance(out, (tuple, list)) else (out,)
    for o in outs:
        if not isinstance(o, Tensor):
            raise TypeError(
                f"{name}(): argument 'out' must be Tensor, not {type(o).__name__}"
            )
    if state.grad and any(o.requires_grad for o in outs):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    result = function(*args) if args is not None else function()
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(outs):
        raise TypeError(f"{name}(): expected {len(results)} out tensors, got {len(outs)}")
    for o, r in zip(outs, results, strict=True):
        if r._rg is True:
            raise RuntimeError(
                f"{name}(): functions with out=... arguments don't support automatic "
                "differentiation, but one of the arguments requires grad."
            )
        if not can_cast(r._aval.dtype, o._aval.dtype):
            raise RuntimeError(
                f"{name}(): result type {r._aval.dtype.legacy} can't be cast to the desired output "
                f"type {o._aval.dtype.legacy}"
            )
    for o, r in zip(outs, results, strict=True):
        if o._aval.shape != r._aval.shape:
            _resize_out(o, r, name)
        check_target(o, name, operands)
        write(o, convert(read(r), o._aval.dtype))
    return out


def _resize_out(o: Any, r: Any, name: str) -> None:
    if o._aval.numel:
        warnings.warn(
            f"{name}(): an output with one or more elements was resized since it had shape "
            f"{shape_text(o._aval.shape)}, which does not match the required output shape "
            f"{shape_text(r._aval.shape)}. This behavior is deprecated; reuse an out tensor by "
            "resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=4,
        )
    o.resize_(tuple(r._aval.shape))
