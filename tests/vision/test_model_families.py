"""Every family of models: parameters for a seed, outputs, gradients, options and weights."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import models
from flambeau.vision.models import (
    convnext,
    densenet,
    efficientnet,
    mnasnet,
    mobilenetv3,
    regnet,
    shufflenetv2,
    swin_transformer,
    vision_transformer,
)
from flambeau.vision.models.maxvit import MaxVit

CLASSES = 7


def small_mobilenet_v3():
    setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.5)
    return mobilenetv3.MobileNetV3(setting, last, num_classes=CLASSES)


def small_efficientnet(fused):
    first = efficientnet.FusedMBConvConfig if fused else efficientnet.MBConvConfig
    stages = [first(1, 3, 1, 16, 16, 1), efficientnet.MBConvConfig(4, 3, 2, 16, 24, 2)]
    return efficientnet.EfficientNet(stages, 0.0, num_classes=CLASSES)


def small_swin(second):
    options = {}
    if second:
        options = {
            "block": swin_transformer.SwinTransformerBlockV2,
            "downsample_layer": swin_transformer.PatchMergingV2,
        }
    size = ([4, 4], 16, [2, 2], [2, 4], [4, 4])
    return swin_transformer.SwinTransformer(*size, num_classes=CLASSES, **options)


def small_vit():
    model = vision_transformer.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES)
    # As made, the last layer gives zeros.
    torch.nn.init.normal_(model.heads.head.weight, std=0.1)
    return model


def small_maxvit():
    size = ((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0)
    return MaxVit(*size, num_classes=CLASSES)


def small_convnext():
    stages = [convnext.CNBlockConfig(16, 24, 1), convnext.CNBlockConfig(24, None, 2)]
    return convnext.ConvNeXt(stages, layer_scale=0.5, num_classes=CLASSES)


def small_regnet():
    params = regnet.BlockParams.from_init_params(4, 16, 12.0, 2.0, 8, se_ratio=0.25)
    return regnet.RegNet(params, num_classes=CLASSES, stem_width=16)


# How a family's smallest is made, height and width of its pictures, the number of parameter
# tensors, the sum of all absolute values, and that of its outputs for a picture, as PyTorch has
# them of torchvision's code after manual_seed(0).
FAMILIES = {
    "squeezenet": (lambda: models.squeezenet1_1(num_classes=CLASSES), 32),
    "densenet": (lambda: densenet.DenseNet(8, (2, 2), 16, num_classes=CLASSES), 32),
    "mobilenet v2": (lambda: models.mobilenet_v2(num_classes=CLASSES, width_mult=0.25), 32),
    "mobilenet v3": (small_mobilenet_v3, 32),
    "mnasnet": (lambda: mnasnet.MNASNet(0.25, num_classes=CLASSES), 32),
    "shufflenet": (
        lambda: shufflenetv2.ShuffleNetV2([1, 2, 1], [8, 16, 32, 64, 64], num_classes=CLASSES),
        32,
    ),
    "efficientnet": (lambda: small_efficientnet(False), 32),
    "efficientnet v2": (lambda: small_efficientnet(True), 32),
    "convnext": (small_convnext, 32),
    "regnet": (small_regnet, 32),
    "vit": (small_vit, 32),
    "swin": (lambda: small_swin(False), 32),
    "swin v2": (lambda: small_swin(True), 32),
    "maxvit": (small_maxvit, 64),
}
STORED: dict[str, tuple[int, float, float]] = {
    "squeezenet": (52, 49966.76596086701, 0.04313662648200989),
    "densenet": (34, 1899.4905901680959, 2.673379898071289),
    "mobilenet v2": (158, 24639.0069544795, 1.1854747583583958e-07),
    "mobilenet v3": (142, 31266.757755015005, 2.9115589939010533e-08),
    "mnasnet": (158, 34405.86484974803, 6.892716100992402e-06),
    "shufflenet": (62, 1357.9041033476824, 0.6578845381736755),
    "efficientnet": (44, 2951.6050316534056, 0.02140524610877037),
    "efficientnet v2": (37, 3003.3097832731028, 0.037904031574726105),
    "convnext": (39, 423.20624495254845, 0.5083985328674316),
    "regnet": (66, 4029.3051675351862, 0.016867443919181824),
    "vit": (32, 931.3922461635023, 2.3253064155578613),
    "swin": (63, 897.4873152720711, 0.23761388659477234),
    "swin v2": (75, 1045.4572675498089, 0.5253934860229492),
    "maxvit": (94, 1427.3727168423572, 0.07324473559856415),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_and_outputs_for_a_seed(name):
    make, size = FAMILIES[name]
    count, total, expected = STORED[name]
    torch.manual_seed(0)
    model = make()
    parameters = [parameter.detach().numpy() for parameter in model.parameters()]
    assert len(parameters) == count
    summed = sum(np.abs(parameter).sum(dtype=np.float64) for parameter in parameters)
    np.testing.assert_allclose(summed, total, rtol=1e-6)
    model.eval()
    x = torch.linspace(-1, 1, 3 * size * size).reshape(1, 3, size, size)
    outputs = model(x)
    assert tuple(outputs.shape) == (1, CLASSES)
    np.testing.assert_allclose(outputs.abs().sum().item(), expected, rtol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_gets_a_gradient(name):
    make, size = FAMILIES[name]
    torch.manual_seed(0)
    model = make()
    model(torch.randn(2, 3, size, size)).square().sum().backward()
    without = [key for key, one in model.named_parameters() if one.grad is None]
    assert not without


@pytest.fixture(scope="module")
def googlenet():
    torch.manual_seed(0)
    return models.googlenet(num_classes=3, init_weights=False, transform_input=True)


def test_auxiliary_heads(googlenet):
    x = torch.randn(2, 3, 64, 64)
    outputs = googlenet.train()(x)
    assert type(outputs).__name__ == "GoogLeNetOutputs"
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [tuple(one.shape) for one in outputs] == [(2, 3)] * 3
    assert tuple(googlenet.eval()(x).shape) == (2, 3)
    plain = models.googlenet(num_classes=3, init_weights=False, aux_logits=False)
    assert plain.aux1 is None
    assert tuple(plain(x).shape) == (2, 3)


def test_the_scale_of_the_input(googlenet):
    x = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    spread = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    back = googlenet._transform_input((torch.full((1, 3, 1, 1), 0.75) - x) / spread)
    np.testing.assert_allclose(back.flatten().tolist(), [0.5, 0.5, 0.5], rtol=1e-5)


def test_the_initialisation_that_takes_long_warns():
    with pytest.warns(FutureWarning, match="init_weights"):
        models.GoogLeNet(num_classes=2, aux_logits=False)


def test_inception_has_its_parts():
    model = models.inception_v3(init_weights=False, num_classes=2)
    assert len(model.state_dict()) == 580
    assert model.AuxLogits is not None
    assert model.AuxLogits.conv1.stddev == 0.01
    without = models.Inception3(num_classes=2, aux_logits=False, init_weights=False).eval()
    assert tuple(without(torch.randn(1, 3, 75, 75)).shape) == (1, 2)


def test_old_names_of_densenets_and_vits_are_read():
    model = densenet.DenseNet(4, (1,), 8, num_classes=2)
    old = {}
    for key, value in model.state_dict().items():
        for name in ("norm1", "conv1", "norm2", "conv2"):
            key = key.replace(f"denselayer1.{name}.", f"denselayer1.{name[:-1]}.{name[-1]}.")
        old[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model.load_state_dict(old)
    block = vision_transformer.MLPBlock(4, 8, 0.0)
    state = {"linear_1.weight": torch.ones(8, 4), "linear_1.bias": torch.ones(8)}
    state |= {"linear_2.weight": torch.ones(4, 8), "linear_2.bias": torch.ones(4)}
    block.load_state_dict(state)
    assert block[3].weight.sum().item() == 32


def test_a_densenet_that_saves_memory_learns_the_same():
    gradients = []
    for memory_efficient in (False, True):
        torch.manual_seed(0)
        model = densenet.DenseNet(
            4, (2,), 8, num_classes=2, memory_efficient=memory_efficient
        ).eval()
        model(torch.ones(1, 3, 16, 16)).sum().backward()
        gradients.append([one.grad.numpy() for one in model.parameters()])
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)


def test_embeddings_of_positions_are_resized():
    state = small_vit().state_dict()
    resized = vision_transformer.interpolate_embeddings(48, 8, dict(state))
    assert tuple(resized["encoder.pos_embedding"].shape) == (1, 37, 16)
    corners = resized["encoder.pos_embedding"][0, [0, 1, 36]]
    np.testing.assert_allclose(
        corners.numpy(), state["encoder.pos_embedding"][0, [0, 1, 16]].numpy(), rtol=1e-4, atol=1e-6
    )
    headless = vision_transformer.interpolate_embeddings(48, 8, dict(state), reset_heads=True)
    assert not [key for key in headless if key.startswith("heads")]
    larger = vision_transformer.VisionTransformer(48, 8, 2, 2, 16, 32, num_classes=CLASSES)
    larger.load_state_dict(resized)


def test_a_wrong_picture_for_a_vit():
    with pytest.raises(AssertionError, match="Wrong image height"):
        small_vit()(torch.zeros(1, 3, 40, 32))


def test_a_mnasnet_of_version_1():
    model = mnasnet.MNASNet(0.5, num_classes=2)
    state = model.state_dict()
    state._metadata[""]["version"] = 1
    for index, layer in enumerate(mnasnet._stem(32, 16)):
        for key, value in layer.state_dict().items():
            state[f"layers.{index}.{key}"] = value
    stack = mnasnet._stack(16, mnasnet._get_depths(0.5)[2], mnasnet._STAGES[0])
    for key, value in stack.state_dict().items():
        state[f"layers.8.{key}"] = value
    with pytest.warns(UserWarning, match="version 1"):
        model.load_state_dict(state)
    assert model.layers[0].out_channels == 32


def test_segmentation():
    torch.manual_seed(0)
    make = models.segmentation.lraspp_mobilenet_v3_large
    model = make(weights_backbone=None, num_classes=4).eval()
    assert list(model(torch.randn(1, 3, 32, 48))) == ["out"]
    head = models.segmentation.deeplabv3.DeepLabHead(8, 4).eval()
    assert tuple(head(torch.randn(1, 8, 6, 5)).shape) == (1, 4, 6, 5)
    assert models.get_model_weights("fcn_resnet50").DEFAULT.meta["categories"][15] == "person"


def test_layers_by_name():
    from flambeau.vision.models._utils import IntermediateLayerGetter

    model = torch.nn.Sequential()
    for name, layer in (("a", torch.nn.ReLU()), ("b", torch.nn.Tanh()), ("c", torch.nn.ReLU())):
        model.add_module(name, layer)
    getter = IntermediateLayerGetter(model, {"a": "first", "b": "second"})
    assert list(getter) == ["a", "b"]
    outputs = getter(torch.tensor([-1.0, 1.0]))
    assert list(outputs) == ["first", "second"]
    assert outputs["first"].tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="not present"):
        IntermediateLayerGetter(model, {"d": "d"})


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: models.SqueezeNet("2_0"), ValueError),
        (lambda: models.MobileNetV2(inverted_residual_setting=[]), ValueError),
        (lambda: models.MobileNetV2(inverted_residual_setting=[[1, 2]]), ValueError),
        (lambda: models.MobileNetV3([], 8), ValueError),
        (lambda: models.MobileNetV3([3], 8), TypeError),
        (lambda: models.EfficientNet([], 0.1), ValueError),
        (lambda: models.EfficientNet([3], 0.1), TypeError),
        (lambda: models.ConvNeXt([]), ValueError),
        (lambda: models.ConvNeXt([3]), TypeError),
        (lambda: models.MNASNet(0.0), ValueError),
        (lambda: models.ShuffleNetV2([1, 1], [1] * 5), ValueError),
        (lambda: models.ShuffleNetV2([1, 1, 1], [1] * 4), ValueError),
        (lambda: shufflenetv2.InvertedResidual(4, 6, 1), ValueError),
        (lambda: regnet.BlockParams.from_init_params(4, 15, 1.0, 2.0, 8), ValueError),
        (lambda: MaxVit((60, 60), 16, 4, [16], [1], 8, 0.0), ValueError),
        (lambda: models.vit_b_16(image_size=100), AssertionError),
        (lambda: models.vit_b_16(weights="DEFAULT", image_size=128), ValueError),
        (lambda: models.GoogLeNet(blocks=[1], init_weights=False), ValueError),
        (lambda: models.segmentation.fcn_resnet50(weights="DEFAULT", num_classes=3), ValueError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()


def test_facts_about_weights():
    meta = models.EfficientNet_V2_S_Weights.DEFAULT.meta
    assert meta["num_params"] == 21458488
    assert meta["min_size"] == (33, 33)
    assert meta["categories"][:2] == ["tench", "goldfish"]
    assert len(meta["categories"]) == 1000
    assert meta["_metrics"]["ImageNet-1K"] == {"acc@1": 84.228, "acc@5": 96.878}
    assert models.VGG16_Weights.IMAGENET1K_FEATURES.meta["categories"] is None
    preset = models.EfficientNet_B0_Weights.DEFAULT.transforms()
    assert preset.interpolation.value == "bicubic"
    assert models.MobileNet_V2_Weights.DEFAULT is models.MobileNet_V2_Weights.IMAGENET1K_V2
    assert models.list_models(include="swin*") == [
        "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t"
    ]  # fmt: skip


class Downloads:
    """Gives a model's own state dict in place of a download."""

    def __init__(self, monkeypatch, state):
        self.urls = []
        self.state = state
        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", self.load)

    def load(self, url, **options):
        self.urls.append(url)
        return self.state


def test_weights_of_a_model_with_heads(monkeypatch):
    torch.manual_seed(3)
    source = models.GoogLeNet(init_weights=False)
    downloads = Downloads(monkeypatch, source.state_dict())
    model = models.googlenet(weights="DEFAULT")
    assert downloads.urls == [models.GoogLeNet_Weights.DEFAULT.url]
    assert (model.transform_input, model.aux_logits, model.aux1) == (True, False, None)
    assert torch.equal(model.fc.weight, source.fc.weight)
    with pytest.warns(UserWarning, match="NOT pretrained"):
        assert models.googlenet(weights="DEFAULT", aux_logits=True).aux1 is not None


def test_old_builders_of_others(monkeypatch):
    from flambeau.vision.models._utils import _ovewrite_named_param, handle_legacy_interface

    weights = models.ResNet18_Weights

    @handle_legacy_interface(weights=("pretrained", weights.IMAGENET1K_V1))
    def build(*, weights=None, progress=True, **options):
        return weights, progress, options

    assert build() == (None, True, {})
    assert build(weights="DEFAULT", a=1) == ("DEFAULT", True, {"a": 1})
    with pytest.warns(UserWarning, match="deprecated"):
        assert build(pretrained=True) == (weights.IMAGENET1K_V1, True, {})
    with pytest.warns(UserWarning, match="positional"):
        assert build(False) == (None, True, {})
    options = {"num_classes": 3}
    with pytest.raises(ValueError, match="num_classes"):
        _ovewrite_named_param(options, "num_classes", 4)
