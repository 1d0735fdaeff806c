"""Finds the targets and loads them."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
Plain = Callable[[bytes, int], bytes]
Mutate = Callable[[bytes, int, random.Random, Plain], bytes]


@dataclass
class Target:
    """A parser and what belongs to it; the fields are described in `fuzz.targets`."""

    name: str
    run: Callable[[bytes], None]
    allowed: tuple[type[BaseException], ...]
    seeds: list[bytes]
    instrument: tuple[str, ...] = ()
    dictionary: tuple[bytes, ...] = ()
    max_length: int = 4096
    mutate: Mutate | None = None


def names() -> list[str]:
    """All targets, sorted."""
    return sorted(f.stem for f in (HERE / "targets").glob("*.py") if not f.stem.startswith("_"))


def load(name: str) -> Target:
    """A target, by its name."""
    module = importlib.import_module(f"fuzz.targets.{name}")
    return Target(
        name,
        module.run,
        tuple(module.ALLOWED),
        [*_files(name), *_own(getattr(module, "seeds", None))],
        tuple(module.INSTRUMENT),
        tuple(getattr(module, "DICTIONARY", ())),
        getattr(module, "MAX_LENGTH", 4096),
        getattr(module, "mutate", None),
    )


def _files(name: str) -> list[bytes]:
    folder = HERE / "seeds" / name
    return [f.read_bytes() for f in sorted(folder.glob("*")) if f.is_file()]


def _own(seeds: Callable[[], Iterable[bytes]] | None) -> list[bytes]:
    return list(seeds()) if seeds else []
