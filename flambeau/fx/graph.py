"""A program as a list of nodes, and as Python source."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .node import Node, map_arg
from .text import PythonCode, node_text


class Graph:
    """Nodes in the order in which they run."""

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None) -> None:
        self._nodes: list[Node] = []
        self._taken: set[str] = set()
        self._insert: int | None = None
        self.owning_module = owning_module

    @property
    def nodes(self) -> list[Node]:
        """The nodes, in a list of their own."""
        return list(self._nodes)

    # --- making and removing nodes ----------------------------------------------------------

    def create_node(self, op: str, target: Any, args: Any = None, kwargs: Any = None,
                    name: str | None = None, type_expr: Any = None) -> Node:  # fmt: skip
        """A new node, at the end or where `inserting_before` and `inserting_after` say."""
        node = Node(self, self._free_name(name or _suggestion(op, target)), op, target,
                    tuple(args or ()), dict(kwargs or {}), type_expr)  # fmt: skip
        if self._insert is None:
            self._nodes.append(node)
        else:
            self._nodes.insert(self._insert, node)
            self._insert += 1
        return node

    def _free_name(self, wanted: str) -> str:
        base = re.sub(r"\W+", "_", wanted) or "_unnamed"
        base = f"_{base}" if base[0].isdigit() else base
        base = f"{base}_1" if keyword.iskeyword(base) or hasattr(builtins, base) else base
        stem, number = re.sub(r"_\d+$", "", base), 0
        name = base
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An argument."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """An attribute of the module: a parameter, a buffer."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_function(self, the_function: Callable[..., Any], args: Any = None, kwargs: Any = None,
                      type_expr: Any = None, name: str | None = None) -> Node:  # fmt: skip
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def call_method(self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None) -> Node:
        """A method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, None, type_expr)

    def call_module(self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None) -> Node:
        """A submodule by its name."""
        return self.create_node("call_module", module_name, args, kwargs, None, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What the program gives."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def erase_node(self, to_erase: Node) -> None:
        """Take a node out. RuntimeError where others take its result."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in "
                f"the graph: {to_erase.users}!"
            )
        self._nodes.remove(to_erase)
        to_erase._set((), {})

    @contextmanager
    def _inserting(self, at: int) -> Iterator[None]:
        before, self._insert = self._insert, at
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n: Node | None = None) -> Any:
        """New nodes within a `with` block come before one, or at the beginning."""
        return self._inserting(0 if n is None else self._nodes.index(n))

    def inserting_after(self, n: Node | None = None) -> Any:
        """New nodes within a `with` block come after one, or at the beginning."""
        return self._inserting(0 if n is None else self._nodes.index(n) + 1)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A node of another graph, here."""
        args, kwargs = map_arg((node.args, node.kwargs), arg_transform)
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = dict(node.meta)
        return made

    def graph_copy(self, g: Graph, val_map: dict[Node, Any]) -> Any:
        """Another graph's nodes, here; gives what it gives. `val_map` says what stands for nodes."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                return map_arg(node.args[0], lambda n: val_map[n])
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def eliminate_dead_code(self, is_impure_node: Any = None) -> bool:
        """Take nodes out whose results nobody takes; says whether there were some."""
        changed = False
        for node in reversed(self.nodes):
            if not node.users and not (is_impure_node or Node.is_impure)(node):
                self.erase_node(node)
                changed = True
        return changed

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind."""
        return [n for n in self._nodes if n.op == op and target in (None, n.target)]

    def lint(self) -> None:
        """RuntimeError where a node takes what comes after it or is in no list, or a name is twice."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self._nodes:
            for source in node.all_input_nodes:
                if source not in seen:
                    raise RuntimeError(f"Argument '{source}' of Node '{node}' was used before it has been defined!")
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)

    # --- text ---------------------------------------------------------------------------------

    def python_code(self, root_module: str = "self") -> PythonCode:
        """A function `forward` that does the same."""
        return PythonCode(self._nodes, root_module)

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self._nodes]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for i, row in enumerate(rows):
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
            if not i:
                print("  ".join("-" * w for w in widths))

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(node_text(n) for n in self._nodes)])


def _suggestion(op: str, target: Any) -> str:
    """What to call a node."""
    name = getattr(target, "__name__", str(target)).rpartition(".")[2] if callable(target) else str(target)
    name = name.replace(".", "_") if op != "call_module" else name.replace(".", "_").strip("_")
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower().strip("_") or op
