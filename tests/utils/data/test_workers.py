"""DataLoader with worker processes: same batches, order, seeds, and what a worker can know."""

from __future__ import annotations

import os
import random
import time

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
)

pytestmark = pytest.mark.filterwarnings("ignore:DataLoader. . workers will share")


class Images(Dataset):
    """Large enough samples to go through shared memory, small ones beside them."""

    def __init__(self, n, side=64):
        self.n = n
        self.side = side

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        image = np.full((self.side, self.side), index, np.float32)
        return {
            "image": torch.from_numpy(image),
            "array": image,
            "label": index,
            "name": f"n{index}",
        }


class Whoami(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return get_worker_info().id


class Draws(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), torch.rand(1).item()


class Stream(IterableDataset):
    def __init__(self, start, stop):
        self.start, self.stop, self.step = start, stop, 1

    def __iter__(self):
        return iter(range(self.start, self.stop, self.step))


def share_out(worker):
    info = get_worker_info()
    info.dataset.start += worker
    info.dataset.step = info.num_workers


def lists(loader):
    return [batch.tolist() for batch in loader]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_batches_in_order(workers):
    assert lists(DataLoader(range(10), 3, num_workers=workers)) == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
        [9],
    ]


def test_shuffled_like_one_process():
    orders = []
    for workers in (0, 2):
        torch.manual_seed(0)
        loader = DataLoader(range(10), 3, shuffle=True, num_workers=workers)
        orders.append([lists(loader), lists(loader), torch.rand(1).item()])
    assert orders[0] == orders[1]


@pytest.mark.parametrize("side", [2, 64])
def test_containers_of_tensors_and_arrays(side):
    def as_is(samples):
        return samples

    plain = list(DataLoader(Images(5, side), 2))
    loaded = list(DataLoader(Images(5, side), 2, num_workers=2))
    for a, b in zip(plain, loaded, strict=True):
        assert a.keys() == b.keys()
        assert b["image"].shape == a["image"].shape and b["image"].dtype == torch.float32
        assert b["image"].tolist() == a["image"].tolist()
        assert b["label"].tolist() == a["label"].tolist() and b["name"] == a["name"]
    samples = next(iter(DataLoader(Images(2, side), 2, num_workers=1, collate_fn=as_is)))
    assert isinstance(samples[1]["array"], np.ndarray)
    assert samples[1]["array"].flags.writeable and (samples[1]["array"] == 1).all()


def test_batches_stay_when_others_follow():
    batches = list(DataLoader(Images(24), 2, num_workers=2))
    for start, batch in zip(range(0, 24, 2), batches, strict=True):
        assert batch["image"][:, 0, 0].tolist() == [start, start + 1]
        batch["image"].add_(1)
        assert batch["image"][1, 5, 5].item() == start + 2


def test_growing_and_shrinking_batches():
    sizes = [1, 40, 2, 80, 3, 1, 120]

    class Ragged(Dataset):
        def __len__(self):
            return len(sizes)

        def __getitem__(self, index):
            return torch.full((sizes[index], 100), index, dtype=torch.float32)

    loader = DataLoader(Ragged(), batch_size=None, num_workers=1, prefetch_factor=3)
    for index, tensor in enumerate(loader):
        assert tensor.shape == (sizes[index], 100)
        assert tensor.min().item() == tensor.max().item() == index


def test_tensor_dataset():
    x, y = torch.randn(20, 100), torch.arange(20)
    loaded = list(DataLoader(TensorDataset(x, y), 8, num_workers=2))
    assert [len(batch) for batch in loaded] == [2, 2, 2]
    assert torch.cat([batch[0] for batch in loaded]).tolist() == x.tolist()
    assert torch.cat([batch[1] for batch in loaded]).tolist() == y.tolist()


def test_work_that_is_pending_at_the_fork():
    x = torch.ones(6, 4)
    lazy = (x * 2 + 1).cumsum(0)
    loaded = list(DataLoader(TensorDataset(lazy), 3, num_workers=2))
    assert torch.cat([batch[0] for batch in loaded]).tolist() == lazy.tolist()


def test_round_robin():
    assert lists(DataLoader(Whoami(), 1, num_workers=2)) == [[0], [1], [0], [1], [0], [1]]


def test_worker_info():
    class Info(Dataset):
        marker = 7

        def __len__(self):
            return 2

        def __getitem__(self, index):
            info = get_worker_info()
            with pytest.raises(AttributeError, match="read-only"):
                info.id = 3
            shown = repr(info).startswith("WorkerInfo(id=")
            return [info.id, info.num_workers, info.seed, info.dataset.marker, shown, os.getpid()]

    torch.manual_seed(0)
    base = torch.empty((), dtype=torch.int64).random_().item()
    torch.manual_seed(0)
    rows = list(DataLoader(Info(), None, num_workers=2))
    assert [row[:5] for row in rows] == [[0, 2, base, 7, True], [1, 2, base + 1, 7, True]]
    assert os.getpid() not in {row[5] for row in rows} and rows[0][5] != rows[1][5]


def test_seeds():
    torch.manual_seed(0)
    loader = DataLoader(Draws(), None, num_workers=2)
    first = list(loader)
    assert len({value for row in first for value in row}) == 12
    assert list(loader) != first
    torch.manual_seed(0)
    assert list(DataLoader(Draws(), None, num_workers=2)) == first
    # torch 2.13: random, numpy and torch in worker 0 after manual_seed(0)
    assert first[0] == [0.21315340548154382, 0.8371640508861415, 0.7821398973464966]


def test_worker_init_fn():
    def init(worker):
        get_worker_info().dataset.offset = 100 * (worker + 1)

    class Offset(Dataset):
        offset = 0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return self.offset + index

    dataset = Offset()
    loader = DataLoader(dataset, 1, num_workers=2, worker_init_fn=init)
    assert lists(loader) == [[100], [201], [102], [203]]
    assert dataset.offset == 0


def test_streams():
    assert lists(DataLoader(Stream(3, 7), num_workers=2)) == [[i] for i in (3, 3, 4, 4, 5, 5, 6, 6)]
    split = DataLoader(Stream(0, 7), 2, num_workers=2, worker_init_fn=share_out)
    assert lists(split) == [[0, 2], [1, 3], [4, 6], [5]]
    uneven = DataLoader(Stream(0, 3), num_workers=3, worker_init_fn=share_out, prefetch_factor=1)
    assert lists(uneven) == [[0], [1], [2]]


def test_persistent_workers():
    class Life(Dataset):
        def __init__(self):
            self.reads = 0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            self.reads += 1
            return [os.getpid(), self.reads]

    loader = DataLoader(Life(), None, num_workers=2, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert {row[0] for row in first} == {row[0] for row in second}
    assert [row[1] for row in second] == [3, 3, 4, 4]


def test_persistent_workers_after_a_break():
    loader = DataLoader(Images(40), 2, num_workers=2, persistent_workers=True)
    for _ in range(3):
        for batch in loader:
            assert batch["label"].tolist() == [0, 1]
            assert batch["image"][:, 3, 3].tolist() == [0.0, 1.0]
            break
    assert [batch["label"][0].item() for batch in loader] == list(range(0, 40, 2))


def test_persistent_streams():
    loader = DataLoader(
        Stream(0, 5), 2, num_workers=2, persistent_workers=True, worker_init_fn=share_out
    )
    for _ in range(3):
        assert lists(loader) == [[0, 2], [1, 3], [4]]


def test_a_new_epoch_does_not_wait_for_tasks_of_the_old():
    class Slow(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            time.sleep(0.2 if index > 1 else 0)
            return index

    loader = DataLoader(Slow(), num_workers=1, persistent_workers=True, prefetch_factor=10)
    next(iter(loader))
    start = time.monotonic()
    assert next(iter(loader)).tolist() == [0]
    assert time.monotonic() - start < 1.0


def test_out_of_order():
    class Lazy(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            time.sleep(0.3 if index == 0 else 0)
            return index

    batches = lists(DataLoader(Lazy(), num_workers=2, in_order=False))
    assert sorted(batches) == [[i] for i in range(6)] and batches[0] != [0]


def test_samples_are_read_ahead():
    loader = DataLoader(Images(20), num_workers=2, prefetch_factor=3)
    assert loader.prefetch_factor == 3
    assert len(iter(loader)._tasks) == 6
    assert DataLoader(Images(2), num_workers=1).prefetch_factor == 2
    with pytest.raises(AssertionError, match="prefetch_factor must be positive"):
        iter(DataLoader(Images(2), num_workers=1, prefetch_factor=0))


def test_huge_index_lists():
    class Sum(Dataset):
        def __len__(self):
            return 400_000

        def __getitems__(self, indices):
            return indices

    loader = DataLoader(Sum(), 200_000, num_workers=1, collate_fn=sum, prefetch_factor=2)
    assert list(loader) == [sum(range(200_000)), sum(range(200_000, 400_000))]


def test_huge_results_that_are_no_arrays():
    loader = DataLoader([b"a", b"b", b"c"], 1, num_workers=1, collate_fn=lambda s: s[0] * 5_000_000)
    assert [len(batch) for batch in loader] == [5_000_000] * 3


def test_parameters_and_bfloat16():
    def make(samples):
        leaf = torch.ones(2, requires_grad=True)
        return [
            torch.nn.Parameter(torch.ones(3)),
            leaf,
            torch.ones(2, 3).bfloat16(),
            torch.ones(()),
        ]

    parameter, leaf, half, scalar = next(iter(DataLoader([0], num_workers=1, collate_fn=make)))
    assert type(parameter) is torch.nn.Parameter and parameter.tolist() == [1.0] * 3
    assert leaf.requires_grad and leaf.is_leaf
    assert half.dtype == torch.bfloat16 and half.tolist() == [[1.0] * 3] * 2
    assert scalar.shape == () and scalar.item() == 1.0


def test_transposed_and_expanded():
    def make(samples):
        return torch.arange(6000).reshape(2, 3000).t(), torch.ones(1).expand(5000)

    turned, wide = next(iter(DataLoader([0], num_workers=1, collate_fn=make)))
    assert turned.tolist() == torch.arange(6000).reshape(2, 3000).t().tolist()
    assert wide.shape == (5000,) and wide.sum().item() == 5000


def test_expanded_tensors_go_as_what_they_repeat():
    def make(samples):
        return torch.arange(3)[:, None].expand(3, 1 << 31)

    wide = next(iter(DataLoader([0], None, num_workers=1, collate_fn=make)))
    assert wide.shape == (3, 1 << 31) and wide.stride() == (1, 0)
    assert wide[:, 1 << 30].tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method):
    # A list, since the other process might not find this file's classes.
    images = [np.full((64, 64), index, np.float32) for index in range(4)]
    loader = DataLoader(images, 2, num_workers=1, multiprocessing_context=method)
    assert [batch[1, 0, 0].item() for batch in loader] == [1.0, 3.0]


def test_tensor_dataset_in_spawned_workers():
    data = TensorDataset(torch.arange(6).reshape(3, 2), torch.ones(3))
    loader = DataLoader(data, num_workers=1, multiprocessing_context="spawn")
    assert [batch[0].tolist() for batch in loader] == [[[0, 1]], [[2, 3]], [[4, 5]]]


def test_a_context_object():
    import multiprocessing

    context = multiprocessing.get_context("fork")
    loader = DataLoader(range(2), num_workers=1, multiprocessing_context=context)
    assert loader.multiprocessing_context is context and lists(loader) == [[0], [1]]


def test_unpicklable_work_is_refused_before_it_starts():
    loader = DataLoader(
        range(2), num_workers=2, multiprocessing_context="spawn", collate_fn=lambda s: s
    )
    with pytest.raises(Exception, match="lambda") as caught:
        iter(loader)
    assert "collate_fn and worker_init_fn by pickle" in caught.value.__notes__[0]


def test_warns_of_more_workers_than_processors():
    with pytest.warns(UserWarning, match="1000 workers will share"):
        DataLoader(range(2), num_workers=1000)
