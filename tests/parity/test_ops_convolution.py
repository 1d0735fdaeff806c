"""Convolutions and transposed convolutions beside PyTorch's."""

from __future__ import annotations

import pytest

from .expressions import differing

ONE = """
    T.conv1d(a237, g433)
    T.conv1d(a237, g433, c4)
    T.conv1d(a37, g433, c4)
    T.conv1d(a237, g433, stride=2)
    T.conv1d(a237, g433, stride=(2,), padding=1)
    T.conv1d(a237, g433, None, [2], [2], [2])
    T.conv1d(a237, g433, padding=3, dilation=3)
    T.conv1d(a237, g313, groups=3)
    T.conv1d(a237, g613, c6, groups=3)
    T.conv1d(a247, g623, groups=2)
    T.conv1d(a237, g433, padding='same')
    T.conv1d(a237, g434, padding='same')
    T.conv1d(a237, g434, padding='same', dilation=2)
    T.conv1d(a237, g433, padding='valid')
    T.conv1d(a237, g431, c4)
    T.conv1d(a237, g437)
    T.conv1d(a732_t, g433)
    T.conv1d(a037, g433, c4)
    T.conv1d(a237, g334_t, c4)
"""

TWO = """
    T.conv2d(a2365, g4332)
    T.conv2d(a2365, g4332, c4)
    T.conv2d(a365, g4332, c4)
    T.conv2d(a2365, g4332, c4, 2)
    T.conv2d(a2365, g4332, c4, (2, 1), (1, 2))
    T.conv2d(a2365, g4332, None, 1, 1, 2)
    T.conv2d(a2365, g4332, None, (2, 3), (2, 1), (1, 2))
    T.conv2d(a2365, g3133, groups=3, padding=1)
    T.conv2d(a2365, g6132, c6, groups=3)
    T.conv2d(a2465, g6232, c6, (2, 1), 1, 1, 2)
    T.conv2d(a2365, g4311, c4)
    T.conv2d(a2365, g4311, c4, stride=2)
    T.conv2d(a2365, g4311, padding=1)
    T.conv2d(a2365, g3111, groups=3)
    T.conv2d(a2365, g4365)
    T.conv2d(a2365, g4333, padding='same')
    T.conv2d(a2365, g4324, padding='same', dilation=(1, 2))
    T.conv2d(a2365, g4333, padding='valid', stride=2)
    T.conv2d(a5632_t, g4332)
    T.conv2d(a2365, g2334_t)
    T.conv2d(a0365, g4332, c4)
    T.conv2d(a2365, g4333, stride=3)
    T.conv2d(a2366, g4322, stride=2)
    T.conv2d(a2388, g4355, c4)
    T.conv2d(a1388, g4333, c4, padding=1)
    T.conv2d(a3388[::2, :, 1:, ::2], g4322)
"""

THREE = """
    T.conv3d(a12454, g32232, c3)
    T.conv3d(a2454, g32232, c3, padding=1)
    T.conv3d(a12454, g32222, c3, (1, 2, 1), (1, 0, 1), (2, 1, 1))
    T.conv3d(a12454, g21232, groups=2)
    T.conv3d(a12454, g32111, c3)
    T.conv3d(a12454, g32222, padding='same')
"""

TRANSPOSED = """
    T.conv_transpose1d(a237, g343)
    T.conv_transpose1d(a237, g343, c4, stride=2)
    T.conv_transpose1d(a37, g343, c4, 2, 1, 1)
    T.conv_transpose1d(a237, g343, c4, 3, 1, 2, 1, 2)
    T.conv_transpose1d(a247, g423, c6, 2, groups=3)
    T.conv_transpose1d(a247, g423, c4, 2, groups=2)
    T.conv_transpose1d(a247, g413, c4, groups=4, dilation=2)
    T.conv_transpose1d(a037, g343, c4)
    T.conv_transpose2d(a2365, g3432)
    T.conv_transpose2d(a2365, g3432, c4)
    T.conv_transpose2d(a365, g3432, c4, stride=2)
    T.conv_transpose2d(a2365, g3432, c4, (2, 1), (1, 0), (1, 0))
    T.conv_transpose2d(a2365, g3433, None, 2, 1, 1)
    T.conv_transpose2d(a2365, g3432, None, 1, 1, 0, 1, 2)
    T.conv_transpose2d(a2465, g4232, c4, 2, 1, 1, 2)
    T.conv_transpose2d(a2465, g4133, groups=4)
    T.conv_transpose2d(a2365, g3411, c4)
    T.conv_transpose2d(a5632_t, g3432)
    T.conv_transpose3d(a12333, g23222, c3)
    T.conv_transpose3d(a2333, g23222, c3, 2, 1, 1)
"""

WRONG = """
    T.conv2d(a235, g4332)
    T.conv2d(a35, g4332)
    T.conv2d(a12365, g4332)
    T.conv2d(a2365, g433)
    T.conv2d(a2265, g4332)
    T.conv2d(a2365, g4332, c3)
    T.conv2d(a2365, g4332, c41)
    T.conv2d(a2365, g4377)
    T.conv2d(a2365, g4332, stride=0)
    T.conv2d(a2365, g4332, stride=-1)
    T.conv2d(a2365, g4332, padding=-1)
    T.conv2d(a2365, g4332, dilation=0)
    T.conv2d(a2365, g4332, groups=0)
    T.conv2d(a2365, g4332, groups=-1)
    T.conv2d(a2365, g4332, groups=2)
    T.conv2d(a2465, g3232, groups=2)
    T.conv2d(a2365, g4332, stride=(1, 2, 3))
    T.conv2d(a2365, g4332, padding=(1, 2, 3))
    T.conv2d(a2365, g4332, dilation=(1, 2, 3))
    T.conv2d(a2365, g4332, padding='other')
    T.conv2d(a2365, g4332, padding='same', stride=2)
    T.conv2d(a2365, g4332, stride=1.5)
    T.conv2d(a2365, g4332, padding=0.5)
    T.conv2d(a2365, g4332, stride='a')
    T.conv2d(a2365, g4332, groups=1.0)
    T.conv2d(a2365, w4332.to(T.float16))
    T.conv2d(a2365, k4332)
    T.conv2d(k2365, k4332)
    T.conv2d(a2365, g4332, T.ones(4).to(T.float16))
    T.conv2d(a2365)
    T.conv2d(1, g4332)
    T.conv2d(a2365, 1)
    T.conv2d(a2365, g4332, 1)
    T.conv2d([[1.]], g4332)
    T.conv2d(a2305, g4332)
    T.conv2d(a2365, g0332)
    T.conv2d(a2365, g4302)
    T.conv1d(a2365, g433)
    T.conv1d(a237, g439)
    T.conv3d(a2365, g43222)
    T.conv_transpose2d(a2365, g2432)
    T.conv_transpose2d(a2365, g3432, c3)
    T.conv_transpose2d(a2365, g3432, c4, output_padding=1)
    T.conv_transpose2d(a2365, g3432, c4, stride=2, output_padding=2)
    T.conv_transpose2d(a2365, g3432, c4, stride=0)
    T.conv_transpose2d(a2365, g3432, c4, padding=-1)
    T.conv_transpose2d(a2365, g3432, c4, output_padding=-1)
    T.conv_transpose2d(a2365, g3432, c4, padding=9)
    T.conv_transpose2d(a2365, g3432, c4, groups=2)
    T.conv_transpose2d(a2365, g3432, c4, groups=0)
    T.conv_transpose2d(a2365, g3432, c4, dilation=0)
    T.conv_transpose2d(a65, g3432)
    T.conv_transpose2d(a2365, g343)
    T.conv_transpose2d(a2365, w3432.to(T.float16))
    T.conv_transpose2d(a2365, g3432, stride=(1, 2, 3))
    T.conv_transpose2d(a2365, g3432, padding='same')
"""

SECOND = """
    x, w, b = a1243, g3222, c3; T.autograd.grad((T.conv2d(x, w, b, 1, 1) ** 2).sum(), [x, w, b], create_graph=True)
    x, w, b = a1243, g3222, c3; T.autograd.grad((T.conv2d(x, w, b, 2, 1, 2) ** 2).sum(), [x, w, b], create_graph=True)
    x, w, b = a1443, g4222, c4; T.autograd.grad((T.conv2d(x, w, b, 1, 1, 1, 2) ** 2).sum(), [x, w, b], create_graph=True)
    x, w, b = a1243, g2322, c3; T.autograd.grad((T.conv_transpose2d(x, w, b, 2, 1, 1) ** 2).sum(), [x, w, b], create_graph=True)
    x, w = a127, g423; T.autograd.grad((T.conv1d(x, w, None, 2) ** 2).sum(), [x, w], create_graph=True)
"""


@pytest.mark.parametrize(
    "block", [ONE, TWO, THREE, TRANSPOSED, WRONG], ids=["1d", "2d", "3d", "transposed", "wrong"]
)
def test_values_and_gradients(block: str) -> None:
    assert differing(block, "float32", "float64", grad=True, node=block is not TRANSPOSED) == ""


def test_dtypes() -> None:
    block = """
        T.conv2d(a2365, g4332, c4, 2, 1)
        T.conv2d(a2365, g3133, groups=3)
        T.conv_transpose2d(a2365, g3432, c4, 2, 1, 1)
        T.conv1d(a237, g433, c4)
    """
    dtypes = ("bfloat16", "float16", "int64", "int32", "uint8", "bool", "complex64", "complex128")
    assert differing(block, *dtypes, grad=True, node=False) == ""


def test_second_derivatives() -> None:
    assert differing(SECOND, "float64", grad=True, node=False) == ""
