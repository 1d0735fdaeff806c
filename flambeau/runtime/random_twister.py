"""The Mersenne Twister in LLVM IR (see `mt19937`), on the state that NumPy's bit generator has:
624 words and the position of the next one, an i32.

M. Matsumoto and T. Nishimura, "Mersenne twister: a 623-dimensionally equidistributed uniform
pseudo-random number generator" (1998).
"""

from __future__ import annotations

from .random_ir import Code, steps

WORDS, MIDDLE = 624, 397
_SPLIT = WORDS - MIDDLE
_MATRIX = 0x9908B0DF
_TEMPERING: tuple[tuple[str, int, int | None], ...] = (
    ("lshr", 11, None), ("shl", 7, 0x9D2C5680), ("shl", 15, 0xEFC60000), ("lshr", 18, None),
)  # fmt: skip

_DRAW = """
define internal void @words.entry(ptr %state, ptr %out, i64 %n) #0 {
entry:
  %position = getelementptr i32, ptr %state, i64 624
  br label %check
check:
  %left = phi i64 [ %n, %entry ], [ %left.next, %take ]
  %at = phi ptr [ %out, %entry ], [ %at.next, %take ]
  %some = icmp ne i64 %left, 0
  br i1 %some, label %look, label %done
look:
  %old = load i32, ptr %position, align 4
  %used = icmp uge i32 %old, 624
  br i1 %used, label %renew, label %take
renew:
  call void @twist(ptr %state)
  br label %take
take:
  %place = phi i32 [ %old, %look ], [ 0, %renew ]
  %start = zext i32 %place to i64
  %rest = sub i64 624, %start
  %m = call i64 @llvm.umin.i64(i64 %rest, i64 %left)
  %from = getelementptr i32, ptr %state, i64 %start
  call void @temper(ptr %from, ptr %at, i64 %m)
  %end = add i64 %start, %m
  %new = trunc i64 %end to i32
  store i32 %new, ptr %position, align 4
  %left.next = sub i64 %left, %m
  %at.next = getelementptr i32, ptr %at, i64 %m
  br label %check
done:
  ret void
}
"""

_TWIST = """
define internal void @twist(ptr %state) #0 {{
entry:
  br label %first
first:
  %i = phi i64 [ 0, %entry ], [ %i.next, %first ]
{first}
  %i.next = add i64 %i, {lanes}
  %i.more = icmp ult i64 %i.next, {first_end}
  br i1 %i.more, label %first, label %between
between:
{between}
  br label %second
second:
  %k = phi i64 [ 227, %between ], [ %k.next, %second ]
{second}
  %k.next = add i64 %k, {lanes}
  %k.more = icmp ult i64 %k.next, {second_end}
  br i1 %k.more, label %second, label %after
after:
{after}
  ret void
}}
"""


def text(lanes: int) -> str:
    """``words.entry(state, out, n)``: the next `n` words, by vectors of so many lanes."""
    return _twist(lanes) + steps("temper", lanes, _temper) + _DRAW


def _twist(lanes: int) -> str:
    """All words anew, in place, in an order in which each one finds the others as it needs them:
    up to 227 from words that are still old, then from new ones, the last one from the first."""
    first_end = _SPLIT // lanes * lanes
    second_end = _SPLIT + (WORDS - 1 - _SPLIT) // lanes * lanes
    first, between, second, after = Code("f"), Code("b"), Code("s"), Code("a")
    _renew(first, lanes, "%i", MIDDLE)
    _rest(between, lanes, first_end, _SPLIT, MIDDLE)
    _renew(second, lanes, "%k", -_SPLIT)
    _rest(after, lanes, second_end, WORDS - 1, -_SPLIT)
    _renew(after, 1, str(WORDS - 1), -_SPLIT, "0")
    return _TWIST.format(
        lanes=lanes, first_end=first_end, second_end=second_end, first=first.text(),
        between=between.text(), second=second.text(), after=after.text(),
    )  # fmt: skip


def _rest(c: Code, lanes: int, start: int, stop: int, offset: int) -> None:
    """What is left over behind whole vectors, by shorter and shorter ones."""
    while start < stop:
        count = min(lanes, 1 << ((stop - start).bit_length() - 1))
        _renew(c, count, str(start), offset)
        start += count


def _renew(c: Code, lanes: int, index: str, offset: int, following: str | None = None) -> None:
    """``state[i] = state[i + offset] ^ mixed(upper bit of state[i], lower bits of the word that
    follows)``."""

    def load(at: str) -> str:
        return c.load(c.at("%state", at, "i32"), lanes, "i32")

    word, far = load(index), load(c(f"add i64 {index}, {offset}"))
    after = load(following or c(f"add i64 {index}, 1"))
    upper = c.op("and", word, -(1 << 31), lanes, "i32")
    both = c.op("or", upper, c.op("and", after, (1 << 31) - 1, lanes, "i32"), lanes, "i32")
    odd = c.op("and", after, 1, lanes, "i32")
    every = c.op("mul", odd, -1, lanes, "i32")  # all bits where it is odd
    mixed = c.op("and", every, _MATRIX - (1 << 32), lanes, "i32")
    mixed = c.op("xor", mixed, c.op("lshr", both, 1, lanes, "i32"), lanes, "i32")
    c.store(c.op("xor", far, mixed, lanes, "i32"), c.at("%state", index, "i32"), lanes, "i32")


def _temper(c: Code, lanes: int, index: str) -> None:
    """The stream's words from those of the state."""
    y = c.load(c.at("%from", index, "i32"), lanes, "i32")
    for way, bits, mask in _TEMPERING:
        moved = c.op(way, y, bits, lanes, "i32")
        if mask is not None:
            moved = c.op("and", moved, mask - (1 << 32), lanes, "i32")
        y = c.op("xor", y, moved, lanes, "i32")
    c.store(y, c.at("%to", index, "i32"), lanes, "i32")
