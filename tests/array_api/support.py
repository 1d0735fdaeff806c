"""Arrays of the standard's dtypes for the tests, and comparison with NumPy, which follows the
standard too."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import flambeau.array_api as xp

BOOL = ("bool",)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGRAL = SIGNED + UNSIGNED
REAL = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
FLOATING = REAL + COMPLEX
NUMERIC = INTEGRAL + FLOATING
EVERY = BOOL + NUMERIC


def elements(dtype: str, limit: int = 8) -> st.SearchStrategy[Any]:
    """Small numbers, whose sums and products fit every dtype."""
    if dtype == "bool":
        return st.booleans()
    if dtype in INTEGRAL:
        return st.integers(0 if dtype in UNSIGNED else -limit, limit)
    halves = st.integers(-2 * limit, 2 * limit).map(lambda i: i / 2)
    return halves if dtype in REAL else st.builds(complex, halves, halves)


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0) -> st.SearchStrategy[Any]:
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=4)


@st.composite
def arrays(
    draw: Any, dtypes: tuple[str, ...] = NUMERIC, shape: Any = None, limit: int = 8, **sides: int
) -> np.ndarray:
    """A NumPy array of one of the dtypes."""
    dtype = draw(st.sampled_from(dtypes))
    of = draw(shapes(**sides)) if shape is None else shape
    return draw(hnp.arrays(dtype, of, elements=elements(dtype, limit)))  # type: ignore[no-any-return]


def ours(x: np.ndarray) -> Any:
    """The array as one of flambeau's, in memory of its own."""
    return xp.asarray(x, copy=True)


def same(found: Any, wanted: Any, tolerance: float = 1e-4) -> None:
    """Equal types, dtypes, shapes and (nearly) values; the parts of tuples likewise."""
    if isinstance(wanted, tuple):
        assert isinstance(found, tuple) and len(found) == len(wanted)
        for f, w in zip(found, wanted, strict=True):
            same(f, w, tolerance)
        return
    want = np.asarray(wanted)
    assert type(found) is xp.Array
    assert found.dtype.name == want.dtype.name
    assert tuple(found.shape) == want.shape
    np.testing.assert_allclose(found.numpy(), want, rtol=tolerance, atol=tolerance)
