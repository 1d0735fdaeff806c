"""Wrong calls: PyTorch's exception type, a message with the values, at the user's own line."""

from __future__ import annotations

import builtins

import pytest

import flambeau
from tests.bad_input.case import Case
from tests.bad_input.cases import CASES
from tests.bad_input.check import raised


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_helps(case: Case) -> None:
    problem, line = raised(case, flambeau)
    # Some of PyTorch's errors are subclasses of what its documentation names.
    assert isinstance(problem, getattr(builtins, case.error)), repr(problem)
    assert not isinstance(problem, flambeau.errors.InternalError), repr(problem)
    missing = [word for word in case.words if word.lower() not in str(problem).lower()]
    assert not missing, f"{missing} not in: {problem}"
    assert line == case.line, f"raised at line {line}, the wrong call is line {case.line}"


def test_there_are_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 80
