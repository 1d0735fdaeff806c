"""2,000 random programs with fixed seeds, some of them compiled, and tests of the instrument itself."""

from __future__ import annotations

import types
import warnings

import pytest

import flambeau
from flambeau.runtime import native
from tests.random_programs import oracle
from tests.random_programs.generator import generate
from tests.random_programs.runner import Line, Program
from tests.random_programs.shrink import report, shrink
from tests.random_programs.tiers import report_compiled, report_interpreted

PROGRAMS = 2000
BATCH = 100
COMPILED = 100
"""Programs that are compiled too: kernels take their time."""


@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_no_program_differs(first: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(first, first + BATCH):
            difference = report_interpreted(seed, generate(seed), flambeau)
            assert difference is None, difference


@pytest.mark.skipif(not native.available(), reason="there is no compiler here")
@pytest.mark.parametrize("first", range(0, COMPILED, BATCH // 4))
def test_no_compiled_program_differs(first: int) -> None:
    """With fusion and without, with whole numbers as constants and without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(first, first + BATCH // 4):
            difference = report_compiled(seed, generate(seed))
            assert difference is None, difference


def test_same_seed_same_program() -> None:
    assert generate(7).lines == generate(7).lines
    assert generate(7).lines != generate(8).lines


def test_the_programs_reach_everything() -> None:
    text = "\n".join(line.source for seed in range(300) for line in generate(seed).lines)
    for word in (
        *("as_strided", "unfold", "expand", "diagonal", "split", "unbind", "permute"),
        *("+=", "copy_", "fill_", "index_put_", "masked_fill_", "clamp_", "out=", "None", "..."),
        *("numpy()", "from_numpy", "np.add", "detach()", ".data", "requires_grad=True"),
        *("backward", "retain_graph", "autograd.grad", "no_grad", "del ", "item()", "@"),
    ):
        assert word in text, word


def test_the_programs_raise_and_differentiate() -> None:
    errors, gradients = 0, 0
    for seed in range(300):
        program = generate(seed)
        errors += sum(outcome.error is not None for outcome in program.expected)
        gradients += sum(name.endswith(".grad") for name in program.end)
    assert errors > 20
    assert gradients > 100


def test_a_wrong_framework_is_caught_and_cut_down() -> None:
    """The oracle itself with one function broken stands for a framework with a fault."""
    broken = types.ModuleType("broken")
    broken.__dict__.update({**vars(oracle), "__name__": "broken"})
    broken.ones = lambda shape, **_: oracle.zeros(shape)  # type: ignore[attr-defined]
    lines = [
        Line("a = torch.zeros((2, 3))"),
        Line("b = torch.ones((3,))"),
        Line("c = a[0]"),
        Line("c.tolist()", "read"),
        Line("c.add_(b)"),
        Line("a.tolist()", "read"),
    ]
    assert [line.source for line in shrink(lines, broken)] == ["b = torch.ones((3,))"]
    text = report(0, Program(lines, oracle), broken)
    assert text is not None
    assert "import broken as torch" in text
    assert "a.tolist()" not in text
