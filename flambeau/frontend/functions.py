"""Names of the `torch` namespace that are found on first use: constants and helpers."""

from __future__ import annotations

import math
from typing import Any

from ..errors import no_attribute

inf = math.inf
nan = math.nan
pi = math.pi
e = math.e

_ELSEWHERE = {
    "set_printoptions": "printing", "get_num_threads": "threads",
    "set_num_threads": "threads", "get_num_interop_threads": "threads",
    "set_num_interop_threads": "threads",
    **dict.fromkeys(
        ("are_deterministic_algorithms_enabled", "compile", "get_default_device",
         "get_deterministic_debug_mode", "get_float32_matmul_precision", "is_autocast_enabled",
         "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled",
         "set_default_device", "set_deterministic_debug_mode", "set_float32_matmul_precision",
         "set_flush_denormal", "typename", "use_deterministic_algorithms"),
        "settings",
    ),
    **dict.fromkeys(("bernoulli", "binomial", "poisson", "_standard_gamma"), "random"),
    **dict.fromkeys(("bartlett_window", "blackman_window", "hamming_window", "hann_window",
                     "kaiser_window"), "windows"),
    **dict.fromkeys(("empty_permuted", "empty_strided", "inclusive_range", "scalar_tensor"), "creation"),
    **dict.fromkeys(("detach", "get_device", "is_inference", "is_same_size", "is_signed", "resize_as_"), "namespace"),
}  # fmt: skip


_RENAMED = {"range": "inclusive_range"}
"""Names that would hide Python's own where they are defined."""


def lookup(name: str) -> Any:
    """A name that is in no row; AttributeError says what to do about one that we lack."""
    import importlib

    name = _RENAMED.get(name, name)
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"{__package__}.{_ELSEWHERE[name]}"), name)
    raise no_attribute("flambeau", name)
