"""Optimizer steps as one operation over all parameters."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau import config, optim
from flambeau.engine import flush
from flambeau.graph.trace import state
from flambeau.ops.optimizers import formulas

SHAPES = [(3, 2), (4,), ()]

OPTIONS = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"maximize": True},
    "RMSprop": {"momentum": 0.9, "centered": True, "eps": 1e-3},
    "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.1},
    "RAdam": {},
    "Rprop": {},
    "ASGD": {"t0": 1},
}


def params_of(seed=0, dtype=None):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.standard_normal(s), dtype=dtype, requires_grad=True) for s in SHAPES]


def give_gradients(params, seed):
    rng = np.random.default_rng(100 + seed)
    for p in params:
        p.grad = torch.tensor(rng.standard_normal(tuple(p.shape)), dtype=p.dtype)


@pytest.fixture
def programs(monkeypatch):
    """The keys of the programs that run."""
    keys = []
    find = flush.tiering.find

    def noting(key):
        keys.append(key)
        return find(key)

    monkeypatch.setattr(flush.tiering, "find", noting)
    return keys


@pytest.mark.skipif(config.max_pending_nodes < 64, reason="programs are cut short")
@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_is_one_operation_of_one_program(name, programs):
    params = params_of()
    optimizer = getattr(optim, name)(params, lr=0.1, **OPTIONS[name])
    steps = []
    for i in range(9):
        give_gradients(params, i)
        torch._flush()
        programs.clear()
        optimizer.param_groups[0]["lr"] *= 0.9
        optimizer.step()
        assert not state.nodes
        (key,) = programs
        steps.append(key)
        names = [op.name for op, *_ in key.entries]
        assert len([n for n in names if n in formulas]) == 1
        if i > 1:
            assert set(names) - {"pick"} <= set(formulas)
    # The rate and the corrections are not part of the key.
    assert steps[-1] == steps[-2] == steps[-3]


@pytest.mark.parametrize("name", OPTIONS)
def test_one_by_one_gives_the_same(name):
    """Where parameters share memory the step is written in tensor operations."""
    together, apart = params_of(dtype=torch.float64), params_of(dtype=torch.float64)
    shared = torch.zeros(2, dtype=torch.float64)
    extra = [shared[:1].requires_grad_(), shared[1:].requires_grad_()]
    both = [
        getattr(optim, name)(params, lr=0.1, **OPTIONS[name])
        for params in (together, [*apart, *extra])
    ]
    for i in range(4):
        for params, optimizer in zip((together, [*apart, *extra]), both, strict=True):
            give_gradients(params, i)
            optimizer.step()
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-12)
    assert shared.tolist() == [extra[0].item(), extra[1].item()]


def test_memory_shared_with_numpy_sees_the_step():
    array = np.ones((2, 3), np.float32)
    p = torch.from_numpy(array)[:, 1:].requires_grad_()
    q = torch.ones(2, requires_grad=True)
    seen = q.detach().numpy()
    p.grad, q.grad = torch.ones(2, 2), torch.ones(2)
    optim.SGD([p, q], lr=0.25).step()
    np.testing.assert_array_equal(array, [[1.0, 0.75, 0.75]] * 2)
    np.testing.assert_array_equal(seen, [0.75, 0.75])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_parameters_keep_their_dtype(dtype):
    p = torch.tensor([1.0, -2.0], dtype=dtype, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
    for _ in range(2):
        p.grad = torch.ones(2, dtype=dtype)
        optimizer.step()
    assert p.dtype == dtype
    assert p.tolist() == [-0.25, -3.25]
    assert optimizer.state[p]["momentum_buffer"].dtype == dtype


def test_state_of_another_shape_is_refused_and_nothing_changes():
    p, q = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    optimizer = optim.Adam([p, q])
    p.grad, q.grad = torch.ones(2), torch.ones(3)
    optimizer.step()
    before = p.tolist(), optimizer.state[p]["step"].item()
    optimizer.state[q]["exp_avg"] = torch.zeros(4)
    with pytest.raises(RuntimeError, match=r"parameter 1 is float32\[3\].*float32\[4\]"):
        optimizer.step()
    assert (p.tolist(), optimizer.state[p]["step"].item()) == before


def test_inference_tensors_are_refused():
    with torch.inference_mode():
        p = torch.ones(2)
    with torch.no_grad(), pytest.raises(RuntimeError, match="[Ii]nference"):
        torch._update_(
            "adagrad_step", [[p], [torch.ones(2)], [torch.ones(2)]], (0.1, 0.1, 0.0), (False, False)
        )
    assert p.tolist() == [1.0, 1.0]


def test_empty_parameters_are_stepped_over():
    p = torch.zeros(0, 3, requires_grad=True)
    q = torch.ones(1, requires_grad=True)
    p.grad, q.grad = torch.zeros(0, 3), torch.ones(1)
    optim.Adam([p, q], lr=0.5).step()
    assert p.shape == (0, 3)
    assert q.tolist() == pytest.approx([0.5])
