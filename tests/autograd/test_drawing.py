"""The graph as text and as a picture."""

from __future__ import annotations

import re

import flambeau as torch
from flambeau.autograd import draw, graph_text


def _loss() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    x, w = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    h = (x * w).relu()
    return h.sum() + h.exp().mean(), {"x": x, "w": w}


def test_text() -> None:
    loss, names = _loss()
    assert graph_text(loss, names).splitlines() == [
        "AddBackward0 []",
        "  SumBackward0 []",
        "    ReluBackward0 [2, 3]",
        "      MulBackward0 [2, 3]",
        "        x [2, 3]",
        "        w [3]",
        "  MeanBackward0 []",
        "    ExpBackward0 [2, 3]",
        "      ReluBackward0, see line 3",
    ]
    assert "        leaf [3]" in graph_text(loss)


def test_text_of_a_long_chain() -> None:
    y = torch.ones(1, requires_grad=True)
    for _ in range(3000):
        y = -y
    assert len(graph_text(y).splitlines()) == 3001
    assert draw(y).count("->") == 3000


def test_picture() -> None:
    loss, names = _loss()
    dot = draw(loss, names)
    assert dot.startswith("digraph autograd {") and dot.endswith("}")
    assert dot.count("[label=") == 6 and dot.count("shape=box") == 2
    numbers = dict(re.findall(r'  (n\d+) \[.*label="([^"\\]*)', dot))
    edges = {(numbers[a], numbers[b]) for a, b in re.findall(r"  (n\d+) -> (n\d+)", dot)}
    assert edges == {
        ("x [2, 3]", "MulBackward0"), ("w [3]", "MulBackward0"), ("MulBackward0", "ReluBackward0"),
        ("ReluBackward0", "SumBackward0"), ("ReluBackward0", "ExpBackward0"),
        ("ExpBackward0", "MeanBackward0"), ("SumBackward0", "AddBackward0"),
        ("MeanBackward0", "AddBackward0"),
    }  # fmt: skip


def test_picture_of_several_results() -> None:
    a, b = torch.ones(4, requires_grad=True).split(2)
    dot = draw((a * b).sum())
    assert '[label="0"]' in dot and '[label="1"]' in dot and "[2], [2]" in dot
