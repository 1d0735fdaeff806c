"""Runs one case on a module that stands for torch."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import numpy as np

from tests.bad_input.case import Case


def raised(case: Case, torch: Any) -> tuple[Exception, int]:
    """The exception of a wrong call, and the user's line on top of its traceback."""
    name = f"<{case.name}>"
    names = {
        "torch": torch,
        "np": np,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "optim": torch.optim,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(case.code, name, "exec"), names)
    except Exception as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        line = [frame.lineno for frame in frames if frame.filename == name][-1]
        return problem, line or 0
    raise AssertionError(f"{case.name}: no exception")
