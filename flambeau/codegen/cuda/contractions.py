"""Planners of contractions on a GPU: by the vendor's libraries, or by kernels of our own.

`PLANNERS[name](room, inputs, outputs, params)` gives launches, or None where there is no kernel:

    matmul, matmul_bias      (a, b[, bias])        out = activation(a @ b + bias)
    matmul_add               (a, b, out)           out += a @ b, in place
    conv_forward             (x, w[, bias])        params end with stride, padding, dilation, groups
    conv_input, conv_weight  (grad, w), (grad, x)  the same
    conv3_forward ...        the same of volumes, which the CPU has no kernels for

Operands are float32, float64, float16 or bfloat16 and may differ; sums of 16-bit floats are in float32.
The result may be 16-bit. The first of `params` may be an activation's name (`gemm_store.ACTIVATIONS`)
for matmul, matmul_bias and the forward convolutions.

The library is asked first, where it is there and there is enough to do: `LARGE` multiply-adds or more.
Below that a launch of our own, whose addresses a graph need not know, should be as good. An activation
that the library lacks is a launch behind it. What the library declines, we do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ... import config
from ..planning import Placed
from . import conv, conv_depthwise, gemm_plan, gemm_vector
from .gemm_code import SIZE
from .gemm_index import Digit, axis
from .gemm_plan import Bias, Operand, Problem, Result
from .gemm_store import ACTIVATIONS
from .kernel import AnyLaunch, GpuLaunch, Room

LARGE = 1 << 25
"""Multiply-adds from which on a library is asked: a product of 512 x 256 x 256."""

OF_LIBRARIES = ("", "relu", "gelu_tanh")
"""Activations that cuBLASLt has."""

Launches = list[AnyLaunch]


def matmul(
    room: Room, a: Placed, b: Placed, out: Placed, bias: Placed | None = None, accumulate: bool = False,
    activation: str = "",
) -> Launches | None:  # fmt: skip
    """out[..., m, n] (+)= activation(a[..., m, k] @ b[..., k, n] + bias): any strides; batches and
    bias broadcast."""
    p = problem(a, b, out, bias, accumulate, activation)
    if p is None:
        return None
    if 0 in out.shape:
        return []
    if "cublaslt" in room.gpu.libraries and p.flops >= 2 * LARGE:
        from . import library_calls

        for name in dict.fromkeys([activation, ""]):
            if name in OF_LIBRARIES and (name == activation or _activates(out)):
                epilogue = {"gelu_tanh": "gelu"}.get(name, name)
                found = library_calls.matmul(room, a, b, out, bias, accumulate, epilogue)
                if found is not None:
                    return [*found, *([] if name == activation else [_activated(room, out, activation)])]
    own = gemm_vector.plan(room, p) or gemm_plan.plan(room, p)
    return None if own is None else list(own)


def problem(
    a: Placed, b: Placed, out: Placed, bias: Placed | None, accumulate: bool, activation: str
) -> Problem | None:
    """The product, as few matrices: a batch that one factor does not depend on is more rows or columns
    of the other."""
    arrays = [x for x in (a, b, out, bias) if x is not None]
    if any(x.dtype not in SIZE for x in arrays):
        return None
    m, n, k = *out.shape[-2:], a.shape[-1]
    batch = out.shape[:-2]
    sa, sb, so = (_broadcast(x, x.shape[-2:], batch) for x in (a, b, out))
    sc = _broadcast(bias, (m, n), batch) if bias else (0,) * (len(batch) + 2)
    rows: tuple[list[Digit], list[Digit]] = [], []
    columns: tuple[list[Digit], list[Digit]] = [], []
    left: list[list[Digit]] = [[], [], [], []]
    count = 1
    for i, size in enumerate(batch):
        if not sb[i] and not (sc[i] or sc[-2]):
            rows[0].append(Digit(size, sa[i]))
            rows[1].append(Digit(size, so[i]))
        elif not sa[i] and not (sc[i] or sc[-1]):
            columns[0].append(Digit(size, sb[i]))
            columns[1].append(Digit(size, so[i]))
        else:
            count *= size
            for digits, s in zip(left, (sa, sb, so, sc), strict=True):
                digits.append(Digit(size, s[i]))
    row_count, column_count = m, n
    for d in rows[0]:
        row_count *= d.size
    for d in columns[0]:
        column_count *= d.size
    added = None
    if bias is not None:
        added = Bias(bias.slot, bias.dtype, bias.offset, sc[-2], sc[-1], axis(*left[3]))
    label = f"matmul {row_count}x{column_count}x{k}" + (f" x{count}" if count > 1 else "")
    return Problem(
        row_count, column_count, k, count,
        Operand(a.slot, a.dtype, a.offset, axis(*rows[0], Digit(m, sa[-2])), axis(Digit(k, sa[-1])), axis(*left[0])),
        Operand(b.slot, b.dtype, b.offset, axis(*columns[0], Digit(n, sb[-1])), axis(Digit(k, sb[-2])), axis(*left[1])),
        Result(
            out.slot, out.dtype, out.offset, axis(*rows[1], Digit(m, so[-2])),
            axis(*columns[1], Digit(n, so[-1])), axis(*left[2]),
        ),
        added, accumulate, activation, config.cuda_matmul_tf32, label,
    )  # fmt: skip


def _broadcast(x: Placed, matrix: tuple[int, ...], batch: tuple[int, ...]) -> tuple[int, ...]:
    """Strides as if x had the batch's dimensions and the matrix's."""
    whole = len(batch) + 2
    shape = (1,) * (whole - len(x.shape)) + tuple(x.shape)
    strides = (0,) * (whole - len(x.shape)) + tuple(x.strides)
    return tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True))


def convolution(
    room: Room, kind: str, first: Placed, second: Placed, out: Placed, settings: Any,
    bias: Placed | None = None, activation: str = "",
) -> Launches | None:  # fmt: skip
    """A convolution ("forward" of x and w) or its gradient by the data ("input" of grad and w) or by the
    weight ("weight" of grad and x); settings are stride, padding, dilation, groups."""
    stride, padding, dilation, groups = settings
    x, w, y = {
        "forward": (first, second, out), "input": (out, second, first), "weight": (second, out, first),
    }[kind]  # fmt: skip
    products = 1
    for n in (*y.shape, *w.shape[1:]):
        products *= n
    if "cudnn" in room.gpu.libraries and products >= LARGE and (not activation or _activates(out)):
        from . import library_calls

        found = library_calls.convolution(
            room, kind, first, second, out, stride, padding, dilation, groups, bias
        )
        if found is not None:
            return [*found, *([_activated(room, out, activation)] if activation else [])]
    tf32 = config.cuda_conv_tf32
    own: Any = conv_depthwise.plan(room, kind, x, w, y, bias, settings, activation)
    if own is not None:
        return list(own)
    if kind == "forward":
        own = conv.plan_forward(room, x, w, bias, y, stride, padding, dilation, groups, tf32, activation)
    elif kind == "input":
        own = conv.plan_input(room, y, w, x, stride, padding, dilation, groups, tf32)
    else:
        own = conv.plan_weight(room, y, x, w, stride, padding, dilation, groups, tf32)
    return None if own is None else list(own)


def _activates(out: Placed) -> bool:
    """Whether `_activated` can do it."""
    return out.dense and math.prod(out.shape) < gemm_plan.LONGEST


def _activated(room: Room, out: Placed, activation: str) -> GpuLaunch:
    """out = activation(out), in place: what a library has not done."""
    n = math.prod(out.shape)
    one = axis(Digit(1, 0))
    none = Operand(out.slot, out.dtype, 0, one, one)
    result = Result(out.slot, out.dtype, out.offset, one, axis(Digit(n, 1)))
    p = Problem(1, n, 1, 1, none, none, result, activation=activation, label=activation)
    return gemm_plan.total(room, p, out.slot, out.dtype, 1, out.offset)._replace(label=activation)


def _activation(params: Any) -> str:
    name = params[0] if params and isinstance(params[0], str) else ""
    assert name in ACTIVATIONS, name
    return name


def _matmul(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    bias = inputs[2] if len(inputs) > 2 else None
    return matmul(room, inputs[0], inputs[1], outputs[0], bias, activation=_activation(params))


def _matmul_add(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    assert inputs[2].slot == outputs[0].slot
    return matmul(room, inputs[0], inputs[1], outputs[0], accumulate=True)


def _convolution(kind: str) -> Callable[..., Launches | None]:
    def plan(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
        bias = inputs[2] if len(inputs) > 2 else None
        return convolution(
            room, kind, inputs[0], inputs[1], outputs[0], params[-4:], bias, _activation(params)
        )

    return plan


PLANNERS: dict[str, Callable[..., Launches | None]] = {
    "matmul": _matmul, "matmul_bias": _matmul, "matmul_add": _matmul_add,
    "conv_forward": _convolution("forward"), "conv_input": _convolution("input"),
    "conv_weight": _convolution("weight"), "conv3_forward": _convolution("forward"),
    "conv3_input": _convolution("input"), "conv3_weight": _convolution("weight"),
}  # fmt: skip
