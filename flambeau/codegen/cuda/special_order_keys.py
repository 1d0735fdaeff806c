"""Elements as keys: whole numbers without sign whose order is that of sorting.

NaN comes last, all NaN are equal, and so are the zeros of either sign. Where the order is descending
the keys are turned round, so that equal ones stay as they were. Elements of up to 4 bytes have keys
of 32 bits, of which `bits` are used, others of 64.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir_text import ELEMENT
from .ir import size_of
from .special_code import Code, Placed, Val

_INFINITY = {
    "float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000,
}  # fmt: skip
_UNSIGNED = ("bool", "uint8")


class Keys(NamedTuple):
    """What keys are made of: part of a kernel's key."""

    dtype: str
    descending: bool = False

    @property
    def raw(self) -> str:
        """The integer type that elements are loaded as."""
        return f"i{self.bits}"

    @property
    def bits(self) -> int:
        return 8 * size_of(ELEMENT[self.dtype])

    @property
    def type(self) -> str:
        return "i64" if self.bits == 64 else "i32"

    @property
    def held(self) -> str:
        """The dtype of arrays of keys."""
        return "int64" if self.bits == 64 else "int32"


def keys_of(x: Placed, descending: bool = False) -> Keys:
    return Keys(x.dtype, descending)


def key(c: Code, k: Keys, raw: Val) -> Val:
    """An element's key."""
    bits, top = k.bits, 1 << (k.bits - 1)
    v = raw
    if k.dtype in _INFINITY:
        size = raw & (top - 1)
        turned = c.select(raw.compare("slt", 0), raw ^ -1, raw ^ -top)
        v = c.select(size.compare("eq", 0), c.const(k.raw, -top), turned)
        v = c.select(c.unsigned("gt", size, c.const(k.raw, _INFINITY[k.dtype])), c.const(k.raw, -1), v)
    elif k.dtype not in _UNSIGNED:
        v = raw ^ -top
    if k.descending:
        v = v ^ -1
    return c.value("i32", f"zext {v} to i32") if bits < 32 else v


def last_key(c: Code, k: Keys) -> Val:
    """What no key is more than."""
    return c.const(k.type, (1 << k.bits) - 1 if k.bits < 32 else -1)


def load_key(c: Code, k: Keys, x: Val, index: Val) -> Val:
    """The key of an array's element."""
    return key(c, k, c.load(k.raw, x, index, invariant=True))


def before(c: Code, a: Val, i: Val, b: Val, j: Val) -> Val:
    """Whether key a of place i comes before key b of place j."""
    return c.unsigned("lt", a, b) | (a.compare("eq", b) & c.unsigned("lt", i, j))


__all__ = ["Keys", "before", "key", "keys_of", "last_key", "load_key"]
