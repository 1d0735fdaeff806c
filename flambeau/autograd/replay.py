"""Backward passes of a structure that was seen before: recorded again without running a derivative.

What a pass records depends on the graph's structure alone: on the rows, avals and parameters of its
nodes (their tokens), on how they are connected, and on which saved tensors are one. Where all of it
is the same as before, so is the list of the operations; it is appended to the trace with the values
that this graph has saved. The program is the same as that of an ordinary pass.

    survey   the structure of a graph, and the values that its derivatives can read
    learn    an ordinary pass whose operations are noted as a script
    play     the script, with other values
    write    a function that does all this for one structure (see `replay_code`)

Whatever else may have an effect is not surveyed, and the pass is an ordinary one: hooks, retained
gradients, nodes of the user's own, saved tensors that were written since or that the outside sees.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import Any, NamedTuple, cast

from .. import config
from ..graph.program import token_of
from ..graph.trace import note_many_bytes, state
from ..graph.value import Value
from ..ops.core import VIEW
from .node import RELEASED, Node
from .replay_code import Replay, write

new = object.__new__

_LIMIT = 512
"""How many structures are remembered."""

Gradient = tuple[Any, Value, Any]
"""A leaf, the value of its gradient, and its aval."""


class Survey(NamedTuple):
    """A graph, seen from one root."""

    key: tuple[Any, ...]
    nodes: list[Node]
    leaves: list[Any]
    values: list[Value]
    """The gradient of the root, and what was saved."""


class Step(NamedTuple):
    """One operation of a script."""

    op: Any
    aval: Any
    params: tuple[Any, ...]
    token: int
    inputs: list[int]
    """Places: they count the survey's values, then `Script.constants`, then the steps."""


class Script:
    """What a pass over graphs of one structure records."""

    def __init__(
        self, constants: list[Any], steps: list[Step], gradients: list[tuple[int, int, Any]],
        released: list[int],
    ) -> None:  # fmt: skip
        self.constants = constants
        """Numbers, and None for inputs that were not given."""
        self.steps = steps
        self.gradients = gradients
        """In the order in which leaves get their gradients: which leaf, the place, the aval."""
        self.released = released
        """The nodes that forget what they saved."""
        self.nbytes = sum([step.aval.nbytes for step in steps if _is_big(step)])
        self.plays = 0


_scripts: dict[tuple[Any, ...], Script | bool] = {}
"""True for a structure that was seen once: only what comes again is worth learning. False for one
that can't be learned."""


# --- survey -------------------------------------------------------------------------------------


def survey(root: Any, nr: int, grad: Any) -> Survey | None:
    """Survey the graph below output `nr` of `root`; None where it has to be walked in the ordinary
    way."""
    number: Any = defaultdict(count().__next__)
    values: Any = defaultdict(count().__next__)
    if not isinstance(root, Node) or not grad._plain or grad._storage.value is None:
        return None
    if state.inference:
        return None
    key: list[Any] = [number[root], nr, values[grad._storage.value]]
    add = key.append
    known = 1
    nodes: list[Any] = [root]
    leaves: list[Any] = []
    for node in nodes:  # grows
        token = node.token
        saved = node.saved
        if not token or node.extra is not None or saved is RELEASED:
            return None
        add(token)
        for edge in node.edges:
            if edge is None:
                add(None)
                continue
            target, nr = edge
            i = number[target]
            add(i)
            add(nr)
            if i == known:
                known += 1
                if isinstance(target, Node):
                    nodes.append(target)
                elif _has_hooks(target):
                    return None
                else:
                    leaves.append(target)
                    add("leaf")
        for s in saved:
            if s.__class__ is tuple:
                x, storage, version = s
                value = storage.value
                if (
                    value is None
                    or x._storage is not storage
                    or storage.version != version
                    or x._count is not None
                ):
                    return None
                add(values[value])
                if not x._plain:
                    add((x._strides, x._offset, storage.aval))
            elif s is None:
                add(None)
            elif not _add_other(s, key, values):
                return None
        for r in node.saved_results:
            if r is None:
                continue
            storage, counter, version = r
            value = storage.value
            if value is None or counter.__class__ is list or counter.version != version:
                return None
            add(values[value])
            add(storage.aval)
    return Survey(tuple(key), nodes, leaves, list(values))


def _has_hooks(leaf: Any) -> bool:
    return (
        leaf._rg is not True
        or leaf._node is not None
        or leaf._accumulator is not None
        or bool(leaf._hooks)
        or bool(leaf._post_hooks)
    )


def _add_other(s: Any, key: list[Any], values: Any) -> bool:
    """Add a saved list of tensors, or a number, to a key. False where that can't be done."""
    if s.__class__ is list:
        for x, storage, version in s:
            value = storage.value
            if value is None or x._storage is not storage or x._count is not None:
                return False
            if storage.version != version:
                return False
            key.append(values[value])
            if not x._plain:
                key.append((x._strides, x._offset, storage.aval))
        return True
    if s.__class__ not in (int, float, bool):
        return False
    key.append(s.__class__)
    key.append(s or str(s))  # 0.0 is not -0.0
    return True


# --- learn and play -----------------------------------------------------------------------------


def known(found: Survey) -> Script | None:
    """The script for a graph, if there is one and it fits into the trace."""
    script = _scripts.get(found.key)
    if script.__class__ is not Script:
        return None
    script = cast(Script, script)
    if len(state.nodes) + len(script.steps) >= config.max_pending_nodes:
        return None
    return script


def worth_learning(found: Survey) -> bool:
    """Whether the structure comes again. Notes that it has been seen."""
    if found.key in _scripts:
        return _scripts[found.key] is True
    if len(_scripts) >= _LIMIT:
        _scripts.clear()
    _scripts[found.key] = True
    return False


def play(script: Script, found: Survey, keep_graph: bool) -> list[Gradient]:
    """Record the script with the values of a graph, and give the leaves' gradients."""
    script.plays += 1
    if script.plays == _OFTEN and len(script.steps) <= _LONG:
        _write(script, found)
    values: list[Any] = found.values
    values += script.constants
    first = len(values)
    for op, aval, params, token, inputs in script.steps:
        value = new(Value)
        value.op, value.aval, value.params, value.token = op, aval, params, token
        value.inputs, value.buffer = tuple([values[i] for i in inputs]), None
        values.append(value)
    state.nodes += values[first:]
    if not keep_graph:
        nodes = found.nodes
        for i in script.released:
            node = nodes[i]
            node.saved, node.saved_results = RELEASED, ()
    leaves = found.leaves
    gradients = [(leaves[i], values[place], aval) for i, place, aval in script.gradients]
    values.clear()  # what refers to a value when the trace runs makes it an output
    if script.nbytes:
        del value
        note_many_bytes(script.nbytes)
    return gradients


class Lesson:
    """Notes what an ordinary pass records. `finish` makes the script of it."""

    def __init__(self, found: Survey) -> None:
        self.found = found
        self.nodes = state.nodes
        self.start = len(state.nodes)
        self.looks = state.looks
        self.saving = [bool(node.saved or node.saved_results) for node in found.nodes]

    def finish(self, arrived: dict[Any, list[Any]]) -> list[Gradient]:
        """The leaves' gradients, from those that the pass has captured. The script is kept unless
        the pass depended on more than it was given: it ran the trace, looked at data, or made data.
        """
        gradients = [
            (leaf, g._detached()._storage.value, g._aval)
            for leaf, (g,) in arrived.items()
            if g is not None
        ]
        found = self.found
        known_now = state.nodes is self.nodes and state.looks == self.looks
        script = self._script(gradients) if known_now else None
        _scripts[found.key] = False if script is None else script
        found.values.clear()
        return gradients

    def _script(self, gradients: list[Gradient]) -> Script | None:
        found = self.found
        recorded = self.nodes[self.start :]
        place: dict[Any, int] = {value: i for i, value in enumerate(found.values)}
        constants = [x for value in recorded for x in value.inputs if x.__class__ is not Value]
        first = len(found.values) + len(constants)
        place.update({value: first + i for i, value in enumerate(recorded)})
        number = {leaf: i for i, leaf in enumerate(found.leaves)}
        try:
            steps = _steps(recorded, place, len(found.values))
            given = [(number[leaf], place[value], aval) for leaf, value, aval in gradients]
        except KeyError:
            return None
        released = [
            i for i, node in enumerate(found.nodes) if self.saving[i] and node.saved is RELEASED
        ]
        return Script(constants, steps, given, released)


def _steps(recorded: list[Value], place: dict[Any, int], constant: int) -> list[Step]:
    """KeyError where a value was read that neither the graph nor the pass has."""
    steps = []
    for value in recorded:
        places = []
        for x in value.inputs:
            if x.__class__ is Value:
                places.append(place[x])
            else:
                places.append(constant)
                constant += 1
        token = value.token or token_of(value)
        steps.append(Step(value.op, value.aval, value.params, token, places))
    return steps


def _is_big(step: Step) -> bool:
    """Whether a step's result counts towards what is pending: views are no memory."""
    aval = step.aval
    return aval.__class__ is not tuple and aval.big and step.op is not VIEW


# --- structures that keep coming ----------------------------------------------------------------

_OFTEN = 4
"""How many plays make a script worth a function of its own: writing it takes some 0.1 ms for each
operation."""
_LONG = 4000
"""Operations of the longest script that gets one."""


class _Written:
    """The function for the structure that came last with one kind of root. Where others come in
    between, trying it first costs more than it saves: `score` counts what it was good for."""

    __slots__ = ("replay", "nbytes", "score")

    def __init__(self, replay: Replay, nbytes: int) -> None:
        self.replay, self.nbytes, self.score = replay, nbytes, 0


_written: dict[tuple[int, int], _Written] = {}


def _write(script: Script, found: Survey) -> None:
    root = found.nodes[0].token, found.key[1]
    old = _written.get(root)
    if old is not None and old.score > 0:
        script.plays = 0  # ask again later
        return
    if len(_written) >= _LIMIT:
        _written.clear()
    replay = write(
        found.nodes, found.values, script.steps, script.constants, script.gradients, script.released
    )
    _written[root] = _Written(replay, script.nbytes)


def at_once(root: Any, nr: int, grad: Any, keep_graph: bool) -> list[tuple[Any, Any]] | None:
    """Replay the graph below a root if it is the one that a function was written for. Gives leaves
    with a gradient that is still to be added to theirs."""
    written = _written.get((root.token, nr)) if isinstance(root, Node) else None
    if written is None or not grad._plain or state.inference:
        return None
    value = grad._storage.value
    more = None if value is None else written.replay(root, value, keep_graph)
    if more is None:
        written.score -= 1
        if written.score < -_OFTEN:
            _written.pop((root.token, nr), None)  # another thread may have been here
        return None
    written.score = _OFTEN
    del value
    if written.nbytes:
        note_many_bytes(written.nbytes)
    return more
