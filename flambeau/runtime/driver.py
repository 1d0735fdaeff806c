"""The driver: the native code that runs programs and in which the pool's threads live.

It is LLVM IR as text. One block of memory, the pool, holds all that is shared; `driver_layout` says where.
A program is an array of i64 words:

    records, 1 if any is parallel, threads at most, address for time stamps or 0,
    then for each record:
    kernels, tasks, grain, tasks at most at a time (0: any), 1 if parallel,
    then for each of its kernels: address, address of its arguments

All kernels of a record share one range of tasks: whoever takes a piece of it runs all of them on it,
one after another. A record that is not parallel runs on the calling thread, which is thread 0.

**How a parallel record is shared.** Its tasks are counted in units of `grain`, and each thread has a
part of them of its own, so that the same data meets the same cache from record to record. A part
is one word, (generation, units left), from whose front pieces are taken by compare-and-swap, a
quarter of what is left at a time: by its owner, and by whoever has emptied his own. The record is
finished when as many units are done as there were. So nobody waits for a thread that has taken
nothing, be it asleep or off its core, and a thread that loses its core holds up one piece.

A thread that is late by a whole record can't do harm: a compare-and-swap succeeds only in the
generation in which the record was read, and while a unit is left in it, its record stands.
"""

from __future__ import annotations

from string import Template

from . import driver_records, driver_stream
from .driver_layout import LAYOUT

_X86 = """
declare void @llvm.x86.sse2.pause()
declare i64 @llvm.readcyclecounter()
define internal i64 @clock() alwaysinline {
  %t = call i64 @llvm.readcyclecounter()
  ret i64 %t
}
define internal void @pause() alwaysinline {
  call void @llvm.x86.sse2.pause()
  ret void
}
"""

_ARM = """
declare i64 @llvm.read_volatile_register.i64(metadata)
!0 = !{!"cntvct_el0"}
declare void @llvm.aarch64.isb(i32)
define internal i64 @clock() alwaysinline {
  %t = call i64 @llvm.read_volatile_register.i64(metadata !0)
  ret i64 %t
}
define internal void @pause() alwaysinline {
  call void @llvm.aarch64.isb(i32 15)
  ret void
}
"""

_ELSEWHERE = """
declare i32 @clock_gettime(i32, ptr)
define internal i64 @clock() {
  %at = alloca [2 x i64]
  %r = call i32 @clock_gettime(i32 1, ptr %at)
  %s = load i64, ptr %at
  %q = getelementptr i64, ptr %at, i64 1
  %n = load i64, ptr %q
  %k = mul i64 %s, 1000000000
  %t = add i64 %k, %n
  ret i64 %t
}
define internal void @pause() alwaysinline {
  ret void
}
"""

_FUTEX = """
declare i64 @syscall(i64, ...)
; Sleep while the word has the value, at most until roused.
define internal void @nap(ptr %word, i32 %value) noinline {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %value, ptr null)
  ret void
}
define internal void @rouse(ptr %word, i32 %count) noinline {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 %count)
  ret void
}
"""

_SLEEP = """
declare i32 @usleep(i32)
define internal void @nap(ptr %word, i32 %value) noinline {
  %r = call i32 @usleep(i32 100)
  ret void
}
define internal void @rouse(ptr %word, i32 %count) {
  ret void
}
"""

_WAITING = """
declare i32 @sched_yield()
; Spin until the word is not `old` any more (true), or `ticks` have passed (false). After a while
; with sched_yield, which gives the core to whoever else wants it.
define internal i1 @await(ptr %word, i32 %old, i64 %ticks, i64 %polite) noinline {
entry:
  %start = call i64 @clock()
  br label %spin
spin:
  %value = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %value, %old
  br i1 %same, label %check, label %changed
check:
  %now = call i64 @clock()
  %spent = sub i64 %now, %start
  %over = icmp ugt i64 %spent, %ticks
  br i1 %over, label %expired, label %rest
rest:
  %yield = icmp ugt i64 %spent, %polite
  br i1 %yield, label %give, label %hold
give:
  %r = call i32 @sched_yield()
  br label %spin
hold:
  call void @pause()
  br label %spin
changed:
  ret i1 true
expired:
  ret i1 false
}
"""

ENTRIES = ("run", "worker", "nudge", "ticks", "executor", "submit", "wait")
"""The functions, in the order of their addresses in the table that the symbol names."""


def text(symbol: str, architecture: str, futex: int | None) -> str:
    """The driver's IR. `symbol` becomes a table of the addresses of `ENTRIES`; `futex` is the
    number of Linux's system call, None where there is none."""
    machine = {"x86_64": _X86, "aarch64": _ARM}.get(architecture, _ELSEWHERE)
    sleep = _SLEEP if futex is None else _FUTEX
    parts = (machine, sleep, _WAITING, driver_records.TEXT, driver_stream.TEXT)
    entries = ", ".join(f"ptr @{name}" for name in ENTRIES)
    table = f"\n@{symbol} = constant [{len(ENTRIES)} x ptr] [{entries}]\n"
    return Template("".join(parts)).substitute(LAYOUT, FUTEX=futex or 0) + table
