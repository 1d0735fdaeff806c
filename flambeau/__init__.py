"""flambeau: a deep-learning framework in Python with PyTorch's interface.

    import flambeau as torch
"""

from __future__ import annotations

import importlib
from typing import Any

from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.device import device
from .core.dtypes import (
    bfloat16,
    bool_,
    complex64,
    complex128,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from .core.size import Size
from . import ops
from .frontend import functions as _functions
from .frontend.creation import (
    arange,
    as_tensor,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    frombuffer,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .frontend.legacy import TYPES as _TYPES
from .frontend.namespace import (
    Namespace,
    broadcast_shapes,
    broadcast_tensors,
    can_cast,
    channels_last,
    contiguous_format,
    get_default_dtype,
    is_complex,
    is_floating_point,
    is_nonzero,
    is_storage,
    is_tensor,
    layout,
    memory_format,
    numel,
    preserve_format,
    promote_types,
    result_type,
    row_function,
    row_names,
    set_default_dtype,
    set_default_tensor_type,
    sparse_coo,
    strided,
)
from .frontend.multitensor import update_ as _update_
from .frontend.namespace import flush as _flush
from .frontend.tensor import Tensor, install_rows
from .frontend import random as _random
from .frontend.random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)

install_rows()

for _class in (Tensor, Size, dtype, device, Generator, finfo, iinfo, layout, memory_format):
    _class.__module__ = __name__  # what type(x) prints: where users find it

# Programs compare this with PyTorch's releases: it names the release whose interface is followed.
__version__ = "2.13.0+flambeau"

float = float32
double = float64
half = float16
short = int16
int = int32
long = int64
cfloat = complex64
cdouble = complex128
bool = bool_
inf = _functions.inf
nan = _functions.nan
pi = _functions.pi
e = _functions.e
newaxis = None
_nn = Namespace("nn")
_linalg = Namespace("linalg")
globals().update(_TYPES)

_SUBMODULES = frozenset(
    ("nn", "optim", "utils", "autograd", "vision", "serialization", "hub", "cuda", "backends",
     "testing", "random", "version", "linalg", "special", "multiprocessing", "jit", "types", "amp",
     "compiler", "accelerator", "distributed")
)  # fmt: skip
_FROM_SUBMODULES = {
    "save": "serialization", "load": "serialization", "autocast": "amp", "GradScaler": "amp",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FROM_SUBMODULES:
        return getattr(importlib.import_module(f"{__name__}.{_FROM_SUBMODULES[name]}"), name)
    try:
        found = row_function(name)
    except AttributeError:
        found = None
    globals()[name] = found = found or _functions.lookup(name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *row_names(), *_SUBMODULES, *_FROM_SUBMODULES})
