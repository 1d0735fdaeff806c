"""How draws from a stream become tensors, and the in-place methods that fill with them.

Draws happen at the call, in the order of the calls: the generator's state is never behind. (A GPU's
stream records them, which is as good: see `cuda_random`.) PyTorch fills a tensor in the order of its
memory, whatever the order of its dimensions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import levels
from ..core import dtypes
from ..core.device import CPU
from ..core.dtypes import dtype
from ..errors import shown
from ..graph.trace import state
from ..ops.table import call
from ..runtime import shortage
from . import inplace
from .creation import wrap
from .dispatch import uncount
from .generator import stream_of
from .memory import stride, write
from .tensor import Tensor

Shape = tuple[int, ...]
Draw = Callable[[Any, Shape, str, bool], Any]
"""Draws from a stream for a shape and the name of a dtype, an array or, from a GPU's stream, a tensor;
the bool tells whether the elements lie one behind the other."""


def memory_order(t: Tensor) -> Shape | None:
    """A tensor's dimensions from the one with the largest stride on; None if that is as they are."""
    steps = stride(t)
    order = tuple(sorted(range(t.ndim), key=lambda k: -steps[k] if t.shape[k] > 1 else 0))
    moved = [k for k in order if t.shape[k] > 1]
    return None if moved == sorted(moved) else order


LONG = 16 << 10
"""From so many draws on a failed one leaves the stream where it was."""


def drawn(
    g: Any, draw: Draw, shape: Shape, dt: dtype, like: Any = None, gaps: bool = False,
    name: str = "random numbers",
) -> Tensor:  # fmt: skip
    """A new tensor of draws, in the memory order of `like`; `gaps`: its elements do not lie one
    behind the other. Inside of vmap its randomness decides how many are drawn. `name` is whose draws
    they are where there is no memory for them."""
    if levels.running.levels:
        from ..autograd.batching import random_batch

        def draw_outside(whole: Shape) -> Tensor:
            return _drawn(g, draw, whole, dt, None if whole != shape else like, gaps, name)

        found = random_batch(shape, draw_outside)
        if found is not None:
            return found  # type: ignore[no-any-return]
    return _drawn(g, draw, shape, dt, like, gaps, name)


def _drawn(
    g: Any, draw: Draw, shape: Shape, dt: dtype, like: Any, gaps: bool, name: str
) -> Tensor:
    mark = g.mark() if math.prod(shape) >= LONG else None
    try:
        order = None if like is None else memory_order(like)
        if hasattr(g, "gives_tensors"):
            return _recorded(g, draw, shape, dt, order)
        if order is None:
            array = draw(g, shape, dt.name, not gaps)
        else:
            array = draw(g, tuple(shape[k] for k in order), dt.name, False)
            array = np.ascontiguousarray(array.transpose(np.argsort(order)))
        if dt is dtypes.bfloat16:  # these draws come as float32 that bfloat16 can hold
            array = (array.reshape(-1).view(np.uint32) >> np.uint32(16)).astype(np.uint16)
            array = array.reshape(shape)
        return wrap(array, dt, device=CPU)
    except MemoryError as error:
        if mark is not None:
            g.go_back(mark)
        raise shortage.named(error, name) from None


def _recorded(g: Any, draw: Draw, shape: Shape, dt: dtype, order: Shape | None) -> Tensor:
    """The same on a GPU."""
    if order is None:
        t = draw(g, shape, dt.name, True)
    else:
        back = tuple(int(k) for k in np.argsort(order))
        t = draw(g, tuple(shape[k] for k in order), dt.name, True).permute(back).contiguous()
    if state.inference:
        uncount((t,))
    return t  # type: ignore[no-any-return]


def into(out: Any, name: str, g: Any, draw: Draw, shape: Shape, dt: dtype) -> Tensor:
    """Draws into `out`, which takes the shape."""
    if out.shape != shape:
        out.resize_(shape)
    inplace.check_target(out, name)
    made = drawn(g, draw, shape, dt, out, not out.is_contiguous(), name)
    write(out, made._storage.value)
    return out  # type: ignore[no-any-return]


# --- distributions ------------------------------------------------------------------------------


def _plain(method: str, *numbers: Any) -> Draw:
    return lambda g, shape, name, dense: getattr(g, method)(shape, name, *numbers)


def uniform(low: float = 0.0, high: float = 1.0) -> Draw:
    return _plain("uniform", low, high)


def gaussian(mean: float = 0.0, std: float = 1.0) -> Draw:
    return lambda g, shape, name, dense: g.normal(shape, name, mean, std, contiguous=dense)


def integers(low: int | None, high: int | None) -> Draw:
    return _plain("random", low, high)


def coins(p: Any, shape: Shape, order: Shape | None = None) -> Draw:
    """Ones with probability `p`, a number, or an array or a tensor that broadcasts to `shape`, for
    elements in the `order` of dimensions."""
    if isinstance(p, (np.ndarray, Tensor)):
        given: Any = p
        try:
            p = np.broadcast_to(given, shape) if isinstance(given, np.ndarray) else given.expand(shape)
        except (ValueError, RuntimeError):
            raise RuntimeError(
                f"bernoulli: probabilities of shape {list(given.shape)} do not broadcast to "
                f"{list(shape)}"
            ) from None
        if isinstance(p, Tensor):
            p = p if order is None else p.permute(order)
        else:
            p = np.array(p.transpose(order or range(p.ndim)), order="C")
    return _plain("bernoulli", p)


# --- in place -----------------------------------------------------------------------------------


def _number(name: str, argument: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"{name}(): argument '{argument}' must be a number, not {shown(value)}")
    return value


def _arguments(
    name: str, names: tuple[str, ...], defaults: tuple[Any, ...], args: Any, kwargs: Any
) -> list[Any]:
    """The distribution's parameters in order."""
    if len(args) > len(names):
        raise TypeError(
            f"{name}() takes {len(names)} positional arguments but {len(args)} were given"
        )
    values = list(args)
    for k, argument in enumerate(names[len(args) :], len(args)):
        if argument in kwargs:
            values.append(kwargs.pop(argument))
        elif defaults[k] is ...:
            raise TypeError(f"{name}() missing 1 required positional arguments: \"{argument}\"")
        else:
            values.append(defaults[k])
    if kwargs:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
    return [_number(name, argument, v) for argument, v in zip(names, values, strict=True)]


def _filled(self: Tensor, name: str, node: str, g: Any, draw: Draw) -> Tensor:
    """Replace a tensor's content by draws; in the graph, they have a node of their own."""
    inplace.check_target(self, name)
    made = drawn(g, draw, tuple(self.shape), self.dtype, self, not self.is_contiguous(), name)
    if state.grad and self.requires_grad:
        return inplace.assign(self, call.drawn(made, self, None, node))  # type: ignore[no-any-return]
    inplace.replace(self, made)
    return self


Check = Callable[[str, Tensor, list[Any]], None]


def _floats(name: str, t: Tensor, numbers: list[Any]) -> None:
    if not t.dtype.is_differentiable:
        raise NotImplementedError(f'"{name}" not implemented for \'{t.dtype.legacy}\'')


def _uniform(name: str, t: Tensor, numbers: list[Any]) -> None:
    _floats(name, t, numbers)
    low, high = numbers
    if not low <= high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}"
        )


def _normal(name: str, t: Tensor, numbers: list[Any]) -> None:
    _floats(name, t, numbers)
    if not numbers[1] >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {numbers[1]}")


def _fill(
    name: str, node: str, names: tuple[str, ...], defaults: tuple[Any, ...],
    check: Check | None = None,
) -> Any:  # fmt: skip
    """The in-place method of a distribution of numbers."""
    method = name.removesuffix("_")

    def fill(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        _own(name, self)
        numbers = _arguments(name, names, defaults, args, kwargs)
        if check is not None:
            check(name, self, numbers)
        draw = gaussian(*numbers) if method == "normal" else _plain(method, *numbers)
        return _filled(self, name, node, stream_of(generator, self._aval.device), draw)

    fill.__name__ = fill.__qualname__ = name
    fill.__doc__ = f"Fill with draws of the {method} distribution with {', '.join(names)}."
    return fill


def _own(name: str, self: Any) -> None:
    """TypeError for `Tensor.uniform_(5)`."""
    if not isinstance(self, Tensor):
        raise TypeError(f"{name}() is a method of Tensor, not of {type(self).__name__}")


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with ones with probability `p` (a number, or a tensor that broadcasts), else zeros."""
    _own("bernoulli_", self)
    if isinstance(p, Tensor):
        if p.dtype.category != dtypes.FLOAT:
            raise NotImplementedError(f'"bernoulli_" not implemented for \'{p.dtype.legacy}\'')
        odds: Any = probabilities("bernoulli_", p, self._aval.device)
        node = "BernoulliBackward1"
    else:
        odds, node = float(_number("bernoulli_", "p", p)), "BernoulliBackward2"
    draw = coins(odds, tuple(self.shape), memory_order(self))
    return _filled(self, "bernoulli_", node, stream_of(generator, self._aval.device), draw)


def probabilities(name: str, p: Tensor, where: Any) -> Any:
    """What `coins` on a device take of a tensor: on a GPU it is not looked at."""
    if where is not CPU:
        return p.detach().to(where)
    return dtypes.widen(p._array(f"{name}()"), p.dtype)


def random_(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
    """Fill with integers: `random_()` of the dtype's range, `random_(to)`, `random_(from, to)`."""
    _own("random_", self)
    given = dict(zip(("to",) if len(args) == 1 else ("from", "to"), args, strict=False), **kwargs)
    if len(args) > 2 or not set(given) <= {"from", "to"}:
        raise TypeError(f"random_() takes from and to, got {args} and {kwargs}")
    try:
        low, high = (
            None if given.get(k) is None else operator.index(given[k]) for k in ("from", "to")
        )
    except TypeError:
        raise TypeError(f"random_(): argument 'to' must be int, got {given}") from None
    if low is None and high is not None:
        low = 0
    if low is not None and high is not None and low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    node = {0: "RandomBackward2", 1: "RandomBackward1", 2: "RandomBackward0"}[len(given)]
    g = stream_of(generator, self._aval.device)
    return _filled(self, "random_", node, g, integers(low, high))


METHODS: dict[str, Any] = {
    "uniform_": _fill("uniform_", "UniformBackward0", ("from", "to"), (0.0, 1.0), _uniform),
    "normal_": _fill("normal_", "NormalBackward0", ("mean", "std"), (0.0, 1.0), _normal),
    "exponential_": _fill("exponential_", "ExponentialBackward0", ("lambd",), (1.0,)),
    "geometric_": _fill("geometric_", "GeometricBackward0", ("p",), (...,)),
    "cauchy_": _fill("cauchy_", "CauchyBackward0", ("median", "sigma"), (0.0, 1.0)),
    "log_normal_": _fill("log_normal_", "LogNormalBackward0", ("mean", "std"), (1.0, 2.0)),
    "bernoulli_": bernoulli_,
    "random_": random_,
}


def mask(like: Tensor, shape: Shape, p: float) -> Tensor:
    """Ones with probability p, else zeros: dropout's mask for `like`, of its shape or one that
    broadcasts to it."""
    same = shape == tuple(like.shape)
    g = stream_of(None, like._aval.device)
    return drawn(g, _plain("bernoulli", p), shape, like.dtype, like if same else None)


def dropped(input: Tensor, p: float) -> Tensor | None:
    """Dropout as one operation that keeps no mask, on a GPU and outside of vmap and forward mode; None
    elsewhere."""
    a = input._aval
    if a.device is CPU or levels.running.levels:
        return None
    place = stream_of(None, a.device).take(a.numel)
    return call.philox_dropout(input, *place, p)  # type: ignore[no-any-return]


call.define(bernoulli_mask=mask, dropped=dropped)
