"""The published weights of the models here, one row each, and the enums that are made of them."""

from __future__ import annotations

from typing import Any

from ._api import Weights, WeightsEnum

_BASE_URL = "https://download.pytorch.org/models/"

# model, weights, file, parameters, accuracy on ImageNet's validation set in %, size in MB
_TABLE = (
    ("AlexNet", "IMAGENET1K_V1", "alexnet-owt-7be5be79.pth", 61100840, 56.522, 233.087),
    ("VGG11", "IMAGENET1K_V1", "vgg11-8a719046.pth", 132863336, 69.020, 506.84),
    ("VGG11_BN", "IMAGENET1K_V1", "vgg11_bn-6002323d.pth", 132868840, 70.370, 506.881),
    ("VGG13", "IMAGENET1K_V1", "vgg13-19584684.pth", 133047848, 69.928, 507.545),
    ("VGG13_BN", "IMAGENET1K_V1", "vgg13_bn-abd245e5.pth", 133053736, 71.586, 507.59),
    ("VGG16", "IMAGENET1K_V1", "vgg16-397923af.pth", 138357544, 71.592, 527.796),
    (
        "VGG16",
        "IMAGENET1K_FEATURES",
        "vgg16_features-amdegroot-88682ab5.pth",
        138357544,
        None,
        527.802,
    ),
    ("VGG16_BN", "IMAGENET1K_V1", "vgg16_bn-6c64b313.pth", 138365992, 73.360, 527.866),
    ("VGG19", "IMAGENET1K_V1", "vgg19-dcbb9e9d.pth", 143667240, 72.376, 548.051),
    ("VGG19_BN", "IMAGENET1K_V1", "vgg19_bn-c79401a0.pth", 143678248, 74.218, 548.143),
    ("ResNet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth", 11689512, 69.758, 44.661),
    ("ResNet34", "IMAGENET1K_V1", "resnet34-b627a593.pth", 21797672, 73.314, 83.275),
    ("ResNet50", "IMAGENET1K_V1", "resnet50-0676ba61.pth", 25557032, 76.130, 97.781),
    ("ResNet50", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth", 25557032, 80.858, 97.79),
    ("ResNet101", "IMAGENET1K_V1", "resnet101-63fe2227.pth", 44549160, 77.374, 170.511),
    ("ResNet101", "IMAGENET1K_V2", "resnet101-cd907fc2.pth", 44549160, 81.886, 170.53),
    ("ResNet152", "IMAGENET1K_V1", "resnet152-394f9c45.pth", 60192808, 78.312, 230.434),
    ("ResNet152", "IMAGENET1K_V2", "resnet152-f82ba261.pth", 60192808, 82.284, 230.474),
    ("ResNeXt50_32X4D", "IMAGENET1K_V1", "resnext50_32x4d-7cdf4587.pth", 25028904, 77.618, 95.789),
    ("ResNeXt50_32X4D", "IMAGENET1K_V2", "resnext50_32x4d-1a0047aa.pth", 25028904, 81.198, 95.833),
    (
        "ResNeXt101_32X8D",
        "IMAGENET1K_V1",
        "resnext101_32x8d-8ba56ff5.pth",
        88791336,
        79.312,
        339.586,
    ),
    (
        "ResNeXt101_32X8D",
        "IMAGENET1K_V2",
        "resnext101_32x8d-110c445d.pth",
        88791336,
        82.834,
        339.673,
    ),
    (
        "ResNeXt101_64X4D",
        "IMAGENET1K_V1",
        "resnext101_64x4d-173b62eb.pth",
        83455272,
        83.246,
        319.318,
    ),
    ("Wide_ResNet50_2", "IMAGENET1K_V1", "wide_resnet50_2-95faca4d.pth", 68883240, 78.468, 131.82),
    ("Wide_ResNet50_2", "IMAGENET1K_V2", "wide_resnet50_2-9ba9bcbe.pth", 68883240, 81.602, 263.124),
    (
        "Wide_ResNet101_2",
        "IMAGENET1K_V1",
        "wide_resnet101_2-32ee1156.pth",
        126886696,
        78.848,
        242.896,
    ),
    (
        "Wide_ResNet101_2",
        "IMAGENET1K_V2",
        "wide_resnet101_2-d733dc28.pth",
        126886696,
        82.510,
        484.747,
    ),
)

# The least height and width that a family's pooling leaves something of.
_MIN_SIZE = {"AlexNet": (63, 63), "VGG": (32, 32)}

# Trained by the later recipe, whose images were resized to 232 before the crop.
_LATER_RECIPE = ("IMAGENET1K_V2", "resnext101_64x4d")


def weights_enum(model: str, module: str) -> type[WeightsEnum]:
    """Returns the enum class `<model>_Weights` of `module`; DEFAULT is the best for ImageNet."""
    members: dict[str, Weights] = {}
    for name, weights, file, parameters, accuracy, size in _TABLE:
        if name == model:
            members[weights] = _entry(model, weights, file, parameters, accuracy, size)
    best = [name for name in members if name.startswith("IMAGENET1K_V")][-1]
    members["DEFAULT"] = members[best]
    enum: Any = WeightsEnum
    created: type[WeightsEnum] = enum(f"{model}_Weights", members, module=module)
    return created


def _entry(
    model: str, name: str, file: str, parameters: int, accuracy: float | None, size: float
) -> Weights:
    options: dict[str, Any] = {"crop_size": 224}
    if name == _LATER_RECIPE[0] or file.startswith(_LATER_RECIPE[1]):
        options["resize_size"] = 232
    if name == "IMAGENET1K_FEATURES":
        # Ported from Caffe: bytes minus the mean, not divided by a deviation. The classifier's
        # part of the file is nan.
        options.update(mean=(0.48235, 0.45882, 0.40784), std=(1.0 / 255.0,) * 3)
    family = "VGG" if model.startswith("VGG") else model
    meta = {
        "num_params": parameters,
        "min_size": _MIN_SIZE.get(family, (1, 1)),
        "_metrics": {"ImageNet-1K": {"acc@1": float("nan") if accuracy is None else accuracy}},
        "_file_size": size,
    }
    # As in torchvision, which knows no classes for the features either and so checks nothing.
    classes = None if name == "IMAGENET1K_FEATURES" else 1000
    return Weights(_BASE_URL + file, options, meta, classes)
