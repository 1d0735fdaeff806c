"""What a file holds, in the text of an error about it.

`repr` of a hostile value can take any time and any memory: a tuple that holds another twice, and
so on thirty times, is a short file and a text of a thousand million characters.
"""

from __future__ import annotations

from typing import Any

_TEXT = 60
_ITEMS = 8
_BITS = 128


def shown(value: Any, nested: bool = True) -> str:
    """A value as `repr` shows it, where that is short, and else what kind of thing it is.

    >>> shown((1, "a")), shown([[]]), shown(1 << 1000)
    ("(1, 'a')", '[a list]', 'a number of 1001 bits')
    """
    kind = type(value)
    if kind in (str, bytes):
        return repr(value) if len(value) <= _TEXT else f"{value[:_TEXT]!r}..."
    if kind is int:
        bits = value.bit_length()
        return repr(value) if bits <= _BITS else f"a number of {bits} bits"
    if value is None or kind in (bool, float):
        return repr(value)
    if nested and kind in (tuple, list):
        items = ", ".join(shown(item, nested=False) for item in value[:_ITEMS])
        more = ", ..." if len(value) > _ITEMS else "," if kind is tuple and len(value) == 1 else ""
        return f"({items}{more})" if kind is tuple else f"[{items}{more}]"
    return f"{'an' if kind.__name__[:1] in 'AEIOaeio' else 'a'} {kind.__name__}"
