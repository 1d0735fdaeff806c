"""How exactly float32 products and convolutions are computed on a GPU: PyTorch's switches for TF32.

A precision is "ieee" (float32 as it is), "tf32", "bf16", or "none": not said here. It may be said of an
operation ("matmul", "conv", "rnn") of a back end ("cuda", "mkldnn"), of a back end's "all", or of
everything ("generic", "all"); the nearest that says something holds. As long as nobody says anything,
convolutions and recurrent layers may use TF32 and products may not.

Beside these there are the older switches, `allow_tf32` and `set_float32_matmul_precision`, which set some of
the new ones. Where the two kinds were used for contrary things, asking the old ones is an error, as it is
in PyTorch. What follows for the kernels is in `config`: `cuda_matmul_tf32` and `cuda_conv_tf32`.
"""

from __future__ import annotations

from typing import Any

from .. import config
from ..core import device as devices
from ..engine import flush
from ..errors import shown

PRECISIONS = ("none", "ieee", "tf32", "bf16")
MATMUL_PRECISIONS = ("highest", "high", "medium")
_KNOWN = {"generic": PRECISIONS, "mkldnn": PRECISIONS, "cuda": ("none", "ieee", "tf32")}

_said: dict[tuple[str, str], str] = {}
"""What has been said; "none" for what was taken back."""
_old: dict[str, Any] = {"matmul": "highest", "cudnn": True}
"""The older switches: `set_float32_matmul_precision`, `cudnn.allow_tf32`."""

State = tuple[dict[tuple[str, str], str], dict[str, Any]]


def get(backend: str, operation: str) -> str:
    """What holds for an operation: one of `PRECISIONS`."""
    places = ((backend, operation), (backend, "all"), ("generic", "all"))
    found = next((x for x in (_said.get(p, "none") for p in places) if x != "none"), "none")
    silent = (backend, operation) not in _said and operation in ("conv", "rnn")
    if found == "none" and silent and backend == "cuda":
        return "tf32"
    return found if found in _KNOWN[backend] else "none"


def put(backend: str, operation: str, precision: str) -> None:
    """Say what holds. RuntimeError for a precision that there is not, or not there."""
    if not isinstance(precision, str):
        raise TypeError(f"fp32_precision must be a str, not {type(precision).__name__}")
    if precision not in PRECISIONS:
        raise RuntimeError(f"Unknown precision: {shown(precision, quoted=False)}")
    if precision not in _KNOWN[backend]:
        raise RuntimeError(f"backend '{backend}' does not support precision '{precision}'")
    _said[backend, operation] = precision
    _tell()


def matmul_precision() -> str:
    """`torch.get_float32_matmul_precision`."""
    old, cuda, mkldnn = _old["matmul"], get("cuda", "matmul"), get("mkldnn", "matmul")
    contrary = (
        (cuda == "tf32" and old == "highest")
        or (mkldnn == "bf16" and old != "medium")
        or (mkldnn == "tf32" and old != "high")
    )
    if contrary:
        raise RuntimeError(
            "PyTorch is checking the matmul precision without a specific backend name, "
            + _mixed(f"set_float32_matmul_precision says {old!r}, fp32_precision of cuda.matmul "
                     f"{cuda!r}, of mkldnn.matmul {mkldnn!r}")
        )  # fmt: skip
    return str(old)


def set_matmul_precision(precision: str) -> None:
    """`torch.set_float32_matmul_precision`."""
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(
            f"Invalid float32 precision: {shown(precision)}, expected one of "
            f"{', '.join(MATMUL_PRECISIONS)}"
        )
    at = MATMUL_PRECISIONS.index(precision)
    _old["matmul"] = precision
    _said["cuda", "matmul"] = ("ieee", "tf32", "tf32")[at]
    _said["mkldnn", "matmul"] = ("ieee", "tf32", "bf16")[at]
    _tell()


def matmul_allows_tf32() -> bool:
    """`torch.backends.cuda.matmul.allow_tf32`."""
    new, old = get("cuda", "matmul") == "tf32", _old["matmul"] != "highest"
    if new != old:
        raise RuntimeError(
            "PyTorch is checking whether allow_tf32_new is enabled for cuBlas matmul, "
            + _mixed(f"allow_tf32 says {old}, fp32_precision {get('cuda', 'matmul')!r}")
        )
    return new


def allow_matmul_tf32(allowed: bool) -> None:
    """Set `torch.backends.cuda.matmul.allow_tf32`."""
    _old["matmul"] = "high" if allowed else "highest"
    _said["cuda", "matmul"] = "tf32" if allowed else "ieee"
    _tell()


def cudnn_allows_tf32() -> bool:
    """`torch.backends.cudnn.allow_tf32`."""
    conv, rnn = (get("cuda", x) for x in ("conv", "rnn"))
    old = bool(_old["cudnn"])
    if not (conv == "tf32") == (rnn == "tf32") == old:
        raise RuntimeError(
            "PyTorch is checking whether allow_tf32 is enabled for cuDNN without a specific operator "
            "name, but the current flag(s) indicate that cuDNN conv and cuDNN RNN have different TF32 "
            + "flags. " + _mixed(f"allow_tf32 says {old}, fp32_precision of conv {conv!r}, of rnn {rnn!r}")
        )  # fmt: skip
    return old


def allow_cudnn_tf32(allowed: bool) -> None:
    """Set `torch.backends.cudnn.allow_tf32`."""
    _old["cudnn"] = bool(allowed)
    _said["cuda", "conv"] = _said["cuda", "rnn"] = "tf32" if allowed else "none"
    _tell()


def state() -> State:
    """Everything that has been said, for `restore`."""
    return dict(_said), dict(_old)


def restore(before: State) -> None:
    """Take back what was said since."""
    said, old = before
    _said.clear()
    _said.update(said)
    _old.update(old)
    _tell()


def _mixed(what: str) -> str:
    return (
        "Current status indicate that you have used mix of the legacy and new APIs to set the TF32 "
        f"status: {what}. Use one kind of them."
    )


def _tell() -> None:
    switch(
        cuda_matmul_tf32=get("cuda", "matmul") == "tf32",
        cuda_conv_tf32=get("cuda", "conv") == "tf32",
    )


def switch(**switches: bool) -> None:
    """Set switches of `config` that concern CUDA. What is pending runs before, as it was recorded under
    what they were."""
    if all(getattr(config, name) == value for name, value in switches.items()):
        return
    if devices.others:
        flush.flush("a switch of CUDA's libraries is set")
    config.set_cuda(**switches)
