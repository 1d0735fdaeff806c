"""Writing into tensors: in-place forms, `out=`, and what they and views mean to autograd."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..autograd import levels
from ..autograd.node import VOLATILE, Node, edge_of, joined, shown, version
from ..autograd.reverse import move_retained
from ..autograd.saved import written_result
from ..core.dtypes import can_cast
from ..core.layout import has_overlap, is_contiguous, partly_overlap, span
from ..errors import shape_text
from ..graph.trace import state
from ..ops.table import Row, call
from ..runtime.storage import Storage
from .memory import bump, check_writable, convert, read, stride, write

SEVERAL, NO_GRAD, INFERENCE, FUNCTION = "several", "no_grad", "inference", "function"
"""Origins of views that autograd can't follow through writes: one of several results, made while
grad mode was off or in inference mode, made by a user's Function."""

_STALE = -1
"""`_seen` of a view that was written itself: whatever the version, its node is to be made anew."""


def _layout(t: Any) -> tuple[Any, Any, int]:
    return tuple(t._aval.shape), stride(t), t._offset


def check_target(
    t: Any, name: str, others: tuple[Any, ...] = (), *, uniform: bool = False
) -> bool:
    """Refuse what must not be written in place: leaves that require grad, memory that overlaps.
    Says whether the write is to be recorded in the graph.

    `uniform`: all elements get the same value, so that overlaps within `t` don't matter.
    """
    tracked = check_graph(t, name, others)
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
    return tracked


def _in_graph(x: Any) -> bool:
    """Whether an operand is a tensor that requires grad, or a volatile one."""
    flag = getattr(x, "_rg", False)
    return bool(flag or (getattr(x, "_view", None) is not None and joined(x)))


def check_graph(t: Any, name: str, others: tuple[Any, ...] = ()) -> bool:
    """Refuse to write leaves that require grad, views that autograd can't follow, inference
    tensors. `others` are the operands of the write: any of them may bring the graph. Says whether
    one does."""
    tracked = _in_graph(t) or any([_in_graph(x) for x in others])
    tracked = tracked and state.grad
    if tracked:
        if t._origin is not None:
            raise RuntimeError(f"{name}: {_origin_text(t, 'is being modified inplace')}")
        _check_leaf(t, name)
    if t._inference and not state.inference:
        raise RuntimeError(
            f"{name}: Inplace update to inference tensor outside InferenceMode is not allowed. "
            "You can make a clone to get a normal tensor before doing inplace update."
        )
    return tracked


def _check_leaf(t: Any, name: str) -> None:
    view = t._view
    if t._node is None and t._rg is True and (view is None or view._rg is not True):
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place "
            "operation. Do it under torch.no_grad(), or on a clone()."
        )
    if view is not None and view._node is None and view._rg is True:
        raise RuntimeError(
            f"{name}: a view of a leaf Variable that requires grad is being used in an "
            "in-place operation. Do it under torch.no_grad(), or on a clone()."
        )


def _origin_text(t: Any, what: str) -> str:
    """Why autograd can't follow a write to a view, or to its base."""
    if t._origin in (NO_GRAD, INFERENCE):
        mode = "no_grad" if t._origin is NO_GRAD else "inference"
        return (
            f"A view was created in {mode} mode and {what} in normal mode, so that it is not clear "
            "whether gradients should flow. Make the view in the mode that it is used in, or "
            "clone() it."
        )
    node = t._node
    if t._origin is SEVERAL:
        output = f"Output {t._nr} of {node.name()}" if node is not None else "One of several views"
        return (
            f"{output} is a view and {what}. This view is the output of a function that returns "
            "multiple views. Such functions do not allow the output views to be modified inplace. "
            "You should replace the inplace operation by an out-of-place one."
        )
    return (
        f"Output {t._nr} of {node.name() if node is not None else 'a Function'} is a view and "
        f"{what}. This view was created inside a custom Function (or because an input was returned "
        "as-is), whose own backward a write would override. clone() the output of the Function."
    )


def check_result(t: Any, result: Any, name: str, exact: bool = False) -> None:
    """Refuse results that don't fit into the written-to tensor. `exact`: in dtype too."""
    if result._aval.shape != t._aval.shape:
        raise RuntimeError(
            f"{name}: output with shape {shape_text(t._aval.shape)} doesn't match the broadcast "
            f"shape {shape_text(result._aval.shape)}"
        )
    if result._aval.device is not t._aval.device:
        raise RuntimeError(
            f"{name}: Expected all tensors to be on the same device, but the result is on "
            f"{result._aval.device} and the written-to tensor on {t._aval.device}"
        )
    found, kept = result._aval.dtype, t._aval.dtype
    if found is kept:
        return
    if not can_cast(found, kept):
        raise RuntimeError(
            f"{name}: result type {found.legacy} can't be cast to the desired output type "
            f"{kept.legacy}"
        )
    if kept.is_complex and found.is_floating_point:
        raise RuntimeError(f"{name}: In-place {name[:-1]} is not supported for complex tensors.")
    if exact:
        raise RuntimeError(f"{name}: the result has dtype {found}, the written-to tensor {kept}")


def assign(t: Any, result: Any) -> Any:
    """Make `result` (of `t`'s shape) the content of `t`, and `t` part of its graph."""
    if result._aval.dtype is not t._aval.dtype:
        result = result.to(t._aval.dtype)
    if not (state.grad and (result._rg or t._rg)):
        replace(t, result)
    elif t._rg is VOLATILE or result._rg is VOLATILE:
        replace(t, result)
        t._rg = VOLATILE
    else:
        before = None if t._view is None else edge_of(t._view)
        replace(t, result)
        node = result._node
        if node is not None and node.saved_results:
            written_result(node, result, t)
        moved_to(t, edge_of(result), before)
    return t


def replace(t: Any, result: Any) -> None:
    """Write a result of `t`'s aval into its memory."""
    try:
        write(t, read(result))
    except levels.Intercept:
        levels.write(t, result)


def moved_to(t: Any, edge: Any, before: Any) -> None:
    """A written tensor has its gradient come from `edge` now. `before` is the edge that the base
    of a view had."""
    view = t._view
    changed, node, nr = t, None, 0
    if view is not None:
        changed, node = view, CopySlices(before, edge, view, t)
    elif edge is not None:
        node, nr = edge
    old, old_nr = changed._node, changed._nr
    changed._rg, changed._node, changed._nr = node is not None, node, nr
    if changed._retains:
        move_retained(changed, old, old_nr)
    if view is not None:
        t._rg, t._seen = True, _STALE
        if t._retains:
            view_node(t)


class CopySlices(Node):
    """A tensor after one of its views was written: the old tensor's gradient loses the written
    elements, the written value gets them."""

    __slots__ = ()

    def __init__(self, before: Any, written: Any, base: Any, view: Any) -> None:
        super().__init__()
        self.edges = (before, written)
        self.out = (base._aval,)
        self.saved = (_layout(base)[:2], _within(base, view), view._aval.dtype)

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """As PyTorch has it: the operation that wrote is a part of this node, its first input
        being the view."""
        before, written = self.edges
        inner = () if written is None else shown(written)[0].next_functions
        return (shown(before), *inner[1:])

    def apply(self, grads: list[Any], edges: Any) -> Any:
        self.check_released()
        (g,) = grads
        if g is None:
            return (None, None)
        base, view, kind = self.saved
        whole = _as_memory(g, base)
        memory = _recast(whole, kind)
        left = got = None
        if edges[0] is not None:
            zeros = call.zeros(view[0], dtype=kind, device=g.device)
            changed = call.as_strided_scatter(memory, zeros, *view)
            left = _from_memory(_recast(changed, g.dtype, whole.numel()), base)
        if edges[1] is not None:
            got = memory.as_strided(*view).clone()
        return (left, got)


class AsStridedBackward0(Node):
    """A view seen from its base: what view operations led to it doesn't matter any more."""

    __slots__ = ()

    def __init__(self, base: Any, view: Any) -> None:
        edge = edge_of(base)
        super().__init__()
        self.edges = (edge,)
        self.out = (view._aval,)
        self.params = (_layout(base)[:2], _within(base, view), base._aval.dtype)

    def apply(self, grads: list[Any], edges: Any) -> Any:
        (g,) = grads
        if g is None:
            return (None,)
        base, (shape, strides, offset), kind = self.params
        size = room = span(base[0], base[1], 0)[1]
        if g.dtype.is_complex != kind.is_complex:
            room = (size + 1) // 2 if g.dtype.is_complex else size * 2
        memory = call.as_strided_backward(g, offset, (room,), shape, strides)
        return (_from_memory(_recast(memory, kind, size), base),)


def _within(base: Any, t: Any) -> tuple[Any, Any, int]:
    """The layout of a view in the stretch of memory that its base covers: a base may itself show
    only a part of a storage."""
    shape, strides, offset = _layout(t)
    start = base._offset * base._aval.dtype.itemsize
    return shape, strides, offset - start // t._aval.dtype.itemsize


def _recast(memory: Any, kind: Any, size: int = -1) -> Any:
    """Flat memory as the parts of its complex numbers (`size` of them), or the reverse."""
    if memory.is_complex() == kind.is_complex:
        return memory
    if memory.is_complex():
        parts = call.view_as_real(memory).reshape(-1)
        return parts if size < 0 else parts[:size]
    if memory.numel() % 2:
        memory = call.cat([memory, call.zeros((1,), dtype=memory.dtype, device=memory.device)])
    return call.view_as_complex(memory.reshape(-1, 2))


def _as_memory(g: Any, base: tuple[Any, Any]) -> Any:
    """A gradient of a base, laid out flat as the base lies in memory, in a storage of its own."""
    shape, strides = base
    if is_contiguous(shape, strides):
        whole = g if g._plain else call.clone(g)
        return whole.reshape(whole.numel())
    zeros = call.zeros((span(shape, strides, 0)[1],), dtype=g.dtype, device=g.device)
    return call.as_strided_scatter(zeros, g, shape, strides, 0)


def _from_memory(memory: Any, base: tuple[Any, Any]) -> Any:
    """The reverse of `_as_memory`."""
    shape, strides = base
    if is_contiguous(shape, strides):
        return memory.reshape(shape)
    return memory.as_strided(shape, strides, 0).clone()


def view_node(t: Any) -> Any:
    """The node of a view, made anew from its base where memory has changed since."""
    base = t._view
    if t._seen == version(t) or base._rg is not True:
        return t._node
    if t._origin is not None:
        raise RuntimeError(
            _origin_text(t, "its base or another view of its base has been modified inplace")
        )
    old, old_nr = t._node, t._nr
    t._node, t._nr, t._rg = AsStridedBackward0(base, t), 0, True
    t._seen = version(t)
    if t._retains:
        move_retained(t, old, old_nr)
    return t._node


def note_view(
    record: Callable[..., None], t: Any, source: Any, params: tuple[Any, ...], token: int
) -> None:
    """Pass on to a new view what its source is: silent, made in inference mode, in the graph."""
    if source._view is not None:
        joined(source)
    _note(t, source)
    if source._rg:
        if state.grad:
            record(t, source, source._aval, source._rg, params, token)
        else:
            t._origin = unfollowed()


def unfollowed() -> str:
    """The origin of a view that is made while nothing is recorded."""
    return INFERENCE if state.inference else NO_GRAD


def _note(t: Any, source: Any) -> None:
    if source._count is not None:
        t._count, t._seen = source._count, version(source)
    if source._inference:
        t._inference = True
    if source._origin is not None:
        t._origin = source._origin


def multi_view(
    record: Callable[..., None], source: Any, found: list[tuple[Any, ...]], params: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Several views at once (split, unbind): they share one node."""
    from .tensor import Tensor

    out = []
    root = source._view
    for aval, strides, offset, plain, _ in found:
        t: Any = object.__new__(Tensor)
        t._storage = source._storage
        t._aval, t._strides, t._offset, t._plain = aval, strides, offset, plain
        t._view = source if root is None else root
        t._seen = version(source)
        _note(t, source)
        t._origin = t._origin or SEVERAL
        out.append(t)
    if source._rg or (root is not None and joined(source)):
        if state.grad:
            record(out, source, source._aval, source._rg, params, found[0][4] if found else 0)
        else:
            for t in out:
                t._origin = unfollowed()
    return tuple(out)


def as_before(t: Any) -> Any:
    """A tensor as it is now, in a storage of its own: what an operation in place saves of its
    first argument stays as it was."""
    try:
        before = object.__new__(type(t))
        before._storage = Storage(read(t), t._aval)
        before._aval = t._aval
    except levels.Intercept:
        before = levels.copied(t)
    before._rg = t._rg
    before._node = t.grad_fn
    before._nr = t._nr
    return before


def make_inplace(row: Row, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.add_(y)`: the function's result becomes the content of its first argument."""
    from .arguments import need_tensor  # its module needs `overriding`, which needs the levels

    name, uniform, strict = row.name + "_", row.uniform, row.out in ("exact", "apart")

    def inplace(input: Any, *args: Any, **kwargs: Any) -> Any:
        operands = (*args, *kwargs.values()) if kwargs else args
        try:
            tracked = check_target(input, name, operands, uniform=uniform)
        except AttributeError:
            need_tensor(row, "input", input)
            raise
        result = function(as_before(input) if tracked else input, *args, **kwargs)
        if result._aval is not input._aval:
            check_result(input, result, name, strict)
        return assign(input, result)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__module__ = "flambeau"
    inplace.__doc__ = f"In-place version of {row.name}(): changes `input` and returns it."
    return inplace


def make_relayout(row: Row, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.t_()`: the tensor itself shows its memory through the layout of a view from now on."""
    from .arguments import need_tensor

    name = row.name + "_"

    def relayout(input: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            tracked = check_graph(input, name)
        except AttributeError:
            need_tensor(row, "input", input)
            raise
        old, old_nr = input._node, input._nr
        found = function(input, *args, **kwargs)
        input._aval, input._strides = found._aval, found._strides
        input._offset, input._plain = found._offset, found._plain
        if tracked:
            input._rg, input._node, input._nr = found._rg, found._node, found._nr
            if input._retains:
                move_retained(input, old, old_nr)
        bump(input)
        input._seen = version(input)
        return input

    relayout.__name__ = relayout.__qualname__ = name
    relayout.__module__ = "flambeau"
    relayout.__doc__ = f"In-place version of {row.name}(): changes the layout of `input`."
    return relayout


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
        if not hasattr(r, "_aval"):
            raise TypeError(f"{name}(): out= needs tensors to compute with, got {type(r).__name__}")
        if state.grad and r._rg is True:
            raise RuntimeError(
                f"{name}(): functions with out=... arguments don't support automatic "
                "differentiation, but one of the arguments requires grad."
            )
        if row.out != "any" and not can_cast(r._aval.dtype, o._aval.dtype):
            raise (TypeError if row.takes_list else RuntimeError)(  # cat and its kin
                f"{name}(): result type {r._aval.dtype.legacy} can't be cast to the desired output "
                f"type {o._aval.dtype.legacy}"
            )
        if row.out in ("exact", "apart") and r._aval.dtype is not o._aval.dtype:
            raise RuntimeError(
                f"{name}(): expected an out tensor of dtype {r._aval.dtype}, got {o._aval.dtype}"
            )
        if r._aval.device is not o._aval.device:
            raise RuntimeError(
                f"{name}(): Expected all tensors to be on the same device, but the result is on "
                f"{r._aval.device} and out on {o._aval.device}"
            )
    for o in outs:  # all of them before the first is written
        check_target(o, name, operands)
        if "apart" in row.out and any(_touch(o, x) for x in operands):
            raise RuntimeError(
                f"{name}(): unsupported operation: some elements of the input tensor and the "
                "written-to tensor refer to a single memory location. Please clone() the tensor "
                "before performing the operation."
            )
    for o, r in zip(outs, results, strict=True):
        if o._aval.shape != r._aval.shape:
            check_writable(o._storage)
            _resize_out(o, r, name)
        write(o, convert(read(r), o._aval.dtype))
    return out


def _touch(o: Any, x: Any) -> bool:
    """Whether two tensors share memory."""
    if getattr(x, "_storage", None) is not o._storage or not (o._aval.numel and x._aval.numel):
        return False
    first, last = span(*_layout(o))
    low, high = span(*_layout(x))
    return bool(first < high and low < last)


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
