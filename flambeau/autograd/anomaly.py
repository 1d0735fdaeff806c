"""Anomaly mode: a NaN in a backward pass, or an error, names the line of the forward pass."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import dtypes
from . import engine
from .node import Node, clock

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_plain_tick = clock.tick


class _Noted(int):
    """A node's number, with the lines that were running when the node was made."""

    lines: list[traceback.FrameSummary]


def _noting_tick() -> int:
    number = _Noted(_plain_tick())
    stack = traceback.extract_stack()
    number.lines = [f for f in stack if not f.filename.startswith((_PACKAGE, "<flambeau"))]
    return number


class _Watch:
    """Looks at the gradients that nodes give; tells where a node that fails was made."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan

    def gave(self, node: Node, passed: Sequence[Any]) -> None:
        """RuntimeError where a gradient has a NaN."""
        if not self.check_nan:
            return
        for i, g in enumerate(passed):
            if g is not None and _has_nan(g):
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {i}th output"
                    f"{_last_line(node)}."
                )

    def failed(self, node: Node) -> None:
        """Warn with the traceback of the forward pass."""
        number = node.sequence_nr
        if isinstance(number, _Noted):
            text = "".join(traceback.format_list(number.lines))
            reason = f"Traceback of forward call that caused the error:\n{text}"
        else:
            reason = (
                "No forward pass information available. Enable detect anomaly during forward pass "
                "for more information."
            )
        warnings.warn(f"Error detected in {node.name()}. {reason}", UserWarning, stacklevel=5)


def _has_nan(g: Any) -> bool:
    if not g._aval.dtype.is_differentiable:
        return False
    values = dtypes.widen(g._array("anomaly mode looks for NaN"), g._aval.dtype)
    return bool(np.isnan(values).any())


def _last_line(node: Node) -> str:
    number = node.sequence_nr
    if not isinstance(number, _Noted) or not number.lines:
        return ""
    frame = number.lines[-1]
    return f" (the operation is in {frame.filename}, line {frame.lineno}: {frame.line})"


def _now() -> tuple[Callable[[], int], Any]:
    return clock.tick, engine.watch


def _set(mode: bool, check_nan: bool) -> None:
    clock.tick = _noting_tick if mode else _plain_tick
    engine.watch = _Watch(check_nan) if mode else None


class set_detect_anomaly:
    """Switch anomaly mode: at once as a call, until its end as a context manager.

    While it is on, each operation remembers the lines that it comes from (which is slow), and a
    backward pass that gives a NaN (unless `check_nan` is False) or fails warns with them.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _now()
        _set(bool(mode), check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        clock.tick, engine.watch = self._before


class detect_anomaly(set_detect_anomaly):
    """Anomaly mode until the end of a `with` block; see `set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )
        self._wanted = check_nan
        self._before = _now()

    def __enter__(self) -> None:
        self._before = _now()
        _set(True, self._wanted)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return engine.watch is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode looks for NaN."""
    return isinstance(engine.watch, _Watch) and engine.watch.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode."""
    _set(bool(mode), check_nan)


__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
           "set_anomaly_enabled", "set_detect_anomaly"]  # fmt: skip
