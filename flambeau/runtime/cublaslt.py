"""Products through cuBLASLt.

The library's matrices are column-major: a row-major array is the transposed matrix. So what is asked
for is out' = b' a': its A is our b, its B our a, its rows are our columns. A bias, which the library
adds along its columns, one number for each of its rows, is then one number for each of our columns.

Numbers of enumerations are those of NVIDIA's headers cublasLt.h and cublas_api.h (12.9.3, in the wheel
nvidia-cublas-cu12) and library_types.h (of the CUDA toolkit 12).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from ctypes import byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from .libraries import LibraryError, declare

DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
"""cudaDataType: CUDA_R_32F, CUDA_R_64F, CUDA_R_16F, CUDA_R_16BF."""
SIZES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}
RESULTS = {
    "float32": ("float32",), "float64": ("float64",),
    "float16": ("float16", "float32"), "bfloat16": ("bfloat16", "float32"),
}  # fmt: skip
"""What products of a dtype may be in."""

COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77
"""cublasComputeType_t."""
OP_N, OP_T = 0, 1
"""cublasOperation_t."""

LAYOUT_BATCH_COUNT, LAYOUT_BATCH_OFFSET = 5, 6
"""cublasLtMatrixLayoutAttribute_t."""
DESC_TRANSA, DESC_TRANSB, DESC_EPILOGUE, DESC_BIAS_POINTER = 3, 4, 7, 8
"""cublasLtMatmulDescAttributes_t."""
PREF_WORKSPACE, PREF_REDUCTION_MASK, PREF_ALIGNMENT_A, PREF_ALIGNMENT_B = 1, 3, 5, 6
PREF_ALIGNMENT_C, PREF_ALIGNMENT_D = 7, 8
"""cublasLtMatmulPreferenceAttributes_t."""
EPILOGUES = {"": 1, "relu": 2, "bias": 4, "bias_relu": 2 | 4, "gelu": 32, "bias_gelu": 32 | 4}
"""cublasLtEpilogue_t."""
REDUCTIONS = {"rounded": 1 | 2 | 4, "exact": 2, "whole": 0}
"""cublasLtReductionScheme_t: INPLACE 1 and OUTPUT_TYPE 4 round parts to the result's type, COMPUTE_TYPE
2 does not. All add the parts in a fixed order."""

_STATUS = {
    1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH", 11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR",
}  # fmt: skip

_handle, _out = c_void_p, c_void_p

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cublasLtCreate": (_out,),
    "cublasLtMatmulDescCreate": (_out, c_int, c_int),
    "cublasLtMatmulDescDestroy": (_handle,),
    "cublasLtMatmulDescSetAttribute": (_handle, c_int, c_void_p, c_size_t),
    "cublasLtMatrixLayoutCreate": (_out, c_int, c_uint64, c_uint64, c_int64),
    "cublasLtMatrixLayoutDestroy": (_handle,),
    "cublasLtMatrixLayoutSetAttribute": (_handle, c_int, c_void_p, c_size_t),
    "cublasLtMatmulPreferenceCreate": (_out,),
    "cublasLtMatmulPreferenceDestroy": (_handle,),
    "cublasLtMatmulPreferenceSetAttribute": (_handle, c_int, c_void_p, c_size_t),
    "cublasLtMatmulAlgoGetHeuristic": (
        _handle, _handle, _handle, _handle, _handle, _handle, _handle, c_int, _out, _out,
    ),
    "cublasLtMatmul": (
        _handle, _handle, c_void_p, c_void_p, _handle, c_void_p, _handle, c_void_p, c_void_p, _handle,
        c_void_p, _handle, c_void_p, c_void_p, c_size_t, c_void_p,
    ),
}  # fmt: skip

MINIMUM = 120000
"""The oldest version that is used: cuBLAS 12.0."""
ASKED = 8
"""Ways of computing that are asked for; the first that fits is taken."""


class _Algorithm(ctypes.Structure):
    """cublasLtMatmulAlgo_t"""

    _fields_ = [("data", c_uint64 * 8)]


class _Result(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t"""

    _fields_ = [
        ("algo", _Algorithm), ("workspace", c_size_t), ("state", c_int), ("waves", c_float),
        ("reserved", c_int * 4),
    ]  # fmt: skip


class Library:
    """cuBLASLt, and its handles, one a device."""

    def __init__(self, loaded: Any) -> None:
        loaded.cublasLtGetVersion.restype = c_size_t
        loaded.cublasLtGetVersion.argtypes = ()
        self.version = loaded.cublasLtGetVersion()
        if self.version < MINIMUM:
            raise LibraryError(f"cuBLAS {self.version} is too old")
        declare(loaded, PROTOTYPES, self)
        self._handles: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # the library's functions are set by `declare`

    def handle(self, device: Any) -> int:
        """The handle of a device, whose context is current. LibraryError if there can be none."""
        found = self._handles.get(device.index)
        if found is None:
            made = c_void_p()
            _check(self.cublasLtCreate(byref(made)), "cublasLtCreate(handle)")
            found = self._handles[device.index] = made.value or 0
        return found

    def prepare(self, problem: Any, device: Any) -> Matmul | None:
        """None where it does not take the problem. LibraryError where it does not take the device."""
        handle = self.handle(device)
        wanted = Description(problem)
        if not wanted.fits:
            return None
        limit = (32 << 20) if device.capability >= 90 else (8 << 20)
        if problem.workspace >= 0:
            limit = problem.workspace
        try:
            return Matmul(self, handle, device, wanted, limit)
        except LibraryError:
            return None


def orientation(rows: int, columns: int, strides: Sequence[int]) -> tuple[int, int] | None:
    """A row-major matrix's memory as the library sees it: whether it has to be turned to be the
    transposed matrix (`OP_T`) or is that already (`OP_N`), and its leading dimension.

    >>> orientation(2, 3, (3, 1)), orientation(2, 3, (1, 2)), orientation(2, 3, (1, 1))
    ((0, 3), (1, 2), None)
    """
    down, along = strides
    if (along == 1 or columns == 1) and (rows == 1 or down >= columns):
        return OP_N, (max(columns, 1) if rows == 1 else down)
    if (down == 1 or rows == 1) and (columns == 1 or along >= rows):
        return OP_T, (max(rows, 1) if columns == 1 else along)
    return None


class Description:
    """A problem in the library's terms, as plain numbers. `fits`: whether it can be said in them."""

    def __init__(self, p: Any) -> None:
        self.problem = p
        self.double = p.dtype == "float64"
        self.compute = COMPUTE_32F
        if self.double:
            self.compute = COMPUTE_64F
        elif p.tf32 and p.dtype == "float32":
            self.compute = COMPUTE_32F_FAST_TF32
        self.scale = DTYPES["float64" if self.double else "float32"]
        self.bias = p.epilogue.startswith("bias")
        a = orientation(p.m, p.k, p.a_strides[1:])
        b = orientation(p.k, p.n, p.b_strides[1:])
        out = orientation(p.m, p.n, p.out_strides[1:])
        self.fits = (
            p.out in RESULTS.get(p.dtype, ()) and p.epilogue in EPILOGUES and min(p.m, p.n, p.k, p.batch) > 0
            and max(p.m, p.n, p.k, p.batch) < 1 << 31 and a is not None and b is not None
            and out is not None and out[0] == OP_N and (p.batch == 1 or p.out_strides[0] > 0)
            and min(p.a_strides[0], p.b_strides[0]) >= 0
        )  # fmt: skip
        if not self.fits:
            return
        assert a is not None and b is not None and out is not None
        self.operations = (b[0], a[0])
        self.layouts = (
            _layout(p.dtype, p.k, p.n, b, p.b_strides[0]),
            _layout(p.dtype, p.m, p.k, a, p.a_strides[0]),
            _layout(p.out, p.m, p.n, out, p.out_strides[0]),
        )


def _layout(
    dtype: str, rows: int, columns: int, how: tuple[int, int], step: int
) -> tuple[int, int, int, int, int]:
    """(type, the library's rows and columns, leading dimension, batch stride)."""
    operation, leading = how
    seen = (columns, rows) if operation == OP_N else (rows, columns)
    return (DTYPES[dtype], *seen, leading, step)


class Matmul:
    """A product, ready to run."""

    def __init__(
        self, library: Library, handle: int, device: Any, wanted: Description, limit: int
    ) -> None:
        self.library, self.handle, self.device = library, handle, device
        self._made: list[tuple[Any, int]] = []
        p = wanted.problem
        self.description = self._make("MatmulDesc", wanted.compute, wanted.scale)
        for attribute, value in zip((DESC_TRANSA, DESC_TRANSB), wanted.operations):
            self._describe(attribute, c_int32(value))
        self._describe(DESC_EPILOGUE, c_uint32(EPILOGUES[p.epilogue]))
        self._bias = c_void_p(0)
        self._has_bias = wanted.bias
        if wanted.bias:  # what the library chooses by is how the address is aligned
            self._set_bias(p.alignment[2])
        self.layouts = [self._layout(x, p.batch) for x in wanted.layouts]
        found = self._choose(p, limit)
        self._algorithm = found.algo
        self.workspace = int(found.workspace)
        self.algorithm = f"cublaslt, {found.waves:.2f} waves"
        scalar: Any = ctypes.c_double if wanted.double else c_float
        self._alpha, self._beta = scalar(1), scalar(1 if p.accumulate else 0)
        self._lock = threading.Lock()
        a, b, c = self.layouts
        self._call = library.cublasLtMatmul
        self._fixed = (ctypes.addressof(self._alpha), a, b, ctypes.addressof(self._beta), c,
                       ctypes.addressof(self._algorithm))  # fmt: skip

    def _make(self, kind: str, *arguments: Any) -> int:
        made = c_void_p()
        _check(getattr(self.library, f"cublasLt{kind}Create")(byref(made), *arguments), f"making a {kind}")
        self._made.append((getattr(self.library, f"cublasLt{kind}Destroy"), made.value or 0))
        return made.value or 0

    def _describe(self, attribute: int, value: Any) -> None:
        set_attribute = self.library.cublasLtMatmulDescSetAttribute
        code = set_attribute(self.description, attribute, byref(value), ctypes.sizeof(value))
        _check(code, "cublasLtMatmulDescSetAttribute")

    def _set_bias(self, address: int) -> None:
        self._bias.value = address
        self._describe(DESC_BIAS_POINTER, self._bias)

    def _layout(self, x: tuple[int, int, int, int, int], batch: int) -> int:
        dtype, rows, columns, leading, step = x
        made = self._make("MatrixLayout", dtype, rows, columns, leading)
        if batch > 1:
            for attribute, value in (
                (LAYOUT_BATCH_COUNT, c_int32(batch)),
                (LAYOUT_BATCH_OFFSET, c_int64(step)),
            ):
                code = self.library.cublasLtMatrixLayoutSetAttribute(
                    made, attribute, byref(value), ctypes.sizeof(value)
                )
                _check(code, "cublasLtMatrixLayoutSetAttribute")
        return made

    def _choose(self, p: Any, limit: int) -> _Result:
        """The library's first choice. LibraryError if it has none."""
        preference = self._make("MatmulPreference")
        align_a, align_b, _, align_out = p.alignment
        reduced = REDUCTIONS[p.sums]
        wishes: list[tuple[int, Any]] = [
            (PREF_WORKSPACE, c_uint64(limit)), (PREF_REDUCTION_MASK, c_uint32(reduced)),
            (PREF_ALIGNMENT_A, c_uint32(align_b)), (PREF_ALIGNMENT_B, c_uint32(align_a)),
            (PREF_ALIGNMENT_C, c_uint32(align_out)), (PREF_ALIGNMENT_D, c_uint32(align_out)),
        ]  # fmt: skip
        for attribute, value in wishes:
            code = self.library.cublasLtMatmulPreferenceSetAttribute(
                preference, attribute, byref(value), ctypes.sizeof(value)
            )
            _check(code, "cublasLtMatmulPreferenceSetAttribute")
        results, count = (_Result * ASKED)(), c_int()
        a, b, c = self.layouts
        code = self.library.cublasLtMatmulAlgoGetHeuristic(
            self.handle, self.description, a, b, c, c, preference, ASKED, results, byref(count)
        )
        _check(code, "cublasLtMatmulAlgoGetHeuristic")
        for found in results[: count.value]:
            if found.state == 0 and found.workspace <= limit:
                return found
        raise LibraryError("cuBLASLt has no way to compute the product")

    def run(self, addresses: Sequence[int], stream: Any) -> None:
        """Submit it: the addresses of a, b, the bias if there is one, out, the workspace if any."""
        self.device.activate()
        workspace = addresses[-1] if self.workspace else None
        if not self._has_bias:
            self._submit(addresses[0], addresses[1], addresses[2], workspace, stream)
            return
        with self._lock:  # the bias is part of the description
            if self._bias.value != addresses[2]:
                self._set_bias(addresses[2])
            self._submit(addresses[0], addresses[1], addresses[3], workspace, stream)

    def _submit(self, a: int, b: int, out: int, workspace: int | None, stream: Any) -> None:
        alpha, layout_a, layout_b, beta, layout_c, algorithm = self._fixed
        code = self._call(
            self.handle, self.description, alpha, b, layout_a, a, layout_b, beta, out, layout_c, out,
            layout_c, algorithm, workspace, self.workspace, stream.handle,
        )  # fmt: skip
        if code:
            _check(code, "cublasLtMatmul")

    def __del__(self) -> None:
        for destroy, made in reversed(getattr(self, "_made", [])):
            destroy(made)


def _check(code: int, doing: str) -> None:
    if code:
        name = f"CUBLAS_STATUS_{_STATUS.get(code, code)}"
        raise LibraryError(f"CUDA error: {name} when calling `{doing}`")
