"""The array API standard's calls of functions of the main namespace, where PyTorch raises or has no such
argument: `flip(x, axis=0)`, `tril(x, k=1)`, `prod(x, axis=(0, 1))`, `clip(x)`, `max(x, axis=None)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from . import overriding, redirecting

WORDS = {
    "broadcast_to": ("shape",), "count_nonzero": ("axis", "keepdims"), "flip": ("axis",),
    "prod": ("axis",), "reshape": ("copy",), "roll": ("shift", "axis"), "take": ("axis",),
    "tensordot": ("axes",), "tril": ("k",), "triu": ("k",),
}  # fmt: skip
"""Functions, and the keywords by which a call is known to be the standard's."""

Question = Callable[[tuple[Any, ...], dict[str, Any]], bool]
"""Whether a call, of these arguments, is the standard's."""


def _is_array(x: Any) -> bool:
    return hasattr(x, "_aval")


def _unbounded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """clip() without bounds, or between a tensor and a number."""
    low = args[1] if len(args) > 1 else kwargs.get("min")
    high = args[2] if len(args) > 2 else kwargs.get("max")
    if low is None or high is None:
        return low is high
    return _is_array(low) != _is_array(high)


def _over_several(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """max() over axes in a tuple or over all: over one axis PyTorch gives indices too."""
    if "axis" in kwargs:
        return not isinstance(kwargs["axis"], int)
    return len(args) == 1 and set(kwargs) == {"keepdims"}


def _of_complex(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return len(args) == 1 and _is_array(args[0]) and args[0]._aval.dtype.is_complex


KEYWORD_CALLS: dict[str, Question] = {
    **{name: lambda args, kwargs, words=frozenset(words): not words.isdisjoint(kwargs)  # type: ignore[misc]
       for name, words in WORDS.items()},
    "concat": lambda args, kwargs: kwargs.get("axis", 0) is None,
    "prod": lambda args, kwargs: isinstance(kwargs.get("axis"), tuple),
    "max": _over_several, "min": _over_several,
}  # fmt: skip
"""Functions, and what tells the standard's calls with keywords: PyTorch raises for them."""

PLAIN_CALLS: dict[str, Question] = {
    "clip": _unbounded, "flip": lambda args, kwargs: len(args) == 1 and _is_array(args[0]),
    "round": _of_complex, "sign": _of_complex,
}  # fmt: skip
"""The same of calls without keywords."""

SIGNATURES: dict[str, Callable[..., Any]] = {
    "arange": lambda start, stop=None, step=1, *, dtype=None, device=None, requires_grad=False,
        out=None, layout=None, end=None: None,
    **dict.fromkeys(("empty", "ones", "zeros"), lambda shape, *more, dtype=None, device=None,
        requires_grad=False, out=None, layout=None, size=None: None),
    "broadcast_to": lambda input, shape, *, size=None: None,
    "full": lambda shape, fill_value, *, dtype=None, device=None, requires_grad=False, out=None,
        layout=None, size=None: None,
    "linspace": lambda start, end, num, *, dtype=None, device=None, endpoint=True,
        requires_grad=False, out=None, layout=None, steps=None: None,
    "meshgrid": lambda *arrays, indexing="ij": None,
    "reshape": lambda input, shape, *more, copy=None: None,
    "roll": lambda input, shift, dims=(), *, axis=None, shifts=None: None,
    "squeeze": lambda input, axis=None, *, dim=None: None,
    "tile": lambda input, dims, *more: None,
}  # fmt: skip
"""What inspect.signature() says where an argument has two names: the standard's, which NumPy's
users and tools know, in its place, PyTorch's as a keyword. A call takes both."""


def both(name: str, torchs: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's function that also takes the standard's calls."""
    with_words, without = KEYWORD_CALLS.get(name), PLAIN_CALLS.get(name)
    if name == "clip":
        with_words = without

    @functools.wraps(torchs)
    def function(*args: Any, **kwargs: Any) -> Any:
        standards = with_words if kwargs else without
        if standards is not None and standards(args, kwargs):
            return getattr(import_module("flambeau.array_api.functions"), name)(*args, **kwargs)
        return torchs(*args, **kwargs)

    function.__signature__ = with_keywords(torchs, WORDS.get(name, ()))  # type: ignore[attr-defined]
    return function


def taken(name: str, function: Any) -> Any:
    """A function of the main namespace with the standard's calls and signature, if it has any."""
    if name in KEYWORD_CALLS or name in PLAIN_CALLS:
        torchs, function = function, both(name, function)
        if torchs.__name__ == name:
            overriding.publics[torchs] = function
    if name in SIGNATURES:
        function.__signature__ = inspect.signature(SIGNATURES[name])
    return redirecting.found(function)


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
