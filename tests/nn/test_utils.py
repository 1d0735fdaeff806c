"""Clipping gradients, parameters as a vector, packing."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn


def layer() -> nn.Linear:
    made = nn.Linear(2, 1)
    made.weight.grad = torch.tensor([[3.0, 0.0]])
    made.bias.grad = torch.tensor([4.0])
    return made


def test_clip_grad_norm() -> None:
    made = layer()
    assert nn.utils.clip_grad_norm_(made.parameters(), 1.0).item() == 5
    np.testing.assert_allclose(made.weight.grad.numpy(), [[0.6, 0]], rtol=1e-5)
    made = layer()
    assert nn.utils.clip_grad_norm_(made.parameters(), 100.0, float("inf")).item() == 4
    assert made.bias.grad.item() == 4
    made.bias.grad.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(made.parameters(), 1.0, error_if_nonfinite=True)
    with pytest.warns(FutureWarning):
        nn.utils.clip_grad_norm(made.parameters(), 1.0)
    assert nn.utils.get_total_norm([]).item() == 0


def test_clip_grad_value() -> None:
    made = layer()
    nn.utils.clip_grad_value_(made.parameters(), 2.5)
    assert made.weight.grad.tolist() == [[2.5, 0]] and made.bias.grad.tolist() == [2.5]


def test_vector_of_parameters() -> None:
    made = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(made.parameters())
    assert vector.tolist() == made.weight.reshape(-1).tolist() + made.bias.tolist()
    nn.utils.vector_to_parameters(torch.arange(6.0), made.parameters())
    assert made.bias.tolist() == [4, 5] and made.weight.requires_grad


def test_padding_and_packing() -> None:
    parts = [torch.arange(float(n)) for n in (3, 1, 2)]
    padded = nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=-1.0)
    assert padded.tolist() == [[0, 1, 2], [0, -1, -1], [0, 1, -1]]
    packed = nn.utils.rnn.pack_sequence(parts, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1] and packed.sorted_indices.tolist() == [0, 2, 1]
    back = nn.utils.rnn.unpack_sequence(packed)
    assert [each.tolist() for each in back] == [each.tolist() for each in parts]


def test_prefixes() -> None:
    from flambeau.nn.modules.utils import consume_prefix_in_state_dict_if_present

    state = nn.DataParallel(nn.Linear(1, 1)).state_dict()
    assert list(state) == ["module.weight", "module.bias"]
    consume_prefix_in_state_dict_if_present(state, "module.")
    nn.Linear(1, 1).load_state_dict(state)


def test_skip_init_takes_nothing_from_the_generator() -> None:
    torch.manual_seed(0)
    nn.utils.skip_init(nn.Linear, 5, 5)
    first = torch.rand(1).item()
    torch.manual_seed(0)
    assert torch.rand(1).item() == first
