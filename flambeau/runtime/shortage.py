"""What is done where memory is short: who gives back what, and the error that says what is held.

Whoever keeps memory for later says so here (`keeps`). An allocation that fails is tried once more
after all of it was given back (`relieve`); what can't be had then is an `OutOfMemoryError`.

Linux gives out more than there is, and kills who uses it. So an allocation of `LARGE` bytes or more
is asked about first (`admit`): reading what is available takes some 0.05 ms, filling so many bytes
hundred times that.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import OutOfMemoryError
from . import limits

LARGE = 64 << 20

F = TypeVar("F", bound=Callable[..., Any])
Counts = Callable[[], dict[str, int]]
_counts: list[Counts] = []
_releases: list[Callable[[], None]] = []


def keeps(counts: Counts, release: Callable[[], None] | None = None) -> None:
    """Somebody holds memory: `counts` tells how many bytes of what, `release` gives back what is
    free of it."""
    _counts.append(counts)
    if release is not None:
        _releases.append(release)


def held() -> dict[str, int]:
    """Bytes that flambeau holds, by what they are."""
    found: dict[str, int] = {}
    for counts in _counts:
        found.update(counts())
    return found


def relieve(collect: bool = False) -> None:
    """Give back all memory that is free; with `collect`, also what is in Python's cycles. Finalizers
    run then: not in the middle of anything."""
    if collect:
        gc.collect()
    for release in _releases:
        release()


def admit(nbytes: int, what: str = "") -> None:
    """Refuse bytes that the machine hasn't got.

    Raises:
        OutOfMemoryError: they are more than is available, also after `relieve`.
    """
    if nbytes > limits.available():
        relieve()
        if nbytes > limits.available():
            raise refused(nbytes, what)


def possible(nbytes: int, what: str, sizes: Any = None) -> None:
    """Refuse a result that could never be: no memory is that large, however empty.

    Raises:
        OutOfMemoryError: naming `what`, the operation.
    """
    if nbytes > limits.most():
        if nbytes > limits.UNLIMITED and sizes is not None:
            raise OutOfMemoryError(
                f"{what}(): Storage size calculation overflowed with sizes={list(sizes)}"
            )
        raise refused(nbytes, what)


def refused(nbytes: int | None, what: str = "", why: str = "") -> OutOfMemoryError:
    """The error for bytes (None: nobody knows how many) that `what`, an operation, can't get."""
    size = "memory" if nbytes is None else f"{nbytes} bytes{_about(nbytes)}"
    parts = [f"{n} {name}" for n, name in ((_short(n), k) for k, n in held().items() if n)]
    error = OutOfMemoryError(
        f"{what + '(): ' if what else ''}DefaultCPUAllocator: can't allocate memory: you tried to "
        f"allocate {size}. Available: {_short(limits.available())} of {_short(limits.most())}; the "
        f"process is {_short(limits.resident())}, of which flambeau holds {', '.join(parts) or 'nothing'}"
        f"{f' ({why})' if why else ''}"
    )
    error.nbytes, error.operation, error.named = nbytes, what, bool(what)
    return error


def named(error: MemoryError, what: str = "") -> OutOfMemoryError:
    """An error of NumPy's, Python's or ours as an `OutOfMemoryError` that names the operation. It
    holds on to no frame, whose arrays would stay in memory with it."""
    if isinstance(error, OutOfMemoryError) and (error.named or not what):
        return error
    operation = getattr(error, "operation", "") or what
    why = "" if isinstance(error, OutOfMemoryError) else str(error)
    made = refused(asked(error), operation, why)
    made.__cause__ = error.with_traceback(None)
    error.__cause__ = error.__context__ = None
    return made


def naming(function: F) -> F:
    """A function whose lack of memory is an `OutOfMemoryError` with its name. For those that fill
    arrays at once."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MemoryError as error:
            raise named(error, function.__name__) from None

    return guarded  # type: ignore[return-value]


def room(nbytes: int, what: str, sizes: Any = None) -> None:
    """Refuse bytes that are wanted at once, by `what`, if they can't be had (see `admit`) or never
    could be."""
    if nbytes >= LARGE:
        possible(nbytes, what, sizes)
        admit(nbytes, what)


def asked(error: MemoryError) -> int | None:
    """How many bytes could not be had, if that is known."""
    size = getattr(error, "nbytes", None) or getattr(error, "_total_size", None)
    return None if size is None else int(size)


def _short(nbytes: int) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(nbytes) < 1024:
            return f"{nbytes:.3g} {unit}" if unit != "bytes" else f"{nbytes} bytes"
        nbytes /= 1024  # type: ignore[assignment]
    return f"{nbytes:.4g} TiB"


def _about(nbytes: int) -> str:
    return f" ({_short(nbytes)})" if nbytes >= 1024 else ""
