"""The linear layer's shortcut: what `addmm(bias, input, weight.t())` records, in one function.

Recurrent and small networks call little else. As two operations, each of which binds, reads and
checks for itself, a call takes 5 µs; written out for the ordinary case, 3. The graph is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import config
from ..autograd.derivatives import node_class
from ..autograd.node import VOLATILE, joined
from ..autograd.wrapped import Intercept
from ..core.aval import Aval
from ..graph.trace import note_bytes, overflow, state
from ..graph.value import Value, new_token
from ..ops.core import VIEW
from ..ops.table import table
from ..runtime.storage import Storage
from .dispatch import infer, infer_view
from .memory import read
from .tensor import Tensor

new = object.__new__
_LIMIT = 1024


class _Plan(NamedTuple):
    """What follows from the avals of input, weight and bias."""

    turned: Aval
    strides: tuple[int, ...]
    view: int
    """The token of the value that is the weight turned."""
    node: int
    """The token of its node."""
    aval: Aval
    token: int
    record_turned: Callable[..., None]
    record: Callable[..., None]
    """Make the nodes."""


_plans: dict[tuple[Any, ...], _Plan | None] = {}
"""None for avals whose case is not an ordinary one."""
_T, _ADDMM, _MM = table["t"], table["addmm"], table["mm"]


def linear(input: Any, weight: Any, bias: Any) -> Any:
    """`input @ weight.T + bias` of matrices. None where the case is not an ordinary one: the weight
    or bias is a view, dtypes differ, a mode is on."""
    try:
        kx, kw = input._aval, weight._aval
        kb = None if bias is None else bias._aval
        key = (kx, kw, kb)
        try:
            plan = _plans[key]
        except KeyError:
            plan = _plan(key, weight)
        if plan is None or weight._view is not None or weight._count is not None:
            return None
        if not weight._plain or state.inference or input._count is not None:
            return None
        storage = weight._storage
        gx = input._rg or (input._view is not None and joined(input))
        gw = weight._rg
        gb: Any = False
        if bias is not None:
            if bias._view is not None or not bias._plain or bias._count is not None:
                return None
            gb = bias._rg
        if storage.value is None or VOLATILE in (gx, gw, gb):
            return None
        xb = None if bias is None else bias._storage.value or read(bias)
        xx = input._storage.value if input._plain else None
        if xx is None:
            xx = read(input)

        view = new(Value)
        view.op, view.aval, view.inputs = VIEW, plan.turned, (storage.value, None)
        view.params, view.buffer, view.token = (plan.turned.shape, plan.strides), None, plan.view
        value = new(Value)
        if bias is None:
            value.op, value.inputs = _MM, (xx, view)
        else:
            value.op, value.inputs = _ADDMM, (xb, xx, view, 1, 1)
        value.aval, value.params, value.buffer, value.token = plan.aval, (), None, plan.token
        nodes = state.nodes
        nodes += (view, value)
        del view
        if len(nodes) >= config.max_pending_nodes:
            overflow(value)
        if plan.aval.big:
            note_bytes(plan.aval)
        t = new(Tensor)
        t._storage = Storage(value, plan.aval)
        t._aval = plan.aval
        if (gx or gw or gb) and state.grad:
            turned: Any = new(Tensor)
            turned._storage, turned._aval, turned._strides = storage, plan.turned, plan.strides
            turned._plain, turned._view, turned._seen = False, weight, storage.version
            if gw:
                plan.record_turned(turned, weight, kw, gw, (), plan.node)
            if bias is None:
                plan.record(t, input, turned, kx, plan.turned, gx, gw, (), plan.token)
            else:
                plan.record(
                    t, bias, input, turned, 1, 1, kb, kx, plan.turned, int, int, gb, gx, gw, False,
                    False, (), plan.token,
                )  # fmt: skip
        return t
    except Intercept:  # costs nothing where nobody raises it
        return None


def _plan(key: tuple[Any, ...], weight: Any) -> _Plan | None:
    """Errors in the shapes are raised here, by the operations' rules."""
    if len(_plans) >= _LIMIT:
        _plans.clear()
    kx, kw, kb = key
    view_key = (kw, weight._strides, weight._offset, weight._storage.aval)
    turned, strides, _, plain, node = _T.memo.get(view_key) or infer_view(_T, view_key, weight)
    row = _MM if kb is None else _ADDMM
    k: tuple[Any, ...] = (kx, turned) if kb is None else (kb, kx, turned, int, int)
    aval, cast, token = row.memo.get(k) or infer(row, k, *k, called="linear")
    dtypes = {a.dtype for a in key if a is not None}
    found = None
    if weight._plain and not plain and (cast is None or dtypes == {cast}):
        makers = node_class(_T).record, node_class(row).record
        found = _Plan(turned, strides, new_token(), node, aval, token, *makers)
    _plans[key] = found
    return found
