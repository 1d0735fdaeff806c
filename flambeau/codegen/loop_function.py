"""A kernel's function as the loop language writes it: quick for LLVM to compile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .kernel import Target
from .llvm_text import Function, Loop, Word, vector_attributes


class LoopFunction(Function):
    """A kernel whose loops LLVM takes as they are.

    Half of the time that LLVM takes for x86 code goes into loop strength reduction, which finds
    nothing better than the indexed addresses that are written here (measured: 31 ms with it and 14
    without for a layer norm, at the same speed). An empty piece of assembly in each loop's step
    hides from it what the steps are.
    """

    def __init__(self, target: Target, symbol: str) -> None:
        super().__init__(
            symbol,
            "ptr noalias readonly table, ptr noalias readonly args, i64 begin, i64 end, i64 thread",
            vector_attributes(target),
            linkage="",
        )
        self.hides = "x86" in target.triple

    def hidden(self, kind: str, x: Word) -> str:
        """A value of which LLVM knows nothing."""
        return self.op(f'call {kind} asm "", "=r,0"({kind} {x})') if self.hides else str(x)

    def step(self, pointer: str, stride: Word) -> str:
        """A loop's pointer for its next turn."""
        return self.hidden("ptr", self.gep(pointer, stride))

    @contextmanager
    def loop(
        self, stop: Word, start: Word = 0, step: Word = 1,
        carry: Sequence[tuple[str, Word]] = (), sure: bool = False,
    ) -> Iterator[Loop]:  # fmt: skip
        """As `Function.loop`."""
        n = self.fresh()
        index, values = f"%i{n}", [f"%v{n}.{j}" for j in range(len(carry))]
        enter = "true" if sure else self.compare("slt", start, stop)
        before = self.block
        self.do(f"br i1 {enter}, label %l{n}, label %x{n}")
        self.label(f"l{n}")
        at = len(self.lines)
        state = Loop(index, values)
        yield state
        after = self.hidden("i64", self.op(f"add nsw i64 {index}, {step}"))
        # Unlike the test before the loop: equal ones are merged into one, by a jump in each turn.
        again, last = self.compare("ult", after, stop), self.block
        self.do(f"br i1 {again}, label %l{n}, label %x{n}")
        ends = [
            f"[{first}, %{before}], [{then}, %{last}]"
            for (_, first), then in zip(carry, state.next)
        ]
        kinds = [kind for kind, _ in carry]
        self.lines[at:at] = [f"  {index} = phi i64 [{start}, %{before}], [{after}, %{last}]"] + [
            f"  {v} = phi {kind} {end}" for v, kind, end in zip(values, kinds, ends)
        ]
        self.label(f"x{n}")
        state.values = [self.op(f"phi {kind} {end}") for kind, end in zip(kinds, ends)]
