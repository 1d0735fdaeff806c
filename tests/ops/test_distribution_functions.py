"""Incomplete gamma functions, zeta, entropy, against mpmath and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

STORED = {
    "gammainc": [(0.5, 0.2, 0.4729107431344619263), (3, 10, 0.9972306042844884241),
        (20, 15, 0.1247812150325248227), (150, 140, 0.2095436239186070664),
        (1000, 1100, 0.9989406767460700227), (1000000.0, 1000500, 0.6915504757714971815),
        (50, 0.5, 1.788776510435136286e-80)],
    "gammaincc": [(0.5, 0.2, 0.5270892568655380737), (1e-08, 1, 2.193839366402706809e-9),
        (3, 10, 0.002769395715511575944), (20, 15, 0.8752187849674751773),
        (150, 190, 0.001180835388749420552), (1000, 1100, 0.001059323253929977349),
        (5, 60, 5.060046065842573939e-21)],
    "zeta": [(2, 1, 1.644934066848226436), (1.1, 0.3, 13.92562263091604785),
        (30, 0.5, 1073741824.000005215), (4, 20, 0.00004489570355660648577),
        (3, -0.5, 0.4143983221171599978)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STORED))
def test_stored_values(name: str) -> None:
    a, x, want = np.array(STORED[name]).T
    have = getattr(torch.special, name)(torch.tensor(a), torch.tensor(x))
    np.testing.assert_allclose(have.numpy(), want, 2e-13)
    narrow = getattr(torch.special, name)(torch.tensor(a).float(), torch.tensor(x).float())
    assert narrow.dtype is torch.float32


def test_incomplete_gamma_functions_are_parts_of_one() -> None:
    rng = np.random.default_rng(0)
    a = torch.tensor(10 ** rng.uniform(-3, 4, 500))
    x = a * torch.tensor(10 ** rng.uniform(-0.5, 0.5, 500))
    torch.testing.assert_close(torch.igamma(a, x) + torch.igammac(a, x), torch.ones_like(a))
    half = torch.tensor(0.5, dtype=torch.float64)
    torch.testing.assert_close(torch.igamma(half, x), torch.erf(x.sqrt()))
    one = torch.tensor(1.0, dtype=torch.float64)
    torch.testing.assert_close(torch.igammac(one, x), torch.exp(-x))


def test_incomplete_gamma_functions_at_the_ends() -> None:
    inf, nan = math.inf, math.nan
    a = torch.tensor([0.0, 0.0, 1.0, 1.0, inf, inf, -1.0, 1.0], dtype=torch.float64)
    x = torch.tensor([0.0, 1.0, 0.0, inf, 1.0, inf, 1.0, -1.0], dtype=torch.float64)
    assert str(torch.igamma(a, x).tolist()) == str([nan, 1.0, 0.0, 1.0, 0.0, nan, nan, nan])
    assert str(torch.igammac(a, x).tolist()) == str([nan, 0.0, 1.0, 0.0, 1.0, nan, nan, nan])


def test_only_the_second_argument_has_a_derivative() -> None:
    a = torch.ones(2, dtype=torch.float64, requires_grad=True)
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.igamma(a.detach(), x).sum(), x)
    torch.testing.assert_close(slope, torch.exp(-x))
    with pytest.raises(NotImplementedError, match="derivative for 'input'"):
        torch.igamma(a, x).sum().backward()


def test_zeta() -> None:
    z = torch.special.zeta
    torch.testing.assert_close(z(torch.tensor(2.0), 1), torch.tensor(math.pi**2 / 6))
    torch.testing.assert_close(z(4.0, torch.tensor(1.0)), torch.tensor(math.pi**4 / 90))
    x = torch.tensor([1.0, 0.5, 2.0, 2.0, 2.5])
    q = torch.tensor([2.0, 2.0, 0.0, -3.0, -0.5])
    assert str(z(x, q).tolist()) == "[inf, nan, inf, inf, nan]"
    with pytest.raises(TypeError, match="tensor"):
        z(2.0, 1.0)


def test_entropy_and_logarithms() -> None:
    x = torch.tensor([0.0, 1.0, -1.0, math.nan, 0.5])
    assert str(torch.special.entr(x[:4]).tolist()) == "[0.0, -0.0, -inf, nan]"
    torch.testing.assert_close(torch.special.entr(x)[4], torch.tensor(0.5 * math.log(2)))
    y = torch.special.xlog1py(torch.tensor([0.0, 0.0, 2.0]), torch.tensor([-1.0, math.nan, 1e-12]))
    assert str(y.tolist()[:2]) == "[0.0, nan]" and abs(y[2].item() - 2e-12) < 1e-18


def test_the_normal_distribution() -> None:
    x = torch.linspace(-8, 6, 100, dtype=torch.float64)
    area = torch.special.ndtr(x)
    torch.testing.assert_close(torch.special.ndtri(area[:80]), x[:80], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.special.log_ndtr(x), area.log(), rtol=1e-12, atol=1e-15)
    assert torch.special.ndtri(torch.tensor([0.0, 1.0, 0.5])).tolist() == [-math.inf, math.inf, 0.0]
    assert torch.special.log_ndtr(torch.tensor([-math.inf, math.inf])).tolist() == [-math.inf, 0.0]


def test_multivariate_gamma() -> None:
    x = torch.tensor([2.0, 3.5], dtype=torch.float64)
    want = math.log(math.pi) / 2 + torch.lgamma(x) + torch.lgamma(x - 0.5)
    torch.testing.assert_close(torch.mvlgamma(x, 2), want)
    torch.testing.assert_close(torch.special.multigammaln(x, 2), want)
    with pytest.raises(RuntimeError, match="greater than or equal to 1"):
        x.mvlgamma(0)


def test_the_namespace() -> None:
    x = torch.tensor([0.3, 0.7])
    for name, same in (("expit", torch.sigmoid), ("psi", torch.digamma), ("gammaln", torch.lgamma)):
        torch.testing.assert_close(getattr(torch.special, name)(x), same(x))
    assert "gammainc" in dir(torch.special) and not hasattr(torch.Tensor, "special.erf")
