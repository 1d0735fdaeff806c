"""What the specials of attention mean, in NumPy, for `graph.evaluate`. See `attention`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.dtypes import to_bfloat16, to_float32
from ...graph.evaluate_specials import special

Array = np.ndarray[Any, Any]


def _wide(x: Array) -> Array:
    return to_float32(x) if x.dtype == np.uint16 else x.astype(np.float32)


def _as(x: Array, dtype: str) -> Array:
    return to_bfloat16(x.astype(np.float32)) if dtype == "bfloat16" else x.astype(dtype)


def _scores(q: Array, k: Array, rest: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    """(scores, which were filled)"""
    kind = params[0]
    scale, fill, *mask = rest
    s = np.matmul(_wide(q), np.swapaxes(_wide(k), -1, -2)) * scale
    filled = np.zeros(s.shape, np.bool_)
    if kind == "bias":
        s = s + mask[0]
        return s, s == fill
    if kind == "causal":
        m, n = s.shape[-2:]
        filled = np.broadcast_to(np.arange(n) > np.arange(m)[:, None], s.shape)
    elif kind:
        filled = mask[0] if kind == "where" else ~mask[0]
    return np.where(filled, fill, s), filled


@special("attention")
def _forward(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    q, k, v, *rest = arrays
    s, filled = _scores(q, k, rest, params)
    largest = s.max(-1, keepdims=True)
    largest = np.where(np.isneginf(largest), np.float32(0), largest)
    w = np.exp(s - largest)
    inverse = np.float32(1) / w.sum(-1, keepdims=True)
    if params[1]:
        inverse = np.where(filled.all(-1, keepdims=True), np.float32(0), inverse)
    out = np.matmul(w, _wide(v)) * inverse
    return _as(out, params[2][0]), np.concatenate([largest, inverse], -1)


def _gradient(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    """(weights, the gradient of products)"""
    q, k, v, g, *rest = arrays
    stats, delta = rest[-3:-1]
    s, filled = _scores(q, k, rest[:-3], params)
    w = np.exp(s - stats[..., :1]) * stats[..., 1:]
    d = w * (np.matmul(_wide(g), np.swapaxes(_wide(v), -1, -2)) - delta[..., None])
    return w, d if params[0] == "bias" else np.where(filled, np.float32(0), d)


@special("attention_queries")
def _queries(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    _, d = _gradient(arrays, params)
    return _as(np.matmul(d, _wide(arrays[1])) * arrays[-1], params[2][0])


@special("attention_keys")
def _keys(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    w, d = _gradient(arrays, params)
    of_keys = np.matmul(np.swapaxes(d, -1, -2), _wide(arrays[0])) * arrays[-1]
    of_values = np.matmul(np.swapaxes(w, -1, -2), _wide(arrays[3]))
    return _as(of_keys, params[2][0]), _as(of_values, params[2][1])
