"""`torch.cuda.memory`: what is known of the GPUs' memory, and how to have it given back.

Everything is in bytes. "Allocated" is what tensors and programs have; "reserved" is what the driver
gave, free blocks included.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from flambeau.errors import refusing
from flambeau.runtime import cuda as driver

from ._devices import gpu_of, index_of
from ._needing import needing, require, submit, without
from ._nvml import list_gpu_processes

__all__ = ["CUDAPluggableAllocator", "MemPool", "caching_allocator_alloc", "caching_allocator_delete",
           "caching_allocator_disabled", "caching_allocator_enable", "change_current_allocator",
           "empty_cache", "get_allocator_backend", "get_per_process_memory_fraction",
           "host_memory_stats", "host_memory_stats_as_nested_dict", "list_gpu_processes",
           "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info",
           "memory_allocated", "memory_cached", "memory_reserved", "memory_snapshot", "memory_stats",
           "memory_stats_as_nested_dict", "memory_summary", "reset_accumulated_host_memory_stats",
           "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
           "reset_peak_host_memory_stats", "reset_peak_memory_stats",
           "set_per_process_memory_fraction", "use_mem_pool"]  # fmt: skip


def _memory() -> Any:
    from flambeau.runtime import cuda_memory

    return cuda_memory


def _statistics() -> Any:
    from flambeau.runtime import cuda_statistics

    return cuda_statistics


def _tally(device: Any) -> Any:
    """A GPU's memory, with what is pending in this thread run: it allocates."""
    submit("its memory is asked for")
    return _memory().pool(gpu_of(device).index)


# --- numbers ----------------------------------------------------------------------------------------


@without(0)
def memory_allocated(device: Any = None) -> int:
    """Bytes of a GPU that tensors and programs have."""
    return int(_tally(device).all.live)


@without(0)
def max_memory_allocated(device: Any = None) -> int:
    """Bytes of a GPU that tensors and programs had at most, since `reset_peak_memory_stats`."""
    return int(_tally(device).all.peak)


@without(0)
def memory_reserved(device: Any = None) -> int:
    """Bytes of a GPU that the driver gave."""
    return int(_tally(device).segments.live)


@without(0)
def max_memory_reserved(device: Any = None) -> int:
    """Bytes of a GPU that the driver had given at most, since `reset_peak_memory_stats`."""
    return int(_tally(device).segments.peak)


@without(OrderedDict)
def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """All counts and sizes, as `allocated_bytes.all.peak`. By the sizes of blocks there is "all",
    "large_pool" (above 1 MiB) and "small_pool"; of each "current", "peak", "allocated" and "freed"."""
    return _statistics().stats(_tally(device).index)  # type: ignore[no-any-return]


@without(dict)
def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """`memory_stats` as dicts in dicts."""
    return _statistics().nested(_tally(device).index)  # type: ignore[no-any-return]


@without("")
def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The statistics as a table."""
    return str(_statistics().summary(_tally(device).index, abbreviated))


@without(list)
def memory_snapshot(mempool_id: Any = None) -> list[Any]:
    """Every piece of memory that the driver gave, of all GPUs, with the blocks in it."""
    submit("its memory is asked for")
    return _statistics().snapshot()  # type: ignore[no-any-return]


@needing
def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of a GPU that are free for everybody, and that there are."""
    submit("its memory is asked for")
    free, total = gpu_of(device).memory()
    return free, total


@without(None)
def reset_peak_memory_stats(device: Any = None) -> None:
    """What is in use now is the most there ever was."""
    _statistics().reset_peak(_tally(device).index)


@without(None)
def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Count what is allocated and freed from here on."""
    _statistics().reset_accumulated(_tally(device).index)


def _renamed(name: str, to: str, function: Any) -> Any:
    def called(device: Any = None) -> Any:
        if driver.available():
            warnings.warn(
                f"`torch.cuda.{name}` is deprecated: it is `torch.cuda.{to}`", FutureWarning, stacklevel=2
            )
        return function(device)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = f"The old name of `{to}`."
    return called


memory_cached = _renamed("memory_cached", "memory_reserved", memory_reserved)
max_memory_cached = _renamed("max_memory_cached", "max_memory_reserved", max_memory_reserved)
reset_max_memory_allocated = _renamed(
    "reset_max_memory_allocated", "reset_peak_memory_stats", reset_peak_memory_stats
)
reset_max_memory_cached = _renamed(
    "reset_max_memory_cached", "reset_peak_memory_stats", reset_peak_memory_stats
)


# --- page-locked memory -------------------------------------------------------------------------------


@without(dict)
def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """Counts and sizes of page-locked memory."""
    from flambeau.runtime.cuda_pinned import pinned_stats

    found = pinned_stats()
    return {
        "active_bytes": {"current": found["live"]},
        "allocated_bytes": {"current": found["reserved"], "peak": found["peak"]},
        "segment": {"current": found["segments"]},
    }


@without(dict)
def host_memory_stats() -> dict[str, Any]:
    """Counts and sizes of page-locked memory, as `allocated_bytes.current`."""
    return OrderedDict(
        (f"{name}.{part}", value)
        for name, parts in host_memory_stats_as_nested_dict().items()
        for part, value in parts.items()
    )


@without(None)
def reset_peak_host_memory_stats() -> None:
    """What is page-locked now is the most there ever was."""
    from flambeau.runtime.cuda_pinned import reset_pinned_peak

    reset_pinned_peak()


@without(None)
def reset_accumulated_host_memory_stats() -> None:
    """Nothing is counted of page-locked memory that would grow."""


# --- giving back, limiting ----------------------------------------------------------------------------


@without(None)
def empty_cache() -> None:
    """Give all free memory of the GPUs back to the driver. Waits for them."""
    submit("torch.cuda.empty_cache()")
    _memory().release()


@needing
def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Bound the memory that a GPU gives to this process.

    Args:
        fraction: of all its memory, from 0 to 1.

    Raises:
        TypeError, ValueError: it is not.
    """
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    _memory().limit(fraction, gpu_of(device).index)


@needing
def get_per_process_memory_fraction(device: Any = None) -> float:
    """The part of a GPU's memory that this process may have, from 0 to 1."""
    pool = _memory().pool(gpu_of(device).index)
    return 1.0 if pool.most is None else float(pool.most / pool.owner.total_memory)


# --- memory without tensors ----------------------------------------------------------------------------

_given: dict[int, Any] = {}


@needing
def caching_allocator_alloc(size: int, device: Any = None, stream: Any = None) -> int:
    """The address of bytes on a GPU, until `caching_allocator_delete`.

    Args:
        stream: a `Stream` or a handle that will use them, by default the current one.
    """
    index = gpu_of(device).index
    inner = getattr(stream, "_stream", None)
    if stream is not None and inner is None:
        if not isinstance(stream, int):
            raise TypeError(
                "Invalid type for stream argument, must be `torch.cuda.Stream` or `int` representing a "
                "pointer to a existing stream"
            )
        inner = driver.external(stream, index) if stream else driver.default_stream(index)
    block = _memory().allocate(size, index, inner)
    _given[block.address] = block
    return int(block.address)


@needing
def caching_allocator_delete(mem_ptr: int) -> None:
    """Free what `caching_allocator_alloc` gave."""
    _given.pop(mem_ptr, None)


@without(None)
def caching_allocator_enable(value: bool = True) -> None:
    """Accepted; free memory is always kept for the next use (see `empty_cache`)."""


@contextmanager
def caching_allocator_disabled() -> Iterator[None]:
    """Accepted; free memory is always kept for the next use."""
    yield


def get_allocator_backend() -> str:
    """ "native": flambeau's own."""
    return "native"


class CUDAPluggableAllocator:
    """Needs an allocator made with a C compiler, which flambeau can't use: NotImplementedError."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        require()
        raise NotImplementedError("torch.cuda.CUDAPluggableAllocator: flambeau has its own allocator alone")


@needing
def change_current_allocator(allocator: Any) -> NoReturn:
    """NotImplementedError: there is but one allocator."""
    raise NotImplementedError("torch.cuda.change_current_allocator(): flambeau has its own allocator alone")


class MemPool:
    """A pool of memory apart from others. Accepted: all of a GPU's memory is one pool here."""

    _made = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        require()
        return super().__new__(cls)

    def __init__(self, allocator: Any = None, use_on_oom: bool = False, symmetric: bool = False, **_: Any) -> None:
        if allocator is not None:
            raise NotImplementedError("torch.cuda.MemPool(allocator): flambeau has its own allocator alone")
        MemPool._made += 1
        self.id = (0, MemPool._made)

    def use_count(self) -> int:
        """1."""
        return 1

    def snapshot(self) -> list[Any]:
        """See `memory_snapshot`."""
        return memory_snapshot()


@contextmanager
def use_mem_pool(pool: Any = None, device: Any = None) -> Iterator[None]:
    """Accepted: all of a GPU's memory is one pool."""
    yield


_index_of = index_of
__getattr__ = refusing(__name__)
