"""The driver's records: how a program is run, and how its parallel records are shared (see
`driver.py`)."""

from __future__ import annotations

KERNELS = """
; Run all kernels of a record on the tasks [begin, end).
define internal void @kernels(ptr %record, ptr %table, i64 %begin, i64 %end, i64 %id) alwaysinline {
entry:
  %count = load i64, ptr %record
  %first = getelementptr i64, ptr %record, i64 5
  %last = getelementptr {ptr, ptr}, ptr %first, i64 %count
  br label %next
next:
  %at = phi ptr [ %first, %entry ], [ %after, %next ]
  %kernel = load ptr, ptr %at
  %argsat = getelementptr ptr, ptr %at, i64 1
  %args = load ptr, ptr %argsat
  call void %kernel(ptr %table, ptr %args, i64 %begin, i64 %end, i64 %id)
  %after = getelementptr {ptr, ptr}, ptr %at, i64 1
  %more = icmp ult ptr %after, %last
  br i1 %more, label %next, label %out
out:
  ret void
}
"""

TAKE = """
; The first unit of a thread's part; its end is the first of the next.
define internal i64 @part(i64 %units, i64 %thread, i64 %threads) alwaysinline {
  %x = mul i64 %units, %thread
  %first = udiv i64 %x, %threads
  ret i64 %first
}

; Take pieces of the record of a generation, from one's own part first, until none is left.
define internal void @take(ptr %pool, i32 %generation, i64 %id) noinline {
entry:
  %record.p = getelementptr i8, ptr %pool, i64 $RECORD
  %table.p = getelementptr i8, ptr %pool, i64 $TABLE
  %units.p = getelementptr i8, ptr %pool, i64 $UNITS
  %threads.p = getelementptr i8, ptr %pool, i64 $JOB_THREADS
  %done.p = getelementptr i8, ptr %pool, i64 $DONE
  %waiting.p = getelementptr i8, ptr %pool, i64 $WAITING
  %parts = getelementptr i8, ptr %pool, i64 $PARTS
  %record = load atomic ptr, ptr %record.p monotonic, align 8
  %table = load atomic ptr, ptr %table.p monotonic, align 8
  %units = load atomic i64, ptr %units.p monotonic, align 8
  %threads = load atomic i64, ptr %threads.p monotonic, align 8
  %asked = icmp ult i64 %id, %threads
  br i1 %asked, label %victim, label %out

victim:
  %step = phi i64 [ 0, %entry ], [ %step1, %emptied ]
  %whose0 = add i64 %id, %step
  %wraps = icmp uge i64 %whose0, %threads
  %whose1 = sub i64 %whose0, %threads
  %whose = select i1 %wraps, i64 %whose1, i64 %whose0
  %word.o = mul i64 %whose, 64
  %word.p = getelementptr i8, ptr %parts, i64 %word.o
  br label %look

look:
  %word = load atomic i64, ptr %word.p acquire, align 8
  br label %try

try:
  %seen = phi i64 [ %word, %look ], [ %was, %missed ]
  %high = lshr i64 %seen, 32
  %of = trunc i64 %high to i32
  %current = icmp eq i32 %of, %generation
  br i1 %current, label %count, label %out
count:
  %left = and i64 %seen, 4294967295
  %empty = icmp eq i64 %left, 0
  br i1 %empty, label %emptied, label %claim
claim:
  %grain.p = getelementptr i8, ptr %pool, i64 $GRAIN
  %total.p = getelementptr i8, ptr %pool, i64 $TOTAL
  %most.p = getelementptr i8, ptr %pool, i64 $MOST
  %grain = load atomic i64, ptr %grain.p monotonic, align 8
  %total = load atomic i64, ptr %total.p monotonic, align 8
  %most = load atomic i64, ptr %most.p monotonic, align 8
  %left3 = add i64 %left, 3
  %quarter = lshr i64 %left3, 2
  %large = icmp ugt i64 %quarter, %most
  %piece = select i1 %large, i64 %most, i64 %quarter
  %new = sub i64 %seen, %piece
  %swap = cmpxchg ptr %word.p, i64 %seen, i64 %new acq_rel acquire, align 8
  %was = extractvalue {i64, i1} %swap, 0
  %mine = extractvalue {i64, i1} %swap, 1
  br i1 %mine, label %work, label %missed
missed:
  br label %try

work:
  %whose2 = add i64 %whose, 1
  %part.end = call i64 @part(i64 %units, i64 %whose2, i64 %threads)
  %first = sub i64 %part.end, %left
  %last = add i64 %first, %piece
  %begin = mul i64 %first, %grain
  %end0 = mul i64 %last, %grain
  %beyond = icmp ugt i64 %end0, %total
  %end = select i1 %beyond, i64 %total, i64 %end0
  call void @kernels(ptr %record, ptr %table, i64 %begin, i64 %end, i64 %id)
  %piece32 = trunc i64 %piece to i32
  %units32 = trunc i64 %units to i32
  %done0 = atomicrmw add ptr %done.p, i32 %piece32 seq_cst, align 4
  %done = add i32 %done0, %piece32
  %all = icmp eq i32 %done, %units32
  br i1 %all, label %finished, label %look

finished:
  %waiting = load atomic i32, ptr %waiting.p seq_cst, align 4
  %asleep = icmp ne i32 %waiting, 0
  br i1 %asleep, label %wake, label %out
wake:
  call void @rouse(ptr %done.p, i32 1)
  br label %out

emptied:
  %step1 = add i64 %step, 1
  %others = icmp ult i64 %step1, %threads
  br i1 %others, label %victim, label %out
out:
  ret void
}
"""

SHARE = """
; Wake the threads that sleep, if any. A few; they wake the others.
define internal void @muster(ptr %pool) alwaysinline {
entry:
  %sleepers.p = getelementptr i8, ptr %pool, i64 $SLEEPERS
  %n = load atomic i32, ptr %sleepers.p seq_cst, align 4
  %any = icmp ne i32 %n, 0
  br i1 %any, label %wake, label %out
wake:
  %m = atomicrmw xchg ptr %sleepers.p, i32 0 seq_cst, align 4
  call void @rouse(ptr %pool, i32 2)
  br label %out
out:
  ret void
}

; Do a record with other threads: offer it, take part in it, wait for what others have taken.
define internal void @share(ptr %pool, ptr %record, ptr %table, i64 %total, i64 %grain, i64 %units,
                            i64 %most, i64 %threads) noinline {
entry:
  %record.p = getelementptr i8, ptr %pool, i64 $RECORD
  %table.p = getelementptr i8, ptr %pool, i64 $TABLE
  %total.p = getelementptr i8, ptr %pool, i64 $TOTAL
  %grain.p = getelementptr i8, ptr %pool, i64 $GRAIN
  %units.p = getelementptr i8, ptr %pool, i64 $UNITS
  %most.p = getelementptr i8, ptr %pool, i64 $MOST
  %threads.p = getelementptr i8, ptr %pool, i64 $JOB_THREADS
  %done.p = getelementptr i8, ptr %pool, i64 $DONE
  %waiting.p = getelementptr i8, ptr %pool, i64 $WAITING
  %parts = getelementptr i8, ptr %pool, i64 $PARTS
  %spin.p = getelementptr i8, ptr %pool, i64 $JOIN_SPIN
  %bounded = icmp ne i64 %most, 0
  %units.most0 = udiv i64 %most, %grain
  %units.most1 = call i64 @llvm.umax.i64(i64 %units.most0, i64 1)
  %units.most = select i1 %bounded, i64 %units.most1, i64 -1
  store atomic ptr %record, ptr %record.p monotonic, align 8
  store atomic ptr %table, ptr %table.p monotonic, align 8
  store atomic i64 %total, ptr %total.p monotonic, align 8
  store atomic i64 %grain, ptr %grain.p monotonic, align 8
  store atomic i64 %units, ptr %units.p monotonic, align 8
  store atomic i64 %units.most, ptr %most.p monotonic, align 8
  store atomic i64 %threads, ptr %threads.p monotonic, align 8
  store atomic i32 0, ptr %done.p monotonic, align 4
  %last = load atomic i32, ptr %pool monotonic, align 4
  %generation = add i32 %last, 1
  %wide = zext i32 %generation to i64
  %high = shl i64 %wide, 32
  br label %deal
deal:
  %t = phi i64 [ 0, %entry ], [ %t1, %deal ]
  %t1 = add i64 %t, 1
  %from = call i64 @part(i64 %units, i64 %t, i64 %threads)
  %to = call i64 @part(i64 %units, i64 %t1, i64 %threads)
  %left = sub i64 %to, %from
  %word = or i64 %high, %left
  %word.o = mul i64 %t, 64
  %word.p = getelementptr i8, ptr %parts, i64 %word.o
  store atomic i64 %word, ptr %word.p release, align 8
  %more = icmp ult i64 %t1, %threads
  br i1 %more, label %deal, label %offer
offer:
  store atomic i32 %generation, ptr %pool seq_cst, align 4
  call void @muster(ptr %pool)
  call void @take(ptr %pool, i32 %generation, i64 0)
  %units32 = trunc i64 %units to i32
  %polite.p = getelementptr i8, ptr %pool, i64 $POLITE
  br label %join

join:
  %done = load atomic i32, ptr %done.p acquire, align 4
  %all = icmp eq i32 %done, %units32
  br i1 %all, label %out, label %spin
spin:
  %ticks = load i64, ptr %spin.p
  %polite = load i64, ptr %polite.p
  %moved = call i1 @await(ptr %done.p, i32 %done, i64 %ticks, i64 %polite)
  br i1 %moved, label %join, label %sleep
sleep:
  store atomic i32 1, ptr %waiting.p seq_cst, align 4
  %done2 = load atomic i32, ptr %done.p seq_cst, align 4
  %all2 = icmp eq i32 %done2, %units32
  br i1 %all2, label %awake, label %nap
nap:
  call void @nap(ptr %done.p, i32 %done2)
  br label %awake
awake:
  store atomic i32 0, ptr %waiting.p monotonic, align 4
  br label %join
out:
  ret void
}
declare i64 @llvm.umax.i64(i64, i64)
"""

RUN = """
; Do a record on this thread alone.
define internal void @alone(ptr %record, ptr %table, i64 %total, i64 %most) alwaysinline {
entry:
  %whole = icmp eq i64 %most, 0
  %size = select i1 %whole, i64 %total, i64 %most
  br label %next
next:
  %begin = phi i64 [ 0, %entry ], [ %end, %next ]
  %rest = sub i64 %total, %begin
  %short = icmp ult i64 %rest, %size
  %piece = select i1 %short, i64 %rest, i64 %size
  %end = add i64 %begin, %piece
  call void @kernels(ptr %record, ptr %table, i64 %begin, i64 %end, i64 0)
  %more = icmp ult i64 %end, %total
  br i1 %more, label %next, label %out
out:
  ret void
}

; Run a program. One thread at a time may do so.
define internal void @run(ptr %pool, ptr %program, ptr %table) {
entry:
  %records = load i64, ptr %program
  %parallel.p = getelementptr i64, ptr %program, i64 1
  %limit.p = getelementptr i64, ptr %program, i64 2
  %stamps.p = getelementptr i64, ptr %program, i64 3
  %start = getelementptr i64, ptr %program, i64 4
  %limit = load i64, ptr %limit.p
  %stamps = load ptr, ptr %stamps.p
  %stamped = icmp ne ptr %stamps, null
  %have.p = getelementptr i8, ptr %pool, i64 $THREADS
  %have = load atomic i64, ptr %have.p monotonic, align 8
  %threads = call i64 @llvm.umin.i64(i64 %have, i64 %limit)
  %any = load i64, ptr %parallel.p
  %many = icmp ugt i64 %threads, 1
  %some = icmp ne i64 %any, 0
  %call = and i1 %many, %some
  br i1 %call, label %early, label %test
early:
  call void @muster(ptr %pool)
  br label %test
test:
  %has = icmp ne i64 %records, 0
  br i1 %has, label %next, label %out

next:
  %i = phi i64 [ 0, %test ], [ %i1, %following ]
  %record = phi ptr [ %start, %test ], [ %record1, %following ]
  %count = load i64, ptr %record
  %total.p = getelementptr i64, ptr %record, i64 1
  %grain.p = getelementptr i64, ptr %record, i64 2
  %most.p = getelementptr i64, ptr %record, i64 3
  %par.p = getelementptr i64, ptr %record, i64 4
  %total = load i64, ptr %total.p
  %most = load i64, ptr %most.p
  %par = load i64, ptr %par.p
  br i1 %stamped, label %stamp, label %choose
stamp:
  %begun = call i64 @clock()
  %stamp.o = mul i64 %i, 2
  %stamp.p = getelementptr i64, ptr %stamps, i64 %stamp.o
  store i64 %begun, ptr %stamp.p
  br label %choose
choose:
  %ispar = icmp ne i64 %par, 0
  %wanted = and i1 %ispar, %many
  br i1 %wanted, label %divide, label %serial
divide:
  %grain = load i64, ptr %grain.p
  %grain1 = sub i64 %grain, 1
  %up = add i64 %total, %grain1
  %units = udiv i64 %up, %grain
  %width = call i64 @llvm.umin.i64(i64 %threads, i64 %units)
  %worth = icmp ugt i64 %width, 1
  br i1 %worth, label %shared, label %serial
shared:
  call void @share(ptr %pool, ptr %record, ptr %table, i64 %total, i64 %grain, i64 %units,
                   i64 %most, i64 %width)
  br label %ended
serial:
  %nothing = icmp eq i64 %total, 0
  br i1 %nothing, label %ended, label %lonely
lonely:
  call void @alone(ptr %record, ptr %table, i64 %total, i64 %most)
  br label %ended
ended:
  br i1 %stamped, label %stamp2, label %following
stamp2:
  %finished = call i64 @clock()
  %j = mul i64 %i, 2
  %j1 = add i64 %j, 1
  %stamp2.p = getelementptr i64, ptr %stamps, i64 %j1
  store i64 %finished, ptr %stamp2.p
  br label %following
following:
  %first = getelementptr i64, ptr %record, i64 5
  %record1 = getelementptr {ptr, ptr}, ptr %first, i64 %count
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %records
  br i1 %more, label %next, label %out
out:
  ret void
}
declare i64 @llvm.umin.i64(i64, i64)
"""

WORKER = """
; What a thread does: wait for a new generation, take part, until it is not wanted any more.
define internal void @worker(ptr %pool, i64 %id) {
entry:
  %have.p = getelementptr i8, ptr %pool, i64 $THREADS
  %sleepers.p = getelementptr i8, ptr %pool, i64 $SLEEPERS
  %spin.p = getelementptr i8, ptr %pool, i64 $WORKER_SPIN
  %polite.p = getelementptr i8, ptr %pool, i64 $POLITE
  br label %look
look:
  %generation = load atomic i32, ptr %pool acquire, align 4
  %have = load atomic i64, ptr %have.p acquire, align 8
  %wanted = icmp ult i64 %id, %have
  br i1 %wanted, label %part, label %out
part:
  call void @take(ptr %pool, i32 %generation, i64 %id)
  br label %idle
idle:
  %ticks = load i64, ptr %spin.p
  %polite = load i64, ptr %polite.p
  %moved = call i1 @await(ptr %pool, i32 %generation, i64 %ticks, i64 %polite)
  br i1 %moved, label %look, label %sleep
sleep:
  %s = atomicrmw add ptr %sleepers.p, i32 1 seq_cst, align 4
  %again = load atomic i32, ptr %pool seq_cst, align 4
  %same = icmp eq i32 %again, %generation
  br i1 %same, label %nap, label %look
nap:
  call void @nap(ptr %pool, i32 %generation)
  %crowd = icmp ugt i64 %have, 3
  br i1 %crowd, label %pass, label %idle
pass:
  call void @rouse(ptr %pool, i32 2)
  br label %idle
out:
  ret void
}

; A generation without a record: every thread looks whether it is still wanted.
define internal void @nudge(ptr %pool) {
  %g = atomicrmw add ptr %pool, i32 1 seq_cst, align 4
  call void @rouse(ptr %pool, i32 2147483647)
  ret void
}

define internal i64 @ticks() {
  %t = call i64 @clock()
  ret i64 %t
}
"""

TEXT = KERNELS + TAKE + SHARE + RUN + WORKER
