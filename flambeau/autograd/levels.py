"""Levels: tensors that stand for other tensors, each with its own way of running an operation.

`vmap` runs a function on tensors that stand for a whole batch, forward mode on tensors that carry a
tangent. Both are ordinary tensors (with the shape, the strides and the place in the graph that the
user's function is to see) over a `Wrapped` storage, which holds the tensors underneath and the level
that made it. Levels are nested: what is underneath may be wrapped again, by a level further out.

The functions of rows know nothing of this. Where one asks a wrapped storage for its value it gets an
`Intercept`, and calls `lifted`, which lets the innermost level of the arguments run the operation:
it unwraps what is its own, calls the row on that, and wraps the results. Ordinary tensors pay nothing.

Each level has a graph of its own. A tensor that requires grad underneath has its nodes made when the
row is called there; those between wrapped tensors are made by `note`. So a gradient is taken at
the level where it is asked for, and what lies further out differentiates that in turn.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..core.aval import Aval, aval
from ..graph.trace import state
from ..ops import signature
from ..ops.table import Row
from . import saved
from .derivatives import node_class
from .node import Node, edge_of, joined, version
from .wrapped import Intercept, Wrapped


class Level:
    """A transform that runs. `depth` counts from the outermost, 1."""

    differentiates = False
    """Whether its operations are differentiated."""
    joins_all = False
    """Whether the level's graph leads to tensors that are not wrapped at it, too."""

    def __init__(self) -> None:
        self.depth = len(running.levels) + 1
        self.alive = False

    def __enter__(self) -> Any:
        self.depth = len(running.levels) + 1
        self.alive = True
        running.levels.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.alive = False
        running.levels.remove(self)

    def apply(self, row: Row, inputs: list[Any], params: tuple[Any, ...]) -> Any:
        """Run an operation some of whose inputs are wrapped at this level."""
        raise NotImplementedError

    def trivial(self, x: Any) -> Any:
        """`x` wrapped at this level as it is: a constant."""
        raise NotImplementedError

    def like(self, t: Any, inner: Any, more: Any) -> Any:
        """A tensor that stands for `inner`, in the place of `t`."""
        raise NotImplementedError

    def detached(self, t: Any) -> Any:
        """The same memory out of all graphs."""
        raise NotImplementedError

    def copied(self, t: Any) -> Any:
        """The content of `t` as it is now, in memory of its own."""
        raise NotImplementedError

    def write(self, t: Any, result: Any) -> None:
        """Replace the content of `t`, which may not be wrapped yet, by that of `result`."""
        raise NotImplementedError

    def after(self, x: Any) -> Any:
        """What is left of a tensor when the level has ended."""
        raise NotImplementedError

    def draw_with(self, t: Any, draw: Callable[[Any], Any]) -> Any:
        """Random numbers whose parameters are in `t`: `draw(tensor)` makes them outside."""
        raise Intercept(t._storage, "random numbers")

    def value_of(self, storage: Wrapped) -> Any:
        """The graph's value of the content, where the level has ended and left one."""
        raise Intercept(storage)

    def array_of(self, t: Any, reason: str) -> Any:
        """The content as an array, to be looked at."""
        raise Intercept(t._storage, reason)

    def text(self, t: Any, contents: Any = None) -> str:
        """What `repr` gives."""
        raise NotImplementedError

    def refusal(self, reason: str) -> str:
        """Why a tensor's memory can't be looked at."""
        return "this operation looks at a tensor's memory, which is not there inside a transform"


class _Running(threading.local):
    """The levels that a thread is inside of, the innermost last."""

    def __init__(self) -> None:
        self.levels: list[Level] = []


running = _Running()


class below:
    """Inside, a level and those within it do not run: what happens, happens further out."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        self.before = running.levels
        running.levels = running.levels[: running.levels.index(self.level)]

    def __exit__(self, *_: object) -> None:
        running.levels = self.before


def storage_of(x: Any) -> Wrapped | None:
    """The wrapped storage of a tensor; None for tensors that are not wrapped and other things."""
    storage = getattr(x, "_storage", None)
    return storage if storage.__class__ is Wrapped else None


def underneath(x: Any) -> Any:
    """The tensor below all levels that a tensor stands for: a whole batch, a primal."""
    storage = storage_of(x)
    return x if storage is None else underneath(storage.inner)


def level_of(x: Any) -> Level | None:
    """The level that a tensor is wrapped at."""
    storage = storage_of(x)
    return None if storage is None else storage.level


def top() -> Level | None:
    """The innermost level that runs."""
    return running.levels[-1] if running.levels else None


def graph_underneath(x: Any) -> bool:
    """Whether what a tensor stands for requires grad, at any level below its own."""
    storage = storage_of(x)
    if storage is None:
        return False
    parts = [storage.inner, storage.more] if hasattr(storage.more, "_aval") else [storage.inner]
    return any(p.requires_grad or graph_underneath(p) for p in parts)


def reaches_others(outputs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Whether the graph of some tensors leads to leaves that are not among `own`."""
    mine = {id(x) for x in own}
    edges = [edge_of(x) for x in outputs]
    stack = [e[0] for e in edges if e is not None]
    seen = {id(x) for x in stack}
    while stack:
        target = stack.pop()
        if not isinstance(target, Node):
            if id(target) not in mine:
                return True
            continue
        for e in target.edges:
            if e is not None and id(e[0]) not in seen:
                seen.add(id(e[0]))
                stack.append(e[0])
    return False


def flat(inputs: Sequence[Any]) -> list[Any]:
    """The inputs of an operation, with those of a list one by one."""
    out: list[Any] = []
    for x in inputs:
        if x.__class__ is list or x.__class__ is tuple:
            out.extend(x)
        else:
            out.append(x)
    return out


def innermost(tensors: Sequence[Any]) -> Level | None:
    """The innermost level that any of the tensors is wrapped at."""
    found: Level | None = None
    for x in tensors:
        level = level_of(x)
        if level is not None and (found is None or level.depth > found.depth):
            found = level
    return found


def tensor(storage: Any, a: Aval, strides: Any, offset: int) -> Any:
    """A tensor over a wrapped storage."""
    t = saved.new_tensor()
    t._storage, t._aval = storage, a
    t._strides, t._offset = storage.layout = strides, offset
    return t


def write(t: Any, result: Any) -> None:
    """Replace the content of `t` by that of `result`, one of which is wrapped at least."""
    from ..frontend.memory import bump

    level = innermost((t, result))
    assert level is not None
    level.write(t, result)
    bump(t)


def copied(t: Any) -> Any:
    """The content of a wrapped tensor as it is now, in memory of its own."""
    return t._storage.level.copied(t)


# --- running rows -------------------------------------------------------------------------------


def call_row(row: Row, inputs: Sequence[Any], params: Sequence[Any]) -> Any:
    """The row's function, with its inputs and its static parameters, each in order."""
    from ..frontend.dispatch import function

    ins, statics = iter(inputs), iter(params)
    args: list[Any] = []
    keywords: dict[str, Any] = {}
    for a in signature.parse(row.schema).arguments:
        x = next(ins) if a.is_input else next(statics)
        if a.keyword_only or keywords or a.type == "int*":
            keywords[a.name] = x
        else:
            args.append(x)
    return function(row.name)(*args, **keywords)


def lifted(row: Row, inputs: tuple[Any, ...], params: tuple[Any, ...], why: Intercept) -> Any:
    """Run an operation that was intercepted. Inputs are as the user gave them."""
    if why.storage is None:
        from ..frontend.arguments import TensorItems
        from ..frontend.overriding import row_overridden

        if isinstance(why, TensorItems):
            return call_row(row, inputs, [_numbers(p) for p in params])

        return row_overridden(row, inputs, params)
    given = [_argument(row, a, x) for a, x in zip(_input_arguments(row), inputs, strict=True)]
    level = innermost(flat(given))
    assert level is not None
    if not level.alive:
        level_inputs = [_outlived(level, x) for x in given]
        return call_row(row, level_inputs, params)
    return level.apply(row, given, params)


def _numbers(param: Any) -> Any:
    """A parameter whose tensors are integers."""
    if isinstance(param, tuple):
        return tuple(operator.index(x) if hasattr(x, "_aval") else x for x in param)
    return param


def _input_arguments(row: Row) -> tuple[signature.Argument, ...]:
    return signature.parse(row.schema).inputs


def _argument(row: Row, a: signature.Argument, x: Any) -> Any:
    """An input as a tensor, a number, None, or a list of tensors."""
    from ..frontend import arguments

    if a.type == "Tensor[]":
        return list(x)
    if a.type == "Operand" and not hasattr(x, "_aval"):
        return arguments.need_operand(row, a.name, x)[0]
    if a.type == "Tensor" and not hasattr(x, "_aval"):
        arguments.need_tensor(row, a.name, x)
    return x


def _outlived(level: Level, x: Any) -> Any:
    """What is left of an input when its level has ended."""
    if x.__class__ is list:
        return [_outlived(level, y) for y in x]
    if level_of(x) is not level:
        return x
    return level.after(x)


def kinds_of(inputs: Sequence[Any]) -> list[Any]:
    """What a rule gets for the inputs: avals, types of numbers, None."""
    out: list[Any] = []
    for x in inputs:
        if x.__class__ is list:
            out.append(tuple([t._aval for t in x]))
        elif x is None:
            out.append(None)
        else:
            out.append(x._aval if hasattr(x, "_aval") else type(x))
    return out


# --- the graph of a level -----------------------------------------------------------------------


def _joins(level: Level, x: Any) -> Any:
    """Whether an input brings the level's graph."""
    if not hasattr(x, "_aval") or (level_of(x) is not level and not level.joins_all):
        return False
    return x._rg or (x._view is not None and joined(x))


def tracked(level: Level, inputs: Sequence[Any]) -> bool:
    """Whether an operation on these inputs belongs to the level's graph."""
    return state.grad and any([_joins(level, x) for x in flat(inputs)])


def note(
    level: Level, row: Row, made: Any, inputs: list[Any], params: tuple[Any, ...]
) -> None:
    """Make the node of an operation in the level's graph, where it has one. `made` is the result,
    or a list of them."""
    if not (row.grads or row.not_differentiable) or not tracked(level, inputs):
        return
    given: list[Any] = []
    flags: list[Any] = []
    for x in inputs:
        if x.__class__ is list:
            joins = [_joins(level, y) for y in x]
            given.append([y if j else y._alias() for y, j in zip(x, joins, strict=True)])
            flags.append(any(joins))
        else:
            given.append(x)
            flags.append(_joins(level, x))
    node_class(row).record(made, *given, *kinds_of(inputs), *flags, params, 0)


def note_views(
    level: Level, row: Row, views: list[Any], source: Any, params: tuple[Any, ...]
) -> None:
    """The same for views, which moreover remember what they are views of."""
    from ..frontend.inplace import SEVERAL, unfollowed

    root = source if source._view is None else source._view
    for t in views:
        t._view, t._seen = root, version(source)
        t._origin = SEVERAL if row.multi_view else source._origin
    if not _joins(level, source):
        return
    if state.grad:
        made = views if row.multi_view else views[0]
        node_class(row).record(made, source, source._aval, source._rg, params, 0)
    else:
        for t in views:
            t._origin = unfollowed()


def without(t: Any, dim: int) -> tuple[Any, tuple[int, ...]]:
    """Aval and strides of a tensor without one of its dimensions."""
    from ..frontend.memory import stride

    shape, strides = tuple(t._aval.shape), stride(t)
    a = aval(shape[:dim] + shape[dim + 1 :], t._aval.dtype, t._aval.device)
    return a, strides[:dim] + strides[dim + 1 :]


Rule = Callable[..., Any]

__all__ = ["Intercept", "Level", "Wrapped", "call_row", "innermost", "level_of", "lifted", "note",
           "note_views", "running", "storage_of", "tensor", "top", "tracked"]  # fmt: skip
