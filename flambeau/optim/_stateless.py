"""Running an optimizer on other parameters and another state for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .optimizer import Optimizer, StateDict

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: Any, swapin_optim_state: StateDict
) -> Iterator[None]:
    """Inside, the optimizer works on these parameters, with this state and these options.

    Args:
        optimizer: what it has is put back at the end.
        swapin_parameters: tensors, or a dict of them, in the order of the optimizer's own.
        swapin_optim_state: in the form of `optimizer.state_dict()`. Its tensors are changed in
            place by steps; nothing else of it is.

    Raises:
        ValueError: another number of groups or parameters.
    """
    if isinstance(swapin_parameters, dict):
        swapin_parameters = swapin_parameters.values()
    params: Sequence[Any] = list(swapin_parameters)
    groups, saved = optimizer.param_groups, swapin_optim_state["param_groups"]
    sizes = [len(group["params"]) for group in groups]
    if sizes != [len(group["params"]) for group in saved] or sum(sizes) != len(params):
        raise ValueError(
            "swap_in_optimizer_params_and_state: the optimizer's groups have "
            f"{sizes} parameters, but given are {len(params)} parameters and groups of "
            f"{[len(group['params']) for group in saved]}"
        )
    before, state_before = [dict(group) for group in groups], optimizer.state
    state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    start = 0
    try:
        for group, new, size in zip(groups, saved, sizes, strict=True):
            own = list(params[start : start + size])
            start += size
            for p, number in zip(own, new["params"], strict=True):
                state[p] = dict(swapin_optim_state["state"].get(number, {}))
            group.update({**new, "params": own})
        optimizer.state = state
        yield
    finally:
        for group, kept in zip(groups, before, strict=True):
            group.clear()
            group.update(kept)
        optimizer.state = state_before
