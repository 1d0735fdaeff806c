"""DataLoader in one process: batches, order, arguments, streams."""

from __future__ import annotations

import pickle

import pytest

import flambeau as torch
from flambeau.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)


class Stream(IterableDataset):
    def __init__(self, n, length=None):
        self.n = n
        self.length = length

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        if self.length is None:
            raise TypeError("no length")
        return self.length


def lists(loader):
    return [batch.tolist() for batch in loader]


def test_batches():
    assert lists(DataLoader(range(5))) == [[0], [1], [2], [3], [4]]
    assert lists(DataLoader(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(DataLoader(range(5), 2)) == 3
    assert len(DataLoader(range(5), 2, drop_last=True)) == 2
    assert lists(DataLoader([], 2)) == []


def test_shuffle_in_torchs_order():
    torch.manual_seed(0)
    loader = DataLoader(range(10), 3, shuffle=True)
    # torch 2.13 after manual_seed(0)
    assert lists(loader) == [[6, 7, 1], [4, 2, 0], [9, 8, 3], [5]]
    assert lists(loader) == [[2, 4, 7], [0, 8, 9], [5, 3, 6], [1]]


def test_an_iterator_draws_its_base_seed_even_unshuffled():
    torch.manual_seed(0)
    iter(DataLoader(range(3)))
    after = torch.rand(1).item()
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.rand(1).item() == after


def test_a_generator_of_ones_own_spares_the_global_one():
    torch.manual_seed(0)
    state = torch.get_rng_state().tolist()
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(range(10), 4, shuffle=True, generator=generator)
    first = lists(loader)
    assert torch.get_rng_state().tolist() == state
    generator.manual_seed(3)
    assert lists(loader) == first != lists(loader)


def test_samplers():
    assert lists(DataLoader(range(10, 20), 2, sampler=[3, 1, 2])) == [[13, 11], [12]]
    batches = BatchSampler(SequentialSampler(range(4)), 3, True)
    loader = DataLoader(range(10, 20), batch_sampler=batches)
    assert lists(loader) == [[10, 11, 12]] and len(loader) == 1
    assert loader.batch_size is None and loader.drop_last is False
    assert lists(DataLoader({"a": 1, "b": 2}, sampler=["b", "a"])) == [[2], [1]]


def test_no_batches():
    loader = DataLoader([1, (2, 3), "x"], batch_size=None)
    assert list(loader) == [1, [2, 3], "x"] and len(loader) == 3
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_collate_fn():
    assert list(DataLoader(range(4), 2, collate_fn=sum)) == [1, 5]
    assert list(DataLoader(range(2), batch_size=None, collate_fn=str)) == ["0", "1"]


def test_getitems_is_asked_for_the_whole_batch():
    class Batched(Dataset):
        asked = []

        def __len__(self):
            return 5

        def __getitems__(self, indices):
            self.asked.append(indices)
            return [10 * i for i in indices]

    assert lists(DataLoader(Batched(), 3)) == [[0, 10, 20], [30, 40]]
    assert Batched.asked == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("kind", ["whole", "subset", "nested"])
def test_tensor_dataset_in_one_go(kind):
    x = torch.arange(30).reshape(10, 3).float()
    y = torch.arange(10)
    dataset = TensorDataset(x, y)
    indices = list(range(10))
    if kind != "whole":
        dataset, indices = Subset(dataset, [7, 3, 5, 0]), [7, 3, 5, 0]
    if kind == "nested":
        dataset, indices = Subset(dataset, [-1, 1]), [0, 3]
    batch = next(iter(DataLoader(dataset, len(indices))))
    assert type(batch) is list
    assert batch[0].tolist() == x[indices].tolist() and batch[1].tolist() == indices
    x.zero_()
    assert batch[0].tolist() != x[indices].tolist()


def test_tensor_dataset_exceptions_to_one_go():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * t for t in super().__getitem__(index))

    x = torch.arange(4)
    assert next(iter(DataLoader(Doubled(x), 4)))[0].tolist() == [0, 2, 4, 6]
    sampler = [[torch.tensor(1), torch.tensor(2)]]
    assert next(iter(DataLoader(TensorDataset(x), batch_sampler=sampler)))[0].tolist() == [1, 2]
    leaf = torch.ones(4, requires_grad=True)
    next(iter(DataLoader(TensorDataset(leaf), 2)))[0].sum().backward()
    assert leaf.grad.tolist() == [1.0, 1.0, 0.0, 0.0]
    with pytest.raises(IndexError):
        next(iter(DataLoader(TensorDataset(x), sampler=[4])))


def test_streams():
    assert lists(DataLoader(Stream(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Stream(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(DataLoader(Stream(5, 5), 2)) == 3
    assert len(DataLoader(Stream(5, 5), 2, drop_last=True)) == 2
    assert len(DataLoader(Stream(5, 5), None)) == 5
    with pytest.raises(TypeError, match="no length"):
        len(DataLoader(Stream(5)))


def test_a_stream_longer_than_it_says():
    loader = DataLoader(Stream(3, 2))
    lists(loader)
    len(loader)
    with pytest.warns(UserWarning, match="reported a length of 2, but 3"):
        lists(loader)


def test_errors_of_the_dataset_pass():
    class Broken(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 1:
                raise LookupError("no sample 1")
            return index

    iterator = iter(DataLoader(Broken()))
    assert next(iterator).tolist() == [0]
    with pytest.raises(LookupError, match="no sample 1"):
        next(iterator)
    assert next(iterator).tolist() == [2]


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"num_workers": -1}, "num_workers must not be negative, got -1"),
        ({"timeout": -1}, "timeout must not be negative, got -1"),
        ({"prefetch_factor": 2}, "prefetch_factor=2 is for worker processes"),
        ({"num_workers": 1, "prefetch_factor": -2}, "must not be negative, got -2"),
        ({"persistent_workers": True}, "needs num_workers > 0"),
        ({"sampler": [0], "shuffle": True}, "sampler and shuffle=True exclude"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler and batch_size exclude"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler and shuffle exclude"),
        ({"batch_sampler": [[0]], "drop_last": True, "sampler": [0]}, "sampler, drop_last"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"multiprocessing_context": "fork"}, "num_workers is 0"),
        ({"multiprocessing_context": "thread", "num_workers": 1}, "must be one of .*'fork'"),
    ],
)
def test_bad_arguments(kwargs, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(range(3), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"shuffle": True}, "shuffle=True"),
        ({"sampler": [0]}, "sampler doesn't fit"),
        ({"batch_sampler": [[0]]}, "batch_sampler doesn't fit"),
    ],
)
def test_bad_arguments_for_streams(kwargs, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Stream(3), **kwargs)


def test_bad_arguments_of_other_kinds():
    with pytest.raises(TypeError, match="got int"):
        DataLoader(range(3), num_workers=1, multiprocessing_context=3)
    with pytest.raises(AssertionError, match="timeout=1"):
        iter(DataLoader(range(3), timeout=1))
    with pytest.raises(ValueError, match="length must be a positive integer"):
        DataLoader([], shuffle=True)


def test_what_is_fixed_after_the_start():
    loader = DataLoader(range(3))
    for name in ("batch_size", "sampler", "batch_sampler", "drop_last", "dataset"):
        with pytest.raises(ValueError, match=f"{name} can't be changed"):
            setattr(loader, name, None)
    loader.collate_fn = sum
    assert list(loader) == [0, 1, 2]


def test_attributes():
    loader = DataLoader(range(3), 2, num_workers=0, drop_last=True)
    assert loader.batch_size == 2 and loader.drop_last and loader.num_workers == 0
    assert isinstance(loader.sampler, SequentialSampler)
    assert isinstance(loader.batch_sampler, BatchSampler)
    assert loader.collate_fn is default_collate
    assert loader.prefetch_factor is None and loader.timeout == 0
    assert not loader.pin_memory and not loader.persistent_workers and loader.generator is None


def test_pinning_warns_without_an_accelerator():
    with pytest.warns(UserWarning, match="pin_memory=True has no effect"):
        iter(DataLoader(range(3), pin_memory=True))


def test_iterators():
    loader = DataLoader(range(3))
    iterator = iter(loader)
    assert iter(iterator) is iterator and len(iterator) == 3
    with pytest.raises(NotImplementedError, match="can't be pickled"):
        pickle.dumps(iterator)
    assert list(zip(loader, loader, strict=True)) == [(i, i) for i in range(3)]


def test_the_main_process_is_no_worker():
    assert get_worker_info() is None
