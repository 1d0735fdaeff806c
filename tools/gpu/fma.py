"""Fused multiply-add as functions of arrays, which NumPy lacks: native code made into a ufunc."""

from __future__ import annotations

import ctypes
from typing import Any

from flambeau.runtime import native

_IR = """
declare {T} @llvm.fma.{name}({T}, {T}, {T})
declare <8 x {T}> @llvm.fma.v8{name}(<8 x {T}>, <8 x {T}>, <8 x {T}>)
define void @fma_{name}(ptr %args, ptr %dims, ptr %steps, ptr %data) {{
entry:
  %n = load i64, ptr %dims
  {load}
  %e0 = icmp eq i64 %s0, {size}
  %e1 = icmp eq i64 %s1, {size}
  %e2 = icmp eq i64 %s2, {size}
  %e3 = icmp eq i64 %s3, {size}
  %f0 = and i1 %e0, %e1
  %f1 = and i1 %e2, %e3
  %dense = and i1 %f0, %f1
  %m0 = and i64 %n, -8
  %m = select i1 %dense, i64 %m0, i64 0
  br label %wide
wide:
  %i = phi i64 [ 0, %entry ], [ %i1, %wide_body ]
  %more = icmp slt i64 %i, %m
  br i1 %more, label %wide_body, label %narrow
wide_body:
  %q0 = getelementptr {T}, ptr %p0, i64 %i
  %q1 = getelementptr {T}, ptr %p1, i64 %i
  %q2 = getelementptr {T}, ptr %p2, i64 %i
  %q3 = getelementptr {T}, ptr %p3, i64 %i
  %v0 = load <8 x {T}>, ptr %q0, align {size}
  %v1 = load <8 x {T}>, ptr %q1, align {size}
  %v2 = load <8 x {T}>, ptr %q2, align {size}
  %v3 = call <8 x {T}> @llvm.fma.v8{name}(<8 x {T}> %v0, <8 x {T}> %v1, <8 x {T}> %v2)
  store <8 x {T}> %v3, ptr %q3, align {size}
  %i1 = add i64 %i, 8
  br label %wide
narrow:
  %j = phi i64 [ %m, %wide ], [ %j1, %narrow_body ]
  %rest = icmp slt i64 %j, %n
  br i1 %rest, label %narrow_body, label %end
narrow_body:
  %o0 = mul i64 %j, %s0
  %o1 = mul i64 %j, %s1
  %o2 = mul i64 %j, %s2
  %o3 = mul i64 %j, %s3
  %r0 = getelementptr i8, ptr %p0, i64 %o0
  %r1 = getelementptr i8, ptr %p1, i64 %o1
  %r2 = getelementptr i8, ptr %p2, i64 %o2
  %r3 = getelementptr i8, ptr %p3, i64 %o3
  %x0 = load {T}, ptr %r0, align {size}
  %x1 = load {T}, ptr %r1, align {size}
  %x2 = load {T}, ptr %r2, align {size}
  %x3 = call {T} @llvm.fma.{name}({T} %x0, {T} %x1, {T} %x2)
  store {T} %x3, ptr %r3, align {size}
  %j1 = add i64 %j, 1
  br label %narrow
end:
  ret void
}}
"""


def _code() -> str:
    parts = []
    for name, kind, size in (("f32", "float", 4), ("f64", "double", 8)):
        load = "\n  ".join(
            f"%a{k} = getelementptr ptr, ptr %args, i64 {k}\n  %p{k} = load ptr, ptr %a{k}\n"
            f"  %t{k} = getelementptr i64, ptr %steps, i64 {k}\n  %s{k} = load i64, ptr %t{k}"
            for k in range(4)
        )
        parts.append(_IR.format(name=name, T=kind, size=size, load=load))
    return "".join(parts)


def _make() -> Any:
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    library = native.load([native.compile_module(_code())], ["fma_f32", "fma_f64"])
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(
        pointer(_multiarray_umath._UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p)
    )
    make = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
        *(ctypes.c_int,) * 4,
        *(ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int),
    )(table[1])  # PyUFunc_FromFuncAndData
    functions = (ctypes.c_void_p * 2)(library.addresses["fma_f32"], library.addresses["fma_f64"])
    data = (ctypes.c_void_p * 2)(None, None)
    types = ctypes.create_string_buffer(bytes([11] * 4 + [12] * 4), 8)  # NPY_FLOAT, NPY_DOUBLE
    doc = b"a * b + c, rounded once"
    made = make(functions, data, ctypes.cast(types, ctypes.c_char_p), 2, 3, 1, -1, b"fma", doc, 0)
    _kept.append((library, functions, data, types, doc))
    return made


_kept: list[Any] = []

fma: Any = _make()
"""(a, b, c) → a * b + c rounded once, of float32 or float64 arrays."""
