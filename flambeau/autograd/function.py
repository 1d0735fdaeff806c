"""`Function`: an operation of the user's own, with its derivative."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..frontend.inplace import FUNCTION, check_graph, moved_to
from ..frontend.memory import bump
from ..frontend.tensor import Tensor
from ..graph.trace import state
from . import levels
from .derivatives import fit
from .node import RELEASED, VOLATILE, Node, edge_of, version
from .packing import Packed, hooks, packed
from .saved import result_tensor, save, unpack


class FunctionCtx:
    """What forward leaves for backward."""

    _saved: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _fixed: tuple[Any, ...] = ()
    _for_forward: tuple[Any, ...] | None = None
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
        """Keep tensors (or None) for jvp; read them as `ctx.saved_tensors`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_forward can only save variables, but argument is of type "
                    f"{type(t).__name__}"
                )
        self._for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs forward changed in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs have no gradient."""
        self._fixed = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients arrive as zeros (the default) or None."""
        self._materialize = value


class _SavedOutput:
    """One of forward's own results, kept for backward by its storage."""

    __slots__ = ("storage", "version", "position")

    def __init__(self, t: Any, position: int) -> None:
        self.storage, self.version, self.position = t._storage, version(t), position


class _FunctionNode(Node, FunctionCtx):
    """The node of one call; it is forward's and backward's `ctx`. It has an edge for each argument
    that is a tensor."""

    __slots__ = ("__dict__",)
    _function: Any = None
    _places: tuple[int, ...] = ()
    """The arguments that are tensors."""
    _count = 0
    _shown: tuple[Any, ...] | None = None
    """What `saved_tensors` are while jvp runs, and inside of vmap."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        if self._shown is not None:
            return self._shown
        if self.saved is RELEASED:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Specify retain_graph=True."
            )
        return tuple(self._unpacked(entry) for entry in self.saved)

    saved_variables = saved_tensors

    def _unpacked(self, entry: Any) -> Any:
        if entry is None:
            return None
        if entry.__class__ is Packed:
            return entry.tensor()
        if isinstance(entry, _SavedOutput):
            position = entry.position
            t = result_tensor(entry.storage, self.out[position], self, position)
            return unpack((t, entry.storage, entry.version), self, f"output {position}")
        return unpack(entry, self, "saved tensor")

    def _finish(self, outputs: tuple[Any, ...]) -> None:
        """Keep what save_for_backward was given, now that the results have their nodes."""
        self.saved = tuple(_kept(t, outputs) for t in self._saved)
        self._saved = self._dirty = self._fixed = ()

    def apply(self, grads: list[Any], edges: Any) -> Any:
        if self._materialize:
            from ..ops.table import call

            grads = [
                call.constant(0, a.shape, a.dtype, a.device) if g is None and a is not None else g
                for g, a in zip(grads, self.out, strict=True)
            ]
        found = self._function._derivative()(self, *grads)
        parts = found if isinstance(found, tuple) else (found,)
        if len(parts) > self._count and all(p is None for p in parts[self._count :]):
            parts = parts[: self._count]
        if len(parts) != self._count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{self._count}, got {len(parts)})"
            )
        for i, part in enumerate(parts):
            self._check(i, part)
        return [
            None if edge is None or parts[i] is None else self._fit(i, parts[i], a)
            for i, edge, a in zip(self._places, edges, self.avals, strict=True)
        ]

    def _check(self, i: int, part: Any) -> None:
        if part is not None and i not in self._places:
            raise RuntimeError(
                f"function {self.name()} returned a gradient different than None at position "
                f"{i + 1}, but the corresponding forward input was not a Variable"
            )
        if part is not None and not isinstance(part, Tensor):
            raise RuntimeError(
                f"function {self.name()} returned a {type(part).__name__} as a gradient at "
                f"position {i + 1}: expected Tensor or None"
            )

    def _fit(self, i: int, part: Any, a: Any) -> Any:
        """A gradient in its input's shape and dtype."""
        if part._aval.dtype.is_complex and not a.dtype.is_complex:
            raise RuntimeError(
                f"Function {self.name()} returned a complex gradient at index {i} for a real input"
            )
        try:
            return fit(part, a)
        except RuntimeError:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got "
                f"{list(part.shape)} but expected shape compatible with {list(a.shape)}"
            ) from None


class _FunctionMeta(type):
    def __init__(cls, name: str, bases: Any, attrs: Any) -> None:
        super().__init__(name, bases, attrs)
        cls._node_class = type(name + "Backward", (_FunctionNode,), {"_function": cls})


class Function(FunctionCtx, metaclass=_FunctionMeta):
    """Subclass it with static methods `forward(ctx, ...)` and `backward(ctx, *grads)`, or
    `forward(...)` with `setup_context(ctx, inputs, output)`; call it as `MyFunction.apply(...)`."""

    _node_class: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated: the methods of autograd functions are static. "
            f"Write {type(self).__name__}.apply(...)",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Write forward and "
            f"backward as static methods that take ctx, and call {type(self).__name__}.apply(...)"
        )

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

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward "
            "mode AD."
        )

    generate_vmap_rule = False
    """Whether vmap may run forward and backward on tensors that stand for a batch."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or "
            "set generate_vmap_rule=True."
        )

    @classmethod
    def _derivative(cls) -> Callable[..., Any]:
        """`backward`, or `vjp`, which is another name for it."""
        missing = Function.backward
        if cls.backward is not missing and cls.vjp is not missing:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return cls.vjp if cls.backward is missing else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and remember the call for backward."""
        places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
        tensors = [args[i] for i in places]
        level = levels.innermost(tensors)
        if level is not None:
            from .function_levels import apply_at

            return apply_at(level, cls, args, kwargs)
        return cls._applied(args, kwargs, places, tensors)[0]

    @classmethod
    def _applied(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any], places: tuple[int, ...], tensors: list[Any]
    ) -> tuple[Any, Any]:
        """The results and the node, which is the ctx."""
        tracked = state.grad and any(t.requires_grad for t in tensors)
        edges = tuple(edge_of(t) for t in tensors) if tracked else ()
        node = cls._node_class()  # after the edges, which may make nodes of views anew
        node._places, node._count = places, len(args)
        node.edges, node.avals = edges, tuple(t._aval for t in tensors)
        node.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        bases = {id(t): edge_of(t._view) for t in tensors if tracked and t._view is not None}
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
        _check_dirty(node, outputs, tensors)
        outputs = tuple(_own(o, tensors, node) for o in outputs)
        node.out = tuple(o._aval if isinstance(o, Tensor) else None for o in outputs)
        if tracked:
            _connect(node, outputs, bases)
        elif any(t._rg is VOLATILE for t in tensors):
            for o in outputs:
                o._rg = VOLATILE
        node._finish(outputs)
        return (outputs if several else outputs[0]), node


def _check_dirty(node: Any, outputs: tuple[Any, ...], inputs: list[Any]) -> None:
    """Count the writes of inputs that were marked dirty; they must be written, and returned."""
    for t in node._dirty:
        if not any(o is t for o in outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
        check_graph(t, node.name(), tuple(inputs))
        bump(t)


def _own(output: Any, inputs: list[Any], node: Any) -> Any:
    """An output that is an unchanged input becomes a view of it, so that it has its own node."""
    if not isinstance(output, Tensor) or any(output is d for d in node._dirty):
        return output
    if not any(output is t for t in inputs):
        return output
    view = output._alias()
    view._view = output if output._view is None else output._view
    view._seen = version(view)
    if any(output is f for f in node._fixed):
        node._fixed = (*node._fixed, view)
    return view


def _connect(node: Any, outputs: tuple[Any, ...], bases: dict[int, Any]) -> None:
    for i, o in enumerate(outputs):
        if not isinstance(o, Tensor) or not o._aval.differentiable:
            continue
        if any(o is f for f in node._fixed):
            o._rg, o._node = False, None
        elif any(o is d for d in node._dirty):
            moved_to(o, (node, i), bases.get(id(o)))
        else:
            o._rg, o._node, o._nr = True, node, i
            if o._view is not None:
                o._origin = FUNCTION


def _kept(t: Any, outputs: tuple[Any, ...]) -> Any:
    if t is None:
        return None
    if hooks.stack:
        return packed(t.detach() if any(o is t for o in outputs) else t, edge_of(t))
    for i, o in enumerate(outputs):
        if o is t and o._node is not None:
            return _SavedOutput(t, i)
    return save(t)


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward whose own derivative must not be asked for."""

    @functools.wraps(function)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        tracked = [g for g in grads if isinstance(g, Tensor) and g.requires_grad]
        barred = state.grad and bool(tracked)
        before = state.grad
        state.grad = False
        try:
            found = function(ctx, *grads)
        finally:
            state.grad = before
        if barred:
            parts = found if isinstance(found, tuple) else (found,)
            edges = tuple(edge_of(g) for g in tracked)
            barrier = _Barrier()
            barrier.edges = edges
            barrier.out = tuple(p._aval if isinstance(p, Tensor) else None for p in parts)
            for i, p in enumerate(parts):
                if isinstance(p, Tensor):
                    p._rg, p._node, p._nr = True, barrier, i
        return found

    return wrapper


class _Barrier(Node):
    """A derivative that was declared not to be there."""

    __slots__ = ()

    def apply(self, grads: list[Any], edges: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


class NestedIOFunction:
    """PyTorch's Function for nested inputs and outputs, which it keeps for old programs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "torch.autograd.function.NestedIOFunction is an old form of Function that flambeau lacks: "
            "write a Function with static methods, and flatten what is nested before apply()"
        )


InplaceFunction = Function
BackwardCFunction = _FunctionNode

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction", "once_differentiable"]
