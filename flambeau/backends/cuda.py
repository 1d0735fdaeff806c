"""`torch.backends.cuda`: switches of products and of attention on a GPU.

They may be set where there is none. What was planned before a switch is changed is planned anew.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from flambeau import config
from flambeau.errors import refusing, shown
from flambeau.frontend import precision, vendors

from . import _properties

_kept = {"accumulation": False}


def _sums(dtype: str) -> property:
    """Whether sums of a 16-bit type may be split and rounded: True, False, or (rounded, split)."""
    short = "fp16" if dtype == "float16" else "bf16"
    name = f"allow_{short}_reduced_precision_reduction"

    def put(_: Any, value: Any) -> None:
        given = list(value) if isinstance(value, list | tuple) else [value]
        if not 0 < len(given) < 3 or not all(isinstance(x, bool) for x in given):
            raise TypeError(
                f"{name} expects a bool or a tuple/list of one or two bools, but got {shown(value)}"
            )
        rounded, split = (*given, True)[:2]
        if rounded and not split:
            raise RuntimeError(
                "allow_splitk=False is not supported when reduced precision reductions are enabled"
            )
        precision.switch(**{f"cuda_{dtype}_sums": rounded, f"cuda_{dtype}_splits": split})

    return property(lambda _: getattr(config, f"cuda_{dtype}_sums"), put)


def _splits(dtype: str) -> property:
    """Whether sums of a 16-bit type may be split; set together with whether they are rounded."""
    return property(lambda _: getattr(config, f"cuda_{dtype}_splits"))


class _Matmul:
    """`torch.backends.cuda.matmul`: how exactly products on a GPU are computed.

    `allow_tf32`: whether float32 operands may be rounded to TF32 (False at first); `fp32_precision`:
    the same in words. `allow_fp16_reduced_precision_reduction` and `allow_bf16_...`: whether the parts
    of long sums may be rounded to 16 bits before they are added. `allow_fp16_accumulation` is kept,
    but sums are never less exact than float32.
    """

    fp32_precision = _properties.fp32_precision("cuda", "matmul")
    allow_fp16_reduced_precision_reduction = _sums("float16")
    allow_bf16_reduced_precision_reduction = _sums("bfloat16")
    allow_fp16_reduced_precision_reduction_split_k = _splits("float16")
    allow_bf16_reduced_precision_reduction_split_k = _splits("bfloat16")

    @property
    def allow_tf32(self) -> bool:
        return precision.matmul_allows_tf32()

    @allow_tf32.setter
    def allow_tf32(self, value: Any) -> None:
        precision.allow_matmul_tf32(_properties.boolean(value, "set_allow_tf32_cublas"))

    @property
    def allow_fp16_accumulation(self) -> bool:
        return _kept["accumulation"]

    @allow_fp16_accumulation.setter
    def allow_fp16_accumulation(self, value: Any) -> None:
        _kept["accumulation"] = _properties.boolean(value, "set_allow_fp16_accumulation_cublas")

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"Unknown attribute {name}")
        object.__setattr__(self, name, value)


matmul = _Matmul()
cufft_plan_cache = SimpleNamespace(size=0, max_size=0, clear=lambda: None)
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduction": False}


def is_built() -> bool:
    """Whether tensors can be on a GPU: True where there is one that flambeau can use."""
    return vendors.has_gpu()


def is_flash_attention_available() -> bool:
    """Whether attention can be computed by one kernel that keeps no table of weights."""
    return vendors.has_gpu()


def is_ck_sdpa_available() -> bool:
    """Whether AMD's kernels for attention are there: no."""
    return False


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
