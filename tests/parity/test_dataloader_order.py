"""The same seed gives PyTorch's order of samples, and leaves the generators as PyTorch does."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import flambeau
import flambeau.utils.data as ours

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*worker"),
    # PyTorch's iterator complains when it is collected half made.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BOTH = [(torch, theirs), (flambeau, ours)]


def both(scenario):
    """What a scenario gives, with PyTorch and with flambeau; their generators must agree too."""
    results = []
    for framework, data in BOTH:
        framework.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        result = scenario(framework, data)
        results.append((result, framework.rand(3).tolist(), random.random(), np.random.rand()))
    expected, got = results
    assert got == expected
    return got[0]


def batches(loader):
    return [batch.tolist() for batch in loader]


def stop_after(loader, n):
    return [batch.tolist() for _, batch in zip(range(n), loader)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True},
        {"shuffle": True, "batch_size": 3},
        {"shuffle": True, "batch_size": 5, "drop_last": True},
        {"shuffle": True, "batch_size": 4, "drop_last": True},
        {"shuffle": False, "batch_size": 3},
        {"shuffle": True, "batch_size": None},
    ],
    ids=str,
)
def test_three_epochs(options, workers):
    def scenario(framework, data):
        loader = data.DataLoader(range(10), num_workers=workers, **options)
        epochs = [[framework.as_tensor(b).tolist() for b in loader] for _ in range(3)]
        return [*epochs, len(loader)]

    both(scenario)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_generator(workers):
    def scenario(framework, data):
        generator = framework.Generator()
        generator.manual_seed(7)
        loader = data.DataLoader(
            range(10), 4, shuffle=True, generator=generator, num_workers=workers
        )
        epochs = [batches(loader) for _ in range(3)]
        return epochs, framework.rand(3, generator=generator).tolist()

    both(scenario)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("with_generator", [False, True])
def test_leaving_in_the_middle(workers, with_generator):
    def scenario(framework, data):
        generator = framework.Generator() if with_generator else None
        sampler = data.RandomSampler(range(200), replacement=True, generator=generator)
        loader = data.DataLoader(
            range(200), 4, sampler=sampler, generator=generator, num_workers=workers
        )
        results = [stop_after(loader, 7), framework.rand(1).item(), stop_after(loader, 20)]
        if generator is not None:
            results.append(framework.rand(1, generator=generator).item())
        return results

    both(scenario)


def test_persistent_workers():
    def scenario(framework, data):
        loader = data.DataLoader(range(10), 3, True, num_workers=2, persistent_workers=True)
        return [batches(loader) for _ in range(3)], stop_after(loader, 1), batches(loader)

    both(scenario)


def test_a_sampler_that_draws_when_its_iterator_is_made():
    def scenario(framework, data, workers):
        class Eager:
            def __iter__(self):
                return iter(framework.randperm(6).tolist())

            def __len__(self):
                return 6

        return batches(data.DataLoader(range(6), 2, sampler=Eager(), num_workers=workers))

    class Direct:
        """Not wrapped in a BatchSampler, whose iterator would put the draw off."""

        def __init__(self, framework):
            self.framework = framework

        def __iter__(self):
            return iter([self.framework.randperm(6).tolist()])

    for workers in (0, 2):
        both(lambda framework, data, n=workers: scenario(framework, data, n))
        both(
            lambda framework, data, n=workers: batches(
                data.DataLoader(range(6), batch_sampler=Direct(framework), num_workers=n)
            )
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda d, g: d.RandomSampler(range(9), generator=g),
        lambda d, g: d.RandomSampler(range(9), num_samples=4, generator=g),
        lambda d, g: d.RandomSampler(range(9), num_samples=9, generator=g),
        lambda d, g: d.RandomSampler(range(9), num_samples=25, generator=g),
        lambda d, g: d.RandomSampler(range(9), True, generator=g),
        lambda d, g: d.RandomSampler(range(9), True, 64, generator=g),
        lambda d, g: d.RandomSampler(range(9), True, 100, generator=g),
        lambda d, g: d.SubsetRandomSampler([5, 3, 8, 1], generator=g),
        lambda d, g: d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 20, generator=g),
        lambda d, g: d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0], 5, False, generator=g),
        lambda d, g: d.BatchSampler(d.RandomSampler(range(9), generator=g), 4, True),
        lambda d, g: d.DistributedSampler(range(11), 3, 1, seed=5),
        lambda d, g: d.DistributedSampler(range(11), 3, 2, seed=5, drop_last=True),
        lambda d, g: d.DistributedSampler(range(2), 5, 4, shuffle=False),
    ],
)
@pytest.mark.parametrize("with_generator", [False, True])
def test_samplers(make, with_generator):
    def scenario(framework, data):
        generator = framework.Generator() if with_generator else None
        if generator is not None:
            generator.manual_seed(3)
        sampler = make(data, generator)
        results = [list(sampler), list(sampler), len(sampler)]
        if generator is not None:
            results.append(framework.rand(3, generator=generator).tolist())
        return results

    both(scenario)


@pytest.mark.parametrize(
    "lengths",
    [[3, 7], [0.3, 0.7], [0.1] * 10, [0.25, 0.25, 0.5], [10, 0], [1.0], [0.9999999999, 0]],
)
@pytest.mark.filterwarnings("ignore:.*empty:UserWarning")
@pytest.mark.filterwarnings("ignore:Length of split:UserWarning")
def test_random_split(lengths):
    def scenario(framework, data):
        parts = data.random_split(range(10), lengths)
        generator = framework.Generator().manual_seed(1)
        again = data.random_split(range(10), lengths, generator)
        return [part.indices for part in parts], [part.indices for part in again]

    both(scenario)


def draws(framework):
    class Draws:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            values = random.random(), float(np.random.rand()), framework.rand(1).item()
            return [index, *values, framework.initial_seed()]

    return Draws()


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}, {"batch_size": 2}], ids=str)
def test_random_numbers_in_workers(options):
    def scenario(framework, data):
        loader = data.DataLoader(
            draws(framework),
            num_workers=2,
            collate_fn=lambda samples: samples,
            **{"batch_size": None, **options},
        )
        return [list(loader) for _ in range(2)]

    both(scenario)


def test_streams_in_workers():
    def scenario(framework, data):
        class Stream(data.IterableDataset):
            def __iter__(self):
                info = data.get_worker_info()
                yield from range(info.id, 9, info.num_workers)

        return batches(data.DataLoader(Stream(), 2, num_workers=2))

    assert both(scenario) == [[0, 2], [1, 3], [4, 6], [5, 7], [8]]


# --- batches and errors --------------------------------------------------------------------


def described(value):
    """A batch with every tensor as its dtype and list."""
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [described(item) for item in value]
    return type(value).__name__, str(value)


SAMPLES = [
    [1, 2],
    [1.5, 2],
    [1, 2.5],
    [True, False],
    [(1, 2.0, "a"), (3, 4.0, "b")],
    [[1, [2]], [3, [4]]],
    [{"a": 1, "b": [2.0]}, {"a": 3, "b": [4.0]}],
    [np.float32(1), np.float32(2)],
    [np.float64(1), 2.0],
    [np.ones((2, 2), np.int16), np.zeros((2, 2), np.int16)],
    [np.ones(2, np.float32), np.ones(2)],
    [np.array(1), np.array(2)],
    [range(2), range(2)],
    [b"a", b"b"],
    [bytearray(b"ab"), bytearray(b"cd")],
    [(), ()],
    [None, None],
    [{1}, {2}],
    [[1], [1, 2]],
    [{"a": 1}, {"b": 1}],
    [np.array(["a"]), np.array(["b"])],
    [np.ones(2), np.ones(3)],
    [np.datetime64("2020"), np.datetime64("2020")],
    [1j, 2j],
    [],
]


@pytest.mark.parametrize("samples", SAMPLES, ids=str)
def test_collate_and_convert(samples):
    for name in ("default_collate", "default_convert"):
        results = []
        for _, data in BOTH:
            try:
                results.append(described(getattr(data, name)(samples)))
            except Exception as error:
                results.append(type(error))
        assert results[0] == results[1]


class Endless:
    def __iter__(self):
        return iter([])


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"num_workers": None},
        {"timeout": -1},
        {"timeout": 1},
        {"prefetch_factor": 2},
        {"num_workers": 1, "prefetch_factor": -1},
        {"num_workers": 1, "prefetch_factor": 0},
        {"persistent_workers": True},
        {"sampler": [0], "shuffle": True},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"batch_size": True},
        {"drop_last": 1},
        {"multiprocessing_context": "fork"},
        {"num_workers": 1, "multiprocessing_context": "thread"},
        {"num_workers": 1, "multiprocessing_context": 3},
        {"nothing": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_options(options, stream):
    types = []
    for _, data in BOTH:

        class Stream(data.IterableDataset):
            def __iter__(self):
                return iter([1, 2])

        dataset = Stream() if stream else [1, 2]
        try:
            list(data.DataLoader(dataset, **options))
            types.append(None)
        except Exception as error:
            types.append(type(error))
    assert types[0] is types[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda f, d: d.TensorDataset(f.zeros(2), f.zeros(3)),
        lambda f, d: d.TensorDataset(f.zeros(())),
        lambda f, d: len(d.TensorDataset()),
        lambda f, d: d.ConcatDataset([]),
        lambda f, d: d.ConcatDataset([[1], [2]])[2],
        lambda f, d: d.ConcatDataset([[1], [2]])[-3],
        lambda f, d: d.StackDataset(),
        lambda f, d: d.StackDataset([1], [1, 2]),
        lambda f, d: d.StackDataset([1], b=[1]),
        lambda f, d: d.Subset([1], [3])[0],
        lambda f, d: d.random_split([1, 2], [1, 2]),
        lambda f, d: d.random_split([1, 2], [1.5, -0.5]),
        lambda f, d: d.RandomSampler([]),
        lambda f, d: d.RandomSampler([1], 1),
        lambda f, d: d.RandomSampler([1], num_samples=0),
        lambda f, d: d.WeightedRandomSampler([1.0], 0),
        lambda f, d: d.WeightedRandomSampler([[1.0]], 1),
        lambda f, d: list(d.WeightedRandomSampler([1.0], 2, False)),
        lambda f, d: d.DistributedSampler([1], 2, 2),
        lambda f, d: d.Dataset()[0],
        lambda f, d: iter(d.Sampler()),
        lambda f, d: len(d.Sampler()),
        lambda f, d: setattr(d.DataLoader([1]), "batch_size", 2),
        lambda f, d: list(d.DataLoader(d.TensorDataset(f.zeros(2)), sampler=[2])),
    ],
)
def test_bad_calls(call):
    types = []
    for framework, data in BOTH:
        with pytest.raises(Exception) as caught:
            call(framework, data)
        types.append(caught.type)
    assert types[0] is types[1]
