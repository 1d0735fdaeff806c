"""Random tensors, drawn from PyTorch's CPU stream.

Draws happen at the call, in the order of the calls: the generator's state is never behind.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import device as Device
from ..core.device import usable
from ..core.dtypes import dtype
from ..graph.trace import state
from ..ops.table import call
from ..runtime import random as streams
from . import inplace
from .creation import sizes, wanted, wrap
from .memory import write
from .tensor import Tensor


class Generator:
    """A stream of random numbers of its own: `manual_seed`, `get_state`, `set_state`."""

    def __init__(self, device: Any = "cpu") -> None:
        usable(device)
        self._stream = streams.Generator()

    @property
    def device(self) -> Device:
        return Device("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed`."""
        self._stream.manual_seed(seed)
        return self

    def seed(self) -> int:
        """Start a stream from the operating system's entropy, and return its seed."""
        return int(self._stream.seed())

    def initial_seed(self) -> int:
        return int(self._stream.initial_seed())

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor, in PyTorch's layout."""
        return wrap(np.array(self._stream.get_state(), np.uint8), dtypes.uint8)

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue where `get_state` was taken."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not dtypes.uint8:
            raise TypeError("expected a torch.ByteTensor, but got "
                            f"{getattr(new_state, 'dtype', type(new_state).__name__)}")  # fmt: skip
        self._stream.set_state(np.array(new_state._array("set_state()")))
        return self

    def clone_state(self) -> Generator:
        other = Generator()
        other.set_state(self.get_state())
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {"state": np.array(self._stream.get_state())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._stream = streams.Generator()
        self._stream.set_state(state["state"])


default_generator = Generator()


def stream_of(generator: Any) -> Any:
    """The stream to draw from: the given generator's or the default one."""
    if generator is None:
        return default_generator._stream
    if not isinstance(generator, Generator):
        raise TypeError(
            f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        )
    return generator._stream


def manual_seed(seed: int) -> Generator:
    """Start the default stream that belongs to `seed`."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    default_generator.set_state(new_state)


def _buffer(array: np.ndarray, dt: dtype) -> np.ndarray:
    """A draw as a buffer of `dt` (bfloat16 draws come as float32)."""
    return dtypes.to_bfloat16(array) if dt is dtypes.bfloat16 else np.asarray(array, dt.np)


def _finish(array: np.ndarray, dt: dtype, requires_grad: bool, out: Any) -> Tensor:
    t = wrap(_buffer(array, dt), dt, requires_grad and out is None)
    if out is None:
        return t
    out.resize_(tuple(t.shape))
    return out.copy_(t)  # type: ignore[no-any-return]


def _floating(name: str, dt: Any, out: Any = None) -> dtype:
    found: dtype = wanted(name, dt, out) or dtypes.get_default()
    if not found.is_differentiable:
        raise NotImplementedError(f'"{name}" not implemented for \'{found.legacy}\'')
    return found


def rand(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1)."""
    usable(device)
    dt = _floating("rand", dtype, out)
    array = stream_of(generator).uniform(sizes("rand", size), dt.name)
    return _finish(array, dt, requires_grad, out)


def randn(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from the standard normal distribution."""
    usable(device)
    dt = _floating("randn", dtype, out)
    array = stream_of(generator).normal(sizes("randn", size), dt.name)
    return _finish(array, dt, requires_grad, out)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              memory_format: Any = None, generator: Any = None) -> Tensor:  # fmt: skip
    """rand() of input's shape and dtype."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad,
                generator=generator)  # fmt: skip


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               memory_format: Any = None, generator: Any = None) -> Tensor:  # fmt: skip
    """randn() of input's shape and dtype."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad,
                 generator=generator)  # fmt: skip


def randint(
    *args: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, low: Any = None, high: Any = None,
    size: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """Integers from low (0) to high, without high: `randint(high, size)`, `randint(low, high, size)`."""
    given = list(args)
    if size is None:
        if not given:
            raise TypeError("randint(): missing argument 'size'")
        size = given.pop()
    if high is None:
        if not given:
            raise TypeError("randint(): missing argument 'high'")
        high = given.pop()
    if given:
        low = given.pop()
    usable(device)
    start, end = operator.index(low or 0), operator.index(high)
    if start >= end:
        raise RuntimeError(
            f"randint(): random_ expects 'from' to be less than 'to', but got from={start} >= to={end}"
        )
    dt: dtypes.dtype = wanted("randint", dtype, out) or dtypes.int64
    array = stream_of(generator).random(sizes("randint", (size,)), dt.name, start, end)
    return _finish(array, dt, requires_grad, out)


def randint_like(input: Tensor, *args: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    """randint() of input's shape and dtype."""
    kwargs.pop("memory_format", None)
    return randint(*args, size=tuple(input.shape), dtype=dtype or input.dtype, **kwargs)


def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A random order of the integers from 0 to n - 1."""
    usable(device)
    count = operator.index(n)
    if count < 0:
        raise RuntimeError(f"randperm(): n must be non-negative, got {count}")
    dt: dtypes.dtype = wanted("randperm", dtype, out) or dtypes.int64
    return _finish(stream_of(generator).randperm(count, dt.name), dt, requires_grad, out)


def _constant(x: Any) -> Any:
    """What a draw is made with: no gradient goes to it."""
    return x.detach() if isinstance(x, Tensor) else x


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers; mean and std may be tensors, whose shape is then the result's."""
    usable(device)
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        from .namespace import broadcast_shapes

        shape = broadcast_shapes(*[x.shape for x in (mean, std) if isinstance(x, Tensor)])
        like = mean if isinstance(mean, Tensor) else std
        if isinstance(std, Tensor) and std.numel() and bool((std < 0).any()):  # type: ignore[operator]
            raise RuntimeError("normal expects all elements of std >= 0.0")
        base = randn(tuple(shape), dtype=like.dtype, generator=generator)
        moved = base * _constant(std) + _constant(mean)
        kind = 1 if not isinstance(std, Tensor) else 3 if isinstance(mean, Tensor) else 2
        tensors = [x if isinstance(x, Tensor) else None for x in (mean, std)]
        found: Tensor = call.drawn(moved, *tensors, f"NormalBackward{kind}")
        return found if out is None else out.copy_(found)
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    dt = _floating("normal", dtype, out)
    shape = out.shape if size is None and out is not None else sizes("normal", (size,))
    array = stream_of(generator).normal(tuple(shape), dt.name, float(mean), float(std))
    return _finish(array, dt, requires_grad, out)


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones with the probabilities in `input` (or `p`), else zeros."""
    odds = float(p) if p is not None else dtypes.widen(input._array("bernoulli()"), input.dtype)
    array = stream_of(generator).bernoulli(tuple(input.shape), input.dtype.name, odds)
    found = _finish(array, input.dtype, False, out)
    if out is not None or not (input.requires_grad and state.grad):
        return found
    return call.drawn(found, input, None, "BernoulliBackward0")  # type: ignore[no-any-return]


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the weights of each row of `input`."""
    if not input.is_floating_point():
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {input.dtype}"
        )
    weights = dtypes.widen(input._array("multinomial()"), input.dtype)
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial(): expected an int64 tensor for out, got {out.dtype}")
    array = stream_of(generator).multinomial(weights, num_samples, replacement)
    return _finish(array, dtypes.int64, False, out)


def _fill(name: str, draw: Any) -> Any:
    """An in-place method that replaces a tensor's content by draws."""

    def fill(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        inplace.check_target(self, name)
        array = draw(stream_of(generator), self, *args, **kwargs)
        drawn = wrap(_buffer(array, self.dtype), self.dtype)
        write(self, drawn._storage.value)
        if self._rg is True and self._node is not None:
            self._node = None
        return self

    fill.__name__ = fill.__qualname__ = name
    fill.__doc__ = f"{name}: fill the tensor from the generator's stream."
    return fill


def _bernoulli_fill(g: Any, t: Tensor, p: Any = 0.5) -> np.ndarray:
    odds = p._array("bernoulli_()") if isinstance(p, Tensor) else float(p)
    return g.bernoulli(tuple(t.shape), t.dtype.name, odds)  # type: ignore[no-any-return]


def _random_fill(g: Any, t: Tensor, *args: Any, **kwargs: Any) -> np.ndarray:
    low, high = kwargs.pop("from", None), kwargs.pop("to", None)
    if len(args) == 1:
        low, high = 0, args[0]
    elif len(args) == 2:
        low, high = args
    shape, name = tuple(t.shape), t.dtype.name
    if low is None and high is None:
        return g.random(shape, name)  # type: ignore[no-any-return]
    start = operator.index(low or 0)
    end = None if high is None else operator.index(high)
    if end is not None and start >= end:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={start} >= to={end}"
        )
    return g.random(shape, name, start, end)  # type: ignore[no-any-return]


def _distribution(method: str, *names: str) -> Any:
    """A draw whose keywords are the stream's positional parameters."""

    def draw(g: Any, t: Tensor, *args: Any, **kwargs: Any) -> np.ndarray:
        values = list(args)
        for name in names[len(values) :]:
            values.append(kwargs.pop(name, _DEFAULTS[method, name]))
        if kwargs:
            raise TypeError(f"{method}_() got an unexpected keyword argument '{next(iter(kwargs))}'")
        numbers = [v.item() if isinstance(v, Tensor) else v for v in values]
        if method in ("uniform", "normal") and not t.dtype.is_differentiable:
            raise NotImplementedError(f'"{method}_" not implemented for \'{t.dtype.legacy}\'')
        if method == "uniform" and numbers[0] > numbers[1]:
            raise RuntimeError(
                f"uniform_ expects to return a [from, to) range, but found from={numbers[0]} > "
                f"to={numbers[1]}"
            )
        if method == "normal" and numbers[1] < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {numbers[1]}")
        found: np.ndarray = getattr(g, method)(tuple(t.shape), t.dtype.name, *numbers)
        return found

    return draw


_DEFAULTS: dict[tuple[str, str], float] = {
    ("uniform", "from"): 0.0, ("uniform", "to"): 1.0, ("normal", "mean"): 0.0,
    ("normal", "std"): 1.0, ("exponential", "lambd"): 1.0, ("geometric", "p"): 0.5,
    ("cauchy", "median"): 0.0, ("cauchy", "sigma"): 1.0, ("log_normal", "mean"): 1.0,
    ("log_normal", "std"): 2.0,
}  # fmt: skip

_METHODS: dict[str, Any] = {
    "uniform_": _fill("uniform_", _distribution("uniform", "from", "to")),
    "normal_": _fill("normal_", _distribution("normal", "mean", "std")),
    "exponential_": _fill("exponential_", _distribution("exponential", "lambd")),
    "geometric_": _fill("geometric_", _distribution("geometric", "p")),
    "cauchy_": _fill("cauchy_", _distribution("cauchy", "median", "sigma")),
    "log_normal_": _fill("log_normal_", _distribution("log_normal", "mean", "std")),
    "bernoulli_": _fill("bernoulli_", _bernoulli_fill),
    "random_": _fill("random_", _random_fill),
    "bernoulli": bernoulli,
    "multinomial": multinomial,
}

def _bernoulli_mask(shape: tuple[int, ...], dt: dtype, p: float) -> Tensor:
    """Ones with probability p, else zeros: dropout's mask."""
    return wrap(_buffer(default_generator._stream.bernoulli(shape, dt.name, p), dt), dt)


call.define(bernoulli_mask=_bernoulli_mask)

for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)
