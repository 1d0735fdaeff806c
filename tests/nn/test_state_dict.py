"""Saving and loading state."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn


def model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def values(module: nn.Module) -> list[Any]:
    return [t.tolist() for t in module.state_dict().values()]


def test_keys_and_versions() -> None:
    state = model().state_dict()
    assert type(state) is OrderedDict
    assert list(state) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked", "2.weight", "2.bias",
    ]  # fmt: skip
    versions = {key: entry["version"] for key, entry in state._metadata.items()}
    assert versions == {"": 1, "0": 1, "1": 2, "2": 1}


def test_shares_memory_unless_loaded() -> None:
    source, target = model(0), model(1)
    state = source.state_dict()
    assert repr(target.load_state_dict(state)) == "<All keys matched successfully>"
    assert values(source) == values(target)
    with torch.no_grad():
        source[0].weight.fill_(7)
    assert state["0.weight"][0, 0].item() == 7 and target[0].weight[0, 0].item() != 7
    assert not state["0.weight"].requires_grad
    assert source.state_dict(keep_vars=True)["0.weight"] is source[0].weight


def test_keys_that_differ() -> None:
    target = model()
    part = OrderedDict(model(1).state_dict(), extra=torch.ones(1))
    del part["2.bias"]
    found = target.load_state_dict(part, strict=False)
    assert found.missing_keys == ["2.bias"] and found.unexpected_keys == ["extra"]
    with pytest.raises(RuntimeError, match='Missing key.*"2.bias"') as caught:
        target.load_state_dict(part)
    assert 'Unexpected key(s) in state_dict: "extra"' in str(caught.value)


def test_an_error_changes_nothing() -> None:
    target = model()
    before = values(target)
    wrong = model(1).state_dict()
    wrong["2.weight"] = torch.ones(9)
    for strict in (True, False):
        with pytest.raises(RuntimeError, match="size mismatch for 2.weight"):
            target.load_state_dict(wrong, strict=strict)
        assert values(target) == before
    with pytest.raises(TypeError):
        target.load_state_dict(3)  # type: ignore[arg-type]


def test_assign() -> None:
    target, state = model(), model(1).state_dict()
    target.load_state_dict(state, assign=True)
    assert isinstance(target[0].weight, nn.Parameter) and target[0].weight.requires_grad
    with torch.no_grad():
        state["0.weight"].fill_(5)
    assert target[0].weight[0, 0].item() == 5


def test_one_element_for_a_scalar() -> None:
    module = nn.Module()
    module.p = nn.Parameter(torch.tensor(1.0))
    module.load_state_dict({"p": torch.tensor([4.0])})
    assert module.p.item() == 4


def test_buffers_that_are_not_kept() -> None:
    module = nn.Module()
    module.register_buffer("kept", torch.ones(1))
    module.register_buffer("lost", torch.ones(1), persistent=False)
    module.own = nn.Buffer(torch.ones(1), persistent=False)
    assert list(module.state_dict()) == ["kept"]


def test_extra_state() -> None:
    class Noted(nn.Module):
        note = "old"

        def get_extra_state(self) -> str:
            return self.note

        def set_extra_state(self, state: str) -> None:
            self.note = state

    first, second = nn.Sequential(Noted()), nn.Sequential(Noted())
    first[0].note = "new"
    state = first.state_dict()
    assert dict(state) == {"0._extra_state": "new"}
    second.load_state_dict(state)
    assert second[0].note == "new"
    with pytest.raises(RuntimeError, match="0._extra_state"):
        second.load_state_dict({})


def test_hooks_run_and_see_what_they_should() -> None:
    layer, log = nn.Linear(1, 1), []
    with torch.no_grad():
        layer.weight.fill_(1)
    layer.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("save", prefix)))
    layer.register_state_dict_post_hook(lambda m, d, prefix, meta: d.pop(prefix + "bias") and None)
    layer.register_load_state_dict_pre_hook(
        lambda m, d, prefix, *rest: d.setdefault(prefix + "bias", torch.zeros(1)) and None
    )
    layer.register_load_state_dict_post_hook(
        lambda m, keys: log.append(("loaded", m.weight.item()))
    )
    outer = nn.Sequential(layer)
    state = outer.state_dict()
    assert list(state) == ["0.weight"]
    state["0.weight"] = torch.full((1, 1), 6.0)
    outer.load_state_dict(state)
    assert log == [("save", "0."), ("loaded", 6.0)]


def test_an_overridden_loader_sees_its_values() -> None:
    class Checked(nn.Linear):
        def _load_from_state_dict(self, *args: Any) -> None:
            super()._load_from_state_dict(*args)
            self.seen = self.weight.item()

    layer = Checked(1, 1)
    layer.load_state_dict({"weight": torch.full((1, 1), 8.0), "bias": torch.zeros(1)})
    assert layer.seen == 8


def test_old_batch_norm_has_no_counter() -> None:
    norm = nn.BatchNorm1d(2)
    state = dict(norm.state_dict())
    del state["num_batches_tracked"]
    norm.load_state_dict(state)
    assert norm.num_batches_tracked.item() == 0


def test_positional_arguments_warn() -> None:
    with pytest.warns(FutureWarning):
        state = nn.Linear(1, 1).state_dict(OrderedDict(), "p.")
    assert list(state) == ["p.weight", "p.bias"]


def test_keys_that_are_no_names_are_unexpected() -> None:
    layer = torch.nn.Linear(1, 1)
    state = layer.state_dict()
    state[5] = torch.ones(1)
    with pytest.raises(RuntimeError, match='Unexpected key.* "5"'):
        layer.load_state_dict(state)
    layer.load_state_dict(state, strict=False)
    state._metadata = 5
    layer.load_state_dict(state, strict=False)
    state._metadata = {"": {"version": "x"}}
    layer.load_state_dict(state, strict=False)
