"""What is known of a GPU's memory: PyTorch's statistics, a summary for people, a list of all blocks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .cuda_memory import SMALL, Bin, Pool, pool, pools
from .cuda_sizes import MIB, Tally, size_text

Nested = dict[str, Any]


def nested(index: int) -> Nested:
    """The statistics as nested dicts: by kind, then "all", "large_pool" and "small_pool", then
    "current", "peak", "allocated" and "freed"."""
    p = pool(index)
    kinds = p.totals()
    segments = {"all": p.segments, "large_pool": p.large_segments, "small_pool": p.small_segments}
    blocks = {name: t.counts() for name, t in kinds.items()}
    sizes = {name: t.sizes() for name, t in kinds.items()}
    nothing = {name: Tally().sizes() for name in kinds}
    return {
        "active": blocks, "active_bytes": sizes, "allocated_bytes": sizes, "allocation": blocks,
        "inactive_split": nothing, "inactive_split_bytes": nothing, "max_split_size": -1,
        "num_alloc_retries": p.retries, "num_device_alloc": p.segments.taken,
        "num_device_free": p.segments.taken - p.segments.count, "num_ooms": p.ooms,
        "num_sync_all_streams": 0, "oversize_allocations": Tally().counts(),
        "oversize_segments": Tally().counts(), "requested_bytes": {"all": {"current": p.asked}},
        "reserved_bytes": {name: t.sizes() for name, t in segments.items()},
        "segment": {name: t.counts() for name, t in segments.items()},
    }  # fmt: skip


def stats(index: int) -> OrderedDict[str, Any]:
    """The statistics flat, as `allocated_bytes.all.peak`, in the order of their names."""
    found: list[tuple[str, Any]] = []

    def flatten(prefix: str, part: Any) -> None:
        if isinstance(part, dict):
            for name, inner in part.items():
                flatten(f"{prefix}.{name}" if prefix else name, inner)
        else:
            found.append((prefix, part))

    flatten("", nested(index))
    return OrderedDict(sorted(found))


def _tallies(p: Pool) -> list[Tally]:
    return [p.all, p.large, p.small, p.segments, p.large_segments, p.small_segments]


def reset_peak(index: int) -> None:
    """What is in use now is the most there ever was."""
    for tally in _tallies(pool(index)):
        tally.reset_peak()


def reset_accumulated(index: int) -> None:
    """Count what is allocated and freed from here on."""
    p = pool(index)
    p.retries = p.ooms = 0
    for tally in _tallies(p):
        tally.reset_accumulated()


_ROWS = (
    ("Allocated memory", "allocated_bytes", True),
    ("Active memory", "active_bytes", True),
    ("GPU reserved memory", "reserved_bytes", True),
    ("Allocations", "allocation", False),
    ("GPU reserved segments", "segment", False),
)


def summary(index: int, abbreviated: bool = False) -> str:
    """The statistics as a table."""
    found = nested(index)
    width = 77
    edge = "|" + "=" * (width - 2) + "|"
    rule = "|" + "-" * (width - 2) + "|"
    lines = [
        edge,
        "|" + f"flambeau CUDA memory summary, device ID {index}".center(width - 2) + "|",
        rule,
        "|" + f"  CUDA OOMs: {found['num_ooms']:<12} | cudaMalloc retries: {found['num_alloc_retries']:<9}".ljust(width - 2) + "|",
        edge,
        "|        Metric         | Cur Usage  | Peak Usage | Tot Alloc  | Tot Freed  |",
    ]
    for title, name, is_bytes in _ROWS:
        lines.append(rule)
        for kind, numbers in found[name].items():
            if abbreviated and kind != "all":
                continue
            label = title if kind == "all" else f"      from {kind.replace('_', ' ')}"
            cells = [_short(numbers[c], is_bytes) for c in ("current", "peak", "allocated", "freed")]
            lines.append("| " + label.ljust(22) + "|" + "|".join(f" {c:>10} " for c in cells) + "|")
    lines.append(edge)
    return "\n".join(lines) + "\n"


def _short(number: int, is_bytes: bool) -> str:
    if not is_bytes:
        return str(number)
    return size_text(number).replace(" bytes", " B")


def snapshot(index: int | None = None) -> list[Nested]:
    """Every piece of memory that the driver gave, with the blocks in it, by address."""
    found = [
        _segment(p, b, address, size)
        for p in pools()
        if index is None or p.index == index
        for b in list(p.bins.values())
        for address, size in sorted(b.segments.items())
    ]
    return sorted(found, key=lambda s: (s["device"], s["address"]))


def _segment(p: Pool, b: Bin, address: int, size: int) -> Nested:
    free = set(b.free)
    held = {a for home, a, _ in list(p.held) if home is b}
    blocks: list[Nested] = []
    for start in range(address, address + size, b.size if b.size <= SMALL else size):
        state = "inactive" if start in free else "active_pending_free" if start in held else "active_allocated"
        blocks.append({"address": start, "size": b.size, "requested_size": b.size, "state": state, "frames": []})
    active = sum(x["size"] for x in blocks if x["state"] != "inactive")
    allocated = sum(x["size"] for x in blocks if x["state"] == "active_allocated")
    return {
        "device": p.index, "address": address, "total_size": size, "allocated_size": allocated,
        "active_size": active, "requested_size": allocated, "stream": b.stream.handle,
        "segment_type": "large" if b.size > MIB else "small", "segment_pool_id": (0, 0),
        "is_expandable": False, "frames": [], "blocks": blocks,
    }  # fmt: skip
