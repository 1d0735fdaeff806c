"""Pickle protocol 2, written by ourselves: plain data, and what flambeau's own types reduce to.

Only what a reader can build again without running code is written. The same content gives the
same bytes: strings are memoised by value, and sets are sorted.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pickle import PicklingError
from typing import Any, NamedTuple

_BATCH = 1000


class Global(NamedTuple):
    """A name to be written as it stands."""

    module: str
    name: str


class Reduced(NamedTuple):
    """An object as a call: `function(*args)`, then items set, then its state."""

    function: Global
    args: tuple[Any, ...]
    items: Mapping[Any, Any] | None = None
    state: Any = None
    listed: list[Any] | None = None
    new: bool = False


class Persistent(NamedTuple):
    """An object that is kept outside of the pickle, under this identification."""

    identification: tuple[Any, ...]


Reducer = Callable[[Any], "Global | Reduced | Persistent"]


class PickleWriter:
    """Writes one object.

    Args:
        reduce: gives, for an object that is no plain data, a `Global`, `Reduced` or `Persistent`;
            raises `pickle.PicklingError` for what can't be written.
    """

    def __init__(self, reduce: Reducer) -> None:
        self._reduce = reduce
        self._out = bytearray()
        self._memo: dict[Any, int] = {}
        # Identities stay taken as long as the objects live: temporaries are kept until the end.
        self._alive: list[Any] = []
        self._path: list[str] = []

    def dumps(self, obj: Any) -> bytes:
        """The bytes. `pickle.PicklingError` says where in `obj` lies what can't be written."""
        self._out += b"\x80\x02"
        try:
            self._save(obj)
        except PicklingError as error:
            if self._path:
                raise PicklingError(f"at {''.join(self._path)}: {error}") from None
            raise
        self._out += b"."
        return bytes(self._out)

    # -------------------------------------------------------------- memo

    def _put(self, key: Any, obj: Any) -> None:
        index = self._memo[key] = len(self._memo)
        self._alive.append(obj)
        if index < 256:
            self._out += b"q" + bytes((index,))
        else:
            self._out += b"r" + struct.pack("<I", index)

    def _get(self, key: Any) -> bool:
        index = self._memo.get(key)
        if index is None:
            return False
        self._out += b"h" + bytes((index,)) if index < 256 else b"j" + struct.pack("<I", index)
        return True

    # ----------------------------------------------------------- dispatch

    def _save(self, obj: Any) -> None:
        writer = _WRITERS.get(type(obj))
        if writer is not None:
            writer(self, obj)
        elif not self._get(id(obj)):
            self._save_reduced(obj, self._reduce(obj))

    def _save_reduced(self, obj: Any, reduced: Global | Reduced | Persistent) -> None:
        if isinstance(reduced, Global):
            self._save_global(reduced)
            return
        if isinstance(reduced, Persistent):
            self._save_persistent(reduced)
            return
        self._save_global(reduced.function)
        self._save_tuple(reduced.args)
        self._out += b"\x81" if reduced.new else b"R"
        self._put(id(obj), obj)
        if reduced.listed is not None:
            self._append_all(reduced.listed)
        if reduced.items is not None:
            self._set_all(reduced.items)
        if reduced.state is not None:
            self._save(reduced.state)
            self._out += b"b"

    def _save_global(self, name: Global) -> None:
        if not self._get(name):
            self._out += f"c{name.module}\n{name.name}\n".encode()
            self._put(name, name)

    def _save_persistent(self, obj: Persistent) -> None:
        self._save_tuple(obj.identification)
        self._out += b"Q"

    # ---------------------------------------------------------- plain data

    def _save_none(self, _obj: None) -> None:
        self._out += b"N"

    def _save_bool(self, obj: bool) -> None:
        self._out += b"\x88" if obj else b"\x89"

    def _save_int(self, obj: int) -> None:
        if 0 <= obj < 256:
            self._out += b"K" + bytes((obj,))
        elif 0 <= obj < 65536:
            self._out += b"M" + struct.pack("<H", obj)
        elif -(2**31) <= obj < 2**31:
            self._out += b"J" + struct.pack("<i", obj)
        else:
            raw = obj.to_bytes(obj.bit_length() // 8 + 1, "little", signed=True)
            if len(raw) < 256:
                self._out += b"\x8a" + bytes((len(raw),)) + raw
            else:
                self._out += b"\x8b" + struct.pack("<i", len(raw)) + raw

    def _save_float(self, obj: float) -> None:
        self._out += b"G" + struct.pack(">d", obj)

    def _save_complex(self, obj: complex) -> None:
        self._call("complex", (obj.real, obj.imag))

    def _save_str(self, obj: str) -> None:
        if not self._get(obj):
            raw = obj.encode("utf-8", "surrogatepass")
            self._out += b"X" + struct.pack("<I", len(raw)) + raw
            self._put(obj, obj)

    def _save_bytes(self, obj: bytes) -> None:
        # Protocol 2 has no bytes: they travel as Latin-1 text and a call of the codec.
        if not self._get(obj):
            self._save_global(Global("_codecs", "encode"))
            self._save_tuple((obj.decode("latin1"), "latin1"))
            self._out += b"R"
            self._put(obj, obj)

    def _save_bytearray(self, obj: bytearray) -> None:
        if not self._get(id(obj)):
            self._call("bytearray", (bytes(obj),))
            self._put(id(obj), obj)

    def _save_set(self, obj: set[Any] | frozenset[Any]) -> None:
        if not self._get(id(obj)):
            ordered = sorted(obj, key=lambda item: (type(item).__name__, repr(item)))
            self._call(type(obj).__name__, (ordered,))
            self._put(id(obj), obj)

    def _call(self, name: str, args: tuple[Any, ...]) -> None:
        self._save_global(Global("__builtin__", name))
        self._save_tuple(args)
        self._out += b"R"

    def _save_tuple(self, obj: tuple[Any, ...]) -> None:
        if not obj:
            self._out += b")"
            return
        if self._get(id(obj)):
            return
        if len(obj) > 3:
            self._out += b"("
        for index, item in enumerate(obj):
            self._at(f"[{index}]", item)
        if id(obj) in self._memo:
            # The tuple holds itself, through a list or dict: what was written is dropped for it.
            self._out += b"1" if len(obj) > 3 else b"0" * len(obj)
            self._get(id(obj))
            return
        self._out += (b"", b"\x85", b"\x86", b"\x87")[len(obj)] if len(obj) < 4 else b"t"
        self._put(id(obj), obj)

    def _save_list(self, obj: list[Any]) -> None:
        if not self._get(id(obj)):
            self._out += b"]"
            self._put(id(obj), obj)
            self._append_all(obj)

    def _append_all(self, items: list[Any]) -> None:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            self._out += b"(" if len(batch) > 1 else b""
            for index, item in enumerate(batch, start):
                self._at(f"[{index}]", item)
            self._out += b"e" if len(batch) > 1 else b"a"

    def _save_dict(self, obj: dict[Any, Any]) -> None:
        if not self._get(id(obj)):
            self._out += b"}"
            self._put(id(obj), obj)
            self._set_all(obj)

    def _set_all(self, items: Mapping[Any, Any]) -> None:
        pairs = list(items.items())
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            self._out += b"(" if len(batch) > 1 else b""
            for key, value in batch:
                self._save(key)
                self._at(f"[{key!r}]", value)
            self._out += b"u" if len(batch) > 1 else b"s"

    def _save_ordered_dict(self, obj: OrderedDict[Any, Any]) -> None:
        self._save_mapping(obj, Reduced(Global("collections", "OrderedDict"), (), obj, vars(obj)))

    def _save_counter(self, obj: Counter[Any]) -> None:
        self._save_mapping(obj, Reduced(Global("collections", "Counter"), (dict(obj),)))

    def _save_default_dict(self, obj: defaultdict[Any, Any]) -> None:
        factory = obj.default_factory
        if factory is not None and factory not in _FACTORIES:
            raise PicklingError(f"a defaultdict's factory {factory!r} is code and is not saved")
        args = () if factory is None else (_FACTORIES[factory],)
        self._save_mapping(obj, Reduced(Global("collections", "defaultdict"), args, obj))

    def _save_mapping(self, obj: Any, reduced: Reduced) -> None:
        if not self._get(id(obj)):
            self._save_reduced(obj, reduced._replace(state=reduced.state or None))

    def _at(self, place: str, item: Any) -> None:
        """Write an item, and leave its place in the path if that fails."""
        self._path.append(place)
        self._save(item)
        self._path.pop()


_FACTORIES: dict[Any, Global] = {
    **{kind: Global("__builtin__", kind.__name__) for kind in (list, dict, set, int, float, tuple)},
    OrderedDict: Global("collections", "OrderedDict"),
}

_WRITERS: dict[type, Callable[[PickleWriter, Any], None]] = {
    type(None): PickleWriter._save_none,
    bool: PickleWriter._save_bool,
    int: PickleWriter._save_int,
    float: PickleWriter._save_float,
    complex: PickleWriter._save_complex,
    str: PickleWriter._save_str,
    bytes: PickleWriter._save_bytes,
    bytearray: PickleWriter._save_bytearray,
    set: PickleWriter._save_set,
    frozenset: PickleWriter._save_set,
    tuple: PickleWriter._save_tuple,
    list: PickleWriter._save_list,
    dict: PickleWriter._save_dict,
    OrderedDict: PickleWriter._save_ordered_dict,
    Counter: PickleWriter._save_counter,
    defaultdict: PickleWriter._save_default_dict,
    Global: PickleWriter._save_global,
    Persistent: PickleWriter._save_persistent,
}
