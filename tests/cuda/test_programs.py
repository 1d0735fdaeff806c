"""Random graphs and random programs on a simulated GPU, and small trainings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine.verify import difference
from flambeau.graph import rounding
from tests.codegen.graph_random import RandomGraph
from tests.random_programs import generator, oracle, runner
from tests.random_programs.runner import Line, Program
from tools.gpu import simulated

from .graph_runner import GpuRun

F = torch.nn.functional


@pytest.fixture
def gpu() -> Iterator[Any]:
    with simulated(capability=80, memory=256 << 20) as found:
        yield found


def check_graph(seed: int) -> None:
    """A random graph means on a GPU what it means in NumPy, fused and not."""
    g = RandomGraph(seed)
    known = {n: g.arrays[n.attr] for n in g.b.nodes if n.op == "input"}
    expected = rounding.evaluate(g.outputs, known, g.numbers)
    for fusing, taking_over in ((True, False), (True, True), (False, False)):
        run = GpuRun(g.outputs, g.arrays, g.numbers, fusing=fusing, taking_over=taking_over)
        for node, have, want in zip(g.outputs, run.results, expected, strict=True):
            found = difference(have, want, node.dtype)
            assert not found, f"seed {seed}, fusing {fusing}, {taking_over}: {node}: {found}"


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs(seed: int, gpu: Any) -> None:
    check_graph(seed)


def program_of(seed: int, length: int | None = None) -> Program:
    """A random program that leaves NumPy alone: a GPU's memory is not shared with it."""
    before = {k: dict(v) for k, v in generator.THEMES.items()}
    try:
        for factors in generator.THEMES.values():
            factors.update(dict.fromkeys(generator._NUMPY, 0))
        made = generator.generate(seed, length)
    finally:
        generator.THEMES.update(before)
    lines = [Line(x.source.replace(".numpy()", ".tolist()"), x.kind) for x in made.lines]
    return Program(lines, oracle)


def check_program(seed: int, length: int | None = None) -> None:
    """A random program does on a GPU what the oracle says, in both tiers."""
    program = program_of(seed, length)
    for tier in ("off", "sync"):
        config.compile = tier
        try:
            with torch.device("cuda"):
                program.compare(torch)
        except runner.Difference as error:
            raise AssertionError(f"seed {seed}, {tier}: {error}\n{program.script()}") from None


@pytest.mark.parametrize("seed", range(3))
def test_random_programs(seed: int, gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", config.compile)
    monkeypatch.setattr(runner.Machine, "sharing", lambda self: set())
    check_program(seed, 10)


class Convolutional(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 3, 3)
        self.norm = torch.nn.BatchNorm2d(3)
        self.out = torch.nn.Linear(3 * 4 * 4, 4)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.out(x.flatten(1))


class Attending(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(11, 16)
        self.block = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True)
        self.out = torch.nn.Linear(16, 11)

    def forward(self, x: Any) -> Any:
        mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.out(self.block(self.embed(x), mask, is_causal=True)).flatten(0, 1)


@pytest.mark.parametrize(
    "network, optimizer", [(Convolutional, torch.optim.AdamW), (Attending, torch.optim.SGD)]
)
def test_trainings_agree_with_the_cpu(
    network: Any, optimizer: Any, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "compile", "sync")
    monkeypatch.setattr(config, "cuda_conv_tf32", False)
    losses: dict[str, list[float]] = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        net = network()
        if network is Convolutional:
            x, t = torch.randn(4, 1, 10, 10), torch.tensor([0, 3, 1, 2])
        else:
            x, t = torch.randint(0, 11, (2, 6)), torch.randint(0, 11, (12,))
        net, x, t = net.to(device), x.to(device), t.to(device)
        steps = optimizer(net.parameters(), lr=0.02)
        found = []
        for _ in range(4):
            steps.zero_grad()
            loss = F.cross_entropy(net(x), t)
            loss.backward()
            steps.step()
            found.append(loss)
        losses[device] = [x.item() for x in found]
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], 2e-4)
