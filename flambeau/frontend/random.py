"""Random tensors, drawn from PyTorch's CPU stream or a GPU's: `rand`, `randn`, `randint`, `normal` and
so on."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..autograd.levels import level_of
from ..core import dtypes
from ..core.device import CPU, usable
from ..core.dtypes import dtype
from ..graph.trace import state
from ..ops.table import call
from ..runtime.random_rules import check_counts
from ..runtime.shortage import naming, room
from . import draws
from .creation import sizes, wanted, wrap
from .draws import Draw, Shape
from .generator import (
    Generator,
    default_generator,
    get_rng_state,
    gpu_generator,
    gpu_states,
    initial_seed,
    manual_seed,
    seed,
    set_gpu_states,
    set_rng_state,
    stream_of,
)
from .tensor import Tensor

__all__ = [
    "Generator", "bernoulli", "binomial", "default_generator", "get_rng_state", "gpu_generator",
    "gpu_states", "initial_seed", "manual_seed", "multinomial", "normal", "poisson", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm", "seed", "set_gpu_states", "set_rng_state",
]  # fmt: skip


def _floating(name: str, dt: Any, out: Any = None) -> dtype:
    found: dtype = wanted(name, dt, out) or dtypes.get_default()
    if not found.is_differentiable:
        raise NotImplementedError(f'"{name}" not implemented for \'{found.legacy}\'')
    return found


def _need_tensor(name: str, argument: str, x: Any, position: int = 1) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
            f"{type(x).__name__}"
        )
    return x


def _where(device: Any, out: Any) -> Any:
    """The device of a new tensor, or that of `out`."""
    return out._aval.device if out is not None and device is None else usable(device)


def _made(
    name: str, g: Any, draw: Draw, shape: Shape, dt: dtype, out: Any, requires_grad: bool = False
) -> Tensor:
    if out is not None:
        return draws.into(out, name, g, draw, shape, dt)
    t = draws.drawn(g, draw, shape, dt, name=name)
    return t.requires_grad_() if requires_grad else t


def _like(
    name: str, x: Tensor, dt: dtype, draw: Draw, generator: Any, device: Any, requires_grad: bool
) -> Tensor:
    """Draws of the shape of `x`, in its memory order, where it is if no device is given."""
    where = x._aval.device if device is None else usable(device)
    t = draws.drawn(stream_of(generator, where), draw, tuple(x.shape), dt, x, name=name)
    return t.requires_grad_() if requires_grad else t


# --- uniform, normal ----------------------------------------------------------------------------


def rand(
    *args: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1): `rand(2, 3)`, `rand((2, 3))`."""
    shape, dt = sizes("rand", args, size), _floating("rand", dtype, out)
    g = stream_of(generator, _where(device, out))
    return _made("rand", g, draws.uniform(), shape, dt, out, requires_grad)


def randn(
    *args: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from the standard normal distribution: `randn(2, 3)`, `randn((2, 3))`."""
    shape, dt = sizes("randn", args, size), _floating("randn", dtype, out)
    g = stream_of(generator, _where(device, out))
    return _made("randn", g, draws.gaussian(), shape, dt, out, requires_grad)


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    memory_format: Any = None, generator: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """rand() of input's shape and dtype."""
    _need_tensor("rand_like", "input", input)
    dt = _floating("rand_like", dtype or input.dtype)
    return _like("rand_like", input, dt, draws.uniform(), generator, device, requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    memory_format: Any = None, generator: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """randn() of input's shape and dtype."""
    _need_tensor("randn_like", "input", input)
    dt = _floating("randn_like", dtype or input.dtype)
    return _like("randn_like", input, dt, draws.gaussian(), generator, device, requires_grad)


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers; mean and std may be tensors, whose shape is then the result's."""
    if not isinstance(std, Tensor) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        return _normal_around(mean, std, generator, out)
    dt = _floating("normal", dtype, out)
    shape = tuple(out.shape) if size is None and out is not None else sizes("normal", (), size)
    draw = draws.gaussian(float(mean), float(std))
    return _made("normal", stream_of(generator, _where(device, out)), draw, shape, dt, out, requires_grad)


def _normal_around(mean: Any, std: Any, generator: Any, out: Any) -> Tensor:
    """Normal numbers with a mean and a deviation for each, one of them at least a tensor."""
    from .namespace import broadcast_shapes

    shape = tuple(broadcast_shapes(*[x.shape for x in (mean, std) if isinstance(x, Tensor)]))
    like = mean if isinstance(mean, Tensor) else std
    where = like._aval.device
    if where is CPU and isinstance(std, Tensor) and std.numel() and bool((std < 0).any()):  # type: ignore[operator]
        raise RuntimeError("normal expects all elements of std >= 0.0")
    dt = _floating("normal", like.dtype)
    base = draws.drawn(stream_of(generator, where), draws.gaussian(), shape, dt)
    moved = base * _constant(std) + _constant(mean)
    if out is not None:
        if out.shape != shape:
            out.resize_(shape)
        return out.copy_(moved)  # type: ignore[no-any-return]
    kind = 1 if not isinstance(std, Tensor) else 3 if isinstance(mean, Tensor) else 2
    tensors = [x if isinstance(x, Tensor) else None for x in (mean, std)]
    return call.drawn(moved, *tensors, f"NormalBackward{kind}")  # type: ignore[no-any-return]


def _constant(x: Any) -> Any:
    """What a draw is made with: no gradient goes to it."""
    return x.detach() if isinstance(x, Tensor) else x


# --- integers -----------------------------------------------------------------------------------


def _range(name: str, args: tuple[Any, ...], low: Any, high: Any) -> tuple[int, int]:
    """low (0) and high from `(high)`, `(low, high)` or keywords."""
    given = list(args)
    if high is None:
        if not given:
            raise TypeError(f"{name}(): missing argument 'high'")
        high = given.pop()
    if given:
        low = given.pop()
    if given:
        raise TypeError(f"{name}() takes low, high and size, got more arguments: {args}")
    try:
        start, end = operator.index(0 if low is None else low), operator.index(high)
    except TypeError:
        raise TypeError(
            f"{name}(): low and high must be int, got {type(low).__name__} and {type(high).__name__}"
        ) from None
    if start >= end:
        raise RuntimeError(
            f"{name}(): random_ expects 'from' to be less than 'to', but got from={start} >= to={end}"
        )
    return start, end


def randint(
    *args: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, low: Any = None, high: Any = None,
    size: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (0) to high, without high: `randint(high, size)`, `randint(low, high, size)`."""
    if size is None:
        if not args:
            raise TypeError("randint(): missing argument 'size'")
        *args, size = args  # type: ignore[assignment]
    if not hasattr(size, "__iter__"):
        raise TypeError(
            f"randint(): argument 'size' must be tuple of ints, not {type(size).__name__}"
        )
    start, end = _range("randint", tuple(args), low, high)
    dt: dtypes.dtype = wanted("randint", dtype, out) or dtypes.int64
    draw, shape = draws.integers(start, end), sizes("randint", (), size)
    return _made("randint", stream_of(generator, _where(device, out)), draw, shape, dt, out, requires_grad)


def randint_like(
    input: Tensor, *args: Any, low: Any = None, high: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
    generator: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """randint() of input's shape and dtype: `randint_like(x, high)`, `randint_like(x, low, high)`."""
    _need_tensor("randint_like", "input", input)
    draw = draws.integers(*_range("randint_like", args, low, high))
    return _like("randint_like", input, dtype or input.dtype, draw, generator, device, requires_grad)


def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A random order of the integers from 0 to n - 1."""
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(
            f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        ) from None
    if count < 0:
        raise RuntimeError(f"randperm(): n must be non-negative, got {count}")
    dt: dtypes.dtype = wanted("randperm", dtype, out) or dtypes.int64
    room(8 * count, "randperm")
    return _made(
        "randperm", stream_of(generator, _where(device, out)),
        lambda g, shape, name, dense: g.randperm(count, name), (count,), dt, out, requires_grad,
    )  # fmt: skip


# --- with parameters in tensors -----------------------------------------------------------------


@naming
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones with the probabilities in `input` (or `p`), else zeros."""
    _need_tensor("bernoulli", "input", input)
    if p is None and input.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(f'"bernoulli" not implemented for \'{input.dtype.legacy}\'')
    level = level_of(input)
    if level is not None and p is None:
        return level.draw_with(input, bernoulli)  # type: ignore[no-any-return]
    where = input._aval.device
    odds = float(p) if p is not None else draws.probabilities("bernoulli", input, where)
    g, shape = stream_of(generator, where), tuple(input.shape)
    if out is not None:
        if out.shape != shape:
            out.resize_(shape)
        draw = draws.coins(odds, shape, draws.memory_order(out))
        return draws.into(out, "bernoulli", g, draw, shape, out.dtype)
    found = draws.drawn(g, draws.coins(odds, shape), shape, input.dtype)
    if not (input.requires_grad and state.grad):
        return found
    return call.drawn(found, input, None, "BernoulliBackward0")  # type: ignore[no-any-return]


@naming
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the weights of each row of `input`.

    On a GPU they are drawn there, and nothing waits: what is in `input` is not looked at, so that weights
    which are negative or not finite, or rows of zeros, give some indices instead of an error."""
    _need_tensor("multinomial", "input", input)
    if not input.is_floating_point():
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {input.dtype}"
        )
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial(): expected an int64 tensor for out, got {out.dtype}")
    try:
        count = operator.index(num_samples)
    except TypeError:
        raise TypeError(
            "multinomial(): argument 'num_samples' (position 2) must be int, not "
            f"{type(num_samples).__name__}"
        ) from None
    t = _indices(stream_of(generator, input._aval.device), input, count, bool(replacement))
    if out is None:
        return t
    if out.shape != t.shape:
        out.resize_(tuple(t.shape))
    return out.copy_(t)  # type: ignore[no-any-return]


def _indices(g: Any, input: Tensor, count: int, replacement: bool) -> Tensor:
    """What `multinomial` draws."""
    where = input._aval.device
    if where is not CPU:
        check_counts(tuple(input.shape), count, replacement)
        return g.multinomial(input.detach(), count, replacement)  # type: ignore[no-any-return]
    weights = dtypes.widen(input._array("multinomial()"), input.dtype)
    array = g.multinomial(weights, count, replacement, dtype=input.dtype.name)
    return wrap(array, dtypes.int64, device=where)


def _elementwise(name: str, x: Tensor, draw: Any) -> Tensor:
    """Draws with a parameter for each element."""
    if x.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(f'"{name}" not implemented for \'{x.dtype.legacy}\'')
    array = draw(dtypes.widen(x._array(f"{name}()"), x.dtype), x.dtype.name)
    return wrap(np.array(dtypes.narrow(array, x.dtype), order="C"), x.dtype, device=x._aval.device)


@naming
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson numbers for the rates in `input`."""
    _need_tensor("poisson", "input", input)
    found = _elementwise("poisson", input, stream_of(generator, input._aval.device).poisson)
    if not (input.requires_grad and state.grad):
        return found
    return call.drawn(found, input, None, "PoissonBackward0")  # type: ignore[no-any-return]


@naming
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Binomial numbers: of `count` trials, how many succeed with probability `prob`."""
    _need_tensor("binomial", "count", count)
    _need_tensor("binomial", "prob", prob, 2)
    if count.dtype is not prob.dtype:
        raise RuntimeError(f"Found dtype {prob.dtype.legacy} but expected {count.dtype.legacy}")
    odds = dtypes.widen(prob._array("binomial()"), prob.dtype)
    g = stream_of(generator, count._aval.device)
    return _elementwise(
        "binomial", count, lambda n, name: g.binomial(n, np.broadcast_to(odds, n.shape), name)
    )


for _name, _method in {
    **draws.METHODS, "bernoulli": bernoulli, "multinomial": multinomial,
}.items():  # fmt: skip
    setattr(Tensor, _name, _method)
