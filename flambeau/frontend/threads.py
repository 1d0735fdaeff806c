"""`torch.get_num_threads` and `set_num_threads`."""

from __future__ import annotations

from ..runtime import pool


def get_num_threads() -> int:
    """How many threads one operation may use."""
    return pool.get_num_threads()


def set_num_threads(num: int) -> None:
    """Set how many threads one operation may use. NumPy's own threads, which run the interpreter's
    matrix products, are set by OMP_NUM_THREADS before the program starts."""
    if not isinstance(num, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError(f"expected a positive number of threads, got {num}")
    pool.set_num_threads(num)


def get_num_interop_threads() -> int:
    return 1


def set_num_interop_threads(num: int) -> None:
    """Accepted: operations do not run beside each other."""
