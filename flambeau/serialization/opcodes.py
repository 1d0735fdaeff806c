"""The opcodes of pickle protocols 0 to 5: what each does to a reader's stack.

Python's own description of each is in `pickletools`.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from flambeau.errors import brief

if TYPE_CHECKING:
    from flambeau.serialization.pickle_reader import PickleReader

# What objects without content take, with their places on the stack: Python needs many bytes for what
# one byte of a file can ask for.
_MARK, _LIST, _DICT, _SET, _ITEM, _MEMOIZED = 72, 64, 72, 224, 8, 110

Operation = Callable[["PickleReader"], None]

STOP = ord(".")
OPCODES: dict[int, Operation] = {}
"""Every opcode but STOP."""
_MEMO = 1 << 32


def _opcode(*codes: bytes) -> Callable[[Operation], Operation]:
    def register(operation: Operation) -> Operation:
        for code in codes:
            OPCODES[code[0]] = operation
        return operation

    return register


# ------------------------------------------------------- values in the stream


def _signed(_reader: PickleReader, raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _unsigned(_reader: PickleReader, raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _double(_reader: PickleReader, raw: bytes) -> float:
    value: float = struct.unpack(">d", raw)[0]
    return value


def _byte_string(reader: PickleReader, raw: bytes) -> str | bytes:
    return reader.text(raw)


def _unicode(_reader: PickleReader, raw: bytes) -> str:
    return str(raw, "utf-8", "surrogatepass")


def _bytes(_reader: PickleReader, raw: bytes) -> bytes:
    return raw


def _bytearray(_reader: PickleReader, raw: bytes) -> bytearray:
    return bytearray(raw)


def _int_line(_reader: PickleReader, raw: bytes) -> int | bool:
    return raw == b"01" if raw in (b"00", b"01") else int(raw, 0)


def _long_line(_reader: PickleReader, raw: bytes) -> int:
    return int(raw.removesuffix(b"L"), 0)


def _float_line(_reader: PickleReader, raw: bytes) -> float:
    return float(raw)


def _unicode_line(_reader: PickleReader, raw: bytes) -> str:
    return raw.decode("raw-unicode-escape")


def _string_line(reader: PickleReader, raw: bytes) -> str | bytes:
    quoted = raw.strip()
    if len(quoted) < 2 or quoted[:1] not in (b"'", b'"') or quoted[:1] != quoted[-1:]:
        raise UnpicklingError("a string without its quotes")
    unescaped: bytes = codecs.escape_decode(quoted[1:-1])[0]
    return reader.text(unescaped)


Convert = Callable[["PickleReader", bytes], Any]

_FIXED: dict[bytes, tuple[int, Convert]] = {
    b"J": (4, _signed),
    b"K": (1, _unsigned),
    b"M": (2, _unsigned),
    b"G": (8, _double),
}
"""The operand's size, and what it is."""
_SIZED: dict[bytes, tuple[int, Convert]] = {
    b"\x8a": (1, _signed),
    b"\x8b": (4, _signed),
    b"U": (1, _byte_string),
    b"T": (4, _byte_string),
    b"\x8c": (1, _unicode),
    b"X": (4, _unicode),
    b"\x8d": (8, _unicode),
    b"C": (1, _bytes),
    b"B": (4, _bytes),
    b"\x8e": (8, _bytes),
    b"\x96": (8, _bytearray),
}
"""The size of the operand's size, and what the operand is."""
_LINES: dict[bytes, Convert] = {
    b"I": _int_line,
    b"L": _long_line,
    b"F": _float_line,
    b"S": _string_line,
    b"V": _unicode_line,
}
"""What the line is that follows."""
_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}


def _register_values() -> None:
    def fixed(size: int, convert: Convert) -> Operation:
        return lambda reader: reader.push(convert(reader, reader.take(size)))

    def sized(width: int, convert: Convert) -> Operation:
        return lambda reader: reader.push(convert(reader, reader.sized(width)))

    def line(convert: Convert) -> Operation:
        return lambda reader: reader.push(convert(reader, reader.line()))

    def constant(value: Any) -> Operation:
        return lambda reader: reader.push(value)

    OPCODES.update({code[0]: fixed(*row) for code, row in _FIXED.items()})
    OPCODES.update({code[0]: sized(*row) for code, row in _SIZED.items()})
    OPCODES.update({code[0]: line(convert) for code, convert in _LINES.items()})
    OPCODES.update({code[0]: constant(value) for code, value in _CONSTANTS.items()})


_register_values()


# ------------------------------------------------------------ the stream itself


@_opcode(b"\x80")
def _proto(reader: PickleReader) -> None:
    protocol = reader.number(1)
    if protocol > 5:
        raise UnpicklingError(f"pickle protocol {protocol} is not known (0 to 5 are)")


@_opcode(b"\x95")
def _frame(reader: PickleReader) -> None:
    reader.expect(reader.number(8))


@_opcode(b"\x82", b"\x83", b"\x84")
def _extension(reader: PickleReader) -> None:
    raise UnpicklingError("the file uses the extension registry, which flambeau never reads")


@_opcode(b"\x97", b"\x98")
def _buffer(reader: PickleReader) -> None:
    raise UnpicklingError("the file keeps its buffers elsewhere (protocol 5, out of band)")


# ------------------------------------------------------------ stack and memo


@_opcode(b"(")
def _mark(reader: PickleReader) -> None:
    reader.spend(_MARK)
    reader.mark()


@_opcode(b"0")
def _pop(reader: PickleReader) -> None:
    if reader.stack:
        reader.stack.pop()
    else:
        reader.to_mark()


@_opcode(b"1")
def _pop_mark(reader: PickleReader) -> None:
    reader.to_mark()


@_opcode(b"2")
def _dup(reader: PickleReader) -> None:
    reader.spend(_ITEM)
    reader.push(reader.stack[-1])


def _memo_line(reader: PickleReader) -> int:
    """A place in the memo, written out. It is bounded, since numbers that are chosen to collide
    would make the memo's dictionary slow."""
    number = int(reader.line())
    if not 0 <= number < _MEMO:
        raise UnpicklingError(f"the memo has no place {brief(number)}")
    return number


@_opcode(b"g")
def _get(reader: PickleReader) -> None:
    reader.push(reader.memo[_memo_line(reader)])


@_opcode(b"h")
def _binget(reader: PickleReader) -> None:
    reader.push(reader.memo[reader.number(1)])


@_opcode(b"j")
def _long_binget(reader: PickleReader) -> None:
    reader.push(reader.memo[reader.number(4)])


@_opcode(b"p")
def _put(reader: PickleReader) -> None:
    reader.spend(_MEMOIZED)
    reader.memo[_memo_line(reader)] = reader.stack[-1]


@_opcode(b"q")
def _binput(reader: PickleReader) -> None:
    reader.spend(_MEMOIZED)
    reader.memo[reader.number(1)] = reader.stack[-1]


@_opcode(b"r")
def _long_binput(reader: PickleReader) -> None:
    reader.spend(_MEMOIZED)
    reader.memo[reader.number(4)] = reader.stack[-1]


@_opcode(b"\x94")
def _memoize(reader: PickleReader) -> None:
    reader.spend(_MEMOIZED)
    reader.memo[len(reader.memo)] = reader.stack[-1]


# ----------------------------------------------------------------- containers


@_opcode(b"\x85")
def _tuple1(reader: PickleReader) -> None:
    reader.spend(_LIST)
    reader.push((reader.stack.pop(),))


@_opcode(b"\x86")
def _tuple2(reader: PickleReader) -> None:
    second, first = reader.stack.pop(), reader.stack.pop()
    reader.spend(_LIST)
    reader.push((first, second))


@_opcode(b"\x87")
def _tuple3(reader: PickleReader) -> None:
    third, second, first = reader.stack.pop(), reader.stack.pop(), reader.stack.pop()
    reader.spend(_LIST)
    reader.push((first, second, third))


@_opcode(b"t")
def _tuple(reader: PickleReader) -> None:
    reader.push(tuple(reader.to_mark()))


@_opcode(b"]")
def _empty_list(reader: PickleReader) -> None:
    reader.spend(_LIST)
    reader.push([])


@_opcode(b"l")
def _list(reader: PickleReader) -> None:
    reader.push(reader.to_mark())


@_opcode(b"a")
def _append(reader: PickleReader) -> None:
    item = reader.stack.pop()
    reader.extend(reader.stack[-1], [item])


@_opcode(b"e")
def _appends(reader: PickleReader) -> None:
    items = reader.to_mark()
    reader.extend(reader.stack[-1], items)


@_opcode(b"}")
def _empty_dict(reader: PickleReader) -> None:
    reader.spend(_DICT)
    reader.push({})


@_opcode(b"d")
def _dict(reader: PickleReader) -> None:
    items = reader.to_mark()
    reader.spend(_DICT)
    reader.push({})
    reader.set_items(reader.stack[-1], items)


@_opcode(b"s")
def _setitem(reader: PickleReader) -> None:
    value, key = reader.stack.pop(), reader.stack.pop()
    reader.set_items(reader.stack[-1], [key, value])


@_opcode(b"u")
def _setitems(reader: PickleReader) -> None:
    items = reader.to_mark()
    reader.set_items(reader.stack[-1], items)


@_opcode(b"\x8f")
def _empty_set(reader: PickleReader) -> None:
    reader.spend(_SET)
    reader.push(set())


@_opcode(b"\x90")
def _additems(reader: PickleReader) -> None:
    items = reader.to_mark()
    reader.add(reader.stack[-1], items)


@_opcode(b"\x91")
def _frozenset(reader: PickleReader) -> None:
    reader.spend(_SET)
    members: set[Any] = set()
    reader.add(members, reader.to_mark())
    reader.push(frozenset(members))


# ------------------------------------------------- names, calls and references


@_opcode(b"c")
def _global(reader: PickleReader) -> None:
    module, name = reader.line().decode(), reader.line().decode()
    reader.push(reader.find_global(module, name))


@_opcode(b"\x93")
def _stack_global(reader: PickleReader) -> None:
    name, module = reader.stack.pop(), reader.stack.pop()
    if type(module) is not str or type(name) is not str:
        raise UnpicklingError("a global whose name is not text")
    reader.push(reader.find_global(module, name))


@_opcode(b"R")
def _reduce(reader: PickleReader) -> None:
    args, function = reader.stack.pop(), reader.stack.pop()
    reader.push(reader.call(function, args))


@_opcode(b"\x81")
def _newobj(reader: PickleReader) -> None:
    args, cls = reader.stack.pop(), reader.stack.pop()
    reader.push(reader.make(cls, args, {}))


@_opcode(b"\x92")
def _newobj_ex(reader: PickleReader) -> None:
    kwargs, args, cls = reader.stack.pop(), reader.stack.pop(), reader.stack.pop()
    reader.push(reader.make(cls, args, kwargs))


@_opcode(b"i")
def _inst(reader: PickleReader) -> None:
    module, name = reader.line().decode(), reader.line().decode()
    args = tuple(reader.to_mark())
    reader.push(reader.call(reader.find_global(module, name), args))


@_opcode(b"o")
def _obj(reader: PickleReader) -> None:
    function, *args = reader.to_mark()
    reader.push(reader.call(function, tuple(args)))


@_opcode(b"b")
def _build(reader: PickleReader) -> None:
    state = reader.stack.pop()
    reader.build(reader.stack[-1], state)


@_opcode(b"P")
def _persid(reader: PickleReader) -> None:
    reader.push(reader.persistent(reader.line().decode("ascii")))


@_opcode(b"Q")
def _binpersid(reader: PickleReader) -> None:
    reader.push(reader.persistent(reader.stack.pop()))
