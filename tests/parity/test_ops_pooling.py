"""Pooling beside PyTorch's."""

from __future__ import annotations

import pytest

from .expressions import differing

MAX = """
    T.max_pool1d(a237, 2)
    T.max_pool1d(a37, 3, 2)
    T.max_pool1d(a237, 3, 1, 1)
    T.max_pool1d(a237, 3, stride=2, padding=1, dilation=2)
    T.max_pool1d(a237, 2, ceil_mode=True)
    T.max_pool1d(a237, (2,), (1,))
    T.nn.functional.max_pool1d(a237, 2, return_indices=True)
    T.max_pool2d(a2376, 2)
    T.max_pool2d(a376, 2)
    T.max_pool2d(a2376, (3, 2))
    T.max_pool2d(a2376, 3, 2, 1)
    T.max_pool2d(a2376, (3, 2), (2, 1), (1, 0))
    T.max_pool2d(a2376, 2, 1, 0, 2)
    T.max_pool2d(a2376, 3, 2, 1, 1, True)
    T.max_pool2d(a2376, 2, 2, ceil_mode=True)
    T.max_pool2d(a2376, 3, 3, 1, ceil_mode=True)
    T.max_pool2d(a2376, 2, stride=[])
    T.max_pool2d(a2376, 1)
    T.max_pool2d(a2376, 1, 2)
    T.max_pool2d(a2376, 2, 3)
    T.max_pool2d(a2355, 4, 1, 2)
    T.max_pool2d(r2376, 2)
    T.max_pool2d(r2376, 3, 1, 1)
    T.max_pool2d(n2376, 2)
    T.max_pool2d(n2376, 3, 2, 1)
    T.max_pool2d(a6732_t, 2)
    T.max_pool2d(a3388[::2, :, 1:, ::2], 2)
    T.max_pool2d(a0376, 2)
    T.nn.functional.max_pool2d(a2376, 2, return_indices=True)
    T.nn.functional.max_pool2d(r2376, 3, 2, 1, return_indices=True)
    T.nn.functional.max_pool2d(r2376, 3, 2, 1, ceil_mode=True, return_indices=True)
    T.nn.functional.max_pool2d(n2376, 2, return_indices=True)
    T.nn.functional.max_pool2d(T.full((1, 1, 3, 3), -inf), 2, 1, 1, return_indices=True)
    T.nn.functional.max_pool2d(a376, 2, 1, 1, 2, return_indices=True)
    T.max_pool3d(a12454, 2)
    T.max_pool3d(a2454, 2)
    T.max_pool3d(a12454, (2, 3, 1), (1, 2, 1), (0, 1, 0))
    T.max_pool3d(a12454, 2, 2, 1, 1, True)
    T.nn.functional.max_pool3d(r12454, 2, return_indices=True)
"""

AVERAGE = """
    T.avg_pool1d(a237, 2)
    T.avg_pool1d(a37, 3, 2)
    T.avg_pool1d(a237, 3, 1, 1)
    T.avg_pool1d(a237, 3, 1, 1, False, False)
    T.avg_pool1d(a237, 2, ceil_mode=True)
    T.nn.functional.avg_pool2d(a2376, 2)
    T.nn.functional.avg_pool2d(a376, 2)
    T.nn.functional.avg_pool2d(a2376, (3, 2))
    T.nn.functional.avg_pool2d(a2376, 3, 2, 1)
    T.nn.functional.avg_pool2d(a2376, (3, 2), (2, 1), (1, 0))
    T.nn.functional.avg_pool2d(a2376, 3, 2, 1, True)
    T.nn.functional.avg_pool2d(a2376, 3, 2, 1, True, False)
    T.nn.functional.avg_pool2d(a2376, 3, 2, 1, False, False)
    T.nn.functional.avg_pool2d(a2376, 3, 2, 1, True, True, 5)
    T.nn.functional.avg_pool2d(a2376, 3, divisor_override=-2)
    T.nn.functional.avg_pool2d(a2376, 2, 3)
    T.nn.functional.avg_pool2d(a6732_t, 2)
    T.nn.functional.avg_pool2d(a0376, 2)
    T.nn.functional.avg_pool3d(a12454, 2)
    T.nn.functional.avg_pool3d(a2454, 2, 1, 1, False, False)
    T.nn.functional.avg_pool3d(a12454, (2, 3, 1), (1, 2, 1), (0, 1, 0), True)
"""

ADAPTIVE = """
    T.adaptive_avg_pool1d(a237, 3)
    T.adaptive_avg_pool1d(a37, 1)
    T.adaptive_avg_pool1d(a236, 3)
    T.adaptive_avg_pool1d(a237, (9,))
    T.nn.functional.adaptive_avg_pool2d(a2376, 3)
    T.nn.functional.adaptive_avg_pool2d(a376, (2, 4))
    T.nn.functional.adaptive_avg_pool2d(a2376, 1)
    T.nn.functional.adaptive_avg_pool2d(a376, (1, 1))
    T.nn.functional.adaptive_avg_pool2d(a2376, (None, 2))
    T.nn.functional.adaptive_avg_pool2d(a2376, (7, 6))
    T.nn.functional.adaptive_avg_pool2d(a2376, (9, 8))
    T.nn.functional.adaptive_avg_pool2d(a2388, (4, 2))
    T.nn.functional.adaptive_avg_pool2d(a0376, 3)
    T.nn.functional.adaptive_avg_pool2d(a6732_t, 2)
    T.nn.functional.adaptive_avg_pool3d(a12454, 2)
    T.nn.functional.adaptive_avg_pool3d(a2454, (3, 2, 1))
    T.nn.functional.adaptive_avg_pool3d(a12454, 1)
    T.nn.functional.adaptive_max_pool1d(a237, 3)
    T.nn.functional.adaptive_max_pool1d(a37, 3, True)
    T.nn.functional.adaptive_max_pool2d(a2376, 3)
    T.nn.functional.adaptive_max_pool2d(a376, (2, 4), True)
    T.nn.functional.adaptive_max_pool2d(r2376, (None, 2), return_indices=True)
    T.nn.functional.adaptive_max_pool2d(n376, 2, return_indices=True)
    T.nn.functional.adaptive_max_pool2d(a2376, (9, 8), return_indices=True)
    T.nn.functional.adaptive_max_pool2d(a0376, 3)
    T.nn.functional.adaptive_max_pool3d(a12454, 2, True)
"""

WRONG = """
    T.max_pool2d(a37, 2)
    T.max_pool2d(a22376, 2)
    T.max_pool2d(a2376, 0)
    T.max_pool2d(a2376, -1)
    T.max_pool2d(a2376, 2, 0)
    T.max_pool2d(a2376, 2, -1)
    T.max_pool2d(a2376, 2, 1, -1)
    T.max_pool2d(a2376, 2, 1, 2)
    T.max_pool2d(a2376, 2, 1, 0, 0)
    T.max_pool2d(a2376, 8)
    T.max_pool2d(a2376, 2, dilation=9)
    T.max_pool2d(a2376, (2, 2, 2))
    T.max_pool2d(a2376, 2, (1, 1, 1))
    T.max_pool2d(a2376, 2, 1, (1, 1, 1))
    T.max_pool2d(a2376, 2.5)
    T.max_pool2d(a2376, 'a')
    T.max_pool2d(a2376, 2, 1.5)
    T.max_pool2d(a2376)
    T.max_pool2d(1, 2)
    T.max_pool2d(a2076, 2)
    T.max_pool2d(a2306, 2)
    T.max_pool2d(b2376, 2)
    T.max_pool1d(a2376, 2)
    T.max_pool1d(a7, 2)
    T.max_pool1d(a237, 9)
    T.max_pool1d(a237, 0)
    T.max_pool3d(a2376, 9)
    T.nn.functional.avg_pool2d(a2376, 0)
    T.nn.functional.avg_pool2d(a2376, 2, 0)
    T.nn.functional.avg_pool2d(a2376, 2, 1, 2)
    T.nn.functional.avg_pool2d(a2376, 2, 1, -1)
    T.nn.functional.avg_pool2d(a2376, 8)
    T.nn.functional.avg_pool2d(a2376, 2, divisor_override=0)
    T.nn.functional.avg_pool2d(a2376, (2, 2, 2))
    T.nn.functional.avg_pool2d(a2376, 2.5)
    T.nn.functional.avg_pool2d(b2376, 2)
    T.nn.functional.avg_pool2d(1, 2)
    T.nn.functional.avg_pool2d(a2306, 2)
    T.avg_pool1d(a2376, 2)
    T.avg_pool1d(a237, 9)
    T.nn.functional.adaptive_avg_pool2d(a37, 2)
    T.nn.functional.adaptive_avg_pool2d(a2376, -1)
    T.nn.functional.adaptive_avg_pool2d(a2376, (1, 2, 3))
    T.nn.functional.adaptive_avg_pool2d(a2376, 1.5)
    T.nn.functional.adaptive_avg_pool2d(a2306, 2)
    T.adaptive_avg_pool1d(a7, 2)
    T.nn.functional.adaptive_max_pool2d(a37, 2)
    T.nn.functional.adaptive_max_pool2d(a2376, -1)
    T.nn.functional.adaptive_max_pool2d(a2306, 2)
"""

SECOND = """
    x = a1266; T.autograd.grad((T.max_pool2d(x, 2) ** 3).sum(), x, create_graph=True)[0]
    x = a1266; T.autograd.grad((T.max_pool2d(x, 3, 1, 1) ** 3).sum(), x, create_graph=True)[0]
    x = a126; T.autograd.grad((T.max_pool1d(x, 3, 1, 1) ** 3).sum(), x, create_graph=True)[0]
    x = a1266; T.autograd.grad((T.nn.functional.avg_pool2d(x, 3, 2, 1) ** 3).sum(), x, create_graph=True)[0]
    x = a1266; T.autograd.grad((T.nn.functional.adaptive_avg_pool2d(x, 4) ** 3).sum(), x, create_graph=True)[0]
    x = a1266; T.autograd.grad((T.nn.functional.adaptive_max_pool2d(x, 4) ** 3).sum(), x, create_graph=True)[0]
"""


@pytest.mark.parametrize(
    "block", [MAX, AVERAGE, ADAPTIVE, WRONG], ids=["max", "average", "adaptive", "wrong"]
)
def test_values_and_gradients(block: str) -> None:
    assert differing(block, "float32", grad=True) == ""


def test_dtypes() -> None:
    block = """
        T.max_pool2d(a2376, 3, 2, 1)
        T.max_pool1d(a237, 2)
        T.nn.functional.avg_pool2d(a2376, 3, 2, 1)
        T.nn.functional.adaptive_avg_pool2d(a2376, (2, 4))
        T.nn.functional.adaptive_max_pool2d(a2376, (2, 4))
    """
    dtypes = ("float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool", "complex64")
    assert differing(block, *dtypes, grad=True) == ""


def test_second_derivatives() -> None:
    assert differing(SECOND, "float64", grad=True, node=False) == ""
