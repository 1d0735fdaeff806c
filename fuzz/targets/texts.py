"""Strings that calls take apart: equations of einsum, devices, dtypes, schemas, formats, trees.

The first byte says which.
"""

from __future__ import annotations

from collections.abc import Iterator

import flambeau as torch
from flambeau.library import Library
from flambeau.utils import _pytree

ALLOWED = (RuntimeError, ValueError, TypeError, IndexError, KeyError, NotImplementedError, AssertionError)
INSTRUMENT = ("flambeau.ops.contractions", "flambeau.core.device", "flambeau.library", "flambeau.hub",
              "flambeau._hub_repositories", "flambeau.utils._trees.text")  # fmt: skip
MAX_LENGTH = 64
DICTIONARY = (b"...", b"->", b",", b"ij", b"cuda:", b"cpu:0", b"Tensor", b"(", b")", b"?", b"[]", b"::",
              b"\xce\xb1", b"{", b"}", b".3f", b"99999999")  # fmt: skip
_A, _B = torch.ones(2, 3), torch.ones(3, 2)


def run(data: bytes) -> None:
    which, text = data[:1], data[1:].decode("utf-8", "surrogateescape")
    if which == b"e":
        torch.einsum(text, _A, _B).tolist()
    elif which == b"E":
        torch.einsum(text, _A).tolist()
    elif which == b"d":
        torch.device(text)
    elif which == b"t":
        _A.type(text)
    elif which == b"s":
        Library("fuzzed", "FRAGMENT").define(text)
    elif which == b"f":
        # Python's own formats pad to any width they are told.
        if not any(part.isdigit() and len(part) > 3 for part in text.replace(".", " ").split()):
            format(torch.tensor(1.5), text[:4])
    elif which == b"j":
        _pytree.treespec_loads(text)
    else:
        from flambeau import _hub_repositories

        _hub_repositories.parse(text)


def seeds() -> Iterator[bytes]:
    yield from (b"eij,jk->ik", b"eij,jk", b"e...i,i...->...", b"Eii", b"Eij->ji", b"E...->...", b"dcpu:0",
                b"dcuda", b"tfloat32", b"ttorch.FloatTensor", b"sf(Tensor x, SymInt n=3) -> Tensor",
                b"sa.b(Tensor(a!) x) -> ()", b"f.3f", b"f>8", b"howner/name:main",
                b'j[1, {"type": null, "context": null, "children_spec": []}]')  # fmt: skip
