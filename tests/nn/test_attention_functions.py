"""`nn.attention`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F
from flambeau.nn.attention import SDPBackend, sdpa_kernel
from flambeau.nn.attention.bias import causal_lower_right, causal_upper_left
from flambeau.nn.attention.flex_attention import (
    BlockMask,
    create_block_mask,
    flex_attention,
    or_masks,
)


def inputs(grad: bool = False) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, n, 4, requires_grad=grad) for n in (5, 7, 7)]


def test_the_choice_of_kernels_has_no_effect() -> None:
    q, k, v = inputs()
    plain = F.scaled_dot_product_attention(q, k, v)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        assert torch.equal(F.scaled_dot_product_attention(q, k, v), plain)
    assert repr(SDPBackend.MATH) == "<SDPBackend.MATH: 0>"
    with pytest.raises(TypeError, match="SDPBackend"), sdpa_kernel("math"):  # type: ignore[arg-type]
        pass


def test_causal_biases() -> None:
    assert causal_upper_left(2, 3).tolist() == [[True, False, False], [True, True, False]]
    assert causal_lower_right(2, 3).tolist() == [[True, True, False], [True, True, True]]
    q, k, v = inputs()
    ours = F.scaled_dot_product_attention(q, k, v, attn_mask=causal_upper_left(5, 7))
    np.testing.assert_allclose(ours, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-6)
    with pytest.warns(UserWarning, match="NaN"):
        causal_lower_right(3, 2)


def causal(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q >= kv


def test_flex_attention_is_attention() -> None:
    q, k, v = inputs(grad=True)
    mask = create_block_mask(causal, None, None, 5, 7, BLOCK_SIZE=2)
    out = flex_attention(q, k, v, block_mask=mask)
    out.square().sum().backward()
    grads = [t.grad for t in (q, k, v)]
    q, k, v = inputs(grad=True)
    plain = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    plain.square().sum().backward()
    np.testing.assert_allclose(out.detach(), plain.detach(), atol=1e-6)
    for grad, t in zip(grads, (q, k, v), strict=True):
        np.testing.assert_allclose(grad, t.grad, atol=1e-5)


def test_functions_look_values_up() -> None:
    q, k, v = inputs()
    bias = torch.randn(3, 5, 7)
    out = flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[h, i, j])
    np.testing.assert_allclose(out, F.scaled_dot_product_attention(q, k, v, bias), atol=1e-6)
    with pytest.raises(ValueError, match="one number for each score"):
        flex_attention(q, k, v, lambda s, b, h, i, j: bias[h])


def test_blocks() -> None:
    mask = create_block_mask(causal, 1, 1, 4, 4, BLOCK_SIZE=2)
    assert mask.to_dense().tolist() == [[[[1, 0], [1, 1]]]]
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_num_blocks.tolist() == [[[0, 1]]]
    assert mask.sparsity() == 25.0
    one = torch.ones(1, 1, 2, dtype=torch.int32)
    first = torch.zeros(1, 1, 2, 2, dtype=torch.int32)
    given = BlockMask.from_kv_blocks(one, first, BLOCK_SIZE=2)
    q, k, v = (t[:1, :1, :4] for t in inputs())
    out = flex_attention(q, k, v, block_mask=given)
    np.testing.assert_allclose(
        out, F.scaled_dot_product_attention(q, k[:, :, :2], v[:, :, :2]), atol=1e-6
    )


def test_a_row_that_sees_nothing_is_zero() -> None:
    q, k, v = inputs()
    both = or_masks(causal, lambda b, h, i, j: i < -1)
    mask = create_block_mask(lambda b, h, i, j: both(b, h, i, j) & (i != 2), None, None, 5, 7)
    out, lse = flex_attention(q, k, v, block_mask=mask, return_lse=True)
    assert out[:, :, 2].abs().sum() == 0
    assert lse[0, 0, 2] == float("-inf")


def test_wrong_shapes() -> None:
    q, k, v = inputs()
    with pytest.raises(ValueError, match="number of heads"):
        flex_attention(q, k[:, :1], v[:, :1])
    with pytest.raises(ValueError, match="embedding"):
        flex_attention(q, k[..., :2], v)
    with pytest.raises(ValueError, match="new block mask"):
        flex_attention(q, k, v, block_mask=create_block_mask(causal, 1, 1, 2, 2))


def test_the_result_lies_as_the_query_does() -> None:
    """Heads that were split off by a view and transposed can be joined by a view again."""
    q = torch.randn(2, 5, 12).view(2, 5, 3, 4).transpose(1, 2)
    k = torch.randn(2, 3, 7, 4)
    out = F.scaled_dot_product_attention(q, k, k)
    assert out.stride() == q.stride() and out.transpose(1, 2).view(2, 5, 12).shape == (2, 5, 12)
    np.testing.assert_allclose(
        out.numpy(), F.scaled_dot_product_attention(q.contiguous(), k, k).numpy(), rtol=1e-6
    )
    for dropped in (
        F.scaled_dot_product_attention(q, k, k, dropout_p=0.5),
        F.scaled_dot_product_attention(q, k, k, torch.ones(3, 5, 7)),
        F.scaled_dot_product_attention(q, k, k[..., :3]),
    ):
        assert dropped.is_contiguous()
