"""A stand-in for cuBLASLt; see `tools.gpu.libraries`. Numbers are those of cublasLt.h and library_types.h."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, NamedTuple

import numpy as np

from .libraries import Array, Library, Memory, Refused, Submit, real, rounded, tf32, write

NOT_INITIALIZED, INVALID, NOT_SUPPORTED = 1, 7, 15
# cudaDataType: (NumPy's dtype, whether it is bfloat16)
CUDA_TYPES: dict[int, tuple[np.dtype[Any], bool]] = {
    0: (np.dtype(np.float32), False), 1: (np.dtype(np.float64), False),
    2: (np.dtype(np.float16), False), 14: (np.dtype(np.uint16), True),
}  # fmt: skip
# (compute type, scale type) → (type of A and B, of C and D)
SUPPORTED = {
    (68, 0): {(0, 0), (2, 2), (2, 0), (14, 14), (14, 0)},
    (77, 0): {(0, 0)},
    (70, 1): {(1, 1)},
}


class _Algo(ctypes.Structure):
    _fields_ = [("data", c_uint64 * 8)]


class _Heuristic(ctypes.Structure):
    _fields_ = [
        ("algo", _Algo), ("workspaceSize", c_size_t), ("state", c_int), ("wavesCount", c_float),
        ("reserved", c_int * 4),
    ]  # fmt: skip


class _Context:
    pass


class Attributes:
    """An object whose attributes are set by number; each has a type, whose size is checked."""

    KNOWN: dict[int, tuple[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def set(self, attribute: int, source: int, size: int) -> None:
        if attribute not in self.KNOWN or not source:
            raise Refused(INVALID, f"{type(self).__name__} has no attribute {attribute}")
        name, kind = self.KNOWN[attribute]
        if size != ctypes.sizeof(kind):
            raise Refused(INVALID, f"{name} takes {ctypes.sizeof(kind)} bytes, not {size}")
        setattr(self, name, kind.from_address(source).value or 0)


class Layout(Attributes):
    KNOWN = {
        0: ("type", c_uint32), 1: ("order", c_int32), 2: ("rows", c_uint64), 3: ("cols", c_uint64),
        4: ("ld", c_int64), 5: ("batch", c_int32), 6: ("offset", c_int64),
    }  # fmt: skip
    type: int
    order: int
    rows: int
    cols: int
    ld: int
    batch: int
    offset: int

    def check(self) -> None:
        if self.type not in CUDA_TYPES:
            raise Refused(NOT_SUPPORTED, f"type {self.type}")
        if self.ld < (self.rows if self.order == 0 else self.cols) or min(self.rows, self.cols) < 1:
            raise Refused(INVALID, f"leading dimension {self.ld} of {self.rows} x {self.cols}")

    def frozen(self) -> tuple[int, ...]:
        return (self.type, self.order, self.rows, self.cols, self.ld, self.batch, self.offset)


class Description(Attributes):
    KNOWN = {
        3: ("transa", c_int32), 4: ("transb", c_int32), 7: ("epilogue", c_uint32),
        8: ("bias", c_void_p), 10: ("bias_offset", c_int64),
    }  # fmt: skip
    compute: int
    scale: int
    transa: int
    transb: int
    epilogue: int
    bias: int
    bias_offset: int


class Preference(Attributes):
    KNOWN = {
        0: ("mode", c_uint32), 1: ("workspace", c_uint64), 3: ("reductions", c_uint32),
        5: ("a", c_uint32), 6: ("b", c_uint32), 7: ("c", c_uint32), 8: ("d", c_uint32),
    }  # fmt: skip
    workspace: int
    reductions: int
    a: int
    b: int
    c: int
    d: int


class Chosen(NamedTuple):
    """What an algorithm was given out for."""

    signature: Any
    workspace: int
    alignments: tuple[int, int, int, int]
    bias: int
    """Alignment of the bias."""


class CublasLt(Library):
    """cuBLASLt. It divides long sums, for which it wants a workspace."""

    INTERNAL, FAILED = 14, 13

    def __init__(self, memory: Memory, submit: Submit, version: int = 120903, works: bool = True) -> None:
        self.version, self.works = version, works
        self.chosen: list[Chosen] = []
        super().__init__(memory, submit)

    def exported(self) -> dict[str, tuple[Any, tuple[Any, ...], Callable[..., Any]]]:
        p = c_void_p
        set_types = (p, c_int, p, c_size_t)
        return {
            "cublasLtGetVersion": (c_size_t, (), lambda: self.version),
            "cublasLtCreate": (c_int, (p,), self._create),
            "cublasLtMatmulDescCreate": (c_int, (p, c_int, c_int), self._description),
            "cublasLtMatmulDescDestroy": (c_int, (p,), self.destroy),
            "cublasLtMatmulDescSetAttribute": (c_int, set_types, self._set(Description)),
            "cublasLtMatrixLayoutCreate": (c_int, (p, c_int, c_uint64, c_uint64, c_int64), self._layout),
            "cublasLtMatrixLayoutDestroy": (c_int, (p,), self.destroy),
            "cublasLtMatrixLayoutSetAttribute": (c_int, set_types, self._set(Layout)),
            "cublasLtMatmulPreferenceCreate": (c_int, (p,), self._preference),
            "cublasLtMatmulPreferenceDestroy": (c_int, (p,), self.destroy),
            "cublasLtMatmulPreferenceSetAttribute": (c_int, set_types, self._set(Preference)),
            "cublasLtMatmulAlgoGetHeuristic": (c_int, (p,) * 7 + (c_int, p, p), self._heuristic),
            "cublasLtMatmul": (
                c_int, (p, p, p, p, p, p, p, p, p, p, p, p, p, p, c_size_t, p), self._matmul,
            ),
        }  # fmt: skip

    def _create(self, out: int) -> None:
        if not self.works:
            raise Refused(NOT_INITIALIZED, "told not to work")
        self.make(out, _Context())

    def _description(self, out: int, compute: int, scale: int) -> None:
        self.make(out, Description(compute=compute, scale=scale, transa=0, transb=0, epilogue=1, bias=0,
                                   bias_offset=0))  # fmt: skip

    def _layout(self, out: int, kind: int, rows: int, cols: int, ld: int) -> None:
        self.make(out, Layout(type=kind, order=0, rows=rows, cols=cols, ld=ld, batch=1, offset=0))

    def _preference(self, out: int) -> None:
        self.make(out, Preference(workspace=0, reductions=7, a=256, b=256, c=256, d=256))

    def _set(self, kind: type[Attributes]) -> Callable[..., None]:
        return lambda thing, attribute, source, size: self.get(thing, kind, INVALID).set(
            attribute, source, size
        )

    def _checked(self, description: int, layouts: Sequence[int]) -> tuple[Description, list[Layout]]:
        """The problem, if it is one."""
        how = self.get(description, Description, INVALID)
        a, b, c, d = found = [self.get(x, Layout, INVALID) for x in layouts]
        for x in found:
            x.check()
        kinds = SUPPORTED.get((how.compute, how.scale), set())
        if (a.type, c.type) not in kinds or a.type != b.type or c.type != d.type:
            raise Refused(NOT_SUPPORTED, f"types {a.type} {b.type} {c.type} {d.type} in {how.compute}")
        m, k = (a.rows, a.cols) if how.transa == 0 else (a.cols, a.rows)
        k2, n = (b.rows, b.cols) if how.transb == 0 else (b.cols, b.rows)
        if k != k2 or any((x.rows, x.cols) != (m, n) for x in (c, d)):
            raise Refused(INVALID, f"{m} x {k} times {k2} x {n} is not {d.rows} x {d.cols}")
        if len({x.batch for x in found}) != 1 or d.batch < 1 or (d.batch > 1 and not d.offset):
            raise Refused(INVALID, "the batches are not alike, or results lie on each other")
        if how.epilogue not in (1, 2, 4, 6, 32, 36):
            raise Refused(NOT_SUPPORTED, f"epilogue {how.epilogue}")
        if how.epilogue != 1 and how.compute == 70:
            raise Refused(NOT_SUPPORTED, "double precision has no epilogues")
        if how.epilogue & 4 and not how.bias:
            raise Refused(INVALID, "no bias")
        return how, found

    def _signature(self, how: Description, layouts: list[Layout]) -> Any:
        return (how.compute, how.scale, how.transa, how.transb, how.epilogue,
                *[x.frozen() for x in layouts])  # fmt: skip

    def _heuristic(
        self, handle: int, description: int, a: int, b: int, c: int, d: int, preference: int,
        asked: int, results: int, count: int,
    ) -> None:  # fmt: skip
        self.get(handle, _Context, NOT_INITIALIZED)
        if asked < 1:
            raise Refused(INVALID, "no result is asked for")
        write(count, c_int, 0)
        how, layouts = self._checked(description, (a, b, c, d))
        wish = self.get(preference, Preference, INVALID)
        last = layouts[3]
        split = 4 * last.rows * last.cols * last.batch
        k = layouts[0].cols if how.transa == 0 else layouts[0].rows
        wanted = [split, 0] if wish.reductions and k >= 64 and split <= wish.workspace else [0]
        aligned = how.bias & -how.bias if how.epilogue & 4 else 1
        for i, workspace in enumerate(wanted[:asked]):
            found = _Heuristic.from_address(results + i * ctypes.sizeof(_Heuristic))
            self.chosen.append(Chosen(
                self._signature(how, layouts), workspace, (wish.a, wish.b, wish.c, wish.d), min(aligned, 16)
            ))  # fmt: skip
            found.algo.data[0] = len(self.chosen)
            found.workspaceSize, found.state, found.wavesCount = workspace, 0, 1.0
            write(count, c_int, i + 1)

    def _matmul(
        self, handle: int, description: int, alpha: int, at_a: int, a: int, at_b: int, b: int, beta: int,
        at_c: int, c: int, at_d: int, d: int, algo: int, workspace: int, size: int, stream: int,
    ) -> None:  # fmt: skip
        self.get(handle, _Context, NOT_INITIALIZED)
        how, layouts = self._checked(description, (a, b, c, d))
        chosen = self.chosen[_Algo.from_address(algo).data[0] - 1]
        if chosen.signature != self._signature(how, layouts):
            raise Refused(INVALID, "the algorithm is of another problem")
        if chosen.workspace and (size < chosen.workspace or not workspace):
            raise Refused(INVALID, f"{size} bytes of workspace are too few: {chosen.workspace}")
        for address, alignment in zip((at_a, at_b, at_c, at_d), chosen.alignments):
            if not address or address % alignment:
                raise Refused(INVALID, f"{address:#x} is not aligned to {alignment}, as was said")
        if how.epilogue & 4 and how.bias % chosen.bias:
            raise Refused(INVALID, f"the bias is not aligned to {chosen.bias}, as was said")
        scalar: Any = ctypes.c_double if how.scale == 1 else c_float
        by, plus = scalar.from_address(alpha).value, scalar.from_address(beta).value
        frozen = [Layout(**vars(x)) for x in layouts]
        said = Description(**vars(how))
        addresses = (at_a, at_b, at_c, at_d)

        def compute() -> None:
            if chosen.workspace:
                self.memory(workspace, chosen.workspace)[:] = 0xAB
            self._compute(said, frozen, addresses, by, plus)

        self.submit(stream, compute)

    def _matrices(self, x: Layout, address: int) -> tuple[Array, bool]:
        dtype, bfloat16 = CUDA_TYPES[x.type]
        steps = (1, x.ld) if x.order == 0 else (x.ld, 1)
        shape = (x.batch, x.rows, x.cols)
        return self.strided(address, dtype, shape, (x.offset if x.batch > 1 else 0, *steps)), bfloat16

    def _compute(
        self, how: Description, layouts: list[Layout], addresses: Sequence[int], alpha: float, beta: float
    ) -> None:
        a, b = (real(*self._matrices(x, at)) for x, at in zip(layouts[:2], addresses))
        if how.transa:
            a = a.swapaxes(1, 2)
        if how.transb:
            b = b.swapaxes(1, 2)
        if how.compute == 77:
            a, b = tf32(a), tf32(b)
        y = alpha * (a @ b)
        if beta:
            y = y + beta * real(*self._matrices(layouts[2], addresses[2]))
        out, bfloat16 = self._matrices(layouts[3], addresses[3])
        if how.epilogue & 4:
            dtype, narrow = CUDA_TYPES[layouts[3].type]
            rows = layouts[3].rows
            y = y + real(self.strided(how.bias, dtype, (rows,), (1,)), narrow)[None, :, None]
        if how.epilogue & 2:
            y = np.maximum(y, 0)
        if how.epilogue & 32:
            y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        out[...] = rounded(y, out.dtype, bfloat16)
