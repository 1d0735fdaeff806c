"""Forward mode's level: tensors that carry a tangent.

A dual tensor has a primal and a tangent of the same shape underneath (None: zero). An operation runs on the
primals; the tangent of its result is J t, found with the derivatives that rows have anyway: u^T J is
linear in u, and J t is its gradient with respect to u, weighted by t (Townsend, "A new trick for
calculating Jacobian vector products", 2017). What only served to find it is never computed, since
operations are lazy. Views of a dual tensor are views of both parts, so that writes reach them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..frontend.memory import read, stride
from ..graph.trace import state
from ..ops.table import Row, call
from . import levels
from .reverse import grad as autograd_grad


class DualLevel(levels.Level):
    """A forward-mode pass that runs. `joins_all`: gradients taken inside reach tensors that are not
    dual, too, as with `forward_ad.dual_level`."""

    differentiates = True

    def __init__(self, joins_all: bool = False) -> None:
        super().__init__()
        self.joins_all = joins_all

    def apply(self, row: Row, inputs: list[Any], params: tuple[Any, ...]) -> Any:
        primals = _each(self.primal, inputs)
        tangents = _each(self.tangent, inputs)
        if row.view is not None:
            return self._view(row, primals, tangents[0], inputs, params)
        found = levels.call_row(row, primals, params)
        several = isinstance(found, tuple)
        results = list(found) if several else [found]
        if any(t is not None for t in levels.flat(tangents)):
            moved = self._tangents(row, primals, tangents, params, results)
        else:
            moved = [None] * len(results)
        if not levels.tracked(self, inputs) and not any(t is not None for t in moved):
            return found
        made = [self.wrap(r, t) for r, t in zip(results, moved, strict=True)]
        levels.note(self, row, made if several else made[0], inputs, params)
        if not several:
            return made[0]
        from ..frontend.dispatch import result_of

        return result_of(row, made)

    def _view(
        self, row: Row, primals: list[Any], tangent: Any, inputs: list[Any], params: tuple[Any, ...]
    ) -> Any:
        found = levels.call_row(row, primals, params)
        views = list(found) if row.multi_view else [found]
        moved: Any = [None] * len(views)
        if tangent is not None:
            if row.name in ("as_strided_at", "view_as_size", "reshape_view", "reshape_alias"):
                tangent = _laid_out_as(tangent, primals[0])
            moved = levels.call_row(row, [tangent], params)
            moved = list(moved) if row.multi_view else [moved]
        source = inputs[0]
        made = [
            self.wrap(v, t, source._storage.count) for v, t in zip(views, moved, strict=True)
        ]
        levels.note_views(self, row, made, source, params)
        return tuple(made) if row.multi_view else made[0]

    def _tangents(
        self, row: Row, primals: list[Any], tangents: list[Any], params: tuple[Any, ...],
        results: list[Any],
    ) -> list[Any]:  # fmt: skip
        """The tangents of an operation's results."""
        places = [i for i, r in enumerate(results) if r._aval.differentiable]
        if not places or not (row.grads or row.not_differentiable):
            return [None] * len(results)
        if not row.grads:
            raise NotImplementedError(
                f"Trying to use forward AD with {row.name} that does not support it because it has "
                f"not been implemented yet: {row.not_differentiable}"
            )
        found = push_forward(
            lambda xs: levels.call_row(row, xs, params), primals, tangents, places
        )
        moved: list[Any] = [None] * len(results)
        for i, t in zip(places, found, strict=True):
            moved[i] = t
        return moved

    def wrap(self, primal: Any, tangent: Any, count: list[int] | None = None) -> Any:
        """A dual tensor; `tangent` None is zero."""
        storage = levels.Wrapped(self, primal, tangent, count)
        return levels.tensor(storage, primal._aval, stride(primal), primal._offset)

    def primal(self, x: Any) -> Any:
        storage = levels.storage_of(x)
        return x if storage is None or storage.level is not self else storage.inner

    def tangent(self, x: Any) -> Any:
        storage = levels.storage_of(x)
        return None if storage is None or storage.level is not self else storage.more

    def trivial(self, x: Any) -> Any:
        return self.wrap(x, None)

    def like(self, t: Any, inner: Any, more: Any) -> Any:
        return self.wrap(inner, more)

    def detached(self, t: Any) -> Any:
        return self.primal(t).detach()

    def copied(self, t: Any) -> Any:
        tangent = self.tangent(t)
        return self.wrap(call.clone(self.primal(t)), None if tangent is None else call.clone(tangent))

    def write(self, t: Any, result: Any) -> None:
        moved = self.tangent(result)
        if moved is not None and self.tangent(t) is None:
            self._give_tangent(t)
        if levels.level_of(t) is not self:
            t.copy_(self.primal(result))
            return
        storage = t._storage
        storage.inner.copy_(self.primal(result))
        if storage.more is not None:
            if moved is None:
                storage.more.zero_()
            else:
                storage.more.copy_(moved)

    def _give_tangent(self, t: Any) -> None:
        """Make a tensor, and what it is a view of, carry a tangent of zeros from now on."""
        base = t if t._view is None else t._view
        if self.tangent(base) is None:
            primal = self.primal(base)
            primal = primal._alias() if primal is base else primal
            self._become(base, primal, _zeros_as(primal))
        if base is t:
            return
        whole = base._storage
        shape, strides, offset = tuple(t._aval.shape), stride(t), t._offset
        primal = self.primal(t)
        primal = primal._alias() if primal is t else primal
        start = offset - base._offset + whole.more._offset
        self._become(t, primal, whole.more.as_strided(shape, strides, start))

    def _become(self, t: Any, primal: Any, tangent: Any) -> None:
        known = levels.storage_of(t)
        count = known.count if known is not None else None
        t._storage = levels.Wrapped(self, primal, tangent, count)
        t._strides, t._plain = stride(primal), True

    def draw_with(self, t: Any, draw: Any) -> Any:
        with levels.below(self):
            return draw(self.primal(t))

    def value_of(self, storage: Any) -> Any:
        if self.alive:
            raise levels.Intercept(storage)
        return read(storage.inner)

    def array_of(self, t: Any, reason: str) -> Any:
        return self.primal(t)._array(reason)

    def after(self, x: Any) -> Any:
        return self.primal(x)

    def text(self, t: Any, contents: Any = None) -> str:
        from ..frontend.printing import tensor_text

        primal, tangent = self.primal(t), self.tangent(t)
        if tangent is None or not self.alive:
            return tensor_text(primal, contents)
        return tensor_text(primal, contents, (f"tangent={tensor_text(tangent)}",))

    def refusal(self, reason: str) -> str:
        return "this operation does not support forward mode: it works on a tensor's memory directly"


def _each(function: Any, inputs: Sequence[Any]) -> list[Any]:
    return [
        [function(y) for y in x] if x.__class__ is list else function(x) if hasattr(x, "_aval")
        else (x if function.__name__ == "primal" else None)
        for x in inputs
    ]  # fmt: skip


def _zeros_as(primal: Any) -> Any:
    """Zeros in the memory layout of a tensor."""
    from ..core.layout import span

    shape, strides = tuple(primal._aval.shape), stride(primal)
    room = call.zeros((span(shape, strides, 0)[1],), dtype=primal._aval.dtype, device=primal._aval.device)
    return room.as_strided(shape, strides, 0)


def _laid_out_as(tangent: Any, primal: Any) -> Any:
    """A tangent in the memory layout of its primal: views that depend on it come out the same."""
    if stride(tangent) == stride(primal) and tangent._offset == primal._offset:
        return tangent
    room = primal._storage.aval.numel
    memory = call.zeros((room,), dtype=tangent._aval.dtype, device=tangent._aval.device)
    laid = memory.as_strided(tuple(primal._aval.shape), stride(primal), primal._offset)
    laid.copy_(tangent)
    return laid


# --- J t from the derivatives backwards ---------------------------------------------------------


def push_forward(
    function: Any, inputs: list[Any], tangents: list[Any], places: Sequence[int] | None = None
) -> list[Any]:
    """The tangents J t of `function(inputs)`, for the results numbered `places` (all). Inputs may have
    lists of tensors; tangents have the same structure, None for zero."""
    lower = levels.innermost(levels.flat([*inputs, *tangents]))
    moving: list[Any] = []
    weights: list[Any] = []

    def leaf(x: Any, t: Any) -> Any:
        if t is None or not x._aval.differentiable:
            return x
        q = own_leaf(x, lower)
        moving.append(q)
        weights.append(t)
        return q

    outer = state.grad and any(
        x.requires_grad for x in levels.flat([*inputs, *tangents]) if hasattr(x, "_aval")
    )
    deeper = any(levels.graph_underneath(x) for x in levels.flat([*inputs, *tangents]))
    keeps = outer or (state.grad and deeper)
    given = [
        [leaf(y, s) for y, s in zip(x, t, strict=True)] if x.__class__ is list else leaf(x, t)
        for x, t in zip(inputs, tangents, strict=True)
    ]
    before = state.grad
    state.grad = True
    try:
        found = function(given)
        results = list(found) if isinstance(found, tuple) else [found]
        if places is not None:
            results = [results[i] for i in places]
        moved = transposed_twice(results, moving, weights, keeps, lower)
    finally:
        state.grad = before
    return moved if outer else [None if t is None else t._alias() for t in moved]


def own_leaf(x: Any, level: levels.Level | None) -> Any:
    """`x` as a tensor to differentiate by, in the graph of a level (None: outside of all). What it
    depends on there, it goes on depending on."""
    if level is not None and levels.level_of(x) is not level:
        return level.trivial(x).requires_grad_()
    if x.requires_grad and state.grad:
        return x.view_as(x)
    return x._alias().requires_grad_()


def transposed_twice(
    results: list[Any], moving: list[Any], weights: list[Any], keeps: bool,
    level: levels.Level | None,
) -> list[Any]:  # fmt: skip
    """J t for the results of a graph, of the leaves `moving` with the tangents `weights`; None where
    it is zero. `keeps`: the operations are to be in graphs themselves."""
    live = [r for r in results if r.requires_grad]
    if not live or not moving:
        return [None] * len(results)
    us = [own_leaf(call.constant(0, r._aval.shape, r._aval.dtype, r._aval.device), level) for r in live]
    back = autograd_grad(live, moving, us, create_graph=True, allow_unused=True)
    pairs = [(g, w) for g, w in zip(back, weights, strict=True) if g is not None and g.requires_grad]
    if not pairs:
        return [None] * len(results)
    gs, ws = zip(*pairs, strict=True)
    found = autograd_grad(gs, us, ws, create_graph=keeps, retain_graph=keeps, allow_unused=True)
    given = iter(found)
    return [next(given) if r.requires_grad else None for r in results]


__all__ = ["DualLevel", "own_leaf", "push_forward", "transposed_twice"]
