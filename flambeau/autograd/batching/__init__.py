"""vmap's level: operations on tensors that stand for a batch.

A batched tensor shows the shape of one sample. What is underneath has one dimension more, the batch,
or none, where all samples are the same. Rows have batching rules (`calls.rules`), which say how the
row is called once for the whole batch; rows without one run sample by sample.
"""

from __future__ import annotations

from typing import Any

from ...frontend.memory import stride
from ...ops.table import Row, Spec, call
from .. import levels
from . import along, convolutions, elementwise, layers, picking, products, views  # noqa: F401
from .calls import Arg, Call, Placed, Rule, rules
from .elementwise import elementwise as elementwise_rule
from .loop import sample_by_sample

RANDOM_ERROR = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)


class BatchLevel(levels.Level):
    """A vmap that runs: over `size` samples. `randomness` says what random operations do: "error",
    "different" numbers for each sample, the "same" for all."""

    def __init__(self, size: int, randomness: str = "error") -> None:
        super().__init__()
        self.size, self.randomness = size, randomness

    def apply(self, row: Row, inputs: list[Any], params: tuple[Any, ...]) -> Any:
        args = [self._arg(x) for x in inputs]
        out = cast = None
        if row.view is None:
            out, cast = _infer(row, levels.kinds_of(inputs), params)
        if any(x.dim is not None for x in Call(0, row, args, params, None, None).tensors):
            found = rule_of(row)(Call(self.size, row, args, params, out, cast))
        else:  # wrapped, but the same for all samples
            plain = Call(self.size, row, args, params, out, cast)
            found = _unbatched(plain.run(plain.map(lambda x: x.value)))
        return self._results(row, found, inputs, params, out)

    def _arg(self, x: Any) -> Any:
        if x.__class__ is list:
            return [self._arg(y) for y in x]
        if not hasattr(x, "_aval"):
            return x
        storage = levels.storage_of(x)
        shape = tuple(x._aval.shape)
        if storage is None or storage.level is not self:
            return Arg(x, None, shape)
        return Arg(storage.inner, storage.more, shape)

    def _results(
        self, row: Row, found: Any, inputs: list[Any], params: tuple[Any, ...], out: Any
    ) -> Any:
        if row.view is not None:
            source = inputs[0]
            parts = list(found) if isinstance(found, (list, tuple)) and not _is_placed(found) else [found]
            count = source._storage.count
            made = [self._wrapped(p, count) for p in parts]
            levels.note_views(self, row, made, source, params)
            return tuple(made) if row.multi_view else made[0]
        if isinstance(out, tuple):
            from ...frontend.dispatch import result_of

            made = [self._wrapped(p) for p in found]
            levels.note(self, row, made, inputs, params)
            return result_of(row, made)
        t = self._wrapped(found)
        levels.note(self, row, t, inputs, params)
        return t

    def _wrapped(self, found: Any, count: list[int] | None = None) -> Any:
        if _is_placed(found):
            return self.wrap(found.value, found.dim, count)
        if isinstance(found, _Same):
            return self.wrap(found.value, None, count)
        return self.wrap(found, 0, count)

    def wrap(self, inner: Any, dim: int | None, count: list[int] | None = None) -> Any:
        """A tensor of which `inner` has the samples along `dim`; None: the same for all."""
        storage = levels.Wrapped(self, inner, dim, count)
        if dim is None:
            return levels.tensor(storage, inner._aval, stride(inner), inner._offset)
        a, strides = levels.without(inner, dim)
        return levels.tensor(storage, a, strides, inner._offset)

    def trivial(self, x: Any) -> Any:
        return self.wrap(x, None)

    def like(self, t: Any, inner: Any, more: Any) -> Any:
        return self.wrap(inner, more)

    def whole(self, t: Any) -> tuple[Any, int | None]:
        """What is underneath a tensor, and its batch dimension."""
        storage = levels.storage_of(t)
        if storage is None or storage.level is not self:
            return t, None
        return storage.inner, storage.more

    def detached(self, t: Any) -> Any:
        inner, dim = self.whole(t)
        return self.wrap(inner.detach(), dim, t._storage.count)

    def copied(self, t: Any) -> Any:
        inner, dim = self.whole(t)
        return self.wrap(call.clone(inner), dim)

    def write(self, t: Any, result: Any) -> None:
        target, source = self._arg(t), self._arg(result)
        if source.batched and not target.batched:
            raise RuntimeError(
                "vmap: an in-place operation on a tensor of shape "
                f"{list(target.shape)} is not possible, because it is not being vmapped over but what "
                "is written is: there would be one result for each sample. Use the operation that "
                "returns a new tensor."
            )
        target.front().copy_(source.aligned(target.ndim))

    def draw_with(self, t: Any, draw: Any) -> Any:
        inner, dim = self.whole(t)
        if self.randomness == "error":
            raise RuntimeError(RANDOM_ERROR)
        if dim is not None and self.randomness == "same":
            raise RuntimeError(
                "vmap: called a random operation on a batch of parameters while the randomness is "
                "'same': numbers for different parameters differ"
            )
        if dim is None and self.randomness == "different":
            inner, dim = inner.unsqueeze(0).expand(self.size, *inner.shape), 0
        with levels.below(self):
            return self.wrap(draw(inner), dim)

    def after(self, x: Any) -> Any:
        """What is left of a tensor when its level has ended."""
        raise RuntimeError(
            "this tensor is one of vmap's, which has ended: a function that is vmapped must not leave "
            "its tensors in variables outside"
        )

    def text(self, t: Any, contents: Any = None) -> str:
        inner, dim = self.whole(t)
        lines = repr(inner).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={self.depth}, bdim={dim}, value=\n    {lines}\n)"

    def refusal(self, reason: str) -> str:
        if not self.alive:
            return "this tensor is one of vmap's, which has ended"
        if reason == "item()":
            return (
                "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over "
                "calling .item() on any Tensor, please try to rewrite what you're doing with other "
                "operations: a batch has no single number."
            )
        if reason == "bool()":
            return (
                "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
                "flow. That is not supported: the condition may differ between samples. Use "
                "torch.where()."
            )
        why = f" ({reason})" if reason else ""
        return (
            f"vmap: this operation looks at a tensor's data{why}, and what it gives may have another "
            "shape or value for each sample"
        )


class _Same:
    """A result that is the same for all samples."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _unbatched(found: Any) -> Any:
    if isinstance(found, (tuple, list)):
        return [_Same(x) for x in found]
    return _Same(found)


def _is_placed(found: Any) -> bool:
    return isinstance(found, Placed)


def _infer(row: Row, kinds: list[Any], params: tuple[Any, ...]) -> tuple[Any, Any]:
    """What the row's rule says of one sample: aval and cast."""
    from ...frontend.dispatch import OPERATION_ERRORS, named

    assert row.rule is not None
    try:
        found = row.rule(*kinds, *params)
    except OPERATION_ERRORS as error:
        raise named(row.called, error) from None
    return (found.aval, found.cast) if isinstance(found, Spec) else (found, None)


def rule_of(row: Row) -> Rule:
    """The batching rule of a row."""
    found = rules.get(row.name)
    if found is None:
        simple = getattr(row.rule, "elementwise", False)
        found = rules[row.name] = elementwise_rule if simple else sample_by_sample
    return found


def random_batch(shape: tuple[int, ...], draw: Any) -> Any:
    """A random tensor inside of vmap: `draw(shape)` makes one outside. None where no vmap runs."""
    level = next((x for x in reversed(levels.running.levels) if isinstance(x, BatchLevel)), None)
    if level is None:
        return None
    if level.randomness == "error":
        raise RuntimeError(RANDOM_ERROR)
    return _drawn(len(levels.running.levels) - 1, shape, draw)


def _drawn(at: int, shape: tuple[int, ...], draw: Any) -> Any:
    """Draw for the levels up to number `at`."""
    while at >= 0 and not isinstance(levels.running.levels[at], BatchLevel):
        at -= 1
    if at < 0:
        return draw(shape)
    level = levels.running.levels[at]
    assert isinstance(level, BatchLevel)
    if level.randomness != "different":
        return _drawn(at - 1, shape, draw)
    whole = _drawn(at - 1, (level.size, *shape), draw)
    if tuple(whole.shape) != (level.size, *shape):  # a draw of one shape only, as randperm's
        others = [_drawn(at - 1, shape, draw) for _ in range(level.size - 1)]
        whole = call.stack([whole, *others])
    return level.wrap(whole, 0)


__all__ = ["BatchLevel", "random_batch", "rule_of"]
