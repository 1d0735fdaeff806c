"""`__torch_function__`: subclasses of Tensor, other objects, modes."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.frontend import overriding
from flambeau.overrides import (
    DisableTorchFunctionSubclass,
    TorchFunctionMode,
    get_overridable_functions,
    handle_torch_function,
    has_torch_function,
    is_tensor_like,
    is_tensor_method_or_property,
    resolve_name,
)

SEEN: list[str] = []


class Noting(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        SEEN.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Plain(torch.Tensor):
    pass


class Foreign:
    """No tensor, but it knows what add and square are of it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("add", "square", "linear", "cat", "mean"):
            return func.__name__, types
        return NotImplemented


@pytest.fixture(autouse=True)
def _empty() -> None:
    SEEN.clear()


@pytest.mark.parametrize("f", [
    lambda x: x + 1, lambda x: 1 - x, torch.sin, torch.square, lambda x: x.sum(), lambda x: x.view(2, 2),
    lambda x: x[0], lambda x: torch.stack([x, x]), lambda x: x.split(2)[0], lambda x: x.T,
    lambda x: torch.max(x.view(2, 2), 1).values, lambda x: nn.functional.relu(x), torch.zeros_like,
    lambda x: x.clone().add_(1), lambda x: x.detach(), lambda x: nn.functional.softmax(x, 0),
])  # fmt: skip
def test_results_are_of_the_subclass(f: Any) -> None:
    x = torch.arange(4.0).as_subclass(Plain)
    found = f(x)
    assert type(found) is Plain
    assert torch.equal(found.as_subclass(torch.Tensor), f(torch.arange(4.0)))


def test_a_class_sees_the_functions_that_are_called() -> None:
    x = torch.arange(4.0).as_subclass(Noting)
    y = torch.square(x) + x.sum()
    nn.functional.relu(y)
    y.shape  # noqa: B018
    assert SEEN == ["square", "sum", "add", "relu", "__get__"]
    SEEN.clear()
    with DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor
    assert not SEEN


def test_gradients_of_subclasses() -> None:
    x = torch.arange(3.0).as_subclass(Plain).requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 4.0]


def test_parameters_are_ordinary() -> None:
    p = nn.Parameter(torch.ones(2))
    assert type(p + 1) is torch.Tensor and not has_torch_function((p,))
    assert type(nn.Linear(2, 1)(torch.ones(1, 2).as_subclass(Plain))) is Plain


def test_objects_that_are_no_tensors() -> None:
    d, x = Foreign(), torch.ones(2)
    assert torch.add(x, d) == ("add", (Foreign,)) == torch.add(d, 1)
    assert torch.square(d)[0] == "square" and torch.mean(d)[0] == "mean"
    assert torch.cat([x, d])[0] == "cat"
    assert nn.functional.linear(d, x)[0] == "linear"
    with pytest.raises(TypeError, match="no implementation found"):
        torch.exp(d)
    with pytest.raises(TypeError, match="must be Tensor"):
        torch.exp(object())


def test_functions_of_the_users_own() -> None:
    def mine(a: Any) -> Any:
        if has_torch_function((a,)):
            return handle_torch_function(mine, (a,), a)
        return "mine"

    assert mine(torch.ones(1)) == "mine"
    assert mine(torch.ones(1).as_subclass(Plain)) == "mine"
    with pytest.raises(TypeError):
        mine(Foreign())
    assert is_tensor_like(Foreign()) and is_tensor_like(torch.ones(1)) and not is_tensor_like(1)


class Log(TorchFunctionMode):
    def __init__(self) -> None:
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_modes_see_everything_and_leave_nothing() -> None:
    code = torch.add.__code__
    with Log() as outer, Log() as inner:
        x = torch.ones(2) + 1
        torch.square(x).sum()
        nn.functional.relu(x)
        function = torch.add
    assert inner.names == outer.names == ["ones", "add", "square", "sum", "relu"]
    assert function is torch.add and torch.add.__code__ is code
    assert not overriding.state.modes
    torch.ones(2)
    assert len(inner.names) == 5


def test_a_mode_may_do_something_else() -> None:
    class Doubled(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            return found * 2 if func is torch.exp else found

    with Doubled():
        assert torch.exp(torch.zeros(1)).item() == 2.0
    with pytest.raises(ZeroDivisionError), Doubled():
        1 / 0  # noqa: B018
    assert torch.exp(torch.zeros(1)).item() == 1.0


def test_names() -> None:
    assert resolve_name(torch.add) == "torch.add"
    assert resolve_name(nn.functional.relu) == "torch.nn.functional.relu"
    assert resolve_name(torch.Tensor.shape.__get__) == "torch.Tensor.shape.__get__"
    assert resolve_name(print) is None
    assert torch.add in get_overridable_functions()[torch]
    assert is_tensor_method_or_property(torch.Tensor.add)


def test_functions_show_their_signature_inside_of_a_mode() -> None:
    before = {f: inspect.signature(f) for f in (nn.functional.dropout, torch.zeros, torch.add)}
    with Log():
        assert {f: inspect.signature(f) for f in before} == before
    assert {f: inspect.signature(f) for f in before} == before


def test_autocast_that_begins_inside_of_a_mode() -> None:
    x = torch.ones(2, 2)
    with Log(), torch.autocast("cpu"):
        assert torch.mm(x, x).dtype is torch.bfloat16
    with torch.autocast("cpu"):
        assert torch.mm(x, x).dtype is torch.bfloat16
    assert torch.mm(x, x).dtype is torch.float32
