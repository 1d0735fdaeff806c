"""`torch.nn.attention`: biases, masks by blocks, and attention with functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.attention.bias  # noqa: F401
import torch.nn.attention.flex_attention  # noqa: F401

import flambeau.nn.attention.bias  # noqa: F401
import flambeau.nn.attention.flex_attention  # noqa: F401
from tests.nn.support import array
from tests.parity.nn_pair import SIDES

RNG = np.random.default_rng(0)
QUERY = RNG.standard_normal((2, 4, 10, 8)).astype("float32")
KEY, VALUE = (RNG.standard_normal((2, 2, 13, w)).astype("float32") for w in (8, 6))


def run(lib: Any) -> list[Any]:
    flex, bias = lib.nn.attention.flex_attention, lib.nn.attention.bias
    q, k, v = (lib.from_numpy(a.copy()) for a in (QUERY, KEY, VALUE))
    slopes = lib.tensor([0.5, 0.25, 0.1, 0.7])

    def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score + slopes[h] * (i - j)

    def mask_mod(b: Any, h: Any, i: Any, j: Any) -> Any:
        return ((i >= j) | (j > 9)) & (i > 1)

    blocks = flex.create_block_mask(mask_mod, None, None, 10, 13, device="cpu", BLOCK_SIZE=4)
    output, aux = flex.flex_attention(
        q, k, v, score_mod, blocks, enable_gqa=True, return_aux=flex.AuxRequest(lse=True)
    )
    k, v = (t.repeat_interleave(2, 1) for t in (k, v))
    biased = [
        lib.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        for mask in (bias.causal_upper_left(10, 13), bias.causal_lower_right(10, 13))
    ]
    both = flex.and_masks(mask_mod, lambda b, h, i, j: j != 3)
    return [output, aux.lse, *biased, flex.flex_attention(q, k, v), blocks.to_dense(),
            blocks.kv_num_blocks, blocks.kv_indices, blocks.full_kv_num_blocks,
            blocks.full_kv_indices, lib.tensor(blocks.sparsity()), lib.tensor(blocks.shape),
            flex.create_mask(both, 1, 1, 10, 13, device="cpu"),
            flex.create_mask(score_mod, 2, 4, 10, 13, device="cpu")]  # fmt: skip


def test_same() -> None:
    theirs, ours = (run(lib) for lib in SIDES)
    for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        assert array(a).dtype == array(b).dtype, i
        np.testing.assert_allclose(array(b), array(a), rtol=1e-5, atol=1e-6, err_msg=str(i))
