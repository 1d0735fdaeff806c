"""`torch.testing`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.testing import assert_close, make_tensor

T = torch.tensor
NAN = float("nan")

DIFFERENT: list[tuple[Any, Any, dict[str, Any], str]] = [
    (T([1.0, 2]), T([1, 2.1]), {}, r"Tensor-likes are not close!\n\nMismatched elements: 1 / 2 \(50.0%\)\n"
     r"Greatest absolute difference: 0.0999\d+ at index \(1,\) \(up to 1e-05 allowed\)\n"
     r"Greatest relative difference: 0.0476\d+ at index \(1,\) \(up to 1.3e-06 allowed\)"),
    (T(1.0), T(1.5), {}, r"Scalars are not close!\n\nExpected 1.5 but got 1.0.\nAbsolute difference: 0.5 "),
    (1, 2, {}, r"Scalars are not equal!\n\nExpected 2 but got 1.\nAbsolute difference: 1\nRelative difference: 0.5"),
    ([1, T(2.0)], [1, T(3.0)], {}, r"The failure occurred for item \[1\]"),
    ({"a": [T(1.0)]}, {"a": [T(2.0)]}, {}, r"The failure occurred for item \['a'\]\[0\]"),
    ({"a": 1}, {"b": 1}, {}, r"Missing keys in the actual mapping: \['b'\]\nAdditional keys .* \['a'\]"),
    ([1], [1, 2], {}, "The length of the sequences mismatch: 1 != 2"),
    (T([True]), T([False]), {}, r"at index \(0,\)\nGreatest relative difference: inf"),
    (T(1.0), T(1), {}, "attribute 'dtype' do not match: torch.float32 != torch.int64"),
    (T([1.0]), T([1.0, 2]), {}, r"attribute 'shape' do not match: torch.Size\(\[1\]\)"),
    (None, 1, {}, "None mismatch: None is not 1"),
    (True, False, {}, "Booleans mismatch: True is not False"),
    (1, 1.0, {}, r"The \(d\)types do not match: <class 'int'> != <class 'float'>"),
    (T([NAN]), T([NAN]), {}, "Greatest absolute difference: nan"),
    (T([1.0]), T([2.0]), {"msg": "hey"}, "^hey$"),
    (T([1.0]), T([2.0]), {"msg": lambda m: "Q " + m}, "^Q Tensor-likes"),
    (T([1.0]), T([2.0]), {"rtol": 0, "atol": 0}, "Tensor-likes are not equal!"),
    (torch.zeros(2, 3).t(), torch.zeros(3, 2), {"check_stride": True}, r"'stride\(\)' do not match: \(1, 3\)"),
    (np.ones(2), np.zeros(2), {}, "2 / 2"),
    (T([1 + 1j]), T([1 + 2j]), {}, "Greatest absolute difference: 1.0"),
]  # fmt: skip


@pytest.mark.parametrize(("actual", "expected", "options", "text"), DIFFERENT)
def test_what_differs(actual: Any, expected: Any, options: Any, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        assert_close(actual, expected, **options)


@pytest.mark.parametrize(("actual", "expected", "options"), [
    (T([1.0]), T([1.0 + 1e-6]), {}), (T([1.0]), T([1]), {"check_dtype": False}), (None, None, {}),
    (T([NAN]), T([NAN]), {"equal_nan": True}), (1.0, 1.0 + 1e-9, {}), ({"a": (1, T([2]))}, {"a": [1, T([2])]}, {}),
    (T([1.0]).bfloat16(), T([1.01]).bfloat16(), {}), (T([float("inf")]), T([float("inf")]), {}),
    (torch.nn.Parameter(T([1.0])), T([1.0]), {}), (T([2**60]), T([2**60]), {}),
])  # fmt: skip
def test_what_is_close(actual: Any, expected: Any, options: Any) -> None:
    assert_close(actual, expected, **options)


def test_what_can_not_be_compared() -> None:
    for actual, expected in ((T(1.0), 1.0), ("a", "a"), (T([1.0]), np.ones(1))):
        with pytest.raises(TypeError, match="No comparison pair"):
            assert_close(actual, expected)
    with pytest.raises(TypeError):
        assert_close(torch.nn.Parameter(T([1.0])), T([1.0]), allow_subclasses=False)
    with pytest.raises(ValueError, match="but got no atol"):
        assert_close(1.0, 1.0, rtol=0)
    with pytest.warns(FutureWarning, match="assert_close"):
        torch.testing.assert_allclose(T([1]), T([1.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.uint8, torch.bool, torch.complex64,
                                   torch.bfloat16])  # fmt: skip
def test_making_tensors(dtype: Any) -> None:
    x = make_tensor(20, 3, dtype=dtype, device="cpu", noncontiguous=True, exclude_zero=True)
    assert x.shape == (20, 3) and x.dtype is dtype and not x.is_contiguous() and bool((x != 0).all())
    values = torch.view_as_real(x) if dtype.is_complex else x.double()
    assert values.abs().max() <= 9


def test_making_tensors_of_a_range() -> None:
    x = make_tensor((5,), dtype=torch.float64, device="cpu", low=3, high=4, requires_grad=True)
    assert bool(((x >= 3) & (x < 4)).all()) and x.requires_grad
    for options in ({"low": 3, "high": 2}, {"low": NAN}, {"noncontiguous": True, "memory_format": 1}):
        with pytest.raises(ValueError):
            make_tensor(2, dtype=torch.float32, device="cpu", **options)  # type: ignore[arg-type]
