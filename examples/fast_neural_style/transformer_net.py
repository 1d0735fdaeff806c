"""The network that paints: down, residual blocks, up (Johnson et al., 2016)."""

import torch


class ConvLayer(torch.nn.Module):
    """A convolution whose border is mirrored."""

    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super(ConvLayer, self).__init__()
        self.reflection_pad = torch.nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        return self.conv2d(self.reflection_pad(x))


class UpsampleConvLayer(torch.nn.Module):
    """Nearest pixels, then a convolution: fewer checkerboards than a transposed convolution."""

    def __init__(self, in_channels, out_channels, kernel_size, stride, upsample=None):
        super(UpsampleConvLayer, self).__init__()
        self.upsample = upsample
        self.reflection_pad = torch.nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        if self.upsample:
            x = torch.nn.functional.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


class ResidualBlock(torch.nn.Module):
    def __init__(self, channels):
        super(ResidualBlock, self).__init__()
        self.conv1 = ConvLayer(channels, channels, kernel_size=3, stride=1)
        self.in1 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, kernel_size=3, stride=1)
        self.in2 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.relu = torch.nn.ReLU()

    def forward(self, x):
        out = self.relu(self.in1(self.conv1(x)))
        return self.in2(self.conv2(out)) + x


class TransformerNet(torch.nn.Module):
    """Pictures (N, 3, H, W) with values up to 255 to pictures of the same size."""

    def __init__(self, width=8, blocks=2):
        super(TransformerNet, self).__init__()
        layers = [ConvLayer(3, width, 9, 1), torch.nn.InstanceNorm2d(width, affine=True),
                  torch.nn.ReLU()]  # fmt: skip
        for wide in (width, 2 * width):
            layers += [ConvLayer(wide, 2 * wide, 3, 2),
                       torch.nn.InstanceNorm2d(2 * wide, affine=True), torch.nn.ReLU()]  # fmt: skip
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            layers += [UpsampleConvLayer(wide, wide // 2, 3, 1, upsample=2),
                       torch.nn.InstanceNorm2d(wide // 2, affine=True), torch.nn.ReLU()]  # fmt: skip
        layers += [ConvLayer(width, 3, 9, 1)]
        self.model = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)
