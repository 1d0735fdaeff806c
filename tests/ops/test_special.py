"""The special functions against values computed with mpmath in 40 digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops import special_functions as special

STORED = {
    "erf": [(1e-9, 1.128379167095512644e-9), (0.3, 0.3286267594591274162),
            (0.99, 0.8385080695553697998), (-1.7, -0.9837904585907745608),
            (3.0, 0.9999779095030014146)],
    "erfc": [(0.3, 0.6713732405408725838), (0.75, 0.2888443663464848684),
             (3.0, 2.209049699858544137e-5), (10.0, 2.088487583762544757e-45),
             (-2.0, 1.995322265018952734)],
    "erfinv": [(1e-5, 8.862269254759594528e-6), (0.5, 0.4769362762044698734),
               (-0.9, -1.163087153676674163), (0.9999999, 3.766562581638470889)],
    "lgamma": [(1e-5, 11.51291969289582563), (0.999, 5.780385328913802382e-4),
               (1.5, -0.1207822376352452223), (2.001, 4.231067348001169912e-4),
               (7.3, 7.147892523022248692), (50.0, 144.565743946344886),
               (-1.5, 0.8600470153764810145)],
    "digamma": [(0.1, -10.42375494041107623), (1.0, -0.5772156649015328606),
                (5.0, 1.506117668431800473), (100.0, 4.6001618527380874),
                (-1.5, 0.7031566406452431872)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STORED))
def test_stored_values(name: str) -> None:
    x, want = np.array(STORED[name]).T
    have = getattr(torch, name)(torch.tensor(x))
    np.testing.assert_allclose(have.numpy(), want, 2e-14)
    narrow = getattr(torch, name)(torch.tensor(x.astype(np.float32)))
    assert narrow.dtype is torch.float32


def test_against_the_standard_library() -> None:
    x = np.linspace(-6, 6, 1001)
    np.testing.assert_allclose(special.erf(x), [math.erf(v) for v in x], 1e-15)
    np.testing.assert_allclose(special.erfc(x), [math.erfc(v) for v in x], 1e-15)
    y = np.linspace(0.01, 60, 1001)
    np.testing.assert_allclose(special.lgamma(y), [math.lgamma(v) for v in y], 1e-14, 1e-15)
    np.testing.assert_allclose(special.erf(special.erfinv(x / 6.01)), x / 6.01, 1e-15)
    fast = special.erf_fast(x.astype(np.float32))
    np.testing.assert_allclose(fast, [math.erf(v) for v in x.astype(np.float32)], 5e-7)


def test_limits() -> None:
    x = torch.tensor([math.inf, -math.inf, math.nan, 0.0])
    assert str(torch.erf(x).tolist()) == "[1.0, -1.0, nan, 0.0]"
    assert str(torch.erfc(x).tolist()) == "[0.0, 2.0, nan, 1.0]"
    assert str(torch.erfinv(torch.tensor([1.0, -1.0, 2.0])).tolist()) == "[inf, -inf, nan]"
    assert str(torch.lgamma(torch.tensor([0.0, -1.0, math.inf])).tolist()) == "[inf, inf, inf]"
    assert str(torch.digamma(torch.tensor([0.0, -0.0, -1.0])).tolist()) == "[-inf, inf, nan]"
    with np.errstate(over="ignore"):
        scaled = special.erfcx(np.array([1e300, -30.0])).tolist()
    assert scaled == pytest.approx([1 / math.sqrt(math.pi) / 1e300, math.inf])


def test_polygamma() -> None:
    one = torch.tensor([1.0, 0.5], dtype=torch.float64)
    zeta3 = 1.2020569031595942
    np.testing.assert_allclose(torch.polygamma(1, one).numpy(), [math.pi**2 / 6, math.pi**2 / 2])
    np.testing.assert_allclose(one.polygamma(2).numpy(), [-2 * zeta3, -14 * zeta3])
    np.testing.assert_allclose(
        special.polygamma(np.array([-0.5]), 1), [math.pi**2 / 2 + 4], rtol=1e-14
    )
    assert torch.equal(torch.polygamma(0, one), torch.digamma(one))
    with pytest.raises(RuntimeError, match="negative n"):
        torch.polygamma(-1, one)


def test_large_arrays_are_computed_in_pieces() -> None:
    x = np.random.default_rng(0).normal(size=(100_003,))
    np.testing.assert_array_equal(special.erf(x)[::999], special.erf(x[::999]))
    assert special.erf(x.reshape(1, -1)).shape == (1, 100_003)
    assert special.erf(np.float64(0.0).reshape(())).shape == ()
