"""The accumulators that a stage's loops carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .llvm_text import Word
from .loop import Stage
from .loop_plan import BLOCK, Piece
from .loop_reduce import Reduction, State, reductions
from .loop_values import Lanes

if TYPE_CHECKING:
    from .loop_body import Bodies


class Running:
    """The states of a stage's reductions, as a flat list that loops carry.

    For each reduction: its copies' registers, then (`tail`) those of a scalar rest. If sums are
    blocked, the steps since the last flush come first.
    """

    def __init__(
        self, nest: Bodies, n: int, stage: Stage, v: Lanes, copies: int, tail: bool = False
    ) -> None:
        self.nest = nest
        self.v = v
        self.copies = copies
        self.tail = tail
        self.all = reductions(nest.firsts[n], stage.body, nest.all)
        self.blocked = any(r.blocked for r in self.all)

    def lanes_of(self, r: Reduction) -> Lanes:
        same = self.nest.loop.vector == "par" and self.nest.plan.uniform[r.argument]
        return self.nest.scalar if same else self.v

    def copies_of(self, r: Reduction) -> list[Lanes]:
        """Each state's lanes."""
        v = self.lanes_of(r)
        own = [v] if v is self.nest.scalar and self.v is not v else [v] * self.copies
        return own + [self.nest.scalar] * self.tail

    def carry(self) -> list[tuple[str, Word]]:
        """(type, first value) of all."""
        out: list[tuple[str, Word]] = [("i64", 0)] if self.blocked else []
        for r in self.all:
            for v in self.copies_of(r):
                out += zip(r.types(v), r.start(v))
        return out

    def typed(self, state: Sequence[Word]) -> list[tuple[str, Word]]:
        return [(t, x) for (t, _), x in zip(self.carry(), state)]

    def split(self, state: Sequence[Word]) -> list[list[State]]:
        """For each reduction, for each copy, its registers."""
        rest = [str(x) for x in state][int(self.blocked) :]
        out: list[list[State]] = []
        for r in self.all:
            own: list[State] = []
            for v in self.copies_of(r):
                size = len(r.types(v))
                own.append(rest[:size])
                rest = rest[size:]
            out.append(own)
        return out

    def join(self, steps: Word, states: list[list[State]]) -> list[Word]:
        flat: list[Word] = [x for r in states for s in r for x in s]
        return [steps, *flat] if self.blocked else flat

    def runs(self, state: Sequence[Word], piece: Piece | None = None) -> list[list[State]]:
        """The states that a piece's copies change."""
        states = self.split(state)
        if piece is None:
            return states
        if piece.lanes == 1 and self.tail:
            return [s[-1:] for s in states]
        return [s[: piece.copies] for s in states]

    def changed(self, state: Sequence[Word], new: list[Word], piece: Piece) -> list[Word]:
        """The whole state after a piece's copies have changed theirs."""
        states, rest = self.split(state), [str(x) for x in new]
        for own in states:
            at = len(own) - 1 if piece.lanes == 1 and self.tail else 0
            for k in range(at, at + (1 if at else piece.copies)):
                own[k] = rest[: len(own[k])]
                rest = rest[len(own[k]) :]
        return self.join(state[0] if self.blocked else 0, states)

    def count(self, state: list[Word], steps: Word) -> list[Word]:
        """The state after more steps that are not flushed yet."""
        return [self.nest.f.add(state[0], steps), *state[1:]]

    def flush(self, state: Sequence[Word], steps: Word) -> list[Word]:
        """The state after more steps: into the totals, if a block is full."""
        f = self.nest.f
        now = f.add(state[0], steps)
        with f.when(f.compare("sge", now, BLOCK)) as branch:
            done = [
                [
                    r.flush(v, s) if r.blocked else s
                    for v, s in zip(self.copies_of(r), states)
                ]
                for r, states in zip(self.all, self.split(state))
            ]  # fmt: skip
            new = self.join(0, done)
        old: list[Word] = [now, *state[1:]]
        out: list[Word] = []
        for (t, _), a, b in zip(self.carry(), new, old):
            out += [a] if a == b else f.merge(branch, t, [a], [b])
        return out
