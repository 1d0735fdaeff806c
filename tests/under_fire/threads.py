"""Several Python threads train, observe, and share tensors at once: `--runs N [--strict]`.

Switching between them as often as Python can. With `--strict` results must be those of one thread
after the other, bit for bit.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.engine import patience, tiering

from .training import train


def together(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each job in a thread of its own; raise the first error of any."""
    results: list[Any] = [None] * len(jobs)
    errors: list[BaseException] = []

    def work(i: int) -> None:
        try:
            results[i] = jobs[i]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]
    return results


def trainings(strict: bool) -> None:
    """Five at once are five in turn."""
    tiering.forget()
    expected = [train(seed, 15) for seed in range(5)]
    found = together([lambda seed=seed: train(seed, 15) for seed in range(5)])  # type: ignore[misc]
    for a, b in zip(expected, found, strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(q, p, 0 if strict else 1e-3, 0 if strict else 1e-4)


def others_recorded_it() -> None:
    """Pending values of one thread, wanted by all, in any order."""
    x = torch.arange(6.0).reshape(2, 3)
    pending = [(x * i).tanh() for i in range(20)]
    expected = [np.tanh(np.arange(6.0).reshape(2, 3) * i) for i in range(20)]

    def look(k: int) -> None:
        for i in range(20) if k % 2 else range(19, -1, -1):
            (pending[i] * 2).sum().item()
            np.testing.assert_allclose(pending[i].numpy(), expected[i], 1e-5, 1e-6)

    together([lambda k=k: look(k) for k in range(4)])  # type: ignore[misc]


def memory_from_outside() -> None:
    """All find at once that nobody outside sees an array's memory any more."""
    t = torch.from_numpy(np.arange(6.0))
    u = t.view(2, 3)

    def look() -> None:
        assert (t + 1).sum().item() == 21 and (u * 2).sum().item() == 30
        assert u.t().tolist() == [[0, 3], [1, 4], [2, 5]] and t.numpy().sum() == 15

    together([look] * 3)


def gradients_of_one_leaf() -> None:
    """None is lost."""
    w = torch.ones(4, requires_grad=True)

    def backward() -> None:
        for _ in range(3):
            (w * 2).sum().backward()

    together([backward] * 3)
    assert w.grad is not None and w.grad.tolist() == [18.0] * 4


def errors_land_where_they_belong() -> None:
    def fail(k: int) -> None:
        for _ in range(5):
            if k % 2:
                try:
                    torch.linalg.inv(torch.zeros(2, 2)).tolist()
                except RuntimeError:
                    continue
                raise AssertionError("no error")
            assert torch.ones(3).mul(k).sum().item() == 3 * k

    together([lambda k=k: fail(k) for k in range(6)])  # type: ignore[misc]


def modes_are_a_threads_own() -> None:
    barrier = threading.Barrier(3)

    def within(k: int) -> None:
        half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=k == 1)
        with torch.set_grad_enabled(k % 2 == 0), half:
            barrier.wait()
            for _ in range(5):
                y = torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)
                assert y.requires_grad == (k % 2 == 0)
                assert y.dtype is (torch.bfloat16 if k == 1 else torch.float32)

    together([lambda k=k: within(k) for k in range(3)])  # type: ignore[misc]


def threads_that_end() -> None:
    """What they leave pending is there for others."""
    kept: list[torch.Tensor] = []
    for _ in range(10):
        together([lambda: kept.append(torch.ones(3) * 2)] * 5)
    assert all(t.tolist() == [2, 2, 2] for t in kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    faulthandler.enable()
    sys.setswitchinterval(1e-6)
    patience.MOST = 8
    torch.use_deterministic_algorithms(options.strict)
    for _ in range(options.runs):
        trainings(options.strict)
        for case in (others_recorded_it, memory_from_outside, gradients_of_one_leaf, threads_that_end,
                     errors_land_where_they_belong, modes_are_a_threads_own):  # fmt: skip
            for _ in range(3):
                case()
    print("done")


if __name__ == "__main__":
    main()
