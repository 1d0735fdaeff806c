"""A small model of each of torchvision's families, made in whichever package has their names."""

from __future__ import annotations

import importlib

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
