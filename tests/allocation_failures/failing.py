"""Allocations that fail: the n-th from now on, whoever makes it.

NumPy lets one set what allocates its arrays' data (NEP 49). `counting` sets native code that counts
the calls and gives none for those that are to fail; flambeau's own pages come from `blocks._fresh`,
which counts along. NumPy's choice belongs to a context (`contextvars`): other threads need theirs.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from flambeau.runtime import blocks

SEEN, FIRST, LAST = range(3)
"""What the words of `_words` are: allocations so far, the first that fails, the last."""

_SET_HANDLER = 304
"""The number of PyDataMem_SetHandler in NumPy's table of functions."""

_TEXT = """
@words = global [3 x i64] zeroinitializer
declare ptr @malloc(i64)
declare ptr @calloc(i64, i64)
declare ptr @realloc(ptr, i64)
declare void @free(ptr)

define internal i1 @fails() {
  %old = atomicrmw add ptr @words, i64 1 monotonic
  %seen = add i64 %old, 1
  %a = getelementptr i64, ptr @words, i64 1
  %b = getelementptr i64, ptr @words, i64 2
  %first = load i64, ptr %a
  %last = load i64, ptr %b
  %late = icmp sge i64 %seen, %first
  %early = icmp sle i64 %seen, %last
  %both = and i1 %late, %early
  ret i1 %both
}
define ptr @take(ptr %context, i64 %size) {
  %no = call i1 @fails()
  br i1 %no, label %none, label %some
some:
  %got = call ptr @malloc(i64 %size)
  ret ptr %got
none:
  ret ptr null
}
define ptr @take_zeros(ptr %context, i64 %count, i64 %size) {
  %no = call i1 @fails()
  br i1 %no, label %none, label %some
some:
  %got = call ptr @calloc(i64 %count, i64 %size)
  ret ptr %got
none:
  ret ptr null
}
define ptr @take_more(ptr %context, ptr %old, i64 %size) {
  %no = call i1 @fails()
  br i1 %no, label %none, label %some
some:
  %got = call ptr @realloc(ptr %old, i64 %size)
  ret ptr %got
none:
  ret ptr null
}
define void @give(ptr %context, ptr %memory, i64 %size) {
  call void @free(ptr %memory)
  ret void
}
"""


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = [
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p), ("calloc", ctypes.c_void_p), ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    ]  # fmt: skip


class _Hook:
    """The native code and the handler, which live for the process: arrays keep their handler."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_TEXT), machine)
        self.engine.finalize_object()
        words = self.engine.get_global_value_address("words")
        self.words = (ctypes.c_int64 * 3).from_address(words)
        names = ("take", "take_zeros", "take_more", "give")
        functions = map(self.engine.get_function_address, names)
        self.handler = _Handler(b"failing", 1, None, *functions)
        api = ctypes.pythonapi
        api.PyCapsule_New.restype = ctypes.py_object
        api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        api.PyCapsule_GetPointer.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        self.name = ctypes.create_string_buffer(b"mem_handler")
        self.capsule = api.PyCapsule_New(ctypes.addressof(self.handler), self.name, None)
        umath: Any = np._core._multiarray_umath  # type: ignore[attr-defined]
        table = (ctypes.c_void_p * (_SET_HANDLER + 1)).from_address(
            api.PyCapsule_GetPointer(umath._ARRAY_API, None)
        )
        kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)
        self.set_handler = kind(table[_SET_HANDLER])


_hook: _Hook | None = None


def hook() -> _Hook:
    """The one hook."""
    global _hook
    if _hook is None:
        _hook = _Hook()
    return _hook


@contextmanager
def counting(first: int = 0, times: int = 1) -> Iterator[Any]:
    """Count allocations of this thread's arrays and of blocks; from number `first` (1 for the next;
    0: none) so many fail, one after the other. Gives a function that says how many were asked for."""
    h = hook()
    fresh = blocks._fresh

    def failing(nbytes: int) -> Any:
        h.words[SEEN] += 1
        if h.words[FIRST] <= h.words[SEEN] <= h.words[LAST]:
            raise OSError(errno.ENOMEM, "no memory, on purpose")
        return fresh(nbytes)

    h.words[:] = (0, first, first + times - 1) if first else (0, -1, -1)
    before = h.set_handler(h.capsule)
    blocks._fresh = failing
    try:
        yield lambda: int(h.words[SEEN])
    finally:
        h.words[FIRST] = h.words[LAST] = -1
        blocks._fresh = fresh
        h.set_handler(before)


def failed() -> bool:
    """Whether the last `counting` came to its first failure."""
    return hook().words[SEEN] >= hook().words[FIRST] > 0


@contextmanager
def nothing_free() -> Iterator[None]:
    """No block is free at the beginning, so that each that is taken asks for memory anew."""
    blocks.release()
    kept = {b.size: b.free[:] for b in blocks._bins.values() if b.size <= blocks.SMALL}
    for b in blocks._bins.values():
        if b.size in kept:
            b.free.clear()
    try:
        yield
    finally:
        for size, addresses in kept.items():
            blocks._bins[size].free.extend(addresses)
