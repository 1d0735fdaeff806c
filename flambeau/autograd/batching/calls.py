"""What a batching rule gets: one call of a row, some of whose inputs stand for a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...ops import signature
from ...ops.table import Row, call
from ..levels import call_row


class Arg(NamedTuple):
    """A tensor among the inputs: what is underneath, and where its batch dimension is (None: it is
    the same for the whole batch). `shape` is without the batch dimension."""

    value: Any
    dim: int | None
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def batched(self) -> bool:
        return self.dim is not None

    def front(self) -> Any:
        """(batch, *shape), or the tensor as it is where it has no batch."""
        if not self.dim:
            return self.value
        order = [self.dim, *[d for d in range(self.ndim + 1) if d != self.dim]]
        return call.permute(self.value, *order)

    def full(self, size: int) -> Any:
        """(batch, *shape), expanded where it has no batch."""
        if self.dim is not None:
            return self.front()
        return call.expand(call.unsqueeze(self.value, 0), size, *self.shape)

    def aligned(self, ndim: int) -> Any:
        """As `front`, with dimensions of size one behind the batch, so that the tensor broadcasts
        with others of `ndim` dimensions."""
        x = self.front()
        if self.dim is not None:
            for _ in range(ndim - self.ndim):
                x = call.unsqueeze(x, 1)
        return x


    def spread(self, ndim: int, size: int) -> Any:
        """As `aligned`, expanded where it has no batch."""
        x = self.full(size)
        for _ in range(ndim - self.ndim):
            x = call.unsqueeze(x, 1)
        return x


class Placed(NamedTuple):
    """A result whose batch dimension is not the first."""

    value: Any
    dim: int


class Call(NamedTuple):
    """A row's call. `args` has Arg for tensors, numbers and None as they are, lists of Arg."""

    size: int
    row: Row
    args: list[Any]
    params: tuple[Any, ...]
    out: Any
    """The result's aval without the batch dimension (a tuple for several); None for views."""
    cast: Any
    """The dtype that the row casts its inputs to; None for as they are."""

    @property
    def tensors(self) -> list[Arg]:
        found: list[Arg] = []
        for x in self.args:
            if x.__class__ is list:
                found += x
            elif isinstance(x, Arg):
                found.append(x)
        return found

    def param(self, name: str) -> Any:
        """A static parameter by its name."""
        return self.params[self.names.index(name)]

    @property
    def names(self) -> list[str]:
        return [a.name for a in signature.parse(self.row.schema).params]

    def run(self, inputs: Sequence[Any], params: Sequence[Any] | None = None) -> Any:
        """The row's own result for other inputs and parameters."""
        return call_row(self.row, inputs, self.params if params is None else params)

    def map(self, function: Callable[[Arg], Any]) -> list[Any]:
        """The inputs, with a function applied to the tensors among them."""
        out: list[Any] = []
        for x in self.args:
            if x.__class__ is list:
                out.append([function(y) for y in x])
            else:
                out.append(function(x) if isinstance(x, Arg) else x)
        return out


Rule = Callable[[Call], Any]
"""Gives the result (a tuple for several, a list for several views) with the batch dimension first, or
`Placed`."""

rules: dict[str, Rule] = {}
"""Batching rules by the names of rows. Rows that have none run sample by sample."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of rows."""

    def note(function: Rule) -> Rule:
        for name in names:
            rules[name] = function
        return function

    return note


def shaped(c: Call, found: Any) -> Any:
    """Results in the shapes that the row's rule says, behind the batch."""
    if isinstance(c.out, tuple):
        return tuple(_shaped(c.size, x, a) for x, a in zip(found, c.out, strict=True))
    return _shaped(c.size, found, c.out)


def _shaped(size: int, x: Any, a: Any) -> Any:
    shape = (size, *a.shape)
    if tuple(x._aval.shape) != shape:
        x = x.reshape(shape)
    return x if x._aval.dtype is a.dtype else call.to_dtype(x, a.dtype)
