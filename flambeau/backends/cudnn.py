"""`torch.backends.cudnn`: NVIDIA's library for convolutions, used where its wheel is installed (extra
`flambeau[cuda]`) and there is a GPU.

Its switches are PyTorch's. What was planned before a switch is changed is planned anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flambeau import config, float16, float32, float64
from flambeau.errors import refusing, shown
from flambeau.frontend import precision, vendors

from . import _properties
from ._properties import Fp32Precision

enabled: bool
"""Whether it may be used."""
benchmark: bool
"""Whether it may try out its ways to compute a convolution, once for each kind, and take the fastest. If
not it guesses."""
benchmark_limit: int | None
"""How many ways are tried at most; 0 for all."""
deterministic: bool
"""Whether only ways are taken that give the same bits in every run."""
allow_tf32: bool
"""Whether float32 convolutions may round their operands to TF32; True at first."""
fp32_precision: str
depthwise_kernel: str
"""Who computes depthwise convolutions: "auto", "cudnn" or "native" (flambeau's own kernels)."""

conv = Fp32Precision("cuda", "conv")
rnn = Fp32Precision("cuda", "rnn")
CUDNN_TENSOR_DTYPES: set[Any] = {float16, float32, float64}

_DEPTHWISE = ("auto", "cudnn", "native")
_more: dict[str, Any] = {"limit": 10, "depthwise": "auto"}


def is_available() -> bool:
    """Whether the library is there, and a GPU for it."""
    return "cudnn" in vendors.libraries()


def version() -> int | None:
    """As 90100 for 9.1.0. None where it is not there."""
    return vendors.cudnn_version() if is_available() else None


def is_acceptable(tensor: Any) -> bool:
    """Whether it computes with such a tensor."""
    return (
        config.cudnn_enabled
        and tensor.device.type == "cuda"
        and tensor.dtype in CUDNN_TENSOR_DTYPES
        and is_available()
    )


def set_flags(
    _enabled: bool | None = None, _benchmark: bool | None = None, _benchmark_limit: int | None = None,
    _deterministic: bool | None = None, _allow_tf32: bool | None = None,
    _fp32_precision: str | None = "none", _depthwise_kernel: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Set switches, None for as it is; gives what they were."""
    here: Any = _module
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32",
             "fp32_precision", "depthwise_kernel")  # fmt: skip
    before = tuple(getattr(here, name) for name in names)
    values = (_enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32, _fp32_precision,
              _depthwise_kernel)  # fmt: skip
    for name, value in zip(names, values):
        if value is not None:
            setattr(here, name, value)
    return before


@contextlib.contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10,
    deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none",
    depthwise_kernel: str = "auto",
) -> Iterator[None]:  # fmt: skip
    """Set switches until the end of a `with` block. As in PyTorch what is not given is set too:
    `with flags():` is without cuDNN."""
    switches = {name: getattr(config, name) for name in _SWITCHES}
    more, said = dict(_more), precision.state()
    try:
        set_flags(enabled, benchmark, benchmark_limit, deterministic, allow_tf32, fp32_precision,
                  depthwise_kernel)  # fmt: skip
        yield
    finally:
        precision.switch(**switches)
        _more.update(more)
        precision.restore(said)


_SWITCHES = ("cudnn_enabled", "cudnn_benchmark", "cudnn_deterministic", "cudnn_depthwise")


def _set_tf32(_: Any, value: Any) -> None:
    precision.allow_cudnn_tf32(_properties.boolean(value, "set_allow_tf32_cublas"))


def _set_limit(_: Any, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or value < 0):
        raise RuntimeError(f"set_benchmark_limit_cudnn expects an int, but got {shown(value)}")
    _more["limit"] = value


def _set_depthwise(_: Any, value: Any) -> None:
    if value not in _DEPTHWISE:
        raise RuntimeError(
            f"Unknown cuDNN depthwise kernel mode: {shown(value, quoted=False)}. Expected one of: "
            f"{', '.join(_DEPTHWISE)}"
        )
    _more["depthwise"] = value
    precision.switch(cudnn_depthwise=value == "cudnn")


_module = _properties.give(
    __name__,
    enabled=_properties.switch("cudnn_enabled", "set_enabled_cudnn"),
    benchmark=_properties.switch("cudnn_benchmark", "set_benchmark_cudnn"),
    deterministic=_properties.switch("cudnn_deterministic", "set_deterministic_cudnn"),
    allow_tf32=property(lambda _: precision.cudnn_allows_tf32(), _set_tf32),
    benchmark_limit=property(lambda _: _more["limit"], _set_limit),
    depthwise_kernel=property(lambda _: _more["depthwise"], _set_depthwise),
    fp32_precision=_properties.fp32_precision("cuda", "all"),
)

__getattr__ = refusing(__name__)
