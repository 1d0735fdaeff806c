"""`torch.library`: operators of one's own. Each is a Python function under a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flambeau.errors import refusing, shown

from .custom import CustomOpDef, custom_op, definition
from .namespaces import namespaces, operator
from .schemas import infer_schema

__all__ = ["CustomOpDef", "Library", "custom_op", "define", "fallthrough_kernel", "impl",
           "impl_abstract", "infer_schema", "register_autocast", "register_autograd", "register_fake",
           "register_kernel", "register_vmap"]  # fmt: skip

_KEYS = ("Autograd", "AutogradCPU", "CPU", "CompositeExplicitAutograd",
         "CompositeImplicitAutograd", "")  # fmt: skip
"""Dispatch keys whose kernels can be called here, the first that there is."""


class _Kernels:
    """An operator of a `Library`: its kernels by dispatch key."""

    def __init__(self, qualname: str) -> None:
        self.qualname = qualname
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.below = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        usable = [self.kernels[key] for key in _KEYS if key in self.kernels]
        # A kernel for Autograd that calls the operator again means the one below.
        found = usable[min(self.below, len(usable) - 1) :]
        if not found:
            raise NotImplementedError(
                f"Could not run '{self.qualname}' on the CPU: it has kernels for "
                f"{sorted(self.kernels) or 'nothing'}; add one with Library.impl(name, fn, 'CPU')"
            )
        self.below += 1
        try:
            return found[0](*args, **kwargs)
        finally:
            self.below -= 1


class Library:
    """Operators of a namespace: `define` says their signatures, `impl` what they do.

    kind: "DEF" for a new namespace, "FRAGMENT" for more of one, "IMPL" for kernels alone.
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in ("aten", "prims") and kind == "DEF":
            raise ValueError(f"{ns} is a reserved namespace. Please try creating a library with another name.")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """A new operator with the signature `name(Tensor x) -> Tensor`; gives its name."""
        match = re.match(r"\s*([\w.]+)\s*\(", schema)
        if match is None:
            raise RuntimeError(f"{shown(schema)} is no signature: write 'name(Tensor x) -> Tensor'")
        name = match[1].partition(".")[0]
        namespaces[self.ns]._add(name, _Kernels(f"{self.ns}::{name}"))
        return match[1]

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", *,
             with_keyset: bool = False, allow_override: bool = False) -> None:  # fmt: skip
        """What an operator does where the dispatch key is called for."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if self.ns in ("aten", "prims"):
            raise NotImplementedError(
                f"Library('{self.ns}', 'IMPL').impl: flambeau's own operations can't be replaced; "
                "define an operator of your own"
            )
        name = op_name if isinstance(op_name, str) else op_name.__name__
        packet = operator(f"{self.ns}::{name.rpartition('::')[2]}")
        if not isinstance(packet._function, _Kernels):
            raise RuntimeError(f"{packet} was made by custom_op: use its register_kernel")
        packet._function.kernels[dispatch_key or self.dispatch_key] = fn

    def _destroy(self) -> None:
        """Nothing: names stay."""


def _library(qualname: str, lib: Library | None) -> Library:
    return lib or Library(qualname.partition("::")[0], "FRAGMENT")


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: Any = ()) -> None:
    """A new operator `ns::name` with a signature such as `(Tensor x) -> Tensor`."""
    _library(qualname, lib).define(qualname.partition("::")[2] + schema, tags=tags)


_KEY_OF_DEVICE = {"default": "CompositeExplicitAutograd", "cpu": "CPU", "cuda": "CUDA"}


def impl(qualname: str, types: Any, func: Callable[..., Any] | None = None, *,
         lib: Library | None = None) -> Any:  # fmt: skip
    """What an operator does on kinds of devices; a decorator without `func`."""

    def take(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in [types] if isinstance(types, str) else types:
            key = _KEY_OF_DEVICE.get(kind, kind)
            _library(qualname, lib).impl(qualname.partition("::")[2], function, key)
        return function

    return take if func is None else take(func)


def register_kernel(op: Any, device_types: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """See CustomOpDef.register_kernel."""
    return definition(op).register_kernel(device_types, func)


def register_autograd(op: Any, backward: Callable[..., Any], /, *, setup_context: Any = None,
                      lib: Any = None) -> None:  # fmt: skip
    """See CustomOpDef.register_autograd."""
    definition(op).register_autograd(backward, setup_context=setup_context)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """See CustomOpDef.register_autocast."""
    definition(op).register_autocast(device_type, cast_inputs)


def register_vmap(op: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """See CustomOpDef.register_vmap."""
    return definition(op).register_vmap(func)


def register_fake(op: Any, func: Any = None, /, *, lib: Any = None, _stacklevel: int = 1,
                  allow_override: bool = False) -> Any:  # fmt: skip
    """A function that gives results of the right shapes, for tracers. It is kept, none asks."""

    def take(function: Callable[..., Any]) -> Callable[..., Any]:
        packet = operator(op) if isinstance(op, str) else getattr(op, "_packet", op)
        target = packet if isinstance(packet, CustomOpDef) else packet.__dict__.get("_definition")
        if target is not None:
            target.register_fake(function)
        return function

    return take if func is None else take(func)


impl_abstract = register_fake


def fallthrough_kernel() -> None:
    """NotImplementedError: there is no dispatcher that it could hand on to."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


__getattr__ = refusing(__name__)
