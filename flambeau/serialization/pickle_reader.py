"""A reader of Python pickles that builds data and calls nothing that the file names.

A pickle is a program for a small stack machine, and Python's own reader lets that program import
and call anything. This one interprets the opcodes of protocols 0 to 5 itself. Where the program
asks for a global, the name is looked up in a fixed table (`Known`) that the caller passes; a name
that is not there is an error, never an import.

What a hostile file can still try is to cost time and memory, so lengths are checked against the
bytes that are there before anything is allocated, and nothing recurses. Copies that are made from
values the file mentions again and again, and the work of hashing and comparing keys, are charged
against the file's own size.
"""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from pickle import UnpicklingError
from typing import Any

from flambeau.errors import brief
from flambeau.serialization.opcodes import OPCODES, STOP

# Hashing a tuple recurses in C without a check: a key that nests deeper is refused.
_KEY_DEPTH = 32
# What is in keys that are tuples and frozen sets, for each byte of the file and to begin with. It
# is looked at when the key is hashed, and again when it is compared.
_KEY_PARTS = 8
_KEY_SLACK = 200_000
# Hashes of numbers are no secret, so that keys can be made that all have the same one: then each
# is compared with all before it. Text and bytes are safe, and these numbers are their own hash.
_SAME_HASH = 100
_OWN_HASH = (1 << 61) - 1
# Bytes that constructors may copy for each byte of the file, and to begin with. An item counts as
# eight bytes.
_COPIES = 16
_COPY_SLACK = 1 << 20
_ITEM = 8
# Bytes that empty containers, marks and places in the memo may take for each byte of the file, and to
# begin with: files that people save need a third of that.
_MEMORY_EACH = 32
_MEMORY = 128 << 20
# Python frees these without its guard against deep recursion when they lie in each other.
_UNGUARDED = (defaultdict, deque)
_NESTED = 1000
_LONGEST_NAME = 1000

_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg", "UserDict": "collections"}
_RENAMED_NAMES = {
    "builtins.unicode": "builtins.str",
    "builtins.long": "builtins.int",
    "builtins.xrange": "builtins.range",
}


class Truncated(UnpicklingError):
    """The data end before the pickle does."""


def full_name(module: str, name: str) -> str:
    """A global's name as Python 3 has it. Raises `UnpicklingError` if it is too long for one."""
    full = f"{_RENAMED.get(module, module)}.{name}"
    full = _RENAMED_NAMES.get(full, full)
    if len(full) > _LONGEST_NAME:
        raise UnpicklingError(f"the file refers to a name of {len(full)} characters")
    return full


class Known:
    """What one global name stands for.

    `value` is what the name itself is worth in the data (a dtype, a class). `construct` is what
    a call of it gives (REDUCE), and `new` what `cls.__new__` gives (NEWOBJ; `construct` where it
    is left out). A name without `construct` can't be called by a file. `keys` tells which of the
    arguments' values become keys or members, and `cost` how many bytes the call allocates.
    """

    __slots__ = ("construct", "cost", "keys", "new", "value")

    def __init__(
        self,
        value: Any,
        construct: Callable[..., Any] | None = None,
        new: Callable[..., Any] | None = None,
        keys: Callable[[tuple[Any, ...]], Iterable[Any]] | None = None,
        cost: Callable[[tuple[Any, ...]], int] | None = None,
    ) -> None:
        self.keys = keys
        self.cost = cost
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
        size: bytes of the whole file, where that is more than `data`.
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
        size: int = 0,
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
        self._copies_left = _COPIES * max(len(self._data), size) + _COPY_SLACK
        self._memory_left = _MEMORY_EACH * max(len(self._data), size) + _MEMORY
        self._parts_left = _KEY_PARTS * len(self._data) + _KEY_SLACK
        self._same: dict[tuple[int, int], int] = {}
        self._unguarded: list[Any] = []

    def load(self) -> Any:
        """The object. Raises `pickle.UnpicklingError` for anything that is not well-formed."""
        try:
            found = self._run()
            if len(self._unguarded) > _NESTED:
                _check_nesting(self._unguarded)
            return found
        except BaseException:
            # What was built so far is freed, which must not recurse.
            for container in self._unguarded:
                container.clear()
            raise

    def _run(self) -> Any:
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
            what = str(error)[:500] or type(error).__name__
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

    def spend(self, count: int) -> None:
        """So many bytes of memory are about to be taken for an object without content."""
        self._memory_left -= count
        if self._memory_left < 0:
            raise UnpicklingError(
                "the file makes so many empty objects that they take more than "
                f"{_MEMORY_EACH} times its size"
            )

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
        full = full_name(module, name)
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

    def _callee(self, function: Any, args: Any, kwargs: Any) -> Known:
        known = self._callable.get(id(function))
        if known is None:
            raise UnpicklingError(
                f"the file calls an object of type {type(function).__name__!r}; only the names "
                "that flambeau knows can be called"
            )
        if type(args) is not tuple or type(kwargs) is not dict:
            raise UnpicklingError(f"{brief(args)} and {brief(kwargs)} are no arguments")
        self._charge((*args, *kwargs.values()))
        if known.cost is not None:
            self._pay(known.cost(args))
        if known.keys is not None:
            for key in known.keys(args):
                self._check_key(args, key)
        return known

    def _made(self, found: Any) -> Any:
        if type(found) in _UNGUARDED:
            self._unguarded.append(found)
        return found

    def call(self, function: Any, args: Any) -> Any:
        construct = self._callee(function, args, {}).construct
        if construct is None:
            raise UnpicklingError(f"{_name(function)} can't be called by a file")
        return self._made(construct(*args))

    def make(self, cls: Any, args: Any, kwargs: Any) -> Any:
        new = self._callee(cls, args, kwargs).new
        if new is None:
            raise UnpicklingError(f"{_name(cls)} can't be made by a file")
        return self._made(new(*args, **kwargs))

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
            if type(key) is not str:
                self._check_key(target, key)
            target[key] = value

    def add(self, target: Any, items: list[Any]) -> None:
        if type(target) is not set:
            raise UnpicklingError(f"the file adds to a {type(target).__name__}")
        for item in items:
            if type(item) is not str:
                self._check_key(target, item)
            target.add(item)

    def _check_key(self, container: Any, key: Any) -> None:
        """Refuses a key whose hash would recurse too deep, and keys that cost too much time."""
        kind = type(key)
        if kind is str or kind is bytes or (kind is int and -_OWN_HASH < key < _OWN_HASH):
            return
        if isinstance(key, (tuple, frozenset)):
            self._walk_key(key)
        place = (id(container), hash(key))
        count = self._same[place] = self._same.get(place, 0) + 1
        if count > _SAME_HASH:
            raise UnpicklingError(f"more than {_SAME_HASH} keys of a container have the same hash")

    def _walk_key(self, key: Any) -> None:
        pending: list[tuple[Any, int]] = [(key, 0)]
        while pending:
            item, depth = pending.pop()
            if isinstance(item, (tuple, frozenset)):
                self._parts_left -= len(item)
                if depth > _KEY_DEPTH or self._parts_left < 0:
                    raise UnpicklingError(
                        "a key or a member of a set nests too deep or is too large"
                    )
                pending.extend((child, depth + 1) for child in item)

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
            if isinstance(value, (str, bytes, bytearray)):
                self._copies_left -= len(value)
            elif isinstance(value, (list, tuple, dict, set, frozenset)):
                self._copies_left -= _ITEM * len(value)
        self._pay(0)

    def _pay(self, count: int) -> None:
        """Count bytes that the file makes flambeau allocate."""
        self._copies_left -= count
        if self._copies_left < 0:
            raise UnpicklingError("the file copies the same values over and over, or blows them up")


def _name(found: Any) -> str:
    """A class's or a function's name; only those that flambeau knows come here."""
    return str(getattr(found, "__qualname__", type(found).__name__))[:100]


def _check_nesting(containers: list[Any]) -> None:
    """Refuses containers of Python's that lie in each other so deep that freeing them recurses."""
    depth: dict[int, int] = {}  # 0 for those whose content is being looked at: a loop comes there
    pending = [(container, False) for container in containers]
    while pending:
        container, looked = pending.pop()
        if not looked and id(container) in depth:
            continue
        inner = [item for item in _items(container) if type(item) in _UNGUARDED]
        if not looked:
            depth[id(container)] = 0
            pending.append((container, True))
            pending.extend((item, False) for item in inner if id(item) not in depth)
            continue
        depth[id(container)] = 1 + max((depth[id(item)] or _NESTED for item in inner), default=0)
        if depth[id(container)] > _NESTED:
            raise UnpicklingError("defaultdicts or deques nest too deep in each other")


def _items(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


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
