"""All wrong calls."""

from __future__ import annotations

from tests.bad_input import tensors, training
from tests.bad_input.case import Case

CASES: list[Case] = [
    *tensors.SHAPES,
    *tensors.DIMENSIONS,
    *tensors.DTYPES,
    *tensors.TYPES,
    *tensors.INDICES,
    *training.AUTOGRAD,
    *training.LAYERS,
    *training.TRAINING,
    *training.RANDOM_AND_DEVICES,
]
