"""torchvision's own models: the same keys and initial values, outputs and gradients."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

import flambeau as fl
from flambeau.vision import models

from . import torchvision_oracle

torchvision = torchvision_oracle.load()

CLASSES = 5


def part(package, name):
    """A module of torchvision's models, or of ours."""
    return importlib.import_module(f"{package.__name__}.{name}")


def mobilenet_v3(package):
    module = part(package, "mobilenetv3")
    setting, last = module._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.5)
    return module.MobileNetV3(setting, last, num_classes=CLASSES)


def efficientnet(package):
    module = part(package, "efficientnet")
    stages = [module.FusedMBConvConfig(1, 3, 1, 16, 16, 1)]
    stages.append(module.MBConvConfig(4, 3, 2, 16, 24, 2))
    return module.EfficientNet(stages, 0.0, num_classes=CLASSES)


def swin(package, second):
    module = part(package, "swin_transformer")
    options = {}
    if second:
        options = {
            "block": module.SwinTransformerBlockV2, "downsample_layer": module.PatchMergingV2
        }  # fmt: skip
    size = ([4, 4], 16, [2, 2], [2, 4], [4, 4])
    return module.SwinTransformer(*size, num_classes=CLASSES, **options)


def convnext(package):
    module = part(package, "convnext")
    stages = [module.CNBlockConfig(16, 24, 1), module.CNBlockConfig(24, None, 2)]
    return module.ConvNeXt(stages, layer_scale=0.5, num_classes=CLASSES)


def regnet(package):
    module = part(package, "regnet")
    params = module.BlockParams.from_init_params(4, 16, 12.0, 2.0, 8, se_ratio=0.25)
    return module.RegNet(params, num_classes=CLASSES, stem_width=16)


def maxvit(package):
    size = ((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0)
    return part(package, "maxvit").MaxVit(*size, num_classes=CLASSES)


# How a small one of each family is made, in either package, and height and width of its pictures.
SMALL = {
    "squeezenet": (lambda M: M.squeezenet1_1(num_classes=CLASSES), 32),
    "resnet": (lambda M: M.ResNet(M.resnet.BasicBlock, [1, 1, 1, 1], num_classes=CLASSES), 32),
    "densenet": (lambda M: M.DenseNet(8, (2, 2), 16, num_classes=CLASSES), 32),
    "mobilenet v2": (lambda M: M.mobilenet_v2(num_classes=CLASSES, width_mult=0.25), 32),
    "mobilenet v3": (mobilenet_v3, 32),
    "mnasnet": (lambda M: M.MNASNet(0.25, num_classes=CLASSES), 32),
    "shufflenet": (
        lambda M: M.ShuffleNetV2([1, 2, 1], [8, 16, 32, 64, 64], num_classes=CLASSES),
        32,
    ),  # fmt: skip
    "efficientnet": (efficientnet, 32),
    "googlenet": (lambda M: M.GoogLeNet(CLASSES, init_weights=False), 32),
    "convnext": (convnext, 32),
    "regnet": (regnet, 32),
    "vit": (lambda M: M.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES), 32),
    "swin": (lambda M: swin(M, False), 32),
    "swin v2": (lambda M: swin(M, True), 32),
    "maxvit": (maxvit, 64),
}


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
