"""`functorch`: models as functions of their parameters."""

from __future__ import annotations

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.compat import functorch

pytestmark = pytest.mark.filterwarnings("ignore:functorch:FutureWarning")


def test_a_function_and_its_parameters() -> None:
    model, x = nn.Linear(2, 1), torch.randn(3, 2)
    f, params = functorch.make_functional(model)
    torch.testing.assert_close(f(params, x), model(x))
    weight, bias = functorch.grad(lambda p: f(p, x).sum())(params)
    torch.testing.assert_close(weight[0], x.sum(0))
    assert bias.tolist() == [3.0] and model.weight.grad is None
    with pytest.raises(ValueError, match="Linear has 2 of these, not 1"):
        f(params[:1], x)


def test_buffers_are_arguments() -> None:
    model, x = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval(), torch.randn(3, 2)
    f, params, buffers = functorch.make_functional_with_buffers(
        model, disable_autograd_tracking=True
    )
    torch.testing.assert_close(f(params, buffers, x), model(x))
    assert len(buffers) == 3 and not any(p.requires_grad for p in params)
    with pytest.raises(RuntimeError, match="make_functional_with_buffers"):
        functorch.make_functional(model)


def test_an_ensemble() -> None:
    models, x = [nn.Linear(2, 1) for _ in range(3)], torch.randn(4, 2)
    f, params, buffers = functorch.combine_state_for_ensemble(models)
    out = functorch.vmap(f, in_dims=(0, 0, None))(params, buffers, x)
    torch.testing.assert_close(out, torch.stack([m(x) for m in models]))


def test_warns_of_what_to_write() -> None:
    with pytest.warns(FutureWarning, match="write torch.func.functional_call"):
        functorch.make_functional(nn.Linear(1, 1))
