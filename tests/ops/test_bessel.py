"""Bessel functions and their kin against values computed with mpmath in 40 digits."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

STORED = {
    "bessel_j0": [(0.1, 0.997501562066040032), (2.9, -0.2243115457919680808),
        (3.1, -0.2920643476506975668), (10, -0.2459357644513483352),
        (24.9, 0.08324596835301549005), (25.1, 0.108275671499949452),
        (300, -0.03329855487630566801)],
    "bessel_j1": [(0.1, 0.04993752603624200032), (2.9, 0.3754274818130959278),
        (3.1, 0.3009211331010575921), (10, 0.04347274616886143667), (-25.1, 0.1146347841344225675)],
    "bessel_y0": [(0.1, -1.534238651350366808), (2.9, 0.4079117692362500727),
        (3.1, 0.3431028893544980433), (10, 0.05567116728359939142), (25.1, -0.1167677076380369472)],
    "bessel_y1": [(0.1, -6.458951094702026638), (2.9, 0.295940054607674729),
        (3.1, 0.349629482267696215), (10, 0.2490154242069538839), (25.1, -0.1106222332278309881)],
    "i0": [(0.1, 1.002501562934095602), (-5, 27.23987182360444689), (19.9, 39513376.52006682376),
        (20.1, 48017874.10713650302), (500, 2.504809476570078097e+215)],
    "i1": [(0.1, 0.0500625260470926949), (-5, -24.3356421424505272), (19.9, 38507423.87486228284),
        (20.1, 46807739.53302988276), (500, 2.502303412176099996e+215)],
    "i0e": [(0.1, 0.9071009257823010917), (-5, 0.1835408126093283531),
        (20.1, 0.08955376362061344404), (1000, 0.01261724045589125659)],
    "i1e": [(1e-09, 4.999999995000000315e-10), (-5, -0.1639722669445423569),
        (20.1, 0.08729685184320159199), (1000, 0.01261093025692862947)],
    "modified_bessel_k0": [(1e-05, 11.62885698094436221), (0.99, 0.4270950309796578424),
        (1.01, 0.4150561440850749985), (8, 0.0001464707052228153871),
        (30, 2.132477496463056371e-14)],
    "modified_bessel_k1": [(1e-05, 99999.99993935570692), (0.99, 0.6122489779992294883),
        (1.01, 0.5917881779729701172), (8, 0.0001553692118050011339),
        (30, 2.167732001891549425e-14)],
    "scaled_modified_bessel_k0": [(0.5, 1.52410938577390953), (8, 0.4366230186015861126),
        (1000, 0.03962832160075421711)],
    "scaled_modified_bessel_k1": [(0.5, 2.731009708211785705), (8, 0.4631490928704961059),
        (1000, 0.03964813081296021048)],
    "spherical_bessel_j0": [(0.3, 0.9850673555377985848), (-7, 0.09385522838839844149)],
    "airy_ai": [(-30, -0.08796818845684216283), (-5, 0.3507610090241143198),
        (-1.3, 0.5122720060410309232), (-0.5, 0.4757280916105395888), (0, 0.3550280538878172393),
        (1.1, 0.120049427355397655), (1.3, 0.09347466577150270452), (10, 1.104753255289868593e-10),
        (50, 4.584941724074828478e-104)],
    "ndtri": [(1e-12, -7.034483825301131933), (0.05, -1.644853626951472688),
        (0.3, -0.524400512708040816), (0.9, 1.281551565544600593)],
    "log_ndtr": [(-50, -1254.831361139419901), (-3, -6.607726221510349543),
        (-0.1, -0.7761545927302733256), (0.1, -0.6165050101150262887),
        (6, -9.865876455243757317e-10)],
    "erfcx": [(-3, 16205.98885399958663), (0.2, 0.8090195199015807328),
        (0.6, 0.5678047173865869644), (40, 0.01410033598337781362)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STORED))
def test_stored_values(name: str) -> None:
    x, want = np.array(STORED[name]).T
    have = getattr(torch.special, name)(torch.tensor(x))
    np.testing.assert_allclose(have.numpy(), want, 1e-13)  # j0(10) is near a root
    narrow = getattr(torch.special, name)(torch.tensor(x.astype(np.float32)))
    assert narrow.dtype is torch.float32


def test_wronskians() -> None:
    x = torch.linspace(0.05, 60, 400, dtype=torch.float64)
    s = torch.special
    ordinary = s.bessel_j1(x) * s.bessel_y0(x) - s.bessel_j0(x) * s.bessel_y1(x)
    torch.testing.assert_close(ordinary, 2 / (torch.pi * x), rtol=1e-12, atol=0)
    modified = s.i0e(x) * s.scaled_modified_bessel_k1(x) + s.i1e(x) * s.scaled_modified_bessel_k0(x)
    torch.testing.assert_close(modified, 1 / x, rtol=1e-14, atol=0)


def test_limits() -> None:
    ends = torch.tensor([0.0, torch.inf, -1.0, torch.nan], dtype=torch.float64)
    for name, want in (
        ("bessel_y0", "[-inf, 0.0, nan, nan]"), ("bessel_y1", "[-inf, 0.0, nan, nan]"),
        ("modified_bessel_k0", "[inf, 0.0, nan, nan]"), ("modified_bessel_k1", "[inf, 0.0, nan, nan]"),
    ):  # fmt: skip
        assert str(getattr(torch.special, name)(ends).tolist()) == want
    assert torch.special.i0(torch.tensor([710.0, torch.inf], dtype=torch.float64)).isfinite().tolist() == [True, False]
    assert torch.special.i1(torch.tensor(-torch.inf)).item() == -torch.inf
    assert torch.special.spherical_bessel_j0(torch.tensor([0.0, torch.inf])).tolist() == [1.0, 0.0]


def test_whole_numbers_and_in_place() -> None:
    assert torch.special.bessel_j0(torch.arange(3)).dtype is torch.float32
    x = torch.ones(2)
    assert x.i0_() is x
    torch.testing.assert_close(x, torch.i0(torch.ones(2)))
    with pytest.raises(NotImplementedError, match="i1"):
        torch.special.i1(torch.ones(2, dtype=torch.complex64))


def test_results_of_those_without_derivatives_require_none() -> None:
    x = torch.ones(2, requires_grad=True)
    assert not torch.special.bessel_j0(x).requires_grad
    assert torch.special.i1e(x).requires_grad
