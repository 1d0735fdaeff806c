"""DLPack both ways, with NumPy and with capsules that lie."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.frontend import dlpack
from flambeau.utils.dlpack import DLDeviceType, from_dlpack, to_dlpack

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
          "float32", "float64", "complex64", "complex128")  # fmt: skip
BITS = ("bfloat16", "complex32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu")


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_reads_and_writes_the_memory(name: str) -> None:
    t = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, name))
    a = np.from_dlpack(t.t())
    assert a.dtype.name == name and a.shape == (3, 2)
    np.testing.assert_array_equal(a, t.t().numpy())
    back = torch.from_dlpack(np.asarray(t.numpy())[:, ::2])
    assert back.dtype is t.dtype and back.stride() == (3, 2)
    back[0, 0] = 1
    assert t[0, 0].item() == 1
    t.fill_(0)
    assert not a.any()


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_dtypes_that_numpy_lacks_keep_their_names(name: str, version: Any) -> None:
    t = torch.tensor([1.0, 2.0, 0.5]).to(getattr(torch, name))
    capsule = t.__dlpack__(max_version=version)
    back = from_dlpack(capsule)
    assert back.dtype is t.dtype and back.data_ptr() == t.data_ptr()
    assert back[1:].to(torch.complex64).tolist() == [2.0, 0.5]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,)], ids=str)
def test_shapes(shape: Any) -> None:
    assert tuple(torch.from_dlpack(np.ones(shape)).shape) == shape
    assert np.from_dlpack(torch.ones(shape)).shape == shape


def test_versions_and_copies() -> None:
    t = torch.arange(3.0)
    assert "dltensor_versioned" in repr(t.__dlpack__(max_version=(1, 0)))
    assert '"dltensor"' in repr(t.__dlpack__())
    copied = from_dlpack(t.__dlpack__(max_version=(1, 0), copy=True))
    copied[0] = 9
    assert t[0] == 0
    apart = torch.from_dlpack(t, copy=True)
    apart[0] = 9
    assert t[0] == 0 and torch.from_dlpack(t, copy=False).data_ptr() == t.data_ptr()
    assert t.__dlpack_device__() == (DLDeviceType.kDLCPU, 0)


def test_read_only_memory_stays_so() -> None:
    a = np.ones(3)
    a.flags.writeable = False
    t = torch.from_dlpack(a)
    assert t.sum() == 3
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)
    assert a.tolist() == [1, 1, 1]


def test_memory_lives_as_long_as_somebody_reads_it() -> None:
    a = np.from_dlpack(torch.full((1000,), 7.0))
    t = torch.from_dlpack(np.full(1000, 3.0))
    gc.collect()
    assert a.sum() == 7000 and t.sum() == 3000
    unread = torch.ones(3).__dlpack__()
    del unread
    gc.collect()


def test_exports_that_are_refused() -> None:
    w = torch.ones(2, requires_grad=True)
    for x in (w, w * 2):
        with pytest.raises(BufferError, match="gradient"):
            x.__dlpack__()
    with pytest.raises(AssertionError, match="stream"):
        torch.ones(2).__dlpack__(stream=1)
    with pytest.raises(TypeError, match="stream"):
        torch.ones(2).__dlpack__(stream="main")
    with pytest.raises(BufferError, match="CPU"):
        torch.ones(2).__dlpack__(dl_device=(2, 0))


def _spoilt(**fields: Any) -> Any:
    """A capsule with something in it that can't be."""
    capsule = np.ones((2, 3)).__dlpack__()
    inside = dlpack._inside(capsule)
    assert inside is not None
    for name, value in fields.items():
        setattr(inside.dtype if name in ("code", "bits", "lanes") else inside, name, value)
    return capsule


@pytest.mark.parametrize(
    "fields",
    [{"code": 77}, {"code": 4, "bits": 8}, {"code": 17, "bits": 4}, {"bits": 3}, {"lanes": 4}, {"ndim": -1},
     {"ndim": 1000}, {"device_type": 2}, {"data": None}, {"shape": ctypes.POINTER(ctypes.c_int64)()}],
    ids=str,
)  # fmt: skip
def test_capsules_that_lie_are_refused(fields: Any) -> None:
    with pytest.raises(RuntimeError):
        torch.from_dlpack(_spoilt(**fields))


def test_sizes_and_strides_that_lie_are_refused() -> None:
    for name in ("shape", "strides"):
        for value in (-1, -(2**62)):
            capsule = np.ones((2, 3)).__dlpack__()
            inside = dlpack._inside(capsule)
            getattr(inside, name)[0] = value
            with pytest.raises(RuntimeError, match="negative"):
                torch.from_dlpack(capsule)
            getattr(inside, name)[0] = 2


def test_what_is_no_capsule() -> None:
    capsule = to_dlpack(torch.ones(2))
    from_dlpack(capsule)
    for wrong in (capsule, 3, "x", None, np.random.default_rng(0).bit_generator.capsule):
        with pytest.raises(RuntimeError, match="invalid capsule"):
            torch.from_dlpack(wrong)

    class Elsewhere:
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

        def __dlpack__(self, **kwargs: Any) -> Any:
            raise AssertionError("not asked")

    with pytest.raises(RuntimeError, match="device"):
        torch.from_dlpack(Elsewhere())


def test_producers_from_before_version_one() -> None:
    class Old:
        def __dlpack__(self, stream: Any = None) -> Any:
            return np.arange(3).__dlpack__()

    assert torch.from_dlpack(Old()).tolist() == [0, 1, 2]
    assert torch.asarray(Old()).tolist() == [0, 1, 2]
