"""Where things are in the pool's memory: byte offsets. What one thread writes while others read
something else is on lines of its own."""

from __future__ import annotations

LINE = 64
MAX_THREADS = 256
RING = 64
"""Programs that may wait for the executor: a power of two."""

LAYOUT: dict[str, int] = {
    # The generation, i32: the number of the last record that was offered. Threads sleep on it.
    "GENERATION": 0,
    # The record on offer.
    "RECORD": 1 * LINE,
    "TABLE": 1 * LINE + 8,
    "TOTAL": 1 * LINE + 16,
    "GRAIN": 1 * LINE + 24,
    "UNITS": 1 * LINE + 32,
    "MOST": 1 * LINE + 40,
    "JOB_THREADS": 1 * LINE + 48,
    # Units of it that are done, i32, and whether thread 0 sleeps until all are, i32.
    "DONE": 2 * LINE,
    "WAITING": 2 * LINE + 4,
    # How many threads have gone to sleep since somebody last woke them, i32.
    "SLEEPERS": 3 * LINE,
    # Settings: the number of threads, and how long to spin, in ticks of the clock.
    "THREADS": 4 * LINE,
    "WORKER_SPIN": 4 * LINE + 8,
    "JOIN_SPIN": 4 * LINE + 16,
    "POLITE": 4 * LINE + 24,
    "EXECUTOR_SPIN": 4 * LINE + 32,
    "WAIT_SPIN": 4 * LINE + 40,
    # The stream: programs submitted so far, i64 (the executor sleeps on its low half); programs
    # finished so far, i64 (waiters sleep on its low half); whether anybody sleeps, i32 each.
    "HEAD": 5 * LINE,
    "TAIL": 6 * LINE,
    "WAITERS": 6 * LINE + 8,
    "EXECUTOR_SLEEPS": 7 * LINE,
    # The ring: (program, table).
    "RING": 8 * LINE,
    "RING_SIZE": RING,
    "RING_MASK": RING - 1,
    # For each thread a line with its part of the record: generation << 32 | units left.
    "PARTS": 8 * LINE + RING * 16,
}

SIZE = LAYOUT["PARTS"] + MAX_THREADS * LINE
