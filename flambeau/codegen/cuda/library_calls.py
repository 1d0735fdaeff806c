"""Products and convolutions as calls of cuBLASLt and cuDNN.

Each function gives the launches, or None where the library is not there, does not take the arrays as they
lie, or has no way to compute it: then flambeau's own kernels do. What the switches of `torch.backends`
say (in `config`) becomes part of the problem.

Several products in one (batch dimensions that are no single stride) are left to our kernels, and
convolutions of arrays with gaps.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ... import config
from ...runtime import cuda, libraries
from ..gemm_product import Product, Side, fold, side
from ..planning import Placed
from .kernel import AnyLaunch, GpuKernel, LibraryLaunch, Room
from .problems import Convolution, Matmul
from .special_code import (
    EACH,
    Buf,
    Code,
    Target,
    aligned,
    blocks_of,
    buffer,
    divisor_words,
    launch,
    narrow,
    touched,
)

ALIGNED = 256
"""Bytes at whose multiples buffers begin."""
NEEDED = 16
"""Bytes at whose multiples cuDNN's arrays have to begin."""

_TYPES = {"float32": "float", "float64": "double", "float16": "half", "bfloat16": "bfloat"}


def device_of(room: Room) -> Any:
    """The device that is planned for, as far as the room or the thread tells; None without one."""
    if not cuda.available():
        return None
    index = getattr(room, "device", None)
    if isinstance(index, int):
        return cuda.device(index)
    gpu = room.gpu
    for device in (cuda.device(), *(cuda.device(i) for i in range(cuda.device_count()))):
        if (device.capability, device.multiprocessors) == (gpu.capability, gpu.multiprocessors):
            return device
    return None


def matmul(
    room: Room, a: Placed, b: Placed, out: Placed, bias: Placed | None = None, accumulate: bool = False,
    epilogue: str = "",
) -> list[LibraryLaunch] | None:  # fmt: skip
    """out[..., m, n] (+)= a[..., m, k] b[..., k, n] + bias, batches broadcast; or = epilogue(that).

    Args:
        bias: of n elements, or broadcast from them.
        epilogue: "relu", or "gelu" (the one with tanh).
    """
    if "cublaslt" not in room.gpu.libraries or 0 in (*a.shape, *b.shape, *out.shape):
        return None
    if accumulate and epilogue:  # it would be of the whole sum
        return None
    (m, n), k, batch = out.shape[-2:], a.shape[-1], out.shape[:-2]
    if a.dtype != b.dtype:
        return None
    whole = Product(
        batch, m, n, k, side(a, (*batch, m, k)), side(b, (*batch, k, n)), side(out, out.shape),
        side(bias, out.shape) if bias else None, accumulate,
    )  # fmt: skip
    parts = fold(whole)
    if len(parts) != 1:
        return None
    p = parts[0]
    if p.c.columns != 1 and p.n > 1:
        p = p.turned()
    found = _product(room, p, epilogue)
    return None if found is None else [found]


def _product(room: Room, p: Product, epilogue: str) -> LibraryLaunch | None:
    """A folded product."""
    axes = [i for i, n in enumerate(p.batch) if n > 1]
    if len(axes) > 1 or (p.bias and not _along_columns(p)):
        return None
    axis = axes[0] if axes else 0

    def strides(x: Side) -> tuple[int, int, int]:
        return (x.batch[axis], x.rows, x.columns)

    sums = "exact"
    if p.c.dtype in ("float16", "bfloat16"):
        if getattr(config, f"cuda_{p.c.dtype}_sums"):
            sums = "rounded"
        elif not getattr(config, f"cuda_{p.c.dtype}_splits"):
            sums = "whole"
    sides = [p.a, p.b, p.bias or p.c, p.c]
    alignment = tuple([_alignment(room, x) for x in sides])
    problem = Matmul(
        p.m, p.n, p.k, p.batch[axis], p.a.dtype, p.c.dtype, strides(p.a), strides(p.b), strides(p.c),
        "_".join([x for x in ("bias" if p.bias else "", epilogue) if x]), p.accumulate,
        p.a.dtype == "float32" and config.cuda_matmul_tf32, sums, alignment,  # type: ignore[arg-type]
    )  # fmt: skip
    arrays = [p.a, p.b, *([p.bias] if p.bias else []), p.c]
    args = [Buf(x.slot, x.offset * _size(x.dtype)) for x in arrays]
    count = p.matrices
    moved = _size(p.a.dtype) * count * (p.m * p.k + p.k * p.n) + _size(p.c.dtype) * count * p.m * p.n
    label = f"matmul {p.m}x{p.n}x{p.k}" + (f" x{count}" if count > 1 else "")
    return _launch(room, problem, args, p.flops, float(moved), label)


def _along_columns(p: Product) -> bool:
    """Whether the bias has a number for each column, and cuBLASLt's type."""
    assert p.bias is not None
    x = p.bias
    return (
        (x.columns == 1 or p.n == 1) and (x.rows == 0 or p.m == 1) and not any(x.batch)
        and x.dtype == p.c.dtype
    )  # fmt: skip


def convolution(
    room: Room, kind: str, first: Placed, second: Placed, out: Placed, stride: Any, padding: Any,
    dilation: Any, groups: int, bias: Placed | None = None,
) -> list[AnyLaunch] | None:  # fmt: skip
    """A convolution ("forward" of x and w, with a bias of the output's channels or without), its
    gradient for the input ("input" of grad and w) or for the weight ("weight" of grad and x)."""
    if "cudnn" not in room.gpu.libraries or not config.cudnn_enabled:
        return None
    arrays = (first, second, out)
    if any(0 in a.shape or not a.dense or a.dtype != out.dtype for a in arrays):
        return None
    if any(_alignment(room, _plain(a)) < NEEDED for a in arrays):
        return None
    x, w, y = {
        "forward": (first, second, out), "input": (out, second, first), "weight": (second, out, first),
    }[kind]  # fmt: skip
    if groups > 1 and groups == x.shape[1] and not config.cudnn_depthwise:
        return None
    problem = Convolution(
        kind, out.dtype, x.shape, w.shape, y.shape, tuple(stride), tuple(padding), tuple(dilation),
        groups, out.dtype == "float32" and config.cuda_conv_tf32,
        config.cudnn_deterministic or config.deterministic, config.cudnn_benchmark,
    )  # fmt: skip
    flops = 2.0 * math.prod(y.shape) * math.prod(w.shape[1:])
    label = f"conv {kind} {'x'.join(map(str, w.shape))}"
    found = _launch(room, problem, [buffer(a) for a in arrays], flops, touched(*arrays), label)
    if found is None:
        return None
    return [found] if bias is None else [found, _add_bias(room, out, bias)]


def _launch(
    room: Room, problem: Any, args: list[Buf], flops: float, moved: float, label: str
) -> LibraryLaunch | None:
    """The launch, if the library takes the problem, with the workspace that it wants."""
    device = device_of(room)
    prepared = libraries.prepare(problem, device) if device else None
    if prepared is None:
        return None
    if prepared.workspace:
        args = [*args, Buf(room.temporary(prepared.workspace))]
    problem = problem._replace(workspace=prepared.workspace)
    return LibraryLaunch(problem, tuple(args), flops, moved, label)


def _size(dtype: str) -> int:
    return {"float64": 8, "float32": 4}.get(dtype, 2)


def _plain(x: Placed) -> Side:
    return Side(x.slot, x.dtype, x.offset, (), 0, 0)


def _alignment(room: Room, x: Side) -> int:
    """Bytes that the first element's address is a multiple of, a power of two."""
    size = _size(x.dtype)
    if x.slot in getattr(room, "owner", ()):  # moved by a run-time number
        return size
    return math.gcd(ALIGNED, x.offset * size)


# --- a bias for each channel ----------------------------------------------------------------------


def _add_bias(room: Room, out: Placed, bias: Placed) -> AnyLaunch:
    """out (N, C, *) += bias (C,)"""
    space = math.prod(out.shape[2:])
    size = out.itemsize
    lanes = math.gcd(aligned(room, out) // size, space)
    total = math.prod(out.shape) // lanes
    args = (
        buffer(out), buffer(bias), total, bias.strides[0], *divisor_words(space // lanes),
        *divisor_words(out.shape[1]),
    )  # fmt: skip
    small = narrow(out, bias)
    kernel = GpuKernel(
        f"add_bias_{out.dtype}", ("add_bias", out.dtype, bias.dtype, lanes, small),
        partial(_emit, dtype=out.dtype, of_bias=bias.dtype, lanes=lanes, small=small),
    )  # fmt: skip
    moved = 2 * touched(out) + touched(bias)
    return launch(kernel, args, blocks_of(total), moved=moved, flops=float(total * lanes))


def _emit(target: Target, symbol: str, dtype: str, of_bias: str, lanes: int, small: bool) -> str:
    """for each vector of out: out += its channel's bias"""
    c = Code(target, symbol, small)
    out, bias, total, step = c.buffer(), c.buffer(), c.whole(), c.whole()
    space, channels = c.over(), c.over()
    type = _TYPES[dtype] if lanes == 1 else f"<{lanes} x {_TYPES[dtype]}>"
    wide = "double" if dtype == "float64" else "float"
    sums = wide if lanes == 1 else f"<{lanes} x {wide}>"

    def load(i: Any) -> Any:
        row, _ = space.split(i)
        _, channel = channels.split(row)
        b = c.load(_TYPES[of_bias], bias, channel * step, invariant=True)
        return c.fetch(type, out, i), b

    def store(i: Any, found: Any) -> None:
        x, b = found
        b = b if b.type == wide else c.value(wide, f"fpext {b} to {wide}")
        b = b if lanes == 1 else c.splat(b, lanes)
        x = x if type == sums else c.value(sums, f"fpext {x} to {sums}")
        y = c.value(sums, f"fadd {x}, {b.text}")
        c.put(y if type == sums else c.value(type, f"fptrunc {y} to {type}"), out, i)

    first = c.block_of() * (EACH * c.threads) + c.thread_of()
    c.end_unless(first < total)
    places = [first + k * c.threads for k in range(EACH)]
    found = [load(c.select(p < total, p, first)) for p in places]  # nobody else's, as it is in place
    for p, v in zip(places, found, strict=True):
        with c.when(p < total):
            store(p, v)
    return c.text()
