"""`torch.backends.cuda`: this build has no CUDA. Its switches may be set."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from flambeau.errors import refusing

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)
cufft_plan_cache = SimpleNamespace(size=0, max_size=0, clear=lambda: None)
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduction": False}


def is_built() -> bool:
    return False


def is_flash_attention_available() -> bool:
    return False


is_ck_sdpa_available = is_flash_attention_available


def flash_sdp_enabled() -> bool:
    """Whether it may be used, were there a GPU."""
    return _sdp["flash"]


def mem_efficient_sdp_enabled() -> bool:
    return _sdp["mem_efficient"]


def math_sdp_enabled() -> bool:
    return _sdp["math"]


def cudnn_sdp_enabled() -> bool:
    return _sdp["cudnn"]


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    return _sdp["reduction"]


def enable_flash_sdp(enabled: bool) -> None:
    """Set the switch; the CPU has one way to compute attention."""
    _sdp["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    _sdp["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    _sdp["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    _sdp["cudnn"] = bool(enabled)


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    _sdp["reduction"] = bool(enabled)


def preferred_linalg_library(backend: Any = None) -> str:
    """Which of CUDA's libraries is preferred: none."""
    return "default"


preferred_blas_library = preferred_linalg_library


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[dict[str, bool]]:  # fmt: skip
    """The old form of `torch.nn.attention.sdpa_kernel`: set the switches within a `with` block."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. Write "
        "`torch.nn.attention.sdpa_kernel(backends)` instead.",
        FutureWarning,
        stacklevel=3,
    )
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient,
                cudnn=enable_cudnn)  # fmt: skip
    try:
        yield {}
    finally:
        _sdp.update(before)


__getattr__ = refusing(__name__)
