"""The models beside the same code on PyTorch: parameters for a seed, outputs, gradients."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import flambeau as fl
from flambeau import vision as fl_vision

torch = pytest.importorskip("torch")

_path = Path(__file__).parent / "vision_on_torch.py"
_spec = importlib.util.spec_from_file_location("vision_on_torch", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
torch_vision = _module.load()


def small(block, **options):
    """Returns a maker of a ResNet of one block a stage."""

    def make(models):
        blocks = getattr(models.resnet, block)
        return models.resnet.ResNet(blocks, (1, 1, 1, 1), num_classes=10, **options)

    return make


def features(layers, batch_norm):
    """Returns a maker of a VGG's convolutions, initialised as within the VGG."""

    def make(models):
        result = models.vgg.make_layers(models.vgg.cfgs[models.vgg._PLANS[layers]], batch_norm)
        for module in result.modules():
            models.vgg._initialise(module)
        return result

    return make


MAKERS = {
    "lenet": (lambda models: models.lenet(), (4, 1, 32, 32)),
    "resnet18": (lambda models: models.resnet18(), (4, 3, 64, 64)),
    "basic": (small("BasicBlock"), (2, 3, 40, 40)),
    "bottleneck": (small("Bottleneck", zero_init_residual=True), (2, 3, 40, 40)),
    "resnext": (small("Bottleneck", groups=4, width_per_group=8), (2, 3, 40, 40)),
    "dilated": (
        small("Bottleneck", replace_stride_with_dilation=(False, True, True)),
        (2, 3, 40, 40),
    ),
    "vgg11": (features(11, False), (1, 3, 32, 32)),
    "vgg11_bn": (features(11, True), (2, 3, 32, 32)),
}


def pair(name, seed=0):
    """Returns the model of flambeau and that of PyTorch."""
    make, _ = MAKERS[name]
    fl.manual_seed(seed)
    torch.manual_seed(seed)
    return make(fl_vision.models), make(torch_vision.models)


@pytest.mark.parametrize("name", MAKERS)
def test_parameters_are_equal_bit_for_bit(name):
    ours, theirs = pair(name)
    ours_state, theirs_state = ours.state_dict(), theirs.state_dict()
    assert list(ours_state) == list(theirs_state)
    for key, value in theirs_state.items():
        np.testing.assert_array_equal(ours_state[key].numpy(), value.numpy(), err_msg=key)
    assert str(ours) == str(theirs)
    # Equal to the last draw: what comes next is equal too.
    np.testing.assert_array_equal(fl.rand(5).numpy(), torch.rand(5).numpy())


@pytest.mark.parametrize("name", MAKERS)
def test_outputs(name):
    ours, theirs = pair(name)
    x = torch.randn(MAKERS[name][1], generator=torch.Generator().manual_seed(1))
    same = fl.from_numpy(x.numpy().copy())
    for mode in (True, False):
        expected = theirs.train(mode)(x).detach().numpy()
        found = ours.train(mode)(same).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_gradients_of_the_lenet():
    ours, theirs = pair("lenet")
    x = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 0, 9, 4])
    torch.nn.functional.cross_entropy(theirs(x), labels).backward()
    same, same_labels = fl.from_numpy(x.numpy().copy()), fl.from_numpy(labels.numpy().copy())
    fl.nn.functional.cross_entropy(ours(same), same_labels).backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            mine.grad.numpy(), other.grad.numpy(), rtol=1e-3, atol=1e-6, err_msg=name
        )


def test_a_state_dict_goes_from_one_to_the_other():
    ours, theirs = pair("basic")
    torch.manual_seed(5)
    other = MAKERS["basic"][0](torch_vision.models)
    state = {key: fl.from_numpy(value.numpy().copy()) for key, value in other.state_dict().items()}
    ours.load_state_dict(state)
    np.testing.assert_array_equal(ours.fc.weight.detach().numpy(), other.fc.weight.detach().numpy())
    assert list(dict(ours.named_modules())) == list(dict(theirs.named_modules()))
