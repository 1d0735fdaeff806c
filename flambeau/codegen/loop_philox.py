"""`philox` of the loop language, as LLVM IR: see `core.philox` for what it computes.

Words are held in 32 bits, and a product of two in 64, which targets have an instruction for. Where
neighbours ask for words of one block, LLVM computes it once.
"""

from __future__ import annotations

from ..core.philox import MULTIPLIERS, ROUNDS, STEPS
from .loop_values import Lanes

_WORD, _WIDE = "int32", "int64"


def apply(v: Lanes, block: str, half: str, key: str) -> str:
    """Two words of a block as one int64, the first low: its last two where `half` is not 0."""
    c0, c1 = _split(v, block)
    k0, k1 = _split(v, key)
    c2 = c3 = v.const(0, _WORD)
    for turn in range(ROUNDS):
        if turn:
            k0 = v.do("add", _WORD, k0, v.const(STEPS[0], _WORD))
            k1 = v.do("add", _WORD, k1, v.const(STEPS[1], _WORD))
        (low_a, high_a), (low_b, high_b) = _product(v, c0, MULTIPLIERS[0]), _product(v, c2, MULTIPLIERS[1])
        c0, c1 = v.do("xor", _WORD, v.do("xor", _WORD, high_b, c1), k0), low_b
        c2, c3 = v.do("xor", _WORD, v.do("xor", _WORD, high_a, c3), k1), low_a
    first = v.do("icmp eq", _WIDE, half, v.const(0, _WIDE))
    low, high = v.select(first, _WORD, c0, c2), v.select(first, _WORD, c1, c3)
    top = v.do("shl", _WIDE, v._convert("zext", high, _WORD, _WIDE), v.const(32, _WIDE))
    return v.do("or", _WIDE, v._convert("zext", low, _WORD, _WIDE), top)


def _split(v: Lanes, x: str) -> tuple[str, str]:
    """A number's low and high word."""
    high = v.do("lshr", _WIDE, x, v.const(32, _WIDE))
    return v._convert("trunc", x, _WIDE, _WORD), v._convert("trunc", high, _WIDE, _WORD)


def _product(v: Lanes, x: str, factor: int) -> tuple[str, str]:
    """The low and the high word of a product."""
    if v.lanes == 1 and v.target.triple.startswith("nvptx"):
        # LLVM would hold words in 64 bits and multiply those, a third more work.
        return _split(v, v.f.op(
            f'call i64 asm "mul.wide.u32 $0, $1, {factor};", "=l,r"(i32 {x}) memory(none)'
        ))  # fmt: skip
    wide = v._convert("zext", x, _WORD, _WIDE)
    return _split(v, v.do("mul", _WIDE, wide, v.const(factor, _WIDE)))
