"""Kernels that the runtime's tests run, as IR."""

from __future__ import annotations

from typing import Any, NamedTuple

COUNT = """define void @%s(ptr %%table, ptr %%args, i64 %%begin, i64 %%end, i64 %%thread) {
entry:
  %%slot = load i64, ptr %%args
  %%at = getelementptr ptr, ptr %%table, i64 %%slot
  %%counts = load ptr, ptr %%at
  br label %%next
next:
  %%i = phi i64 [ %%begin, %%entry ], [ %%j, %%next ]
  %%p = getelementptr i32, ptr %%counts, i64 %%i
  %%old = atomicrmw add ptr %%p, i32 1 monotonic
  %%j = add i64 %%i, 1
  %%more = icmp ult i64 %%j, %%end
  br i1 %%more, label %%next, label %%out
out:
  ret void
}"""
"""Adds 1 to counts[task]; args: the slot of counts."""

CHAIN = """define void @%s(ptr %%table, ptr %%args, i64 %%begin, i64 %%end, i64 %%thread) {
entry:
  %%slot = load i64, ptr %%args
  %%at = getelementptr ptr, ptr %%table, i64 %%slot
  %%x = load ptr, ptr %%at
  br label %%next
next:
  %%i = phi i64 [ %%begin, %%entry ], [ %%j, %%next ]
  %%p = getelementptr i64, ptr %%x, i64 %%i
  %%old = load i64, ptr %%p
  %%three = mul i64 %%old, 3
  %%new = add i64 %%three, %%i
  store i64 %%new, ptr %%p
  %%j = add i64 %%i, 1
  %%more = icmp ult i64 %%j, %%end
  br i1 %%more, label %%next, label %%out
out:
  ret void
}"""
"""x[task] = 3 * x[task] + task; args: the slot of x. Not commutative with COUNT's kind of thing."""

WHO = """define void @%s(ptr %%table, ptr %%args, i64 %%begin, i64 %%end, i64 %%thread) {
entry:
  %%slot = load i64, ptr %%args
  %%at = getelementptr ptr, ptr %%table, i64 %%slot
  %%x = load ptr, ptr %%at
  %%turns.p = getelementptr i64, ptr %%args, i64 1
  %%turns = load i64, ptr %%turns.p
  br label %%wait
wait:
  %%k = phi i64 [ 0, %%entry ], [ %%k1, %%wait ]
  %%k1 = add i64 %%k, 1
  call void asm sideeffect "", ""()
  %%again = icmp ult i64 %%k1, %%turns
  br i1 %%again, label %%wait, label %%work
work:
  br label %%next
next:
  %%i = phi i64 [ %%begin, %%work ], [ %%j, %%next ]
  %%p = getelementptr i64, ptr %%x, i64 %%i
  store i64 %%thread, ptr %%p
  %%j = add i64 %%i, 1
  %%more = icmp ult i64 %%j, %%end
  br i1 %%more, label %%next, label %%out
out:
  ret void
}"""
"""x[task] = the thread's number, after so many empty turns a piece; args: the slot of x, turns."""


class Source(NamedTuple):
    """A kernel, as the kernel cache wants it."""

    name: str
    key: Any
    text: str

    def emit(self, target: Any, symbol: str) -> str:
        return self.text % symbol


def source(name: str, text: str, version: int = 0) -> Source:
    return Source(name, ("test", name, version), text)
