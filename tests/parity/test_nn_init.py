"""`nn.init` against PyTorch's: the same numbers of the same seed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nn.cases import INITS
from tests.nn.support import array, evaluate
from tests.parity.nn_pair import SIDES, outcome, same_bits

OLD = ["uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform",
       "kaiming_normal", "eye", "orthogonal"]  # fmt: skip


@pytest.mark.parametrize("text", INITS)
def test_same_numbers(text: str) -> None:
    """Bit for bit, and the generator is left in the same state."""
    results = []
    for library in SIDES:
        library.manual_seed(11)
        results.append((evaluate(library, text), library.rand(4)))
    for theirs, ours in zip(*results, strict=True):
        same_bits(ours, theirs, text)


@pytest.mark.parametrize(
    "text", ["e(5, 3)", "e(3, 7)", "e(4, 2, 3)", "e(3, 3, dtype=torch.float64)"]
)
def test_orthogonal(text: str) -> None:
    """As near as two QR decompositions of the same numbers are."""
    results = []
    for library in SIDES:
        library.manual_seed(11)
        results.append(array(evaluate(library, f"init.orthogonal_({text}, gain=1.5)")))
    assert abs(results[0] - results[1]).max() < 1e-5


@pytest.mark.parametrize("name", OLD)
def test_old_names_warn(name: str) -> None:
    """The name without its underscore does the same with a FutureWarning."""
    results = []
    for library in SIDES:
        library.manual_seed(2)
        found: list[Any] = []
        kind = outcome(
            lambda f=getattr(library.nn.init, name), x=library.empty(4, 3), r=found: r.append(f(x))
        )
        results.append((kind, array(found[0])))
    assert results[0][0] == results[1][0] == "fine ['FutureWarning']"
    assert abs(results[0][1] - results[1][1]).max() < 1e-5


def call(library: Any, text: str) -> Any:
    return eval(text, {"torch": library, "init": library.nn.init, "e": library.empty})


WRONG = """
init.eye_(e(3))
init.dirac_(e(3, 3))
init.dirac_(e(3, 3, 3), groups=2)
init.xavier_uniform_(e(3))
init.xavier_normal_(e(()))
init.kaiming_uniform_(e(3))
init.kaiming_uniform_(e(3, 3), mode="other")
init.kaiming_uniform_(e(3, 3), nonlinearity="other")
init.kaiming_normal_(e(0, 3))
init.kaiming_uniform_(e(3, 0))
init.orthogonal_(e(3))
init.sparse_(e(3), 0.1)
init.trunc_normal_(e(30), mean=9.0)
init.calculate_gain("other")
init.calculate_gain("leaky_relu", "x")
init.calculate_gain("leaky_relu", True)
init.uniform_(e(3), 2.0, 1.0)
init.normal_(e(3), 0.0, -1.0)
""".strip().splitlines()


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text: str) -> None:
    """The same exception type and warnings."""
    theirs, ours = (outcome(lambda side=side: call(side, text)) for side in SIDES)
    assert ours == theirs


def test_gains() -> None:
    """Every nonlinearity's gain."""
    for call in ("'linear'", "'conv2d'", "'sigmoid'", "'tanh'", "'relu'", "'selu'", "'leaky_relu'",
                 "'leaky_relu', 0.2", "'leaky_relu', 3"):  # fmt: skip
        text = f"nn.init.calculate_gain({call})"
        assert evaluate(SIDES[0], text) == evaluate(SIDES[1], text)
