"""Small functions of the main namespace that no operation stands behind: symbols for sizes, named
results, PyTorch's build, devices."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import anomaly
from ..core.device import device
from ..ops import signature
from ..ops.table import table

# --- sizes: here always plain numbers -------------------------------------------------------------


def sym_int(a: Any) -> int:
    """A number as int, rounded towards 0."""
    return math.trunc(a)


def sym_float(a: Any) -> float:
    return float(a)


def sym_max(a: Any, b: Any) -> Any:
    """The larger one, a float where one of them is."""
    return float(max(a, b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller one, a float where one of them is."""
    return float(min(a, b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)


def sym_not(a: Any) -> bool:
    return not a


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """`t if b else f`, for two values of one type."""
    if type(t) is not type(f):
        raise AssertionError(
            "sym_ite(): both values must be of one type, "
            f"got {type(t).__name__} and {type(f).__name__}"
        )
    return t if b else f


def sym_sqrt(a: Any) -> float:
    return math.sqrt(a)


def sym_sum(args: Any) -> Any:
    return sum(args)


def sym_fresh_size(expr: Any) -> Any:
    """The size itself."""
    return expr


# --- what there is --------------------------------------------------------------------------------


def result_types() -> dict[str, Any]:
    """The named tuples of operations with several results, by name."""
    from .results import _types, result_type

    for row in table.values():
        names = signature.parse(row.schema).results
        if names and row.forms:
            result_type(row.name, names)
    return _types


def synchronize() -> None:
    """Run what this thread has recorded, and wait until it has run."""
    from ..engine.flush import flush
    from ..runtime import pool

    flush("the program synchronizes")
    pool.synchronize()


def cpu_capability() -> str:
    """The name of the widest vectors that native code uses."""
    from ..runtime import native

    if not native.available():
        return "DEFAULT"
    return {64: "AVX512", 32: "AVX2"}.get(native.host().vector_bytes, "DEFAULT")


def compiled_with_cxx11_abi() -> bool:
    """Whether PyTorch's C++ part has the newer ABI: there is no C++ part; programs expect True."""
    return True


def is_vulkan_available() -> bool:
    return False


def is_distributed(input: Any) -> bool:
    """Whether a tensor is distributed: no."""
    return False


def get_file_path(*path_components: str) -> str:
    """A path inside of the package's folder."""
    import os

    import flambeau

    return os.path.join(os.path.dirname(os.path.abspath(flambeau.__file__)), *path_components)


def get_device_module(device_or_type: Any = None) -> Any:
    """The namespace of a kind of device: `torch.cpu` for "cpu"."""
    import importlib

    kind = device_or_type if isinstance(device_or_type, str) else getattr(device_or_type, "type", "cpu")
    kind = device(kind).type
    try:
        return importlib.import_module(f"flambeau.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(
            f"Invalid device module '{kind}': there is torch.cpu, torch.cuda, torch.xpu and torch.mps"
        ) from None


_warn_always = False


def set_warn_always(b: bool) -> None:
    """Have warnings that are given once given each time. Accepted; see `warnings.simplefilter`."""
    global _warn_always
    _warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What was set."""
    return _warn_always


def init_num_threads() -> None:
    """Nothing: threads are set up by themselves."""


def is_anomaly_enabled() -> bool:
    """Whether `torch.autograd.set_detect_anomaly` has switched it on."""
    return anomaly.is_anomaly_enabled()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it looks for NaNs too."""
    return bool(getattr(anomaly.engine.watch, "check_nan", False))


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """See `torch.autograd.set_detect_anomaly`."""
    anomaly.set_detect_anomaly(enabled, check_nan)
