"""Operations that write many tensors at once: an optimizer's step over all its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import config
from ..core import device as devices
from ..core.aval import Aval
from ..graph.trace import overflow, state
from ..graph.value import Value
from ..ops.core import PICK
from ..ops.optimizers import formulas
from ..ops.table import Row, call, table
from .dispatch import infer, pick_token
from .inplace import check_target
from .memory import read, write

new = object.__new__

_steps = {table[name] for name in formulas}
_LIMIT = 256
"""How many steps are remembered, each with the avals of all its tensors."""

Roles = Sequence[Sequence[Any]]


def update_(name: str, roles: Roles, scalars: tuple[Any, ...], flags: tuple[bool, ...]) -> None:
    """Record the step `name` (a row of `ops.optimizers`) once for all parameters.

    Args:
        roles: lists of equal length: the parameters, their gradients, then each kind of buffer.
            Parameters and buffers are overwritten; each counts a version.
        scalars: floats, as the row names them; tensors only in grad mode.
        flags: the row's switches.

    In grad mode the step is written in tensor operations, for autograd to follow; so it is where
    parameters share memory, for one to see what the other has become. Complex parameters are
    updated as pairs of real numbers.

    Raises:
        RuntimeError: a gradient or buffer without its parameter's shape and dtype. Nothing is
            changed then.
    """
    params = roles[0]
    if devices.others and len({p._aval.device for p in params}) > 1:
        for where in dict.fromkeys(p._aval.device for p in params):
            here = [i for i, p in enumerate(params) if p._aval.device is where]
            update_(name, [[role[i] for i in here] for role in roles], scalars, flags)
        return
    if state.grad or len({id(p._storage) for p in params}) < len(params):
        by_hand = _as_pairs if _any_complex(params) else _one_by_one
        by_hand(name, roles, scalars, flags)
        return
    tensors = [t for role in roles for t in role]
    avals = tuple([t._aval for t in tensors])
    plan = _plans.get((name, avals, len(roles), flags))
    if plan is None:
        if _any_complex(params):
            _as_pairs(name, roles, scalars, flags)
            return
        plan = _plan(name, avals, len(roles), flags)
    row, results, token, parts = plan
    count = len(params)
    written = [*params, *tensors[2 * count :]]
    for t in written:
        if t._inference or t._strides is not None:
            check_target(t, name)
    inputs = [t._storage.value if t._plain else None for t in tensors]
    if None in inputs:
        inputs = [x or read(t) for x, t in zip(inputs, tensors, strict=True)]
    value = new(Value)
    value.op, value.aval, value.inputs = row, results, (*inputs, *scalars)
    value.params, value.buffer, value.token = (len(roles), *flags), None, token
    del inputs
    picks = []
    for aval, number, token in parts:
        pick = new(Value)
        pick.op, pick.aval, pick.inputs, pick.params = PICK, aval, (value,), number
        pick.buffer, pick.token = None, token
        picks.append(pick)
    nodes = state.nodes
    nodes.append(value)
    nodes += picks
    # Memory that the outside sees is written at once. The step must then be held by its picks
    # alone: as a whole it cannot be the output of a program.
    del value
    try:
        for t, pick in zip(written, picks, strict=True):
            storage = t._storage
            if t._plain and storage.value is not None and not t._count:
                storage.version += 1
                storage.value = pick
            else:
                write(t, pick)
    except MemoryError:
        take_back(written)
        raise
    if len(state.nodes) >= config.max_pending_nodes:
        overflow(picks[-1])


def take_back(tensors: Sequence[Any]) -> None:
    """Give tensors the content that they had before a step of `update_` that could not be computed
    for lack of memory."""
    for t in tensors:
        old = before(t)
        if old is not None:
            t._storage.value = old


def before(t: Any) -> Any:
    """The value that a tensor had before the last step of `update_`; None where that was computed, or
    the tensor has been written otherwise since."""
    pick = t._storage.value
    if pick is None or pick.op is not PICK or pick.buffer is not None:
        return None
    step: Any = pick.inputs[0]
    if step.op not in _steps or step.buffer is not None:
        return None
    count = len(step.aval) // (step.params[0] - 1)
    place = pick.params[0]
    return step.inputs[place if place < count else place + count]  # gradients are not written


_Plan = tuple[Row, tuple[Aval, ...], int, list[tuple[Aval, tuple[int], int]]]
"""A step's row, the avals of its results, its token, and the aval, params and token of each
result's pick."""

_plans: dict[tuple[Any, ...], _Plan] = {}


def _plan(name: str, avals: tuple[Aval, ...], roles: int, flags: tuple[bool, ...]) -> _Plan:
    row = table[name]
    results, _, token = infer(row, (avals, roles, flags), avals, roles, *flags)
    if len(_plans) >= _LIMIT:
        _plans.clear()
    parts = [(a, (i,), pick_token(i, a)) for i, a in enumerate(results)]
    found = _plans[name, avals, roles, flags] = (row, results, token, parts)
    return found


def _any_complex(params: Sequence[Any]) -> bool:
    return any([p._aval.dtype.is_complex for p in params])


def _as_pairs(name: str, roles: Roles, scalars: tuple[Any, ...], flags: tuple[bool, ...]) -> None:
    pairs = [[call.view_as_real(t) if t.is_complex() else t for t in role] for role in roles]
    update_(name, pairs, scalars, flags)
    for i in (0, *range(2, len(roles))):
        for t, pair in zip(roles[i], pairs[i], strict=True):
            if t.is_complex():
                t.copy_(call.view_as_complex(pair))


def _one_by_one(name: str, roles: Roles, scalars: tuple[Any, ...], flags: tuple[bool, ...]) -> None:
    formula = formulas[name]
    for p, g, *buffers in zip(*roles, strict=True):
        targets = [p, *buffers]
        # Autograd may save what the formula reads, and it is overwritten next.
        first, *rest = [t.clone() for t in targets]
        values = formula(call, (first, g, *rest), scalars, flags)
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)
