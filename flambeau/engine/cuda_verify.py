"""FLAMBEAU_VERIFY=1 on a GPU: every kernel of every compiled program against NumPy.

As `verify` does it: launches run one after the other; what one reads is copied to the host first, and
what it wrote must be what the nodes that it computes are in NumPy, up to rounding.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .. import config
from ..codegen.cuda import rewrite
from ..codegen.cuda.plan import GpuUnit
from ..codegen.cuda.rewrite_epilogue import PATTERNS
from ..codegen.cuda.rewrite_narrow import NARROW, is_contraction
from ..errors import InternalError
from ..graph.elementwise import numpy_dtype
from ..graph.ir import Builder, Node
from ..graph.rounding import EPSILON, Bounded, evaluate
from ..runtime import cuda_pinned
from . import verify
from .cuda_layout import Hosted

TF32 = 2.0**13
"""How much coarser TF32 is than float32."""
ATTENTION = 16.0
"""How many roundings of the largest element attention may be off."""


def attach(made: Any) -> None:
    """Have an executable run its units one after the other, verifying, from now on."""
    if not isinstance(getattr(made._submit, "__self__", None), Verifier):
        made._submit = Verifier(made).submit


class Verifier:
    """Runs one executable's units."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def submit(self, table: Any, words: Any, captured: Any, done: list[int]) -> None:
        """In place of Executable._submit."""
        by_launch: dict[int, Any] = {}
        calls = []
        for segment, graphs in zip(self.made.layout.segments, table.graphs):
            if isinstance(segment, Hosted):
                calls.append(segment)
            else:
                for placed, submission in zip(segment, graphs.submissions):
                    by_launch[id(placed.launch)] = submission
        hosted = iter(calls)
        for unit in self.made.plan.units:
            if unit.call is not None:
                self.made._host(next(hosted), words, captured, table.stream)
            elif unit.launches:
                self._one(unit, [by_launch[id(x)] for x in unit.launches], words, table.stream)

    def _one(self, unit: GpuUnit, submissions: list[Any], words: Any, stream: Any) -> None:
        known = {x: _before(x, unit, words, stream) for x in verify.read(unit)}
        for x in submissions:
            x.run(words, stream)
        if any(n.op == "special" and n.attr[0] == rewrite.CHECK for n in unit.nodes):
            return
        new: dict[Node, Node] = {x: x for x in known}
        try:
            expected = evaluate([_meant(x, new) for x in unit.results], known, self._numbers(words))
        except NotImplementedError as error:
            verify.skipped[str(error)] = verify.skipped.get(str(error), 0) + 1
            return
        verify.checked += 1
        slack = verify.SAFETY * (TF32 if _rounds_to_tf32(unit) else 1.0)
        for node, want in zip(unit.results, expected, strict=True):
            if _attends(unit):
                want = _roughly(want, unit)
            have = _array(unit.places[node], words, stream)
            found = verify.difference(have, want, node.dtype, slack)
            if found:
                raise InternalError(verify.told(unit, node, found, self.made.program))

    def _numbers(self, words: Any) -> list[Any]:
        """The program's scalars as they lie in the table."""
        layout, kinds = self.made.layout, self.made.program.scalars
        found = [int(w) for w in words[layout.inputs : layout.inputs + layout.numbers]]
        return [
            struct.unpack("d", struct.pack("q", w))[0] if kind is float else w
            for w, kind in zip(found, kinds, strict=True)
        ]  # fmt: skip


def _before(x: Node, unit: GpuUnit, words: Any, stream: Any) -> Any:
    if x not in unit.places:
        return np.zeros(x.shape, numpy_dtype(x.dtype))
    return _array(unit.places[x], words, stream)


def _array(placed: Any, words: Any, stream: Any) -> Any:
    """What is in a run's memory now."""
    found = np.empty(placed.shape, numpy_dtype(placed.dtype))
    if found.nbytes:
        source = int(words[placed.slot]) + placed.offset * found.itemsize
        cuda_pinned.download(source, found, stream)
    return found


def _meant(node: Node, new: dict[Node, Node]) -> Node:
    """The same in terms of what NumPy knows: contractions of 16-bit floats are made of float32, and
    have no activation."""
    stack = [node]
    while stack:
        x = stack[-1]
        todo = [a for a in x.args if a not in new] if x not in new else []
        if todo:
            stack += todo
            continue
        stack.pop()
        if x not in new:
            args = tuple([new[a] for a in x.args])
            if is_contraction(x):
                args = tuple([_wide(a) for a in args])
                name, params = x.attr
                activation = params[0] if params and isinstance(params[0], str) else ""
                attr = (name, params[1:] if activation else params)
                made = Node(x.op, args, attr, x.shape, "float32" if x.dtype in NARROW else x.dtype)
                if activation:
                    made = PATTERNS[activation](Builder(), made)
                new[x] = made if made.dtype == x.dtype else _cast(made, x.dtype)
            else:
                new[x] = Node(x.op, args, x.attr, x.shape, x.dtype)
    return new[node]


def _wide(x: Node) -> Node:
    return _cast(x, "float32") if x.dtype in NARROW else x


def _cast(x: Node, dtype: str) -> Node:
    return Node("cast", (x,), None, x.shape, dtype)


def _attends(unit: GpuUnit) -> bool:
    """Whether a unit is attention, of which `graph.rounding` knows no bounds."""
    return any(x.op == "special" and x.attr[0].startswith("attention") for x in unit.nodes)


def _roughly(want: Bounded, unit: GpuUnit) -> Bounded:
    """A bound in proportion to the largest element."""
    dtypes = {a.dtype for x in unit.nodes for a in x.args} & EPSILON.keys()
    with np.errstate(all="ignore"):
        size = np.max(np.abs(np.where(np.isfinite(want.value), want.value, 0.0)), initial=0.0)
    rough = ATTENTION * max(EPSILON[d] for d in dtypes) * float(size)
    return Bounded(want.value, np.full(np.shape(want.value), rough))


def _rounds_to_tf32(unit: GpuUnit) -> bool:
    """Whether a unit is a contraction whose factors may be rounded to TF32."""
    for x in unit.nodes:
        if is_contraction(x):
            switch = "cuda_conv_tf32" if x.attr[0].startswith("conv") else "cuda_matmul_tf32"
            return bool(getattr(config, switch, switch == "cuda_conv_tf32"))
    return False
