"""`torch.backends.cuda`: this build has no CUDA."""

from __future__ import annotations

from types import SimpleNamespace

from flambeau.errors import refusing

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
)


def is_built() -> bool:
    return False


def _ignored(enabled: bool) -> None:
    """A switch between CUDA's ways to compute attention: nothing to switch."""


enable_flash_sdp = enable_mem_efficient_sdp = enable_math_sdp = enable_cudnn_sdp = _ignored

__getattr__ = refusing(__name__)
