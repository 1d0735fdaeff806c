"""Operators' signatures as text, from Python annotations."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

import flambeau as torch

_KINDS = {int: "SymInt", float: "float", bool: "bool", str: "str", torch.Tensor: "Tensor",
          torch.dtype: "ScalarType", torch.device: "Device"}  # fmt: skip
_LISTS = (list, collections.abc.Sequence)


def _kind(annotation: Any) -> str | None:
    """An annotation as a schema has it: `Optional[List[int]]` → `SymInt[]?`; None for others."""
    if annotation in _KINDS:
        return _KINDS[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        inner = [p for p in parts if p is not type(None)]
        if set(inner) == {int, float, bool}:
            return "Scalar" if len(inner) == len(parts) else "Scalar?"
        found = _kind(inner[0]) if len(inner) == 1 else None
        return found and found + "?"
    if origin in _LISTS and len(parts) == 1:
        found = _kind(parts[0])
        return found and found + "[]"
    return None


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return f"={value!r}".replace("'", '"') if isinstance(value, str) else f"={value}"


def infer_schema(
    prototype_function: Callable[..., Any], /, *, mutates_args: str | Iterable[str],
    op_name: str | None = None, tags: Any = (),
) -> str:  # fmt: skip
    """A function's signature: `(Tensor x, SymInt n=3) -> Tensor`.

    Raises:
        ValueError: an argument or the result has no annotation, or one that operators can't have.
    """
    hints = typing.get_type_hints(prototype_function)
    signature = inspect.signature(prototype_function)
    mutated = [] if mutates_args == "unknown" else list(mutates_args)
    unknown = set(mutated) - set(signature.parameters)
    if unknown:
        raise ValueError(f"mutates_args names what is no argument: {sorted(unknown)}")
    parts, starred = [], False
    for i, (name, parameter) in enumerate(signature.parameters.items()):
        kind = _kind(hints.get(name))
        if kind is None:
            raise ValueError(
                f"infer_schema(func): Parameter {name} has the type {hints.get(name)}, and operators "
                "take Tensor, int, float, bool, str, dtype, device, Optional and List of those"
            )
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        if name in mutated or (mutates_args == "unknown" and kind.startswith("Tensor")):
            kind = kind.replace("Tensor", f"Tensor(a{i}!)", 1)
        parts.append(f"{kind} {name}{_default(parameter.default)}")
    return f"{op_name or ''}({', '.join(parts)}) -> {_results(hints.get('return', type(None)))}"


def _results(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple:
        return f"({', '.join(_kind(p) or '?' for p in typing.get_args(annotation))})"
    found = _kind(annotation)
    if found is None:
        raise ValueError(
            f"infer_schema(func): Return has the type {annotation}, and operators give Tensor, "
            "numbers, tuples of those, or None"
        )
    return found
