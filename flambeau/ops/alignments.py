"""The likelihood of unaligned sequences (connectionist temporal classification): one operation.

States are a target's labels with blanks between, before and behind. `emitted` (T, N, S) are their
log-probabilities at each step; from a state one may stay, move to the next, or skip a blank.
Graves et al. 2006, in logarithms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from .table import Spec, call, row

Array = np.ndarray[Any, Any]

NEVER = -1e30
"""Stands for log(0): finite, so that nothing becomes inf - inf."""


def _rule(emitted: Aval, may_skip: Aval, steps: Aval, labels: Aval) -> Spec:
    if emitted.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(f"\"ctc_loss\" not implemented for '{emitted.dtype.legacy}'")
    return Spec((emitted.with_shape((emitted.shape[1],)), emitted))


def _joined(a: Array, b: Array, c: Array) -> Array:
    """log(exp(a) + exp(b) + exp(c))."""
    top = np.maximum(np.maximum(a, b), c)
    return top + np.log(np.exp(a - top) + np.exp(b - top) + np.exp(c - top))


def _ends(labels: Array, width: int) -> Array:
    """Which states an alignment may end in: the last blank, and the last label if there is one."""
    state = np.arange(width)
    last = 2 * labels[:, None]
    return (state == last) | ((state == last - 1) & (last > 0))


def _forward(
    emitted: Array, may_skip: Array, steps: Array, labels: Array
) -> tuple[Array, Array]:
    """-log of the likelihood of each sample (N), and alpha (T, N, S)."""
    count, n, width = emitted.shape
    kind = emitted.dtype.type
    room = np.full((count, n, width + 2), NEVER, emitted.dtype)  # two states of nothing before
    penalty = np.where(may_skip, kind(0), kind(NEVER))
    if count:
        room[0, :, 2:4] = emitted[0, :, :2]
    for t in range(1, count):
        old = room[t - 1]
        new = _joined(old[:, 2:], old[:, 1:-1], old[:, :-2] + penalty)
        room[t, :, 2:] = new + emitted[t]
    alpha = np.ascontiguousarray(room[:, :, 2:])
    ends = _ends(labels, width)
    if count:
        last = alpha[np.maximum(steps - 1, 0), np.arange(n)]
        last = np.where(steps[:, None] > 0, last, np.where(np.arange(width) == 0, 0, NEVER))
    else:
        last = np.where(np.arange(width) == 0, kind(0), kind(NEVER)) * np.ones((n, 1), kind)
    total = np.logaddexp.reduce(np.where(ends, last, NEVER), axis=1)
    return np.where(total > NEVER / 2, -total, math.inf).astype(emitted.dtype), alpha


def _backward(
    grad: Array, emitted: Array, alpha: Array, may_skip: Array, steps: Array, labels: Array, loss: Array
) -> Array:
    """The gradient by `emitted`: minus the probability of each state at each step, times grad."""
    count, n, width = emitted.shape
    kind = emitted.dtype.type
    penalty = np.where(may_skip, kind(0), kind(NEVER))
    ends = np.where(_ends(labels, width), kind(0), kind(NEVER))
    room = np.full((n, width + 2), NEVER, emitted.dtype)  # two states of nothing behind
    beta = np.empty_like(emitted)
    for t in range(count - 1, -1, -1):
        if t < count - 1:
            room[:, :width] = beta[t + 1] + emitted[t + 1]
            skipping = room[:, 2:].copy()
            skipping[:, : width - 2] += penalty[:, 2:]
            beta[t] = _joined(room[:, :-2], room[:, 1:-1], skipping)
        beta[t] = np.where((steps == t + 1)[:, None], ends, beta[t] if t < count - 1 else kind(NEVER))
    there = (np.arange(count)[:, None] < steps) & np.isfinite(loss)
    shift = np.where(np.isfinite(loss), loss, 0)
    chance = np.exp(np.minimum(alpha + beta + shift[:, None], 0))
    return -chance * (there * grad)[:, :, None]


def _written_out(emitted: Any, may_skip: Any, steps: Any, labels: Any) -> Any:
    """The loss with operations, for second derivatives."""
    count, n, width = emitted.shape
    lengths = call.observe(steps, "a second derivative of ctc_loss")
    ends = _ends(call.observe(labels, "a second derivative of ctc_loss"), width)
    never = call.full((n, width), NEVER, dtype=emitted.dtype)
    first = call.tensor([[i < 2 for i in range(width)]] * n)
    alpha = call.where(first, emitted[0], never)
    for t in range(1, count):
        one = call.cat([never[:, :1], alpha[:, :-1]], 1)
        two = call.cat([never[:, :2], alpha[:, :-2]], 1)[:, :width]
        two = call.where(may_skip, two, never)
        moved = call.logsumexp(call.stack([alpha, one, two]), 0) + emitted[t]
        running = call.tensor((lengths > t).tolist()).unsqueeze(1)
        alpha = call.where(running, moved, alpha)
    total = call.logsumexp(call.where(call.tensor(ends.tolist()), alpha, never), 1)
    return call.where(total > NEVER / 2, -total, math.inf)


def _grads(
    grads: Any, emitted: Any, may_skip: Any, steps: Any, labels: Any, loss: Any, alpha: Any
) -> Any:
    if call.grad_enabled():
        again = _written_out(emitted, may_skip, steps, labels)
        return call.autograd_grad([again], [emitted], [grads[0]], create_graph=True)[0]
    return call.ctc_states_backward(grads[0], emitted, alpha, may_skip, steps, labels, loss)


row(
    "ctc_states_backward(Tensor grad, Tensor emitted, Tensor alpha, Tensor may_skip, Tensor steps, "
    "Tensor labels, Tensor loss) -> Tensor",
    rule=lambda g, emitted, *rest: Spec(emitted), numpy=_backward, forms="",
    keeps=("may_skip", "steps", "labels"),
    not_differentiable="the loss written out is, see ctc_states", doc="Gradient of ctc_states.",
)  # fmt: skip

row(
    "ctc_states(Tensor emitted, Tensor may_skip, Tensor steps, Tensor labels) -> (loss, alpha)",
    rule=_rule, numpy=_forward, forms="", keeps=("may_skip", "steps", "labels"), called="ctc_loss",
    grads={"emitted": lambda grads, emitted, may_skip, steps, labels, loss, alpha:
           _grads(grads, emitted, may_skip, steps, labels, loss, alpha)},
    doc="-log of the likelihood of each sample; `steps` and `labels` count those of input and target.",
)  # fmt: skip

row("ctc_likelihood(Tensor emitted, Tensor may_skip, Tensor steps, Tensor labels) -> Tensor",
    body=lambda emitted, may_skip, steps, labels:
        call.ctc_states(emitted, may_skip, steps, labels)[0],
    where="sequences", forms="f",
    samples=lambda m: [((m(4, 2, 5), call.tensor([[False] * 3 + [True, False], [False] * 5]),
                         call.tensor([4, 3]), call.tensor([2, 1])), {})],
    doc="ctc_states without alpha.")  # fmt: skip
