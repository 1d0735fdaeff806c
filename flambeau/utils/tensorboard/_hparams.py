"""Summaries for TensorBoard's table of hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from ._wire import data, double, integer, message, text
from .summary import metadata, summary

_KINDS = {str: 1, bool: 2, float: 3}
_EXPERIMENT, _SESSION_START, _SESSION_END = 2, 3, 4
_SUCCESS = 1


def _plain(name: str, value: Any) -> str | bool | float:
    if isinstance(value, torch.Tensor):
        value = value.item()
    if isinstance(value, (str, bool)):
        return value
    if hasattr(value, "__float__"):
        return float(value)
    raise ValueError(
        f"value should be one of int, float, str, bool, or torch.Tensor, but {name!r} is "
        f"{shown(value)}"
    )


def _value(value: str | bool | float) -> bytes:
    """google.protobuf.Value."""
    if isinstance(value, bool):
        return integer(4, value)
    return text(3, value) if isinstance(value, str) else double(2, value)


def _session(tag: str, field: int, content: bytes) -> bytes:
    plugin = message(integer(1, 0), data(field, content))
    return summary(message(text(1, tag), data(9, metadata("hparams", plugin))))


def hparams(
    given: Mapping[str, Any], metrics: Mapping[str, Any],
    domains: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[bytes, bytes, bytes]:  # fmt: skip
    """Three summaries: the experiment, the session's start, its end.

    Raises:
        TypeError: `given`, `metrics` or `domains` is no dictionary.
        ValueError: a hyperparameter is neither number, string, bool nor a tensor of one element.
    """
    for name, mapping in (("hparam_dict", given), ("metric_dict", metrics)):
        if not isinstance(mapping, Mapping):
            raise TypeError(f"parameter: {name} should be a dictionary, not {type(mapping).__name__}")
    domains = domains or {}
    if not isinstance(domains, Mapping) or not set(domains) <= set(given):
        raise TypeError(
            f"parameter: hparam_domain_discrete names what hparam_dict has not: {domains}"
        )
    values = {name: _plain(name, value) for name, value in given.items() if value is not None}
    infos = []
    for name, value in values.items():
        domain = b"".join(data(1, _value(_plain(name, x))) for x in domains.get(name, ()))
        info = message(text(1, name), integer(4, _KINDS[type(value)]),
                       data(5, domain) if name in domains else b"")  # fmt: skip
        infos.append(data(4, info))
    metric_infos = [data(5, data(1, text(2, name))) for name in metrics]
    start = [
        data(1, message(text(1, name), data(2, _value(value)))) for name, value in values.items()
    ]
    return (
        _session("_hparams_/experiment", _EXPERIMENT, message(infos, metric_infos)),
        _session("_hparams_/session_start_info", _SESSION_START, message(start)),
        _session("_hparams_/session_end_info", _SESSION_END, integer(1, _SUCCESS)),
    )
