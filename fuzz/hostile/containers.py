"""Files whose outer form is wrong: ZIP archives, streams of the old form, safetensors."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from fuzz.hostile import Attack
from fuzz.hostile.assembly import number, numbers, tensor, text
from fuzz.targets._archives import archive, checkpoint, stream

_SOUND = tensor() + b"."
_STORAGE = {"0": bytes(range(16))}
_RECORDS = {"data.pkl": _SOUND, "byteorder": b"little", "data/0": _STORAGE["0"]}


def _by_zipfile(method: int, records: Mapping[str, bytes] = _RECORDS) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as found:
        for name, data in records.items():
            found.writestr(f"a/{name}", data)
    return out.getvalue()


def _patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    out = bytearray(data)
    for at, new in changes:
        out[at : at + len(new)] = new
    return bytes(out)


def _archives() -> Iterator[tuple[str, bytes, str | None]]:
    sound = archive(_RECORDS)
    entry = sound.index(b"PK\x01\x02")
    last = sound.rindex(b"PK\x01\x02")
    end = sound.index(b"PK\x05\x06")
    yield "two-objects", archive({**_RECORDS, "b/../data.pkl": b"N.", "x": b""}, "a/"), None
    both = {"a/data.pkl": b"N.", "b/data.pkl": b"N."}
    yield "two-prefixes", archive(both, ""), "2 data.pkl"
    yield "no-object", archive({"data/0": b""}), "no data.pkl"
    twice = archive({"data.pkl": _SOUND, "data.pkk": b"N."}).replace(b"data.pkk", b"data.pkl")
    yield "same-name-twice", twice, "two records named"
    yield (
        "torchscript",
        archive({**_RECORDS, "constants.pkl": b"N.", "code/a.py": b""}),
        "TorchScript",
    )
    yield "name-climbs", archive({"../../../etc/passwd": b"x", **_RECORDS}), None
    yield "name-absolute", archive({**_RECORDS, "/etc/passwd": b"x"}), None
    yield "name-of-nothing", archive({**_RECORDS, "": b""}, "a/"), None
    zero = archive({"data.pkl": _SOUND, "data.pkl_": b"N."}).replace(b"data.pkl_", b"data.pkl\0")
    yield "name-with-zero", zero, "two records named"
    yield "compressed", _by_zipfile(zipfile.ZIP_DEFLATED), "is compressed or encrypted"
    bomb = {**_RECORDS, "data/0": bytes(50_000_000)}
    yield "zip-bomb", _by_zipfile(zipfile.ZIP_DEFLATED, bomb), "is compressed or encrypted"
    yield (
        "zip-bomb-in-the-object",
        _by_zipfile(zipfile.ZIP_DEFLATED, {**_RECORDS, "data.pkl": bytes(50_000_000)}),
        "is compressed or encrypted",
    )
    yield "bzip2", _by_zipfile(zipfile.ZIP_BZIP2), "is compressed or encrypted"
    yield "encrypted", _patched(sound, (entry + 8, b"\x01\x08")), "is compressed or encrypted"
    yield "encrypted-by-own-header", _patched(sound, (6, b"\x01\x08")), "another one by its own"
    yield "compressed-by-own-header", _patched(sound, (8, b"\x08\x00")), "another one by its own"
    yield "other-name-in-own-header", _patched(sound, (30, b"b/")), "another one by its own"
    yield "header-elsewhere", _patched(sound, (entry + 42, b"\x05")), "data before|is not where"
    yield (
        "header-beyond",
        _patched(sound, (last + 42, b"\xf0\xff\xff\x7f")),
        "truncated|beyond|where",
    )
    yield "records-overlap", _patched(sound, (last + 42, b"\0\0\0\0")), "overlap"
    yield (
        "size-beyond",
        _patched(sound, (last + 20, b"\xff\xff\xff\x7f"), (last + 24, b"\xff\xff\xff\x7f")),
        "overlap or reach beyond",
    )
    yield "checksum", _patched(sound, (sound.index(b"a/data/0") + 8, b"\xff")), "checksum is wrong"
    yield "checksum-of-object", _patched(sound, (42, b"\x00")), "checksum is wrong"
    yield "data-before", b"PK\x03\x04" + bytes(100) + sound, "data before its first record"
    yield "text-before", b"#!/bin/sh\n" + sound, "pickle|magic|damaged"
    yield "data-behind", sound + bytes(100), None
    comment = archive({"data.pkl": b"I1\n."})
    hidden = sound + comment
    yield "two-archives", hidden, "data before its first record"
    yield (
        "comment-with-an-end",
        _patched(sound, (end + 20, b"\x16\0")) + b"PK\x05\x06" + bytes(18),
        ("no complete ZIP|no data.pkl|damaged|TorchScript|data before"),
    )
    yield "directory-beyond", _patched(sound, (end + 16, b"\xff\xff\xff\x7f")), "ZIP|before|where"
    yield "directory-size", _patched(sound, (end + 12, b"\xff\xff\xff\x7f")), "no complete ZIP"
    yield "count-lies", _patched(sound, (end + 8, b"\xff\xfe\xff\xfe")), None
    wide = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 2**63)
    lying = _with_extra(_RECORDS, wide)
    yield "zip64-lies", lying, "no complete ZIP|overlap|beyond"
    yield (
        "zip64-short",
        _with_extra(_RECORDS, struct.pack("<HHI", 1, 4, 7)),
        "no complete ZIP|beyond",
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 2**62, 1)
    yield "zip64-locator", sound[:end] + locator + sound[end:], "no complete ZIP|damaged|before"
    yield "truncated", sound[: len(sound) // 2], "no complete ZIP"
    yield "only-the-magic", b"PK\x03\x04", "no complete ZIP"
    yield "only-the-end", sound[end:], "magic|pickle|damaged|ZIP|no data"
    yield "byte-order", archive({**_RECORDS, "byteorder": b"middle"}), "byte order"
    yield "byte-order-long", archive({**_RECORDS, "byteorder": b"b" * 100_000}), "byte order"
    many = {f"data/{i}": b"" for i in range(1, 3000)}
    yield "many-records", archive({**_RECORDS, **many}), None
    yield "object-empty", archive({**_RECORDS, "data.pkl": b""}), "truncated"


def _with_extra(records: Mapping[str, bytes], extra: bytes) -> bytes:
    """An archive whose directory says of its last record that the sizes are in `extra`."""
    sound = archive(records)
    last = sound.rindex(b"PK\x01\x02")
    end = sound.index(b"PK\x05\x06")
    ones = b"\xff" * 4
    entry = bytearray(sound[last:end])
    entry[20:28] = ones * 2
    entry[30:32] = struct.pack("<H", len(extra))
    entry[42:46] = ones
    tail = bytearray(sound[end:])
    size = struct.unpack_from("<I", tail, 12)[0]
    struct.pack_into("<I", tail, 12, size + len(extra))
    return sound[:last] + bytes(entry) + extra + bytes(tail)


def _streams() -> Iterator[tuple[str, bytes, str | None]]:
    sound = stream(_SOUND, _STORAGE)
    dump = pickle.dumps
    head = [dump(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
    start = b"".join(head)
    floats = struct.pack("<q", 4) + _STORAGE["0"]
    yield "tar", _tar(), "is a tar archive"
    yield "magic", dump(5, 2) + sound, "Invalid magic number"
    yield "magic-text", dump("5", 2) + sound, "Invalid magic number"
    yield "version", head[0] + dump(1002, 2) + sound, "Invalid protocol version: 1002"
    bomb = b")" + b"q\x00h\x00\x86" * 40 + b"."
    yield "version-bomb", head[0] + bomb, r"Invalid protocol version: \(\(\.\.\.\), \(\.\.\.\)\)"
    yield "version-enormous", head[0] + number(1 << 100_000) + b".", "a number of 100001 bits"
    yield "no-keys", start + _SOUND, "truncated"
    for what, keys in (("text", "0"), ("number", [0]), ("twice", ["0", "0"]), ("unknown", ["0", "9"]),
                       ("bytes", [b"\xff"]), ("tuple", ("0",))):  # fmt: skip
        data = start + _SOUND + dump(keys, 2) + floats * 2
        yield f"keys-{what}", data, "list of the storages|not one that the object refers to"
    keys = dump(["0"], 2)
    yield "numel-lies", start + _SOUND + keys + struct.pack("<q", 5) + bytes(20), "is to have 4"
    yield (
        "numel-negative",
        start + _SOUND + keys + struct.pack("<q", -1) + bytes(16),
        "is to have 4",
    )
    yield "storage-truncated", sound[:-1], "truncated"
    yield "storage-missing", start + _SOUND + dump([], 2), "is not in the file"
    yield "not-a-file", b"\x00" * 64, "pickle|truncated|damaged"
    yield "html", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "pickle"
    yield "text", b"hello", "pickle"
    for what, first, count in (("beyond", 3, 2), ("negative", -1, 1), ("huge", 2**62, 2**62)):
        view = tensor(of=_viewed(first, count), size=numbers(1))
        yield f"view-{what}", stream(view + b".", _STORAGE), "elements .* of 4"
    view = tensor(of=_viewed(2, 2), size=numbers(3))
    yield "view-left", stream(view + b".", _STORAGE), "reaches beyond its storage"


def _viewed(first: int, count: int) -> bytes:
    from fuzz.hostile.assembly import name, tuple_of

    view = tuple_of(text("v"), number(first), number(count))
    fields = (
        text("storage"),
        name("torch", "FloatStorage"),
        text("0"),
        text("cpu"),
        number(4),
        view,
    )
    return tuple_of(*fields) + b"Q"


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as found:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = 2
            found.addfile(info, io.BytesIO(b"N."))
    return out.getvalue()


def _header(header: object, data: bytes = bytes(16), length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def _entry(
    shape: object = (4,), offsets: object = (0, 16), dtype: object = "F32"
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _safetensors() -> Iterator[tuple[str, bytes, str | None]]:
    shape, hole, offsets = "no proper shape", "hole or an overlap", "no proper offsets"
    yield "length-huge", _header({"a": _entry()}, length=2**63), "truncated|no safetensors"
    yield "length-beyond", _header({"a": _entry()}, length=1000), "truncated|no safetensors"
    yield "length-short", _header({"a": _entry()}, length=5), "damaged"
    yield "length-zero", _header({"a": _entry()}, length=0), "no safetensors|no JSON|damaged"
    for what, size in (("negative", [-4]), ("float", [4.0]), ("nan", [float("nan")]), ("text", ["4"]),
                       ("truth", [True]), ("nested", [[4]]), ("none", None), ("huge", [2**64]),
                       ("long", [1] * 65)):  # fmt: skip
        yield f"shape-{what}", _header({"a": _entry(size)}), shape
    yield "shape-overflow", _header({"a": _entry([2**32, 2**32])}), "do not take|no proper shape"
    yield (
        "shape-overflow-empty",
        _header({"a": _entry([2**61, 2**61, 0], [0, 0])}, b""),
        ("beyond|shape|layout"),
    )
    yield "shape-more", _header({"a": _entry([5])}), "do not take 16 bytes"
    for what, span in (("negative", [-16, 0]), ("turned", [16, 0]), ("one", [16]), ("float", [0.0, 16.0]),
                       ("huge", [0, 2**70]), ("text", "016"), ("infinite", [0, float("inf")])):  # fmt: skip
        yield f"offsets-{what}", _header({"a": _entry(offsets=span)}), offsets + "|do not take"
    yield "offsets-beyond", _header({"a": _entry([8], [0, 32])}), "32 bytes of data|beyond|damaged"
    two = {"a": _entry([2], [0, 8]), "b": _entry([2], [4, 12])}
    yield "overlap", _header(two, bytes(12)), hole
    yield "same-place", _header({"a": _entry(), "b": _entry()}), hole
    yield "hole", _header({"a": _entry([2], [8, 16])}), hole
    yield "data-behind", _header({"a": _entry()}, bytes(20)), "are there"
    turned = {"b": _entry([2], [8, 16]), "a": _entry([2], [0, 8])}
    yield "order-turned", _header(turned), None
    for what, dtype in (
        ("unknown", "F33"),
        ("text", "O"),
        ("number", 3),
        ("list", ["F32"]),
        ("none", None),
    ):
        yield f"dtype-{what}", _header({"a": _entry(dtype=dtype)}), "which flambeau lacks|dtype"
    same = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
    yield "name-twice", _header(same + same[1:-1] + b"}"), "appears twice"
    key_twice = same[:-2] + b',"shape":[4]}}'
    yield "key-twice", _header(key_twice), "appears twice"
    yield "entry-list", _header({"a": []}), "entry for 'a' is damaged"
    yield "entry-more", _header({"a": {**_entry(), "x": 1}}), "entry for 'a' is damaged"
    yield "metadata-number", _header({"__metadata__": {"a": 1}, "a": _entry()}), "metadata"
    yield "metadata-list", _header({"__metadata__": [], "a": _entry()}), "metadata"
    yield "deep", _header(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "damaged"
    yield "deep-objects", _header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "damaged"
    yield "digits", _header(b'{"a":' + b"9" * 100_000 + b"}"), "damaged"
    yield "not-utf-8", _header(b'{"\xff":1}'), "damaged"
    yield "not-json", _header(b"{a:1}"), "damaged"
    yield "not-an-object", _header(b"[1, 2]    "), "JSON|no safetensors"
    yield "surrogates", _header(b'{"\\ud800":1}'), "damaged|surrogate|encode"


def attacks() -> Iterator[Attack]:
    for name, data, refusal in _archives():
        yield Attack(f"archive/{name}.pt", data, refusal)
    for name, data, refusal in _streams():
        yield Attack(f"stream/{name}.pt", data, refusal)
    for name, data, refusal in _safetensors():
        yield Attack(f"safetensors/{name}.safetensors", data, refusal)
    yield Attack("archive/crc.pt", checkpoint(b"I5\n."), None)
    yield Attack("archive/zlib.pt", zlib.compress(checkpoint(_SOUND)), "pickle|damaged|magic")
