"""Reads a row's signature string."""

from __future__ import annotations

from typing import Any, NamedTuple

INPUT_TYPES = ("Tensor", "Tensor?", "Operand", "Scalar", "Tensor[]")
"""Types of arguments that become inputs of a value; the others are static parameters."""


class Argument(NamedTuple):
    """One argument: its name, type, default (as source text, None if required)."""

    name: str
    type: str
    default: str | None
    keyword_only: bool

    @property
    def is_input(self) -> bool:
        return self.type in INPUT_TYPES


class Signature(NamedTuple):
    """A row's arguments, and the names of its results where there are several."""

    name: str
    arguments: tuple[Argument, ...]
    results: tuple[str, ...]

    @property
    def inputs(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.is_input)

    @property
    def params(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if not a.is_input)


def split_arguments(text: str) -> list[str]:
    """`a, b=(1, 2), c` → `["a", "b=(1, 2)", "c"]`."""
    parts: list[str] = []
    depth = 0
    current = ""
    for char in text:
        if char == "," and depth == 0:
            parts.append(current.strip())
            current = ""
            continue
        depth += (char in "([") - (char in ")]")
        current += char
    if current.strip():
        parts.append(current.strip())
    return parts


_parsed: dict[str, Signature] = {}


def parse(schema: str) -> Signature:
    """`sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor`."""
    found = _parsed.get(schema)
    if found is not None:
        return found
    head, _, tail = schema.partition("->")
    name, _, inside = head.strip().partition("(")
    inside = inside.rstrip()
    assert inside.endswith(")"), schema
    arguments: list[Argument] = []
    keyword_only = False
    for part in split_arguments(inside[:-1]):
        if part == "*":
            keyword_only = True
            continue
        kind, _, rest = part.partition(" ")
        arg, eq, default = rest.partition("=")
        arguments.append(Argument(arg.strip(), kind, default if eq else None, keyword_only))
    out = tail.strip()
    results = tuple(r.strip() for r in out[1:-1].split(",")) if out.startswith("(") else ()
    found = _parsed[schema] = Signature(name, tuple(arguments), results)
    return found


def defaults(signature: Signature) -> dict[str, Any]:
    """The default values of the arguments that have one."""
    return {a.name: eval(a.default) for a in signature.arguments if a.default is not None}
