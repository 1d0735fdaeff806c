"""Autocast: operations whose arguments are cast first, where a program asks for it.

Which operations compute in bfloat16 or float16, which in float32 and which in the widest dtype of
their arguments follows PyTorch's lists, one for the CPU and one for CUDA; the device of the tensors
says which. The first program that switches it on has the functions of these operations replaced by
ones that ask whether it is on: their code object is exchanged, so that every reference to them,
wherever it was kept, is changed too, and programs without autocast pay nothing.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from ..core import device as devices
from ..core import dtypes
from ..core.device import device
from ..graph.trace import state as trace
from ..ops.table import call, table
from . import dispatch
from .tensor import Tensor

NARROW, WIDE, WIDE_UNASKED, PROMOTED = "narrow", "wide", "wide unless a dtype is given", "promoted"
KEPT, BANNED = "kept", "banned"

_ON_CPU = {
    NARROW: "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d bmm mm "
    "linalg_vecdot baddbmm addmm addbmm linear matmul prelu scaled_dot_product_attention "
    "_addmm_activation lstm_layer rnn_layer",
    WIDE: "avg_pool3d adaptive_avg_pool3d max_pool3d adaptive_max_pool3d grid_sampler polar prod "
    "quantile nanquantile stft istft cdist trace view_as_complex cholesky cholesky_inverse "
    "cholesky_solve inverse lu lu_solve orgqr ormqr geqrf pinverse qr svd triangular_solve "
    "binary_cross_entropy binary_cross_entropy_with_logits mse_loss nll_loss l1_loss huber_loss "
    "smooth_l1_loss kl_div ctc_loss gru_layer "
    "fft_fft fft_ifft fft_fft2 fft_ifft2 fft_fftn fft_ifftn fft_rfft fft_irfft fft_rfft2 "
    "fft_irfft2 fft_rfftn fft_irfftn fft_hfft fft_ihfft "
    "linalg_cond linalg_matrix_rank linalg_solve linalg_solve_ex linalg_cholesky "
    "linalg_cholesky_ex linalg_svdvals linalg_eigvals linalg_eigvalsh linalg_inv linalg_inv_ex "
    "linalg_householder_product linalg_tensorinv linalg_tensorsolve linalg_qr linalg_svd linalg_eig "
    "linalg_eigh linalg_lstsq",
    PROMOTED: "stack cat index_copy",
    # Not cast, but made of operations here that would be.
    KEPT: "linalg_lu_solve linalg_solve_triangular inner",
}
_ON_CUDA = {
    NARROW: "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution "
    "prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm bmm chain_matmul "
    "linalg_multi_dot scaled_dot_product_attention _addmm_activation lstm_layer gru_layer rnn_layer",
    WIDE: "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus "
    "layer_norm native_layer_norm group_norm rms_norm frobenius_norm nuclear_norm cosine_similarity "
    "nll_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss binary_cross_entropy_with_logits dist "
    "pdist cdist renorm logsumexp upsample_nearest1d upsample_nearest2d upsample_nearest3d "
    "_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d "
    "upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d "
    "_upsample_bicubic2d_aa cross_entropy",
    WIDE_UNASKED: "prod softmax log_softmax cumprod cumsum linalg_vector_norm linalg_matrix_norm sum norm",
    PROMOTED: "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add",
    BANNED: "binary_cross_entropy",
    KEPT: "linalg_lu_solve linalg_solve_triangular lu_solve",
}

OPERATIONS = {"cpu": _ON_CPU, "cuda": _ON_CUDA}
"""For each kind of device, rows by what is done to their arguments; those that PyTorch has and the
table lacks change nothing."""

_BANNED = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)

_DEFAULTS = {"cpu": dtypes.bfloat16}
_FALLBACK = dtypes.float16


class _Mode(threading.local):
    """A thread's switches."""

    def __init__(self) -> None:
        self.enabled: set[str] = set()
        self.dtypes: dict[str, Any] = {}
        self.cache_on = True
        self.nesting = 0
        self.narrowed: dict[tuple[int, Any, bool], tuple[Any, Any]] = {}
        """Parameters that were cast: by id, dtype and grad mode."""
        self.running = False
        """Inside of an operation of the lists: what it is made of is not cast again."""


mode = _Mode()

When = Callable[..., bool]
_installed: dict[Any, dict[str, tuple[str, When | None]]] = {}
"""What is done to the arguments of a function, by kind of device."""


# --- casting ------------------------------------------------------------------------------------


def _castable(x: Any) -> bool:
    d = x._aval.dtype
    return d.category == dtypes.FLOAT and d is not dtypes.float64


def _cast(x: Any, to: Any) -> Any:
    """A tensor, or tensors in lists, as `to`; what is no floating tensor stays."""
    if isinstance(x, Tensor):
        if not _castable(x) or x._aval.dtype is to:
            return x
        keeps = mode.cache_on and x.is_leaf and x.requires_grad and x._view is None
        return _kept(x, to) if keeps and to is not dtypes.float32 else call.to_dtype(x, to)
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(_cast(each, to) for each in x)
    return x


def _kept(x: Any, to: Any) -> Any:
    """A parameter as `to`, cast once until the outermost autocast ends."""
    key = (id(x), to, trace.grad)
    found = mode.narrowed.get(key)
    if found is not None and found[0]() is x and found[2] == x._version:  # type: ignore[misc]
        return found[1]
    cast = call.to_dtype(x, to)
    mode.narrowed[key] = (weakref.ref(x), cast, x._version)  # type: ignore[assignment]
    return cast


def _tensors(values: Any) -> list[Any]:
    found: list[Any] = []
    for x in values:
        if isinstance(x, Tensor):
            found.append(x)
        elif isinstance(x, (list, tuple)):
            found += _tensors(x)
    return found


def _target(kind: str, policy: str, args: Any, kwargs: Any) -> Any:
    """The dtype that an operation's arguments are cast to, if they are."""
    if policy == KEPT:
        return None
    if policy == NARROW:
        return get_autocast_dtype(kind)
    if policy == WIDE:
        return dtypes.float32
    if policy == WIDE_UNASKED:
        asked = any(isinstance(x, dtypes.dtype) for x in (*args, *kwargs.values()))
        return None if asked else dtypes.float32
    if policy == BANNED:
        raise RuntimeError(_BANNED)
    found = {x._aval.dtype for x in _tensors((*args, *kwargs.values())) if _castable(x)}
    return found.pop() if len(found) == 1 else dtypes.float32


def kind_of(args: Any, kwargs: Any) -> str:
    """The kind of device that an operation runs on."""
    if not devices.others:
        return "cpu"
    where = devices.of((*args, *kwargs.values()))
    return "cpu" if where is None else where.type


# --- exchanging functions -----------------------------------------------------------------------


def casts_arguments(
    function: Any, policy: str, when: When | None = None, kind: str = "cpu"
) -> None:
    """Have a Python function cast its arguments where autocast is on for the kind of device that they
    are on, and `when` is true of them."""
    policies = _installed.get(function)
    if policies is not None:
        policies.setdefault(kind, (policy, when))
        return
    policies = _installed[function] = {kind: (policy, when)}
    original = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    original.__kwdefaults__ = function.__kwdefaults__

    def guarded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if mode.running or not mode.enabled:
            return original(*args, **kwargs)
        kind = kind_of(args, kwargs)
        known = policies.get(kind)
        if known is None or kind not in mode.enabled:
            return original(*args, **kwargs)
        policy, when = known
        if when is not None and not when(*args, **kwargs):
            return original(*args, **kwargs)
        to = None if kwargs.get("out") is not None else _target(kind, policy, args, kwargs)
        if to is not None:
            args, kwargs = _cast(args, to), {k: _cast(x, to) for k, x in kwargs.items()}
        mode.running = True
        try:
            return original(*args, **kwargs)
        finally:
            mode.running = False

    function.__code__ = _calling(guarded, function.__code__)
    if not hasattr(function, "__wrapped__"):
        function.__wrapped__ = original  # for `inspect.signature`


def _template(*args: Any, **kwargs: Any) -> Any:
    guarded: Any = "the guarded function"
    return guarded(args, kwargs)


def _calling(guarded: Callable[..., Any], like: CodeType) -> CodeType:
    """Code that hands its arguments to a function, with another's name and place."""
    consts = tuple(guarded if c == "the guarded function" else c for c in _template.__code__.co_consts)
    return _template.__code__.replace(
        co_consts=consts, co_name=like.co_name, co_qualname=like.co_qualname,
        co_freevars=like.co_freevars,
    )  # fmt: skip


@functools.cache
def install(kind: str) -> None:
    """Exchange the functions of the operations of a kind of device."""
    for policy, names in OPERATIONS[kind].items():
        for name in names.split():
            if name in table:
                row = table[name]
                casts_arguments(row.body or dispatch.function(name), policy, kind=kind)


# --- the functions of the torch namespace --------------------------------------------------------


def _kind(device_type: str | None) -> str:
    return "cuda" if device_type is None else device(device_type).type


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on in this thread; without an argument for CUDA."""
    return _kind(device_type) in mode.enabled


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch it: `set_autocast_enabled("cpu", True)`; with one argument for CUDA."""
    kind, on = ("cuda", device_type) if enabled is None else (_kind(device_type), enabled)
    if on and kind in OPERATIONS:
        install(kind)
    (mode.enabled.add if on else mode.enabled.discard)(kind)


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that the operations compute in where it is on."""
    kind = _kind(device_type)
    return mode.dtypes.get(kind) or _DEFAULTS.get(kind, _FALLBACK)


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    mode.dtypes[_kind(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether parameters that were cast are kept until the outermost autocast ends."""
    return mode.cache_on


def set_autocast_cache_enabled(enabled: bool) -> None:
    mode.cache_on = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the parameters that were cast."""
    mode.narrowed.clear()


def autocast_increment_nesting() -> int:
    """One autocast more is entered; gives how many are."""
    mode.nesting += 1
    return mode.nesting


def autocast_decrement_nesting() -> int:
    mode.nesting -= 1
    return mode.nesting


def _old_forms(kind: str, suffix: str, dtype_suffix: str) -> None:
    """`is_autocast_cpu_enabled()` and the like: the same for one kind of device."""
    made: dict[str, Callable[..., Any]] = {
        f"is_autocast{suffix}_enabled": lambda: is_autocast_enabled(kind),
        f"set_autocast{suffix}_enabled": lambda enabled: set_autocast_enabled(kind, enabled),
        f"get_autocast{dtype_suffix}_dtype": lambda: get_autocast_dtype(kind),
        f"set_autocast{dtype_suffix}_dtype": lambda dtype: set_autocast_dtype(kind, dtype),
    }
    for name, function in made.items():
        function.__name__ = function.__qualname__ = name
        globals().setdefault(name, function)


for _k in ("cpu", "xla", "ipu"):
    _old_forms(_k, f"_{_k}", f"_{_k}")
_old_forms("cuda", "_gpu", "_gpu")
