"""Random tensors on a simulated GPU: streams, states, distributions, dropout."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.frontend import generator as generators
from flambeau.ops import philox
from flambeau.utils.checkpoint import checkpoint, get_device_states, set_device_states
from tools.gpu import simulated

N = 4096


@pytest.fixture(autouse=True)
def _gpu() -> Iterator[Any]:
    seed, known = generators.gpu_seed, dict(generators.gpus)
    generators.gpus.clear()
    with simulated() as gpu:
        torch.manual_seed(0)
        yield gpu
        torch._flush()
    generators.gpus.clear()
    generators.gpus.update(known)
    generators.gpu_seed = seed


def floats(t: torch.Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(t.detach().cpu().double().tolist())


def test_a_draw_is_a_function_of_seed_and_offset() -> None:
    torch.manual_seed(11)
    a, b = torch.rand(5, device="cuda"), torch.rand(3, 4, device="cuda")
    assert a.device == torch.device("cuda", 0) and a.dtype is torch.float32
    np.testing.assert_array_equal(a.cpu(), philox._uniform(11, 0, 0, 0, 1, (5,), torch.float32))
    np.testing.assert_array_equal(b.cpu(), philox._uniform(11, 0, 2, 0, 1, (3, 4), torch.float32))
    torch.manual_seed(11)
    assert torch.equal(torch.rand(5, device="cuda"), a)


def test_the_cpus_stream_is_its_own() -> None:
    torch.manual_seed(3)
    alone = torch.rand(4)
    torch.manual_seed(3)
    torch.rand(100, device="cuda").cpu()
    torch.randperm(10, device="cuda")
    F.dropout(torch.ones(9, device="cuda")).cpu()
    assert torch.equal(torch.rand(4), alone)


def test_states() -> None:
    g = torch.Generator(device="cuda")
    assert g.device == torch.device("cuda:0") and g.initial_seed() == 67280421310721
    assert g.manual_seed(7) is g
    state = g.get_state()
    assert state.dtype is torch.uint8 and state.device.type == "cpu"
    assert state.tolist() == [7, *[0] * 15]
    first = torch.rand(6, device="cuda", generator=g)
    assert g.get_offset() == 8 and g.get_state().tolist()[8:] == [8, *[0] * 7]
    torch.rand(3, device="cuda", dtype=torch.float64, generator=g)
    assert g.get_offset() == 16  # two words an element
    torch.rand(0, device="cuda", generator=g)
    assert g.get_offset() == 16
    g.set_state(state)
    assert torch.equal(torch.rand(6, device="cuda", generator=g), first)
    g.set_offset(4)
    assert torch.equal(torch.rand(2, device="cuda", generator=g), first[4:])
    for other in (pickle.loads(pickle.dumps(g)), g.clone_state()):
        assert other.device == g.device and torch.equal(other.get_state(), g.get_state())
    assert g.seed() == g.initial_seed() != 7
    g.manual_seed(-1)
    assert g.initial_seed() == (1 << 64) - 1
    torch.rand(3, device="cuda", generator=g).cpu()


def test_wrong_states_and_generators() -> None:
    g = torch.Generator(device="cuda")
    with pytest.raises(RuntimeError, match="wrong size: 5056"):
        g.set_state(torch.get_rng_state())
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state(torch.zeros(16))
    with pytest.raises(RuntimeError, match="multiple of 4"):
        g.set_offset(3)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.rand(2, device="cuda", generator=torch.Generator())
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        torch.rand(2, generator=g)
    with pytest.raises(RuntimeError, match="does not use offset"):
        torch.Generator().get_offset()


def test_default_generators_follow_the_seed() -> None:
    torch.manual_seed(5)
    assert torch.cuda.initial_seed() == 5
    state = torch.cuda.get_rng_state()
    a = torch.rand(3, device="cuda")
    torch.cuda.set_rng_state(state)
    assert torch.equal(torch.rand(3, device="cuda"), a)
    torch.cuda.manual_seed_all(5)
    assert torch.equal(torch.rand(3, device="cuda"), a)
    seed = torch.seed()
    assert torch.cuda.initial_seed() == seed


def test_uniform_numbers() -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = floats(torch.empty(N, device="cuda", dtype=dtype).uniform_(-2, 6))
        assert x.min() >= -2 and x.max() < 6
        assert abs(x.mean() - 2) < 0.15 and abs(x.std() - 8 / 12**0.5) < 0.1
    assert torch.rand(2, 3, device="cuda", dtype=torch.complex64).dtype is torch.complex64


def test_normal_numbers() -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = floats(torch.randn(N, device="cuda", dtype=dtype))
        assert abs(x.mean()) < 0.06 and abs(x.std() - 1) < 0.05
        assert abs((x**3).mean()) < 0.2 and abs((x**4).mean() - 3) < 0.5
        assert abs(np.corrcoef(x[0::2], x[1::2])[0, 1]) < 0.08
    mean = torch.arange(4.0, device="cuda").reshape(4, 1)
    x = floats(torch.normal(mean.expand(4, 1000), torch.full((1000,), 0.1, device="cuda")))
    np.testing.assert_allclose(x.mean(1), [0, 1, 2, 3], atol=0.02)
    z = torch.randn(N, device="cuda", dtype=torch.complex64)
    assert abs(float(z.abs().square().mean()) - 1) < 0.1


def test_integers() -> None:
    x = torch.randint(-3, 4, (N,), device="cuda")
    assert x.dtype is torch.int64
    counts = np.bincount(np.array(x.tolist()) + 3, minlength=7)
    assert counts.sum() == N and abs(counts - N / 7).max() < 100
    for low, high in ((0, 1 << 31), (-(1 << 40), 1 << 40), (-(1 << 62), (1 << 62) + 5)):
        y = np.array(torch.randint(low, high, (N,), device="cuda").tolist(), dtype=object)
        assert min(y) >= low and max(y) < high
        assert abs(float(sum(y)) / N - (low + high) / 2) < 0.02 * (high - low)
    wide = torch.empty(N, device="cuda", dtype=torch.int64).random_(-(2**63), None)
    assert abs(float((wide < 0).float().mean()) - 0.5) < 0.05
    for dtype, top in ((torch.uint8, 256), (torch.int8, 128), (torch.bool, 2), (torch.float16, 2049)):
        z = floats(torch.empty(N, device="cuda", dtype=dtype).random_())
        assert z.min() >= 0 and z.max() < top and abs(z.mean() / (top - 1) - 0.5) < 0.05
    with pytest.raises(RuntimeError, match="less than"):
        torch.randint(3, 3, (2,), device="cuda")


def test_other_distributions() -> None:
    empty = torch.empty(N, device="cuda")
    e = floats(empty.clone().exponential_(2.0))
    assert e.min() > 0 and abs(e.mean() - 0.5) < 0.03
    c = floats(empty.clone().cauchy_(1.0, 2.0))
    assert abs(np.median(c) - 1) < 0.2 and np.isfinite(c).all()
    ln = floats(empty.clone().log_normal_(0.5, 0.25))
    assert abs(np.log(ln).mean() - 0.5) < 0.03
    g = floats(empty.clone().geometric_(0.25))
    assert g.min() == 1 and abs(g.mean() - 4) < 0.3 and (g == np.round(g)).all()
    b = floats(torch.bernoulli(torch.full((N,), 0.3, device="cuda")))
    assert set(b.tolist()) == {0.0, 1.0} and abs(b.mean() - 0.3) < 0.04
    p = torch.tensor([0.0, 1.0], device="cuda")
    assert floats(torch.empty(5, 2, device="cuda").bernoulli_(p)).tolist() == [[0, 1]] * 5
    poisson = floats(torch.poisson(torch.full((500,), 3.0, device="cuda")))
    assert abs(poisson.mean() - 3) < 0.5
    assert floats(torch.binomial(torch.full((9,), 5.0, device="cuda"), torch.ones(9, device="cuda"))).tolist() == [5] * 9
    with pytest.raises(RuntimeError, match="p in"):
        empty.geometric_(0.0)


def test_permutations_and_choices() -> None:
    p = torch.randperm(50, device="cuda")
    assert p.device.type == "cuda" and sorted(p.tolist()) == list(range(50)) != p.tolist()
    weights = torch.tensor([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0]], device="cuda")
    for count, replacement in ((1, False), (4, True)):
        i = torch.multinomial(weights, count, replacement)
        assert i.device.type == "cuda" and i.dtype is torch.int64 and i.shape == (2, count)
        assert i[1].tolist() == [0] * count and 0 not in i[0].tolist()
    many = torch.multinomial(weights[0].expand(1000, 3), 1)
    assert abs(float((many == 2).float().mean()) - 0.75) < 0.05
    assert sorted(torch.multinomial(torch.ones(6, device="cuda"), 6).tolist()) == list(range(6))


def test_like_and_out() -> None:
    base = torch.zeros(4, 6, device="cuda").t()
    torch.manual_seed(1)
    like = torch.rand_like(base)
    torch.manual_seed(1)
    assert torch.equal(like, torch.rand(4, 6, device="cuda").t()) and like.device == base.device
    out = torch.empty(0, device="cuda")
    assert torch.randn(3, 2, out=out) is out and out.shape == (3, 2) and out.device.type == "cuda"
    assert torch.randn_like(torch.zeros(3), device="cuda").device.type == "cuda"
    assert torch.randint_like(base, 5).max() < 5
    with torch.device("cuda"):
        assert torch.rand(2).device.type == "cuda"
        x = torch.zeros(3, device="cpu").uniform_()
        assert x.device.type == "cpu" and torch.randn_like(x).device.type == "cpu"


def test_dropout() -> None:
    x = torch.full((64, 48), 3.0, device="cuda", requires_grad=True)
    y = F.dropout(x, 0.25)
    assert type(y.grad_fn).__name__ == "NativeDropoutBackward0"
    kept = floats(y) != 0
    assert abs(kept.mean() - 0.75) < 0.04
    np.testing.assert_allclose(floats(y)[kept], 4.0)
    y.sum().backward()
    np.testing.assert_array_equal(floats(x.grad) != 0, kept)
    np.testing.assert_allclose(floats(x.grad)[kept], 4 / 3, 1e-6)
    assert F.dropout(x, 0.5, False) is x
    assert not floats(F.dropout(x, 1.0)).any()
    half = F.dropout(torch.ones(1000, device="cuda", dtype=torch.bfloat16), 0.5)
    assert half.dtype is torch.bfloat16 and set(half.tolist()) == {0.0, 2.0}
    z = floats(F.dropout2d(torch.ones(8, 16, 3, 3, device="cuda"), 0.5))
    assert (z == z[:, :, :1, :1]).all() and set(z.ravel().tolist()) == {0.0, 2.0}
    a = floats(F.alpha_dropout(torch.randn(N, device="cuda"), 0.3, True))
    assert abs(a.mean()) < 0.1 and abs(a.std() - 1) < 0.1
    r = floats(F.rrelu(torch.full((N,), -1.0, device="cuda"), 0.1, 0.3, True))
    assert r.max() <= -0.1 and r.min() >= -0.3 and abs(r.mean() + 0.2) < 0.01
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        torch.dropout(x, 1.5, True)


def test_steps_are_the_same_program(_gpu: Any) -> None:
    """Seed and offset are numbers of a run: what draws anew is neither planned nor compiled anew."""
    from flambeau.engine import tiering

    def step() -> Any:
        x = torch.ones(32, 16, device="cuda", requires_grad=True)
        F.dropout(x * 2, 0.5).sum().backward()
        return x.grad

    seen = []
    for turn in range(6):
        seen.append(step().tolist())
        tiering.wait_for_compiler()
        if turn == 3:
            before = len(tiering.programs())
    assert len(tiering.programs()) == before
    assert all(a != b for a, b in zip(seen, seen[1:]))
    torch.manual_seed(0)
    assert [step().tolist() for _ in range(6)] == seen
    for seed in (1, 2**40, -1):
        torch.manual_seed(seed)
        assert step().tolist() not in seen
    tiering.wait_for_compiler()
    assert len(tiering.programs()) == before and not any(p.history for p in tiering.programs())


def test_vmap_and_forward_mode() -> None:
    x = torch.ones(3, 200, device="cuda")
    same = torch.vmap(lambda x: F.dropout(x, 0.5), randomness="same")(x)
    assert torch.equal(same[0], same[1])
    different = torch.vmap(lambda x: F.dropout(x, 0.5), randomness="different")(x)
    assert not torch.equal(different[0], different[1])
    with pytest.raises(RuntimeError, match="randomness error mode"):
        torch.vmap(lambda x: F.dropout(x, 0.5))(x)
    y, tangent = torch.func.jvp(lambda x: F.dropout(x, 0.5), (x,), (x,))
    assert torch.equal(y, tangent)


def test_forked_states() -> None:
    torch.manual_seed(9)
    with torch.random.fork_rng():
        inside = torch.rand(4, device="cuda")
        torch.manual_seed(1)
        torch.rand(4, device="cuda")
    assert torch.equal(torch.rand(4, device="cuda"), inside) and torch.cuda.initial_seed() == 9
    with torch.random.fork_rng(devices=[0]):
        inside = torch.rand(4, device="cuda")
    assert torch.equal(torch.rand(4, device="cuda"), inside)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_draw_the_same_again(reentrant: bool) -> None:
    x = torch.ones(100, device="cuda", requires_grad=True)
    y = checkpoint(lambda x: F.dropout(x * x, 0.5), x, use_reentrant=reentrant)
    kept = floats(y) != 0
    y.sum().backward()
    np.testing.assert_array_equal(floats(x.grad) != 0, kept)
    assert 20 < kept.sum() < 80
    devices, states = get_device_states(x, torch.zeros(1))
    assert devices == [0]
    a = torch.rand(3, device="cuda")
    set_device_states(devices, states)
    assert torch.equal(torch.rand(3, device="cuda"), a)


def test_resumed_runs(tmp_path: Path) -> None:
    from flambeau.utils.resume import Resumable

    run = Resumable(str(tmp_path / "run.pt"), deterministic=False, step=1)
    torch.rand(10, device="cuda")
    run.save()
    a = torch.rand(5, device="cuda")
    torch.manual_seed(77)
    again = Resumable(str(tmp_path / "run.pt"), deterministic=False, step=0)
    assert again.resume() and again.step == 1
    assert torch.equal(torch.rand(5, device="cuda"), a)
