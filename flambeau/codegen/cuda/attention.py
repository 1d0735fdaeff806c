"""Scaled dot-product attention and its gradients as one launch each (specials that `rewrite_attention`
makes of what a program says).

    attention          q, k, v, scale, fill[, mask] → out, stats (params: see `Params`)
    attention_queries  q, k, v, g, scale, fill[, mask], stats, delta, factor → the gradient of q
    attention_keys     the same → the gradients of k and of v

q is (batch..., L, E), k (batch..., S, E), v (batch..., S, Ev), of any strides: with equal batches. scale,
fill and factor are 0-d; the gradients of q and of k are multiplied by the factor. The mask is
(batch..., L, S). stats is (batch..., L, 2), float32.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

from ... import config
from . import attention_backward, attention_forward, attention_numpy
from .attention_frame import (
    BATCH,
    Key,
    Masking,
    Sizes,
    common_words,
    is_whole,
    mask_words,
    operand_words,
    rounded,
)
from .kernel import Gpu
from .special_code import GpuKernel, GpuLaunch, Placed, Room, Words, buffer, dense, launch, touched
from .special_copy import in_rows

MEANING = attention_numpy
"""Says what the specials mean to `graph.evaluate`."""

WIDEST = 128
"""Elements of a query or a value, at most."""
TILES = ((64, 64), (64, 32), (64, 16), (32, 32), (32, 16), (16, 16))
"""Rows and columns of tiles, best first."""


class Params(NamedTuple):
    """Of all three specials."""

    masking: str
    nowhere: bool
    """See `attention_frame.Masking`."""
    out: tuple[str, ...]
    """The dtypes of the results, stats not counted."""


def supported(dtype: str, d: int, e: int, batch: int) -> bool:
    """Whether there are kernels for queries and values of this dtype, sizes, and dimensions in front."""
    return dtype in ("float32", "float16", "bfloat16") and 0 < min(d, e) and max(d, e) <= WIDEST and batch <= BATCH


def multiplied(dtype: str, gpu: Gpu) -> str:
    """How tiles of a dtype are multiplied, see `attention_tiles.Tiles`."""
    if dtype == "float32":
        return "tf32" if config.cuda_matmul_tf32 and gpu.capability >= 80 else "fma"
    return "fma" if dtype == "bfloat16" and gpu.capability < 80 else "half"


def _key(room: Room, what: str, p: Params, arrays: list[Placed]) -> tuple[Key, int]:
    """The key, and its bytes of shared memory: half of what there is, so that there are two blocks on
    a multiprocessor, where tiles of some size fit into it."""
    q, _, v = arrays[:3]
    kind = multiplied(q.dtype, room.gpu)
    d, e = q.shape[-1], v.shape[-1]
    bytes_of = attention_forward.shared_bytes if what == "forward" else attention_backward.shared_bytes
    whole = tuple(is_whole(room, x) for x in arrays)
    masking = Masking(p.masking, p.nowhere)
    made = Key(what, kind, q.dtype, p.out, masking, rounded(d), rounded(e), 0, 0, whole, d % 2 == 0 and e % 2 == 0)
    tiles: tuple[tuple[int, int], ...] = TILES
    large = max(d, e) > 64
    if what == "keys" and large or kind == "tf32" and (large or what == "keys"):
        tiles = TILES[1:]  # registers
    for share in (2, 1):
        for rows, columns in tiles:
            k = made._replace(rows=rows, columns=columns)
            if bytes_of(k) <= room.gpu.shared // share:
                return k, bytes_of(k)
    raise AssertionError("no tiles fit")


def _strided(room: Room, x: Placed, launches: list[GpuLaunch]) -> Placed:
    """x, whose rows are without gaps."""
    if x.shape[-1] == 1 or x.strides[-1] == 1:
        return x
    return in_rows(room, x, launches)


def _batch(x: Placed) -> tuple[int, ...]:
    return (1,) * (BATCH + 2 - len(x.shape)) + x.shape[:-2]


def _planned(
    what: str, room: Room, given: list[Placed], scale: Placed, fill: Placed, mask: Placed | None, more: list[Placed],
    outputs: list[Placed], p: Params,
) -> list[GpuLaunch] | None:  # fmt: skip
    q, k, v = given[:3]
    if not supported(q.dtype, q.shape[-1], v.shape[-1], len(q.shape) - 2) or not dense(*outputs, *more):
        return None
    if 0 in q.shape or 0 in k.shape:
        return None
    launches: list[GpuLaunch] = []
    arrays = [_strided(room, x, launches) for x in given]
    sizes = Sizes(_batch(q), q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1])
    key, nbytes = _key(room, what, p, arrays)
    rows = sizes.keys if what == "keys" else sizes.queries
    tiles = -(-rows // key.rows)
    args: Words = common_words(sizes, tiles)
    for x in arrays:
        args = (*args, *operand_words(x))
    args = (*args, buffer(scale), buffer(fill))
    if mask is not None:
        args = (*args, *mask_words(mask))
    args = (*args, *(buffer(x) for x in (*more, *outputs)))
    emit = attention_forward.emit if what == "forward" else attention_backward.emit
    name = "attention" if what == "forward" else f"attention_{what}"
    kernel = GpuKernel(name, ("attention", *key), partial(emit, k=key))
    heads = math.prod(sizes.batch)
    products = {"forward": 1, "queries": 1.5, "keys": 2}[what] / (2 if p.masking == "causal" else 1)
    flops = products * 2.0 * heads * sizes.queries * sizes.keys * (sizes.d + sizes.e)
    moved = touched(*arrays, *outputs)
    return [*launches, launch(kernel, args, heads * tiles, key.threads, moved, name, flops, nbytes)]


def _split(inputs: list[Placed], first: int, p: Params) -> tuple[Any, ...]:
    """(arrays, scale, fill, mask or None, the rest)"""
    arrays, rest = inputs[:first], inputs[first:]
    masked = p.masking not in ("", "causal")
    return arrays, rest[0], rest[1], rest[2] if masked else None, rest[2 + masked :]


def forward(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    p = Params(*params)
    arrays, scale, fill, mask, _ = _split(inputs, 3, p)
    return _planned("forward", room, arrays, scale, fill, mask, [], outputs, p)


def backward(
    what: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> list[GpuLaunch] | None:
    p = Params(*params)
    arrays, scale, fill, mask, more = _split(inputs, 4, p)
    return _planned(what, room, arrays, scale, fill, mask, more, outputs, p)


PLANNERS: dict[str, Any] = {
    "attention": forward, "attention_queries": partial(backward, "queries"),
    "attention_keys": partial(backward, "keys"),
}  # fmt: skip
