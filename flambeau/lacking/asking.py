"""How a program asks for a name: reads it, or tests whether it is there.

Python tells a module only the name. The instruction that asks says the rest: `torch.x` and `from
torch import x` are instructions of their own, while `hasattr` and `getattr` are calls; and the
code's table of exception handlers says whether the instruction is inside of a `try` or `with`.
"""

from __future__ import annotations

import dis
import sys
from types import FrameType

_READS = frozenset(
    dis.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") if name in dis.opmap
)
_IMPORTS = frozenset((dis.opmap["IMPORT_NAME"],))
_PASSED_ON = ("flambeau.lacking", "flambeau.errors", "flambeau.frontend.functions")
_MACHINERY = ("importlib", "flambeau.compat.names")


def reads_a_name() -> bool:
    """Whether the caller of a module's `__getattr__` is a program that reads a name and is not
    prepared for its absence."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _passes_on(frame):
        frame = frame.f_back
    return frame is not None and not _is_ours(frame) and _unprepared(frame, _READS)


def imports_a_module() -> bool:
    """Whether a program that is not prepared for its absence imports the module which a finder is
    asked for."""
    frame: FrameType | None = sys._getframe(1)
    called = False
    while frame is not None and _is_machinery(frame):
        called = called or frame.f_code.co_name == "import_module"
        frame = frame.f_back
    if frame is None or _is_ours(frame):
        return False
    return not _is_guarded(frame) if called else _unprepared(frame, _IMPORTS)


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_ours(frame: FrameType) -> bool:
    return (_module_of(frame) + ".").startswith("flambeau.")


def _passes_on(frame: FrameType) -> bool:
    named = frame.f_code.co_name == "__getattr__" and _is_ours(frame)
    return named or _module_of(frame).startswith(_PASSED_ON)


def _is_machinery(frame: FrameType) -> bool:
    name = _module_of(frame)
    return name.startswith(_MACHINERY) or _passes_on(frame)


def _unprepared(frame: FrameType, instructions: frozenset[int]) -> bool:
    asks = frame.f_code.co_code[frame.f_lasti] in instructions
    return asks and not _is_guarded(frame)


def _is_guarded(frame: FrameType) -> bool:
    """Whether the current instruction is inside of a `try` or `with` statement."""
    at = frame.f_lasti
    return any(start <= at < end for start, end in _guarded(frame.f_code.co_exceptiontable))


def _guarded(table: bytes) -> list[tuple[int, int]]:
    """The ranges of bytes of the code that an exception table protects.

    An entry is four numbers: start, length, target, depth and a flag; in code units of two bytes,
    with six bits a byte, the highest first; bit 6 says that more follow, bit 7 that an entry begins
    (CPython's Objects/exception_handling_notes.txt).
    """
    numbers: list[int] = []
    more = False
    for byte in table:
        if more:
            numbers[-1] = numbers[-1] << 6 | byte & 63
        else:
            numbers.append(byte & 63)
        more = bool(byte & 64)
    starts, lengths = numbers[0::4], numbers[1::4]
    return [(2 * start, 2 * (start + length)) for start, length in zip(starts, lengths)]
