"""The rules that make laziness invisible, looked at from inside."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from flambeau.graph.trace import state


def pending() -> list[str]:
    """The names of the operations that wait."""
    return [v.op.name for v in state.nodes]


def test_operations_wait_until_observed() -> None:
    torch._flush()
    x = torch.ones(3)
    y = x + 1
    assert pending() == ["constant", "add"]
    assert y.tolist() == [2, 2, 2]
    assert pending() == []


def test_what_nobody_holds_is_not_computed() -> None:
    torch._flush()
    x = torch.ones(3)
    (x + 1) * 2
    z = x - 1
    z.numpy()
    program = tiering.programs()[-1]
    assert [i.op.name for i in program.instructions] == ["constant", "sub"]


def test_what_is_still_held_is_computed_once() -> None:
    torch._flush()
    x = torch.rand(3)
    y = x * 3
    z = y + 1
    z.numpy()
    assert y._storage.value.buffer is not None
    assert state.nodes == []
    np.testing.assert_array_equal(y.numpy(), x.numpy() * 3)


def test_equal_graphs_are_one_program_whatever_their_numbers() -> None:
    def step(lr: float) -> float:
        x = torch.rand(5)
        x.sub_(torch.rand(5), alpha=lr)
        return float((x * lr).sum())

    step(0.1)
    before = tiering.hits, tiering.misses
    for lr in (0.2, 0.3, 0.4):
        step(lr)
    assert tiering.misses == before[1]
    assert tiering.hits >= before[0] + 3


def test_different_rows_of_a_tensor_are_one_program() -> None:
    x = torch.rand(10, 3)
    (x[1] * 2).tolist()
    misses = tiering.misses
    for i in range(2, 10):
        (x[i] * 2).tolist()
        x[i] = 0
        torch._flush()
    assert tiering.misses <= misses + 1


def test_intermediates_of_a_step_are_no_outputs() -> None:
    """After backward nothing holds the intermediates: only the loss and gradients come out."""
    w = torch.rand(4, 4).requires_grad_()
    x = torch.rand(2, 4)
    torch._flush()
    loss = (x @ w).relu().sum()
    loss.backward()
    torch._flush()
    program = tiering.programs()[-1]
    assert len(program.outputs) == 2
    program.verify()


def test_a_program_prints_and_keeps_its_grammar() -> None:
    x = torch.rand(2, 3)
    torch._flush()
    y = (x * 2.0).t() + 1
    y.numpy()
    program = tiering.programs()[-1]
    program.verify()
    text = str(program)
    assert "mul(%0, %1)" in text and "view(" in text and text.startswith("program(")


def test_a_long_loop_is_run_in_parts() -> None:
    x = torch.zeros(2)
    for _ in range(20_000):
        x = x + 1
    assert len(state.nodes) <= config.max_pending_nodes
    assert x.tolist() == [20_000, 20_000]


def test_pending_values_cross_threads() -> None:
    x = torch.ones(3) + 1
    found: list[list[float]] = []
    thread = threading.Thread(target=lambda: found.append((x * 2).tolist()))
    thread.start()
    thread.join()
    assert found == [[4, 4, 4]]
    assert (x * 3).tolist() == [6, 6, 6]


def test_threads_train_side_by_side() -> None:
    results: dict[int, float] = {}

    def train(seed: int) -> None:
        w = torch.full((4,), float(seed)).requires_grad_()
        for _ in range(50):
            ((w - 1) ** 2).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        results[seed] = w.sum().item()

    threads = [threading.Thread(target=train, args=(s,)) for s in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(abs(v - 4) < 1e-3 for v in results.values())


def test_writes_reuse_memory_that_dies() -> None:
    """x[i] = v in a loop copies the whole of x at most once a flush."""
    x = torch.zeros(1 << 20)
    for i in range(200):
        x[i] = i
    assert x[:4].tolist() == [0, 1, 2, 3]
    assert x[199].item() == 199


def test_the_interpreter_writes_where_the_old_value_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "off")
    x = torch.zeros(8)
    addresses = set()
    for i in range(3):
        x[i] = i + 1
        torch._flush()
        addresses.add(x._storage.value.buffer.ctypes.data)  # type: ignore[union-attr]
    assert len(addresses) == 1 and x.tolist() == [1, 2, 3, 0, 0, 0, 0, 0]


def test_a_clone_shares_memory_until_one_is_written() -> None:
    x = torch.rand(4)
    y = x.clone()
    y.add_(1)
    np.testing.assert_array_equal(x.numpy() + 1, y.numpy())


def test_a_failing_operation_spoils_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside a flush is raised where somebody looked; the other results can be had."""
    from flambeau.ops.table import table

    monkeypatch.setattr(config, "compile", "off")  # native code would not fail

    def fail(x: object) -> None:
        raise MemoryError("no room for exp")

    torch._flush()
    tiering._programs.clear()
    a = torch.full((3,), 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(table["exp"], "numpy", fail)
        b, c = a * 2, a.exp()
        with pytest.raises(MemoryError, match="no room"):
            b.tolist()
        assert b.tolist() == [4, 4, 4]
        with pytest.raises(MemoryError, match="no room"):
            c.tolist()
    tiering._programs.clear()
    assert c.tolist() == torch.full((3,), 2.0).exp().tolist()


def test_an_interrupted_write_keeps_what_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau.ops.table import table

    monkeypatch.setattr(config, "compile", "off")

    def stop(x: object) -> None:
        raise KeyboardInterrupt

    x = torch.zeros(4) + 1
    torch._flush()
    with monkeypatch.context() as patch:
        patch.setattr(table["exp"], "numpy", stop)
        y = torch.ones(2).exp()
        x[0] = 5
        with pytest.raises(KeyboardInterrupt):
            x.tolist()
    tiering._programs.clear()
    assert x.tolist() == [5, 1, 1, 1]
    assert y.shape == (2,)
