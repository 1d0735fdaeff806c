"""`backward` and `grad`: the front of the engine."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from ..graph.trace import state
from . import engine
from .node import RemovableHandle, edge_of


def _root_gradient(output: Any, g: Any, create_graph: bool) -> Any:
    from ..frontend.tensor import Tensor

    if g is None:
        if output._aval.numel != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, but this one has shape "
                f"{list(output.shape)}: give backward() a gradient of that shape"
            )
        if not output._aval.differentiable:
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{output.dtype}"
            )
        from ..ops.table import call

        return call.ones_like(output._alias())
    if not isinstance(g, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(g).__name__}"
        )
    if g._aval.shape != output._aval.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {g.shape} and output has a shape of "
            f"{output.shape}."
        )
    return g if create_graph else g.detach()


def _roots(tensors: Sequence[Any]) -> list[tuple[Any, int]]:
    roots = []
    for i, t in enumerate(tensors):
        edge = edge_of(t)
        if edge is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        roots.append(edge)
    return roots


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
    many = isinstance(tensors, (tuple, list))
    outputs = list(tensors) if many else [tensors]
    given = list(grad_tensors) if isinstance(grad_tensors, (tuple, list)) else [grad_tensors]
    if grad_tensors is None:
        given = [None] * len(outputs)
    if len(given) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    roots = _roots(outputs)
    grads = [_root_gradient(o, g, create_graph) for o, g in zip(outputs, given, strict=True)]
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        engine.run(roots, grads, keep_graph=keep, create_graph=create_graph)
        return
    chosen = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    if not chosen:
        raise RuntimeError("`inputs` argument to `backward` cannot be empty.")
    edges = [_target(x) for x in chosen]
    found = engine.run(roots, grads, keep_graph=keep, create_graph=create_graph, capture=edges)
    for x, g in zip(chosen, found, strict=True):
        if g is not None:
            engine.finish_leaf(x, g, create_graph)


def _target(x: Any) -> tuple[Any, int]:
    edge = edge_of(x)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


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
        raise NotImplementedError("grad(is_grads_batched=True): call grad() once a row instead")
    outs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    ins = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    given = list(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else [grad_outputs]
    if grad_outputs is None:
        given = [None] * len(outs)
    roots = _roots(outs)
    grads = [_root_gradient(o, g, create_graph) for o, g in zip(outs, given, strict=True)]
    edges = [_target(x) for x in ins]
    keep = create_graph if retain_graph is None else retain_graph
    found = engine.run(roots, grads, keep_graph=keep, create_graph=create_graph, capture=edges)
    out: list[Any] = []
    for i, (x, g) in enumerate(zip(ins, found, strict=True)):
        if g is None:
            if materialize_grads:
                from ..ops.table import call

                g = call.zeros_like(x.detach())
            elif not allow_unused:
                raise RuntimeError(
                    f"One of the differentiated Tensors (input {i}, shape {list(x.shape)}) appears "
                    "to not have been used in the graph. Set allow_unused=True if this is the "
                    "desired behavior."
                )
        elif not create_graph:
            g = g._detached()
        out.append(g)
    return tuple(out)


def hook(t: Any, function: Any) -> RemovableHandle:
    """Register a tensor hook: on the node's output, or on the leaf."""
    node = t.grad_fn
    if node is None:
        if t._hooks is None:
            t._hooks = {}
        return RemovableHandle(t._hooks, function)
    hooks, _ = _slot(node, t._nr)
    return RemovableHandle(hooks, function)


def retain(t: Any) -> None:
    """Make the gradient that arrives at a non-leaf stay in its `.grad`."""
    node = t.grad_fn
    hooks, _ = _slot(node, t._nr)
    node._retained[t._nr] = (hooks, weakref.ref(t))


def _slot(node: Any, nr: int) -> tuple[dict[int, Any], Any]:
    if node._retained is None:
        node._retained = {}
    if nr not in node._retained:
        node._retained[nr] = ({}, None)
    found: tuple[dict[int, Any], Any] = node._retained[nr]
    return found


_ = state
