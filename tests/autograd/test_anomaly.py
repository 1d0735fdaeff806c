"""Anomaly mode is off the hot path, and names lines."""

from __future__ import annotations

import warnings

import pytest

import flambeau as torch
from flambeau.autograd import engine
from flambeau.autograd.anomaly import is_anomaly_enabled
from flambeau.autograd.node import clock


def test_the_error_names_the_line() -> None:
    x = torch.tensor([-1.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly():
            y = torch.log(x.sqrt())  # here
            with pytest.raises(RuntimeError, match=r"test_anomaly.py, line \d+: .*# here"):
                y.sum().backward()


def test_nan_of_16_bit_floats() -> None:
    x = torch.tensor([-1.0], dtype=torch.bfloat16, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            with pytest.raises(RuntimeError, match="SqrtBackward0"):
                x.sqrt().sum().backward()


def test_nothing_is_left_behind() -> None:
    tick, watch = clock.tick, engine.watch
    assert not is_anomaly_enabled() and watch is None
    with torch.autograd.set_detect_anomaly(True):
        assert is_anomaly_enabled() and clock.tick is not tick
        node = (torch.ones(1, requires_grad=True) * 2).grad_fn
    assert not is_anomaly_enabled() and clock.tick is tick
    assert any("node =" in frame.line for frame in node.sequence_nr.lines)
    assert type((torch.ones(1, requires_grad=True) * 2).grad_fn.sequence_nr) is int
