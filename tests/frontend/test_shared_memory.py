"""Memory shared with NumPy: each side sees the other's writes at once, whatever is pending."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.runtime.blocks import Block, address_of


def test_numpy_sees_writes_and_the_tensor_sees_numpy() -> None:
    a = torch.ones(5)
    b = a.numpy()
    a.add_(1)
    assert b.tolist() == [2] * 5
    b[0] = 9
    assert a.tolist() == [9, 2, 2, 2, 2]


def test_from_numpy_both_ways() -> None:
    a = np.ones(5)
    b = torch.from_numpy(a)
    np.add(a, 1, out=a)
    assert b.tolist() == [2] * 5 and b.dtype is torch.float64
    b[1:3] = 0
    assert a.tolist() == [2, 0, 0, 2, 2]


def test_a_pending_read_keeps_what_it_read() -> None:
    a = np.zeros(3)
    t = torch.from_numpy(a)
    later = t + 1
    a[:] = 5
    assert later.tolist() == [1, 1, 1]
    assert (t + 1).tolist() == [6, 6, 6]


def test_views_of_shared_memory_write_through() -> None:
    t = torch.zeros(3, 4)
    a = t.numpy()
    t.t()[1] = 7
    assert a[:, 1].tolist() == [7, 7, 7]
    t[1:, ::2].mul_(0).add_(3)
    assert a[2].tolist() == [3, 7, 3, 0]


def test_numpy_views_keep_the_memory_shared() -> None:
    t = torch.zeros(4)
    view = t.numpy()[1:3]
    t.fill_(2)
    assert view.tolist() == [2, 2]
    view[:] = 8
    assert t.tolist() == [2, 8, 8, 2]


def test_memory_becomes_lazy_again_when_nobody_looks() -> None:
    t = torch.zeros(4)
    a = t.numpy()
    assert t._storage.is_shared()
    del a
    assert not t._storage.is_shared()
    t.add_(1)
    assert t._storage.buffer is None


def test_a_clone_does_not_see_later_numpy_writes() -> None:
    t = torch.zeros(4)
    c = t.clone()
    a = t.numpy()
    a[:] = 3
    assert c.tolist() == [0] * 4 and t.tolist() == [3] * 4


def test_saved_values_do_not_change_under_numpy_writes() -> None:
    w = torch.ones(3).requires_grad_()
    x = torch.full((3,), 2.0)
    y = (w * x).sum()
    a = x.numpy()
    a[:] = 100
    y.backward()
    assert w.grad is not None


def test_strided_arrays_share_too() -> None:
    a = np.arange(12.0).reshape(3, 4)
    t = torch.from_numpy(a[:, ::2])
    assert t.stride() == (4, 2)
    t.zero_()
    assert a[:, 0].tolist() == [0, 0, 0] and a[0, 1] == 1
    u = torch.from_numpy(a.T)
    u[0, 0] = -1
    assert a[0, 0] == -1


def test_arrays_that_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError, match="can't convert"):
        torch.from_numpy(np.array(["a"]))
    with pytest.raises(TypeError, match="expected np.ndarray"):
        torch.from_numpy([1, 2])


def test_read_only_arrays_warn_and_refuse_writes() -> None:
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        t = torch.from_numpy(a)
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)
    assert a.tolist() == [0, 1, 2]


def test_dlpack_shares_memory() -> None:
    t = torch.arange(3.0)
    a = np.from_dlpack(t)
    t.add_(1)
    assert a.tolist() == [1, 2, 3]
    u = torch.from_dlpack(np.ones(2))
    assert u.tolist() == [1, 1]


def test_reinterpreted_memory_is_shared() -> None:
    x = torch.tensor([1.0, 2.0])
    bits = x.view(torch.int32)
    assert bits[0].item() == 0x3F800000
    bits[1] = 0x3F800000
    assert x.tolist() == [1, 1]
    x.fill_(2)
    assert bits.tolist() == [0x40000000] * 2


def test_results_of_native_code_are_shown_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of memory that only the tensor has is shared, and lazy again afterwards."""
    monkeypatch.setattr(config, "compile", "sync")
    x = torch.rand(5, 3)
    y = x * 2 + 1
    torch._flush()
    if y._storage.value.buffer.__class__ is not Block:
        pytest.skip("no compiler here")
    address = y._storage.value.buffer.address
    a = y.numpy()
    assert address_of(a) == address
    y[0] = 7
    assert a[0].tolist() == [7, 7, 7]
    a[1] = 8
    assert y[1].tolist() == [8, 8, 8]
    rest = a[2:]
    del a
    assert y._storage.is_shared()
    del rest
    assert not y._storage.is_shared()
    z = y + 1
    torch._flush()
    assert y._storage.value.buffer.address == address
    assert z[1].tolist() == [9, 9, 9]


def test_a_block_that_others_have_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "sync")
    x = torch.rand(4)
    y = x * 2
    torch._flush()
    z = y.detach().clone()
    torch._flush()
    kept = y.numpy()
    w = y * 1
    y.zero_()
    assert not kept.any() and z.any() and w.any()
