"""Datasets: joining, cutting, splitting, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Count(Dataset):
    def __init__(self, start, stop):
        self.items = range(start, stop)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Stream(IterableDataset):
    def __init__(self, start, stop):
        self.items = range(start, stop)

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


class Batched(Count):
    """Knows how to read several at once, and counts how often it is asked."""

    calls = 0

    def __getitems__(self, indices):
        self.calls += 1
        return [self.items[i] for i in indices]


def test_bare_dataset_says_what_is_missing():
    class Empty(Dataset):
        pass

    with pytest.raises(NotImplementedError, match="Empty does not define __getitem__"):
        Empty()[0]
    with pytest.raises(TypeError):
        len(Empty())

    class NoStream(IterableDataset):
        pass

    with pytest.raises(NotImplementedError, match="NoStream does not define __iter__"):
        iter(NoStream())


def test_generic_subscripts():
    class Typed(Dataset[int]):
        pass

    assert issubclass(Typed, Dataset)
    assert issubclass(IterableDataset[int].__origin__, Dataset)


def test_tensor_dataset():
    x, y = torch.arange(12).reshape(4, 3), torch.arange(4)
    dataset = TensorDataset(x, y)
    assert len(dataset) == 4
    row, label = dataset[2]
    assert row.tolist() == [6, 7, 8] and label.item() == 2
    rows, labels = dataset[1:3]
    assert rows.tolist() == [[3, 4, 5], [6, 7, 8]] and labels.tolist() == [1, 2]
    x[2, 0] = 100
    assert dataset[2][0].tolist() == [100, 7, 8]


def test_tensor_dataset_sizes_must_agree():
    with pytest.raises(AssertionError, match=r"\[4, 3\]"):
        TensorDataset(torch.zeros(4), torch.zeros(3))


def test_concat():
    joined = ConcatDataset([Count(0, 3), Count(10, 10), Count(20, 22)])
    assert len(joined) == 5
    assert joined.cumulative_sizes == [3, 3, 5]
    assert [joined[i] for i in range(5)] == [0, 1, 2, 20, 21]
    assert [joined[i] for i in range(-5, 0)] == [0, 1, 2, 20, 21]
    with pytest.raises(ValueError, match="index -6"):
        joined[-6]
    with pytest.raises(IndexError, match="index 5"):
        joined[5]
    assert [*(Count(0, 2) + Count(5, 6))] == [0, 1, 5]


def test_concat_rejects():
    with pytest.raises(AssertionError, match="at least one"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="number 1 is the IterableDataset Stream"):
        ConcatDataset([Count(0, 1), Stream(0, 1)])
    with pytest.warns(FutureWarning, match="cumulative_sizes"):
        assert ConcatDataset([Count(0, 3)]).cummulative_sizes == [3]


def test_chain():
    chain = Stream(0, 2) + Stream(7, 9)
    assert isinstance(chain, ChainDataset)
    assert list(chain) == [0, 1, 7, 8]
    assert len(chain) == 4
    wrong = ChainDataset([Stream(0, 1), Count(0, 1)])
    with pytest.raises(AssertionError, match="number 1 is Count"):
        list(wrong)


def test_stack_tuple_and_dict():
    pairs = StackDataset(Count(0, 3), Batched(10, 13))
    assert pairs[1] == (1, 11)
    assert pairs.__getitems__([2, 0]) == [(2, 12), (0, 10)]
    named = StackDataset(a=Count(0, 3), b=Batched(10, 13))
    assert named[1] == {"a": 1, "b": 11}
    assert named.__getitems__([2, 0]) == [{"a": 2, "b": 12}, {"a": 0, "b": 10}]
    assert len(pairs) == len(named) == 3
    assert named.datasets["b"].calls == 1


def test_stack_rejects():
    with pytest.raises(ValueError, match="at least one"):
        StackDataset()
    with pytest.raises(ValueError, match=r"\[3, 2\]"):
        StackDataset(Count(0, 3), Count(0, 2))
    with pytest.raises(ValueError, match="not both"):
        StackDataset(Count(0, 3), b=Count(0, 3))

    class Short(Count):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="asked for 2 samples and returned 1"):
        StackDataset(Short(0, 3)).__getitems__([0, 1])


def test_subset():
    subset = Subset(Count(10, 20), [3, 1, 5])
    assert len(subset) == 3
    assert [subset[i] for i in range(3)] == [13, 11, 15]
    assert subset.__getitems__([2, 0]) == [15, 13]
    batched = Batched(10, 20)
    assert Subset(Subset(batched, [9, 8, 7]), [2, 0]).__getitems__([0, 1]) == [17, 19]
    assert batched.calls == 1
    rows = Subset(TensorDataset(torch.arange(4)), [3, 2])[[0, 1]]
    assert rows[0].tolist() == [3, 2]


def test_subset_subclass_needs_both():
    class Doubled(Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    with pytest.raises(NotImplementedError, match="Doubled overrides __getitem__"):
        Doubled(Count(0, 3), [0])

    class Fine(Doubled):
        def __getitems__(self, indices):
            return [self[i] for i in indices]

    assert Fine(Count(0, 3), [2]).__getitems__([0]) == [4]


def test_random_split_sizes():
    parts = random_split(Count(0, 10), [3, 7], generator=torch.Generator().manual_seed(42))
    # torch 2.13's split for this seed
    assert parts[0].indices == [2, 6, 1]
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))


@pytest.mark.parametrize(
    ("total", "fractions", "sizes"),
    [(10, [0.3, 0.3, 0.4], [3, 3, 4]), (11, [0.5, 0.5], [6, 5]), (7, [1 / 3] * 3, [3, 2, 2])],
)
def test_random_split_fractions(total, fractions, sizes):
    assert [len(part) for part in random_split(Count(0, total), fractions)] == sizes


def test_random_split_warns_of_empty_part():
    with pytest.warns(UserWarning, match="subset 1 is empty"):
        random_split(Count(0, 1), [0.5, 0.5])


def test_random_split_rejects():
    with pytest.raises(ValueError, match=r"sum to 9.*10 samples"):
        random_split(Count(0, 10), [4, 5])
    with pytest.raises(ValueError, match="index 0 is 1.5"):
        random_split(Count(0, 10), [1.5, -0.5])


def test_random_split_uses_the_global_generator():
    torch.manual_seed(3)
    first = random_split(Count(0, 20), [10, 10])[0].indices
    torch.manual_seed(3)
    assert torch.randperm(20).tolist()[:10] == first
    assert np.unique(first).size == 10
