"""The loop language as data: its grammar, its text, its argument words."""

from __future__ import annotations

import pytest

from flambeau.codegen.loop import Access, Loop, Operand, Stage, Statement, verify, words
from flambeau.codegen.loop_text import show

F = Operand("float32", 1)
LOAD = Statement("load", (), "float32", 0)


def loop(*stages: Stage, **changes: object) -> Loop:
    given: dict[str, object] = dict(
        par=1, red=1, vector="red", inputs=(F,), outputs=(F,), numbers=("float64",), stages=stages
    )
    return Loop(**(given | changes))  # type: ignore[arg-type]


MEAN = loop(
    Stage("full", (LOAD, Statement("reduce", (0,), "float32", "sum"))),
    Stage("row", (Statement("number", (), "float32", 0), Statement("mul", (1, 2), "float32"))),
    Stage(
        "full", (LOAD, Statement("sub", (4, 3), "float32"), Statement("store", (5,), "float32", 0))
    ),
)


def test_it_can_be_read() -> None:
    verify(MEAN)
    assert show(MEAN).splitlines() == [
        "loop(par 1, red 1, vectors along red; in0: float32/1; out0: float32/1; n0: float64)",
        "  full:",
        "    %0: float32 = load in0",
        "    %1: float32 = reduce sum %0",
        "  row:",
        "    %2: float32 = n0",
        "    %3: float32 = mul %1, %2",
        "  full:",
        "    %4: float32 = load in0",
        "    %5: float32 = sub %4, %3",
        "    store out0 %5",
    ]


WRONG = [
    (loop(Stage("full", (LOAD,)), vector="rows"), "rows"),
    (loop(Stage("full", (LOAD,)), red=0), "need one"),
    (loop(Stage("row", (LOAD,)), red=0, vector="par"), "one full stage"),
    (loop(Stage("full", (LOAD,)), dense=True), "blocks"),
    (loop(Stage("full", (Statement("load", (), "float64", 0),))), "operand"),
    (loop(Stage("full", (LOAD, Statement("add", (0, 1), "float32")))), "not there yet"),
    (loop(Stage("full", (LOAD,)), Stage("full", (Statement("neg", (0,), "float32"),))), "another"),
    (
        loop(Stage("full", (
            LOAD, Statement("reduce", (0,), "float32", "max"), Statement("neg", (1,), "float32"),
        ))),
        "reduced in this stage",
    ),
    (loop(Stage("full", (LOAD, Statement("and", (0, 0), "float32")))), "bools"),
    (loop(Stage("full", (LOAD, Statement("lt", (0, 0), "float32")))), "result"),
    (loop(Stage("row", (Statement("index", (), "int64", 1),))), "index"),
    (loop(Stage("row", (LOAD, Statement("reduce", (0,), "float32", "sum")))), "reduce"),
    (loop(Stage("full", (LOAD, Statement("what", (0,), "float32")))), "operation"),
]  # fmt: skip


@pytest.mark.parametrize("wrong, why", WRONG)
def test_the_grammar_says_what_is_wrong(wrong: Loop, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        verify(wrong)


def test_words_are_in_the_documented_order() -> None:
    one = Loop(1, 0, "par", (F, F), (F,), ("int64",), (Stage("full", (LOAD,)),), (1,), True)
    operands = (Access(4, 8, (4,)), Access(5, 0, (0,), 400), Access(6, 16, (4,)))
    assert words(one, (100,), operands, (9,), 32) == [100, 32, 4, 8, 4, 5, 0, 0, 400, 6, 16, 4, 9]
