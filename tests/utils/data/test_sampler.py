"""Samplers: what they yield, from which generator, and their errors."""

from __future__ import annotations

import itertools

import pytest

import flambeau as torch
from flambeau.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(seed):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def test_base_class():
    with pytest.raises(NotImplementedError, match="does not define __iter__"):
        iter(Sampler())
    with pytest.raises(TypeError):
        len(Sampler())


def test_sequential():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4


def test_random_is_a_permutation_in_torchs_order():
    torch.manual_seed(0)
    sampler = RandomSampler(range(10))
    first, second = list(sampler), list(sampler)
    # torch 2.13 after manual_seed(0)
    assert first == [6, 9, 0, 7, 3, 5, 4, 2, 1, 8]
    assert sorted(second) == list(range(10)) and second != first


def test_random_private_generator_takes_one_global_draw():
    torch.manual_seed(5)
    list(RandomSampler(range(10)))
    after = torch.rand(1).item()
    torch.manual_seed(5)
    torch.empty((), dtype=torch.int64).random_().item()
    assert torch.rand(1).item() == after


def test_random_draws_a_last_permutation_from_a_given_generator():
    generator, other = seeded(1), seeded(1)
    assert len(list(RandomSampler(range(8), generator=generator))) == 8
    for _ in range(2):
        torch.randperm(8, generator=other)
    assert torch.rand(1, generator=generator).item() == torch.rand(1, generator=other).item()


def test_random_more_than_one_permutation():
    drawn = list(RandomSampler(range(5), num_samples=12, generator=seeded(0)))
    assert len(drawn) == 12
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == list(range(5))
    assert len(set(drawn[10:])) == 2


def test_random_with_replacement():
    own = list(RandomSampler(range(7), replacement=True, num_samples=70, generator=seeded(0)))
    assert len(own) == 70 and set(own) == set(range(7))
    blocks = seeded(0)
    expected = [torch.randint(7, (n,), generator=blocks).tolist() for n in (32, 32, 6)]
    assert own == list(itertools.chain(*expected))


def test_random_with_replacement_is_lazy_on_a_given_generator():
    generator, other = seeded(0), seeded(0)
    next(iter(RandomSampler(range(7), replacement=True, num_samples=70, generator=generator)))
    torch.randint(7, (32,), generator=other)
    assert torch.rand(1, generator=generator).item() == torch.rand(1, generator=other).item()


def test_random_follows_a_growing_source():
    source = [0, 1]
    sampler = RandomSampler(source)
    source.append(2)
    assert len(sampler) == 3 and sorted(sampler) == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "kwargs", "text"),
    [
        (TypeError, {"replacement": 1}, "replacement must be a bool, got 1"),
        (ValueError, {"num_samples": 0}, "num_samples must be a positive integer, got 0"),
        (ValueError, {"num_samples": 1.5}, "got 1.5"),
    ],
)
def test_random_rejects(error, kwargs, text):
    with pytest.raises(error, match=text):
        RandomSampler(range(3), **kwargs)


def test_random_rejects_an_empty_source():
    with pytest.raises(ValueError, match="the data source's length must be a positive integer"):
        RandomSampler([])


def test_subset_random():
    sampler = SubsetRandomSampler([10, 20, 30, 40], generator=seeded(0))
    order = torch.randperm(4, generator=seeded(0)).tolist()
    assert list(sampler) == [[10, 20, 30, 40][i] for i in order]
    assert len(sampler) == 4


def test_weighted():
    sampler = WeightedRandomSampler([0.0, 1.0, 0.0, 3.0], 200, generator=seeded(0))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 200
    assert set(drawn) == {1, 3} and drawn.count(3) > drawn.count(1)
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (([1.0], 0), "num_samples must be a positive integer, got 0"),
        (([1.0], True), "got True"),
        (([1.0], 1, "yes"), "replacement must be a bool, got 'yes'"),
        (([[1.0], [2.0]], 1), r"\(2, 1\)"),
    ],
)
def test_weighted_rejects(args, text):
    with pytest.raises(ValueError, match=text):
        WeightedRandomSampler(*args)


def test_batches():
    keep, drop = (BatchSampler(SequentialSampler(range(7)), 3, d) for d in (False, True))
    assert list(keep) == [[0, 1, 2], [3, 4, 5], [6]] and len(keep) == 3
    assert list(drop) == [[0, 1, 2], [3, 4, 5]] and len(drop) == 2
    assert list(BatchSampler(iter("abc"), 2, False)) == [["a", "b"], ["c"]]
    assert list(BatchSampler([], 2, False)) == []


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_batch_size_must_be_positive(size):
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        BatchSampler(range(3), size, False)


def test_drop_last_must_be_bool():
    with pytest.raises(ValueError, match="drop_last must be a bool, got 1"):
        BatchSampler(range(3), 1, 1)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("total", [0, 1, 2, 8, 9, 11])
def test_distributed_shares(total, drop_last):
    shares = [
        list(DistributedSampler(range(total), 3, rank, seed=1, drop_last=drop_last))
        for rank in range(3)
    ]
    assert len({len(share) for share in shares}) == 1
    dealt = list(itertools.chain(*shares))
    if drop_last:
        assert len(dealt) == len(set(dealt)) == total // 3 * 3
    else:
        assert set(dealt) == set(range(total)) and len(dealt) - total < 3


def test_distributed_epochs_and_errors():
    sampler = DistributedSampler(range(20), 2, 0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(DistributedSampler(range(5), 2, 1, shuffle=False)) == [1, 3, 0]
    with pytest.raises(ValueError, match="between 0 and 1 for 2 replicas, got 2"):
        DistributedSampler(range(4), 2, 2)
