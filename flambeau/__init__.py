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
    complex32,
    complex64,
    complex128,
    dtype,
    finfo,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float8_e8m0fnu,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .core.size import Size
from . import lacking as _lacking
from . import ops
from .frontend import functions as _functions
from .frontend.creation import (
    arange,
    as_tensor,
    asarray,
    empty,
    empty_like,
    eye,
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
from .frontend.asserting import _assert
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
from .frontend.multitensor import before as _before
from .frontend.multitensor import take_back as _take_back
from .frontend.multitensor import update_ as _update_
from .frontend.namespace import flush as _flush
from .runtime.collector import collect_seldom as _collect_seldom
from .frontend.indexing import BackwardStep as _BackwardStep
from .frontend.tensor import Tensor, install_rows
from .frontend import random as _random
from .frontend import standard as _standard
from .graph.trace import state as _thread
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

_lacking.install()
install_rows()
_collect_seldom()
for _name in ("arange", "empty", "full", "linspace", "ones", "zeros"):
    _standard.taken(_name, globals()[_name])

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
chalf = complex32
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
_sequences = Namespace("sequences")
_fft = Namespace("fft")
_special = Namespace("special")
globals().update(_TYPES)

_SUBMODULES = frozenset(
    ("array_api", "nn", "optim", "utils", "autograd", "vision", "serialization", "hub", "cuda", "backends",
     "testing", "random", "version", "linalg", "special", "multiprocessing", "jit", "types", "amp",
     "compiler", "accelerator", "distributed", "storage", "profiler", "futures", "_dynamo", "_inductor", "_utils",
     "_VF", "_jit_internal", "_tensor", "_tensor_str",
     "cpu", "functional", "library", "torch_version", "return_types", "xpu", "mps", "mtia",
     "distributions", "masked", "fft", "signal", "func", "overrides", "_C", "sparse", "fx",
     "__future__", "__config__")
)  # fmt: skip
_FROM_SUBMODULES = {
    "OutOfMemoryError": "errors", "AcceleratorError": "errors", "Future": "futures", "fork": "jit",
    "wait": "jit", "ScriptModule": "jit", "ScriptFunction": "jit", "thread_safe_generator": "random",
    "from_dlpack": "frontend.dlpack", "to_dlpack": "frontend.dlpack",
    "__array_api_version__": "array_api",
    # The array API standard's names that PyTorch lacks; see docs/decisions/0015-array-api.md.
    **dict.fromkeys(
        ("__array_namespace_info__", "astype", "bitwise_invert", "broadcast_arrays", "cumulative_prod",
         "cumulative_sum", "expand_dims", "isdtype", "matrix_transpose", "permute_dims", "repeat",
         "take_along_axis", "unique_all", "unique_counts", "unique_inverse", "unique_values",
         "unstack", "vecdot"),
        "array_api.functions",
    ),
    **dict.fromkeys(
        ("adaptive_max_pool1d", "affine_grid_generator", "binary_cross_entropy_with_logits", "conv_tbc",
         "convolution", "cosine_embedding_loss", "ctc_loss", "embedding_bag", "embedding_renorm_",
         "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "hinge_embedding_loss", "kl_div",
         "margin_ranking_loss", "max_pool1d_with_indices", "native_channel_shuffle", "native_dropout",
         "norm_except_dim", "poisson_nll_loss", "triplet_margin_loss"),
        "nn.native",
    ),
    **dict.fromkeys(("gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
                     "rnn_tanh_cell"), "nn.native_rnn"),
    "vmap": "func",
    **dict.fromkeys(("is_anomaly_enabled", "is_anomaly_check_nan_enabled", "set_anomaly_enabled"),
                    "autograd.anomaly"),
    **dict.fromkeys(("Stream", "Event"), "cuda._generic"),
    **dict.fromkeys(("sparse_coo_tensor", "spmm", "dsmm", "hspmm", "smm"), "sparse"),
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
    found = found or _functions.lookup(name)
    if found is None:
        return _lacking.attribute(__name__, name)
    found = globals()[name] = _standard.taken(name, found)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *row_names(), *_SUBMODULES, *_FROM_SUBMODULES})
