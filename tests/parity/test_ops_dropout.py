"""Dropout beside PyTorch's: the same seed drops the same elements."""

from __future__ import annotations

import pytest

from .expressions import differing

DROPOUT = """
    T.manual_seed(3); T.dropout(a345, 0.5, True)
    T.manual_seed(3); T.dropout(a345, 0.2, True)
    T.manual_seed(3); T.dropout(a345, 0.0, True)
    T.manual_seed(3); T.dropout(a345, 1.0, True)
    T.manual_seed(3); T.dropout(a345, 0.5, False)
    T.manual_seed(3); T.dropout(a, 0.5, True)
    T.manual_seed(3); T.dropout(a03, 0.5, True)
    T.manual_seed(3); T.dropout(a345_t, 0.5, True)
    T.manual_seed(3); T.dropout(a345.transpose(1, 2), 0.5, True)
    T.manual_seed(3); x = a345.clone(); y = T.dropout_(x, 0.5, True); [x, y]
    T.manual_seed(3); x = a345.clone(); y = T.dropout_(x, 1.0, True); [x, y]
    T.manual_seed(3); F.dropout(a345)
    T.manual_seed(3); F.dropout(a345, 0.3, False)
    T.manual_seed(3); F.dropout(a345.clone(), 0.3, True, True)
    T.manual_seed(3); F.dropout1d(a345, 0.5)
    T.manual_seed(3); F.dropout2d(a2345, 0.5)
    T.manual_seed(3); F.dropout2d(a345, 0.5)
    T.manual_seed(3); F.dropout3d(a12345, 0.5)
    T.manual_seed(3); T.feature_dropout(a345, 0.5, True)
    T.manual_seed(3); T.alpha_dropout(a345, 0.5, True)
    T.manual_seed(3); T.alpha_dropout(a345, 0.1, True)
    T.manual_seed(3); T.alpha_dropout(a345, 0.5, False)
    T.manual_seed(3); T.alpha_dropout(a345, 1.0, True)
    T.manual_seed(3); F.alpha_dropout(a345, 0.5, True)
    T.manual_seed(3); T.feature_alpha_dropout(a345, 0.5, True)
    T.manual_seed(3); F.feature_alpha_dropout(a345, 0.5, True)
    T.manual_seed(3); x = a345.clone(); T.alpha_dropout_(x, 0.5, True); x
    T.manual_seed(3); x = F.dropout(a345); [x, T.rand(3)]
    T.manual_seed(3); x = T.dropout(a345, 1.0, True); [x, T.rand(3)]
    T.manual_seed(3); x = T.dropout(a345, 0.0, True); [x, T.rand(3)]
"""

WRONG = """
    T.dropout(a345, 1.5, True)
    T.dropout(a345, -0.5, True)
    T.dropout(a345, 0.5)
    T.dropout(a345)
    T.dropout(1.0, 0.5, True)
    T.dropout(a345, 'a', True)
    F.dropout(a345, 1.5)
    F.dropout(a345, -0.5)
    T.feature_dropout(a3, 0.5, True)
    T.feature_alpha_dropout(a3, 0.5, True)
    T.dropout(k345, 0.5, True)
"""


def _full(block: str) -> str:
    return block.replace("F.", "T.nn.functional.")


@pytest.mark.parametrize("block", [DROPOUT, WRONG], ids=["dropout", "wrong"])
def test_values_and_gradients(block: str) -> None:
    dtypes = ("float32", "float64", "float16", "bfloat16")
    assert differing(_full(block), *dtypes, grad=True) == ""
