"""Hooks before and after forward and backward."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.modules import module as module_hooks


class Scale(nn.Module):
    def forward(self, x: Any, factor: float = 1.0) -> Any:
        if factor < 0:
            raise ValueError("negative factor")
        return x * factor


def test_forward_hooks_change_arguments_and_result() -> None:
    scale = Scale()
    before = scale.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    after = scale.register_forward_hook(lambda m, args, result: result * 10)
    assert scale(torch.ones(1), factor=3.0).item() == 60
    before.remove()
    assert scale(torch.ones(1)).item() == 10
    after.remove()
    assert scale(torch.ones(1)).item() == 1
    with scale.register_forward_hook(lambda m, args, result: result + 5):
        assert scale(torch.ones(1)).item() == 6
    assert not scale._forward_hooks


def test_order_and_keywords() -> None:
    scale, log = Scale(), []
    scale.register_forward_hook(lambda m, a, r: log.append("second"))
    scale.register_forward_hook(lambda m, a, r: log.append("first"), prepend=True)
    scale.register_forward_hook(lambda m, a, k, r: log.append(k["factor"]), with_kwargs=True)
    scale.register_forward_pre_hook(lambda m, a, k: (a, {"factor": 4.0}), with_kwargs=True)
    assert scale(torch.ones(1), factor=2.0).item() == 4
    assert log == ["first", "second", 4.0]


def test_always_called() -> None:
    scale, log = Scale(), []
    scale.register_forward_hook(lambda m, a, r: log.append(r), always_call=True)
    scale.register_forward_hook(lambda m, a, r: log.append("only after success"))
    with pytest.raises(ValueError, match="negative"):
        scale(torch.ones(1), factor=-1.0)
    assert log == [None]


def test_wrong_result_of_a_pre_hook() -> None:
    scale = Scale()
    scale.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args"):
        scale(torch.ones(1))


def test_full_backward_hook() -> None:
    scale, seen = Scale(), []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append((grad_input[0].item(), grad_output[0].item()))
        return (grad_input[0] * 100,)

    scale.register_full_backward_hook(hook)
    scale.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 2,))
    x = torch.ones(1, requires_grad=True)
    scale(x, factor=3.0).backward()
    assert seen == [(6.0, 2.0)]
    assert x.grad.item() == 600


def test_backward_hook_without_gradient_of_the_input() -> None:
    layer, seen = nn.Linear(1, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].item())))
    layer(torch.ones(1, 1)).sum().backward()
    assert seen == [((None,), 1.0)]


def test_backward_hook_of_several_outputs() -> None:
    class Two(nn.Module):
        def forward(self, a: Any, b: Any, text: str) -> Any:
            return a * b, a + b

    seen: list[Any] = []
    two = Two()
    two.register_full_backward_hook(
        lambda m, gi, go: seen.append([None if g is None else g.item() for g in (*gi, *go)])
    )
    a, b = (torch.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    product, _ = two(a, b, "text")
    product.backward()
    assert seen == [[3.0, 2.0, None, 1.0, None]]


def test_wrong_number_of_gradients() -> None:
    scale = Scale()
    scale.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="got 2, but expected 1"):
        scale(torch.ones(1, requires_grad=True)).backward()


def test_both_kinds_of_backward_hooks() -> None:
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="both"):
        layer.register_backward_hook(lambda *args: None)


def test_hooks_of_all_modules() -> None:
    log: list[str] = []
    handles = [
        module_hooks.register_module_forward_pre_hook(lambda m, a: log.append("pre")),
        module_hooks.register_module_forward_hook(lambda m, a, r: log.append("post")),
        module_hooks.register_module_full_backward_hook(lambda m, gi, go: log.append("back")),
    ]
    scale = Scale()
    scale(torch.ones(1, requires_grad=True)).backward()
    for handle in handles:
        handle.remove()
    scale(torch.ones(1))
    assert log == ["pre", "post", "back"]


def test_backward_hooks_that_see_less_than_they_promise_warn() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].register_full_backward_hook(lambda m, before, after: None)
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        net(torch.ones(1, 2)).sum().backward()
    net.register_backward_hook(lambda m, before, after: None)
    with pytest.warns(FutureWarning, match="more than one autograd node"):
        net(torch.ones(1, 2))
