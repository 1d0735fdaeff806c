"""`torch.ops`: operators by their full names, `torch.ops.aten.add.Tensor`, `torch.ops.mylib.f`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.lacking.standin import LackingError

_PREFIXES = ("linalg", "special", "fft")


class OpOverload:
    """One signature of an operator. flambeau's functions take all of an operator's signatures."""

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket = self._packet = packet
        self._overloadname = overload
        self.namespace = packet.namespace
        self.__name__ = f"{packet.__name__}.{overload}"
        self.__qualname__ = self.__name__
        self.__module__ = packet.__module__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._packet(*args, **kwargs)

    def name(self) -> str:
        """`aten::add.Tensor`"""
        end = "" if self._overloadname == "default" else f".{self._overloadname}"
        return self._packet._qualified_op_name + end

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self._packet._qualified_op_name}', overload='{self._overloadname}')>"

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpOverloadPacket:
    """An operator with all its signatures, which are its attributes."""

    def __init__(self, namespace: str, name: str, function: Callable[..., Any]) -> None:
        self.namespace, self._function = namespace, function
        self.__name__ = self.__qualname__ = name
        self.__module__ = f"torch.ops.{namespace}"
        self._qualified_op_name = f"{namespace}::{name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> Any:
        if overload.startswith("_"):
            raise AttributeError(f"'{self}' has no attribute {overload!r}", name=overload)
        found = self.__dict__[overload] = OpOverload(self, overload)
        return found

    def overloads(self) -> list[str]:
        """The names of the signatures: one, which takes them all."""
        return ["default"]

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self.namespace}.{self.__name__}')>"

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpNamespace:
    """The operators of a library, as attributes."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __getattr__(self, op: str) -> Any:
        if op.startswith("__"):
            raise AttributeError(op)
        function = _aten(op) if self.name in ("aten", "prims") else None
        if function is None:
            raise LackingError(
                f"'_OpNamespace' '{self.name}' object has no attribute '{op}': "
                + ("flambeau has no such operation; dir(torch) lists those that it has"
                   if self.name == "aten" else
                   f"define it with torch.library.custom_op('{self.name}::{op}', ...)")
            )  # fmt: skip
        return self._add(op, function)

    def _add(self, op: str, function: Callable[..., Any]) -> OpOverloadPacket:
        made = self.__dict__[op] = OpOverloadPacket(self.name, op, function)
        return made

    def __repr__(self) -> str:
        return f"<torch.ops.{self.name}>"


def _aten(op: str) -> Callable[..., Any] | None:
    """The function of one of PyTorch's own operators."""
    prefix, _, rest = op.partition("_")
    places: list[tuple[Any, str]] = [(torch, op), (torch._nn, op), (torch.Tensor, op)]
    if prefix in _PREFIXES:
        places.insert(0, (getattr(torch, prefix), rest))
    for place, name in places:
        found = getattr(place, name, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None


class _Table(dict[str, OpNamespace]):
    def __missing__(self, name: str) -> OpNamespace:
        made = self[name] = OpNamespace(name)
        return made


namespaces = _Table()
"""By name; asking for one makes it."""


def operator(qualified: str) -> OpOverloadPacket:
    """The operator `ns::name`; LackingError where there is none."""
    namespace, _, name = qualified.partition("::")
    found: OpOverloadPacket = getattr(namespaces[namespace], name.partition(".")[0])
    return found
