"""Batches made in one go, against the same made sample by sample, and against worker processes."""

import multiprocessing

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Subset
from flambeau.utils.data._utils import whole
from flambeau.utils.data._utils.multi_process import MultiProcessIterator
from flambeau.utils.data._utils.stand_in import StandInIterator
from flambeau.vision import datasets
from flambeau.vision import transforms as T
from flambeau.vision.datasets import in_memory
from flambeau.vision.transforms import v2


class Colours(in_memory.ClassOf, in_memory.InMemory):
    """A small data set in CIFAR's form."""

    def __init__(self, count=23, transform=None):
        super().__init__(transform=transform)
        random = np.random.default_rng(0)
        planes = random.integers(0, 256, (count, 3, 12, 10), np.uint8)
        self._hold(planes.transpose(0, 2, 3, 1), random.integers(0, 10, count).tolist())


USUAL = T.Compose([T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.5, 0.2, 0.3))])
AUGMENTED = T.Compose([T.RandomCrop(8, padding=2), T.RandomHorizontalFlip(), USUAL])
FLOAT = v2.ToDtype(torch.float32, scale=True)
PIPELINES = {
    "version 2": v2.Compose([v2.ToImage(), FLOAT, v2.Normalize([0.5], [0.2])]),
    "version 2, augmented": v2.Compose(
        [v2.RandomCrop((8, 10), padding=2), v2.RandomHorizontalFlip(), v2.ToImage(), FLOAT]
    ),
    "version 2, one direction": v2.Compose([v2.ToImage(), v2.RandomCrop((12, 5)), FLOAT]),
    "usual": USUAL,
    "augmented": AUGMENTED,
    "one number": T.Compose([T.ToTensor(), T.Normalize(0.5, 0.25)]),
    "bytes": T.PILToTensor(),
    "converted": T.Compose([T.PILToTensor(), T.ConvertImageDtype(torch.float32)]),
    "both flips": T.Compose([T.RandomVerticalFlip(0.3), T.ToTensor(), T.RandomHorizontalFlip(0.7)]),
    "crop without room": T.Compose([T.RandomCrop((12, 10)), T.ToTensor()]),
    "crop of tensors": T.Compose([T.ToTensor(), T.RandomCrop((5, 9), padding=1)]),
}


def one_by_one(dataset, indices):
    return torch.utils.data.default_collate([dataset[i] for i in indices])


def same(left, right):
    assert [t.dtype for t in left] == [t.dtype for t in right]
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("kind", [Colours, datasets.Digits])
def test_whole_batches_are_what_single_samples_give(name, kind):
    if kind is datasets.Digits and name in ("usual", "augmented"):
        pytest.skip("three channels")
    dataset = kind(transform=PIPELINES[name])
    for indices in ([3, 1, 22, 0], [5, 5], [-1, 7, -22, 2, 9, 4]):
        torch.manual_seed(7)
        expected = one_by_one(dataset, indices)
        after = torch.get_rng_state()
        torch.manual_seed(7)
        batch = whole.batch(dataset, indices)
        assert batch is not None
        same(batch, expected)
        assert torch.equal(torch.get_rng_state(), after)


def test_what_has_no_whole_batch():
    class Own(Colours):
        def __getitem__(self, index):
            return super().__getitem__(index)

    class OwnNormalize(T.Normalize):
        pass

    hooked = T.Normalize(0.5, 0.5)
    hooked.register_forward_hook(lambda *_: None)
    assert whole.batch(Own(transform=USUAL), [0, 1]) is None
    for transform in (
        None,
        T.RandomCrop(4),
        T.Lambda(lambda x: x),
        T.Compose([T.ToTensor(), OwnNormalize(0.5, 0.5)]),
        T.Compose([T.ToTensor(), hooked]),
        T.Compose([T.ToTensor(), T.Normalize(0.5, 0.0)]),
        T.Compose([T.ToTensor(), T.ToTensor()]),
        T.Compose([T.RandomCrop(40), T.ToTensor()]),
    ):
        assert whole.batch(Colours(transform=transform), [0, 1]) is None, transform
    dataset = Colours(transform=USUAL)
    for indices in ([0, 23], [-24], [0.0], [True], [], ["a"], [None], [[0]], [2**70]):
        assert whole.batch(dataset, indices) is None, indices
    dataset.targets[3] = "three"
    assert whole.batch(dataset, [1, 3]) is None
    assert whole.batch(dataset, [1, 2]) is not None
    dataset.target_transform = str
    assert whole.batch(dataset, [1, 2]) is None


def test_changes_are_seen_at_once_without_workers():
    dataset = Colours(transform=USUAL)
    batches = iter(DataLoader(dataset, batch_size=2))
    same(next(batches), one_by_one(dataset, [0, 1]))
    dataset.data[2] = 0
    dataset.targets[3] = 77
    dataset.transform = T.Compose([T.ToTensor()])
    images, labels = next(batches)
    assert not images[0].any() and images[1].any() and labels[1] == 77


def both(dataset, **options):
    """The batches of loaders without and with processes, for the same seed, and the random state
    of the program after each."""
    found = []
    for context in (None, "fork"):
        torch.manual_seed(3)
        loader = DataLoader(dataset, num_workers=2, multiprocessing_context=context, **options)
        iterator = iter(loader)
        kind = StandInIterator if context is None else MultiProcessIterator
        assert type(iterator) is kind
        found.append([[*iterator, *loader], torch.get_rng_state()])
    return found


@pytest.mark.parametrize("size", [4, 3, 1])
@pytest.mark.parametrize("name", ["usual", "augmented"])
@pytest.mark.parametrize("persistent", [False, True])
def test_stand_ins_give_what_workers_give(name, size, persistent):
    dataset = Colours(transform=PIPELINES[name])
    options = {"batch_size": size, "shuffle": True, "persistent_workers": persistent}
    (ours, state), (theirs, expected) = both(dataset, **options)
    assert len(ours) == len(theirs) > 10
    for left, right in zip(ours, theirs, strict=True):
        same(left, right)
    assert torch.equal(state, expected)


def test_stand_ins_look_through_subsets():
    part = Subset(Subset(Colours(transform=AUGMENTED), range(5, 20)), [3, 0, 14, -1, 2, 2])
    (ours, _), (theirs, _) = both(part, batch_size=2)
    for left, right in zip(ours, theirs, strict=True):
        same(left, right)


class Tail:
    """Indices that a whole batch is not made of."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_stand_ins_fall_back_and_fail_like_workers():
    dataset = Colours(transform=AUGMENTED)
    sampler = Tail([[0, 1], [torch.tensor(3), 2], [np.int64(4), 5], [1, 99], [6, 7]])
    results = []
    for context in (None, "fork"):
        torch.manual_seed(1)
        options = {"num_workers": 2, "multiprocessing_context": context}
        iterator = iter(DataLoader(dataset, batch_sampler=sampler, **options))
        got = [next(iterator) for _ in range(3)]
        with pytest.raises(IndexError, match="Caught IndexError in DataLoader worker process 1"):
            next(iterator)
        results.append([*got, *iterator])
    for left, right in zip(*results, strict=True):
        same(left, right)


def test_no_process_is_started():
    before = multiprocessing.active_children()
    for _ in DataLoader(Colours(transform=USUAL), 4, num_workers=2):
        assert multiprocessing.active_children() == before


@pytest.mark.parametrize("looked_before", [False, True])
def test_changes_after_the_start_are_not_seen(looked_before):
    dataset = Colours(transform=USUAL)
    pixels = dataset.data if looked_before else None
    expected = [one_by_one(dataset, list(range(i, min(i + 4, 23)))) for i in range(0, 23, 4)]
    iterator = iter(DataLoader(dataset, 4, num_workers=2))
    assert type(iterator) is StandInIterator
    got = [next(iterator)]
    (dataset.data if pixels is None else pixels)[:] = 0
    dataset.targets[:] = [0] * 23
    dataset.transform.transforms.append(T.RandomHorizontalFlip())
    try:
        got += iterator
    finally:
        dataset.transform.transforms.pop()
    for left, right in zip(got, expected, strict=True):
        same(left, right)
    after = next(iter(DataLoader(dataset, 4, num_workers=2)))
    assert (after[0][:, 0] == -1).all() and not after[1].any()


def test_large_data_that_were_looked_at_are_not_copied(monkeypatch):
    monkeypatch.setattr(in_memory, "MOST_COPIED", 100)
    dataset = Colours(transform=USUAL)
    assert dataset._frozen() is not None
    assert dataset.data.shape == (23, 12, 10, 3)
    assert dataset._frozen() is None


def test_copies_of_a_data_set_share_its_loan(mnist_folder):
    import copy
    import pickle

    dataset = datasets.MNIST(mnist_folder, transform=T.ToTensor())
    shallow, deep = copy.copy(dataset), copy.deepcopy(dataset)
    frozen = dataset._frozen()
    before = frozen.batch([0, 1], None)[0].clone()
    shallow.data.zero_()
    same([frozen.batch([0, 1], None)[0]], [before])
    assert not dataset[0][0].any() and deep[0][0].any()
    again = pickle.loads(pickle.dumps(deep))
    assert torch.equal(again.data, deep.data)
    del again.data
    with pytest.raises(AttributeError, match="data"):
        again.data  # noqa: B018
