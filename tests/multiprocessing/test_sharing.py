"""Tensors go to other processes by shared memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.support import run_text

PROGRAM = """
import sys
import torch
import torch.multiprocessing as mp

def worker(i, t, queue, done, model):
    t[i] += 10 * (i + 1)
    queue.put((i, torch.full((3,), float(i)), t, torch.nn.Parameter(torch.ones(2)), t.bfloat16()))
    done.wait()

def single(i, t):
    t[i] = i + 1

def double(t):
    return t * 2

def train(model, x, y):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()

if __name__ == "__main__":
    context = mp.get_context(sys.argv[1])
    t = torch.zeros(2).share_memory_()
    queue, done, model = context.Queue(), context.Event(), torch.nn.Linear(2, 2).share_memory()
    processes = [context.Process(target=worker, args=(i, t, queue, done, model)) for i in range(2)]
    for p in processes:
        p.start()
    got = sorted((queue.get() for _ in processes), key=lambda g: g[0])
    print([g[1].tolist() for g in got], t.tolist(), got[0][1].is_shared())
    got[0][2][0] = 100
    print(t.tolist(), type(got[0][3]).__name__, got[0][3].requires_grad, got[0][4].dtype)
    done.set()
    for p in processes:
        p.join()
    print([p.exitcode for p in processes])
    ours, theirs = context.Pipe()
    v = torch.arange(4.0)
    ours.send(v[1:3])
    theirs.recv().zero_()
    print(v.tolist())
    try:
        ours.send(model.weight * 2)
    except RuntimeError as error:
        print("detach" in str(error))
    torch.manual_seed(0)
    x = torch.randn(16, 2)
    y = x @ torch.tensor([[1.0, 2], [3, 4]])
    before = ((model(x) - y) ** 2).mean().item()
    processes = [context.Process(target=train, args=(model, x, y)) for _ in range(2)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    print(((model(x) - y) ** 2).mean().item() < before)
    if sys.argv[1] == "spawn":
        with context.Pool(1) as pool:
            print([x.tolist() for x in pool.map(double, [torch.ones(2)])])
        mp.spawn(single, args=(t,), nprocs=2)
        print(t.tolist())
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_program(tmp_path: Path, method: str) -> None:
    result = run_text(PROGRAM, tmp_path, method)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:6] == [
        "[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]] [10.0, 20.0] True",
        "[100.0, 20.0] Parameter True torch.bfloat16",
        "[0, 0]", "[0.0, 0.0, 0.0, 3.0]", "True", "True",
    ]  # fmt: skip
    if method == "spawn":
        assert lines[6:] == ["[[2.0, 2.0]]", "[1.0, 2.0]"]
