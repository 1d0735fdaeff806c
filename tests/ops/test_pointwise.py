"""Functions of single elements against NumPy: values, dtypes, special numbers, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 10.0, np.inf, -np.inf, np.nan])

SAME = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "sqrt": np.sqrt, "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
    "abs": np.abs, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    "isposinf": np.isposinf, "isneginf": np.isneginf, "signbit": np.signbit, "square": np.square,
    "deg2rad": np.deg2rad, "rad2deg": np.rad2deg, "reciprocal": np.reciprocal,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SAME))
def test_as_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        want = SAME[name](SPECIAL)
    have = getattr(torch, name)(torch.tensor(SPECIAL))
    np.testing.assert_allclose(have.numpy(), want, 1e-14)
    np.testing.assert_array_equal(getattr(torch.tensor(SPECIAL), name)().numpy(), have.numpy())


@pytest.mark.parametrize("name", ["exp", "log", "sin", "tanh", "sigmoid", "sqrt", "erf", "lgamma"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_integers_become_floats(name: str, dtype: torch.dtype) -> None:
    out = getattr(torch, name)(torch.tensor([1, 1]).to(dtype))
    assert out.dtype is torch.float32
    # One of them may run in native code, whose functions are within 2 ulp.
    expected = getattr(torch, name)(torch.ones(2))
    np.testing.assert_allclose(out.numpy(), expected.numpy(), 3e-7, 3e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_round_the_float32_result(dtype: torch.dtype) -> None:
    x = torch.tensor([0.3, -1.7, 2.5]).to(dtype)
    for name in ("exp", "tanh", "sigmoid", "sin", "erf"):
        want = getattr(torch, name)(x.float()).to(dtype)
        assert torch.equal(getattr(torch, name)(x), want), name


def test_rounding_keeps_large_integers() -> None:
    x = torch.tensor([2**60 + 1])
    for name in ("floor", "ceil", "round", "trunc"):
        assert getattr(torch, name)(x).tolist() == [2**60 + 1]
    assert torch.round(torch.tensor([1.2345, 127.0]), decimals=2).tolist() == pytest.approx(
        [1.23, 127.0]
    )
    assert torch.round(torch.tensor([127.0]), decimals=-1).tolist() == [130.0]
    assert torch.round(torch.tensor([0.5, 1.5, 2.5])).tolist() == [0.0, 2.0, 2.0]


def test_signs() -> None:
    x = torch.tensor([-2.0, -0.0, 3.0, math.nan])
    assert torch.sign(x).tolist() == [-1.0, 0.0, 1.0, 0.0]
    assert torch.sign(torch.tensor([True, False])).tolist() == [True, False]
    assert torch.copysign(torch.tensor([1.0, 2.0]), -0.0).tolist() == [-1.0, -2.0]
    np.testing.assert_allclose(torch.sgn(torch.tensor([3 + 4j, 0j])).numpy(), [0.6 + 0.8j, 0])


def test_nan_to_num() -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 2.0])
    biggest = torch.finfo(torch.float32).max
    assert torch.nan_to_num(x).tolist() == [0.0, biggest, -biggest, 2.0]
    assert torch.nan_to_num(x, 1.0, 2.0, 3.0).tolist() == [1.0, 2.0, 3.0, 2.0]
    assert torch.nan_to_num(x.half()).tolist() == [0.0, 65504.0, -65504.0, 2.0]
    assert torch.nan_to_num(torch.tensor([3])).tolist() == [3]


def test_logit_xlogy_sinc() -> None:
    p = torch.tensor([0.25, 0.5], dtype=torch.float64)
    np.testing.assert_allclose(torch.sigmoid(torch.logit(p)).numpy(), p.numpy())
    assert torch.logit(torch.tensor([0.0, 1.0]), eps=0.5).tolist() == [0.0, 0.0]
    assert torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])).tolist() == [0.0, 0.0]
    assert torch.xlogy(0, torch.tensor([math.nan])).isnan().item()
    np.testing.assert_allclose(torch.sinc(torch.tensor([0.0, 0.5])).numpy(), [1, 2 / math.pi], 1e-6)


def test_logaddexp_does_not_overflow() -> None:
    x = torch.tensor([1000.0, -1000.0], dtype=torch.float64)
    np.testing.assert_allclose(torch.logaddexp(x, x).numpy(), x.numpy() + math.log(2))
    np.testing.assert_allclose(torch.logaddexp2(x, x).numpy(), x.numpy() + 1)


REFUSED: list[tuple[str, Any, type[Exception]]] = [
    ("abs", [True], NotImplementedError), ("floor", [True], NotImplementedError),
    ("frac", [1], NotImplementedError),
    ("floor", [1j], NotImplementedError), ("erf", [1j], NotImplementedError),
    ("isposinf", [1j], RuntimeError), ("deg2rad", [1j], RuntimeError),
    ("positive", [True], RuntimeError), ("signbit", [1j], NotImplementedError),
]  # fmt: skip


@pytest.mark.parametrize("name, data, error", REFUSED)
def test_refused_dtypes(name: str, data: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name) as caught:
        getattr(torch, name)(torch.tensor(data))
    assert type(caught.value) is error


def test_in_place_forms_differentiate_what_was_there_before() -> None:
    x = torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)
    y = x * 1
    y.sin_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(x.detach().numpy()))
