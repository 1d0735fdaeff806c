"""The network that judges: activations in the middle of VGG-16, or of a small one like it."""

from collections import namedtuple

import torch
from torchvision import models

Outputs = namedtuple("Outputs", ["relu1_2", "relu2_2", "relu3_3", "relu4_3"])


def small_features():
    """The layers of VGG-16 up to the fourth block, an eighth as wide."""
    layers, channels = [], 3
    for width, depth in ((8, 2), (16, 2), (32, 3), (64, 3)):
        if layers:
            layers.append(torch.nn.MaxPool2d(kernel_size=2, stride=2))
        for _ in range(depth):
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU(inplace=True)]
            channels = width
    return torch.nn.Sequential(*layers)


class Vgg16(torch.nn.Module):
    """The four activations of a picture; the weights stay as they are."""

    def __init__(self, small=True, requires_grad=False):
        super(Vgg16, self).__init__()
        features = small_features() if small else models.vgg16(weights=None).features
        self.slices = torch.nn.ModuleList()
        for begin, end in ((0, 4), (4, 9), (9, 16), (16, 23)):
            part = torch.nn.Sequential()
            for x in range(begin, end):
                part.add_module(str(x), features[x])
            self.slices.append(part)
        if not requires_grad:
            for param in self.parameters():
                param.requires_grad = False

    def forward(self, X):
        results = []
        for part in self.slices:
            X = part(X)
            results.append(X)
        return Outputs(*results)
