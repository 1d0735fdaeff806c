"""`assert_close`: whether two values, or containers of them, are nearly equal; else in what not."""

from __future__ import annotations

import cmath
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

import flambeau as torch

_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
"""Relative and absolute, by dtype; others have to be equal."""

_NUMBERS = (int, float, complex, bool, np.number, np.bool_)


class Options(NamedTuple):
    """What is compared, and how."""

    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool
    allow_subclasses: bool
    msg: str | Callable[[str], str] | None

    def tolerances(self, *kinds: str) -> tuple[float, float]:
        """Those that were given, or the largest of some dtypes."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(p[0] for p in pairs), max(p[1] for p in pairs)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
    atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
    check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, numbers, arrays, None, and sequences and mappings of them. Without tolerances, those of
    the dtype.

    Args:
        allow_subclasses: False has both be of the very same type.
        equal_nan: whether NaNs are equal.
        check_device, check_dtype, check_layout, check_stride: whether those have to be equal too.
        msg: the error's text, or a function that makes it of the text that it would have.

    Raises:
        ValueError: one tolerance is given, the other isn't.
        TypeError: these can't be compared.
    """
    if (rtol is None) != (atol is None):
        missing = "atol" if atol is None else "rtol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    options = Options(rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride,
                      allow_subclasses, msg)  # fmt: skip
    _compare(actual, expected, options, ())


def _fail(text: str, options: Options, where: tuple[Any, ...]) -> NoReturn:
    if where:
        place = "".join(f"[{str(key) if isinstance(key, int) else repr(key)}]" for key in where)
        text += f"\n\nThe failure occurred for item {place}"
    msg = options.msg
    raise AssertionError(msg(text) if callable(msg) else msg or text)


def _compare(a: Any, e: Any, options: Options, where: tuple[Any, ...]) -> None:
    """Compare what is at a place of two containers."""
    if isinstance(a, Mapping) and isinstance(e, Mapping):
        _compare_mappings(a, e, options, where)
    elif _is_sequence(a) and _is_sequence(e):
        if len(a) != len(e):
            _fail(f"The length of the sequences mismatch: {len(a)} != {len(e)}", options, where)
        for i, (x, y) in enumerate(zip(a, e, strict=True)):
            _compare(x, y, options, (*where, i))
    elif a is None or e is None:
        if a is not e:
            _fail(f"None mismatch: {a} is not {e}", options, where)
    elif isinstance(a, (bool, np.bool_)) and isinstance(e, (bool, np.bool_)):
        if a is not e and bool(a) != bool(e):
            _fail(f"Booleans mismatch: {a} is not {e}", options, where)
    elif isinstance(a, _NUMBERS) and isinstance(e, _NUMBERS):
        _compare_numbers(a, e, options, where)
    elif _are_tensors(a, e, options):
        _compare_tensors(_tensor(a), _tensor(e), options, where)
    else:
        raise TypeError(
            "No comparison pair was able to handle inputs of type "
            f"{type(a)} and {type(e)}." + _place(where)
        )


def _place(where: tuple[Any, ...]) -> str:
    return "" if not where else f"\n\nThe failure occurred for item {list(where)}"


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def _are_tensors(a: Any, e: Any, options: Options) -> bool:
    kinds = (torch.Tensor, np.ndarray)
    if not (isinstance(a, kinds) and isinstance(e, kinds)):
        return False
    if options.allow_subclasses:
        return isinstance(a, type(e)) or isinstance(e, type(a))
    return type(a) is type(e)


def _tensor(x: Any) -> Any:
    return x.detach() if isinstance(x, torch.Tensor) else torch.from_numpy(x)


def _compare_mappings(a: Any, e: Any, options: Options, where: tuple[Any, ...]) -> None:
    missing, more = set(e) - set(a), set(a) - set(e)
    if missing or more:
        _fail("The keys of the mappings do not match:\n"
              f"Missing keys in the actual mapping: {sorted(missing)}\n"
              f"Additional keys in the actual mapping: {sorted(more)}", options, where)  # fmt: skip
    for key in e:
        _compare(a[key], e[key], options, (*where, key))


# --- numbers ------------------------------------------------------------------------------------


def _compare_numbers(a: Any, e: Any, options: Options, where: tuple[Any, ...]) -> None:
    if options.check_dtype and type(a) is not type(e):
        _fail(f"The (d)types do not match: {type(a)} != {type(e)}.", options, where)
    kinds = ["float64" if isinstance(x, (float, np.floating)) else
             "complex128" if isinstance(x, (complex, np.complexfloating)) else "int64" for x in (a, e)]  # fmt: skip
    rtol, atol = options.tolerances(*kinds)
    text = _number_mismatch(a, e, rtol, atol, options.equal_nan)
    if text:
        _fail(text, options, where)


def _number_mismatch(a: Any, e: Any, rtol: float, atol: float, equal_nan: bool) -> str:
    """In what two numbers differ; empty where they don't."""
    if a == e or (equal_nan and cmath.isnan(a) and cmath.isnan(e)):
        return ""
    gap = abs(a - e)
    if cmath.isfinite(a) and gap <= atol + rtol * abs(e):
        return ""
    exact = not (rtol or atol)
    allowed = ("", "") if exact else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    relative = gap / abs(e) if e != 0 else float("inf")
    return (
        f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {e} but got {a}.\n"
        f"Absolute difference: {gap}{allowed[0]}\nRelative difference: {relative}{allowed[1]}"
    )


# --- tensors ------------------------------------------------------------------------------------


def _compare_tensors(a: Any, e: Any, options: Options, where: tuple[Any, ...]) -> None:
    checks = [
        ("shape", a.shape, e.shape, True),
        ("layout", a.layout, e.layout, options.check_layout),
        ("stride()", a.stride(), e.stride(), options.check_stride),
        ("device", a.device, e.device, options.check_device),
        ("dtype", a.dtype, e.dtype, options.check_dtype),
    ]
    for name, mine, theirs, wanted in checks:
        if wanted and mine != theirs:
            _fail(f"The values for attribute '{name}' do not match: {mine} != {theirs}.", options, where)
    rtol, atol = options.tolerances(*(str(t.dtype).removeprefix("torch.") for t in (a, e)))
    x, y = (_wide(t, a.is_complex() or e.is_complex()) for t in (a, e))
    close = _close(x, y, rtol, atol, options.equal_nan)
    if not close.all():
        _fail(_tensor_mismatch(a, x, y, close, rtol, atol), options, where)


def _wide(t: Any, complex_: bool) -> np.ndarray:
    """The content in a type in which differences are exact enough. Whole numbers stay whole."""
    t = t.cpu()
    if complex_:
        return np.asarray(t.to(torch.complex128).numpy())
    if not t.is_floating_point():
        return np.asarray((t.int() if t.dtype == torch.bool else t).numpy())
    return np.asarray(t.to(torch.float64).numpy())


def _close(x: np.ndarray, y: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    if not (rtol or atol):
        equal = np.asarray(x == y)
        return equal | (np.isnan(x) & np.isnan(y)) if equal_nan else equal
    return np.asarray(np.isclose(x, y, rtol, atol, equal_nan))


def _tensor_mismatch(t: Any, x: np.ndarray, y: np.ndarray, close: np.ndarray, rtol: float, atol: float) -> str:
    """In what two tensors differ: how many elements, and where most."""
    if x.ndim == 0:
        return _number_mismatch(x.item(), y.item(), rtol, atol, False)
    with np.errstate(all="ignore"):
        gap = np.where(close, 0, np.abs(np.subtract(x, y)))
        relative = np.where(close, 0, gap / np.abs(y))
    exact = not (rtol or atol)
    wrong = int((~close).sum())

    def line(name: str, of: np.ndarray, allowed: float) -> str:
        found = np.isnan(of)
        flat = int(found.argmax() if found.any() else of.argmax())
        index = tuple(int(i) for i in np.unravel_index(flat, of.shape))
        note = "" if exact else f" (up to {allowed} allowed)"
        return f"Greatest {name} difference: {of[index].item()} at index {index}{note}"

    return "\n".join((
        f"Tensor-likes are not {'equal' if exact else 'close'}!", "",
        f"Mismatched elements: {wrong} / {close.size} ({100 * wrong / close.size:.1f}%)",
        line("absolute", gap, atol), line("relative", relative, rtol),
    ))  # fmt: skip


def assert_allclose(actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None,
                    equal_nan: bool = True, msg: str = "") -> None:  # fmt: skip
    """The old form of assert_close."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated: write `torch.testing.assert_close()`",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, torch.Tensor):
        actual = torch.tensor(actual, device=getattr(expected, "device", None))
    if not isinstance(expected, torch.Tensor):
        expected = torch.tensor(expected, dtype=actual.dtype, device=actual.device)
    if rtol is None and atol is None:
        pairs = [_TOLERANCES.get(str(t.dtype).removeprefix("torch."), (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True,
                 check_dtype=False, check_stride=False, msg=msg or None)  # fmt: skip
