"""Names of the `torch` namespace that are found on first use: constants and helpers."""

from __future__ import annotations

import math
from typing import Any

inf = math.inf
nan = math.nan
pi = math.pi
e = math.e
has_lapack = has_spectral = True
has_mkl = has_openmp = False

_ELSEWHERE = {
    "set_printoptions": "printing", "get_num_threads": "threads",
    "set_num_threads": "threads", "get_num_interop_threads": "threads",
    "set_num_interop_threads": "threads",
    **dict.fromkeys(
        ("are_deterministic_algorithms_enabled", "compile", "get_default_device",
         "get_deterministic_debug_mode", "get_float32_matmul_precision",
         "is_deterministic_algorithms_warn_only_enabled",
         "set_default_device", "set_deterministic_debug_mode", "set_float32_matmul_precision",
         "set_flush_denormal", "typename", "use_deterministic_algorithms"),
        "settings",
    ),
    "casts_arguments": "autocasting",
    **dict.fromkeys(
        ("compiled_with_cxx11_abi", "cpu_capability", "get_device_module", "get_file_path",
         "init_num_threads", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "is_distributed",
         "is_vulkan_available", "is_warn_always_enabled", "result_types", "set_anomaly_enabled",
         "set_warn_always", "sym_float", "sym_fresh_size", "sym_int", "sym_ite", "sym_max",
         "sym_min", "sym_not", "sym_sqrt", "sym_sum", "synchronize"),
        "around",
    ),
    **dict.fromkeys(
        ("autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
         "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype",
         "get_autocast_ipu_dtype", "get_autocast_xla_dtype", "is_autocast_cache_enabled",
         "is_autocast_cpu_enabled", "is_autocast_enabled", "is_autocast_ipu_enabled",
         "is_autocast_xla_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
         "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled",
         "set_autocast_gpu_dtype", "set_autocast_ipu_dtype", "set_autocast_ipu_enabled",
         "set_autocast_xla_dtype", "set_autocast_xla_enabled"),
        "autocasting",
    ),
    **dict.fromkeys(
        ("BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage",
         "ComplexFloatStorage", "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage",
         "LongStorage", "ShortStorage"),
        "legacy_storages",
    ),
    **dict.fromkeys(("TypedStorage", "UntypedStorage"), "storages"),
    **dict.fromkeys(("bernoulli", "binomial", "poisson"), "random"),
    "from_file": "mapped",
    **dict.fromkeys(("lobpcg", "pca_lowrank", "svd_lowrank"), "low_rank"),
    **dict.fromkeys(("_sample_dirichlet", "_standard_gamma"), "shape_draws"),
    **dict.fromkeys(("bartlett_window", "blackman_window", "hamming_window", "hann_window",
                     "kaiser_window"), "windows"),
    **dict.fromkeys(("empty_permuted", "empty_strided", "inclusive_range", "scalar_tensor"), "creation"),
    **dict.fromkeys(("as_strided_", "detach", "detach_", "get_device", "is_inference", "is_same_size",
                     "is_signed", "resize_as_"), "namespace"),
}  # fmt: skip


_HAS = ("has_lapack", "has_mkl", "has_openmp", "has_spectral")

_RENAMED = {"range": "inclusive_range", "_casts_arguments": "casts_arguments",
            "Storage": "TypedStorage", "_result_types": "result_types",
            "_cpu_capability": "cpu_capability", "_synchronize": "synchronize"}
"""Names that would hide Python's own where they are defined."""


def lookup(name: str) -> Any:
    """A name that is in no row; None where there is none."""
    import importlib

    name = _RENAMED.get(name, name)
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"{__package__}.{_ELSEWHERE[name]}"), name)
    return globals()[name] if name in _HAS else None
