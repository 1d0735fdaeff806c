"""Pickles whose tensors, arrays and containers are wrong, or cost time, memory or the stack."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.hostile import Attack
from fuzz.hostile.assembly import (
    FLOATS,
    call,
    name,
    number,
    numbers,
    raw,
    storage,
    tensor,
    text,
    tuple_of,
    typed,
)  # fmt: skip
from fuzz.targets._archives import checkpoint, stream

_OUTSIDE = "reaches beyond its storage"
_NO_SIZE = "something else than a size"
_DEEP = 20_000
_DEEPER = 60_000  # where freeing what Python does not guard overflows the stack
_HUGE = 2**62
_HASH = (1 << 61) - 1


def _layouts() -> Iterator[tuple[str, bytes, str | None]]:
    yield "offset-beyond", tensor(offset=number(3)), _OUTSIDE
    yield "offset-negative", tensor(offset=number(-1)), _NO_SIZE
    yield "offset-overflow", tensor(offset=number(2**63 - 1)), _OUTSIDE
    yield "offset-64-bits", tensor(offset=number(2**64)), _NO_SIZE
    yield "offset-text", tensor(offset=text("0")), _NO_SIZE
    yield "size-beyond", tensor(size=numbers(5)), _OUTSIDE
    yield "size-negative", tensor(size=numbers(-1)), _NO_SIZE
    yield "size-overflow", tensor(size=numbers(2**32, 2**32), stride=numbers(1, 1)), _OUTSIDE
    yield "size-64-bits", tensor(size=numbers(2**63)), _NO_SIZE
    yield "size-float", tensor(size=tuple_of(b"G@\x00\x00\x00\x00\x00\x00\x00")), _NO_SIZE
    yield "size-truth", tensor(size=tuple_of(b"\x88")), _NO_SIZE
    yield "size-range", tensor(size=call("builtins", "range", number(10**12))), "of size a range"
    yield "size-text", tensor(size=text("2")), "of size '2'"
    yield "size-and-strides-differ", tensor(size=numbers(1, 1)), "2 sizes and 1 strides"
    yield "dimensions", tensor(size=numbers(*[1] * 65), stride=numbers(*[1] * 65)), "65 sizes"
    yield "stride-beyond", tensor(stride=numbers(4)), _OUTSIDE
    yield "stride-negative", tensor(stride=numbers(-1)), _NO_SIZE
    yield "stride-overflow", tensor(size=numbers(3), stride=numbers(2**62)), _OUTSIDE
    yield "stride-wraps", tensor(size=numbers(5), stride=numbers(2**61)), _OUTSIDE
    yield "blown-up-view", tensor(size=numbers(2**40), stride=numbers(0)), None
    yield "blown-up-overflow", tensor(size=numbers(_HUGE), stride=numbers(0)), "overflow"
    conjugated = b"}" + text("conj") + b"\x88s"
    blown = tensor(numbers(_HUGE), numbers(0), number(0), FLOATS, conjugated)
    yield "blown-up-copy", blown, "blows them up"
    bomb = _bomb(40)
    yield "bomb-as-size", tensor(size=bomb, stride=numbers(1, 1)), _NO_SIZE
    yield "bomb-as-stride", tensor(size=numbers(1, 1), stride=bomb), _NO_SIZE
    yield "bomb-as-dtype", typed("no_such_dtype", FLOATS, numbers(1), numbers(1)), "not among"


def _storages() -> Iterator[tuple[str, bytes, str | None]]:
    def one(numel: bytes, kind: str = "FloatStorage", key: str = "0", where: str = "cpu") -> bytes:
        return tensor(size=numbers(1), of=storage(kind, key, numel, where))

    yield "numel-more", one(number(5)), "its record has 16 bytes|elements, and has not"
    yield "numel-negative", one(number(-4)), "a storage of -4 elements"
    yield "numel-huge", one(number(_HUGE - 1)), "its record has|elements, and has not|truncated"
    yield "numel-overflow", one(number(2**62)), "a storage of 4611686018427387904 elements"
    yield "numel-wraps", one(number(2**62 + 4)), "a storage of"
    yield "numel-enormous", one(number(1 << 100_000)), "a storage of a number of 100001 bits"
    yield "numel-text", one(text("4")), "a storage of '4' elements"
    yield "numel-bomb", one(_bomb(40)), r"a storage of \(\(\.\.\.\), \(\.\.\.\)\) elements"
    yield "numel-truth", one(b"\x88"), "a storage of True elements"
    yield (
        "wider-dtype",
        one(number(4), "DoubleStorage"),
        "its record has 16 bytes|truncated|has not",
    )
    two = tuple_of(one(number(4)), one(number(16), "ByteStorage"))
    yield "two-dtypes", two, "two different descriptions"
    yield "key-absent", one(number(4), key="7"), "is missing|not one|not in the file"
    yield (
        "key-outside",
        one(number(4), key="../../etc/passwd"),
        "is missing|not one|not in the file",
    )
    yield "key-of-the-pickle", one(number(4), key="../data.pkl"), "is missing|not one|not in"
    yield "key-number", tensor(of=_reference(key=number(0))), "without a key"
    yield "location-none", one(number(4), where="cuda:99"), "no such device|99"
    yield "location-nonsense", one(number(4), where="\x00nonsense"), "device|nonsense"
    yield "location-bytes", tensor(of=_reference(location=raw(b"\xff\xfe"))), "is described by"
    yield "kind-text", tensor(of=_reference(kind=text("FloatStorage"))), "no storage"
    yield "no-storage", tensor(of=text("0")), "without a storage"
    yield "fields", tensor(of=tuple_of(text("storage")) + b"Q"), "no storage"
    wide = typed("float64", storage("FloatStorage", "0", number(4)), numbers(3), numbers(1))
    yield "wider-view", wide, _OUTSIDE
    truth = typed("bool", FLOATS, numbers(16), numbers(1))
    yield "truth-of-floats", truth, "no truth values"


def _reference(
    kind: bytes | None = None, key: bytes | None = None, location: bytes | None = None
) -> bytes:
    fields = (
        text("storage"), kind or name("torch", "FloatStorage"), key or text("0"),
        location or text("cpu"), number(4),
    )  # fmt: skip
    return tuple_of(*fields) + b"Q"


def _kinds() -> Iterator[tuple[str, bytes, str | None]]:
    def sparse(indices: bytes, size: bytes, layout: str = "torch.sparse_coo") -> bytes:
        parts = tuple_of(indices, tensor(), size)
        shape = call("torch.serialization", "_get_layout", text(layout))
        return call("torch._utils", "_rebuild_sparse_tensor", shape, parts)

    def indices(*stride: int) -> bytes:
        of = storage("LongStorage", "1", number(2))
        return tensor(size=numbers(1, 2), stride=numbers(*stride), of=of)

    yield "sparse-outside", sparse(indices(2, 1), numbers(1)), "size is inconsistent|found"
    yield "sparse-size-negative", sparse(indices(2, 1), numbers(-5)), "sparse tensor of size"
    yield "sparse-dimensions", sparse(indices(2, 1), numbers(9, 9)), "does not have|values do not"
    yield "sparse-float-indices", sparse(tensor(numbers(1, 2), numbers(2, 1)), numbers(9)), "sparse"
    yield "sparse-csr", sparse(indices(2, 1), numbers(9), "torch.sparse_csr"), "layout"
    yield "sparse-range", call(
        "torch._utils", "_rebuild_sparse_tensor",
        call("torch.serialization", "_get_layout", text("torch.sparse_coo")),
        call("builtins", "range", number(10**12)),
    ), "made of a range"  # fmt: skip
    yield "size-of-range", call("torch", "Size", call("builtins", "range", number(10**12))), "Size"
    yield "from-type-range", call(
        "torch._tensor", "_rebuild_from_type_v2", name("torch._utils", "_rebuild_tensor_v2"),
        name("torch", "Tensor"), call("builtins", "range", number(10**12)), b"}",
    ), "made of a range"  # fmt: skip
    state = b"}" + text("_offset") + number(10**9) + b"s"
    yield (
        "tensor-internals",
        call("torch._utils", "_rebuild_parameter_with_state", tensor(), b"\x88", b"}", state),
        "sets '_offset'",
    )
    yield "tensor-methods", call(
        "torch._utils", "_rebuild_parameter_with_state", tensor(), b"\x88", b"}",
        b"}" + text("backward") + b"Ns",
    ), "sets 'backward'"  # fmt: skip
    yield "range-of-range", call("builtins", "range", call("builtins", "range", number(3))), "range"
    rebuilt = call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"),
                   numbers(0), raw(b"b"))  # fmt: skip

    def array(dtype: str, shape: bytes, data: bytes) -> bytes:
        kind = call("numpy", "dtype", text(dtype), b"\x89", b"\x88")
        return rebuilt + tuple_of(number(1), shape, kind, b"\x89", data) + b"b"

    yield "numpy-objects", array("O8", numbers(1), raw(bytes(8))), "dtype 'O8'"
    yield "numpy-void", array("V8", numbers(1), raw(bytes(8))), "dtype 'V8'"
    yield "numpy-shape", array("f4", numbers(3), raw(bytes(8))), "does not take 8 bytes"
    yield "numpy-shape-huge", array("f4", numbers(2**61, 2), raw(bytes(8))), "does not take"
    yield "numpy-shape-negative", array("f4", numbers(-2), raw(bytes(8))), "no shape"
    yield "numpy-shape-bomb", array("f4", _bomb(40), raw(bytes(8))), "no shape"
    yield "numpy-shape-long", array("f4", numbers(*[2**62] * 1000), raw(bytes(8))), "no shape"
    yield "numpy-data-list", array("f4", numbers(2), b"]"), "not bytes"
    yield "numpy-wide-text", array("S9999999", numbers(1), raw(b"a")), "does not take"
    yield "numpy-dtype-bomb", call("numpy", "dtype", _bomb(40)), "where a dtype's code"
    yield "numpy-subclass", call("numpy.core.multiarray", "_reconstruct",
                                 name("builtins", "object"), numbers(0), raw(b"b")), "other than"  # fmt: skip
    kind = call("numpy", "dtype", text("f4"), b"\x89", b"\x88")
    fields = b"}" + text("a") + tuple_of(kind, number(0)) + b"s"
    yield "numpy-fields", kind + tuple_of(
        number(3), text("<"), b"N", tuple_of(text("a")), fields, number(8), number(1), number(0)
    ) + b"b", "fields"  # fmt: skip
    yield "numpy-object-scalar", call("numpy.core.multiarray", "scalar",
                                      call("numpy", "dtype", text("O8"), b"\x89", b"\x88"),
                                      raw(bytes(8))), "dtype 'O8'"  # fmt: skip


def _bomb(levels: int) -> bytes:
    """A tuple that holds another twice, and so on: a short file with 2**levels leaves."""
    return b")" + b"q\x00h\x00\x86" * levels


def _costs() -> Iterator[tuple[str, bytes, str | None]]:
    yield "deep-lists", b"]" * _DEEP + b"a" * (_DEEP - 1), None
    yield "deep-tuples", b")" + b"\x85" * _DEEP, None
    yield "deep-dicts", b"}" + b"K\x00}" * _DEEP + b"s" * _DEEP, None
    yield "deep-marks", b"(" * _DEEP + b"t" * _DEEP, None
    factory = call("collections", "defaultdict", name("builtins", "list"))
    default = name("collections", "defaultdict") + b"q\x000"
    one = b"h\x00)R"
    chain = default + one + (b"K\x00" + one) * _DEEPER + b"s" * _DEEPER
    yield "deep-defaultdicts", chain, "too deep"
    yield "deep-defaultdicts-cut", chain + b"\xff", "no pickle opcode"
    yield "defaultdict-in-itself", factory + b"q\x01K\x00h\x01s", None
    slices = name("builtins", "slice") + b"q\x000" + b"h\x00" * _DEEP + b"N" + b"\x85R" * _DEEP
    yield "deep-slices", slices, "a slice of"
    frozen = b"(N\x91" + b"q\x000(h\x00\x91" * 1000
    yield "deep-frozensets", frozen, "nests too deep or is too large"
    yield "list-in-itself", b"]q\x00h\x00a", None
    yield "dict-in-itself", b"}q\x00K\x00h\x00s", None
    yield "key-deep", b"}" + b")" + b"\x85" * _DEEP + b"Ns", "nests too deep or is too large"
    yield "key-bomb", b"}" + _bomb(30) + b"Ns", "nests too deep or is too large"
    yield "member-bomb", b"\x8f(" + _bomb(30) + b"\x90", "nests too deep or is too large"
    yield "bomb", _bomb(200), None
    big = tuple_of(*[b"N"] * 9000) + b"q\x000"
    yield (
        "key-long-often",
        big + b"}" + b"h\x00Ns" * 500,
        "nests too deep or is too large|same hash",
    )
    yield "member-long-often", big + b"(" + b"\x8f(h\x00\x90" * 500 + b"t", "too large"
    same = b"".join(number(_HASH * (i + 1)) for i in range(2_000))
    yield "members-of-one-hash", b"\x8f(" + same + b"\x90", "have the same hash"
    yield "frozen-of-one-hash", b"(" + same + b"\x91", "have the same hash"
    items = b"".join(number(_HASH * (i + 1)) + b"N" for i in range(2_000))
    yield "keys-of-one-hash", b"}(" + items + b"u", "have the same hash"
    yield "set-of-list", call("builtins", "set", b"](" + same + b"e"), "have the same hash"
    pairs = b"".join(number(_HASH * (i + 1)) + b"N\x86" for i in range(2_000))
    yield (
        "ordered-of-one-hash",
        call("collections", "OrderedDict", b"](" + pairs + b"e"),
        "same hash",
    )
    planes = b"".join(
        call("builtins", "complex", _float(-1000003.0 * i), _float(float(i))) for i in range(1_000)
    )
    yield "complex-of-one-hash", b"\x8f(" + planes + b"\x90", "have the same hash"
    memo = b"N" + b"".join(b"p%d\n" % (_HASH * (i + 1)) for i in range(2_000))
    yield "memo-of-one-hash", memo, "the memo has no place"
    yield "memo-negative", b"Np-1\n", "the memo has no place"
    yield "memo-empty", b"h\x05", "damaged at byte"
    copied = (
        name("collections", "OrderedDict")
        + b"q\x000"
        + b"]("
        + b"K\x00K\x00\x86" * 5000
        + b"eq\x010"
    )
    yield "copies", copied + b"(" + b"h\x00h\x01\x85R" * 1000 + b"t", "over and over"
    keyword = b"h\x00)}" + text("items") + b"h\x01s\x92"
    yield "copies-by-keyword", copied + b"(" + keyword * 1000 + b"t", "over and over"
    block = raw(bytes(100_000)) + b"q\x010" + name("builtins", "bytearray") + b"q\x000"
    yield "copies-of-bytes", block + b"(" + b"h\x00h\x01\x85R" * 1000 + b"t", "over and over"
    yield "sets-in-plenty", b"(" + b"\x8f" * 20_000 + b"t", None
    yield "long-number", number(1 << 800_000), None
    yield "long-decimal", b"L" + b"9" * 100_000 + b"L\n", "damaged at byte.*digits"
    yield "long-hexadecimal", b"L0x" + b"f" * 100_000 + b"L\n", None
    yield "float-overflow", b"F1e999999999\n", None
    yield "float-nan", b"G\x7f\xf8\x00\x00\x00\x00\x00\x00", None
    yield "bytes-size-lies", b"\x8e" + b"\xff" * 7 + b"\x7f", "truncated"
    yield "text-size-lies", b"\x8d" + b"\xff" * 8, "truncated"
    yield "bytearray-size-lies", b"\x96" + b"\xff" * 7 + b"\x3f", "truncated"
    yield "number-size-lies", b"\x8b\xff\xff\xff\xff", "truncated"
    yield "frame-lies", b"\x95" + b"\xff" * 7 + b"\x7fN", "truncated"
    yield "utf-8-broken", b"X\x02\x00\x00\x00\xff\xfe", "damaged at byte"
    yield "surrogates", text("\ud800\udfff"), None
    yield "text-unquoted", b"Sabc\n", "without its quotes"
    yield "long-name", b"c" + b"a." * 100_000 + b"\nb\n", "a name of 200002 characters"
    yield "odd-items", b"}(NNNu", "a key without a value"
    yield "no-mark", b"t", "damaged at byte"
    yield "append-to-tuple", b")Na", "appends to a tuple"
    yield "add-to-list", b"](N\x90", "adds to a list"
    yield "items-of-list", b"]NNs", "sets items of a list"
    yield "unhashable", b"}]Ns", "damaged at byte|unhashable"
    yield "nothing", b"", "truncated|damaged"


def _float(value: float) -> bytes:
    import struct

    return b"G" + struct.pack(">d", value)


def attacks() -> Iterator[Attack]:
    """Each in an archive and in a stream of the form before PyTorch 1.6."""
    storages = {"0": bytes(range(4, 20)), "1": (1).to_bytes(8, "little") * 2}
    for kind, found in (("layout", _layouts()), ("storage", _storages()), ("kind", _kinds())):
        for what, pickled, refusal in found:
            data = checkpoint(pickled + b".", storages)
            yield Attack(f"{kind}/{what}.pt", data, refusal)
            if kind == "layout":
                yield Attack(
                    f"{kind}/{what}-stream.pt", stream(pickled + b".", {"0": bytes(16)}), refusal
                )
    for what, pickled, refusal in _costs():
        data = pickled + b"."
        yield Attack(f"cost/{what}.pt", checkpoint(data), refusal)
        # A stream lists its storages, and these objects refer to none.
        if "defaultdicts" not in what:
            yield Attack(f"cost/{what}-stream.pt", stream(data, {}), refusal)
