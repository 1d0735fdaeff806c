"""`torch.special`: functions of mathematics under the names that SciPy has for them."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import no_attribute

_ALIASES = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2",
    "expit": "sigmoid", "expm1": "expm1", "gammaln": "lgamma", "i0": "i0", "log1p": "log1p",
    "log_softmax": "log_softmax", "logit": "logit", "logsumexp": "logsumexp",
    "multigammaln": "mvlgamma", "polygamma": "polygamma", "psi": "digamma", "round": "round",
    "sinc": "sinc", "softmax": "softmax", "xlogy": "xlogy", "gammainc": "igamma",
    "gammaincc": "igammac",
}  # fmt: skip
"""What each function is called in the main namespace."""

_SQRT_HALF = 0.5**0.5


def entr(input: Any) -> Any:
    """-x log x; 0 at 0, -inf below."""
    return torch.where(input < 0, -torch.inf, -torch.xlogy(input, input))


def ndtr(input: Any) -> Any:
    """The area under the standard normal curve left of x."""
    return 0.5 * torch.erfc(-_SQRT_HALF * input)


def ndtri(input: Any) -> Any:
    """The x that `ndtr` gives this area."""
    return torch.erfinv(2 * input - 1) / _SQRT_HALF


def xlog1py(input: Any, other: Any) -> Any:
    """x log(1 + y); 0 where x is 0 and y no NaN."""
    return torch.xlogy(input, 1 + other) if isinstance(other, (int, float)) else torch.where(
        (input == 0) & ~torch.isnan(other), 0.0, input * torch.log1p(other)
    )  # fmt: skip


def __getattr__(name: str) -> Any:
    known = _ALIASES.get(name)
    if name in torch.row_names("special"):
        found = torch.row_function(name, "special")
    elif known is None or not hasattr(torch, known):
        raise no_attribute(__name__, name)
    else:
        found = getattr(torch, known)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for name, known in _ALIASES.items() if hasattr(torch, known))})
