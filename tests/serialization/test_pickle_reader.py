"""The pickle reader: everything plain is read, nothing is executed, nothing runs away."""

from __future__ import annotations

import collections
import os
import pickle
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flambeau.serialization import pickle_reader
from flambeau.serialization.pickle_reader import Known, PickleReader, read_plain_pickle

PLAIN = [
    None, True, False, 0, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**70, -(2**2000),
    1.5, -0.0, float("inf"), 3 + 4j, "", "text", "é\n\\u", "x" * 300, "\ud800", b"", b"\x00\xff",
    b"b" * 300, bytearray(b"abc"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2, [3]]],
    list(range(3000)), {}, {"a": {1: (2,)}}, {1, 2, "c"}, frozenset([1, (2, 3)]),
    collections.OrderedDict([("b", 1), ("a", 2)]), collections.Counter("aab"),
    collections.defaultdict(list, {1: [2]}), slice(1, None, 2), range(3),
]  # fmt: skip
ARRAYS = [
    np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(2.5),
    np.zeros((0, 3)), np.array([True, False]), np.arange(3, dtype=">f4"), np.array(["a", "bcd"]),
    np.array([b"a", b"bcd"]), np.arange(5000, dtype="i2"), np.array([1 + 2j]),
]  # fmt: skip
PROTOCOLS = range(6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_values_of_every_protocol(value: Any, protocol: int) -> None:
    found = read_plain_pickle(pickle.dumps(value, protocol), "utf-8")
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_every_protocol(protocol: int) -> None:
    for array in ARRAYS:
        found = read_plain_pickle(pickle.dumps(array, protocol))
        assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        assert found.flags.writeable
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_and_dtypes(protocol: int) -> None:
    for value in (np.float32(1.5), np.int64(-3), np.bool_(True), np.dtype(">i4"), np.dtype("U3")):
        found = read_plain_pickle(pickle.dumps(value, protocol))
        assert type(found) is type(value)
        assert found == value


def test_numpy_dtypes_are_not_changed_by_what_a_file_does_to_its_own() -> None:
    read_plain_pickle(pickle.dumps(np.dtype(">i4")))
    assert np.dtype("i4") == np.int32
    assert np.arange(2, dtype="i4").tolist() == [0, 1]


def test_identity_and_cycles_are_kept() -> None:
    shared: list[Any] = [1]
    found = read_plain_pickle(pickle.dumps([shared, shared]))
    assert found[0] is found[1]
    cycle: list[Any] = []
    cycle.append((cycle,))
    found = read_plain_pickle(pickle.dumps(cycle))
    assert found[0][0] is found


def _cifar_like() -> tuple[bytes, bytes]:
    """A batch as Python 2 has pickled it, and its pixels."""
    pixels = bytes(range(256)) * 12
    code = (
        b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85U\x01b\x87Rq\x02(K\x01K\x01M\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"tb"
        b"U\x06labels](K\x01K\x02eu."
    )
    return code, pixels


def test_a_batch_that_python_2_has_written() -> None:
    code, pixels = _cifar_like()
    found = read_plain_pickle(code)
    assert list(found) == ["data", "labels"]
    assert found["data"].shape == (1, 3072)
    assert found["data"].dtype == np.uint8
    assert found["data"].tobytes() == pixels
    assert found["labels"] == [1, 2]
    found = read_plain_pickle(code, encoding="bytes")
    assert list(found) == [b"data", b"labels"]
    assert found[b"data"].tobytes() == pixels


class _Evil:
    """What Python's own reader would execute."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_code_is_never_executed(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    with pytest.raises(
        pickle.UnpicklingError, match=r"posix.system|nt.system.*never executes code"
    ):
        read_plain_pickle(pickle.dumps(_Evil(target), protocol))
    assert not target.exists()


HOSTILE = {
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "getattr": b"cbuiltins\ngetattr\n.",
    "inst": b"(S'true'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'true'\no.",
    "call of data": b"])R.",
    "call of a dtype": b"cnumpy\nndarray\n(I1\ntR.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"Pname\n.",
    "out of band": b"\x80\x05\x97.",
    "protocol 6": b"\x80\x06N.",
    "unknown opcode": b"\xff.",
    "nothing on the stack": b".",
    "no mark": b"t.",
    "memo of nothing": b"h\x05.",
    "append to a dict": b"}K\x01a.",
    "item of a list": b"]K\x01K\x02s.",
    "odd items": b"}(K\x01u.",
    "unhashable key": b"}]K\x01s.",
    "state of a list": b"]}b.",
    "factory that is code": b"ccollections\ndefaultdict\n(ccollections\nCounter\ntR.",
    "bytes of an integer": b"cbuiltins\nbytearray\n(L99999999999L\ntR.",
    "list of an integer": b"cbuiltins\nlist\n(I9\ntR.",
    "shadowed method": b"ccollections\nOrderedDict\n)R}S'items'\nK\x01sb.",
    "object array": b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
    "bytes that are not there": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    "text that is not there": b"X\xff\xff\xff\xffabc.",
    "integer that is not there": b"\x8b\xff\xff\xff\x7f\x01.",
    "frame that is not there": b"\x95" + b"\x00" * 6 + b"\x01\x00N.",
    "digits without end": b"I" + b"9" * 100_000 + b"\n.",
    "text that is no UTF-8": b"X\x01\x00\x00\x00\xff.",
    "text without quotes": b"Sabc\n.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read_plain_pickle(HOSTILE[name])


def _array(shape: bytes, code: bytes, data: bytes) -> bytes:
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        + shape
        + b"cnumpy\ndtype\n(S'"
        + code
        + b"'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
        + data
        + b"'\ntb."
    )


def test_array_metadata_are_checked_against_the_data() -> None:
    assert read_plain_pickle(_array(b"(I2\nt", b"i2", b"abcd")).tobytes() == b"abcd"
    for shape in (b"(I3\nt", b"(I-2\nt", b"(I4611686018427387904\nI4\nt", b"(S'a'\nt", b"(F2.0\nt"):
        with pytest.raises(pickle.UnpicklingError):
            read_plain_pickle(_array(shape, b"i2", b"abcd"))
    for code in (b"O", b"i3", b"V2", b"S9999999999", b"f2,f2", b"M8[ns]"):
        with pytest.raises(pickle.UnpicklingError):
            read_plain_pickle(_array(b"(I2\nt", code, b"abcd"))


def test_nothing_recurses() -> None:
    deep = read_plain_pickle(b"]" * 100_000 + b"a" * 99_999 + b".")
    assert len(deep) == 1
    # Hashing a tuple recurses in C, where a deep one overflows the stack.
    with pytest.raises(pickle.UnpicklingError, match="nests too deep"):
        read_plain_pickle(b"})" + b"\x85" * 100_000 + b"K\x01s.")


def test_a_key_that_doubles_in_every_step_is_refused() -> None:
    # Each tuple holds the one before it twice: hashing the last costs 2**28 steps.
    step = b"q\x00h\x00\x86"
    with pytest.raises(pickle.UnpicklingError, match="nests too deep or is too large"):
        read_plain_pickle(b"}K\x01" + step * 28 + b"K\x01s.")


def test_copies_of_one_value_over_and_over_are_refused() -> None:
    big = b"X" + (1 << 20).to_bytes(4, "little") + b"x" * (1 << 20) + b"q\x000"
    copies = b"c_codecs\nencode\nq\x010" + b"]" + b"h\x01h\x00\x85Ra" * 1000 + b"."
    with pytest.raises(pickle.UnpicklingError, match="over and over"):
        read_plain_pickle(big + copies)


def test_truncated_pickles_are_refused_at_every_byte() -> None:
    for code in (_cifar_like()[0][:400], pickle.dumps(PLAIN[:20], 4), pickle.dumps(ARRAYS[0], 0)):
        for end in range(len(code) - 1):
            with pytest.raises(pickle.UnpicklingError):
                read_plain_pickle(code[:end])


def test_damaged_pickles_give_data_or_an_error_and_nothing_else() -> None:
    rng = random.Random(0)
    seeds = [pickle.dumps(value, p) for value in (PLAIN, *ARRAYS) for p in PROTOCOLS]
    deadline = time.monotonic() + 20
    for _ in range(4000):
        code = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            code[rng.randrange(len(code))] = rng.randrange(256)
        try:
            read_plain_pickle(bytes(code))
        except pickle.UnpicklingError:
            pass
        assert time.monotonic() < deadline


def test_names_that_a_caller_gives() -> None:
    known = {"mine.pair": Known(None, lambda a, b: (a, b)), "mine.value": Known(5)}
    code = b"cmine\npair\n(cmine\nvalue\nI2\ntR."
    assert PickleReader(code, known).load() == (5, 2)
    with pytest.raises(pickle.UnpicklingError, match="'mine.other'.*\nTry another."):
        PickleReader(b"cmine\nother\n.", known, hint=lambda name: "Try another.").load()


def test_pickles_that_follow_each_other() -> None:
    stream = pickle.dumps("first", 2) + pickle.dumps([2], 2)
    first = PickleReader(stream, {})
    assert first.load() == "first"
    second = PickleReader(stream, {}, start=first.position)
    assert second.load() == [2]
    assert second.position == len(stream)


def test_objects_outside_of_the_file() -> None:
    assert PickleReader(b"Pname\n.", {}, persistent_load=str.upper).load() == "NAME"

    def fail(_name: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        PickleReader(b"Pname\n.", {}, persistent_load=fail).load()


@pytest.mark.parametrize("code", [b"(", b"]", b"}", b"\x8f", b"]\x94"])
def test_empty_objects_have_a_bound(code, monkeypatch):
    monkeypatch.setattr(pickle_reader, "_MEMORY", 1000)
    assert read_plain_pickle(b"\x80\x05" + code * 4 + b"N.") is None
    with pytest.raises(pickle.UnpicklingError, match="32 times its size"):
        read_plain_pickle(b"\x80\x05" + code * 1000 + b"N.")
