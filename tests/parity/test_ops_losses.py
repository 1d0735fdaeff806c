"""The rows of losses beside PyTorch's: mean squared error, likelihood, cross entropy."""

from __future__ import annotations

import pytest

from .expressions import differing

MSE = """
    F.mse_loss(a23, g23)
    F.mse_loss(a23, g23, reduction='sum')
    F.mse_loss(a23, g23, reduction='none')
    F.mse_loss(a23, g3)
    F.mse_loss(a3, g23, reduction='none')
    F.mse_loss(a, g)
    F.mse_loss(a03, g03)
    F.mse_loss(a03, g03, reduction='sum')
    F.mse_loss(a23_t, g32)
    F.mse_loss(a23, g24)
    F.mse_loss(a23, g23, reduction='other')
    F.mse_loss(a23, w23)
    F.mse_loss(a23, 1.0)
"""

NLL = """
    F.nll_loss(a34, T.tensor([1, 0, 3]))
    F.nll_loss(a34, T.tensor([1, 0, 3]), reduction='sum')
    F.nll_loss(a34, T.tensor([1, 0, 3]), reduction='none')
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach())
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach(), reduction='sum')
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach(), reduction='none')
    F.nll_loss(a34, T.tensor([1, -100, 3]))
    F.nll_loss(a34, T.tensor([1, 0, 3]), ignore_index=0)
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach(), ignore_index=0)
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach(), ignore_index=0, reduction='none')
    F.nll_loss(a34, T.tensor([1, -1, 3]), ignore_index=-1)
    F.nll_loss(a34, T.tensor([-100, -100, -100]))
    F.nll_loss(a34, T.tensor([-100, -100, -100]), reduction='sum')
    F.nll_loss(a4, T.tensor(2))
    F.nll_loss(a4, T.tensor(2), u4.detach())
    F.nll_loss(a4, T.tensor(2), reduction='none')
    F.nll_loss(a4, T.tensor(-100), reduction='none')
    F.nll_loss(a232, T.tensor([[1, 0], [2, 1]]))
    F.nll_loss(a232, T.tensor([[1, 0], [2, -100]]), u3.detach())
    F.nll_loss(a2322, T.tensor([[[1, 0], [2, 1]], [[0, 0], [1, 1]]]))
    F.nll_loss(a2322, T.tensor([[[1, 0], [2, 1]], [[0, -100], [1, 1]]]), u3.detach(), reduction='sum')
    F.nll_loss(a2322, T.tensor([[[1, 0], [2, 1]], [[0, 0], [1, 1]]]), reduction='none')
    F.nll_loss(a23222, k2222)
    F.nll_loss(a04, T.tensor([], dtype=T.int64))
    F.nll_loss(a04, T.tensor([], dtype=T.int64), reduction='none')
    F.nll_loss(a04, T.tensor([], dtype=T.int64), reduction='sum')
    F.nll_loss(a34_t, T.tensor([1, 0, 2, 1]))
    F.nll_loss(n34, T.tensor([1, 0, 3]))
    F.nll_loss(a34, T.tensor([1, 0, 4]))
    F.nll_loss(a34, T.tensor([1, 0, -1]))
    F.nll_loss(a34, T.tensor([1, 0]))
    F.nll_loss(a34, T.tensor([[1, 0, 3]]))
    F.nll_loss(a34, T.tensor([1., 0, 3]))
    F.nll_loss(a34, T.tensor([1, 0, 3], dtype=T.int32))
    F.nll_loss(a34, T.tensor([1, 0, 3], dtype=T.uint8))
    F.nll_loss(a34, T.tensor([1, 0, 3]), u3.detach())
    F.nll_loss(a34, T.tensor([1, 0, 3]), u4.detach().to(T.float16))
    F.nll_loss(a34, T.tensor([1, 0, 3]), reduction='other')
    F.nll_loss(a34, [1, 0, 3])
    F.nll_loss(a34, 1)
    F.nll_loss(a, T.tensor(0))
    F.nll_loss(k34, T.tensor([1, 0, 3]))
    F.nll_loss(a232, T.tensor([[1, 0, 1], [2, 1, 1]]))
    F.nll_loss(a2322, k23)
"""

CROSS = """
    F.cross_entropy(a34, T.tensor([1, 0, 3]))
    F.cross_entropy(a34, T.tensor([1, 0, 3]), reduction='sum')
    F.cross_entropy(a34, T.tensor([1, 0, 3]), reduction='none')
    F.cross_entropy(a34, T.tensor([1, 0, 3]), u4.detach())
    F.cross_entropy(a34, T.tensor([1, 0, 3]), u4.detach(), ignore_index=0)
    F.cross_entropy(a34, T.tensor([1, -100, 3]))
    F.cross_entropy(a34, T.tensor([-100, -100, -100]))
    F.cross_entropy(a34, T.tensor([1, 0, 3]), label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), label_smoothing=1.0)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), reduction='sum', label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), reduction='none', label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([1, -100, 3]), label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([1, -100, 3]), u4.detach(), label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([1, -100, 3]), u4.detach(), reduction='none', label_smoothing=0.1)
    F.cross_entropy(a34, T.tensor([-100, -100, -100]), label_smoothing=0.1)
    F.cross_entropy(a4, T.tensor(2))
    F.cross_entropy(a4, T.tensor(2), label_smoothing=0.2)
    F.cross_entropy(a4, T.tensor(2), u4.detach(), label_smoothing=0.2)
    F.cross_entropy(a232, T.tensor([[1, 0], [2, 1]]))
    F.cross_entropy(a232, T.tensor([[1, 0], [2, -100]]), u3.detach(), label_smoothing=0.1)
    F.cross_entropy(a2322, T.tensor([[[1, 0], [2, 1]], [[0, 0], [1, 1]]]), reduction='none')
    F.cross_entropy(a04, T.tensor([], dtype=T.int64))
    F.cross_entropy(a04, T.tensor([], dtype=T.int64), reduction='sum')
    F.cross_entropy(a34_t, T.tensor([1, 0, 2, 1]))
    F.cross_entropy(n34, T.tensor([1, 0, 3]))
    F.cross_entropy(a34, T.tensor([1, 0, 4]))
    F.cross_entropy(a34, T.tensor([1, 0, -1]))
    F.cross_entropy(a34, T.tensor([1, 0]))
    F.cross_entropy(a34, T.tensor([[1, 0, 3]]))
    F.cross_entropy(a34, T.tensor([1, 0, 3], dtype=T.int32))
    F.cross_entropy(a34, T.tensor([1, 0, 3], dtype=T.uint8))
    F.cross_entropy(a34, T.tensor([True, False, True]))
    F.cross_entropy(a34, u33)
    F.cross_entropy(a34, u3)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), u3.detach())
    F.cross_entropy(a34, T.tensor([1, 0, 3]), label_smoothing=1.5)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), label_smoothing=-0.5)
    F.cross_entropy(a34, T.tensor([1, 0, 3]), reduction='other')
    F.cross_entropy(a34, [1, 0, 3])
    F.cross_entropy(k34, T.tensor([1, 0, 3]))
    F.cross_entropy(a, T.tensor(0))
    F.cross_entropy(a232, T.tensor([[1, 0, 1], [2, 1, 1]]))
"""

SOFT = """
    F.cross_entropy(a4, u4)
    F.cross_entropy(a4, u4, u4.detach(), reduction="none")
    F.cross_entropy(a34, u34)
    F.cross_entropy(a34, u34, reduction='sum')
    F.cross_entropy(a34, u34, reduction='none')
    F.cross_entropy(a34, u34, u4.detach())
    F.cross_entropy(a34, u34, u4.detach(), reduction='none')
    F.cross_entropy(a34, u34, label_smoothing=0.1)
    F.cross_entropy(a34, u34, u4.detach(), label_smoothing=0.1)
    F.cross_entropy(a232, u232)
    F.cross_entropy(a232, u232, u3.detach(), reduction='none', label_smoothing=0.3)
    F.cross_entropy(a2322, u2322)
    F.cross_entropy(a04, u04)
    F.cross_entropy(a34, u34, ignore_index=1)
"""

SECOND = """
    x = a34; T.autograd.grad((F.mse_loss(x, g34) ** 2).sum(), [x, g34], create_graph=True)
    x = a34; T.autograd.grad(F.cross_entropy(x, T.tensor([1, 0, 3])), x, create_graph=True)[0]
    x = a34; T.autograd.grad(F.cross_entropy(x, T.tensor([1, -100, 3]), u4.detach(), label_smoothing=0.1), x, create_graph=True)[0]
    x = a34; T.autograd.grad(F.cross_entropy(x, u34), [x, u34], create_graph=True)
    x = a34; T.autograd.grad((F.nll_loss(x ** 2, T.tensor([1, 0, 3]), reduction='none') ** 2).sum(), x, create_graph=True)[0]
"""


def _full(block: str) -> str:
    return block.replace("F.", "T.nn.functional.")


@pytest.mark.parametrize("block", [MSE, NLL, CROSS], ids=["mse", "nll", "cross entropy"])
def test_values_and_gradients(block: str) -> None:
    assert differing(_full(block), "float32", "float64", grad=True) == ""


def test_targets_of_probabilities() -> None:
    """PyTorch's last node is DivBackward1, of a division by a number."""
    assert differing(_full(SOFT), "float32", "float64", grad=True, node=False) == ""


def test_dtypes() -> None:
    block = """
        F.mse_loss(a23, g23)
        F.nll_loss(a34, T.tensor([1, 0, 3]))
        F.cross_entropy(a34, T.tensor([1, 0, 3]))
        F.cross_entropy(a34, T.tensor([1, 0, 3]), label_smoothing=0.1)
        F.cross_entropy(a34, u34)
    """
    dtypes = ("bfloat16", "float16", "int64", "uint8", "bool", "complex64")
    assert differing(_full(block), *dtypes, grad=True, node=False) == ""


def test_second_derivatives() -> None:
    assert differing(_full(SECOND), "float64", grad=True, node=False) == ""
