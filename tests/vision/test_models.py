"""The models: parameters for a seed, weights, and the list."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import models
from flambeau.vision.models import resnet, vgg


def bottlenecks():
    return resnet.ResNet(
        resnet.Bottleneck, (1, 1, 1, 1), num_classes=10, groups=4, width_per_group=8
    )


def vgg_features():
    features = vgg.make_layers(vgg.cfgs["A"], batch_norm=True)
    for module in features.modules():
        vgg._initialise(module)
    return features


# Number of parameter tensors, sum of all absolute values, and the first three values of the first
# tensor, as PyTorch makes them of the same code after manual_seed(0).
PARAMETERS = [
    (models.lenet, 10, 1818.5516245808171, [-0.001497364, 0.107288718, -0.16460903]),
    (models.resnet18, 62, 235862.11503662038, [0.024109675, 0.007528775, 0.046658374]),
    (bottlenecks, 53, 140586.02804653315, [-0.0268701, 0.001104566, 0.007680306]),
    (vgg_features, 32, 163368.7160230528, [-0.008291068, 0.03303628, 0.130123928]),
]


@pytest.mark.parametrize(("make", "count", "total", "first"), PARAMETERS)
def test_parameters_for_a_seed(make, count, total, first):
    torch.manual_seed(0)
    parameters = [parameter.detach().numpy() for parameter in make().parameters()]
    assert len(parameters) == count
    np.testing.assert_allclose(parameters[0].ravel()[:3], first, rtol=1e-6)
    summed = sum(np.abs(parameter).sum(dtype=np.float64) for parameter in parameters)
    np.testing.assert_allclose(summed, total, rtol=1e-7)


@pytest.mark.parametrize(
    ("make", "shape", "training", "evaluating"),
    [
        (models.lenet, (2, 1, 32, 32), 1.0204006461426616, 1.0204006461426616),
        (bottlenecks, (1, 3, 64, 64), 3.1989320116117597, 0.3183942437171936),
    ],
)
def test_outputs_for_a_seed(make, shape, training, evaluating):
    torch.manual_seed(0)
    model = make()
    x = torch.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    np.testing.assert_allclose(model(x).abs().sum().item(), training, rtol=2e-3)
    model.eval()
    np.testing.assert_allclose(model(x).abs().sum().item(), evaluating, rtol=2e-3)


def test_names_of_parameters():
    model = models.resnet18()
    names = [name for name, _ in model.named_parameters()]
    assert names[:4] == ["conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight"]
    assert "layer2.0.downsample.1.bias" in names
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert "layer3.1.bn2.num_batches_tracked" in model.state_dict()


def test_a_backward_through_a_resnet():
    model = bottlenecks()
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_resnet_options():
    model = resnet.ResNet(
        resnet.Bottleneck,
        (1, 1, 2, 2),
        num_classes=5,
        zero_init_residual=True,
        replace_stride_with_dilation=(False, True, True),
    )
    assert model.layer4[1].conv2.dilation == (4, 4)
    assert model.layer4[0].conv2.dilation == (2, 2)
    assert model.layer1[0].bn3.weight.abs().sum().item() == 0.0
    features = model.layer4(model.layer3(model.layer2(model.layer1(torch.zeros(1, 64, 4, 4)))))
    assert tuple(features.shape) == (1, 2048, 2, 2)


def test_what_each_resnet_is_made_of(monkeypatch):
    monkeypatch.setattr(resnet, "ResNet", lambda block, layers, **options: (block, layers, options))
    basic, bottleneck = resnet.BasicBlock, resnet.Bottleneck
    assert models.resnet34(num_classes=3) == (basic, (3, 4, 6, 3), {"num_classes": 3})
    assert models.resnet50() == (bottleneck, (3, 4, 6, 3), {})
    assert models.resnet101() == (bottleneck, (3, 4, 23, 3), {})
    assert models.resnet152() == (bottleneck, (3, 8, 36, 3), {})
    for name, layers, options in (
        ("resnext50_32x4d", (3, 4, 6, 3), {"groups": 32, "width_per_group": 4}),
        ("resnext101_32x8d", (3, 4, 23, 3), {"groups": 32, "width_per_group": 8}),
        ("resnext101_64x4d", (3, 4, 23, 3), {"groups": 64, "width_per_group": 4}),
        ("wide_resnet50_2", (3, 4, 6, 3), {"width_per_group": 128}),
        ("wide_resnet101_2", (3, 4, 23, 3), {"width_per_group": 128}),
    ):
        assert models.get_model(name) == (bottleneck, layers, options)
    grouped = bottleneck(64, 64, groups=32, base_width=4)
    assert (grouped.conv2.groups, grouped.conv2.out_channels) == (32, 128)
    assert bottleneck(64, 64, base_width=128).conv2.out_channels == 128


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: resnet.BasicBlock(8, 8, groups=2), ValueError),
        (lambda: resnet.BasicBlock(8, 8, dilation=2), NotImplementedError),
        (lambda: models.resnet18(replace_stride_with_dilation=(False,)), ValueError),
        (lambda: models.resnet18(weights="IMAGENET1K_V9"), KeyError),
        (lambda: models.resnet18(weights=models.ResNet34_Weights.DEFAULT), TypeError),
        (lambda: models.resnet18(weights="DEFAULT", num_classes=10), ValueError),
        (lambda: models.get_model("resnet19"), ValueError),
        (lambda: models.get_model_weights("lenet"), ValueError),
        (lambda: models.get_weight("ResNet18_Weights"), ValueError),
        (lambda: models.get_weight("ResNet18_Weights.NONE"), ValueError),
        (lambda: models.register_model("lenet")(models.lenet), ValueError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()


def test_structure_of_the_others():
    features = vgg.make_layers(vgg.cfgs["D"])
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in features) == 13
    assert isinstance(features[30], torch.nn.MaxPool2d)
    assert str(models.lenet(num_classes=3).fc3) == (
        "Linear(in_features=84, out_features=3, bias=True)"
    )


def test_the_list_of_models():
    names = models.list_models()
    assert {"alexnet", "lenet", "vgg16_bn", "resnet152", "wide_resnet101_2"} <= set(names)
    assert names == sorted(names)
    assert models.list_models(include="resnet*", exclude=["*1*"]) == ["resnet34", "resnet50"]
    assert models.list_models(vgg) == [name for name in names if name.startswith("vgg")]
    apart = models.list_models(models.segmentation)
    assert "fcn_resnet50" in apart
    assert models.list_models(models) == [name for name in names if name not in apart]
    assert models.get_model_builder("ResNet18") is models.resnet18
    assert callable(models.alexnet)
    assert isinstance(models.get_model("lenet", num_classes=4), models.LeNet)


def test_every_model_with_weights_has_them():
    for name in models.list_models(exclude="lenet"):
        weights = models.get_model_weights(name)
        assert weights.__name__.lower() == f"{name}_weights"
        assert weights.DEFAULT in list(weights)
        for member in weights:
            assert member.url.startswith("https://download.pytorch.org/models/")
            assert member.meta["num_params"] > 10**6


def test_weights_enums():
    weights = models.ResNet50_Weights
    assert weights.DEFAULT is weights.IMAGENET1K_V2
    assert weights.IMAGENET1K_V1.url.endswith("resnet50-0676ba61.pth")
    assert repr(weights.IMAGENET1K_V2) == "ResNet50_Weights.IMAGENET1K_V2"
    assert weights.verify("ResNet50_Weights.IMAGENET1K_V1") is weights.IMAGENET1K_V1
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V1") is weights.IMAGENET1K_V1
    assert models.get_model_weights(models.resnet50) is weights
    assert pickle.loads(pickle.dumps(weights.DEFAULT)) is weights.DEFAULT
    assert copy.deepcopy(weights.DEFAULT) is weights.DEFAULT
    assert models.VGG16_Weights.DEFAULT is models.VGG16_Weights.IMAGENET1K_V1


def test_the_transform_of_weights(image):
    preset = models.ResNet18_Weights.DEFAULT.transforms()
    assert repr(preset) == "\n".join(
        [
            "ImageClassification(",
            "    crop_size=[224]",
            "    resize_size=[256]",
            "    mean=[0.485, 0.456, 0.406]",
            "    std=[0.229, 0.224, 0.225]",
            "    interpolation=InterpolationMode.BILINEAR",
            ")",
        ]
    )
    assert models.ResNet50_Weights.IMAGENET1K_V2.transforms().resize_size == [232]
    small = models.ResNet18_Weights.DEFAULT.transforms(crop_size=16, resize_size=20)
    assert tuple(small(image).shape) == (3, 16, 16)
    assert tuple(small(torch.zeros(2, 3, 40, 30, dtype=torch.uint8)).shape) == (2, 3, 16, 16)


@pytest.fixture
def downloads(monkeypatch):
    """Records what would be downloaded, and gives LeNet-sized nothing: a ResNet-18's own state."""
    calls = []
    torch.manual_seed(7)
    state = models.resnet18().state_dict()

    def load(url, **options):
        calls.append((url, options))
        return state

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    return calls


def test_weights_are_loaded(downloads):
    url = models.ResNet18_Weights.DEFAULT.url
    torch.manual_seed(7)
    expected = models.resnet18().fc.weight
    loaded = models.resnet18(weights="DEFAULT", progress=False)
    assert torch.equal(loaded.fc.weight, expected)
    models.resnet18(weights=models.ResNet18_Weights.IMAGENET1K_V1)
    assert downloads == [
        (url, {"progress": False, "check_hash": True}),
        (url, {"progress": True, "check_hash": True}),
    ]


@pytest.mark.parametrize("arguments", [((True,), {}), ((), {"pretrained": True})])
def test_pretrained_still_works_with_a_warning(downloads, arguments):
    positional, named = arguments
    with pytest.warns(UserWarning, match="deprecated") as caught:
        models.resnet18(*positional, **named)
    assert len(downloads) == 1
    assert [warning.filename for warning in caught] == [__file__, __file__]
    assert "ResNet18_Weights.IMAGENET1K_V1" in str(caught[1].message)


def test_pretrained_false_loads_nothing(downloads):
    with pytest.warns(UserWarning, match="pretrained"):
        models.resnet18(pretrained=False)
    assert downloads == []
