"""Convolutions and their derivatives through cuDNN 9.

The interface used is the older one, of functions a convolution each (docs/decisions/0025). One over a
line is one over a picture of height 1, which cuDNN wants.

Numbers of enumerations are those of NVIDIA's headers cudnn_graph.h and cudnn_ops.h (9.28.0, in the wheel
nvidia-cudnn-cu12).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from ctypes import byref, c_float, c_int, c_size_t, c_void_p
from math import prod
from typing import Any

from .cuda_devices import uncaptured
from .libraries import LibraryError, declare

DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 9}
"""cudnnDataType_t."""
NCHW, CROSS_CORRELATION = 0, 1
"""cudnnTensorFormat_t, cudnnConvolutionMode_t."""
DEFAULT_MATH, TENSOR_OP_MATH, CONVERTING_MATH, FMA_MATH = 0, 1, 2, 3
"""cudnnMathType_t."""
DETERMINISTIC = 1
"""cudnnDeterminism_t."""

MINIMUM = 90000
"""The oldest version that is used: cuDNN 9.0."""
ASKED = 8
"""Ways of computing that are asked for: as many as there are of a kind, at most."""

_out, _handle = c_void_p, c_void_p
_STEP = {"forward": "Forward", "input": "BackwardData", "weight": "BackwardFilter"}
_ALGORITHM = (_handle, _handle, _handle, _handle, _handle, c_int, _out, _out)
_WORKSPACE = (_handle, _handle, _handle, _handle, _handle, c_int, _out)
_RUN = (
    _handle, c_void_p, _handle, c_void_p, _handle, c_void_p, _handle, c_int, c_void_p, c_size_t, c_void_p,
    _handle, c_void_p,
)  # fmt: skip

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cudnnCreate": (_out,),
    "cudnnSetStream": (_handle, c_void_p),
    "cudnnCreateTensorDescriptor": (_out,),
    "cudnnSetTensorNdDescriptor": (_handle, c_int, c_int, c_void_p, c_void_p),
    "cudnnDestroyTensorDescriptor": (_handle,),
    "cudnnCreateFilterDescriptor": (_out,),
    "cudnnSetFilterNdDescriptor": (_handle, c_int, c_int, c_int, c_void_p),
    "cudnnDestroyFilterDescriptor": (_handle,),
    "cudnnCreateConvolutionDescriptor": (_out,),
    "cudnnSetConvolutionNdDescriptor": (_handle, c_int, c_void_p, c_void_p, c_void_p, c_int, c_int),
    "cudnnSetConvolutionGroupCount": (_handle, c_int),
    "cudnnSetConvolutionMathType": (_handle, c_int),
    "cudnnDestroyConvolutionDescriptor": (_handle,),
    **{f"cudnnGetConvolution{x}Algorithm_v7": _ALGORITHM for x in _STEP.values()},
    **{f"cudnnFindConvolution{x}Algorithm": _ALGORITHM for x in _STEP.values()},
    **{f"cudnnGetConvolution{x}WorkspaceSize": _WORKSPACE for x in _STEP.values()},
    **{f"cudnnConvolution{x}": _RUN for x in _STEP.values()},
}


class _Way(ctypes.Structure):
    """cudnnConvolutionFwdAlgoPerf_t, and its like of the derivatives."""

    _fields_ = [
        ("algo", c_int), ("status", c_int), ("time", c_float), ("memory", c_size_t),
        ("determinism", c_int), ("math", c_int), ("reserved", c_int * 3),
    ]  # fmt: skip


class _Handle:
    """A handle: for one thread at a time."""

    def __init__(self, address: int, device: Any) -> None:
        self.address, self.device = address, device
        self.stream = 0
        self.lock = threading.Lock()


class Library:
    """cuDNN, and its handles, one a device."""

    def __init__(self, loaded: Any) -> None:
        loaded.cudnnGetVersion.restype = c_size_t
        loaded.cudnnGetVersion.argtypes = ()
        self.version = loaded.cudnnGetVersion()
        if self.version < MINIMUM:
            raise LibraryError(f"cuDNN {self.version} is too old")
        declare(loaded, PROTOTYPES, self)
        self._name = loaded.cudnnGetErrorString
        self._name.argtypes, self._name.restype = (c_int,), ctypes.c_char_p
        self._handles: dict[int, _Handle] = {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # the library's functions are set by `declare`

    def check(self, code: int) -> None:
        """LibraryError for a code that is not 0."""
        if code:
            text = self._name(code)
            raise LibraryError(f"cuDNN error: {text.decode() if text else code}")

    def handle(self, device: Any) -> _Handle:
        """The handle of a device, whose context is current. LibraryError if there can be none."""
        found = self._handles.get(device.index)
        if found is None:
            made = c_void_p()
            self.check(self.cudnnCreate(byref(made)))
            found = self._handles[device.index] = _Handle(made.value or 0, device)
        return found

    def prepare(self, problem: Any, device: Any) -> Convolution | None:
        """None where it does not take the problem. LibraryError where it does not take the device."""
        handle = self.handle(device)
        if not takes(problem):
            return None
        limit = problem.workspace
        if limit < 0:
            limit = min(max(device.total_memory // 16, 256 << 20), 4 << 30)
        try:
            return Convolution(self, handle, problem, limit)
        except LibraryError:
            return None


def takes(p: Any) -> bool:
    """Whether a problem is one that cuDNN knows."""
    return (
        p.dtype in DTYPES and p.kind in _STEP and len(p.x) in (3, 4, 5)
        and all(0 < prod(shape) < 1 << 31 for shape in (p.x, p.w, p.y))
        and max((*p.stride, *p.padding, *p.dilation)) < 1 << 16
    )  # fmt: skip


def _flat(p: Any, values: Sequence[int], fill: int) -> tuple[int, ...]:
    """A shape or a parameter of at least two dimensions of space: a line has height 1."""
    space = len(p.x) - 2
    if space > 1:
        return tuple(values)
    return (*values[:-1], fill, values[-1])


class Convolution:
    """A convolution or a derivative of one, ready to run."""

    def __init__(self, library: Library, handle: _Handle, p: Any, limit: int) -> None:
        self.library, self.handle = library, handle
        self._made: list[tuple[Any, int]] = []
        self.dtype = DTYPES[p.dtype]
        double = p.dtype == "float64"
        x, y = self._tensor(_flat(p, p.x, 1)), self._tensor(_flat(p, p.y, 1))
        w = self._filter(_flat(p, p.w, 1))
        how = self._convolution(p, DTYPES["float64" if double else "float32"])
        arrays = {"forward": (x, w, y), "input": (w, y, x), "weight": (x, y, w)}[p.kind]
        # The library's order of two inputs and the result; the convolution's descriptor is third.
        self._descriptors = (arrays[0], arrays[1], how, arrays[2])
        way = self._choose(p, limit)
        self.workspace = way.memory
        self.algorithm = f"cudnn {p.kind} {way.algo}"
        scalar: Any = ctypes.c_double if double else c_float
        self._one, self._zero = scalar(1), scalar(0)
        self._call = getattr(library, f"cudnnConvolution{_STEP[p.kind]}")
        # Ours are grad, w for "input", and grad, x for "weight"; cuDNN's w, grad and x, grad.
        self._swapped = p.kind != "forward"
        self._fixed = (ctypes.addressof(self._one), ctypes.addressof(self._zero), way.algo)

    def _make(self, kind: str) -> int:
        made = c_void_p()
        self.library.check(getattr(self.library, f"cudnnCreate{kind}Descriptor")(byref(made)))
        destroy = getattr(self.library, f"cudnnDestroy{kind}Descriptor")
        self._made.append((destroy, made.value or 0))
        return made.value or 0

    def _tensor(self, shape: tuple[int, ...]) -> int:
        made = self._make("Tensor")
        strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
        n = len(shape)
        self.library.check(self.library.cudnnSetTensorNdDescriptor(
            made, self.dtype, n, (c_int * n)(*shape), (c_int * n)(*strides)))  # fmt: skip
        return made

    def _filter(self, shape: tuple[int, ...]) -> int:
        made = self._make("Filter")
        n = len(shape)
        self.library.check(
            self.library.cudnnSetFilterNdDescriptor(made, self.dtype, NCHW, n, (c_int * n)(*shape))
        )
        return made

    def _convolution(self, p: Any, compute: int) -> int:
        made = self._make("Convolution")
        padding, stride, dilation = (
            (c_int * max(len(v), 2))(*_flat(p, v, fill))
            for v, fill in ((p.padding, 0), (p.stride, 1), (p.dilation, 1))
        )
        check = self.library.check
        check(self.library.cudnnSetConvolutionNdDescriptor(
            made, len(padding), padding, stride, dilation, CROSS_CORRELATION, compute))  # fmt: skip
        check(self.library.cudnnSetConvolutionGroupCount(made, p.groups))
        self._math = DEFAULT_MATH
        if p.dtype in ("float16", "bfloat16"):
            self._math = TENSOR_OP_MATH
        elif p.dtype == "float32" and not p.tf32:
            self._math = FMA_MATH
        check(self.library.cudnnSetConvolutionMathType(made, self._math))
        return made

    def _choose(self, p: Any, limit: int) -> _Way:
        """The first way, fastest first, that is allowed and fits; its memory is the workspace. The
        description is set to its arithmetic. LibraryError if there is none."""
        step = _STEP[p.kind]
        ask = f"cudnnFindConvolution{step}Algorithm" if p.benchmark else (
            f"cudnnGetConvolution{step}Algorithm_v7")  # fmt: skip
        first, second, how, result = self._descriptors
        ways, count = (_Way * ASKED)(), c_int()
        check = self.library.check
        # What is tried out is waited for.
        with uncaptured() if p.benchmark else nullcontext(), self.handle.lock:
            if p.benchmark:
                self._turn_to(0)
            check(getattr(self.library, ask)(
                self.handle.address, first, second, how, result, ASKED, byref(count), ways))  # fmt: skip
            for way in ways[: count.value]:
                if way.status or (p.deterministic and way.determinism != DETERMINISTIC):
                    continue
                exact = self._math == FMA_MATH and way.math not in (FMA_MATH, DEFAULT_MATH)
                if exact or way.math == CONVERTING_MATH:  # float32 as float16
                    continue
                math = FMA_MATH if self._math == FMA_MATH else way.math
                check(self.library.cudnnSetConvolutionMathType(how, math))
                size = c_size_t()
                code = getattr(self.library, f"cudnnGetConvolution{step}WorkspaceSize")(
                    self.handle.address, first, second, how, result, way.algo, byref(size)
                )
                if not code and size.value <= limit:
                    way.memory = size.value
                    return way
        raise LibraryError("cuDNN has no way to compute the convolution")

    def _turn_to(self, stream: int) -> None:
        if self.handle.stream != stream:
            self.library.check(self.library.cudnnSetStream(self.handle.address, stream))
            self.handle.stream = stream

    def run(self, addresses: Sequence[int], stream: Any) -> None:
        """Submit it: the addresses of the problem's buffers, the workspace last if it has one."""
        a, b, out = addresses[:3]
        if self._swapped:
            a, b = b, a
        workspace = addresses[3] if self.workspace else None
        one, zero, algorithm = self._fixed
        first, second, how, result = self._descriptors
        handle = self.handle
        handle.device.activate()
        with handle.lock:
            if handle.stream != stream.handle:
                self._turn_to(stream.handle)
            code = self._call(
                handle.address, one, first, a, second, b, how, algorithm, workspace, self.workspace, zero,
                result, out,
            )  # fmt: skip
        if code:
            self.library.check(code)

    def __del__(self) -> None:
        for destroy, made in reversed(getattr(self, "_made", [])):
            destroy(made)
