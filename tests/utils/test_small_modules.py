"""weak, hooks, benchmark, flop_counter, module_tracker, collect_env and what utils has itself."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.utils import benchmark, collect_env, hooks, module_tracker, weak
from flambeau.utils.flop_counter import FlopCounterMode, register_flop_formula


def test_dictionaries_by_identity() -> None:
    a, b = torch.ones(2), torch.ones(2)
    found = weak.WeakTensorKeyDictionary({a: 1})
    found[b] = 2
    assert (found[a], found[b], len(found), a in found, torch.ones(2) in found) == (1, 2, 2, True, False)
    assert 3 not in found and set(map(id, found)) == {id(a), id(b)} and copy.copy(found)[b] == 2
    del b
    gc.collect()
    assert len(found) == 1 and found.pop(a) == 1
    reference = weak.TensorWeakRef(a)
    assert reference() is a


def test_one_class_of_handles() -> None:
    x = torch.ones(2, requires_grad=True)
    net = nn.Linear(2, 2)
    made = [x.register_hook(lambda g: None), net.register_forward_hook(lambda *a: None),
            x.register_post_accumulate_grad_hook(lambda p: None),
            (x * 2).grad_fn.register_hook(lambda *a: None)]  # fmt: skip
    for handle in made:
        assert type(handle) is hooks.RemovableHandle
        handle.remove()
    with net.register_forward_pre_hook(print) as handle:
        assert pickle.loads(pickle.dumps(handle)).id == handle.id
    assert not net._forward_pre_hooks


def test_swapping() -> None:
    a, b = torch.ones(2), nn.Parameter(torch.zeros(3))
    a.note = "a"  # type: ignore[attr-defined]
    torch.utils.swap_tensors(a, b)
    assert isinstance(a, nn.Parameter) and a.shape == (3,) and type(b) is torch.Tensor
    assert b.note == "a" and b.tolist() == [1, 1]  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="detach"):
        torch.utils.swap_tensors(b, a * 2)
    torch.utils.set_module(test_swapping, "elsewhere")
    assert test_swapping.__module__ == "elsewhere"


def test_module_tracker() -> None:
    net, seen = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU())), []
    net[1][0].register_forward_hook(lambda *a: seen.append(sorted(tracker.parents)))
    with module_tracker.ModuleTracker() as tracker:
        net(torch.ones(1, 2))
    assert seen[0][:3] == ["Global", "Sequential", "Sequential.1"]


def test_flops() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 5, 3),
                        nn.Flatten(), nn.Linear(5 * 36, 10))  # fmt: skip
    x = torch.rand(2, 3, 8, 8)
    with FlopCounterMode(display=False) as counter:
        net(x)
    counts = {name: sum(c.values()) for name, c in counter.get_flop_counts().items()}
    convolution, transposed, linear = 2 * 2 * 16 * 4 * 27, 2 * 2 * 16 * 4 * 45, 2 * 2 * 180 * 10
    assert counts == {
        "Global": convolution + transposed + linear, "Sequential": convolution + transposed + linear,
        "Sequential.0": convolution, "Sequential.2": transposed, "Sequential.4": linear,
    }  # fmt: skip
    assert "Sequential.2" in counter.get_table() and "100.00%" in counter.get_table()
    with FlopCounterMode(display=False) as counter:
        net(x).sum().backward()
    # The first layer's input wants no gradient; all others take two products more.
    assert counter.get_total_flops() == 2 * convolution + 3 * (transposed + linear)
    with FlopCounterMode(display=False, custom_mapping={"exp": lambda x, out_shape: 7}) as counter:
        torch.ones(2).exp()
        torch.ones(2, 3) @ torch.ones(3)
    assert counter.get_flop_counts()["Global"]["exp"] == 7
    with pytest.raises(RuntimeError, match="duplicate"):
        register_flop_formula("mm")(lambda: 1)


def test_timers() -> None:
    clock = iter(range(1000000))
    timer = benchmark.Timer("x + 1", globals={"x": torch.ones(2)}, timer=lambda: next(clock) * 1e-3,
                            label="add", sub_label="small", description="ours")  # fmt: skip
    found = timer.timeit(10)
    assert found.times == [pytest.approx(1e-4)] and found.number_per_run == 10
    again = timer.blocked_autorange(min_run_time=0.01)
    assert again.median == pytest.approx(again.mean) and again.iqr == pytest.approx(0, abs=1e-9)
    assert "add: small" in repr(again) and "Median: " in repr(again) and not again.has_warnings
    assert timer.adaptive_autorange(min_run_time=0.01).median > 0
    table = str(benchmark.Compare([found, again]))
    assert "add" in table and "small" in table and "ours" in table and "1 threads:" in table
    with pytest.raises(NotImplementedError, match="Valgrind"):
        timer.collect_callgrind()
    with pytest.raises(NotImplementedError, match="Python"):
        benchmark.Timer("x", language="c++")
    assert benchmark.Timer("torch.ones(2)").timeit(2).mean > 0


@pytest.mark.parametrize(("seconds", "unit"), [(3, "s"), (0.02, "ms"), (3e-5, "us"), (2e-9, "ns")])
def test_units(seconds: float, unit: str) -> None:
    assert benchmark.select_unit(seconds)[0] == unit


def test_digits() -> None:
    assert benchmark.trim_sigfig(1234.5, 2) == 1200 and benchmark.trim_sigfig(0.0, 2) == 0
    assert benchmark.unit_to_english("us") == "microsecond"


def test_environment() -> None:
    text = collect_env.get_pretty_env_info()
    assert torch.__version__ in text and "numpy==" in text


def test_hooks_that_are_not_saved() -> None:
    x = torch.ones(1, requires_grad=True)
    x.register_hook(hooks.unserializable_hook(lambda g: g))
    hooks.warn_if_has_hooks(x)
    x.register_hook(lambda g: g)
    with pytest.warns(UserWarning, match="will not be serialized"):
        hooks.warn_if_has_hooks(x)


def test_names_are_there() -> None:
    for name in dir(torch.utils):
        found: Any = getattr(torch.utils, name)
        assert found is not None or name.startswith("__")
