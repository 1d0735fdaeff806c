"""Dropout and its relatives: multiplication with masks from the random stream."""

from __future__ import annotations

import math
from typing import Any

from .table import call, row


def _probability(name: str, p: Any) -> float:
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise TypeError(f"{name}(): argument 'p' (position 2) must be float, not {type(p).__name__}")
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    return float(p)


def _noise_shape(input: Any) -> tuple[int, ...]:
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *[1] * (input.ndim - 2))


def _dropped(input: Any, p: float, train: bool, feature: bool, alpha: bool) -> Any:
    if p == 0 or not train or not input.numel():
        return input
    if not input.dtype.is_differentiable:
        raise RuntimeError(
            f"dropout: result type Float can't be cast to the desired output type "
            f"{input.dtype.legacy}"
        )
    if p == 1:
        return input * call.zeros((), dtype=input.dtype, device=input.device)
    if not (feature or alpha):
        found = call.dropped(input, p)
        if found is not None:
            return found
    shape = _noise_shape(input) if feature else tuple(input.shape)
    kept = call.bernoulli_mask(input, shape, 1 - p)
    if not alpha:
        return input * (kept / (1 - p))
    # Klambauer et al. 2017: dropped units take alpha', and a and b restore mean and variance.
    low = 1.7580993408473766
    a = 1.0 / math.sqrt((low * low * p + 1) * (1 - p))
    b = (kept - 1) * (low * a) + low * a * p
    return input * (kept * a) + b


def _variant(feature: bool, alpha: bool, name: str) -> Any:
    def dropout(input: Any, p: float, train: bool) -> Any:
        return _dropped(input, _probability(name, p), bool(train), feature, alpha)

    dropout.__name__ = name
    dropout.__doc__ = (
        "In training, zero elements with probability p and scale the others by 1 / (1 - p). The "
        "mask is drawn from the default generator as PyTorch draws it."
    )
    return dropout


for _name, _feature, _alpha in (
    ("dropout", False, False), ("feature_dropout", True, False),
    ("alpha_dropout", False, True), ("feature_alpha_dropout", True, True),
):  # fmt: skip
    row(f"{_name}(Tensor input, float p, bool train) -> Tensor",
        body=_variant(_feature, _alpha, _name), forms="fI", doc="See body.")  # fmt: skip
