"""torchvision's own models: the same keys and initial values, outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau as fl
from flambeau.vision import models

from . import torchvision_oracle
from .small_models import SMALL

torchvision = torchvision_oracle.load()

def pair(name):
    make, size = SMALL[name]
    torch.manual_seed(0)
    theirs = make(torchvision.models)
    fl.manual_seed(0)
    ours = make(models)
    return theirs.eval(), ours.eval(), size


@pytest.mark.parametrize("name", SMALL)
def test_a_model_is_the_same(name):
    theirs, ours, size = pair(name)
    first, second = theirs.state_dict(), ours.state_dict()
    assert list(first) == list(second)
    for key in first:
        np.testing.assert_array_equal(first[key].numpy(), second[key].numpy(), err_msg=key)
    x = np.random.default_rng(1).standard_normal((1, 3, size, size)).astype(np.float32)
    pictures = torch.from_numpy(x.copy()).requires_grad_(), fl.from_numpy(x.copy()).requires_grad_()
    expected, found = theirs(pictures[0]), ours(pictures[1])
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), atol=1e-4)
    expected.pow(2).mean().backward()
    found.pow(2).mean().backward()
    assert [n for n, _ in theirs.named_parameters()] == [n for n, _ in ours.named_parameters()]
    for (key, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        if p.grad is not None:
            grads = q.grad.numpy(), p.grad.numpy()
            np.testing.assert_allclose(*grads, rtol=1e-4, atol=1e-5, err_msg=key)


def test_facts_about_all_weights():
    for module, mine in (
        (torchvision.models, models),
        (torchvision.models.segmentation, models.segmentation),
    ):
        for name in torchvision.models.list_models(module=module):
            theirs = torchvision.models.get_model_weights(name)
            ours = models.get_model_weights(name)
            assert theirs.__name__ == ours.__name__
            assert hasattr(mine, name)
            assert list(theirs.__members__) == list(ours.__members__)
            for member in theirs.__members__:
                expected, found = theirs[member], ours[member]
                assert expected.url == found.url
                assert repr(expected.transforms()) == repr(found.transforms())
                meta = {key: expected.meta[key] for key in expected.meta if key != "_docs"}
                assert repr(sorted(meta.items())) == repr(sorted(found.meta.items()))
