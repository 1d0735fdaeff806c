"""Parameter groups, state, hooks and saving: what all optimizers share."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import optim
from flambeau.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)

NAMES = [
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop",
    "ASGD",
]  # fmt: skip


def leaf(*values):
    return torch.tensor(list(values), requires_grad=True)


def stepped(optimizer, *gradients):
    for g in gradients:
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.full_like(p, g)
        optimizer.step()
    return optimizer


# ---- parameter groups ---------------------------------------------------------------------


def test_groups_have_their_own_options():
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.1)
    stepped(optimizer, 1.0)
    assert a.tolist() == pytest.approx([0.9])
    assert b.tolist() == pytest.approx([0.5])
    assert optimizer.param_groups[0]["params"][0] is a


def test_a_group_dict_is_kept_and_filled():
    group = {"params": leaf(1.0)}
    optimizer = optim.SGD([leaf(2.0)], lr=0.1)
    optimizer.add_param_group(group)
    assert optimizer.param_groups[1] is group
    assert group["lr"] == 0.1
    assert isinstance(group["params"], list)


def test_names_are_kept_in_order():
    a, b = leaf(1.0), leaf(2.0)
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]


def test_repr():
    assert repr(optim.SGD([leaf(1.0)], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n"
        "    foreach: None\n    fused: None\n    lr: 0.1\n    maximize: False\n    momentum: 0\n"
        "    nesterov: False\n    weight_decay: 0\n)"
    )


def test_repeated_parameters_warn():
    p = leaf(1.0)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p], lr=0.1)


BAD_PARAMS = [
    (lambda: torch.zeros(2, requires_grad=True), TypeError, "iterable of Tensors"),
    (list, ValueError, "empty parameter list"),
    (lambda: [1.0], TypeError, "can only optimize Tensors"),
    (lambda: [leaf(1.0) * 2], ValueError, "non-leaf"),
    (lambda: [{"params": {leaf(1.0)}}], TypeError, "ordered collections"),
    (lambda: [("a", leaf(1.0)), leaf(2.0)], ValueError, "names are missing"),
    (lambda: [{"params": [leaf(1.0)]}, leaf(2.0)], TypeError, "must be a dict"),
    (lambda: [{"lr": 1.0}], KeyError, "params"),
]


@pytest.mark.parametrize("params, error, text", BAD_PARAMS)
def test_bad_parameters(params, error, text):
    with pytest.raises(error, match=text):
        optim.SGD(params(), lr=0.1)


def test_a_refused_group_changes_nothing():
    a = leaf(1.0)
    optimizer = optim.SGD([a], lr=0.1)
    group = {"params": [a]}
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group(group)
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [("b", leaf(1.0))]})
    assert group == {"params": [a]}
    assert len(optimizer.param_groups) == 1


def test_required_options():
    class Needs(Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, {"lr": lr})

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Needs([leaf(1.0)])
    assert Needs([{"params": [leaf(1.0)], "lr": 2.0}]).param_groups[0]["lr"] == 2.0
    assert repr(required) == "<required parameter>"
    with pytest.raises(NotImplementedError):
        Needs([leaf(1.0)], lr=0.1).step()


BAD_OPTIONS = [
    ("SGD", {"lr": -1}, ValueError),
    ("SGD", {"momentum": -0.1}, ValueError),
    ("SGD", {"weight_decay": -0.1}, ValueError),
    ("SGD", {"nesterov": True}, ValueError),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError),
    ("SGD", {"fused": True, "foreach": True}, RuntimeError),
    ("SGD", {"fused": True, "differentiable": True}, RuntimeError),
    ("SGD", {"beta": 1}, TypeError),
    ("Adam", {"lr": -1}, ValueError),
    ("Adam", {"lr": float("nan")}, ValueError),
    ("Adam", {"betas": (1.0, 0.9)}, ValueError),
    ("Adam", {"betas": (0.9, -0.1)}, ValueError),
    ("Adam", {"betas": (0, 0.9)}, ValueError),
    ("Adam", {"eps": -1}, ValueError),
    ("Adam", {"weight_decay": -1}, ValueError),
    ("AdamW", {"fused": True, "foreach": True}, RuntimeError),
    ("RMSprop", {"alpha": -1}, ValueError),
    ("RMSprop", {"momentum": -1}, ValueError),
    ("Adagrad", {"lr_decay": -1}, ValueError),
    ("Adagrad", {"initial_accumulator_value": -1}, ValueError),
    ("Adadelta", {"rho": 1.5}, ValueError),
    ("Adamax", {"betas": (0.9, 1.0)}, ValueError),
    ("NAdam", {"momentum_decay": -1}, ValueError),
    ("RAdam", {"eps": -1}, ValueError),
    ("Rprop", {"etas": (1.5, 1.2)}, ValueError),
    ("ASGD", {"weight_decay": -1}, ValueError),
    ("LBFGS", {"lr": -1}, ValueError),
]


@pytest.mark.parametrize("name, options, error", BAD_OPTIONS)
def test_bad_options(name, options, error):
    with pytest.raises(error):
        getattr(optim, name)([leaf(1.0)], **options)


def test_tensor_hyperparameters_that_do_not_fit():
    with pytest.raises(ValueError, match="1-element"):
        optim.SGD([leaf(1.0)], lr=torch.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="foreach=True"):
        optim.Adam([leaf(1.0)], lr=torch.tensor(0.1), foreach=True)
    with pytest.raises(ValueError, match="both floats or both Tensors"):
        optim.Adam([leaf(1.0)], betas=(0.9, torch.tensor(0.99)))


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "NAdam", "ASGD"])
def test_capturable_is_refused_at_the_step(name):
    optimizer = getattr(optim, name)([leaf(1.0)], capturable=True)
    optimizer.step()
    with pytest.raises(AssertionError, match="capturable"):
        stepped(optimizer, 1.0)


def test_fused_needs_floating_parameters():
    p = torch.tensor([1.0 + 2.0j], requires_grad=True)
    with pytest.raises(RuntimeError, match="floating point"):
        stepped(optim.SGD([p], lr=0.1, fused=True), 1.0)
    assert p.tolist() == [1.0 + 2.0j]


# ---- stepping -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_parameters_without_gradient_are_skipped(name):
    a, b = leaf(1.0, 2.0), leaf(3.0)
    optimizer = getattr(optim, name)([a, b], lr=0.1)
    a.grad = torch.ones(2)
    optimizer.step()
    assert a.tolist() != [1.0, 2.0]
    assert b.tolist() == [3.0]
    assert a.is_leaf and a.requires_grad and a.grad_fn is None


@pytest.mark.parametrize("name", NAMES)
def test_a_step_counts_a_version_of_the_parameter(name):
    p = leaf(1.0, 2.0)
    before = p._version
    stepped(getattr(optim, name)([p], lr=0.1), 1.0)
    assert p._version > before


def test_a_step_in_between_spoils_a_saved_value():
    p = leaf(1.0, 2.0)
    loss = (p * p).sum()
    stepped(optim.SGD([p], lr=0.1), 1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_closure_runs_with_gradients():
    p = leaf(3.0)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert p.tolist() == pytest.approx([2.4])
    assert optimizer.step() is None


def test_descends_a_quadratic():
    for name in NAMES:
        p = leaf(3.0, -2.0)
        optimizer = getattr(optim, name)([p], lr=0.05)
        first = last = (p * p).sum().item()
        for _ in range(20):
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            optimizer.step()
            last = loss.item()
        assert last < first, name


def test_zero_grad():
    p = leaf(1.0)
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = torch.ones(1)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert p.grad is None
    (p * p).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0] and not p.grad.requires_grad


def test_a_buffer_that_an_option_asks_for_later_starts_at_zero():
    p = leaf(1.0)
    optimizer = stepped(optim.RMSprop([p], lr=0.1), 1.0)
    optimizer.param_groups[0]["momentum"] = 0.9
    stepped(optimizer, 1.0)
    assert set(optimizer.state[p]) == {"step", "square_avg", "momentum_buffer"}


def test_users_may_change_the_step_counter():
    p, q = leaf(1.0), leaf(1.0)
    optimizer = stepped(optim.Adam([p], lr=0.1), 1.0, 0.5)
    optimizer.state[p]["step"].fill_(7)
    stepped(optimizer, 0.3)
    assert optimizer.state[p]["step"].item() == 8
    optimizer.state[p]["step"] = torch.tensor(2.0)
    stepped(optimizer, 0.3)
    assert optimizer.state[p]["step"].item() == 3
    # The counter follows the default dtype, as in PyTorch.
    torch.set_default_dtype(torch.float64)
    try:
        other = stepped(optim.Adam([q], lr=0.1), 1.0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert other.state[q]["step"].dtype == torch.float64


# ---- own optimizers -----------------------------------------------------------------------


class Signs(Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad.sign(), alpha=-group["lr"])


class TwiceSigns(Signs):
    def step(self, closure=None):
        super().step()
        return super().step()


def test_an_optimizer_of_the_users():
    p = leaf(1.0, 1.0)
    calls = []
    optimizer = TwiceSigns([p])
    optimizer.register_step_post_hook(lambda *args: calls.append(args))
    p.grad = torch.tensor([3.0, -4.0])
    optimizer.step()
    assert p.tolist() == pytest.approx([0.8, 1.2])
    assert len(calls) == 1


# ---- hooks --------------------------------------------------------------------------------


def test_step_hooks_run_in_order():
    log = []
    optimizer = optim.SGD([leaf(1.0)], lr=0.1)
    other = optim.Adam([leaf(1.0)])
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: log.append("own pre")),
        optimizer.register_step_post_hook(lambda o, a, k: log.append("own post")),
        register_optimizer_step_pre_hook(lambda o, a, k: log.append(type(o).__name__ + " pre")),
        register_optimizer_step_post_hook(lambda o, a, k: log.append(type(o).__name__ + " post")),
    ]
    optimizer.step()
    other.step()
    assert log == ["SGD pre", "own pre", "own post", "SGD post", "Adam pre", "Adam post"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(log) == 6


def test_a_pre_hook_may_change_the_arguments():
    optimizer = optim.SGD([leaf(1.0)], lr=0.1)
    seen = []

    def hook(opt, args, kwargs):
        assert args[0] is opt
        return (opt,), {"closure": lambda: seen.append(1)}

    optimizer.register_step_pre_hook(hook)
    optimizer.step()
    assert seen == [1]
    optimizer.register_step_pre_hook(lambda o, a, k: 5)
    with pytest.raises(RuntimeError, match="None or a tuple"):
        optimizer.step()


def test_state_dict_hooks():
    log = []
    optimizer = stepped(optim.SGD([leaf(1.0)], lr=0.1, momentum=0.9), 1.0)
    optimizer.register_state_dict_pre_hook(lambda o: log.append("b"))
    optimizer.register_state_dict_pre_hook(lambda o: log.append("a"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    saved = optimizer.state_dict()
    assert log == ["a", "b"] and saved["extra"] == 1

    def strip(o, d):
        return {key: value for key, value in d.items() if key != "extra"}

    optimizer.register_load_state_dict_pre_hook(strip)
    optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    optimizer.load_state_dict(saved)
    assert log[-1] == "loaded" and "extra" in saved


# ---- saving -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["state_dict", "pickle", "deepcopy"])
def test_a_copy_goes_on_as_the_original(name, how):
    values = [1.0, -2.0, 0.5]
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    p = leaf(*values)
    original = stepped(getattr(optim, name)([p], lr=0.1, **options), 1.0, -0.5)
    if how == "state_dict":
        q = p.detach().clone().requires_grad_()
        other = getattr(optim, name)([q], lr=0.7)
        other.load_state_dict(original.state_dict())
    else:
        other = (
            copy.deepcopy(original) if how == "deepcopy" else pickle.loads(pickle.dumps(original))
        )
        (q,) = other.param_groups[0]["params"]
    assert other.param_groups[0]["lr"] == 0.1
    stepped(original, 0.3, 0.7)
    stepped(other, 0.3, 0.7)
    np.testing.assert_array_equal(q.tolist(), p.tolist())
    assert repr(other) == repr(original)


def test_the_form_of_a_state_dict():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    optimizer = optim.Adam([{"params": [a, b]}, {"params": [c], "lr": 0.5}])
    b.grad, c.grad = torch.ones(1), torch.ones(1)
    optimizer.step()
    saved = optimizer.state_dict()
    assert list(saved) == ["state", "param_groups"]
    assert [g["params"] for g in saved["param_groups"]] == [[0, 1], [2]]
    assert list(saved["state"]) == [1, 2]
    assert list(saved["state"][1]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][1]["step"].dtype == torch.float32
    assert saved["state"][1]["step"].shape == ()
    assert saved["state"][1]["exp_avg"] is optimizer.state[b]["exp_avg"]
    assert stepped(optim.SGD([a], lr=0.1), 1.0).state_dict()["state"] == {}


def test_loading_casts_and_copies():
    p = leaf(1.0)
    saved = stepped(optim.Adam([p]), 1.0).state_dict()
    q = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    other = optim.Adam([q])
    other.load_state_dict(saved)
    assert other.state[q]["exp_avg"].dtype == torch.float64
    assert other.state[q]["step"].dtype == torch.float32
    stepped(other, 1.0)
    assert saved["state"][0]["step"].item() == 1


def test_loading_what_does_not_fit_changes_nothing():
    two = optim.SGD([leaf(1.0), leaf(2.0)], lr=0.1)
    one = optim.SGD([leaf(1.0)], lr=0.2)
    groups = optim.SGD([{"params": leaf(1.0)}, {"params": leaf(2.0)}], lr=0.1)
    with pytest.raises(ValueError, match="doesn't match the size"):
        one.load_state_dict(two.state_dict())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        one.load_state_dict(groups.state_dict())
    assert one.param_groups[0]["lr"] == 0.2


def test_states_of_older_versions_are_understood():
    p = leaf(1.0)
    optimizer = stepped(optim.Adam([p], lr=0.1), 1.0)
    saved = copy.deepcopy(optimizer.state_dict())
    saved["state"][0]["step"] = 1
    for name in ("amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused"):
        del saved["param_groups"][0][name]
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["step"].item() == 1.0
    assert optimizer.param_groups[0]["amsgrad"] is False
    stepped(optimizer, 1.0)
    assert optimizer.state[p]["step"].item() == 2.0


def test_state_that_belongs_to_no_parameter_is_kept():
    optimizer = optim.SGD([leaf(1.0)], lr=0.1)
    saved = optimizer.state_dict()
    saved["state"]["note"] = {"text": "kept", "items": [1, (2, 3)]}
    optimizer.load_state_dict(saved)
    assert optimizer.state["note"] == {"text": "kept", "items": [1, (2, 3)]}


def test_names_survive_loading():
    named = optim.SGD([("w", leaf(1.0))], lr=0.1)
    plain = optim.SGD([leaf(1.0)], lr=0.1)
    named.load_state_dict(plain.state_dict())
    assert named.param_groups[0]["param_names"] == ["w"]
    plain.load_state_dict(named.state_dict())
    assert plain.param_groups[0]["param_names"] == ["w"]


def test_no_warning_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stepped(optim.Adam([leaf(1.0)]), 1.0, 2.0).state_dict()


@pytest.mark.parametrize(
    "change",
    [
        lambda state: 5,
        lambda state: {**state, "state": []},
        lambda state: {**state, "param_groups": {}},
        lambda state: {**state, "param_groups": [7]},
        lambda state: {**state, "state": {0: 1}},
        lambda state: {**state, "state": {0: {"step": "abc"}}},
        lambda state: {**state, "state": {0: {"exp_avg": torch.ones(1).expand(2**40)}}},
        lambda state: {**state, "state": {0: {"exp_avg": _nested(5000)}}},
    ],
)
def test_what_is_no_state_dict_changes_nothing(change: Any) -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    before = optimizer.state_dict()
    with pytest.raises((TypeError, ValueError)):
        optimizer.load_state_dict(change(before))
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]
    assert optimizer.state_dict()["state"][0]["step"] == before["state"][0]["step"]


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found
