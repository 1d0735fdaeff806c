"""The driver's stream: programs are put into a ring, and one thread runs them in order."""

from __future__ import annotations

TEXT = """
; The thread that runs what is submitted; it is thread 0 of the records. A null program ends it.
define internal void @executor(ptr %pool) {
entry:
  %head.p = getelementptr i8, ptr %pool, i64 $HEAD
  %tail.p = getelementptr i8, ptr %pool, i64 $TAIL
  %waiters.p = getelementptr i8, ptr %pool, i64 $WAITERS
  %sleeps.p = getelementptr i8, ptr %pool, i64 $EXECUTOR_SLEEPS
  %spin.p = getelementptr i8, ptr %pool, i64 $EXECUTOR_SPIN
  %polite.p = getelementptr i8, ptr %pool, i64 $POLITE
  %ring = getelementptr i8, ptr %pool, i64 $RING
  br label %look
look:
  %tail = load atomic i64, ptr %tail.p monotonic, align 8
  %head = load atomic i64, ptr %head.p acquire, align 8
  %empty = icmp eq i64 %head, %tail
  br i1 %empty, label %idle, label %go

go:
  %at = and i64 %tail, $RING_MASK
  %entry.p = getelementptr {ptr, ptr}, ptr %ring, i64 %at
  %table.p = getelementptr ptr, ptr %entry.p, i64 1
  %program = load ptr, ptr %entry.p
  %table = load ptr, ptr %table.p
  %end = icmp eq ptr %program, null
  br i1 %end, label %finish, label %do
do:
  call void @run(ptr %pool, ptr %program, ptr %table)
  br label %finish
finish:
  %tail1 = add i64 %tail, 1
  store atomic i64 %tail1, ptr %tail.p seq_cst, align 8
  %waiters = load atomic i32, ptr %waiters.p seq_cst, align 4
  %any = icmp ne i32 %waiters, 0
  br i1 %any, label %wake, label %on
wake:
  %w = atomicrmw xchg ptr %waiters.p, i32 0 seq_cst, align 4
  call void @rouse(ptr %tail.p, i32 2147483647)
  br label %on
on:
  br i1 %end, label %out, label %look

idle:
  %low = trunc i64 %tail to i32
  %ticks = load i64, ptr %spin.p
  %polite = load i64, ptr %polite.p
  %moved = call i1 @await(ptr %head.p, i32 %low, i64 %ticks, i64 %polite)
  br i1 %moved, label %look, label %sleep
sleep:
  store atomic i32 1, ptr %sleeps.p seq_cst, align 4
  %head2 = load atomic i64, ptr %head.p seq_cst, align 8
  %same = icmp eq i64 %head2, %tail
  br i1 %same, label %nap, label %look
nap:
  call void @nap(ptr %head.p, i32 %low)
  br label %look
out:
  ret void
}

; Put a program into the ring: its ticket, or 0 if the ring is full.
define internal i64 @submit(ptr %pool, ptr %program, ptr %table) {
entry:
  %head.p = getelementptr i8, ptr %pool, i64 $HEAD
  %tail.p = getelementptr i8, ptr %pool, i64 $TAIL
  %sleeps.p = getelementptr i8, ptr %pool, i64 $EXECUTOR_SLEEPS
  %ring = getelementptr i8, ptr %pool, i64 $RING
  %head = load atomic i64, ptr %head.p monotonic, align 8
  %tail = load atomic i64, ptr %tail.p acquire, align 8
  %waiting = sub i64 %head, %tail
  %full = icmp uge i64 %waiting, $RING_SIZE
  br i1 %full, label %refuse, label %put
put:
  %at = and i64 %head, $RING_MASK
  %entry.p = getelementptr {ptr, ptr}, ptr %ring, i64 %at
  %table.p = getelementptr ptr, ptr %entry.p, i64 1
  store ptr %program, ptr %entry.p
  store ptr %table, ptr %table.p
  %head1 = add i64 %head, 1
  store atomic i64 %head1, ptr %head.p seq_cst, align 8
  %sleeps = load atomic i32, ptr %sleeps.p seq_cst, align 4
  %asleep = icmp ne i32 %sleeps, 0
  br i1 %asleep, label %wake, label %out
wake:
  store atomic i32 0, ptr %sleeps.p seq_cst, align 4
  call void @rouse(ptr %head.p, i32 1)
  br label %out
out:
  ret i64 %head1
refuse:
  ret i64 0
}

; Wait until a ticket's program has run: 1; or 0, when something else than that ended the sleep (a
; signal, another program's end): the caller looks after signals and calls again.
define internal i64 @wait(ptr %pool, i64 %ticket) {
entry:
  %tail.p = getelementptr i8, ptr %pool, i64 $TAIL
  %waiters.p = getelementptr i8, ptr %pool, i64 $WAITERS
  %spin.p = getelementptr i8, ptr %pool, i64 $WAIT_SPIN
  %polite.p = getelementptr i8, ptr %pool, i64 $POLITE
  br label %look
look:
  %tail = load atomic i64, ptr %tail.p acquire, align 8
  %done = icmp sge i64 %tail, %ticket
  br i1 %done, label %yes, label %spin
spin:
  %low = trunc i64 %tail to i32
  %ticks = load i64, ptr %spin.p
  %polite = load i64, ptr %polite.p
  %moved = call i1 @await(ptr %tail.p, i32 %low, i64 %ticks, i64 %polite)
  br i1 %moved, label %look, label %sleep
sleep:
  store atomic i32 1, ptr %waiters.p seq_cst, align 4
  %tail2 = load atomic i64, ptr %tail.p seq_cst, align 8
  %done2 = icmp sge i64 %tail2, %ticket
  br i1 %done2, label %yes, label %nap
nap:
  %low2 = trunc i64 %tail2 to i32
  call void @nap(ptr %tail.p, i32 %low2)
  %tail3 = load atomic i64, ptr %tail.p acquire, align 8
  %done3 = icmp sge i64 %tail3, %ticket
  %result = zext i1 %done3 to i64
  ret i64 %result
yes:
  ret i64 1
}
"""
