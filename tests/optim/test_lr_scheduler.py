"""Learning-rate schedulers: their curves against stored ones of PyTorch, and their rules."""

from __future__ import annotations

import importlib.util
import json
import math
import pickle
import warnings
from pathlib import Path

import pytest

import flambeau as torch
from flambeau import optim
from flambeau.optim import lr_scheduler

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("scheduler_cases", HERE / "scheduler_cases.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
CASES = _module.CASES
CURVES = json.loads((HERE / "scheduler_curves.json").read_text())
"""Rates of 20 epochs for two groups that start at 0.1 and 0.3, from torch 2.13."""

# A sequence inside a sequence takes its first epoch twice, as in PyTorch, and warns of it.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The epoch parameter"),
    pytest.mark.filterwarnings("ignore:Detected call of"),
]


def optimizer_of(*rates, cls=optim.SGD, **options):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in rates]
    return cls(groups, **({"momentum": 0.9} if cls is optim.SGD else {}), **options)


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize("name", CASES)
def test_curves(name):
    optimizer = optimizer_of(0.1, 0.3)
    scheduler = CASES[name](lr_scheduler, optimizer)
    for expected in zip(*CURVES[name], strict=True):
        assert rates(optimizer) == pytest.approx(expected, rel=1e-12, abs=1e-18)
        assert scheduler.get_last_lr() == rates(optimizer)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", CASES)
def test_rates_that_are_tensors_stay_the_same_tensors(name):
    held = [torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)]
    optimizer = optimizer_of(*held)
    scheduler = CASES[name](lr_scheduler, optimizer)
    for expected in zip(*CURVES[name], strict=True):
        assert rates(optimizer) == pytest.approx(expected, rel=1e-12, abs=1e-15)
        optimizer.step()
        scheduler.step()
    assert all(g["lr"] is lr for g, lr in zip(optimizer.param_groups, held, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_state_dict_goes_on_where_it_was_taken(name):
    first, second = optimizer_of(0.1, 0.3), optimizer_of(0.1, 0.3)
    old = CASES[name](lr_scheduler, first)
    new = CASES[name](lr_scheduler, second)
    for _ in range(6):
        first.step()
        old.step()
    saved = pickle.loads(pickle.dumps(old.state_dict()))
    assert "optimizer" not in saved
    new.load_state_dict(saved)
    second.load_state_dict(first.state_dict())
    for _ in range(8):
        for optimizer, scheduler in ((first, old), (second, new)):
            optimizer.step()
            scheduler.step()
        assert rates(second) == rates(first)
        assert new.get_last_lr() == old.get_last_lr()


@pytest.mark.parametrize(
    "name", ["step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine"]
)
def test_an_epoch_uses_the_closed_form(name):
    optimizer = optimizer_of(0.1, 0.3)
    scheduler = CASES[name](lr_scheduler, optimizer)
    optimizer.step()
    for epoch in (4, 0, 12, 7):
        scheduler.step(epoch)
        expected = [curve[epoch] for curve in CURVES[name]]
        assert rates(optimizer) == pytest.approx(expected, rel=1e-9)


def test_warm_restarts_at_fractions_of_an_epoch():
    optimizer = optimizer_of(1.0)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    for epoch, place in [(0.5, 0.5 / 2), (2.5, 0.5 / 4), (7.0, 1 / 8), (1.0, 1 / 2)]:
        scheduler.step(epoch)
        assert rates(optimizer) == pytest.approx([(1 + math.cos(math.pi * place)) / 2])
    with pytest.raises(ValueError, match="non-negative"):
        scheduler.step(-1)


def test_momentum_goes_the_other_way():
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, 4)
    momenta = []
    for _ in range(9):
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler.step()
    assert momenta == pytest.approx([0.9, 0.875, 0.85, 0.825, 0.8, 0.825, 0.85, 0.875, 0.9])

    adam = optimizer_of(0.1, cls=optim.Adam)
    scheduler = lr_scheduler.OneCycleLR(adam, 0.5, total_steps=10)
    assert adam.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(2):
        adam.step()
        scheduler.step()
    assert adam.param_groups[0]["betas"] == pytest.approx((0.85, 0.999))


def test_reduce_on_plateau():
    optimizer = optimizer_of(0.1, 0.3)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=1, cooldown=2, min_lr=[0.04, 0.0]
    )
    seen = []
    for metric in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, torch.tensor(0.6), 0.6, 0.6]:
        scheduler.step(metric)
        seen.append(optimizer.param_groups[1]["lr"])
    # Reduced after two bad epochs; the two after that are not counted.
    assert seen == pytest.approx([0.3] * 3 + [0.15] * 4 + [0.075] * 4 + [0.0375])
    assert optimizer.param_groups[0]["lr"] == 0.04
    assert scheduler.get_last_lr() == rates(optimizer)
    assert scheduler.best == 0.5 and scheduler.in_cooldown


@pytest.mark.parametrize(
    "mode, threshold_mode, best, value, better",
    [
        ("min", "rel", 1.0, 0.95, False),
        ("min", "rel", 1.0, 0.85, True),
        ("min", "abs", 10.0, 9.95, False),
        ("min", "abs", 10.0, 9.85, True),
        ("max", "rel", 1.0, 1.05, False),
        ("max", "rel", 1.0, 1.15, True),
        ("max", "abs", 10.0, 10.05, False),
        ("max", "abs", 10.0, 10.15, True),
    ],
)
def test_what_counts_as_better(mode, threshold_mode, best, value, better):
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer_of(0.1), mode, threshold=0.1, threshold_mode=threshold_mode
    )
    scheduler.step(best)
    scheduler.step(value)
    assert scheduler.num_bad_epochs == (0 if better else 1)


def test_plateau_with_a_group_added_later():
    optimizer = optimizer_of(0.1)
    listed = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0])
    single = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    optimizer.add_param_group({"params": torch.zeros(1, requires_grad=True), "lr": 0.3})
    single.step(1.0)
    single.step(1.0)
    assert rates(optimizer) == pytest.approx([0.01, 0.03])
    listed.step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs"):
        listed.step(1.0)


# ---- the order of steps -------------------------------------------------------------------


def test_warns_of_the_wrong_order():
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_the_right_order_is_silent():
    optimizer = optimizer_of(0.1)
    schedulers = [lr_scheduler.StepLR(optimizer, 1), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


def test_steps_before_the_scheduler_do_not_count():
    optimizer = optimizer_of(0.1)
    optimizer.step()
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_warns_of_a_step_that_was_replaced():
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="overridden"):
        scheduler.step()


def test_get_lr_is_for_step_alone():
    scheduler = lr_scheduler.StepLR(optimizer_of(0.1), 1)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


def test_a_scheduler_of_the_users():
    class Halving(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = optimizer_of(0.1, 0.4)
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert rates(optimizer) == [0.05, 0.2]
    assert issubclass(lr_scheduler._LRScheduler, lr_scheduler.LRScheduler)
    with pytest.raises(NotImplementedError):
        lr_scheduler.LRScheduler(optimizer)


def test_going_on_from_an_epoch():
    optimizer = optimizer_of(0.1)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    optimizer.param_groups[0]["initial_lr"] = 0.8
    scheduler = lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    assert scheduler.last_epoch == 4 and scheduler.base_lrs == [0.8]
    assert rates(optimizer) == pytest.approx([0.01])


def test_a_callable_object_is_saved_with_its_attributes():
    class Warm:
        def __init__(self, length):
            self.length = length

        def __call__(self, epoch):
            return min(1.0, (epoch + 1) / self.length)

    for cls in (lr_scheduler.LambdaLR, lr_scheduler.MultiplicativeLR):
        saved = cls(optimizer_of(0.1), Warm(7)).state_dict()
        assert saved["lr_lambdas"] == [{"length": 7}]
        other = cls(optimizer_of(0.1), Warm(3))
        other.load_state_dict(saved)
        assert other.lr_lambdas[0].length == 7
        assert "lr_lambdas" in saved


BAD = [
    (lambda L, o: L.StepLR(3, 1), TypeError),
    (lambda L, o: L.CyclicLR(3, 0.1, 0.2), TypeError),
    (lambda L, o: L.OneCycleLR(3, 0.1, 10), TypeError),
    (lambda L, o: L.ReduceLROnPlateau(3), TypeError),
    (lambda L, o: L.LambdaLR(o, [lambda e: 1.0]), ValueError),
    (lambda L, o: L.MultiplicativeLR(o, 0.5), TypeError),
    (lambda L, o: L.ConstantLR(o, 1.5), ValueError),
    (lambda L, o: L.LinearLR(o, 0.0), ValueError),
    (lambda L, o: L.LinearLR(o, 0.5, -0.1), ValueError),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 0), ValueError),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 2.5), ValueError),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, 0), ValueError),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, eta_min="a"), ValueError),
    (lambda L, o: L.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
    (lambda L, o: L.CyclicLR(o, [0.1], 0.2), ValueError),
    (lambda L, o: L.CyclicLR(optimizer_of(0.1, cls=optim.Adagrad), 0.1, 0.2), ValueError),
    (lambda L, o: L.OneCycleLR(o, 0.1), ValueError),
    (lambda L, o: L.OneCycleLR(o, 0.1, total_steps=0), ValueError),
    (lambda L, o: L.OneCycleLR(o, 0.1, epochs=2.5, steps_per_epoch=3), ValueError),
    (lambda L, o: L.OneCycleLR(o, 0.1, total_steps=10, pct_start=1.5), ValueError),
    (lambda L, o: L.OneCycleLR(o, 0.1, total_steps=10, anneal_strategy="exp"), ValueError),
    (lambda L, o: L.OneCycleLR(optimizer_of(0.1, cls=optim.Adagrad), 0.1, 9), ValueError),
    (lambda L, o: L.ReduceLROnPlateau(o, factor=1.0), ValueError),
    (lambda L, o: L.ReduceLROnPlateau(o, mode="up"), ValueError),
    (lambda L, o: L.ReduceLROnPlateau(o, threshold_mode="up"), ValueError),
    (lambda L, o: L.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError),
    (lambda L, o: L.SequentialLR(o, [], []), ValueError),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 1)], [3]), ValueError),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 1), 5], [3]), TypeError),
    (lambda L, o: L.SequentialLR(o, [L.ReduceLROnPlateau(o)], []), ValueError),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(optimizer_of(0.1), 1)], []), ValueError),
    (lambda L, o: L.ChainedScheduler([]), ValueError),
    (lambda L, o: L.ChainedScheduler([L.StepLR(o, 1), L.StepLR(optimizer_of(1.0), 1)]), ValueError),
    (lambda L, o: L.ChainedScheduler([L.ReduceLROnPlateau(o)]), ValueError),
]


@pytest.mark.parametrize("make, error", BAD)
def test_bad_arguments(make, error):
    optimizer = optimizer_of(0.1, 0.3)
    with pytest.raises(error):
        make(lr_scheduler, optimizer)


def test_one_cycle_ends():
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 5 times"):
        scheduler.step()
