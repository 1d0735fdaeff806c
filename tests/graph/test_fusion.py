"""Which operations run in one loop, and why others don't."""

from __future__ import annotations

from flambeau.codegen.schedule import Schedule
from flambeau.graph.fusion import Fusion, fuse, is_compute
from flambeau.graph.ir import Builder, Node
from flambeau.graph.simplify import simplify

from ..codegen.graph_random import RandomGraph


def fused(*outputs: Node) -> Fusion:
    return fuse(simplify(list(outputs)))


def groups(fusion: Fusion) -> list[list[str]]:
    found = dict.fromkeys(fusion.group_of.values())
    return sorted([n.op for n in g.nodes] for g in found)


def given(b: Builder, *shapes: tuple[int, ...]) -> list[Node]:
    return [b.make("input", (), i, s, "float32") for i, s in enumerate(shapes)]


def test_a_chain_is_one_loop() -> None:
    b = Builder()
    x, y = given(b, (4, 5), (5,))
    assert groups(fused(b.tanh(b.mul(b.add(x, y), 2.0)))) == [["add", "mul", "tanh"]]


def test_softmax_is_one_loop() -> None:
    b = Builder()
    (x,) = given(b, (4, 5))
    e = b.exp(b.sub(x, b.amax(x, [1], True)))
    assert groups(fused(b.div(e, b.sum(e, [1], True)))) == [["reduce", "sub", "exp", "reduce", "div"]]


def test_gradients_beside_each_other_share_a_loop() -> None:
    b = Builder()
    x, g = given(b, (4, 5), (4, 5))
    y = b.tanh(x)
    fusion = fused(b.mul(g, b.sub(1.0, b.mul(y, y))), y)
    assert len(groups(fusion)) == 1


def test_reductions_over_other_dimensions_are_apart() -> None:
    b = Builder()
    (x,) = given(b, (4, 5))
    y = b.exp(x)
    fusion = fused(b.sum(y, [0]), b.sum(y, [1]))
    assert len(groups(fusion)) == 2
    assert [why for _, _, why in fusion.refused]


def test_what_is_read_otherwise_is_in_memory() -> None:
    b = Builder()
    (x,) = given(b, (4, 5))
    y = b.exp(x)
    fusion = fused(b.add(y, b.view(y, (4, 5), (0, 1))))  # its first row
    stored = [n.op for n in fusion.stored]
    assert "exp" in stored and len(groups(fusion)) == 2
    assert [why for _, _, why in fusion.refused]


def test_no_path_leads_out_of_a_group_and_back() -> None:
    """a → product → b, and a → b: together a and b would wait for themselves."""
    b = Builder()
    x, w = given(b, (4, 4), (4, 4))
    a = b.exp(x)
    fusion = fused(b.add(a, b.matmul(a, w)))
    assert groups(fusion) == [["add"], ["exp"]]
    assert "something between them must run first" in [why for _, _, why in fusion.refused]


def test_groups_of_random_graphs_can_be_put_in_order() -> None:
    for seed in range(300):
        g = RandomGraph(seed)
        for enabled in (True, False):
            fusion = fuse(simplify(list(g.outputs)), enabled)
            schedule, count = Schedule(fusion), 0
            while schedule.next() is not None:
                count += 1
            computed = [n for n in fusion.live if is_compute(n)]
            assert sorted(map(id, computed)) == sorted(
                id(n) for group in set(fusion.group_of.values()) for n in group.nodes
            )
            assert enabled or count >= len(computed)
