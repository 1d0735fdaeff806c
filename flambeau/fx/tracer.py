"""Tracing: a module's `forward` is run with proxies, which note what is done with them."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import flambeau as torch
from flambeau import nn

from .graph import Graph
from .graph_module import GraphModule
from .node import Node, map_aggregate


class TraceError(ValueError):
    """What depends on data can't be traced."""


class Proxy:
    """Stands for a value while a program is traced."""

    def __init__(self, node: Node, tracer: Tracer) -> None:
        self.node, self.tracer = node, tracer

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__"):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Proxy:
        return note(func, args, kwargs or {})

    def _concrete(self, what: str) -> Any:
        raise TraceError(
            f"{what} of the traced value {self.node.name}: it depends on data, which tracing does not "
            "have. Make the part a leaf module or mark its function with torch.fx.wrap"
        )

    def __bool__(self) -> bool:
        return bool(self._concrete("the truth"))

    def __iter__(self) -> Iterator[Any]:
        frame = sys._getframe(1)
        unpacked = _unpacked(frame)
        if unpacked is None:
            self._concrete("iteration")
        return iter([note(operator.getitem, (self, i), {}) for i in range(unpacked or 0)])

    def __len__(self) -> int:
        return int(self._concrete("len()"))

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"


def _unpacked(frame: Any) -> int | None:
    """Into how many names `a, b = x` unpacks, where that is what the frame does."""
    import dis

    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
            return instruction.argval  # type: ignore[no-any-return]
    return None


class Attribute(Proxy):
    """An attribute of a proxy: a method that is called, or a value such as `x.shape`."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


def _operators() -> None:
    names = "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift".split()
    for name in names:
        function = getattr(operator, name)
        plain = name.strip("_")
        setattr(Proxy, f"__{plain}__", lambda self, other, f=function: note(f, (self, other), {}))
        setattr(Proxy, f"__r{plain}__", lambda self, other, f=function: note(f, (other, self), {}))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem"):
        function = getattr(operator, name)
        setattr(Proxy, f"__{name}__", lambda self, other, f=function: note(f, (self, other), {}))
    for name in ("neg", "pos", "invert", "abs"):
        function = getattr(operator, name)
        setattr(Proxy, f"__{name}__", lambda self, f=function: note(f, (self,), {}))
    Proxy.__hash__ = object.__hash__  # type: ignore[assignment]


_operators()


def _proxies(values: Any) -> list[Proxy]:
    found: list[Proxy] = []
    map_aggregate(values, lambda x: found.append(x) if isinstance(x, Proxy) else None)
    return found


def note(function: Callable[..., Any], args: Any, kwargs: Any) -> Proxy:
    """A function is called with proxies: a node for it."""
    return _proxies((args, kwargs))[0].tracer.create_proxy("call_function", function, args, kwargs)


class Tracer:
    """Makes a graph of a module or function. Override `is_leaf_module` to trace deeper or less deep."""

    def __init__(self, autowrap_modules: Any = (), autowrap_functions: Any = (),
                 param_shapes_constant: bool = False) -> None:  # fmt: skip
        self._functions = tuple(autowrap_functions)
        self.root: Any = None
        self.graph = Graph()
        self._parameters: dict[int, Proxy] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node: those of torch.nn are, but Sequential."""
        of_nn = type(m).__module__.startswith(("flambeau.nn", "torch.nn"))
        return of_nn and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: nn.Module) -> str:
        """A submodule's name."""
        for name, module in self.root.named_modules():
            if module is mod:
                return str(name)
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A module is called: a node for a leaf, its own calls for others."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, name: str | None = None,
                     type_expr: Any = None) -> Proxy:  # fmt: skip
        """A new node, and what stands for its result."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        return self.proxy(self.graph.create_node(kind, target, args, kwargs, name, type_expr))

    def proxy(self, node: Node) -> Proxy:
        """A proxy for a node."""
        return Proxy(node, self)

    def parameter(self, parameter: Any) -> Any:
        """What stands for a parameter that a module's `forward` reads: one node for each."""
        if id(parameter) not in self._parameters:
            self._parameters[id(parameter)] = self.proxy(self._argument(parameter))
        return self._parameters[id(parameter)]

    def create_arg(self, a: Any) -> Any:
        """An argument as nodes have it: nodes for proxies, parameters and buffers."""
        return map_aggregate(a, self._argument)

    def _argument(self, x: Any) -> Any:
        if isinstance(x, Proxy):
            return x.node
        if isinstance(x, torch.Tensor):
            for name, known in (*self.root.named_parameters(), *self.root.named_buffers()):
                if known is x:
                    return self.graph.get_attr(name)
            name = f"_tensor_constant{sum(1 for k in vars(self.root) if k.startswith('_tensor_constant'))}"
            self.root.register_buffer(name, x)
            return self.graph.get_attr(name)
        return x

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> Graph:
        """Run a module or function with proxies for its arguments; gives the graph."""
        self.graph = Graph()
        self._parameters = {}
        self.root = root if isinstance(root, nn.Module) else nn.Module()
        function = root.forward if isinstance(root, nn.Module) else root
        places, names = self._placeholders(function, concrete_args or {})
        with _patched(self, function):
            result = function(*places, **names)
        gives = getattr(function, "__annotations__", {}).get("return")
        self.graph.output(self.create_arg(result), gives)
        return self.graph

    def _placeholders(self, function: Any, concrete: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        places: list[Any] = []
        names: dict[str, Any] = {}
        for name, p in inspect.signature(function).parameters.items():
            if p.kind is p.VAR_POSITIONAL:
                places.append(self.proxy(self.graph.placeholder(f"*{name}")))
            elif p.kind is p.VAR_KEYWORD:
                continue
            else:
                default = ... if p.default is p.empty else p.default
                value = concrete.get(name, ...)
                if value is ...:
                    kind = None if p.annotation is p.empty else p.annotation
                    value = self.proxy(self.graph.placeholder(name, kind, default))
                if p.kind is p.KEYWORD_ONLY:
                    names[name] = value
                else:
                    places.append(value)
        return places, names


_wrapped: list[tuple[dict[str, Any], str]] = []
"""Functions that `torch.fx.wrap` marked: the module's names, and the name."""


def wrap(fn_or_name: Any) -> Any:
    """Marks a function of a module, given itself or by name, as one that is not traced into.

    Raises:
        RuntimeError: something else is given.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name, got "
            f"{type(fn_or_name).__name__}"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped.append((sys._getframe(1).f_globals, name))
    return fn_or_name


def _noting(function: Any) -> Any:
    @functools.wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        if _proxies((args, kwargs)):
            return note(function, args, kwargs)
        return function(*args, **kwargs)

    return noting


class _NotingModule(ModuleType):
    """A namespace whose functions note their calls with proxies."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        is_function = isinstance(found, (FunctionType, BuiltinFunctionType)) and not name.startswith("_")
        return _noting(found) if is_function else found


@contextmanager
def _patched(tracer: Tracer, function: Any) -> Iterator[None]:
    """Within it, modules and functions that are called with proxies are noted."""
    call = nn.Module.__call__

    def traced_attribute(self: Any, name: str) -> Any:
        found = object.__getattribute__(self, name)
        return tracer.parameter(found) if isinstance(found, nn.Parameter) else found

    def traced_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return tracer.call_module(self, lambda *a, **k: call(self, *a, **k), args, kwargs)

    spaces = (torch, nn.functional)
    before = [space.__class__ for space in spaces]
    replaced = [(scope, name, scope.get(name)) for scope, name in _wrapped]
    nn.Module.__call__ = traced_call  # type: ignore[method-assign]
    nn.Module.__getattribute__ = traced_attribute  # type: ignore[method-assign]
    for scope, name, value in replaced:
        if callable(value):
            scope[name] = _noting(value)
    for space in spaces:
        space.__class__ = _NotingModule
    try:
        yield
    finally:
        nn.Module.__call__ = call  # type: ignore[method-assign]
        del nn.Module.__getattribute__
        for space, cls in zip(spaces, before):
            space.__class__ = cls
        for scope, name, value in replaced:
            if callable(value):
                scope[name] = value


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A module of the graph of a module or function."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
