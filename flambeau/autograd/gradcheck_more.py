"""gradcheck's other ways of checking: forward mode, by random projections, in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..frontend.creation import wrap
from ..frontend.tensor import Tensor
from ..ops.table import call
from .batching import BatchLevel
from .dual import DualLevel
from .reverse import grad as autograd_grad

Function = Callable[..., list[Any]]
"""Gives the differentiable outputs for inputs."""


def inner(a: Any, b: Any) -> float:
    """Re <a, b>, the inner product that real and complex derivatives are adjoint in."""
    return float(np.real(np.vdot(np.asarray(a), np.asarray(b))))


def _array(t: Any) -> np.ndarray:
    return np.array(t.detach()._array("gradcheck"))


def directions(tensors: list[Any], seed: int) -> list[Any]:
    """A random tensor like each, of norm one together."""
    rng = np.random.default_rng(seed)
    values = []
    for t in tensors:
        v = rng.standard_normal(tuple(t.shape))
        if t.is_complex():
            v = v + 1j * rng.standard_normal(tuple(t.shape))
        values.append(np.asarray(v))
    norm = float(np.sqrt(sum(np.sum(np.abs(v) ** 2) for v in values))) or 1.0
    return [
        wrap(np.asarray(v / norm, t.dtype.np), t.dtype, device=t.device) for v, t in zip(values, tensors, strict=True)
    ]


def _moved(given: tuple[Any, ...], chosen: list[int], steps: list[Any], eps: float) -> list[Any]:
    out = [x.detach() if isinstance(x, Tensor) else x for x in given]
    for i, step in zip(chosen, steps, strict=True):
        out[i] = out[i] + step * eps
    return out


def pushed(function: Function, given: tuple[Any, ...], chosen: list[int], steps: list[Any]) -> Any:
    """J t of the outputs as tensors (zeros where there is none)."""
    with DualLevel() as level:
        duals = [x.detach() if isinstance(x, Tensor) else x for x in given]
        for i, t in zip(chosen, steps, strict=True):
            duals[i] = level.wrap(duals[i], t)
        outputs = function(*duals)
        return [
            call.zeros_like(level.primal(o)) if level.tangent(o) is None else level.tangent(o)
            for o in outputs
        ]


def projections(
    function: Function, given: tuple[Any, ...], chosen: list[int], eps: float, forward: bool,
    backward: bool,
) -> dict[str, float]:  # fmt: skip
    """u^T J v for random u and v, by differences and as asked for."""
    steps = directions([given[i] for i in chosen], 1)
    above = function(*_moved(given, chosen, steps, eps))
    below = function(*_moved(given, chosen, steps, -eps))
    weights = directions(above, 2)
    found = {
        "numerical": sum(
            inner(_array(u), (_array(a) - _array(b)) / (2 * eps))
            for u, a, b in zip(weights, above, below, strict=True)
        )
    }
    if backward:
        outputs = function(*given)
        pairs = [(o, u) for o, u in zip(outputs, weights, strict=True) if o.requires_grad]
        grads: Any = [None] * len(chosen)
        if pairs:
            outs, us = zip(*pairs, strict=True)
            grads = autograd_grad(outs, [given[i] for i in chosen], us, allow_unused=True)
        found["backward"] = sum(
            inner(_array(g), _array(v)) for g, v in zip(grads, steps, strict=True) if g is not None
        )
    if forward:
        moved = pushed(function, given, chosen, steps)
        found["forward"] = sum(inner(_array(u), _array(t)) for u, t in zip(weights, moved, strict=True))
    return found


def forward_columns(
    function: Function, given: tuple[Any, ...], position: int, numerical: list[np.ndarray]
) -> str:
    """Compare J e for each unit vector e of an input with the differences; what differs, or ""."""
    x = given[position]
    for i in range(x._aval.numel):
        for k, direction in enumerate((1.0, 1j) if x.is_complex() else (1.0,)):
            seed = np.zeros(tuple(x.shape), x.dtype.np)
            seed.reshape(-1)[i] = direction
            moved = pushed(function, given, [position], [wrap(seed, x.dtype, device=x.device)])
            for number, t in enumerate(moved):
                rows = numerical[number]
                expected = rows[k][i] if x.is_complex() else rows[i]
                found = _array(t).reshape(-1)
                if not np.allclose(found, expected, 1e-3, 1e-5, equal_nan=True):
                    return (
                        f"Jacobian computed with forward mode mismatch for output {number} with "
                        f"respect to input {position} (element {i}),\nnumerical: {expected}\n"
                        f"analytical: {found}"
                    )
    return ""


def batched_backward(function: Function, given: tuple[Any, ...], chosen: list[int]) -> str:
    """Compare gradients of a batch of weights (vmap) with those of each; what differs, or ""."""
    inputs = [given[i] for i in chosen]
    for number, output in enumerate(function(*given)):
        if not output.requires_grad:
            continue
        weights = [directions([output], seed)[0] for seed in (3, 4)]
        rows = [
            autograd_grad(output, inputs, w, retain_graph=True, allow_unused=True) for w in weights
        ]
        batch = call.stack(weights)
        found = autograd_grad(output, inputs, batch, retain_graph=True, allow_unused=True,
                              is_grads_batched=True)  # fmt: skip
        for i, g in enumerate(found):
            alone = [row[i] for row in rows]
            if g is None or alone[0] is None:
                continue
            if not np.allclose(_array(g), np.stack([_array(a) for a in alone]), 1e-3, 1e-5):
                return f"While considering the batched gradient of output {number}: vmap differs"
    return ""


def batched_forward(function: Function, given: tuple[Any, ...], chosen: list[int]) -> str:
    """Compare J t for a batch of directions (vmap) with those of each; what differs, or ""."""
    steps = [directions([given[i] for i in chosen], seed) for seed in (5, 6)]
    rows = [pushed(function, given, chosen, s) for s in steps]
    with BatchLevel(2) as level:
        batch = [level.wrap(call.stack(list(pair)), 0) for pair in zip(*steps, strict=True)]
        moved = [level.whole(t) for t in pushed(function, given, chosen, batch)]
    for number, (t, dim) in enumerate(moved):
        found = _array(t) if dim is None else np.moveaxis(_array(t), dim, 0)
        alone = np.stack([_array(row[number]) for row in rows])
        if not np.allclose(np.broadcast_to(found, alone.shape), alone, 1e-3, 1e-5):
            return f"While considering the batched forward gradient of output {number}: vmap differs"
    return ""
