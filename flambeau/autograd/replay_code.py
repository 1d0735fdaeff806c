"""A replayed backward pass as one Python function, written for its structure.

`replay` walks any graph and looks its structure up. For a structure that keeps coming a function is
generated that expects just this one: it goes from node to node, comparing with what it expects
instead of building a key, and records the operations without a loop. That takes a third of the time.
For the gradient of `(x * w).sum()` by `w` it is in outline

    def replay(root, g, keep_graph):
        if root.extra is not None: return None
        ((n1, r),) = root.edges
        if n1.token != 17 or n1.extra is not None: return None
        e, (l2, r) = n1.edges
        if e is not None or l2._rg is not True or ...: return None   # a leaf without hooks
        (x, s, v), e = n1.saved
        if x._storage is not s or s.version != v or ...: return None
        v1 = s.value
        if len({root, n1, l2}) != 3 or len({g, v1}) != 2: return None
        w0 = new(Value); w0.op = p0; w0.inputs = (g,); ...
        w1 = new(Value); w1.op = p1; w1.inputs = (w0, v1); ...
        state.nodes += (w0, w1)
        if not keep_graph: n1.saved = RELEASED; n1.saved_results = ()
        t = tensor(); t._storage = Storage(w1, a1); t._aval = a1
        if l2._grad is None: l2._grad = t
        else: more.append((l2, t))
        return more

None says that the graph is another one, and nothing has been done. `linecache` knows the source.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any

from .. import config
from ..graph.trace import state
from ..graph.value import Value
from ..runtime.storage import Storage
from . import saved
from .node import RELEASED, Node

Replay = Callable[[Any, Value, bool], "list[tuple[Any, Any]] | None"]
"""Gets root, its gradient's value, and whether the graph is kept; gives the leaves whose gradient
has still to be added to the one they have."""


class _Code:
    """Source text, and the objects that it refers to by name."""

    def __init__(self) -> None:
        self.lines = ["def replay(root, g, keep_graph):"]
        self.scope: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def __call__(self, text: str) -> None:
        self.lines.append(" " + text)

    def refuse_if(self, test: str) -> None:
        self(f"if {test}: return None")

    def name(self, thing: Any) -> str:
        """A name for an object, the same for the same."""
        if thing is None or thing is True or thing is False or thing.__class__ is int:
            return repr(thing)
        name = self._names.get(id(thing))
        if name is None:
            name = self._names[id(thing)] = f"c{len(self._names)}"
            self.scope[name] = thing  # which keeps its id from being used again
        return name

    def function(self, root: Any) -> Replay:
        source = "\n".join(self.lines)
        # One name for each kind of root, as there is one function: linecache must not grow.
        filename = f"<flambeau backward pass from {root.name()} {root.token}>"
        scope = {
            "new": object.__new__, "Value": Value, "Storage": Storage, "state": state,
            "RELEASED": RELEASED, "tensor": saved.new_tensor, "LIMIT": config.max_pending_nodes,
            **self.scope,
        }  # fmt: skip
        exec(compile(source, filename, "exec"), scope)
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        return scope["replay"]  # type: ignore[no-any-return]


def write(
    nodes: Sequence[Any], values: Sequence[Value], steps: Sequence[Any], constants: Sequence[Any],
    gradients: Sequence[tuple[int, int, Any]], released: Sequence[int],
) -> Replay:  # fmt: skip
    """The function for graphs of the structure that these nodes have, and for their script (see
    `replay.Script`). `values` are what the nodes have saved, with the root's gradient first."""
    code = _Code()
    known = _Values(values)
    leaves = _match(code, nodes, known)
    code("nodes = state.nodes")
    code.refuse_if(f"len(nodes) + {len(steps)} >= LIMIT")
    places = [*known.names, *map(code.name, constants)]
    places += [f"w{i}" for i in range(len(steps))]
    for i, step in enumerate(steps):
        _record(code, f"w{i}", step, [places[at] for at in step.inputs])
    code(f"nodes += ({''.join(f'w{i}, ' for i in range(len(steps)))})")
    if released:
        code("if not keep_graph:")
        for i in released:
            code(f" n{i}.saved = RELEASED; n{i}.saved_results = ()")
    code("more = []")
    for leaf, place, aval in gradients:
        a = code.name(aval)
        code(f"t = tensor(); t._storage = Storage({places[place]}, {a}); t._aval = {a}")
        code(f"if {leaves[leaf]}._grad is None: {leaves[leaf]}._grad = t")
        code(f"else: more.append(({leaves[leaf]}, t))")
    code("return more")
    return code.function(nodes[0])


def _record(code: _Code, name: str, step: Any, inputs: list[str]) -> None:
    code(f"{name} = new(Value); {name}.op = {code.name(step.op)}; {name}.token = {step.token}")
    code(f"{name}.aval = {code.name(step.aval)}; {name}.params = {code.name(step.params)}")
    code(f"{name}.inputs = ({''.join(f'{x}, ' for x in inputs)}); {name}.buffer = None")


# --- the graph ----------------------------------------------------------------------------------


def _match(code: _Code, nodes: Sequence[Any], values: _Values) -> list[str]:
    """Lines that go through the graph. Gives the names of the leaves, in the order of `survey`."""
    names: dict[Any, str] = {node: f"n{i}" for i, node in enumerate(nodes)}
    seen: set[Any] = {nodes[0]}
    leaves: list[str] = []
    code("try:")
    first = len(code.lines)
    code("n0 = root")
    for node in nodes:
        n = names[node]
        code.refuse_if(f"{n}.token != {node.token} or {n}.extra is not None")
        _match_edges(code, node, names, seen, leaves)
        _match_saved(code, node, n, values)
    every = ", ".join([*(names[node] for node in nodes), *leaves])
    code.refuse_if(f"len({{{every}}}) != {len(names)}")
    every = ", ".join(values.names)
    code.refuse_if(f"len({{{every}}}) != {len(values.names)}")
    code.lines[first:] = [" " + line for line in code.lines[first:]]
    code("except (AttributeError, TypeError, ValueError): return None")
    return leaves


def _match_edges(
    code: _Code, node: Any, names: dict[Any, str], seen: set[Any], leaves: list[str]
) -> None:
    if not node.edges:
        return
    parts, after = [], []
    for i, edge in enumerate(node.edges):
        if edge is None:
            parts.append(f"e{i}")
            after.append(f"e{i} is not None")
            continue
        target, nr = edge
        if target in seen:
            parts.append(f"(e{i}, r{i})")
            after.append(f"e{i} is not {names[target]} or r{i} != {nr}")
            continue
        seen.add(target)
        after.append(f"r{i} != {nr}")
        if not isinstance(target, Node):
            leaf = names[target] = f"l{len(leaves)}"
            leaves.append(leaf)
            after.append(
                f"{leaf}._rg is not True or {leaf}._node is not None or {leaf}._hooks "
                f"or {leaf}._accumulator is not None or {leaf}._post_hooks"
            )
        parts.append(f"({names[target]}, r{i})")
    code(f"{', '.join(parts)}, = {names[node]}.edges")
    code.refuse_if(" or ".join(after))


def _match_saved(code: _Code, node: Any, n: str, values: _Values) -> None:
    parts: list[str] = []
    after: list[str] = []
    for i, s in enumerate(node.saved):
        parts.append(_saved_part(code, f"_{i}", s, values, after))
    if parts:
        code(f"{', '.join(parts)}, = {n}.saved")
    results = []
    for i, r in enumerate(node.saved_results):
        if r is None:
            results.append("r")
            continue
        results.append(f"(m_{i}, k_{i}, u_{i})")
        after.append(f"k_{i}.version != u_{i} or m_{i}.aval is not {code.name(r[0].aval)}")
        after.append(values.test(f"m_{i}", r[0].value))
    if results:
        code(f"{', '.join(results)}, = {n}.saved_results")
    if after:
        code.refuse_if(" or ".join(after))


def _saved_part(
    code: _Code, i: str, s: Any, values: _Values, after: list[str]
) -> str:
    """The pattern that takes a saved entry apart. What is to be asked of it goes to `after`."""
    if s is None:
        return "r"
    if s.__class__ is list:
        parts = [_saved_part(code, f"{i}_{j}", x, values, after) for j, x in enumerate(s)]
        return f"({', '.join(parts)},)" if parts else f"x{i}"
    if s.__class__ is not tuple:
        value = f"x{i}" if s else f"str(x{i})"
        after.append(f"x{i}.__class__ is not {s.__class__.__name__}")
        after.append(f"{value} != {code.name(s if s else str(s))}")
        return f"x{i}"
    x, storage, _ = s
    after.append(f"x{i}._storage is not m{i} or m{i}.version != u{i} or x{i}._count is not None")
    if x._plain:
        after.append(f"not x{i}._plain")
    else:
        layout = f"x{i}._strides != {code.name(x._strides)} or x{i}._offset != {x._offset}"
        after.append(f"x{i}._plain or {layout} or m{i}.aval is not {code.name(storage.aval)}")
    after.append(values.test(f"m{i}", storage.value))
    return f"(x{i}, m{i}, u{i})"


class _Values:
    """Names of the values that are saved. A value is named where it is first met; elsewhere it has
    to be the same."""

    def __init__(self, values: Sequence[Value]) -> None:
        self.names = ["g", *(f"v{i}" for i in range(1, len(values)))]
        self._names = dict(zip(values, self.names, strict=True))
        self._met = {"g"}

    def test(self, storage: str, value: Value) -> str:
        """A test of a storage's value, true where the graph is another one."""
        name = self._names[value]
        if name in self._met:
            return f"{storage}.value is not {name}"
        self._met.add(name)
        return f"({name} := {storage}.value) is None"
