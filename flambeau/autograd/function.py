"""`Function`: an operation of the user's own, with its derivative."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..frontend.tensor import Tensor
from ..graph.trace import state
from .node import RELEASED, VOLATILE, Node, edge_of, save, unpack, version


class FunctionCtx:
    """What forward leaves for backward."""

    _saved: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _fixed: tuple[Any, ...] = ()
    _materialize = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for backward; read them as `ctx.saved_tensors`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type "
                    f"{type(t).__name__}"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Accepted for compatibility with forward mode."""

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs forward changed in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs have no gradient."""
        self._fixed = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients arrive as zeros (the default) or None."""
        self._materialize = value


class _FunctionNode(Node, FunctionCtx):
    """The node of one call; it is forward's and backward's `ctx`."""

    __slots__ = ("__dict__",)
    _function: Any = None

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        if self.saved is RELEASED:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Specify retain_graph=True."
            )
        out = []
        for entry in self.saved:
            if entry is None:
                out.append(None)
            elif entry[0] is None:  # an output: it is this node's own
                from .node import result_tensor

                _, storage, expected, index = entry
                result = result_tensor(storage, self.out[index], self, index)
                unpack((result, storage, expected), self, f"output {index}")
                out.append(result)
            else:
                out.append(unpack(entry, self, "saved tensor"))
        return tuple(out)

    saved_variables = saved_tensors

    def apply(self, grads: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        if self._materialize:
            from ..ops.table import call

            grads = [
                call.constant(0, a.shape, a.dtype) if g is None and a is not None else g
                for g, a in zip(grads, self.out, strict=True)
            ]
        found = self._function.backward(self, *grads)
        parts = found if isinstance(found, tuple) else (found,)
        expected = len(self.needs_input_grad)
        if len(parts) > expected and all(p is None for p in parts[expected:]):
            parts = parts[:expected]
        if len(parts) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{expected}, got {len(parts)})"
            )
        out: list[Any] = []
        for part, edge, a in zip(parts, self.edges, self.avals, strict=True):
            if edge is None or part is None:
                out.append(None)
                continue
            if not isinstance(part, Tensor):
                raise TypeError(
                    f"function {self.name()} returned a {type(part).__name__} as a gradient: "
                    "expected Tensor or None"
                )
            if part._aval.shape != a.shape:
                from .node import fit

                try:
                    part = fit(part, a)
                except RuntimeError:
                    raise RuntimeError(
                        f"Function {self.name()} returned an invalid gradient at index {len(out)} "
                        f"- got {list(part.shape)} but expected shape compatible with "
                        f"{list(a.shape)}"
                    ) from None
            out.append(part)
        return out


class _FunctionMeta(type):
    def __init__(cls, name: str, bases: Any, attrs: Any) -> None:
        super().__init__(name, bases, attrs)
        cls._node_class = type(name + "Backward", (_FunctionNode,), {"_function": cls})


class Function(FunctionCtx, metaclass=_FunctionMeta):
    """Subclass it with static methods `forward(ctx, ...)` and `backward(ctx, *grads)`, or
    `forward(...)` with `setup_context(ctx, inputs, output)`; call it as `MyFunction.apply(...)`."""

    _node_class: Any

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and remember the call for backward."""
        node = cls._node_class()
        tensors = [a if isinstance(a, Tensor) else None for a in args]
        tracked = state.grad and any(t is not None and t._rg is True for t in tensors)
        volatile = any(t is not None and t._rg is VOLATILE for t in tensors)
        node.needs_input_grad = tuple(
            bool(tracked and t is not None and t._rg is True) for t in tensors
        )
        if tracked:
            node.edges = tuple(None if t is None else edge_of(t) for t in tensors)
            node.avals = tuple(None if t is None else t._aval for t in tensors)
        before = state.grad
        state.grad = False
        try:
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        finally:
            state.grad = before
        several = isinstance(output, tuple)
        outputs = output if several else (output,)
        outputs = tuple(_own(o, tensors, node) for o in outputs)
        node.out = tuple(o._aval if isinstance(o, Tensor) else None for o in outputs)
        if tracked:
            _connect(node, outputs)
        elif volatile:
            for o in outputs:
                o._rg = VOLATILE
        if tracked:
            node.saved = tuple(_kept(t, outputs) for t in node._saved)
        else:
            node.saved = tuple(None if t is None else save(t) for t in node._saved)
        node._saved = node._dirty = node._fixed = ()
        return outputs if several else outputs[0]


def _own(output: Any, inputs: list[Any], node: Any) -> Any:
    """An output that is an unchanged input becomes a view of it, so that it has its own node."""
    if isinstance(output, Tensor) and not any(output is d for d in node._dirty):
        if any(output is t for t in inputs):
            fixed = any(output is f for f in node._fixed)
            output = output._alias()
            if fixed:
                node._fixed = (*node._fixed, output)
    return output


def _connect(node: Any, outputs: tuple[Any, ...]) -> None:
    for i, o in enumerate(outputs):
        if not isinstance(o, Tensor) or not o._aval.differentiable:
            continue
        if any(o is f for f in node._fixed):
            o._rg, o._node = False, None
            continue
        o._rg, o._node, o._nr = True, node, i


def _kept(t: Any, outputs: tuple[Any, ...]) -> Any:
    if t is None:
        return None
    for i, o in enumerate(outputs):
        if o is t and o._node is not None:
            return (None, t._storage, version(t), i)
    return save(t)


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward whose own derivative must not be asked for."""

    @functools.wraps(function)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        tracked = state.grad and any(isinstance(g, Tensor) and g._rg is True for g in grads)
        before = state.grad
        state.grad = False
        try:
            found = function(ctx, *grads)
        finally:
            state.grad = before
        if not tracked:
            return found
        parts = found if isinstance(found, tuple) else (found,)
        barrier = _Barrier()
        barrier.out = tuple(p._aval if isinstance(p, Tensor) else None for p in parts)
        barrier.edges = tuple(edge_of(g) for g in grads if isinstance(g, Tensor) and g._rg is True)
        for i, p in enumerate(parts):
            if isinstance(p, Tensor):
                p._rg, p._node, p._nr = True, barrier, i
        return found

    return wrapper


class _Barrier(Node):
    """A derivative that was declared not to be there."""

    __slots__ = ()

    def apply(self, grads: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
