"""Tensors as text, in PyTorch's format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU
from .tensor import Tensor

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}  # fmt: skip
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}

_SCIENTIFIC_RATIO = 1e3
_SCIENTIFIC_ABOVE = 1e8
_SCIENTIFIC_BELOW = 1e-4


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Change how tensors are printed.

    precision: digits after the point (4).
    threshold: a tensor with more elements than this is summarized (1000).
    edgeitems: elements shown at each end of a summarized dimension (3).
    linewidth: characters a line (80).
    profile: "default", "short" or "full" (which never summarizes) set all four.
    sci_mode: scientific notation always or never; None, which every call without it restores,
        lets the values decide.
    """
    _options.update(_PROFILES.get(profile or "", {}))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current options, as keywords of `set_printoptions`."""
    return dict(_options)


@contextmanager
def printoptions(**changed: Any) -> Iterator[None]:
    """`set_printoptions` until the end of a `with` block."""
    before = get_printoptions()
    set_printoptions(**changed)
    try:
        yield
    finally:
        _options.update(before)


def tensor_text(t: Any, contents: str | None = None, more: Sequence[str] = ()) -> str:
    """What `repr(t)` gives. `contents` stands in for the text of the elements; `more` are suffixes
    that come last."""
    owner = _library_class(type(t))
    prefix = "tensor(" if owner is type(t) else f"{type(t).__name__}("
    if contents is None:
        contents = _elements(t, len(prefix))
    text = _with_suffixes(prefix + contents, [*_suffixes(t), *more], len(prefix))
    return text if owner in (Tensor, type(t)) else f"{owner.__name__}({text})"


def _library_class(kind: type) -> type:
    """The class itself where it is flambeau's (a Parameter prints as a tensor), else the base of
    a user's class that is."""
    package = __name__.partition(".")[0]
    return next(c for c in kind.__mro__ if c.__module__.partition(".")[0] == package)


def _suffixes(t: Any) -> list[str]:
    """What stands after the elements: size, dtype, place in the autograd graph."""
    found = []
    default = dtypes.get_default()
    unmarked = {default, dtypes.int64, dtypes.bool_}
    if t.numel():
        # float16 and bfloat16 as default have no complex dtype of their own.
        unmarked.add(dtypes.complex128 if default is dtypes.float64 else dtypes.complex64)
        if not _options["edgeitems"]:
            found.append(f"size={tuple(t.shape)}")
    else:
        unmarked = {default}
        if t.ndim != 1:
            found.append(f"size={tuple(t.shape)}")
    if t.device is not CPU:
        found.append(f"device='{t.device}'")
    if t.dtype not in unmarked:
        found.append(f"dtype={t.dtype}")
    try:
        node = t.grad_fn
    except RuntimeError:  # a view made under no_grad and written since has none
        found.append("grad_fn=<Invalid>")
    else:
        if node is not None:
            found.append(f"grad_fn=<{type(node).__name__}>")
        elif t.requires_grad:
            found.append("requires_grad=True")
    return found


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Suffixes on the last line while they fit, each on a line of its own where not."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options["linewidth"]:
            text += f",\n{' ' * indent}{suffix}"
            used = indent + len(suffix)
        else:
            text += f", {suffix}"
            used += len(suffix) + 2
    return text + ")"


def _elements(t: Any, indent: int) -> str:
    """The elements in nested brackets, a line's continuation indented to stand under its like."""
    if not t.numel():
        return "[]"
    dtype = t.dtype
    values = dtypes.widen(t._array("the tensor is printed"), dtype)
    summarize = values.size > _options["threshold"]
    shape = values.shape
    if summarize:
        values = _edges(values)
    if dtype.is_complex:
        texts, width = _complex_texts(values)
    else:
        texts, width = _column(values)
    per_line = max(1, (_options["linewidth"] - indent - len(shape) + 1) // (width + 2))
    layout = _Layout(texts, shape, summarize, per_line)
    return layout.text(0, indent)


def _edges(values: np.ndarray) -> np.ndarray:
    """The elements that a summary shows: the first and last few along each dimension."""
    n = _options["edgeitems"]
    for dim, size in enumerate(values.shape):
        if size > 2 * n:
            kept = np.concatenate([np.arange(n), np.arange(size - n, size)])
            values = np.take(values, kept, axis=dim)
    return values


def _column(values: np.ndarray) -> tuple[list[str], int]:
    """The text of each element, and the width that they are padded to."""
    flat = values.reshape(-1)
    if values.dtype.kind != "f":
        texts = [str(v) for v in flat.tolist()]
        width = max(map(len, texts), default=1)
    else:
        texts, width = _float_texts(flat)
    return [s.rjust(width) for s in texts], width


def _float_texts(flat: np.ndarray) -> tuple[list[str], int]:
    """The texts of floats in one notation that suits them all: integers with a point, fixed or
    scientific. NaN, infinities and zeros have no say in the notation, nor in the width."""
    counted = np.isfinite(flat) & (flat != 0)
    finite = flat[counted].astype(np.float64)
    if not finite.size:
        return [_integral(v) for v in flat.tolist()], 1
    sizes = np.abs(finite)
    low, high = sizes.min(), sizes.max()
    scientific = _options["sci_mode"]
    if scientific is None:
        with np.errstate(over="ignore"):
            ratio = high / low
        scientific = (
            ratio > _SCIENTIFIC_RATIO or high > _SCIENTIFIC_ABOVE or low < _SCIENTIFIC_BELOW
        )
    form: Callable[[float], str]
    if scientific:
        form = f"{{:.{_options['precision']}e}}".format
    elif (finite == np.ceil(finite)).all():
        form = _integral
    else:
        form = f"{{:.{_options['precision']}f}}".format
    texts = [form(v) for v in flat.tolist()]
    return texts, max(len(s) for s, is_counted in zip(texts, counted, strict=True) if is_counted)


def _integral(value: float) -> str:
    text = f"{value:.0f}"
    return text if text[-1] in "nf" else text + "."


def _complex_texts(values: np.ndarray) -> tuple[list[str], int]:
    """Real and imaginary parts are columns of their own: `1.0000+2.0000j`."""
    (reals, width), (imags, more) = _column(values.real), _column(values.imag)
    texts = []
    for real, imag in zip(reals, imags, strict=True):
        imag = imag.lstrip()
        texts.append(f"{real}{'' if imag[0] in '+-' else '+'}{imag}j")
    return texts, width + more + 1


class _Layout:
    """Brackets, commas and line breaks around the texts of the elements shown."""

    def __init__(
        self, texts: list[str], shape: tuple[int, ...], summarize: bool, per_line: int
    ) -> None:
        self.texts = iter(texts)
        self.shape = shape
        self.summarize = summarize
        self.per_line = per_line

    def text(self, dim: int, indent: int) -> str:
        """The next part of the elements: a slice over the dimensions from `dim` on."""
        if dim == len(self.shape):
            return next(self.texts)
        n = _options["edgeitems"]
        size = self.shape[dim]
        cut = self.summarize and size > 2 * n
        last = dim == len(self.shape) - 1
        parts = [self.text(dim + 1, indent + 1) for _ in range(n if cut else size)]
        if cut:
            parts.append(" ..." if last and n else "...")
            parts += [self.text(dim + 1, indent + 1) for _ in range(n)]
        if last:
            return self._lines(parts, indent)
        below = len(self.shape) - dim - 1
        return "[" + ("," + "\n" * below + " " * (indent + 1)).join(parts) + "]"

    def _lines(self, parts: list[str], indent: int) -> str:
        rows = [
            ", ".join(parts[i : i + self.per_line]) for i in range(0, len(parts), self.per_line)
        ]
        return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"


__all__ = ["get_printoptions", "printoptions", "set_printoptions", "tensor_text"]
