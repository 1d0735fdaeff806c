"""DataLoader.state_dict and load_state_dict: what comes after is what would have come."""

from __future__ import annotations

import gc
import io
import os
import random

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from flambeau.utils.data.distributed import DistributedSampler


class Augmented(Dataset):
    """Samples with random parts from all three global generators."""

    def __init__(self, n=11):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index, random.random(), float(np.random.rand()), torch.rand(1).item()


class OwnRandom(Augmented):
    """Draws from a generator of its own, which nothing but reading again brings forward."""

    def __init__(self, n=11):
        super().__init__(n)
        self.rng = np.random.default_rng(3)

    def __getitem__(self, index):
        return index, float(self.rng.random()), random.random()


class Telling(OwnRandom):
    """Tells the state of its generator; counts what it reads."""

    reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return (*super().__getitem__(index), self.reads)

    def state_dict(self):
        return {"rng": str(self.rng.bit_generator.state), "reads": self.reads}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = eval(state["rng"])
        self.reads = state["reads"]


class Stream(IterableDataset):
    """Shuffled with the global generators; several workers share it."""

    def __init__(self, n=14):
        self.n = n

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        items = list(range(self.n)[info.id :: info.num_workers] if info else range(self.n))
        if info and info.id == 1:
            items = items[:3]
        random.shuffle(items)
        for item in items:
            yield item, float(np.random.rand())


class Cursor:
    """An iterator that tells its state, of a stream that doesn't."""

    def __init__(self, n):
        self.n, self.i = n, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.i == self.n:
            raise StopIteration
        self.i += 1
        return self.i, random.random()

    def state_dict(self):
        return {"i": self.i}

    def load_state_dict(self, state):
        self.i = state["i"]


class Cursors(IterableDataset):
    def __iter__(self):
        return Cursor(9)


class TellingStream(IterableDataset):
    i = 0

    def __iter__(self):
        while self.i < 9:
            self.i += 1
            yield self.i, random.random()
        self.i = 0

    def state_dict(self):
        return {"i": self.i}

    def load_state_dict(self, state):
        self.i = state["i"]


class Drawing(Sampler):
    """Draws when its iterator is made, and again as it goes."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        order = np.random.permutation(self.n)
        start = random.randrange(self.n)
        return (int((i + start) % self.n) for i in order)


class TellingSampler(Sampler):
    i = 0
    given = 0

    def __init__(self, n):
        self.order = list(range(n))

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        if self.i == 0:
            random.shuffle(self.order)
        while self.i < len(self.order):
            self.i += 1
            self.given += 1
            yield self.order[self.i - 1]
        self.i = 0

    def state_dict(self):
        return {"i": self.i, "order": list(self.order)}

    def load_state_dict(self, state):
        self.i, self.order = state["i"], list(state["order"])


def seeded():
    torch.manual_seed(5)
    random.seed(6)
    np.random.seed(7)


def globals_now():
    return torch.get_rng_state(), random.getstate(), np.random.get_state()


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def plain(batch):
    if isinstance(batch, torch.Tensor):
        return batch.tolist()
    if isinstance(batch, (list, tuple)):
        return [plain(item) for item in batch]
    return batch


def run(loader, epochs, seen, save_at=None):
    """The batches of some epochs, with draws of the training between them; a state at one."""
    saved = None
    for epoch in range(epochs):
        for number, batch in enumerate(loader):
            seen.append((plain(batch), torch.rand(1).item(), random.random()))
            if (epoch, number) == save_at:
                saved = loader.state_dict(), globals_now(), len(seen)
        seen.append(("end", torch.rand(1).item(), np.random.rand()))
        if (epoch, "end") == save_at:
            saved = loader.state_dict(), globals_now(), len(seen)
    return saved


def same_after(make, save_at, epochs=3):
    """Runs whole, and again from a saved state with everything made anew."""
    seeded()
    whole = []
    state, states, count = run(make(), epochs, whole, save_at)
    seeded()
    [torch.rand(3), random.random(), np.random.rand()]
    loader = make()
    loader.load_state_dict(through_a_file(state))
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    rest = []
    left = epochs - save_at[0] - (save_at[1] == "end")
    run(loader, left, rest)
    assert rest == whole[count:]
    return loader, state


def shuffled(dataset, **options):
    return lambda: DataLoader(dataset(), 2, shuffle=True, **options)


def with_generator(dataset, sampler=None, **options):
    def make():
        generator = torch.Generator().manual_seed(1)
        order = sampler(generator) if sampler else None
        return DataLoader(
            dataset(), 2, shuffle=None if sampler else True, sampler=order, generator=generator,
            **options
        )  # fmt: skip

    return make


PLACES = [(0, 0), (1, 2), (1, 5), (0, "end")]


@pytest.mark.parametrize("save_at", PLACES)
@pytest.mark.parametrize("workers", [0, 2])
def test_shuffled_and_augmented(workers, save_at):
    same_after(shuffled(Augmented, num_workers=workers), save_at)


@pytest.mark.parametrize("save_at", PLACES)
def test_persistent_workers(save_at):
    same_after(shuffled(Augmented, num_workers=2, persistent_workers=True), save_at)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "sampler",
    [
        None,
        lambda g: RandomSampler(range(11), replacement=True, num_samples=75, generator=g),
        lambda g: RandomSampler(range(11), num_samples=22, generator=g),
        lambda g: SubsetRandomSampler([3, 1, 7, 9], generator=g),
        lambda g: WeightedRandomSampler([1.0, 2.0, 3.0], 9, generator=torch.Generator()),
        lambda g: Drawing(11),
        lambda g: [4, 2, 8, 3, 5],
        lambda g: TellingSampler(9),
    ],
)
def test_samplers(sampler, workers):
    for save_at in ((1, 1), (0, "end")):
        same_after(with_generator(Augmented, sampler, num_workers=workers), save_at, 2)


def test_a_sampler_that_tells_its_state_is_not_iterated_again():
    def make():
        return DataLoader(range(9), 2, sampler=TellingSampler(9))

    loader, _ = same_after(make, (0, 2), 1)
    assert loader.sampler.given == 9 - 6


def test_batch_samplers_and_no_batches():
    for workers in (0, 2):
        for options in (
            {"batch_sampler": BatchSampler(Drawing(11), 3, True)},
            {"batch_size": None, "shuffle": True},
            {"batch_size": 4, "drop_last": True, "shuffle": True},
        ):
            same_after(lambda o=options: DataLoader(Augmented(), num_workers=workers, **o), (1, 1))


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("save_at", [(0, 1), (1, 3), (0, "end")])
@pytest.mark.parametrize("dataset", [Stream, Cursors, TellingStream])
def test_streams_in_workers(dataset, save_at, persistent):
    make = lambda: DataLoader(dataset(), 2, num_workers=2, persistent_workers=persistent)  # noqa: E731
    same_after(make, save_at)


@pytest.mark.parametrize("save_at", [(0, 1), (1, 3), (0, "end")])
@pytest.mark.parametrize("dataset", [Stream, Cursors, TellingStream])
def test_streams_in_this_process(dataset, save_at):
    same_after(lambda: DataLoader(dataset(), 2), save_at)


@pytest.mark.parametrize("persistent", [False, True])
def test_datasets_with_a_state_of_their_own(persistent):
    options = {"num_workers": 2, "persistent_workers": persistent}
    for save_at in ((0, 1), (1, 3), (0, "end")):
        same_after(shuffled(Telling, **options), save_at)
        # Persistent workers can't be asked for what the dataset doesn't tell.
        if not persistent:
            same_after(shuffled(OwnRandom, **options), save_at)
    _, state = same_after(shuffled(Telling), (1, 2), 2)
    assert state["dataset"]["dataset"]["reads"] == 11 + 6


def test_a_dataset_that_cannot_tell_its_state():
    class Silent(Telling):
        def state_dict(self):
            raise LookupError("no idea")

    for options in ({}, {"num_workers": 1}, {"num_workers": 1, "persistent_workers": True}):
        loader = DataLoader(Silent(), **options)
        with pytest.raises(LookupError, match="no idea"):
            list(loader)
            loader.state_dict()


def test_the_epoch_of_a_distributed_sampler():
    def make():
        return DataLoader(range(20), 2, sampler=DistributedSampler(range(20), 2, 1))

    loader = make()
    loader.sampler.set_epoch(4)
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    other = make()
    other.load_state_dict(state)
    assert [plain(batch) for batch in other] == [plain(batch) for batch in iterator]


def test_out_of_order_gives_each_batch_once():
    def make():
        return DataLoader(
            range(30), 2, shuffle=True, num_workers=3, in_order=False,
            generator=torch.Generator().manual_seed(2),
        )  # fmt: skip

    loader = make()
    iterator = iter(loader)
    seen = [next(iterator) for _ in range(6)]
    state = loader.state_dict()
    other = make()
    other.load_state_dict(state)
    rest = list(other)
    assert sorted(torch.cat(seen + rest).tolist()) == list(range(30))
    assert len(list(iterator)) == len(rest)
    expected = list(loader)
    assert sorted(plain(b) for b in other) == sorted(plain(b) for b in expected)


def test_after_a_break_and_before_the_first_batch():
    for workers in (0, 2):
        loader = DataLoader(range(8), 2, num_workers=workers)
        for _ in loader:
            break
        gc.collect()
        other = DataLoader(range(8), 2, num_workers=workers)
        other.load_state_dict(loader.state_dict())
        again = other.state_dict()
        assert plain(list(other)) == [[2, 3], [4, 5], [6, 7]]
        other.load_state_dict(again)
        assert plain(list(other)) == [[2, 3], [4, 5], [6, 7]]
        assert len(list(other)) == 4
        fresh = DataLoader(range(8), 2, num_workers=workers)
        other.load_state_dict(fresh.state_dict())
        assert len(list(other)) == 4
        iterator = iter(fresh)
        other.load_state_dict(fresh.state_dict())
        assert plain(list(other)) == plain(list(iterator))


def test_after_the_last_batch_the_epoch_is_over():
    for workers in (0, 2):
        loader = DataLoader(range(4), 2, num_workers=workers)
        for _ in loader:
            state = loader.state_dict()
        loader.load_state_dict(state)
        assert list(loader) == [] and len(list(loader)) == 2


def test_resumed_runs_can_be_saved_again():
    for workers in (0, 2):
        make = shuffled(Augmented, num_workers=workers)
        seeded()
        whole = [plain(batch) for batch in make()]
        seeded()
        loader, seen = make(), []
        while len(seen) < len(whole):
            seen.append(plain(next(iter(loader))))
            state, states = through_a_file(loader.state_dict()), globals_now()
            loader = make()
            loader.load_state_dict(state)
            torch.set_rng_state(states[0]), random.setstate(states[1])
            np.random.set_state(states[2])
        assert seen == whole


def test_what_need_not_be_read_again_is_not(tmp_path):
    class Counted(Dataset):
        stateless = True

        def __len__(self):
            return 8

        def __getitem__(self, index):
            (tmp_path / f"{index} {os.getpid()}").touch()
            return index

    loader = DataLoader(Counted(), 1, num_workers=1)
    iterator = iter(loader)
    for _ in range(5):
        next(iterator)
    state = loader.state_dict()
    del iterator
    for file in tmp_path.iterdir():
        file.unlink()
    loader.load_state_dict(state)
    assert plain(list(loader)) == [[5], [6], [7]]
    assert sorted(int(file.name.split()[0]) for file in tmp_path.iterdir()) == [5, 6, 7]


def test_reading_again_does_not_run_into_the_timeout():
    import time

    class Slow(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            time.sleep(0.1)
            return index

    loader = DataLoader(Slow(), 1, num_workers=1, timeout=0.45)
    iterator = iter(loader)
    for _ in range(6):
        next(iterator)
    loader.load_state_dict(loader.state_dict())
    assert plain(list(loader)) == [[6], [7]]


def test_states_of_other_loaders_are_refused():
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(range(8), 2, shuffle=True, generator=generator)
    next(iter(loader))
    state = loader.state_dict()
    for other, name in (
        (DataLoader(range(8), 4, shuffle=True, generator=generator), "batch_size 2 .here 4"),
        (DataLoader(range(9), 2, shuffle=True, generator=generator), "batches 4 .here 5"),
        (DataLoader(range(8), 2, shuffle=True), "generators 1 .here 0"),
        (DataLoader(range(8), 2, num_workers=2, generator=generator), "num_workers 0 .here 2"),
        (DataLoader(Stream(), 2, generator=generator), "dataset map-style .here an Iterable"),
    ):
        before = generator.get_state().tolist()
        with pytest.raises(ValueError, match=name):
            other.load_state_dict(state)
        assert generator.get_state().tolist() == before and other._loaded is None
    with pytest.raises(TypeError, match="got list"):
        loader.load_state_dict([])


def test_what_refuses_a_state_leaves_the_others_as_they_were():
    class Refusing(Telling):
        def load_state_dict(self, state):
            if state["reads"] == 0:
                raise LookupError("never")

    def make():
        generator = torch.Generator().manual_seed(9)
        return DataLoader(Refusing(), 2, sampler=TellingSampler(9), generator=generator)

    loader = make()
    state = loader.state_dict()
    next(iter(loader))
    loader.generator.manual_seed(4)
    before = loader.sampler.state_dict(), loader.generator.get_state().tolist()
    with pytest.raises(LookupError):
        loader.load_state_dict(state)
    assert (loader.sampler.state_dict(), loader.generator.get_state().tolist()) == before
    assert loader.state_dict()["position"]["given"] == 1


class InMemory(Dataset):
    """Offers itself frozen, so that no workers are started."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return index, torch.rand(1).item()

    def _frozen(self):
        return Frozen()


class Frozen:
    draws = True

    def batch(self, indices, generator):
        return None

    def sample(self, index):
        return InMemory()[index]


@pytest.mark.parametrize("persistent", [False, True])
def test_where_no_workers_are_needed(persistent, monkeypatch):
    make = shuffled(InMemory, num_workers=2, persistent_workers=persistent)
    for save_at in PLACES:
        loader, _ = same_after(make, save_at)
    assert type(iter(loader)).__name__ == "StandInIterator"
    # A state may go from the one kind of iterator to the other.
    for first, then in ((True, False), (False, True)):
        monkeypatch.setattr(InMemory, "_frozen", lambda self, yes=first: Frozen() if yes else None)
        seeded()
        iterator = iter(loader := make())
        for _ in range(2):
            next(iterator)
        state = loader.state_dict()
        rest = plain(list(iterator))
        monkeypatch.setattr(InMemory, "_frozen", lambda self, yes=then: Frozen() if yes else None)
        other = make()
        other.load_state_dict(through_a_file(state))
        assert plain(list(other)) == rest


def test_damaged_states_are_refused():
    loader = DataLoader(Augmented(), 2, shuffle=True, num_workers=2, persistent_workers=True)
    next(iter(loader))
    good = through_a_file(loader.state_dict())
    for name in ("given", "drawn", "base_seed", "by_worker", "at_first", "snapshots", "turn"):
        for bad in (None, -1, 1 << 70, "x", [], {}, {"torch": 1}, 2.5):
            if (name, bad) in (("at_first", None), ("turn", 2.5)):
                continue
            state = {**good, "position": {**good["position"], name: bad}}
            with pytest.raises(ValueError, match="DataLoader.load_state_dict"):
                loader.load_state_dict(state)
    for name in good:
        with pytest.raises(ValueError, match=name):
            loader.load_state_dict({key: good[key] for key in good if key != name})
    loader.load_state_dict(good)
    assert len(list(loader)) == 5


def test_a_tensor_dataset_over_workers():
    data = TensorDataset(torch.arange(12))
    same_after(lambda: DataLoader(data, 2, shuffle=True, num_workers=2), (0, 2), 2)
