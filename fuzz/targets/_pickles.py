"""Pickles for the targets that read them: seeds, words, and a mutator that knows the opcodes."""

from __future__ import annotations

import pickletools
import random
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

_GLOBALS = (
    "collections OrderedDict", "collections defaultdict", "collections Counter",
    "collections deque", "builtins set", "builtins frozenset", "builtins list", "builtins tuple",
    "builtins dict", "builtins bytes", "builtins bytearray", "builtins complex",
    "builtins slice", "builtins range", "builtins int", "builtins object", "__builtin__ getattr",
    "_codecs encode", "numpy ndarray", "numpy dtype", "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray scalar", "numpy._core.numeric _frombuffer",
    "numpy.dtypes Float32DType", "torch float32", "torch FloatStorage", "torch BFloat16Storage",
    "torch.storage UntypedStorage", "torch Size", "torch device", "torch Tensor",
    "torch.nn.parameter Parameter", "torch.serialization _get_layout",
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state", "torch._utils _rebuild_sparse_tensor",
    "torch._tensor _rebuild_from_type_v2", "os system", "posix system", "builtins eval",
    "torch.nn.modules.linear Linear", "torch.optim.sgd SGD", "torch.utils.data DataLoader",
    "pathlib PosixPath", "argparse Namespace", "datetime datetime", "decimal Decimal",
    "functools partial", "uuid UUID", "random Random", "types SimpleNamespace",
)  # fmt: skip
GLOBALS = tuple("c{}\n{}\n".format(*name.split()).encode() for name in _GLOBALS)

_PUSHES: tuple[bytes, ...] = (
    b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f", b"(", b"(", b"K\x00", b"K\x01", b"K\x02",
    b"J\xff\xff\xff\xff", b"J\xff\xff\xff\x7f", b"M\x00\x01", b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b"\x8a\x09" + bytes(8) + b"\x01", b"\x8a\xff" + b"\x7f" * 255, b"G\x7f\xf8" + bytes(6),
    b"G\x7f\xf0" + bytes(6), b"G" + bytes(8), b"L999999999999999999999L\n", b"I01\n", b"I-1\n",
    b"I" + b"9" * 200 + b"\n", b"F1e400\n", b"S'a'\n", b"S\"\\x41\\\n\"\n", b"Va\\ud800\n",
    b"X\x01\x00\x00\x00a", b"X\x03\x00\x00\x00\xed\xa0\x80", b"U\x02\xff\xfe", b"\x8c\x04conj",
    b"\x8c\x03neg", b"\x8c\x03cpu", b"\x8c\x06cuda:0", b"\x8c\x04meta", b"\x8c\x07storage",
    b"\x8c\x06module", b"\x8c\x0dtorch.strided", b"\x8c\x10torch.sparse_coo", b"C\x04abcd",
    b"B\x08\x00\x00\x00abcdefgh", b"\x96" + b"\x04" + bytes(7) + b"abcd", b"C\x00", b"\x8c\x02f4",
    b"\x8c\x02O8", b"\x8c\x02b1", b"\x8c\x01<", b"\x8c\x09_metadata", b"\x8c\x09__class__",
    b"\x8c\x08__dict__", b"\x8c\x04data", b"\x8c\x0d_backward_hooks",
)  # fmt: skip
_STEPS: tuple[bytes, ...] = (
    b"0", b"1", b"2", b"\x85", b"\x86", b"\x87", b"t", b"t", b"l", b"a", b"e", b"d", b"s", b"u",
    b"\x90", b"\x91", b"\x93", b"R", b"R", b"\x81", b"\x92", b"o", b"b", b"b", b"Q", b"\x94",
    b"q\x00", b"q\x01", b"h\x00", b"h\x00", b"h\x01", b"h\x02", b"g0\n", b"p1\n",
    b"j\x01\x00\x00\x00", b"r\xff\xff\xff\x7f", b"\x82\x01", b"\x97", b"P0\n", b".",
    b"icollections\nOrderedDict\n", b"ios\nsystem\n", b"\x80\x02", b"\x80\x05",
    b"\x95" + bytes(8),
)  # fmt: skip
STORAGE = (b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x04tQ",)
TENSOR = (b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE[0] + b"K\x00K\x02K\x02\x86K\x02K\x01"
          b"\x86\x89}tR",)  # fmt: skip
PIECES = (*GLOBALS, *_PUSHES, *_STEPS, *STORAGE, *TENSOR)
DICTIONARY = tuple(piece for piece in PIECES if len(piece) < 60)


def plain_values() -> list[Any]:
    """Small values that together need every opcode that Python writes."""
    shared: list[Any] = [1]
    loop: list[Any] = []
    loop.append(loop)
    arrays = [
        np.arange(6, dtype=">i4").reshape(2, 3), np.ones((2, 2), np.float32, "F"),
        np.array(["a", "bc"]), np.float64(2.0), np.zeros(0, bool), np.dtype("f2"),
    ]  # fmt: skip
    return [
        None, [True, False, 1, 300, -70000, 2**70, -(2**3000), 1.5, 1j], [b"bytes", "é", "\ud800"],
        {"a": (), "b": (1,), "c": (1, 2, 3, 4)}, {1, 2}, frozenset([(1, 2)]), bytearray(b"ab"),
        [shared, shared], loop, OrderedDict(a=1), defaultdict(list, a=[1]), Counter("aab"),
        slice(1, 2, 3), range(4), complex, *arrays, {b"data": arrays[0], b"labels": [1, 2]},
    ]  # fmt: skip


_OPERANDS: dict[int, tuple[int, int]] = {}
"""By opcode: how many bytes follow, or of how many bytes the size is of what follows; less than
zero for lines."""
for _op in pickletools.opcodes:
    _n = _op.arg.n if _op.arg else 0
    _name = _op.arg.name if _op.arg else ""
    if _n == pickletools.UP_TO_NEWLINE:
        _OPERANDS[ord(_op.code)] = (-2 if "pair" in _name else -1, 0)
    elif _n < 0:
        _width = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}
        _OPERANDS[ord(_op.code)] = (0, _width.get(_n, 4))
    else:
        _OPERANDS[ord(_op.code)] = (_n, 0)


def split(data: bytes) -> list[bytes]:
    """A pickle's opcodes with their operands; what can't be read is one piece at the end."""
    pieces, at, end = [], 0, len(data)
    while at < end:
        start = at
        fixed, width = _OPERANDS.get(data[at], (end, 0))
        at += 1
        if width:
            at += width + int.from_bytes(data[at : at + width], "little")
        elif fixed >= 0:
            at += fixed
        else:
            for _ in range(-fixed):
                at = data.find(b"\n", at) + 1 or end
        pieces.append(data[start:at])
    return pieces


def mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Take out, double, exchange and insert whole opcodes, or change one's operand."""
    ops = split(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(ops) + 1)
        match rng.randrange(7):
            case 0:
                del ops[at : at + rng.choice((1, 1, 2, 5))]
            case 1:
                ops[at:at] = ops[at : at + rng.choice((1, 2, 5, 10))]
            case 2 | 3:
                ops.insert(at, rng.choice(PIECES))
            case 4:
                ops[at : at + 1] = [rng.choice(PIECES)]
            case 5 if at < len(ops):
                ops[at] = _operand(ops[at], rng)
            case _ if at < len(ops):
                ops[at] = plain(ops[at], len(ops[at]) + 8)
    return b"".join(ops)[:max_size]


def _operand(op: bytes, rng: random.Random) -> bytes:
    """The same opcode with another number or name."""
    code = op[:1]
    if code == b"c":
        return rng.choice(GLOBALS)
    if code in (b"K", b"J", b"M", b"\x8a"):
        value = rng.choice((0, 1, 2, 3, 4, 5, 8, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, -1))
        raw = struct.pack("<q", value) if -(2**63) <= value < 2**63 else bytes(8) + b"\x01"
        return b"\x8a" + bytes((len(raw),)) + raw
    return op[:-1] + bytes((rng.randrange(256),))
