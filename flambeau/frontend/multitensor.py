"""Operations that write many tensors at once: an optimizer's step over all its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import config
from ..graph.trace import overflow, state
from ..graph.value import Value
from ..ops.core import PICK
from ..ops.optimizers import formulas
from ..ops.table import call, table
from .dispatch import infer
from .inplace import check_target
from .memory import read, write

Roles = Sequence[Sequence[Any]]


def update_(name: str, roles: Roles, scalars: tuple[Any, ...], flags: tuple[bool, ...]) -> None:
    """Record the step `name` (a row of `ops.optimizers`) once for all parameters.

    Args:
        roles: lists of equal length: the parameters, their gradients, then each kind of buffer.
            Parameters and buffers are overwritten; each counts a version.
        scalars: floats, as the row names them; tensors only in grad mode.
        flags: the row's switches.

    In grad mode the step is written in tensor operations, for autograd to follow; so it is where
    parameters share memory, for one to see what the other has become.

    Raises:
        RuntimeError: a gradient or buffer without its parameter's shape and dtype. Nothing is
            changed then.
    """
    params = roles[0]
    if state.grad or len({id(p._storage) for p in params}) < len(params):
        _one_by_one(name, roles, scalars, flags)
        return
    row = table[name]
    tensors = [t for role in roles for t in role]
    avals = tuple([t._aval for t in tensors])
    key = (avals, len(roles), flags)
    try:
        results, _ = row.memo[key]
    except KeyError:
        results, _ = infer(row, key, avals, len(roles), *flags)
    written = [*params, *tensors[2 * len(params) :]]
    for t in written:
        if t._inference or t._strides is not None:
            check_target(t, name)
    inputs = [
        (t._storage.value if t._plain and t._storage.value is not None else read(t))
        for t in tensors
    ]
    inputs.extend(scalars)
    value = Value(row, results, tuple(inputs), (len(roles), *flags))
    del inputs
    nodes = state.nodes
    nodes.append(value)
    picks = [Value(PICK, t._aval, (value,), (i,)) for i, t in enumerate(written)]
    nodes.extend(picks)
    # Memory that the outside sees is written at once. The step must then be held by its picks
    # alone: as a whole it cannot be the output of a program.
    del value
    for t, pick in zip(written, picks, strict=True):
        storage = t._storage
        if t._plain and storage.value is not None:
            storage.version += 1
            storage.value = pick
        else:
            write(t, pick)
    if len(state.nodes) >= config.max_pending_nodes:
        overflow(picks[-1])


def _one_by_one(name: str, roles: Roles, scalars: tuple[Any, ...], flags: tuple[bool, ...]) -> None:
    formula = formulas[name]
    for p, g, *buffers in zip(*roles, strict=True):
        targets = [p, *buffers]
        # Autograd may save what the formula reads, and it is overwritten next.
        first, *rest = [t.clone() for t in targets]
        values = formula(call, (first, g, *rest), scalars, flags)
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)
