"""Storages as objects, and memory that processes share."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")
        yield


def test_bytes_of_a_tensor() -> None:
    x = torch.arange(6.0).view(2, 3)
    s = x[1].untyped_storage()
    assert s.nbytes() == s.size() == len(s) == 24 and s == x.untyped_storage()
    assert s.data_ptr() == x.data_ptr() == x[1].data_ptr() - 12
    s[0:4] = torch.tensor([0, 0, 128, 63], dtype=torch.uint8)
    assert x[0, 0] == 1 and s[3] == 63 and s[:4].tolist() == [0, 0, 128, 63]
    assert not hasattr(s, "dtype") and isinstance(s, torch.storage.UntypedStorage)


def test_elements_of_a_tensor() -> None:
    x = torch.arange(4)
    with pytest.warns(UserWarning, match="write tensor.untyped_storage"):
        s = x[2:].storage()
    assert s.tolist() == [0, 1, 2, 3] and s.dtype is torch.int64 and s.element_size() == 8
    s[1] = 9
    assert x[1] == 9 and s.untyped() == x.untyped_storage()
    assert isinstance(s, torch.LongStorage) and not isinstance(s, torch.FloatStorage)
    assert s.float().tolist() == [0, 9, 2, 3] and s.type() == "torch.LongStorage"
    with pytest.raises(RuntimeError, match="slices are only supported"):
        s[1:]


def test_making_them() -> None:
    s = torch.FloatStorage([1, 2, 3])
    assert torch.tensor([]).set_(s).tolist() == [1, 2, 3]
    assert torch.FloatTensor(s).tolist() == [1, 2, 3] and torch.Storage is torch.TypedStorage
    assert torch.UntypedStorage(3).fill_(7).tolist() == [7, 7, 7]
    assert torch.UntypedStorage([1, 2]).clone() != torch.UntypedStorage([1, 2])
    big = torch.UntypedStorage.from_buffer(b"\x00\x01\x00\x02", "big", dtype=torch.int16)
    assert torch.tensor([], dtype=torch.int16).set_(big).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.UntypedStorage(-1)
    assert torch.is_storage(s) and not torch.is_storage(torch.ones(1))


def test_a_tensor_over_another_tensors_storage() -> None:
    x = torch.arange(6.0)
    y = torch.empty(0).set_(x.untyped_storage(), 1, (2, 2), (2, 1))
    y[0, 0] = 9
    assert x.tolist() == [0, 9, 2, 3, 4, 5] and y.tolist() == [[9, 2], [3, 4]]


def test_copies_and_pickles() -> None:
    s = torch.UntypedStorage([1, 2, 3])
    assert copy.deepcopy(s).tolist() == pickle.loads(pickle.dumps(s)).tolist() == [1, 2, 3]
    assert torch.UntypedStorage(3).copy_(s).tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match="size mismatch"):
        torch.UntypedStorage(2).copy_(s)
    with pytest.raises(NotImplementedError, match="Tensor.resize_"):
        s.resize_(7)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    s = torch.UntypedStorage.from_file(path, shared=True, size=8)
    torch.empty(0).set_(s).copy_(torch.tensor([1.0, 2.0]))
    assert np.fromfile(path, np.float32).tolist() == [1, 2] and s.filename == str(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_shared_memory() -> None:
    x = torch.zeros(3)
    view = x[1:]
    assert not x.is_shared()
    assert x.share_memory_() is x and x.is_shared() and view.is_shared()
    child = os.fork()
    if not child:
        view.add_(5)
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [0, 5, 5]
    x.mul_(2)
    assert view.tolist() == [10, 10] and (x + 1).tolist() == [1, 11, 11]


def test_a_file_that_comes_twice_is_one_storage() -> None:
    x = torch.arange(3.0)
    file, nbytes = x.untyped_storage()._share_fd_cpu_()
    first, second = (torch.UntypedStorage._new_shared_fd_cpu(os.dup(file), nbytes) for _ in range(2))
    assert first == second == x.untyped_storage()
