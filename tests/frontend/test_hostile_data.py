"""Data that lie about themselves: sequences, arrays, buffers, DLPack's structures, states, texts."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.frontend import dlpack


class Sequence:
    """Says that it has `length` items; item `i` is what `item` gives."""

    def __init__(self, length: Any, item: Any) -> None:
        self._length, self._item = length, item

    def __len__(self) -> int:
        return self._length() if callable(self._length) else self._length  # type: ignore[no-any-return]

    def __getitem__(self, index: int) -> Any:
        return self._item(index)


def fails(error: Exception) -> Any:
    def raise_it(*_: Any) -> Any:
        raise error

    return raise_it


def test_sequences_that_lie() -> None:
    assert torch.tensor(Sequence(3, float)).tolist() == [0.0, 1.0, 2.0]
    assert torch.tensor([Sequence(2, lambda i: 1), [2, 3]]).tolist() == [[1, 1], [2, 3]]
    with pytest.raises(ZeroDivisionError):
        torch.tensor(Sequence(fails(ZeroDivisionError()), int))
    with pytest.raises(KeyError):
        torch.tensor(Sequence(3, fails(KeyError("boom"))))
    with pytest.raises(IndexError):
        torch.tensor(Sequence(5, [1, 2].__getitem__))
    with pytest.raises(ValueError, match="__len__"):
        torch.tensor(Sequence(-1, int))


def test_sequences_that_are_too_much() -> None:
    own: list[Any] = [1.0]
    own.append(own)
    around: list[Any] = []
    around.append(around)
    deep: Any = 1.0
    for _ in range(10000):
        deep = [deep]
    doubled: Any = [1.0, 1.0]
    for _ in range(60):
        doubled = [doubled, doubled]
    for data in (own, around, deep, doubled, [[1.0, 2.0], doubled], range(10**13), Sequence(2**62, int)):
        with pytest.raises((ValueError, TypeError, torch.OutOfMemoryError)):
            torch.tensor(data)
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        torch.tensor(deep)


@pytest.mark.parametrize("data", ["text", ["a"], object(), {1: 2}, {1}, iter([1]), [None], 10**4000, [[1], 2]])
def test_what_is_no_number(data: Any) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        torch.tensor(data)


def test_arrays_that_are_no_tensors() -> None:
    for dtype in (object, "M8[s]", "m8[s]", "V3", "S2", "U2", [("a", "i4")], np.longdouble):
        with pytest.raises(TypeError, match="can't convert"):
            torch.from_numpy(np.zeros(3, dtype))
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(np.zeros(3, ">f4"))
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.zeros(3)[::-1])
    strided = np.lib.stride_tricks.as_strided
    with pytest.raises(ValueError, match="multiple"):
        torch.from_numpy(strided(np.zeros(4), (3,), (3,)))
    large = torch.from_numpy(np.broadcast_to(np.float32(1), (1 << 48,)))
    assert large[5].item() == 1
    with pytest.raises(torch.OutOfMemoryError):
        (large + 1).tolist()
    unaligned = np.zeros(41, np.uint8)[1:].view(np.float32)
    assert (torch.from_numpy(unaligned.reshape(2, 5).T) + 1).sum() == 10


@pytest.mark.parametrize(
    ("error", "arguments"),
    [(TypeError, {"dtype": None}), (TypeError, {"dtype": "float32"}), (TypeError, {"dtype": np.float32}),
     (ValueError, {"count": 10**30}), (ValueError, {"count": 2**62}), (ValueError, {"count": 5}),
     (ValueError, {"count": 0}), (TypeError, {"count": 1.5}), (TypeError, {"count": None}),
     (ValueError, {"offset": -1}), (ValueError, {"offset": 16}), (ValueError, {"offset": 10**30}),
     (ValueError, {"offset": 1}), (ValueError, {"count": 4, "offset": 4}), (TypeError, {"offset": None})],
    ids=str,
)  # fmt: skip
def test_buffers(error: type[Exception], arguments: dict[str, Any]) -> None:
    with pytest.raises(error):
        torch.frombuffer(bytearray(16), **{"dtype": torch.float32, **arguments})


def _capsule(sizes: tuple[int, ...], steps: tuple[int, ...], **fields: Any) -> tuple[Any, Any]:
    """A capsule over 64 bytes with the given layout, and what it needs to live."""
    array = np.zeros(16, np.float32)
    made = dlpack._Versioned()
    made.major, made.tensor.ndim = 1, len(sizes)
    made.tensor.data, made.tensor.device_type = array.ctypes.data, 1
    kind = made.tensor.dtype
    kind.code, kind.bits, kind.lanes = 2, 32, 1
    shape, strides = (ctypes.c_int64 * 8)(*sizes), (ctypes.c_int64 * 8)(*steps)
    made.tensor.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
    if steps:
        made.tensor.strides = ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64))
    for name, value in fields.items():
        setattr(made if hasattr(made, name) else made.tensor, name, value)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule = new(ctypes.addressof(made), b"dltensor_versioned", None)
    return capsule, (array, made, shape, strides)


@pytest.mark.parametrize(
    ("sizes", "steps"),
    [((2**62,), ()), ((2**32, 2**32), ()), ((2**31, 2**31, 2**31), (1, 1, 1)), ((2, 3), (2**62, 1)),
     ((2**40,), (2**40,)), ((0,), (2**63 - 1,)), ((1,), (2**62,)), ((2**60, 0, 2**60), ())],
)  # fmt: skip
def test_dlpack_layouts_that_wrap_around(sizes: Any, steps: Any) -> None:
    capsule, alive = _capsule(sizes, steps)
    with pytest.raises(RuntimeError, match="sizes"):
        torch.from_dlpack(capsule)
    del alive


def test_dlpack_fields_that_lie() -> None:
    for fields in ({"byte_offset": 2**64 - 4}, {"byte_offset": 2**63}):
        capsule, alive = _capsule((4,), (1,), **fields)
        with pytest.raises(RuntimeError, match="address space"):
            torch.from_dlpack(capsule)
    for major in (0, 2, 2**32 - 1):
        capsule, alive = _capsule((4,), (1,), major=major)
        with pytest.raises(BufferError, match="version 1"):
            torch.from_dlpack(capsule)
    capsule, alive = _capsule((4,), (1,))
    assert torch.from_dlpack(capsule).tolist() == [0.0] * 4
    with pytest.raises(RuntimeError, match="invalid capsule"):
        torch.from_dlpack(capsule)
    del alive


def test_states_of_generators() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    for spoilt in (state[:-1], state[:0], torch.zeros_like(state), torch.full_like(state, 255),
                   state.repeat(2)):  # fmt: skip
        with pytest.raises(RuntimeError, match="set_state"):
            generator.set_state(spoilt)
        assert torch.equal(generator.get_state(), state)
    for wrong in (state.int(), None, b"x" * 5056):
        with pytest.raises(TypeError):
            generator.set_state(wrong)


GARBAGE = {
    "FLAMBEAU_MAX_PENDING": "²", "FLAMBEAU_MAX_PENDING_BYTES": "--5", "FLAMBEAU_DEBUG": "-3",
    "FLAMBEAU_COMPILE": "\udcff", "FLAMBEAU_FUSION": "1e9", "FLAMBEAU_PROGRAM_CACHE": "-7",
    "FLAMBEAU_NUM_THREADS": "9" * 5000, "FLAMBEAU_CACHE_DIR": "/dev/null/" + "x" * 5000,
    "FLAMBEAU_MEMORY_LIMIT": "-1", "FLAMBEAU_VERIFY": "yes", "FLAMBEAU_CHECK": "", "FLAMBEAU_MAIN": "?",
    "XDG_CACHE_HOME": "not/absolute",
}  # fmt: skip


def test_an_environment_of_rubbish() -> None:
    program = (
        "import flambeau as t\n"
        "x = t.ones(4, 3, requires_grad=True)\n"
        "for _ in range(3): (x @ t.ones(3, 2)).relu().sum().backward()\n"
        "print(x.grad.sum().item())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **GARBAGE}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("72.0\n", "")
