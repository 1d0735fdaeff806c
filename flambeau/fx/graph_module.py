"""A module whose `forward` is a graph."""

from __future__ import annotations

import copy
import linecache
from typing import Any

from flambeau import nn

from .graph import Graph


class GraphModule(nn.Module):
    """A module of the submodules, parameters and buffers that a graph uses.

    `root` is the module to take them from, or a dictionary of them. After the graph was changed,
    `recompile()` makes `forward` anew.
    """

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        self.__class__ = type(class_name, (type(self),), {"__module__": type(self).__module__})
        if isinstance(root, nn.Module):
            self.training = root.training
        for node in graph.nodes:
            if node.op in ("call_module", "get_attr"):
                _copy_attribute(root, self, str(node.target))
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The program."""
        return self.__dict__["_graph"]  # type: ignore[no-any-return]

    @graph.setter
    def graph(self, g: Graph) -> None:
        self.__dict__["_graph"] = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The program as Python source."""
        return self.__dict__["_code"]  # type: ignore[no-any-return]

    def recompile(self) -> Any:
        """Make `forward` of the graph."""
        made = self.graph.python_code()
        self.__dict__["_code"] = made.src
        name = f"<flambeau graph module {id(self)}>"
        linecache.cache[name] = (len(made.src), None, made.src.splitlines(True), name)
        scope = dict(made.globals)
        exec(compile(made.src, name, "exec"), scope)
        type(self).forward = scope["forward"]  # type: ignore[method-assign]
        return made

    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Put a submodule at a dotted name."""
        *path, last = target.split(".")
        at: Any = self
        for part in path:
            if not hasattr(at, part):
                setattr(at, part, nn.Module())
            at = getattr(at, part)
        at.add_module(last, m)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Let go of submodules that the graph does not call."""
        used = {str(n.target) for n in self.graph.nodes if n.op in ("call_module", "get_attr")}
        for name, _ in list(self.named_modules()):
            if name and not any((u + ".").startswith(name + ".") or name.startswith(u + ".") for u in used):
                path, _, last = name.rpartition(".")
                parent = self.get_submodule(path)
                if last in parent._modules:
                    delattr(parent, last)

    def print_readable(self, print_output: bool = True) -> str:
        """The source, printed too."""
        if print_output:
            print(self.code)
        return self.code

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        graph = Graph()
        values: dict[Any, Any] = {}
        result = graph.graph_copy(self.graph, values)
        graph.output(result)
        plain = {n: copy.deepcopy(_at(self, n), memo) for n in _targets(self.graph)}
        made = GraphModule(plain, graph, type(self).__name__)
        made.training = self.training
        return made

    def __str__(self) -> str:
        more = "# To see more debug info, please use `graph_module.print_readable()`"
        return f"{super().__str__()}\n{self.code}\n{more}"


def _targets(graph: Graph) -> list[str]:
    return list(dict.fromkeys(str(n.target) for n in graph.nodes if n.op in ("call_module", "get_attr")))


def _at(root: Any, target: str) -> Any:
    for part in target.split("."):
        root = getattr(root, part)
    return root


def _copy_attribute(root: Any, to: nn.Module, target: str) -> None:
    """Let `to` have what `root` has at a dotted name."""
    value = root[target] if isinstance(root, dict) else _at(root, target)
    *path, last = target.split(".")
    at: Any = to
    for part in path:
        if not hasattr(at, part):
            at.add_module(part, nn.Module())
        at = getattr(at, part)
    is_buffer = not isinstance(value, (nn.Module, nn.Parameter)) and hasattr(value, "requires_grad")
    if is_buffer:
        at.register_buffer(last, value)
    else:
        setattr(at, last, value)
