"""The words and marks of PTX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .ptx_tree import PtxError

_TOKENS = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<string>"[^"]*")
      | (?P<float>0[fF][0-9a-fA-F]{8}(?![0-9a-zA-Z])|0[dD][0-9a-fA-F]{16}(?![0-9a-zA-Z])|\d+\.\d*(?:[eE][+-]?\d+)?)
      | (?P<number>0[xX][0-9a-fA-F]+U?|0[bB][01]+U?|\d+U?(?![\w.]))
      | (?P<name>[.%$_A-Za-z][\w$]*(?:(?:\.|::)[\w$]+)*)
      | (?P<mark>[{}\[\]();:,+\-!|@<>=])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The words and marks of a text, without spaces and comments."""
    for found in _TOKENS.finditer(text):
        kind = found.lastgroup
        if kind == "space":
            continue
        if kind == "other":
            line = text.count("\n", 0, found.start()) + 1
            raise PtxError(f"line {line}: not PTX: {text[found.start() : found.start() + 40]!r}")
        yield Token(kind or "", found.group(), found.start(), found.end())
