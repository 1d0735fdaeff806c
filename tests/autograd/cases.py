"""All cases of autograd, by name."""

from __future__ import annotations

from . import (
    cases_backward,
    cases_function,
    cases_functional,
    cases_graph,
    cases_hooks,
    cases_inplace,
    cases_modes,
)
from .cases_graph import EXPRESSIONS, chain_of
from .support import Case

_MODULES = (
    cases_backward, cases_function, cases_functional, cases_graph, cases_hooks, cases_inplace,
    cases_modes,
)  # fmt: skip
CASES: dict[str, Case] = {name: case for module in _MODULES for name, case in module.CASES.items()}

__all__ = ["CASES", "EXPRESSIONS", "chain_of"]
