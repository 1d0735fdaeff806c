"""`backward` and `grad`: the front of the engine; and hooks of tensors."""

from __future__ import annotations

import weakref
from typing import Any

from ..ops.table import call
from . import engine
from .handles import RemovableHandle, hooked
from .node import Edge, Node, edge_of, extra_of


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "_aval")


def _root_gradient(output: Any, g: Any, create_graph: bool) -> Any:
    """The gradient that the pass starts with at an output: the given one, or 1 for one element."""
    have = output._aval if _is_tensor(output) else output.node.out[output.output_nr]
    if g is None:
        if have.numel != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, but this one has shape "
                f"{list(have.shape)}: give backward() a gradient of that shape"
            )
        if not have.dtype.is_floating_point:
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {have.dtype}"
            )
        return call.constant(1, have.shape, have.dtype, have.device)
    if not _is_tensor(g):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._aval.shape != have.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {g.shape} and output has a shape of "
            f"{have.shape}."
        )
    if g._aval.dtype is not have.dtype:
        if g._aval.dtype.is_complex != have.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same "
                f"dtype. Mismatch in dtype: grad_output has {g.dtype} and output has {have.dtype}."
            )
        g = g.to(have.dtype)
    return g if create_graph else g._alias()  # a dual tensor keeps its tangent


def _start(outputs: Any, given: Any, create_graph: bool) -> tuple[list[Edge], list[Any]]:
    """The roots and their gradients."""
    outs = [outputs] if _is_tensor(outputs) or hasattr(outputs, "node") else list(outputs)
    weights = [given] if _is_tensor(given) else list(given or [None] * len(outs))
    edges = [_edge(t) for t in outs]
    grads = [
        None if edge is None and g is None else _root_gradient(o, g, create_graph)
        for o, g, edge in zip(outs, weights, edges)
    ]
    if len(grads) < len(outs):
        raise RuntimeError(f"got {len(outs)} tensors and {len(grads)} gradients")
    roots = []
    for i, edge in enumerate(edges):
        if edge is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        roots.append(edge)
    return roots, grads


def _edge(x: Any) -> Edge | None:
    """The edge of a tensor, or a `GradientEdge` as it is."""
    if isinstance(getattr(x, "node", None), Node):
        return (getattr(x.node, "variable", x.node), x.output_nr)
    if not _is_tensor(x):
        raise TypeError(f"expected tensors to differentiate, or GradientEdges, got {type(x).__name__}")
    return edge_of(x)


def _target(x: Any) -> Edge:
    edge = _edge(x)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Add the gradients of the sum of `tensors`, weighted by `grad_tensors`, to the leaves.

    With `inputs`, only these tensors receive gradients. Raises RuntimeError where a tensor does
    not require grad, or the graph has been used and freed.
    """
    if grad_variables is not None and grad_tensors is None:
        grad_tensors = grad_variables
    roots, grads = _start(tensors, grad_tensors, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    leaves = None
    if inputs is not None:
        chosen = [inputs] if hasattr(inputs, "_aval") or hasattr(inputs, "node") else list(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward` cannot be empty.")
        leaves = {_target(x)[0] for x in chosen}
        for x in chosen:
            if not isinstance(getattr(x, "node", None), Node):
                x.retain_grad()
    engine.run(roots, grads, keep_graph=keep, create_graph=create_graph, leaves=leaves)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of the sum of `outputs` with respect to `inputs`, as a tuple.

    An input that the outputs don't depend on is an error, unless `allow_unused` (None) or
    `materialize_grads` (zeros).
    """
    if is_grads_batched:
        return _batched(outputs, inputs, grad_outputs, retain_graph, create_graph,
                        allow_unused, materialize_grads)  # fmt: skip
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    roots, grads = _start(outputs, grad_outputs, create_graph)
    ins = [inputs] if hasattr(inputs, "_aval") or hasattr(inputs, "node") else list(inputs)
    if not ins:
        raise RuntimeError("grad requires non-empty inputs.")
    edges = [_target(x) for x in ins]
    keep = create_graph if retain_graph is None else retain_graph
    found = engine.run(roots, grads, keep_graph=keep, create_graph=create_graph, capture=edges)
    out: list[Any] = []
    for i, (x, edge, g) in enumerate(zip(ins, edges, found, strict=True)):
        if g is None:
            aval = x._aval if hasattr(x, "_aval") else edge[0].out[edge[1]]
            if not (materialize_grads or allow_unused):
                raise RuntimeError(
                    f"One of the differentiated Tensors (input {i}, shape {list(aval.shape)}) "
                    "appears to not have been used in the graph. Set allow_unused=True if this is "
                    "the desired behavior."
                )
            if materialize_grads:
                g = call.constant(0, aval.shape, aval.dtype, aval.device)
        elif not create_graph:
            g = g._detached()
        out.append(g)
    return tuple(out)


def _batched(
    outputs: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, create_graph: bool,
    allow_unused: bool | None, materialize: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """`is_grads_batched`: the gradients of the outputs have a first dimension more, a batch; vmap
    runs one pass for all of it."""
    from .batching import BatchLevel

    given = list(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else [grad_outputs]
    size = next(g.shape[0] for g in given if g is not None)
    with BatchLevel(size) as level:
        weights = [None if g is None else level.wrap(g, 0) for g in given]
        found = grad(outputs, inputs, weights, retain_graph, create_graph, True, allow_unused, False,
                     materialize)  # fmt: skip
        return tuple(None if g is None else _first(level.whole(g), size) for g in found)


def _first(batch: tuple[Any, int | None], size: int) -> Any:
    """(batch, ...)"""
    x, dim = batch
    if dim is None:
        return x.unsqueeze(0).expand(size, *x.shape)
    return x.movedim(dim, 0) if dim else x


# --- hooks of tensors -------------------------------------------------------------------------


def hook(t: Any, function: Any) -> RemovableHandle:
    """Register a tensor hook: on the node's output, or on the leaf."""
    node = t.grad_fn
    if node is not None:
        hooks = extra_of(node).tensor_hooks.setdefault(t._nr, {})
        return hooked(hooks, function)
    if t._hooks is None:
        t._hooks = {}
    return hooked(t._hooks, function)


def retain(t: Any) -> None:
    """Make the gradient that arrives at a non-leaf stay in its `.grad`."""
    extra_of(t.grad_fn).retained[t._nr] = weakref.ref(t)


def move_retained(t: Any, old: Any, old_nr: int) -> None:
    """A tensor that keeps its gradient has got another node: it was written in place."""
    if old is not None and old.extra is not None:
        old.extra.retained.pop(old_nr, None)
    if t._node is not None:
        extra_of(t._node).retained[t._nr] = weakref.ref(t)


call.define(autograd_grad=grad)

__all__ = ["backward", "grad", "hook", "move_retained", "retain"]
