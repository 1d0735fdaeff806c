"""The loops of a loop kernel, from the tasks inwards. `loop_llvm` shows what they look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from .llvm_text import Word
from .loop import Stage, Statement
from .loop_body import Bodies, Place, Pointers
from .loop_plan import BLOCK, Piece
from .loop_reduce import Reduction
from .loop_running import Running
from .loop_values import REGISTER, Lanes


class Nest(Bodies):
    """One kernel's function."""

    def write(self) -> str:
        """The function's text."""
        self.arguments()
        if self.loop.vector == "red":
            self.outer(0, self.loop.par, self.base, self.row)
        else:
            self.outer(0, self.loop.par - 1, self.base, self.rows_in_lanes)
        return self.f.finish()

    # --- arguments --------------------------------------------------------------------------

    def arguments(self) -> None:
        """Read the launch's words, in the order of `loop.words`."""
        f, loop = self.f, self.loop
        self.at = 0
        dims = loop.par + loop.red
        self.extent = [self.word() for _ in range(dims)]
        self.block = self.word() if loop.dense else ""
        for k in range(len(self.operands)):
            slot, offset = self.word(), self.word()
            start = f.load("ptr", f.op(f"getelementptr ptr, ptr %table, i64 {slot}"), 8)
            self.base[k] = f.gep(start, offset)
            self.stride.append([self.word() for _ in range(dims)])
            if k in loop.gathers:
                self.gather[k] = self.word()
        slots = [self.word() for _ in loop.numbers]
        for k, s in enumerate(self.all):
            if s.op == "number":
                self.number(k, s, slots[s.attr])
        some = f.op("icmp slt i64 %begin, %end")
        f.do(f"br i1 {some}, label %run, label %nothing")
        f.label("nothing")
        f.do("ret void")
        f.label("run")

    def word(self) -> str:
        out = self.f.argument("%args", self.at)
        self.at += 1
        return out

    def number(self, k: int, s: Statement, slot: str) -> None:
        """A number of the table, in the statement's dtype."""
        source = self.loop.numbers[s.attr]
        at = self.f.op(f"getelementptr i64, ptr %table, i64 {slot}")
        x = self.f.load(REGISTER[source], at, 8)
        self.define(k, self.scalar.cast(x, source, s.dtype))

    # --- loops ------------------------------------------------------------------------------

    def outer(
        self, d: int, last: int, pointers: Pointers, inside: Callable[[Pointers], None]
    ) -> None:
        """The parallel loops from d up to `last`; the first runs over the tasks."""
        if d == last:
            inside(pointers)
            return
        names = list(pointers)
        first: Word = "%begin" if d == 0 else 0
        stop = "%end" if d == 0 else self.extent[d]
        starts = [self.f.gep(pointers[k], self.f.mul(first, self.stride[k][d])) for k in names]
        with self.f.loop(stop, first, carry=[("ptr", p) for p in starts]) as l:
            self.position[d] = l.index
            self.outer(d + 1, last, dict(zip(names, l.values)), inside)
            l.next = [self.f.step(p, self.stride[k][d]) for k, p in zip(names, l.values)]

    def reduce_loops(
        self, d: int, last: int, pointers: Pointers, state: Sequence[tuple[str, Word]],
        inside: Callable[[Pointers, list[Word]], list[Word]],
    ) -> list[Word]:  # fmt: skip
        """The reduction loops from dimension d up to `last`, carrying a state; returns it."""
        if d == last:
            return inside(pointers, [x for _, x in state])
        names = list(pointers)
        carry = [*(("ptr", pointers[k]) for k in names), *state]
        with self.f.loop(self.extent[d], carry=carry) as l:
            self.position[d] = l.index
            now = dict(zip(names, l.values))
            within = [(t, x) for (t, _), x in zip(state, l.values[len(names) :])]
            then = self.reduce_loops(d + 1, last, now, within, inside)
            l.next = [self.f.step(p, self.stride[k][d]) for k, p in now.items()] + then
        return list(l.values[len(names) :])

    def over(
        self, pieces: Sequence[Piece], start: Word, stop: Word,
        body: Callable[[Piece, Word, str | None], None],
    ) -> None:  # fmt: skip
        """Pieces that carry nothing over a vector dimension: body(piece, position, mask)."""
        for piece, first, last in self.shares(pieces, start, stop):
            with self.f.loop(last, first, piece.lanes * piece.copies) as l:
                body(piece, l.index, self.mask(piece, l.index, stop))

    def shares(
        self, pieces: Sequence[Piece], start: Word, stop: Word
    ) -> list[tuple[Piece, Word, Word]]:
        """(piece, first, stop) of each piece, so that whole turns fit those without masks."""
        out: list[tuple[Piece, Word, Word]] = []
        for piece in pieces:
            step = piece.lanes * piece.copies
            end = stop
            if not piece.masked and step > 1:
                whole = self.f.op(f"and i64 {self.f.sub(stop, start)}, {-step}")
                end = self.f.add(start, whole)
            out.append((piece, start, end))
            start = end
        return out

    def mask(self, piece: Piece, position: Word, stop: Word) -> str | None:
        """The lanes that are before `stop`."""
        if not piece.masked:
            return None
        f, v = self.f, self.wide
        dtype = "int32" if v.lanes <= 16 else "uint8"
        kind = REGISTER[dtype]
        left = f.min(f.sub(stop, position), v.lanes)
        count = v.splat(f.op(f"trunc i64 {left} to {kind}"), kind)
        return v.do("icmp ult", dtype, v.iota(kind), count)

    # --- elementwise, and rows in lanes -----------------------------------------------------

    def rows_in_lanes(self, pointers: Pointers) -> None:
        """`vector="par"`: the last parallel dimension in vectors."""
        start, stop = self.last_range()
        pieces = self.plan.stages[0]
        if self.loop.red:
            self.over(pieces, start, stop, partial(self.lanes_of_rows, pointers))
            return
        with self.f.when(self.f.compare("slt", start, stop)):
            stage = self.loop.stages[0]
            self.hoist(0, Place(self.scalar, 1, None, pointers, 0))

            def body(piece: Piece, position: Word, mask: str | None) -> None:
                self.body(0, stage, self.place(piece, position, mask, pointers), [])

            self.over(pieces, start, stop, body)

    def last_range(self) -> tuple[Word, Word]:
        """Of the last parallel dimension: all, or the tasks' share."""
        if self.loop.par > 1:
            return 0, self.extent[self.loop.par - 1]
        if not self.loop.dense:
            return "%begin", "%end"
        end = self.f.mul("%end", self.block)
        return self.f.mul("%begin", self.block), self.f.min(end, self.extent[0])

    def place(self, piece: Piece, position: Word, mask: str | None, pointers: Pointers) -> Place:
        v = self.wide if piece.lanes > 1 else self.scalar
        return Place(v, piece.copies, mask, pointers, position)

    def lanes_of_rows(
        self, pointers: Pointers, piece: Piece, position: Word, mask: str | None
    ) -> None:
        """All stages for the rows in some vectors."""
        v = self.wide if piece.lanes > 1 else self.scalar
        d = self.vector_dim
        self.position[d] = position
        here = {
            k: self.f.gep(p, self.offset(k, position))
            if self.operands[k].inner != 0 else p
            for k, p in pointers.items()
        }  # fmt: skip
        for n, stage in enumerate(self.loop.stages):
            if stage.level == "row":
                self.body(n, stage, Place(v, piece.copies, mask, here, None), [])
            else:
                self.full_stage_of_lanes(n, stage, v, piece.copies, mask, here)

    def full_stage_of_lanes(
        self, n: int, stage: Stage, v: Lanes, copies: int, mask: str | None, pointers: Pointers
    ) -> None:  # fmt: skip
        loop = self.loop
        found = Running(self, n, stage, v, copies)
        used = self.used(stage, pointers)
        last = loop.par + loop.red - 1

        def innermost(now: Pointers, state: list[Word]) -> list[Word]:
            def turn(at: Pointers, inner: list[Word]) -> list[Word]:
                place = Place(v, copies, mask, at, None)
                new = self.body(n, stage, place, found.runs(inner))
                return [inner[0], *new] if found.blocked else new

            return self.blocks(found, last, now, state, turn)

        end = self.reduce_loops(loop.par, last, used, found.carry(), innermost)
        for r, states in zip(found.all, found.split(end)):
            own = found.lanes_of(r)
            self.keep(r, [r.result(own, r.close(own, s)) for s in states])

    def keep(self, r: Reduction, values: list[str]) -> None:
        """A reduction's result as its statement's value."""
        if self.plan.uniform[r.number]:
            self.define(r.number, values[0])
        else:
            self.copies[r.number] = values

    def blocks(
        self, found: Running, d: int, pointers: Pointers, state: list[Word],
        turn: Callable[[Pointers, list[Word]], list[Word]],
    ) -> list[Word]:  # fmt: skip
        """The loop over dimension d one by one, in blocks where sums are blocked."""
        f, names = self.f, list(pointers)
        if not found.blocked:
            return self.reduce_loops(d, d + 1, pointers, found.typed(state), turn)
        carry = [*(("ptr", pointers[k]) for k in names), *found.typed(state)]
        with f.loop(self.extent[d], 0, BLOCK, carry) as l:
            stop = f.min(f.add(l.index, BLOCK), self.extent[d])
            with f.loop(stop, l.index, carry=[(t, x) for (t, _), x in zip(carry, l.values)]) as i:
                self.position[d] = i.index
                now = dict(zip(names, i.values))
                then = turn(now, list(i.values[len(names) :]))
                i.next = [f.step(p, self.stride[k][d]) for k, p in now.items()] + then
            taken = f.sub(stop, l.index)
            l.next = i.values[: len(names)] + found.flush(i.values[len(names) :], taken)
        return list(l.values[len(names) :])

    # --- rows one by one --------------------------------------------------------------------

    def row(self, pointers: Pointers) -> None:
        """`vector="red"`: all stages of one row."""
        for n, stage in enumerate(self.loop.stages):
            if stage.level == "row":
                self.body(n, stage, Place(self.scalar, 1, None, pointers, None), [])
            else:
                self.red_stage(n, stage, pointers)

    def red_stage(self, n: int, stage: Stage, pointers: Pointers) -> None:
        """A full stage: vectors along the last reduction dimension."""
        pieces = self.plan.stages[n]
        found = Running(self, n, stage, self.wide, pieces[0].copies, tail=pieces[-1].lanes == 1)
        used = self.used(stage, pointers)
        first, last = self.loop.par, self.loop.par + self.loop.red - 1
        inner = partial(self.vectors, n, stage, found)
        end = found.split(self.reduce_loops(first, last, used, found.carry(), inner))
        for r, states in zip(found.all, end):
            tail = states.pop() if found.tail else None
            whole = r.across(self.wide, r.tree(self.wide, states))
            if tail is not None:
                whole = r.merge(self.scalar, whole, r.close(self.scalar, tail))
            self.define(r.number, r.result(self.scalar, whole))

    def vectors(
        self, n: int, stage: Stage, found: Running, pointers: Pointers, state: list[Word]
    ) -> list[Word]:  # fmt: skip
        """The last reduction dimension of one row, piece by piece."""
        f, extent = self.f, self.extent[self.vector_dim]
        before = state
        with f.when(f.compare("slt", 0, extent)) as branch:
            self.hoist(n, Place(self.scalar, 1, None, pointers, 0))
            for turn, (piece, start, stop) in enumerate(
                self.shares(self.plan.stages[n], 0, extent)
            ):
                state = self.vector_piece(
                    n, stage, found, pointers, state, piece, (start, stop), turn == 0
                )
        out: list[Word] = []
        for (t, old), new in zip(found.typed(before), state):
            out += f.merge(branch, t, [new], [old])
        return out

    def vector_piece(
        self, n: int, stage: Stage, found: Running, pointers: Pointers, state: list[Word],
        piece: Piece, range: tuple[Word, Word], main: bool,
    ) -> list[Word]:  # fmt: skip
        f, step = self.f, piece.lanes * piece.copies
        start, stop = range

        def loop(first: Word, last: Word, state: list[Word]) -> list[Word]:
            with f.loop(last, first, step, found.typed(state)) as l:
                mask = self.mask(piece, l.index, self.extent[self.vector_dim])
                place = self.place(piece, l.index, mask, pointers)
                given = found.runs(l.values, piece)
                l.next = found.changed(l.values, self.body(n, stage, place, given), piece)
            return list(l.values)

        if not found.blocked:
            return loop(start, stop, state)
        if not main:
            return found.count(loop(start, stop, state), 1)
        with f.loop(stop, start, step * BLOCK, found.typed(state)) as l:
            last = f.min(f.add(l.index, step * BLOCK), stop)
            after = loop(l.index, last, list(l.values))
            l.next = found.flush(after, f.div(f.add(f.sub(last, l.index), step - 1), step))
        return list(l.values)
