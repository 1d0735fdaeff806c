"""`torch.testing`: comparing tensors in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import refusing

_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
    atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
    check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: Any = None,
) -> None:  # fmt: skip
    """AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, numbers, arrays, and sequences and mappings of them. Without tolerances, those of the
    dtype. ValueError where only one tolerance is given.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, but got "
            f"rtol={rtol} and atol={atol}"
        )
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if set(actual) != set(expected):
            raise AssertionError(f"The keys of the mappings do not match: {set(actual) ^ set(expected)}")
        for key in expected:
            assert_close(actual[key], expected[key], rtol=rtol, atol=atol, equal_nan=equal_nan,
                         check_dtype=check_dtype, msg=msg)  # fmt: skip
        return
    if isinstance(expected, Sequence) and not isinstance(expected, str) and isinstance(actual, Sequence):
        if len(actual) != len(expected):
            raise AssertionError(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype,
                         msg=msg)  # fmt: skip
        return
    _assert_tensors(torch.as_tensor(actual), torch.as_tensor(expected), rtol, atol, equal_nan,
                    check_dtype, msg)  # fmt: skip


def _assert_tensors(
    a: Any, e: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, msg: Any
) -> None:
    def fail(text: str) -> None:
        raise AssertionError(msg(text) if callable(msg) else msg or text)

    if a.shape != e.shape:
        fail(f"The values for attribute 'shape' do not match: {a.shape} != {e.shape}.")
    if check_dtype and a.dtype != e.dtype:
        fail(f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}.")
    if rtol is None:
        pairs = [_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (a, e)]
        rtol, atol = (max(p[i] for p in pairs) for i in (0, 1))
    wide = torch.complex128 if a.is_complex() or e.is_complex() else torch.float64
    x, y = (t.detach().to(wide).numpy() for t in (a, e))
    close = np.isclose(x, y, rtol, atol, equal_nan)
    if close.all():
        return
    wrong = int((~close).sum())
    with np.errstate(all="ignore"):
        gap = np.where(close, 0, np.abs(x - y))
        relative = np.where(close, 0, gap / np.abs(y))
    where = np.unravel_index(int(np.nanargmax(gap)), gap.shape) if gap.ndim else ()
    fail(
        "Tensor-likes are not close!\n\n"
        f"Mismatched elements: {wrong} / {close.size} ({100 * wrong / close.size:.1f}%)\n"
        f"Greatest absolute difference: {np.nanmax(gap)} at index {tuple(map(int, where))} "
        f"(up to {atol} allowed)\n"
        f"Greatest relative difference: {np.nanmax(relative)} (up to {rtol} allowed)"
    )


def assert_allclose(actual: Any, expected: Any, rtol: Any = None, atol: Any = None,
                    equal_nan: bool = True, msg: Any = "") -> None:  # fmt: skip
    """The old form of assert_close."""
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
                 msg=msg or None)  # fmt: skip


__getattr__ = refusing(__name__)
