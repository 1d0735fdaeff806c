"""Softmax, its logarithm and log-sum-exp beside PyTorch's."""

from __future__ import annotations

import pytest

from .expressions import differing

SOFTMAX = """
    T.softmax(a23, 1)
    T.softmax(a23, 0)
    T.softmax(a23, -1)
    T.softmax(a234, 1)
    T.softmax(a, 0)
    T.softmax(a, -1)
    T.softmax(a03, 1)
    T.softmax(a20, 1)
    T.softmax(a23_t, 0)
    T.softmax(n23, 1)
    T.softmax(n23, 0)
    T.softmax(T.full((2, 3), -inf).to(dt), 1)
    T.softmax(a23 * 1000, 1)
    T.softmax(a23, 1, T.float64)
    T.softmax(a23, dim=1)
    T.softmax(k23, 1, dtype=T.float32)
    T.softmax(k23, 1)
    T.softmax(a23, 2)
    T.softmax(a23, -3)
    T.softmax(a23)
    T.softmax(a23, 1.0)
    T.softmax(1, 0)
    a23.softmax(1)
    a23.softmax(-1, dtype=T.float64)
    T.log_softmax(a23, 1)
    T.log_softmax(a23, 0)
    T.log_softmax(a234, 1)
    T.log_softmax(a, 0)
    T.log_softmax(a03, 1)
    T.log_softmax(a20, 1)
    T.log_softmax(a23_t, 0)
    T.log_softmax(n23, 1)
    T.log_softmax(T.full((2, 3), -inf).to(dt), 1)
    T.log_softmax(a23 * 1000, 1)
    T.log_softmax(a23, 1, T.float64)
    T.log_softmax(k23, 1)
    T.log_softmax(a23, 2)
    a23.log_softmax(-1)
    T.nn.functional.softmin(a23, 1)
    T.nn.functional.softmin(a23, 1, dtype=T.float64)
    T.nn.functional.softmax(a23, 1)
    T.nn.functional.log_softmax(a23, 1)
"""

SUMS = """
    T.logsumexp(a23, 1)
    T.logsumexp(a23, (0, 1))
    T.logsumexp(a23, (0, 1), True)
    T.logsumexp(a23, dim=-1, keepdim=True)
    T.logsumexp(a234, (0, 2))
    T.logsumexp(a, 0)
    T.logsumexp(a, ())
    T.logsumexp(a03, 0)
    T.logsumexp(a03, 1)
    T.logsumexp(a20, 1)
    T.logsumexp(a23_t, 0)
    T.logsumexp(n23, 1)
    T.logsumexp(T.full((2, 3), -inf).to(dt), 1)
    T.logsumexp(T.full((2, 3), inf).to(dt), 1)
    T.logsumexp(a23 * 1000, 1)
    T.logsumexp(k23, 1)
    T.logsumexp(b23, 1)
    T.logsumexp(a23, 2)
    T.logsumexp(a23, (0, 0))
    T.logsumexp(a23)
    a23.logsumexp(0)
    x = T.empty(0).to(dt); T.logsumexp(c23, 0, out=x); x.tolist()
"""

SECOND = """
    x = a23 / 3; T.autograd.grad((T.softmax(x, 1) ** 3).sum(), a23, create_graph=True)[0]
    x = a23 / 3; T.autograd.grad((T.log_softmax(x, 1) ** 3).sum(), a23, create_graph=True)[0]
    x = a23 / 3; T.autograd.grad((T.logsumexp(x, 1) ** 3).sum(), a23, create_graph=True)[0]
"""


@pytest.mark.parametrize("block", [SOFTMAX, SUMS], ids=["softmax", "logsumexp"])
def test_values_and_gradients(block: str) -> None:
    dtypes = ("float32", "float64", "float16", "bfloat16")
    assert differing(block, *dtypes, grad=True) == ""


def test_second_derivatives() -> None:
    assert differing(SECOND, "float64", grad=True, node=False) == ""
