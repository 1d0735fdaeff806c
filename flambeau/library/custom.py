"""`custom_op`: a Python function as an operator, with a derivative of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from .namespaces import namespaces, operator
from .schemas import infer_schema


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: Any = None, schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make a function the operator `ns::name`: `torch.ops.ns.name`. A decorator without `fn`.

    Args:
        mutates_args: the names of the arguments that it writes into.
        device_types: kinds of devices that it is for; without "cpu" it has to get a kernel for it.
        schema: its signature; from its annotations where it is left out.
    """

    def make(function: Callable[..., Any]) -> CustomOpDef:
        known = schema or infer_schema(function, mutates_args=mutates_args)
        return CustomOpDef(name, function, known, device_types)

    return make if fn is None else make(fn)


class CustomOpDef:
    """A custom operator, which is called like the function that it is made of."""

    def __init__(self, name: str, function: Callable[..., Any], schema: str, device_types: Any) -> None:
        namespace, separator, short = name.partition("::")
        if not separator or not namespace or not short:
            raise ValueError(
                f"torch.library.custom_op({shown(name)}): the name has to be of the form "
                "'namespace::name'"
            )
        self._qualname, self._namespace, self._name = name, namespace, short
        self._init_fn = function
        self._schema = f"{short}{schema}"
        self._signature = inspect.signature(function)
        kinds = [device_types] if isinstance(device_types, str) else device_types
        self._kernel = function if kinds is None or "cpu" in kinds else None
        self._backward: Callable[..., Any] | None = None
        self._setup_context: Callable[..., Any] | None = None
        self._abstract_fn: Callable[..., Any] | None = None
        self._autocast_dtype: Any = None
        self.__name__, self.__doc__ = short, function.__doc__
        self._opoverload = namespaces[namespace]._add(short, self._call).default
        namespaces[namespace].__dict__[short]._definition = self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    # --- what may be registered -------------------------------------------------------------

    def register_kernel(self, device_types: Any, fn: Callable[..., Any] | None = None, /) -> Any:
        """Another function for a kind of device."""
        kinds = [device_types] if isinstance(device_types, str) else device_types

        def take(function: Callable[..., Any]) -> Callable[..., Any]:
            if kinds is None or "cpu" in kinds:
                self._kernel = function
            return function

        return take if fn is None else take(fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """A function that gives results of the right shapes, for tracers. It is kept, none asks."""
        self._abstract_fn = fn
        return fn

    def register_autograd(self, backward: Callable[..., Any], /, *, setup_context: Any = None) -> None:
        """The derivative: `backward(ctx, *grads)` gives a gradient for each argument.

        `setup_context(ctx, inputs, output)` keeps what it needs, with `ctx.save_for_backward`.
        """
        self._backward, self._setup_context = backward, setup_context

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Cast floating arguments to a dtype where autocast is on for the device."""
        if device_type == "cpu":
            self._autocast_dtype = cast_inputs

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """A function for batches. `vmap` runs the operator's own operations without it."""
        return (lambda function: function) if func is None else func

    # --- calling ----------------------------------------------------------------------------

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        if self._kernel is None:
            raise NotImplementedError(
                f"{self._qualname} has no kernel for the CPU: register one with "
                "register_kernel('cpu')"
            )
        return self._kernel(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        places, names = bound.args, bound.kwargs
        if self._autocast_dtype is not None and torch.is_autocast_enabled("cpu"):
            places = tuple(self._cast(x) for x in places)
            with torch.autocast("cpu", enabled=False):
                return self._differentiable(places, names)
        return self._differentiable(places, names)

    def _cast(self, x: Any) -> Any:
        floats = isinstance(x, torch.Tensor) and x.is_floating_point()
        return x.to(self._autocast_dtype) if floats else x

    def _differentiable(self, places: tuple[Any, ...], names: dict[str, Any]) -> Any:
        tensors = [x for x in places if isinstance(x, torch.Tensor)]
        tensors += [t for x in places if isinstance(x, (list, tuple)) for t in x if isinstance(t, torch.Tensor)]
        if not torch.is_grad_enabled() or not any(t.requires_grad for t in tensors):
            return self._run(*places, **names)
        return _function_of(self, names).apply(*places)


def _function_of(op: CustomOpDef, names: dict[str, Any]) -> Any:
    """The autograd Function of one call. `names` are its keyword-only arguments."""

    def forward(ctx: Any, *args: Any) -> Any:
        with torch.no_grad():
            result = op._run(*map(_detached, args), **names)
        if op._setup_context is not None:
            more = {"keyword_only_inputs": names} if names else {}
            op._setup_context(ctx=ctx, inputs=args, output=result, **more)
        ctx.count = len(args)
        return result

    def backward(ctx: Any, *grads: Any) -> Any:
        if op._backward is None:
            raise RuntimeError(
                f"Trying to backward through {op._qualname}.default but no autograd formula was "
                "registered. Please use register_autograd to add one."
            )
        found = op._backward(ctx, *grads)
        return found if isinstance(found, tuple) or ctx.count > 1 else (found,)

    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(f"GeneratedBackwardFor_{op._namespace}_{op._name}", (torch.autograd.Function,), body)


def _detached(x: Any) -> Any:
    """What a kernel gets: tensors out of the graph."""
    if isinstance(x, torch.Tensor):
        return x.detach() if x.requires_grad else x
    return type(x)(map(_detached, x)) if type(x) in (list, tuple) else x


def definition(op: Any) -> CustomOpDef:
    """The custom operator that is meant by `op`: itself, its name or `torch.ops.ns.name`."""
    if isinstance(op, CustomOpDef):
        return op
    packet = operator(op) if isinstance(op, str) else getattr(op, "_packet", op)
    found = packet.__dict__.get("_definition")
    if found is None:
        raise RuntimeError(f"{op} is no custom operator: make it with torch.library.custom_op")
    return found  # type: ignore[no-any-return]
