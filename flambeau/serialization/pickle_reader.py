"""A reader of Python pickles that builds data and calls nothing that the file names.

A pickle is a program for a small stack machine, and Python's own reader lets that program import
and call anything. This one interprets the opcodes of protocols 0 to 5 itself. Where the program
asks for a global, the name is looked up in a fixed table (`Known`) that the caller passes; a name
that is not there is an error, never an import.

What a hostile file can still try is to cost time and memory, so lengths are checked against the
bytes that are there before anything is allocated, nothing recurses, and copies that are made
from values the file mentions again and again are charged against the file's own size.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from typing import Any

from flambeau.serialization.opcodes import OPCODES, STOP

# Hashing a tuple recurses in C without a check: a key that nests deeper is refused.
_KEY_DEPTH = 32
_KEY_NODES = 10_000
# Values may be copied this many times the file's size (plus a little) by constructors.
_COPIES = 4
_COPY_SLACK = 1 << 20

_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg", "UserDict": "collections"}
_RENAMED_NAMES = {
    "builtins.unicode": "builtins.str",
    "builtins.long": "builtins.int",
    "builtins.xrange": "builtins.range",
}


class Truncated(UnpicklingError):
    """The data end before the pickle does."""


class Known:
    """What one global name stands for.

    `value` is what the name itself is worth in the data (a dtype, a class). `construct` is what
    a call of it gives (REDUCE), and `new` what `cls.__new__` gives (NEWOBJ; `construct` where it
    is left out). A name without `construct` can't be called by a file.
    """

    __slots__ = ("construct", "new", "value")

    def __init__(
        self,
        value: Any,
        construct: Callable[..., Any] | None = None,
        new: Callable[..., Any] | None = None,
    ) -> None:
        self.value = value
        self.construct = construct
        self.new = new or construct


class PickleReader:
    """Reads one pickle that begins at `start` of `data`; `position` is then where it ended.

    Args:
        data: the bytes; what follows the pickle is not looked at.
        known: the globals the file may name, as `"module.name"`.
        builders: for BUILD, by the exact type of the object: `build(object, state)`, in place.
        persistent_load: receives what the file holds instead of an outside object.
        encoding: how Python 2's byte strings become text; `"bytes"` leaves them bytes.
        hint: a sentence to add to the error about an unknown global, made from its name.
    """

    def __init__(
        self,
        data: bytes,
        known: Mapping[str, Known],
        builders: Mapping[type, Callable[[Any, Any], None]] | None = None,
        *,
        persistent_load: Callable[[Any], Any] | None = None,
        encoding: str = "utf-8",
        hint: Callable[[str], str] | None = None,
        start: int = 0,
    ) -> None:
        self._data = bytes(data)
        self._known = known
        self._builders = builders or {}
        self._persistent_load = persistent_load
        self._encoding = encoding
        self._hint = hint
        self.position = start
        self.stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        # What may be called, by identity: only what GLOBAL has pushed in this very file.
        self._callable: dict[int, Known] = {}
        self._outside = False
        self._copies_left = _COPIES * len(self._data) + _COPY_SLACK

    def load(self) -> Any:
        """The object. Raises `pickle.UnpicklingError` for anything that is not well-formed."""
        begin = self.position
        try:
            while (code := self.take(1)[0]) != STOP:
                begin = self.position - 1
                operation = OPCODES.get(code)
                if operation is None:
                    raise UnpicklingError(f"{code:#04x} at byte {begin} is no pickle opcode")
                operation(self)
            return self.stack.pop()
        except UnpicklingError:
            raise
        except (
            ArithmeticError, AttributeError, AssertionError, LookupError, MemoryError,
            RuntimeError, TypeError, ValueError, struct.error,
        ) as error:  # fmt: skip
            if self._outside:
                raise
            what = str(error) or type(error).__name__
            raise UnpicklingError(f"the pickle is damaged at byte {begin}: {what}") from error

    # ------------------------------------------------------------- bytes

    def expect(self, count: int) -> None:
        """Raise `Truncated` unless `count` bytes are left."""
        left = len(self._data) - self.position
        if count > left:
            raise Truncated(
                f"the pickle is truncated: {count} bytes are wanted at byte {self.position}, "
                f"{left} are left"
            )

    def take(self, count: int) -> bytes:
        self.expect(count)
        start = self.position
        self.position = start + count
        return self._data[start : start + count]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def sized(self, width: int) -> bytes:
        """Bytes that their own size precedes."""
        return self.take(self.number(width))

    def line(self) -> bytes:
        start, end = self.position, self._data.find(b"\n", self.position)
        if end < 0:
            raise Truncated(f"the pickle is truncated: a line at byte {start} has no end")
        self.position = end + 1
        return self._data[start:end]

    def text(self, raw: bytes) -> str | bytes:
        """A byte string of Python 2, in the encoding that the caller has chosen."""
        return raw if self._encoding == "bytes" else raw.decode(self._encoding)

    # ------------------------------------------------------------- stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        """Begin a stack of its own for what follows, until `to_mark`."""
        self._outer.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[Any]:
        """Everything since the last mark."""
        items = self.stack
        self.stack = self._outer.pop()
        return items

    # ------------------------------------------- what the file can have done
    # A subclass that only walks through a file overrides these.

    def find_global(self, module: str, name: str) -> Any:
        full = f"{_RENAMED.get(module, module)}.{name}"
        full = _RENAMED_NAMES.get(full, full)
        known = self._known.get(full)
        if known is None:
            hint = self._hint(full) if self._hint else ""
            raise UnpicklingError(
                f"the file refers to {full!r}, which is not among the names that flambeau knows: "
                "it builds tensors and plain data itself and never executes code from a file."
                + (f"\n{hint}" if hint else "")
            )
        if known.construct is not None or known.new is not None:
            self._callable[id(known.value)] = known
        return known.value

    def _callee(self, function: Any, args: Any) -> Known:
        known = self._callable.get(id(function))
        if known is None:
            raise UnpicklingError(
                f"the file calls an object of type {type(function).__name__!r}; only the names "
                "that flambeau knows can be called"
            )
        if type(args) is not tuple:
            raise UnpicklingError(f"arguments are a {type(args).__name__}, not a tuple")
        self._charge(args)
        return known

    def call(self, function: Any, args: Any) -> Any:
        construct = self._callee(function, args).construct
        if construct is None:
            raise UnpicklingError(f"{function!r:.100} can't be called by a file")
        return construct(*args)

    def make(self, cls: Any, args: Any, kwargs: Any) -> Any:
        new = self._callee(cls, args).new
        if new is None:
            raise UnpicklingError(f"{cls!r:.100} can't be made by a file")
        return new(*args, **kwargs)

    def build(self, target: Any, state: Any) -> None:
        builder = self._builders.get(type(target))
        if builder is None:
            raise UnpicklingError(f"the file sets the state of a {type(target).__name__}")
        self._charge(state if type(state) is tuple else (state,))
        builder(target, state)

    def extend(self, target: Any, items: list[Any]) -> None:
        allowed = isinstance(target, (list, deque)) and type(target) in self._builders
        if type(target) is not list and not allowed:
            raise UnpicklingError(f"the file appends to a {type(target).__name__}")
        target.extend(items)

    def set_items(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict):
            raise UnpicklingError(f"the file sets items of a {type(target).__name__}")
        if len(items) % 2:
            raise UnpicklingError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_hashable(key)
            target[key] = value

    def add(self, target: Any, items: list[Any]) -> None:
        if type(target) is not set:
            raise UnpicklingError(f"the file adds to a {type(target).__name__}")
        for item in items:
            check_hashable(item)
            target.add(item)

    def persistent(self, reference: Any) -> Any:
        if self._persistent_load is None:
            raise UnpicklingError("the file refers to an object outside of it")
        # What the caller's own function raises is the caller's, not damage in the file.
        self._outside = True
        found = self._persistent_load(reference)
        self._outside = False
        return found

    def _charge(self, values: tuple[Any, ...]) -> None:
        for value in values:
            if isinstance(value, (str, bytes, bytearray, list, tuple, dict, set, frozenset)):
                self._copies_left -= len(value)
        if self._copies_left < 0:
            raise UnpicklingError("the file copies the same values over and over")


def check_hashable(key: Any) -> None:
    """Refuses a key whose hash would recurse too deep or cost too much."""
    if not isinstance(key, tuple):
        return
    pending: list[tuple[Any, int]] = [(key, 0)]
    nodes = 0
    while pending:
        item, depth = pending.pop()
        if isinstance(item, tuple):
            nodes += len(item)
            if depth > _KEY_DEPTH or nodes > _KEY_NODES:
                raise UnpicklingError("a key or a member of a set nests too deep or is too large")
            pending.extend((child, depth + 1) for child in item)


def read_plain_pickle(data: bytes, encoding: str = "latin1") -> Any:
    """The plain data and NumPy arrays in a pickle, without executing anything.

    Args:
        data: the whole pickle, of any protocol.
        encoding: how Python 2's byte strings become text (`"latin1"`, as NumPy needs);
            `"bytes"` leaves them, and so a dict's keys, bytes.

    Raises:
        pickle.UnpicklingError: the pickle is damaged, or holds anything but None, bool, numbers,
            text, bytes, containers, and arrays of numbers, truth values or strings.
    """
    from flambeau.serialization.plain_globals import PLAIN_BUILDERS, PLAIN_GLOBALS

    return PickleReader(data, PLAIN_GLOBALS, PLAIN_BUILDERS, encoding=encoding).load()
