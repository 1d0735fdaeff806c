"""The dtypes that CPU autocast gives, beside PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")

X = "rand(4, 4) + 4 * eye(4)"
CALLS = """
mm(x, y)|matmul(x, y)|bmm(x[None], y[None])|addmm(x, y, y)|baddbmm(x[None], y[None], y[None])
nn.functional.linear(x, y)|nn.functional.conv1d(x[None], y[..., None])|nn.functional.prelu(x, x[0])
nn.functional.conv2d(x[None, None], y[None, None])|nn.functional.conv_transpose1d(x[None], y[..., None])
nn.functional.scaled_dot_product_attention(x[None, None], y[None, None], y[None, None])
x + y|x * y|relu(x)|softmax(x, 0)|exp(x)|x.sum()|x.mean()|nn.functional.layer_norm(x, (4,))|x.prod()
nn.functional.gelu(x)|log_softmax(x, 0)|x.cumsum(0)|x.norm()|x.sigmoid()|x.tanh()|x.max(0).values
nn.functional.mse_loss(x, y)|nn.functional.l1_loss(x, y)|nn.functional.smooth_l1_loss(x, y)
nn.functional.cross_entropy(x, y)|nn.functional.binary_cross_entropy_with_logits(x, y)
nn.functional.kl_div(x, y)|nn.functional.huber_loss(x, y)|nn.functional.soft_margin_loss(x, y)
nn.functional.cosine_embedding_loss(x, y, x[0])|nn.functional.triplet_margin_loss(x, y, x)
nn.functional.nll_loss(x, x.argmax(0))|nn.functional.poisson_nll_loss(x, y)
linalg.inv(x)|linalg.solve(x, y)|linalg.svdvals(x)|linalg.cholesky(x @ x.T + eye(4))|linalg.qr(x)[0]
inverse(x)|trace(x)|cdist(x, y)|quantile(x, 0.5)|cat([x, y.float()])|stack([x, y])|fft.fft(x)
nn.functional.pad(x[None], (1, 1), 'reflect')|nn.functional.pad(x, (1, 1))
nn.functional.avg_pool3d(x[None, None, None], 1)|nn.functional.avg_pool2d(x[None], 2)
nn.functional.grid_sample(x[None, None], y[None].reshape(1, 2, 4, 2))
""".replace("\n", "|").strip("|").split("|")


def dtype_of(lib: Any, call: str, dtype: str) -> str:
    lib.manual_seed(0)
    names = {name: getattr(lib, name) for name in dir(lib) if not name.startswith("_")}
    x = eval(X, names).to(getattr(lib, dtype))
    with lib.autocast("cpu", dtype=lib.bfloat16):
        result = eval(call, {**names, "x": x, "y": x.flip(0).abs()})
    return str(result.dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("call", CALLS)
def test_dtypes(call: str, dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = dtype_of(torch, call, dtype)
        except RuntimeError:
            pytest.skip("PyTorch has no such operation in this dtype")
        assert dtype_of(flambeau, call, dtype) == expected
