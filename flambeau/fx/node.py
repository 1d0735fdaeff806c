"""A graph's nodes: one step of a program each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`fn` of everything in lists, tuples, dictionaries and slices."""
    if isinstance(a, tuple):
        parts = [map_aggregate(x, fn) for x in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return [map_aggregate(x, fn) for x in a]
    if isinstance(a, dict):
        return {k: map_aggregate(v, fn) for k, v in a.items()}
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`fn` of the nodes in an argument, the rest as it is."""
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


class Node:
    """One step.

    op: "placeholder" (an argument), "get_attr" (of the module), "call_function", "call_method",
        "call_module" or "output".
    target: the argument's or attribute's name, the function, the method's or the module's name.
    """

    def __init__(self, graph: Any, name: str, op: str, target: Any, args: tuple[Any, ...],
                 kwargs: dict[str, Any], return_type: Any = None) -> None:  # fmt: skip
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._set(args, kwargs)

    def _set(self, args: Any, kwargs: Any) -> None:
        for node in self.all_input_nodes:
            node.users.pop(self, None)
        self._args, self._kwargs = tuple(args), dict(kwargs)
        for node in self.all_input_nodes:
            node.users[self] = None

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments by position; nodes stand for values."""
        return self._args

    @args.setter
    def args(self, value: Any) -> None:
        self._set(value, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: Any) -> None:
        self._set(self._args, value)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes whose results it takes, each once."""
        found: dict[Node, None] = {}
        map_arg((self._args, self._kwargs), lambda n: found.setdefault(n))
        return list(found)

    @property
    def next(self) -> Node | None:
        """The node after it."""
        nodes = self.graph._nodes
        at = nodes.index(self) + 1
        return nodes[at] if at < len(nodes) else None

    @property
    def prev(self) -> Node | None:
        """The node before it."""
        at = self.graph._nodes.index(self)
        return self.graph._nodes[at - 1] if at else None

    def replace_all_uses_with(self, replace_with: Node, delete_user_cb: Any = lambda user: True) -> list[Node]:
        """Have those who take its result take another node's; gives them."""
        changed = [user for user in list(self.users) if user is not replace_with and delete_user_cb(user)]
        for user in changed:
            user._set(*map_arg((user.args, user.kwargs), lambda n: replace_with if n is self else n))
        return changed

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take another node's result in place of one."""
        self._set(*map_arg((self.args, self.kwargs), lambda n: new_input if n is old_input else n))

    def is_impure(self) -> bool:
        """Whether it stays though nobody takes its result."""
        return self.op in ("placeholder", "output")

    def format_node(self, placeholder_names: list[str] | None = None, maybe_return_typename: Any = None) -> str:
        """The node as a line of text."""
        from .text import node_text

        return node_text(self)

    def __repr__(self) -> str:
        return self.name
