"""Activation checkpointing: run a part of the forward pass again in the backward pass, instead of
keeping its intermediates (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
"""

from __future__ import annotations

import contextlib
import enum
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flambeau as torch
from flambeau.autograd import Function, engine
from flambeau.errors import refusing

from ._checkpoint_frames import (
    CHECKS,
    Arguments,
    CheckpointError,
    Frame,
    Settings,
    random_and_autocast,
)
from ._pytree import tree_leaves

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "DefaultDeviceType", "checkpoint",
    "check_backward_validity", "checkpoint_sequential", "create_selective_checkpoint_contexts",
    "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip


def noop_context_fn() -> tuple[Any, Any]:
    """What surrounds forward and its repetition: nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


# --- use_reentrant=True -------------------------------------------------------------------------


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments out of their graph; tensors require grad as they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x
        for x in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn where no argument requires grad, so that no gradient will come through."""
    if not any(isinstance(x, torch.Tensor) and x.requires_grad for x in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None",
                      stacklevel=4)  # fmt: skip


class CheckpointFunction(Function):
    """A region as one function of its arguments, which runs without a graph, and again with one in
    the middle of the backward pass."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.restored = random_and_autocast(preserve_rng_state)
        ctx.rest = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        if engine.running.passes[-1].targets is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can either "
                "set use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        given = list(ctx.rest)
        for i, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            given[i] = t
        inputs = detach_variable(tuple(given))
        with ctx.restored(), torch.enable_grad():
            found = ctx.run_function(*inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        pairs = [
            (o, g) for o, g in zip(outputs, args, strict=True)
            if isinstance(o, torch.Tensor) and o.requires_grad
        ]  # fmt: skip
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *[x.grad if isinstance(x, torch.Tensor) else None for x in inputs]


# --- use_reentrant=False ------------------------------------------------------------------------


def _without_reentrance(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
    preserve_rng_state: bool, contexts: tuple[Any, Any], determinism_check: str, early_stop: bool,
) -> Any:  # fmt: skip
    first, second = contexts
    arguments = Arguments(args)
    restored = random_and_autocast(preserve_rng_state)

    def again() -> None:
        with restored(), second:
            function(*arguments.get(), **kwargs)

    frame = Frame(again, early_stop, CHECKS[determinism_check])
    with frame.hooks(), first:
        return function(*args, **kwargs)


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)` without keeping its intermediates for backward, which runs it
    again.

    use_reentrant: True runs the function as one node, without a graph the first time: gradients
        come through only where a tensor among `args` requires grad, and only `backward()` without
        `inputs` can go through it. False drops what is saved and makes it again.
    context_fn: gives two context managers, for the first run and the repetition.
    preserve_rng_state: (True) let the repetition draw the same random numbers (dropout).
    determinism_check: "default" compares shapes and dtypes of what is saved, "none" nothing.
    early_stop: the repetition ends as soon as everything is there.

    The function must compute the same again. What it does besides happens twice. CheckpointError
    where it saves something else the second time.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs and use_reentrant:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    if use_reentrant:
        if context_fn is not noop_context_fn or debug:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in CHECKS:
        raise ValueError(
            f"determinism_check should be one of {list(CHECKS)} but got {determinism_check}"
        )
    contexts = context_fn()
    if not torch.is_grad_enabled():
        with contexts[0]:
            return function(*args, **kwargs)
    stop = early_stop if Settings.early_stop is None else Settings.early_stop
    return _without_reentrance(
        function, args, kwargs, preserve, contexts, determinism_check, stop
    )


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential, or a list of functions, in `segments` parts of which all but the last are
    checkpointed."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly; use_reentrant=False is recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    parts = list(functions.children()) if isinstance(functions, torch.nn.Sequential) else list(functions)

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for part in parts[start:end]:
                x = part(x)
            return x

        return forward

    size = len(parts) // segments
    end = 0
    for start in range(0, size * (segments - 1), size or 1):
        end = start + size
        input = checkpoint(run(start, end), input, use_reentrant=use_reentrant,
                           preserve_rng_state=preserve)  # fmt: skip
    return run(end, len(parts))(input)


# --- settings -----------------------------------------------------------------------------------


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Inside, repetitions end early or don't, whatever `checkpoint` is told."""
    before, Settings.early_stop = Settings.early_stop, enable
    try:
        yield
    finally:
        Settings.early_stop = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """PyTorch traces the operations of regions with this. Errors tell positions and metadata here
    in any case."""
    before, Settings.debug = Settings.debug, enabled
    try:
        yield
    finally:
        Settings.debug = before


class DefaultDeviceType:
    """The type of device whose random state is kept besides the CPU's, where no tensor says it."""

    _default = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        DefaultDeviceType._default = device

    @staticmethod
    def get_device_type() -> str:
        return DefaultDeviceType._default


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """Numbers and random states of the GPUs that tensors among the arguments are on."""
    found = sorted({
        x.get_device()
        for x in tree_leaves(args)
        if isinstance(x, torch.Tensor) and x.device.type == "cuda"
    })  # fmt: skip
    return found, [torch._random.gpu_generator(index).get_state() for index in found]


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Set what `get_device_states` gave."""
    if (device_type or DefaultDeviceType.get_device_type()) != "cuda" and (devices or states):
        raise RuntimeError("set_device_states(): there are no devices but the CPU and GPUs of CUDA")
    for index, state in zip(devices, states, strict=True):
        torch._random.gpu_generator(index).set_state(state)


class CheckpointPolicy(enum.Enum):
    """What selective checkpointing says of an operation: keep its result or make it again."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> Any:
    """Refused: it chooses among PyTorch's internal operators (`torch.ops.aten`)."""
    raise NotImplementedError(
        "torch.utils.checkpoint.create_selective_checkpoint_contexts chooses among PyTorch's internal "
        "operators (torch.ops.aten), which flambeau lacks: checkpoint the parts of the function that "
        "are to be recomputed by themselves"
    )


__getattr__ = refusing(__name__)
