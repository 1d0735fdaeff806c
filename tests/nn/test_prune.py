"""`nn.utils.prune`."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.utils import prune


def layer() -> Any:
    made = nn.Linear(3, 2)
    made.weight.data.copy_(torch.tensor([[0.1, -2.0, 3.0], [-0.2, 0.3, -4.0]]))
    return made


def test_the_least_are_pruned() -> None:
    m = prune.l1_unstructured(layer(), "weight", 3)
    assert m.weight_mask.tolist() == [[0, 1, 1], [0, 0, 1]]
    assert list(m.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    assert not isinstance(m.weight, nn.Parameter)
    m(torch.ones(1, 3)).sum().backward()
    assert m.weight_orig.grad.tolist() == [[0, 1, 1], [0, 0, 1]]


def test_pruning_again_prunes_what_is_left() -> None:
    m = prune.l1_unstructured(layer(), "weight", 3)
    prune.l1_unstructured(m, "weight", 1)
    assert m.weight_mask.tolist() == [[0, 0, 1], [0, 0, 1]]
    prune.ln_structured(m, "weight", 1, 2, 0)
    assert m.weight_mask.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert prune.is_pruned(m)
    (hook,) = m._forward_pre_hooks.values()
    assert [type(each).__name__ for each in hook] == [
        "L1Unstructured", "L1Unstructured", "LnStructured",
    ]  # fmt: skip


def test_removing_leaves_the_parameter() -> None:
    m = layer()
    held = m.weight
    prune.l1_unstructured(m, "weight", 0.5)
    prune.remove(m, "weight")
    assert m.weight is held
    assert m.weight.tolist()[0][0] == 0.0
    assert not prune.is_pruned(m)
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(m, "weight")


def test_importance_and_masks_of_the_users_own() -> None:
    m = prune.l1_unstructured(layer(), "weight", 2, torch.tensor([[3.0, 2, 1], [4, 5, 0]]))
    assert m.weight_mask.tolist() == [[1, 1, 0], [1, 1, 0]]
    prune.custom_from_mask(m, "weight", torch.tensor([[1, 0, 1], [1, 1, 1]]))
    assert m.weight_mask.tolist() == [[1, 0, 0], [1, 1, 0]]


def test_random_ones_are_as_many_as_asked_for() -> None:
    m = prune.random_unstructured(layer(), "weight", 4)
    assert m.weight_mask.sum() == 2
    m = prune.random_structured(layer(), "weight", 1, 1)
    assert sorted(m.weight_mask.sum(0).tolist()) == [0, 2, 2]


def test_several_as_if_they_were_one() -> None:
    a, b = layer(), layer()
    b.weight.data.mul_(10)
    prune.global_unstructured(
        [(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=5
    )
    assert a.weight_mask.sum() == 2
    assert b.weight_mask.sum() == 5


def test_an_error_leaves_the_module() -> None:
    m = layer()
    with pytest.raises(ValueError, match="smaller than the number"):
        prune.l1_unstructured(m, "weight", 7)
    assert list(m.state_dict()) == ["weight", "bias"]
    prune.l1_unstructured(m, "weight", 1)
    with pytest.raises(IndexError):
        prune.ln_structured(m, "weight", 1, 2, 5)
    assert m.weight_mask.sum() == 5
    assert prune.is_pruned(m)


def test_a_copy_is_pruned() -> None:
    m = prune.l1_unstructured(layer(), "weight", 3)
    m(torch.ones(1, 3))
    twin = copy.deepcopy(prune.remove(m, "weight"))
    assert torch.equal(twin.weight, m.weight)


def test_a_way_of_ones_own() -> None:
    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: torch.Tensor, default_mask: torch.Tensor) -> torch.Tensor:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    m = layer()
    EveryOther.apply(m, "bias")
    assert m.bias_mask.tolist() == [0, 1]
    assert EveryOther().prune(torch.ones(4)).tolist() == [0, 1, 0, 1]
