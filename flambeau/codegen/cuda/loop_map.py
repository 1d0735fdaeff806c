"""Elementwise loops on a GPU: threads over the vectors of all parallel dimensions.

    for i in block * copies * threads + thread, a grid further each time:
        copies vectors, `threads` apart: load all, compute, store all
    one by one what is left of whole turns; the threads of the grid's begin take the elements after
    the last vector

Where rows are no multiple of a vector, but most arrays lie without gaps, vectors go through these as
if they had one dimension (`Shape.flat`); what else is read is found for each element.
"""

from __future__ import annotations

from ..ir_values import Val
from .loop_code import Place, Statements


class Map(Statements):
    """A kernel without reductions."""

    def write(self) -> str:
        c, threads, copies = self.c, self.shape.threads, self.shape.copies
        block, thread = self.narrow(c.block_id()), self.narrow(c.thread_id())
        first = block * (threads * copies) + thread
        step = self.narrow(c.grid_size()) * (threads * copies)
        with c.loop(first, self.par_count, step) as i:
            if copies == 1:
                self.body([self.place(i)])
            else:
                all = i + (copies - 1) * threads < self.par_count
                c.choose(all, lambda: self.body(self.places(i)), lambda: self.rest(i))
        if self.shape.lanes > 1 and (self.loop.par == 1 or self.shape.flat):
            at = block * threads + thread
            with c.when(at < self.tail):
                element = self.par_count * self.shape.lanes + at
                self.body([Place(self.split(element, self.par_sizes), {}, None, 1)])
        return c.text()

    def narrow(self, x: Val) -> Val:
        """An i32 as an index."""
        return self.c.wider(x) if self.shape.wide else x

    def places(self, i: Val) -> list[Place]:
        return [self.place(i + u * self.shape.threads) for u in range(self.shape.copies)]

    def place(self, i: Val) -> Place:
        """A vector by its number."""
        lanes = self.shape.lanes
        if self.shape.flat:
            first = i * lanes
            place = Place([first], {}, None, lanes)
            place.each = [
                Place(self.split(first + j, self.par_sizes), {}, None, 1) for j in range(lanes)
            ]
            return place
        return Place(self.scaled(self.split(i, self.par_sizes), lanes), {}, None, lanes)

    def rest(self, i: Val) -> None:
        """A turn that is not whole."""
        with self.c.loop(i, self.par_count, self.shape.threads) as k:
            self.body([self.place(k)])

    def body(self, places: list[Place]) -> None:
        self.evaluate(0, places)
        for u, place in enumerate(places):
            for _, s in self.numbered(0):
                if s.op == "store":
                    self.store(s, u, place, None)
