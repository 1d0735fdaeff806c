"""What used to go through the host's memory: convolutions of volumes, choices, masks, counts, special
functions. How much is copied to the host is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.codegen.plan import PLANNERS as OF_CPU
from flambeau.engine import tiering
from flambeau.engine.cuda_faults import BYTES, RECORDS
from flambeau.ops import gamma_functions, special_functions
from flambeau.ops.lowering.contractions import VOLUMES
from flambeau.ops.table import table
from flambeau.runtime import cuda
from tools.gpu import simulated

from . import assembling
from .rows import check as check_row
from .rows import tier
from .special_runner import rng, special


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[Any]:
    with simulated() as found:
        yield found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each copy to the host, but for what is noted of faults."""
    found: list[int] = []
    copy = cuda.copy_to_host

    def counted(target: int, source: int, nbytes: int, stream: Any) -> None:
        if nbytes != RECORDS * BYTES:
            found.append(nbytes)
        copy(target, source, nbytes, stream)

    monkeypatch.setattr(cuda, "copy_to_host", counted)
    return found


both = pytest.mark.parametrize("compiled", [False, True], ids=["operations", "compiled"])

# --- volumes ------------------------------------------------------------------------------------


def _step(device: str, dtype: Any, groups: int) -> list[Any]:
    """The results and gradients of a small network of volumes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1, groups=groups), nn.ReLU(), nn.MaxPool3d(2),
        nn.ConvTranspose3d(4, 2, 2, stride=2), nn.AvgPool3d(2, 1), nn.AdaptiveAvgPool3d((2, 1, 2)),
    ).to(device, dtype)  # fmt: skip
    x = torch.randn(2, 2, 4, 5, 6).to(device, dtype).requires_grad_()
    y = net(x)
    y.square().sum().backward()
    return [y, x.grad, *[p.grad for p in net.parameters()]]


@both
@pytest.mark.parametrize("groups", [1, 2])
def test_volumes(groups: int, compiled: bool) -> None:
    expected = [t.tolist() for t in _step("cpu", torch.float64, groups)]
    with tier(compiled):
        for want, have in zip(expected, _step("cuda", torch.float64, groups), strict=True):
            np.testing.assert_allclose(have.tolist(), want, 1e-10, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bias_and_activation_go_into_a_volumes_convolution(dtype: Any) -> None:
    given = [torch.randn(*s).to("cuda", dtype) for s in ((1, 3, 4, 4, 4), (2, 3, 2, 2, 2), (2,))]
    x, w, b = given
    want = F.relu(F.conv3d(*[t.cpu().float() for t in given]))
    torch._flush()
    with tier(True):
        have = F.relu(F.conv3d(x, w, b))
        torch._flush()
        steps = tiering.programs()[-1].compiled.plan.steps
    assert [[x.label for x in s.launches] for s in steps] == [["conv 3->2 2x2x2 s1 4x4x4 forward"]]
    np.testing.assert_allclose(have.float().cpu().numpy(), want.numpy(), 2e-2, 1e-2)  # TF32


def test_volumes_have_no_kernels_on_the_cpu() -> None:
    assert set(VOLUMES) <= set(OF_CPU) and not set(VOLUMES.values()) & set(OF_CPU)
    with tier(True):
        F.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)).tolist()
        compiled: Any = tiering.programs()[-1].compiled
    assert compiled.lowered.declined == ["convolution"]


# --- choices ------------------------------------------------------------------------------------


@both
def test_choices_are_made_there(compiled: bool, seen: list[int]) -> None:
    torch.manual_seed(3)
    w = torch.tensor([[0.0, 1, 3, 0, 0], [1, 0, 0, 2, 0], [0, 0, 0, 0, 5]], device="cuda")
    shares = np.array([[0, 0.25, 0.75, 0, 0], [1 / 3, 0, 0, 2 / 3, 0], [0, 0, 0, 0, 1]])
    with tier(compiled):
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            drawn = torch.multinomial(w.to(dtype), 1000, replacement=True)
            few = torch.multinomial((torch.arange(5.0, device="cuda") + 1).to(dtype).expand(300, 5), 3)
            assert drawn.shape == (3, 1000) and drawn.dtype is torch.int64 and drawn.is_cuda
            torch.cuda.synchronize()
            assert not seen
            places = np.array(drawn.tolist())
            for row, share in zip(places, shares, strict=True):
                counts = np.bincount(row, minlength=5) / 1000
                assert (counts[share == 0] == 0).all() and abs(counts - share).max() < 0.06
            chosen = np.array(few.tolist())
            assert all(len(set(row)) == 3 for row in chosen.tolist())
            assert abs(np.bincount(chosen[:, 0], minlength=5) / 300 - np.arange(1, 6) / 15).max() < 0.1
            seen.clear()
        assert torch.multinomial(w[0], 7, True).shape == (7,)
        nothing = torch.multinomial(torch.zeros(2, 4, device="cuda"), 3, True)
        assert nothing.shape == (2, 3) and 0 <= int(nothing.min()) <= int(nothing.max()) < 4


@pytest.mark.parametrize("shape, count, text", [
    ((3, 0), 1, "can't draw 1 of 0"), ((3, 4), 5, "can't draw 5 of 4"), ((2, 3, 4), 1, "1 or 2 dimensions"),
    ((3, 4), 0, "num_samples > 0"),
])  # fmt: skip
def test_choices_that_cannot_be(shape: tuple[int, ...], count: int, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        torch.multinomial(torch.ones(shape, device="cuda"), count)


# --- masks --------------------------------------------------------------------------------------


@both
def test_masks_as_indices(compiled: bool, seen: list[int]) -> None:
    x = torch.arange(120.0).reshape(4, 5, 6).sin()
    m = x > 0.3
    gx, gm = x.cuda(), m.cuda()
    with tier(compiled):
        found = [
            (gx[gm], x[m]), (gx[:, gm[0, :, 0]], x[:, m[0, :, 0]]), (gx[gm[:, :, 0], 2], x[m[:, :, 0], 2]),
            (gx[gm[:, 0, 0], :, 1], x[m[:, 0, 0], :, 1]), (gx[gm & False], x[m & False]), (gx[m], x[m]),
        ]  # fmt: skip
        torch.cuda.synchronize()
        assert seen and max(seen) <= 8
        for have, want in found:
            assert have.shape == want.shape and have.tolist() == want.tolist()
        values = torch.arange(float(m.sum()))
        y, gy = x.clone(), gx.clone()
        y[m], gy[gm] = values, values.cuda()
        assert gy.tolist() == y.tolist()
        gx.requires_grad_()
        (gx[gm] ** 2).sum().backward()
        np.testing.assert_allclose(gx.grad.cpu().numpy(), np.where(m.numpy(), 2 * x.numpy(), 0), 1e-6)


# --- counts -------------------------------------------------------------------------------------


@both
def test_histograms(compiled: bool, seen: list[int]) -> None:
    with tier(compiled):
        for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
            x = torch.tensor(rng.standard_normal((5, 40)).tolist()).to(dtype)
            for given in ((7,), (4, -1, 1), (10, 0.5, 2.0)):
                want, there = torch.histc(x, *given), x.cuda()
                seen.clear()
                have = torch.histc(there, *given)
                torch.cuda.synchronize()
                assert sum(seen) <= (16 if len(given) == 1 else 0)
                assert have.is_cuda and have.dtype is dtype and have.tolist() == want.tolist()
    for bad in ([math.inf], [1.0, math.nan]):
        with pytest.raises(RuntimeError, match="is not finite"):
            torch.histc(torch.tensor(bad, device="cuda"), 3)
    far = torch.tensor([1e30])  # a range without width
    assert torch.histc(far.cuda(), 3).tolist() == torch.histc(far, 3).tolist() == [1, 0, 0]


@both
def test_runs_of_equal_values(compiled: bool, seen: list[int]) -> None:
    given = (torch.randint(0, 3, (60,)), torch.randint(0, 2, (4, 15)).float(), torch.tensor(5),
             torch.tensor([math.nan, math.nan, 1, 1]), torch.tensor([True, True, False]))  # fmt: skip
    with tier(compiled):
        for x in given:
            there = x.cuda()
            for wants in ((), (True,), (False, True), (True, True)):
                want = torch.unique_consecutive(x, *wants)
                seen.clear()
                have = torch.unique_consecutive(there, *wants)
                torch.cuda.synchronize()
                assert sum(seen) <= 8
                pairs = zip(have, want, strict=True) if wants else [(have, want)]
                for a, b in pairs:
                    assert a.shape == b.shape and a.dtype is b.dtype and str(a.tolist()) == str(b.tolist())
        x = torch.tensor([1.0, 1, 2, 2, 1], device="cuda", requires_grad=True)
        (torch.unique_consecutive(x) * torch.tensor([1.0, 2, 3], device="cuda")).sum().backward()
        assert x.grad.tolist() == [1, 0, 2, 0, 3]


# --- scans --------------------------------------------------------------------------------------

SHAPES = [((3, 70), 1), ((70, 3), 0), ((2, 300), 1), ((1, 5000), 1), ((2, 520, 3), 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, dim", SHAPES, ids=str)
def test_scans(shape: tuple[int, ...], dim: int, dtype: str) -> None:
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    x = (30 * rng.standard_normal(shape)).astype(dtype)
    x.reshape(-1)[[0, 1, 2, 40]] = -np.inf
    factors, terms = np.tanh(rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)
    factors.reshape(-1)[50] = 0
    for name, arrays in (("logcumsumexp", [x]), ("recurrence", [factors, terms])):
        (have,), (want,), bench = special(name, arrays, (dim,))
        np.testing.assert_allclose(have, want, tolerance, tolerance)
        for launch in bench.launched if assembling.ptxas() else ():
            assert not assembling.assemble(assembling.ptx_of(launch.kernel, 75), 75).spilled


def test_scans_of_what_is_not_finite() -> None:
    nan, inf = math.nan, math.inf
    x = np.array([[nan, 1, 2], [inf, 1, inf], [-inf] * 3, [1, -inf, nan]], np.float32)
    (have,), (want,), _ = special("logcumsumexp", [x], (1,))
    np.testing.assert_allclose(have, want, 1e-6)
    large, none = np.full((1, 2000), 1e30, np.float32), np.zeros((1, 2000), np.float32)
    assert not special("recurrence", [large, none], (1,))[0][0].any()


@pytest.mark.parametrize("name", ["logcumsumexp", "recurrence", "cumprod", "mvlgamma", "polygamma_of", "entr", "xlog1py"])
def test_rows(name: str) -> None:
    check_row(table[name])


# --- special functions --------------------------------------------------------------------------

NUMBERS = np.concatenate([
    rng.normal(0, 3, 300), rng.uniform(-30, 30, 200), 10 ** rng.uniform(-100, 100, 50),
    -(10 ** rng.uniform(-20, 12, 50)), np.arange(-20, 20) / 2, 1 + rng.normal(0, 1e-6, 20),
    [-0.0, np.inf, -np.inf, np.nan, 8, 10],
])  # fmt: skip
SHARES = np.concatenate([
    rng.uniform(-1, 1, 300), 1 - 10 ** rng.uniform(-16, 0, 50), 10 ** rng.uniform(-300, 0, 50),
    [0.0, -0.0, 1, -1, 1.5, np.nan, np.inf, 0.5, -0.5],
])  # fmt: skip
FUNCTIONS: dict[str, tuple[Any, Any, Any]] = {
    "lgamma": (special_functions.lgamma, torch.lgamma, NUMBERS),
    "digamma": (special_functions.digamma, torch.digamma, NUMBERS),
    "erfinv": (special_functions.erfinv, torch.erfinv, SHARES),
    "erfcx": (special_functions.erfcx, torch.special.erfcx, NUMBERS),
    "log_ndtr": (gamma_functions.log_ndtr, torch.special.log_ndtr, NUMBERS),
    **{
        f"polygamma {n}": (
            lambda x, n=n: special_functions.polygamma(x, n), lambda x, n=n: torch.polygamma(n, x),
            NUMBERS[np.abs(NUMBERS) < 1e12],
        ) for n in (1, 2, 3)
    },
}  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_functions(name: str, device: str, seen: list[int]) -> None:
    """Machine code gives what NumPy gives: float32 to the last bit, nearly always."""
    reference, function, numbers = FUNCTIONS[name]
    for dtype, tolerance in (("float32", 1.2e-7), ("float64", 4e-15)):
        with np.errstate(all="ignore"):
            x = numbers.astype(dtype)
            want = reference(x)
        with tier(True):
            have = function(torch.from_numpy(x).clone().to(device))
            torch.cuda.synchronize()
            assert not seen
            got = have.cpu().numpy()
        seen.clear()
        np.testing.assert_allclose(got, want, tolerance, tolerance)
        np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
