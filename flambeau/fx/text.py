"""Graphs as text: a line for each node, and as Python source that runs."""

from __future__ import annotations

import builtins
import importlib
import keyword
import operator
import re
from typing import Any

import flambeau as torch

from .node import Node

_INFIX = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
          operator.floordiv: "//", operator.mod: "%", operator.pow: "**", operator.matmul: "@",
          operator.and_: "&", operator.or_: "|", operator.xor: "^", operator.eq: "==",
          operator.ne: "!=", operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
          operator.lshift: "<<", operator.rshift: ">>"}  # fmt: skip
_PREFIX = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}
_HOMES = ("nn.functional", "linalg", "fft", "special")
"""Modules whose functions are called by these names, after the main one."""


def torch_name(value: Any) -> str | None:
    """`torch.nn.functional.relu` of a function of the library; None of others."""
    module = str(getattr(value, "__module__", "") or "")
    name = getattr(value, "__name__", "")
    if module.partition(".")[0] != "flambeau" or not name:
        return None
    if getattr(torch, name, None) is value:
        return f"torch.{name}"
    for home in _HOMES:
        if getattr(importlib.import_module(f"flambeau.{home}"), name, None) is value:
            return f"torch.{home}.{name}"
    return None


def target_text(node: Node) -> str:
    """A node's target as it is shown: `operator.add`, `torch.sigmoid`, a method's or module's name."""
    target: Any = node.target
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", str(target))
    module = str(getattr(target, "__module__", "") or "").replace("_operator", "operator")
    return torch_name(target) or (f"{module}.{name}" if module else name)


def _argument_text(a: Any) -> str:
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, (list, tuple)):
        left, right = "[]" if isinstance(a, list) else "()"
        tail = "," if isinstance(a, tuple) and len(a) == 1 else ""
        return f"{left}{', '.join(map(_argument_text, a))}{tail}{right}"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k}: {_argument_text(v)}" for k, v in a.items()) + "}"
    return str(a)


def node_text(node: Node) -> str:
    """`%add : [num_users=1] = call_function[target=operator.add](args = (%x, 1), kwargs = {})`."""
    if node.op == "output":
        return f"return {node.args[0]}"
    kind = _type_text(node.type)
    start = f"%{node.name} : {kind + ' ' if kind else ''}[num_users={len(node.users)}] = {node.op}"
    start += f"[target={target_text(node)}]"
    if node.op == "placeholder":
        return start + (f"(default={node.args[0]})" if node.args else "")
    if node.op == "get_attr":
        return start
    return f"{start}(args = {_argument_text(node.args)}, kwargs = {_argument_text(node.kwargs)})"


def _type_text(kind: Any) -> str | None:
    """An annotation as source; None where it is none, or needs names that source hasn't got."""
    if kind is torch.Tensor:
        return "torch.Tensor"
    name = getattr(kind, "__name__", "")
    return name if isinstance(kind, type) and getattr(builtins, name, None) is kind else None


class PythonCode:
    """Source of a graph, and the names that it uses. A name is let go of after its last use."""

    def __init__(self, nodes: list[Node], root: str) -> None:
        self.globals: dict[str, Any] = {"torch": torch}
        last = _last_uses(nodes)
        arguments, lines, result, gives = [], [], "None", ""
        for n in nodes:
            if n.op == "placeholder":
                arguments.append(self._argument(n))
                if str(n.target).lstrip("*") != n.name:
                    lines.append(f"{n.name} = {str(n.target).lstrip('*')}")
            elif n.op == "output":
                result = self._value(n.args[0])
                kind = _type_text(n.type)
                gives = f" -> {kind}" if kind else ""
            else:
                over = [*last.get(n, ()), *(() if n.users else (n,))]
                end = f";  {' = '.join([x.name for x in over])} = None" if over else ""
                lines.append(f"{n.name} = {self._call(n, root)}{end}")
        body = "".join(f"    {line}\n" for line in [*lines, f"return {result}"])
        self.src = f"\n\n\ndef forward({', '.join([root, *arguments])}){gives}:\n{body}    "

    def _argument(self, n: Node) -> str:
        target, kind = str(n.target), _type_text(n.type)
        default = f" = {self._value(n.args[0])}" if n.args and not target.startswith("*") else ""
        return f"{target} : {kind}{default}" if kind else f"{target}{default}"

    def _call(self, n: Node, root: str) -> str:
        if n.op == "get_attr":
            return _path(root, n.target)
        given = [self._value(a) for a in n.args]
        if n.op == "call_function":
            if n.target in _INFIX and len(given) == 2 and not n.kwargs:
                return f"{given[0]} {_INFIX[n.target]} {given[1]}"
            if n.target in _PREFIX:
                return f"{_PREFIX[n.target]}{given[0]}"
            if n.target is operator.getitem:
                return f"{given[0]}[{given[1]}]"
            if n.target is getattr and str(n.args[1]).isidentifier() and len(given) == 2:
                return f"{given[0]}.{n.args[1]}"
        named = [f"{k} = {self._value(v)}" for k, v in n.kwargs.items()]
        if n.op == "call_method":
            return f"{given[0]}.{n.target}({', '.join(given[1:] + named)})"
        what = _path(root, n.target) if n.op == "call_module" else self._global(n.target)
        return f"{what}({', '.join(given + named)})"

    def _global(self, value: Any) -> str:
        """A name for something that is no literal."""
        known = torch_name(value)
        if known is not None:
            return known
        name = getattr(value, "__name__", type(value).__name__)
        if getattr(builtins, name, None) is value:
            return str(name)
        module = str(getattr(value, "__module__", "") or "")
        module = re.sub(r"^flambeau(\.nn\.functional)?(\.\w+)*$", r"torch\1", module)
        name = re.sub(r"\W", "_", f"{module}_{name}").strip("_")
        while self.globals.setdefault(name, value) is not value:
            name += "_"
        return name

    def _value(self, a: Any) -> str:
        if isinstance(a, Node):
            return a.name
        if type(a) is tuple:
            return f"({', '.join(map(self._value, a))}{',' if len(a) == 1 else ''})"
        if type(a) is list:
            return f"[{', '.join(map(self._value, a))}]"
        if type(a) is dict:
            return "{" + ", ".join(f"{self._value(k)}: {self._value(v)}" for k, v in a.items()) + "}"
        if isinstance(a, slice):
            return f"slice({self._value(a.start)}, {self._value(a.stop)}, {self._value(a.step)})"
        plain = a is None or a is ... or isinstance(a, (bool, int, str, bytes))
        finite = isinstance(a, float) and a == a and abs(a) != float("inf")
        return repr(a) if plain or finite else self._global(a)


def _last_uses(nodes: list[Node]) -> dict[Node, list[Node]]:
    """For each node those whose result nobody takes after it, in the order of its arguments."""
    seen: set[Node] = set()
    found: dict[Node, list[Node]] = {}
    for user in reversed(nodes):
        for source in user.all_input_nodes:
            if source not in seen:
                seen.add(source)
                found.setdefault(user, []).append(source)
    return found


def _path(root: str, target: Any) -> str:
    """`self.layers.0.weight` as Python takes it."""
    text = root
    for part in str(target).split("."):
        text = f"{text}.{part}" if part.isidentifier() and not keyword.iskeyword(part) else f'getattr({text}, "{part}")'
    return text


__all__ = ["PythonCode", "node_text", "target_text", "torch_name"]
