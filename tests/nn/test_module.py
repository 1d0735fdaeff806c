"""`Module`: registration, attributes, walking, modes, text."""

from __future__ import annotations

import copy
import pickle
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))
        self.again = self.first
        self.scale = nn.Parameter(torch.ones(2))
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        return self.rest(self.first(x)) * self.scale


REPR = """Net(
  (first): Linear(in_features=3, out_features=4, bias=True)
  (rest): Sequential(
    (0): ReLU()
    (1): Linear(in_features=4, out_features=2, bias=True)
  )
  (again): Linear(in_features=3, out_features=4, bias=True)
)"""


def test_names_and_text() -> None:
    net = Net()
    names = ["scale", "first.weight", "first.bias", "rest.1.weight", "rest.1.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [name for name, _ in net.named_children()] == ["first", "rest"]
    assert [name for name, _ in net.named_buffers()] == ["steps"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert repr(net) == REPR
    assert {"first", "scale", "steps", "forward"} <= set(dir(net))


def test_trains() -> None:
    torch.manual_seed(0)
    net = Net()
    x, y = torch.randn(16, 3), torch.ones(16, 2)
    losses = []
    for _ in range(30):
        loss = nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


def test_attributes_follow_what_is_assigned() -> None:
    net = Net()
    net.scale = None
    assert [name for name, _ in net.named_parameters(recurse=False)] == []
    net.first = nn.Parameter(torch.ones(1))
    assert "first" in net._parameters and "first" not in net._modules
    net.steps = torch.ones(3)
    assert net._buffers["steps"] is net.steps
    with pytest.raises(TypeError, match="as parameter 'scale'"):
        net.scale = torch.ones(2)
    with pytest.raises(TypeError, match="as child module 'rest'"):
        net.rest = 3
    with pytest.raises(TypeError, match="as buffer 'steps'"):
        net.steps = 3
    del net.rest
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'rest'"):
        _ = net.rest


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (KeyError, lambda m: m.register_parameter("a.b", None)),
        (KeyError, lambda m: m.register_parameter("", None)),
        (TypeError, lambda m: m.register_parameter(3, None)),
        (KeyError, lambda m: m.register_parameter("forward", None)),
        (TypeError, lambda m: m.register_parameter("p", torch.ones(1))),
        (KeyError, lambda m: m.register_buffer("weight", None)),
        (TypeError, lambda m: m.register_buffer("b", 3)),
        (TypeError, lambda m: m.add_module("m", 3)),
        (KeyError, lambda m: m.add_module("weight", nn.ReLU())),
        (AttributeError, lambda m: m.get_submodule("a.b")),
        (AttributeError, lambda m: m.get_parameter("training")),
        (AttributeError, lambda m: m.get_buffer("weight")),
        (ValueError, lambda m: m.set_submodule("", nn.ReLU())),
        (ValueError, lambda m: m.train("yes")),
    ],
)
def test_wrong_registration(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        call(nn.Linear(1, 1))


def test_before_init() -> None:
    class Early(nn.Module):
        def __init__(self, value: Any) -> None:
            self.value = value

        def forward(self) -> int:
            return 1

    for value in (nn.ReLU(), nn.Parameter(torch.ones(1))):
        with pytest.raises(AttributeError, match="before Module.__init__"):
            Early(value)
    with pytest.raises(AttributeError, match="super"):
        Early(3)()


def test_forward_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()()


def test_dotted_paths() -> None:
    net = Net()
    assert net.get_submodule("rest.1") is net.rest[1] and net.get_submodule("") is net
    assert net.get_parameter("rest.1.bias") is net.rest[1].bias
    assert net.get_buffer("steps") is net.steps
    net.set_submodule("rest.0", nn.Tanh())
    assert isinstance(net.rest[0], nn.Tanh)


def test_modes() -> None:
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_zero_grad() -> None:
    net = Net()
    net(torch.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(float(p.grad.abs().sum()) == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_copies_are_apart() -> None:
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.first and other.first is not net.first
        with torch.no_grad():
            other.first.weight.fill_(3)
        assert float(net.first.weight.max()) < 3
        other.first.weight = nn.Parameter(torch.zeros(4, 3))
        np.testing.assert_array_equal(other(torch.ones(1, 3)).shape, (1, 2))


def test_own_getattr() -> None:
    class Wrap(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

    assert Wrap(nn.Linear(3, 4)).in_features == 3


def test_hooks_of_registration() -> None:
    from flambeau.nn.modules import module

    with module.register_module_parameter_registration_hook(
        lambda m, name, p: nn.Parameter(p * 0 + 9)
    ):
        layer = nn.PReLU()
    assert layer._parameters["weight"] is layer.weight


def test_call_reaches_forward_in_one_step() -> None:
    frames: list[str] = []

    class Probe(nn.Module):
        def forward(self) -> None:
            frame: Any = sys._getframe(1)
            frames.extend((frame.f_code.co_name, frame.f_back.f_code.co_name))

    Probe()()
    assert frames == ["__call__", "test_call_reaches_forward_in_one_step"]


def test_sequential_of_names() -> None:
    model = nn.Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.ReLU()))
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    assert model.a is model[0]
