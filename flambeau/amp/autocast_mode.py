"""`autocast`: operations inside compute in a narrower dtype where PyTorch's lists say so."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import flambeau as torch

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

_ON_CPU = """
cosine_embedding_loss cross_entropy hinge_embedding_loss margin_ranking_loss multi_margin_loss
multilabel_margin_loss poisson_nll_loss soft_margin_loss triplet_margin_loss grid_sample ctc_loss
max_unpool1d max_unpool2d max_unpool3d fractional_max_pool2d fractional_max_pool3d
""".split()
_ON_CUDA = """
cosine_embedding_loss cross_entropy hinge_embedding_loss margin_ranking_loss multi_margin_loss
multilabel_margin_loss poisson_nll_loss soft_margin_loss triplet_margin_loss
""".split()
"""Functions of nn.functional that are no rows and compute in float32."""
_SUPPORTED = (torch.bfloat16, torch.float16)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` can be switched on for a kind of device: for the CPU, and CUDA where it is."""
    kind = torch.device(device_type).type
    return bool(kind == "cpu" or (kind == "cuda" and torch.cuda.is_available()))


class autocast:  # noqa: N801
    """Context manager and decorator.

    Inside, products and convolutions of floats compute in `dtype`, losses and what needs range in
    float32, and other operations in the dtype that they get. What a parameter was cast to is kept
    until the outermost `autocast` ends. On a GPU many more operations compute in float32 (sums, norms,
    softmax, exponentials), and `binary_cross_entropy` is refused: PyTorch's lists differ by device.

    For a device that is not there it switches itself off with a warning, as in PyTorch.

    Args:
        device_type: "cpu", "cuda" ...
        dtype: torch.bfloat16 or torch.float16. Left out: bfloat16 on the CPU, float16 on a GPU.
        enabled: False has the operations compute in the dtypes that they get, also inside of
            another `autocast`.
        cache_enabled: whether to keep parameters that were cast.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = torch.device(device_type).type
        self.fast_dtype = torch.get_autocast_dtype(self.device) if dtype is None else dtype
        self._cache_enabled = (
            torch.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        )
        self._enabled = enabled and self._usable()
        self._before: list[tuple[Any, ...]] = []

    def _usable(self) -> bool:
        name = self.device.upper()
        if not is_autocast_available(self.device):
            warnings.warn(f"{name} is not available. Disabling autocast.", stacklevel=3)
            return False
        if self.fast_dtype not in _SUPPORTED:
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} autocast only supports torch.bfloat16 and torch.float16, "
                f"not {self.fast_dtype}.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        if self._enabled:
            _cast_functions(self.device)
        kind = self.device
        self._before.append((
            torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind),
            torch.is_autocast_cache_enabled(),
        ))  # fmt: skip
        torch.set_autocast_enabled(kind, self._enabled)
        torch.set_autocast_dtype(kind, self.fast_dtype)
        torch.set_autocast_cache_enabled(self._cache_enabled)
        torch.autocast_increment_nesting()
        return self

    def __exit__(self, *_: object) -> None:
        enabled, dtype, cache = self._before.pop()
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(self.device, enabled)
        torch.set_autocast_dtype(self.device, dtype)
        torch.set_autocast_cache_enabled(cache)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: autocast, func: Callable[..., Any]) -> Callable[..., Any]:
    """The function, run inside of an `autocast`."""

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return wrapped


@functools.cache
def _cast_functions(kind: str) -> None:
    """Have the functions that are no operations of their own cast too."""
    from flambeau.nn import functional, native_rnn

    def cast(module: Any, names: list[str], policy: str) -> None:
        for name in names:
            function = getattr(module, name, None)
            if function is not None and hasattr(function, "__code__") and not function.__closure__:
                torch._casts_arguments(function, policy, kind=kind)

    if kind == "cpu":
        cast(functional, _ON_CPU, "wide")
        torch._casts_arguments(functional.pad, "wide", _pads_by_content)
        return
    cast(functional, _ON_CUDA, "wide")
    cast(functional, ["grid_sample"], "promoted")
    cast(native_rnn, ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"], "narrow")


def _pads_by_content(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> bool:
    """Whether `pad` is asked for one of the modes that compute in float32."""
    return mode in ("reflect", "replicate")


def _cast(value: Any, dtype: Any) -> Any:
    """Floating tensors, also in containers, as `dtype`."""
    if isinstance(value, torch.Tensor):
        eligible = value.is_floating_point() and value.dtype != torch.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, Mapping):
        return {_cast(k, dtype): _cast(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(x, dtype) for x in value)
    return value


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None
) -> Any:
    """Decorate an autograd Function's `forward(ctx, ...)`: its backward is to run in the same mode.

    With `cast_inputs` its floating tensors are cast to that dtype where autocast is on, and its
    operations are not cast.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        on = torch.is_autocast_enabled(device_type)
        ctx._dtype = torch.get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return forward(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return forward(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorate an autograd Function's `backward(ctx, ...)`: it runs in its forward's mode."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        on = args[0]._fwd_used_autocast
        with autocast(device_type, enabled=on, dtype=args[0]._dtype):
            return backward(*args, **kwargs)

    return decorated
