"""A stand-in for cuDNN; see `tools.gpu.libraries`. Numbers are those of cudnn_graph.h and cudnn_ops.h."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_float, c_int, c_size_t, c_void_p
from typing import Any

import numpy as np

from .libraries import Array, Library, Memory, Refused, Submit, real, rounded, tf32, write

BAD, UNSUPPORTED = 2000, 3000
CUDNN_TYPES: dict[int, tuple[np.dtype[Any], bool]] = {
    0: (np.dtype(np.float32), False), 1: (np.dtype(np.float64), False),
    2: (np.dtype(np.float16), False), 9: (np.dtype(np.uint16), True),
}  # fmt: skip


class _Perf(ctypes.Structure):
    _fields_ = [
        ("algo", c_int), ("status", c_int), ("time", c_float), ("memory", c_size_t),
        ("determinism", c_int), ("mathType", c_int), ("reserved", c_int * 3),
    ]  # fmt: skip


class _Cudnn:
    stream = 0


class Tensor:
    type = -1
    dims: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


class Filter(Tensor):
    format = 0


class Convolution:
    pad: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    mode = compute = -1
    groups, math = 1, 0


# Algorithms of each kind as heuristics give them: (number, deterministic, bytes for each of the result).
WAYS = {
    "Forward": ((1, True, 4), (0, True, 0)),
    "BackwardData": ((0, False, 0), (1, True, 2)),
    "BackwardFilter": ((0, False, 0), (3, False, 8), (1, True, 2)),
}
# Which of a call's arrays is x, w and y.
ROLES = {"Forward": (0, 1, 2), "BackwardData": (2, 0, 1), "BackwardFilter": (0, 2, 1)}


class Cudnn(Library):
    """cuDNN 9, of its older interface what convolutions take."""

    INTERNAL, FAILED = 4000, 5000

    def __init__(self, memory: Memory, submit: Submit, version: int = 92800, works: bool = True) -> None:
        self.version, self.works = version, works
        self.ran: list[tuple[str, int, int]] = []
        """(kind, algorithm, math type) of each convolution."""
        self.texts: dict[int, Any] = {}
        super().__init__(memory, submit)

    def exported(self) -> dict[str, tuple[Any, tuple[Any, ...], Callable[..., Any]]]:
        p = c_void_p
        names: dict[str, tuple[Any, tuple[Any, ...], Callable[..., Any]]] = {
            "cudnnGetVersion": (c_size_t, (), lambda: self.version),
            "cudnnGetErrorString": (p, (c_int,), self._text),
            "cudnnCreate": (c_int, (p,), self._create),
            "cudnnSetStream": (c_int, (p, p), self._stream),
            "cudnnCreateTensorDescriptor": (c_int, (p,), lambda out: self.make(out, Tensor())),
            "cudnnCreateFilterDescriptor": (c_int, (p,), lambda out: self.make(out, Filter())),
            "cudnnCreateConvolutionDescriptor": (c_int, (p,), lambda out: self.make(out, Convolution())),
            "cudnnDestroyTensorDescriptor": (c_int, (p,), self.destroy),
            "cudnnDestroyFilterDescriptor": (c_int, (p,), self.destroy),
            "cudnnDestroyConvolutionDescriptor": (c_int, (p,), self.destroy),
            "cudnnSetTensorNdDescriptor": (c_int, (p, c_int, c_int, p, p), self._tensor),
            "cudnnSetFilterNdDescriptor": (c_int, (p, c_int, c_int, c_int, p), self._filter),
            "cudnnSetConvolutionNdDescriptor": (c_int, (p, c_int, p, p, p, c_int, c_int), self._convolution),
            "cudnnSetConvolutionGroupCount": (c_int, (p, c_int), self._put("groups")),
            "cudnnSetConvolutionMathType": (c_int, (p, c_int), self._put("math")),
        }  # fmt: skip
        for kind in WAYS:
            ask = (p, p, p, p, p, c_int, p, p)
            run = (p, p, p, p, p, p, p, c_int, p, c_size_t, p, p, p)
            names[f"cudnnGetConvolution{kind}Algorithm_v7"] = (c_int, ask, self._ask(kind, False))
            names[f"cudnnFindConvolution{kind}Algorithm"] = (c_int, ask, self._ask(kind, True))
            names[f"cudnnGetConvolution{kind}WorkspaceSize"] = (
                c_int, (p, p, p, p, p, c_int, p), self._size(kind),
            )  # fmt: skip
            names[f"cudnnConvolution{kind}"] = (c_int, run, self._run(kind))
        return names

    def _text(self, code: int) -> int:
        names = {1001: b"NOT_INITIALIZED", BAD: b"BAD_PARAM", UNSUPPORTED: b"NOT_SUPPORTED"}
        name = b"CUDNN_STATUS_" + names.get(code, b"INTERNAL_ERROR")
        return ctypes.addressof(self.texts.setdefault(code, ctypes.create_string_buffer(name)))

    def _create(self, out: int) -> None:
        if not self.works:
            raise Refused(1001, "told not to work")
        self.make(out, _Cudnn())

    def _stream(self, handle: int, stream: int | None) -> None:
        self.get(handle, _Cudnn, BAD).stream = stream or 0

    def _dims(self, n: int, *sources: int) -> list[tuple[int, ...]]:
        return [tuple((c_int * n).from_address(x)) for x in sources]

    def _tensor(self, thing: int, kind: int, n: int, dims: int, strides: int) -> None:
        t = self.get(thing, Tensor, BAD)
        if not 4 <= n <= 8:
            raise Refused(UNSUPPORTED, f"{n} dimensions")
        t.type = kind
        t.dims, t.strides = self._dims(n, dims, strides)

    def _filter(self, thing: int, kind: int, form: int, n: int, dims: int) -> None:
        t = self.get(thing, Filter, BAD)
        if not 4 <= n <= 8:
            raise Refused(UNSUPPORTED, f"{n} dimensions")
        t.type, t.format = kind, form
        (t.dims,) = self._dims(n, dims)
        t.strides = tuple(int(np.prod(t.dims[i + 1 :])) for i in range(n))

    def _convolution(
        self, thing: int, n: int, pad: int, stride: int, dilation: int, mode: int, compute: int
    ) -> None:
        c = self.get(thing, Convolution, BAD)
        c.pad, c.stride, c.dilation = self._dims(n, pad, stride, dilation)
        if min(c.pad) < 0 or min(*c.stride, *c.dilation) < 1:
            raise Refused(BAD, f"padding {c.pad}, stride {c.stride}, dilation {c.dilation}")
        c.mode, c.compute = mode, compute

    def _put(self, name: str) -> Callable[..., None]:
        return lambda thing, value: setattr(self.get(thing, Convolution, BAD), name, value)

    def _checked(
        self, kind: str, handle: int, first: int, second: int, how: int, result: int
    ) -> tuple[_Cudnn, list[Any], Convolution]:
        """The handle, x, w and y, and the convolution, if they fit."""
        found = self.get(handle, _Cudnn, BAD)
        given = (first, second, result)
        x, w, y = (self.get(given[i], k, BAD) for i, k in zip(ROLES[kind], (Tensor, Filter, Tensor)))
        if isinstance(x, Filter) or isinstance(y, Filter):
            raise Refused(BAD, "a filter in a tensor's place")
        c = self.get(how, Convolution, BAD)
        if len({x.type, w.type, y.type}) != 1 or x.type not in CUDNN_TYPES:
            raise Refused(UNSUPPORTED, f"types {x.type} {w.type} {y.type}")
        if c.mode != 1 or c.compute != (1 if x.type == 1 else 0) or w.format != 0:
            raise Refused(UNSUPPORTED, f"mode {c.mode}, computed in {c.compute}")
        if len(x.dims) - 2 != len(c.pad) or not len(x.dims) == len(w.dims) == len(y.dims) < 6:
            raise Refused(BAD, "ranks")
        space = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, p, s, d in zip(x.dims[2:], w.dims[2:], c.pad, c.stride, c.dilation)
        )
        if y.dims != (x.dims[0], w.dims[0], *space):
            raise Refused(BAD, f"the result is {(x.dims[0], w.dims[0], *space)}, not {y.dims}")
        if w.dims[1] * c.groups != x.dims[1] or w.dims[0] % c.groups:
            raise Refused(BAD, f"{x.dims[1]} channels in {c.groups} groups for {w.dims}")
        return found, [x, w, y], c

    def _offered(self, kind: str, arrays: list[Any], c: Convolution) -> list[tuple[int, bool, int]]:
        target = arrays[ROLES[kind].index(2)]
        count = int(np.prod(target.dims))
        return [(number, fixed, each * count) for number, fixed, each in WAYS[kind]]

    def _ask(self, kind: str, tried: bool) -> Callable[..., None]:
        def ask(
            handle: int, a: int, b: int, how: int, out: int, asked: int, count: int, results: int
        ) -> None:
            _, arrays, c = self._checked(kind, handle, a, b, how, out)
            found = self._offered(kind, arrays, c)
            if tried:
                found = found[::-1]
            for i, (number, fixed, size) in enumerate(found[:asked]):
                way = _Perf.from_address(results + i * ctypes.sizeof(_Perf))
                way.algo, way.status, way.time, way.memory = number, 0, i + 1.0, size
                way.determinism, way.mathType = int(fixed), c.math
            write(count, c_int, min(len(found), asked))

        return ask

    def _size(self, kind: str) -> Callable[..., None]:
        def size(handle: int, a: int, b: int, how: int, out: int, algo: int, result: int) -> None:
            _, arrays, c = self._checked(kind, handle, a, b, how, out)
            known = {number: size for number, _, size in self._offered(kind, arrays, c)}
            if algo not in known:
                raise Refused(UNSUPPORTED, f"algorithm {algo}")
            write(result, c_size_t, known[algo])

        return size

    def _run(self, kind: str) -> Callable[..., None]:
        def run(
            handle: int, alpha: int, a: int, at_a: int, b: int, at_b: int, how: int, algo: int,
            workspace: int, size: int, beta: int, out: int, at_out: int,
        ) -> None:  # fmt: skip
            owner, arrays, c = self._checked(kind, handle, a, b, how, out)
            need = {number: n for number, _, n in self._offered(kind, arrays, c)}[algo]
            if size < need or (need and not workspace):
                raise Refused(BAD, f"{size} bytes of workspace are too few: {need}")
            for at in (at_a, at_b, at_out):
                if not at or at % 16:
                    raise Refused(2003, f"{at!r} is not aligned to 16 bytes")
            scalar: Any = ctypes.c_double if arrays[0].type == 1 else c_float
            by, plus = scalar.from_address(alpha).value, scalar.from_address(beta).value
            given = (at_a, at_b, at_out)
            addresses = [given[i] for i in ROLES[kind]]
            said = Convolution()
            said.__dict__.update(vars(c))
            self.ran.append((kind, algo, c.math))

            def compute() -> None:
                if need:
                    self.memory(workspace, need)[:] = 0xAB
                self._compute(kind, arrays, addresses, said, by, plus)

            self.submit(owner.stream, compute)

        return run

    def _compute(
        self, kind: str, arrays: list[Any], addresses: list[int], c: Convolution, alpha: float, beta: float
    ) -> None:
        dtype, bfloat16 = CUDNN_TYPES[arrays[0].type]
        there = [self.strided(at, dtype, t.dims, t.strides) for t, at in zip(arrays, addresses)]
        target = ROLES[kind].index(2)
        x, w, y = (
            np.zeros(v.shape) if i == target else real(v, bfloat16) for i, v in enumerate(there)
        )
        if c.math in (0, 1) and dtype == np.float32:
            x, w, y = tf32(x), tf32(w), tf32(y)
        correlate(kind, x, w, y, c)
        result = alpha * (x, w, y)[target]
        if beta:
            result += beta * real(there[target], bfloat16)
        there[target][...] = rounded(result, dtype, bfloat16)


def correlate(kind: str, x: Array, w: Array, y: Array, c: Convolution) -> None:
    """Fill the one of x, w and y that is the result, which holds zeros, kernel element by element."""
    g = c.groups
    n, channels, rows = x.shape[0], w.shape[1], w.shape[0] // g
    padded = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in c.pad]])
    inside: Any = (..., *[slice(p, p + size) for p, size in zip(c.pad, x.shape[2:])])
    outs = y.reshape(n, g, rows, *y.shape[2:])
    weights = w.reshape(g, rows, channels, *w.shape[2:])
    ins = padded.reshape(n, g, channels, *padded.shape[2:])
    at: Any
    for at in np.ndindex(*w.shape[2:]):
        steps = zip(at, c.dilation, c.stride, y.shape[2:])
        window: Any = (..., *[slice(k * d, k * d + s * (size - 1) + 1, s) for k, d, s, size in steps])
        if kind == "Forward":
            outs += np.einsum("ngc...,grc->ngr...", ins[window], weights[(..., *at)])
        elif kind == "BackwardData":
            ins[window] += np.einsum("ngr...,grc->ngc...", outs, weights[(..., *at)])
        else:
            weights[(..., *at)] += np.einsum("ngcz,ngrz->grc", _flat(ins[window]), _flat(outs))
    if kind == "BackwardData":
        x[...] = padded[inside]


def _flat(x: Array) -> Array:
    return x.reshape(*x.shape[:3], -1)
