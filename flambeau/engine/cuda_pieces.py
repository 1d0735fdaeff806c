"""A program for a GPU operation by operation: each through its own lowering, planned once for all
programs that have it.

Plans of operations are remembered (`Piece`) and laid side by side (`cuda_layout`): so a program that
is seen for the first time runs without being compiled as a whole. A view is no operation: it is part
of those that read it, or the same memory. What has no lowering runs on the host, through NumPy.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from .. import config
from ..codegen.cuda.kernel import Gpu
from ..codegen.cuda.plan import GpuPlan
from ..codegen.plan import Scalar
from ..core.layout import is_contiguous
from ..graph.program import Instruction, Key, Program, build
from ..ops.core import PICK, REINTERPRET, VIEW
from . import cuda_planning
from .cuda_layout import Draft, Hosted, Layout, Store, Where, input_stores
from .interpreter import Interpreter

LIMIT = 4096
"""How many pieces are remembered. Forgetting costs time only."""

_known: dict[Any, Piece] = {}
_lock = threading.Lock()


class Piece(NamedTuple):
    """One operation, with the views that it reads through."""

    program: Program
    plan: GpuPlan | None
    """None where NumPy runs it."""
    constants: dict[int, int]
    """Whole numbers that it holds for, by position."""


class Glued(NamedTuple):
    """A program's pieces, side by side."""

    layout: Layout
    constants: dict[int, int]
    """Whole numbers of the program that it holds for, by position."""


def forget() -> None:
    """Plans depend on switches that have been changed."""
    _known.clear()


def glue(program: Program, scalars: list[Any], gpu: Gpu, index: int | None = None) -> Glued:
    """Lay out a program. Where an operation has to know a whole number it is taken from `scalars`."""
    return _Gluing(program, scalars, gpu, index).run()


class _Gluing:
    def __init__(
        self, program: Program, scalars: list[Any], gpu: Gpu, index: int | None
    ) -> None:
        self.program, self.scalars, self.gpu, self.index = program, scalars, gpu, index
        self.base = len(program.inputs)
        self.top = self.base + len(program.scalars)
        self.draft = Draft(program)
        self.stores: dict[int, tuple[Store, ...]] = dict(enumerate(input_stores(program)))
        self.avals: dict[int, Any] = dict(enumerate(program.inputs))
        self.views: dict[int, Instruction] = {}
        """Registers that are no memory yet, by how they are seen."""
        self.constants: dict[int, int] = {}

    def run(self) -> Glued:
        program = self.program
        shown = set(program.outputs)
        for ins in program.instructions:
            self.avals[ins.target] = ins.aval
            if ins.op is PICK:
                arg = ins.args[0]
                assert arg is not None
                self.stores[ins.target] = (self.stores[arg][ins.params[0]],)
            elif ins.op is REINTERPRET and ins.args[0] in self.stores:
                self.stores[ins.target] = self.stores[ins.args[0]]  # type: ignore[index]
            elif ins.op is VIEW and self._same(ins):
                self.stores[ins.target] = self.stores[ins.args[0]]  # type: ignore[index]
            elif ins.op is VIEW and ins.target not in shown and ins.aval.dtype.native:
                self.views[ins.target] = ins
            else:
                self._operation(ins)
        return Glued(self.draft.finish([self.stores[o] for o in program.outputs]), self.constants)

    def _same(self, ins: Instruction) -> bool:
        """Whether a view is all of memory that is there."""
        shape, strides = ins.params
        whole = self.avals[ins.args[0]]  # type: ignore[index]
        return (
            ins.args[0] in self.stores and ins.args[1] is None and whole.numel == ins.aval.numel
            and is_contiguous(tuple(shape), tuple(strides))
        )  # fmt: skip

    def _operation(self, ins: Instruction) -> None:
        entries: list[Any] = []
        inputs: list[int] = []
        scalars: list[int] = []
        places: dict[int, int] = {}

        def ref(register: int | None) -> Any:
            if register is None:
                return None
            if self.base <= register < self.top:
                scalars.append(register - self.base)
                return self.program.scalars[register - self.base]
            if register not in places:
                if register in self.views and register not in self.stores:
                    places[register] = add(self.views[register])
                else:
                    places[register] = -1 - len(inputs)
                    inputs.append(register)
            return places[register]

        def add(x: Instruction) -> int:
            before = [ref(a) for a in x.args[:1]] if x.op is VIEW else []
            refs = tuple(before + [ref(a) for a in x.args[len(before) :]])
            entries.append((x.op, x.aval, x.params, refs))
            return len(entries) - 1

        # A number's place among the piece's is that of its reader: what is read through views first.
        for a in ins.args:
            if a in self.views and a not in self.stores:
                ref(a)
        add(ins)
        avals = tuple([self.avals[r] for r in inputs])
        parts = (tuple(entries), avals, (len(entries) - 1,), ())
        piece = self._piece(parts, [self.scalars[i] for i in scalars])
        for i, value in piece.constants.items():
            self.constants[scalars[i]] = value
        given = ins.aval if isinstance(ins.aval, tuple) else (ins.aval,)
        if piece.plan is None:
            self._host(ins, piece.program, inputs, scalars, given)
            return
        stores: dict[int, Store] = {}
        made = []
        for out, a in zip(piece.plan.outputs, given, strict=True):
            if out.slot not in stores:
                stores[out.slot] = self.draft.store(a.nbytes)
            made.append(stores[out.slot])
        given_stores = [self.stores[r][0] for r in inputs]
        self.draft.add(piece.plan, given_stores, scalars, stores, None)
        self.stores[ins.target] = tuple(made)

    def _host(
        self, ins: Instruction, program: Program, inputs: list[int], scalars: list[int],
        given: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Run a piece through NumPy."""

        def where(store: Store, a: Any) -> Where:
            return Where(self.draft.word(store), a.dtype.name, tuple(a.shape))

        args: list[Any] = []
        for r in inputs:
            a = self.avals[r]
            if isinstance(a, tuple):
                args.append(tuple([where(s, x) for s, x in zip(self.stores[r], a, strict=True)]))
            else:
                args.append(where(self.stores[r][0], a))
        args += [Scalar(i) for i in scalars]
        made = tuple([self.draft.store(a.nbytes) for a in given])
        results = tuple([where(s, a) for s, a in zip(made, given, strict=True)])
        self.draft.segments.append(Hosted(ins.op.name, _interpreting(program), tuple(args), results))
        self.draft.now += 2
        self.stores[ins.target] = made

    def _piece(self, parts: Any, numbers: list[Any]) -> Piece:
        """Whole numbers come at run time, but for 0 and 1, with which much is left out; all of them
        are constants where the operation's lowering has to know them."""
        whole = {i: int(x) for i, x in enumerate(numbers) if isinstance(x, int)}
        plain = {i: x for i, x in whole.items() if x in (0, 1)}
        found = self._planned(parts, plain)
        if found.plan is None and len(whole) > len(plain):
            again = self._planned(parts, whole)
            if again.plan is not None:
                return again
        return found if found.plan is not None else found._replace(constants={})

    def _planned(self, parts: Any, constants: dict[int, int]) -> Piece:
        key = (parts, tuple(constants.items()), self.gpu, self.index, cuda_planning.generation(), config.fusion)
        found = _known.get(key)
        if found is None:
            program = build(Key(parts))
            found = Piece(program, _plan(program, constants, self.gpu, self.index), constants)
            with _lock:
                if len(_known) >= LIMIT:
                    _known.clear()
                _known[key] = found
        return found


def _plan(
    program: Program, constants: dict[int, int], gpu: Gpu, index: int | None
) -> GpuPlan | None:
    """The plan of a piece, None where its operation has no lowering."""
    if not cuda_planning.known(program):
        return None
    plan = cuda_planning.plan(program, constants, gpu, config.fusion, index)
    return None if any(s.call is not None for s in plan.steps) else plan


def _interpreting(program: Program) -> Any:
    """A function that runs a piece's program on arrays and numbers."""
    made: list[Interpreter] = []
    n = len(program.inputs)

    def run(values: list[Any]) -> tuple[Any, ...]:
        if not made:
            made.append(Interpreter(program))
        (found,) = made[0].run(list(values[:n]), list(values[n:]))
        return found if isinstance(found, tuple) else (found,)

    return run
