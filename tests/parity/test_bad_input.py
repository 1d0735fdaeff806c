"""Every wrong call of `tests/bad_input` raises the same type in PyTorch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.bad_input.case import Case  # noqa: E402
from tests.bad_input.cases import CASES  # noqa: E402
from tests.bad_input.check import raised  # noqa: E402


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pytorch_raises_the_same(case: Case) -> None:
    problem, line = raised(case, torch)
    names = [kind.__name__ for kind in type(problem).__mro__]
    assert case.error in names[: names.index("Exception")], repr(problem)
    assert line == case.line
