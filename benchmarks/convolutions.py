"""Every convolution of the tutorial's network and of ResNet-18, forward, by data and by weight."""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Callable
from typing import Any, NamedTuple

from flambeau.codegen import conv
from flambeau.codegen.peak import peak

from . import measure
from .native import Room

WAYS = ("forward", "by data", "by weight")


class Layer(NamedTuple):
    """A convolution of images: `size` is their height and width."""

    batch: int
    inside: int
    outside: int
    kernel: int
    size: int
    stride: int = 1
    padding: int = 0
    bias: bool = False

    @property
    def out(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def flops(self) -> float:
        """Multiplications and additions, done plainly."""
        return 2.0 * self.batch * self.outside * self.out**2 * self.inside * self.kernel**2

    def __str__(self) -> str:
        s = f" stride {self.stride}" if self.stride > 1 else ""
        channels = f"{self.inside:>3} -> {self.outside:<3}"
        return f"{channels} {self.kernel}x{self.kernel}{s}, {self.size}x{self.size}"


def tutorial(batch: int) -> list[Layer]:
    return [Layer(batch, 3, 6, 5, 32, bias=True), Layer(batch, 6, 16, 5, 14, bias=True)]


def resnet(batch: int, large: bool) -> list[Layer]:
    """Those of ResNet-18 that differ, in order."""
    size = 56 if large else 32
    stem = Layer(batch, 3, 64, 7, 224, 2, 3) if large else Layer(batch, 3, 64, 3, 32, 1, 1)
    layers = [stem, Layer(batch, 64, 64, 3, size, 1, 1)]
    for inside in (64, 128, 256):
        outside = 2 * inside
        layers += [
            Layer(batch, inside, outside, 3, size, 2, 1), Layer(batch, inside, outside, 1, size, 2),
            Layer(batch, outside, outside, 3, size // 2, 1, 1),
        ]  # fmt: skip
        size //= 2
    return layers


NETWORKS = {
    "tutorial CNN, batch 4": tutorial(4),
    "tutorial CNN, batch 64": tutorial(64),
    "tutorial CNN, batch 256": tutorial(256),
    "ResNet-18 (32x32 stem), batch 32": resnet(32, False),
    "ResNet-18 at 224x224, batch 4": resnet(4, True),
    "ResNet-18 at 224x224, batch 1": resnet(1, True),
}


def ours(layer: Layer, way: str) -> Callable[[], Any] | None:
    """What runs a layer on our kernels, if there are some for it."""
    n, i, o, k, s = layer.batch, layer.inside, layer.outside, layer.kernel, layer.size
    room = Room()
    x, w = room.random(n, i, s, s), room.random(o, i, k, k)
    y = room.random(n, o, layer.out, layer.out)
    tail = ((layer.stride,) * 2, (layer.padding,) * 2, (1, 1), 1)
    if way == "forward":
        bias = room.random(o) if layer.bias else None
        launches = conv.plan_forward(room, x, w, bias, y, *tail)
    elif way == "by data":
        launches = conv.plan_input(room, y, w, x, *tail)
    else:
        launches = conv.plan_weight(room, y, x, w, *tail)
    return None if launches is None else room.call(launches)


def theirs(layer: Layer, way: str, torch: Any) -> Callable[[], Any]:
    """The same in PyTorch."""
    n, i, o, k, s = layer.batch, layer.inside, layer.outside, layer.kernel, layer.size
    x, w, b = torch.randn(n, i, s, s), torch.randn(o, i, k, k), torch.randn(o)
    g = torch.randn(n, o, layer.out, layer.out)
    bias = b if layer.bias else None
    stride, padding, one, zero = [layer.stride] * 2, [layer.padding] * 2, [1, 1], [0, 0]
    if way == "forward":
        return lambda: torch.ops.aten.convolution(x, w, bias, stride, padding, one, False, zero, 1)
    mask = [way == "by data", way == "by weight", False]
    return lambda: torch.ops.aten.convolution_backward(
        g, x, w, None, stride, padding, one, False, zero, 1, mask
    )


def show(options: Namespace) -> None:
    import torch

    torch.set_grad_enabled(False)
    p = peak()
    most = p.flops["float32"]
    print(
        f"convolutions, {p.threads} threads; FMA peak {most / 1e9:.0f} GFLOP/s. GFLOP/s count the "
        f"plain algorithm's\nmultiplications and additions (Winograd's does fewer)"
    )
    for network, layers in NETWORKS.items():
        if options.only.lower() in network.lower():
            _network(network, layers, options.samples or 7, most, torch)


def _network(name: str, layers: list[Layer], samples: int, most: float, torch: Any) -> None:
    sides = f"{'flambeau':>12}{'GFLOP/s':>9}{'peak':>6}{'PyTorch':>12}{'GFLOP/s':>9}{'ratio':>8}"
    print(f"\n{name:<51}{sides}")
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for layer in layers:
        for way in WAYS:
            mine = ours(layer, way)
            if mine is None:
                print(f"  {layer!s:<38}{way:<11}{'no kernel':>12}")
                continue
            a, b = measure.in_turns([mine, theirs(layer, way, torch)], samples)
            ratios[way].append(b / a)
            print(
                f"  {layer!s:<38}{way:<11}{a * 1e3:>9.3f} ms{layer.flops / a / 1e9:>9.1f}"
                f"{layer.flops / a / most:>6.0%}{b * 1e3:>9.3f} ms{layer.flops / b / 1e9:>9.1f}"
                f"{b / a:>7.2f}x",
                flush=True,
            )
    means = (f"{way} {statistics.geometric_mean(r):.2f}x" for way, r in ratios.items() if r)
    print(f"  geometric means: {', '.join(means)}")


