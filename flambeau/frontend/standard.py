"""The array API standard's arguments on functions of the main namespace, where PyTorch has no such
argument: `flip(x, axis=0)`, `tril(x, k=1)`, `prod(x, axis=(0, 1))`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

WORDS = {
    "broadcast_to": ("shape",), "count_nonzero": ("axis", "keepdims"), "flip": ("axis",),
    "prod": ("axis",), "reshape": ("copy",), "roll": ("shift", "axis"), "take": ("axis",),
    "tensordot": ("axes",), "tril": ("k",), "triu": ("k",),
}  # fmt: skip
"""Functions, and the keywords by which a call is known to be the standard's."""


def both(name: str, torchs: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's function that also takes the standard's keywords."""
    words = frozenset(WORDS[name])

    @functools.wraps(torchs)
    def function(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not words.isdisjoint(kwargs):
            if name != "prod" or isinstance(kwargs.get("axis"), tuple):
                standard = import_module("flambeau.array_api.functions")
                return getattr(standard, name)(*args, **kwargs)
        return torchs(*args, **kwargs)

    function.__signature__ = with_keywords(torchs, words)  # type: ignore[attr-defined]
    return function


def with_keywords(function: Callable[..., Any], words: Any) -> inspect.Signature:
    """A function's signature with keywords that it takes beside its own."""
    signature = inspect.signature(function)
    own = list(signature.parameters.values())
    new = [
        inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=None)
        for word in sorted(words) if word not in signature.parameters
    ]  # fmt: skip
    last = len(own) - (bool(own) and own[-1].kind is inspect.Parameter.VAR_KEYWORD)
    return signature.replace(parameters=own[:last] + new + own[last:])
