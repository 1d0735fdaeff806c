"""LLVM IR as text, with loops and branches that nest as the Python that writes them.

    f = Function("double", "ptr p, i64 n", vector_attributes(target))
    with f.loop("%n") as i:
        at = f.gep("%p", f.mul(i.index, 4))
        x = f.load("float", at)
        f.store("float", f.op(f"fadd float {x}, {x}"), at)
    text = f.finish()

Numbers are written as Python ints, values by their names; sums and products of ints are folded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .kernel import Target

Word = int | str
"""An i64: a number, or a value's name."""


def vector_attributes(target: Target) -> str:
    """A function's attributes: whole registers are used, nothing is thrown."""
    bits = 8 * target.vector_bytes
    width = f' "prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'
    return f"nounwind{width if 'x86' in target.triple else ''}"


class Loop:
    """A loop while it is written: its index, the carried values, and what they become."""

    def __init__(self, index: str, values: list[str]) -> None:
        self.index = index
        self.values = values
        """Inside the loop those of this turn, after it those of the last."""
        self.next: Sequence[Word] = values


class Branch:
    """The blocks before and at the end of what runs under a condition."""

    def __init__(self, before: str) -> None:
        self.before = before
        self.after = before


class Function:
    """A function's text. `parameters` are those of the definition, named without "%"."""

    def __init__(
        self, name: str, parameters: str, attributes: str, *, result: str = "void", linkage: str = "internal"
    ) -> None:  # fmt: skip
        declared = ", ".join(" %".join(p.strip().rsplit(" ", 1)) for p in parameters.split(","))
        self.head = f"define {linkage} {result} @{name}({declared}) {attributes} {{"
        self.lines = ["entry:"]
        self.block = "entry"
        self.count = 0

    def fresh(self, prefix: str = "t") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def do(self, line: str) -> None:
        """An instruction without a result."""
        self.lines.append("  " + line)

    def op(self, text: str) -> str:
        """An instruction's result."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def finish(self, result: str = "void") -> str:
        self.do(f"ret {result}")
        return "\n".join([self.head, *self.lines, "}", ""])

    # --- numbers ----------------------------------------------------------------------------

    def add(self, a: Word, b: Word) -> Word:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return b if a == 0 else a if b == 0 else self.op(f"add i64 {a}, {b}")

    def sub(self, a: Word, b: Word) -> Word:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.op(f"sub i64 {a}, {b}")

    def mul(self, a: Word, b: Word) -> Word:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        return b if a == 1 else a if b == 1 else self.op(f"mul i64 {a}, {b}")

    def div(self, a: Word, b: Word) -> str:
        """Of numbers that are not negative."""
        return self.op(f"udiv i64 {a}, {b}")

    def compare(self, how: str, a: Word, b: Word) -> str:
        return self.op(f"icmp {how} i64 {a}, {b}")

    def select(self, condition: str, a: Word, b: Word, kind: str = "i64") -> str:
        return self.op(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def min(self, a: Word, b: Word) -> str:
        return self.select(self.compare("slt", a, b), a, b)

    def ceil_div(self, a: Word, b: int) -> str:
        return self.div(self.add(a, b - 1), b)

    def opaque(self, kind: str, x: Word) -> str:
        """x, of which the optimiser knows nothing: it neither relates it to other values nor keeps
        what was made of it before."""
        return self.op(f'call {kind} asm "", "=r,0"({kind} {x})')

    # --- memory -----------------------------------------------------------------------------

    def gep(self, pointer: str, offset: Word) -> str:
        """A pointer `offset` bytes on."""
        if offset == 0:
            return pointer
        return self.op(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def load(self, kind: str, pointer: str, align: int = 4) -> str:
        return self.op(f"load {kind}, ptr {pointer}, align {align}")

    def store(self, kind: str, value: Word, pointer: str, align: int = 4) -> None:
        self.do(f"store {kind} {value}, ptr {pointer}, align {align}")

    def argument(self, base: str, index: int, kind: str = "i64") -> str:
        """The word `index` of an array of words."""
        return self.load(kind, self.gep(base, 8 * index), 8)

    # --- control ----------------------------------------------------------------------------

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def loop(
        self, stop: Word, start: Word = 0, step: Word = 1,
        carry: Sequence[tuple[str, Word]] = (), sure: bool = False,
    ) -> Iterator[Loop]:  # fmt: skip
        """for index in range(start, stop, step), carrying values (type, initial) from turn to turn:
        set `next` inside. Afterwards `values` are the last ones. `sure`: there is a first turn."""
        n = self.fresh()
        index, values = f"%i{n}", [f"%v{n}.{j}" for j in range(len(carry))]
        before = self.block
        if sure:
            self.do(f"br label %l{n}")
        else:
            enter = self.compare("slt", start, stop)
            self.do(f"br i1 {enter}, label %l{n}, label %x{n}")
        self.label(f"l{n}")
        at = len(self.lines)
        state = Loop(index, values)
        yield state
        after = self.op(f"add nsw i64 {index}, {step}")
        again = self.compare("slt", after, stop)
        last = self.block
        self.do(f"br i1 {again}, label %l{n}, label %x{n}")
        self.lines[at:at] = [f"  {index} = phi i64 [{start}, %{before}], [{after}, %{last}]"] + [
            f"  {v} = phi {kind} [{first}, %{before}], [{then}, %{last}]"
            for v, (kind, first), then in zip(values, carry, state.next)
        ]
        self.label(f"x{n}")
        if sure:
            state.values = [str(then) for then in state.next]
            return
        state.values = [
            self.op(f"phi {kind} [{first}, %{before}], [{then}, %{last}]")
            for (kind, first), then in zip(carry, state.next)
        ]

    @contextmanager
    def steps(self, stop: Word) -> Iterator[Loop]:
        """A loop from 0 to `stop` by steps that are found inside: set `next` to [the step]."""
        n = self.fresh()
        enter, before = self.compare("slt", 0, stop), self.block
        self.do(f"br i1 {enter}, label %l{n}, label %x{n}")
        self.label(f"l{n}")
        at = len(self.lines)
        state = Loop(f"%i{n}", [])
        yield state
        after = self.op(f"add nsw i64 %i{n}, {state.next[0]}")
        last = self.block
        self.do(f"br i1 {self.compare('slt', after, stop)}, label %l{n}, label %x{n}")
        self.lines.insert(at, f"  %i{n} = phi i64 [0, %{before}], [{after}, %{last}]")
        self.label(f"x{n}")

    @contextmanager
    def when(self, condition: str, holds: bool = True) -> Iterator[Branch]:
        """if condition is `holds`: ..."""
        n = self.fresh()
        branch = Branch(self.block)
        ways = ("y", "z") if holds else ("z", "y")
        self.do(f"br i1 {condition}, label %{ways[0]}{n}, label %{ways[1]}{n}")
        self.label(f"y{n}")
        yield branch
        branch.after = self.block
        self.do(f"br label %z{n}")
        self.label(f"z{n}")

    def merge(
        self, branch: Branch, kind: str, within: Sequence[Word], otherwise: Sequence[Word]
    ) -> list[str]:
        """Right after a `when`: values that were computed within it, or else others."""
        return [
            self.op(f"phi {kind} [{a}, %{branch.after}], [{b}, %{branch.before}]")
            for a, b in zip(within, otherwise)
        ]
