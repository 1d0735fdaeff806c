"""The op table. Importing this package fills it: one module a family, rows only."""

from . import (  # noqa: F401
    activations,
    arithmetic,
    comparison,
    complexes,
    convolution,
    division,
    indexing,
    logic,
    losses,
    matmul,
    movement,
    normalization,
    optimizers,
    pointwise,
    pooling,
    reductions,
    softmax,
    views,
)
