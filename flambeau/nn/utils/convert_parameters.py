"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import flambeau as torch

__all__ = ["parameters_to_vector", "vector_to_parameters"]

Tensor = torch.Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one row."""
    return torch.cat([each.reshape(-1) for each in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Take the parameters' data from one row. `TypeError` if it is no tensor."""
    if not isinstance(vec, torch.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start, parts = 0, []
    for each in parameters:
        count = each.numel()
        parts.append((each, vec[start : start + count].view_as(each).data))
        start += count
    for each, data in parts:  # only now, when all are known to fit
        each.data = data
