"""`torch.autograd.graph`: nodes, edges, and hooks that wait for several gradients."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..errors import refusing
from . import engine
from .node import Node, as_node, edge_of
from .packing import disable_saved_tensors_hooks, saved_tensors_hooks


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: stands for the tensor in `grad()` and `backward()`."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor that requires grad; RuntimeError for others."""
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not "
                           "require gradients")  # fmt: skip
    return GradientEdge(as_node(edge[0]), edge[1])


class _Handles:
    """Removes several hooks."""

    def __init__(self, handles: Iterable[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class _Gathering:
    """What has come in a backward pass of the gradients that a hook waits for."""

    def __init__(self, of: weakref.ref[Any], missing: int, count: int) -> None:
        self.of = of
        self.missing = missing
        self.grads: list[Any] = [None] * count
        self.called = False


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[[Any], None], *, mode: str = "all"
) -> _Handles:
    """Call `fn` in each backward pass that gives gradients to some of the tensors.

    mode "all": with the list of their gradients when all that this pass gives have come, None for
    tensors that get none. "any": with the first gradient that comes.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    targets = [edge_of(t) for t in tensors]
    now: list[_Gathering] = []

    def gathering() -> _Gathering:
        """What belongs to the running pass, begun anew when that is another one."""
        running = engine.running.passes[-1]
        if not now or now[0].of() is not running:
            missing = sum(1 for edge in targets if edge is not None and running.wants(edge[0]))
            now[:] = [_Gathering(weakref.ref(running), missing, len(targets))]
        return now[0]

    def arrival(position: int) -> Callable[[Any], None]:
        def arrived(g: Any) -> None:
            gathered = gathering()
            gathered.missing -= 1
            gathered.grads[position] = g
            if mode == "all" and not gathered.missing:
                now.clear()
                fn(gathered.grads)
            elif mode == "any" and not gathered.called:
                gathered.called = True
                fn(g)

        return arrived

    return _Handles(t.register_hook(arrival(i)) for i, t in enumerate(tensors))


def increment_version(tensor: Any) -> None:
    """Count a write of a tensor, or of several, that flambeau has not seen."""
    from ..frontend.memory import bump

    for t in tensor if isinstance(tensor, (tuple, list)) else (tensor,):
        bump(t)


class save_on_cpu:
    """Accepted for compatibility: what is saved for backward is in the CPU's memory already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class allow_mutation_on_saved_tensors:
    """Inside, tensors that are saved for backward may be written: backward sees what they were. Values
    are immutable here, so that nothing is copied for it."""

    def __enter__(self) -> allow_mutation_on_saved_tensors:
        self._hooks = saved_tensors_hooks(lambda x: x._detached(), lambda kept: kept)
        self._hooks.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.__exit__()

    def clear(self) -> None:
        """PyTorch drops its copies; there are none."""


class set_warn_on_accumulate_grad_stream_mismatch:
    """Accepted for compatibility: there is one stream."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled


__all__ = ["GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
           "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
           "saved_tensors_hooks", "set_warn_on_accumulate_grad_stream_mismatch"]  # fmt: skip

__getattr__ = refusing(__name__)
