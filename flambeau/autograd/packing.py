"""Hooks that see what nodes save: `saved_tensors_hooks` packs a tensor when it is saved, and unpacks
it when a derivative asks for it.

A node made while hooks are there has `Packed` objects in the place of its saved tensors. These unpack
as saved tensors do, so that derivatives know nothing of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..graph.trace import state
from .node import Edge, Node, edge_of, version

packing: list[Any] = []
"""Not empty while hooks are active in any thread: what is to be asked where a node is made."""


class _Hooks(threading.local):
    """The hooks of a thread, the innermost last, and why there may be none."""

    def __init__(self) -> None:
        self.stack: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []
        self.refusal: str | None = None


hooks = _Hooks()


class Packed:
    """A saved tensor as a pack hook gave it."""

    __slots__ = ("kept", "unpack", "edge")

    def __init__(self, kept: Any, unpack: Callable[[Any], Any], edge: Edge | None) -> None:
        self.kept, self.unpack, self.edge = kept, unpack, edge

    def plain(self) -> Any:
        """What the unpack hook gives. TypeError where that is no tensor."""
        found = self.unpack(self.kept)
        if not hasattr(found, "_aval"):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__}"
            )
        return found

    def tensor(self) -> Any:
        """The same in the graph, where a graph is built."""
        found = self.plain()
        if not state.grad or self.edge is None or edge_of(found) == self.edge:
            return found
        target, nr = self.edge
        if not isinstance(target, Node):
            target, nr = _Leading(self.edge, found._aval), 0
        t = found._alias()
        t._rg, t._node, t._nr = True, target, nr
        return t

    def __iter__(self) -> Iterator[Any]:
        """As a saved tensor, its storage and its version."""
        t = self.tensor()
        return iter((t, t._storage, version(t)))


class _Leading(Node):
    """Leads an unpacked tensor's gradient to the leaf that was packed."""

    __slots__ = ()

    def __init__(self, edge: Edge, a: Any) -> None:
        super().__init__()
        self.edges, self.out = (edge,), (a,)

    def apply(self, grads: list[Any], edges: Any) -> Any:
        return (grads[0],)


def packed(x: Any, edge: Edge | None) -> Packed:
    """Give a tensor to the innermost pack hook. RuntimeError where it writes to it."""
    return pack_with(*hooks.stack[-1], x, edge)


def pack_with(
    pack: Callable[[Any], Any], unpack: Callable[[Any], Any], x: Any, edge: Edge | None
) -> Packed:
    """Give a tensor to a pack hook."""
    before, mode = version(x) if not x._inference else 0, state.grad
    state.grad = False
    try:
        kept = pack(x)
    finally:
        state.grad = mode
    if not x._inference and version(x) != before:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
            "pack hook can not be modified by in-place operations: clone() it."
        )
    return Packed(kept, unpack, edge)


def pack_node(node: Any) -> None:
    """Pack what a row's node has just saved."""
    if not hooks.stack:
        return
    node.token = 0  # its backward pass is not what a replay knows
    node.saved = tuple([_packed_entry(s) for s in node.saved])
    from .saved import fresh_over

    node.saved_results = tuple(
        [
            None if r is None else packed(fresh_over(r[0], node.out[i]), None)
            for i, r in enumerate(node.saved_results)
        ]
    )


def _packed_entry(entry: Any) -> Any:
    if entry.__class__ is list:
        return [_packed_entry(e) for e in entry]
    if entry.__class__ is not tuple:
        return entry
    return packed(entry[0], edge_of(entry[0]))


class saved_tensors_hooks:
    """While this is entered, `pack_hook(tensor)` gives what is kept of tensors that are saved for
    backward, and `unpack_hook` of that gives the tensor again (equal to it; where it is not, so are
    the gradients).

    RuntimeError where the pack hook writes to its tensor; TypeError where the unpack hook gives none.
    """

    def __init__(
        self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if hooks.refusal is not None:
            raise RuntimeError(hooks.refusal)
        hooks.stack.append((self.pack_hook, self.unpack_hook))
        packing.append(self)

    def __exit__(self, *_: object) -> None:
        hooks.stack.pop()
        packing.remove(self)


class disable_saved_tensors_hooks:
    """No hooks on saved tensors inside: entering them raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if hooks.stack:
            raise RuntimeError(self.error_message)
        self._before, hooks.refusal = hooks.refusal, self.error_message

    def __exit__(self, *_: object) -> None:
        hooks.refusal = self._before

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.error_message):
                return function(*args, **kwargs)

        return wrapped


__all__ = ["Packed", "disable_saved_tensors_hooks", "hooks", "pack_node", "packed", "packing",
           "pack_with", "saved_tensors_hooks"]  # fmt: skip
