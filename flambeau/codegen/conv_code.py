"""What the kernels of convolutions are written with: internal functions, masks, strided vectors."""

from __future__ import annotations

from collections.abc import Sequence

from .ir_text import Code, Val, suffix, vector
from .kernel import Target

ELEMENT = {"float32": "float", "float64": "double"}
SIZE = {"float32": 4, "float64": 8}


class Routine(Code):
    """An internal function of a kernel's module: `parameters` are (type, name) pairs."""

    def __init__(self, target: Target, name: str, parameters: Sequence[tuple[str, str]]) -> None:
        super().__init__(target, name)
        self.parameters = tuple(parameters)

    def given(self) -> list[Val]:
        """The parameters' values."""
        return [Val(self, type, f"%{name}") for type, name in self.parameters]

    def text(self) -> str:
        inside = ", ".join(f"{type} %{name}" for type, name in self.parameters)
        return "\n".join([
            f"define internal void @{self.symbol}({inside}) noinline #0 {{",
            "entry:", *self._entry, "  br label %body", "body:", *self._lines, "  ret void", "}",
            "",
        ])  # fmt: skip

    def declared(self) -> dict[str, str]:
        return self._declared


def module(kernel: Code, routines: Sequence[Routine]) -> str:
    """A kernel and the internal functions that it calls, as one module."""
    for r in routines:
        kernel._declared.update(r.declared())
    return kernel.text() + "\n" + "\n".join(r.text() for r in routines)


def invoke(c: Code, routine: str, *args: Val | int) -> None:
    """Call an internal function; ints are i64."""
    given = (c.int(a) if isinstance(a, int) else a for a in args)
    c.line(f"call void @{routine}({', '.join(map(repr, given))})")


class Lanes:
    """Vectors of one floating dtype in some function."""

    def __init__(self, c: Code, dtype: str) -> None:
        self.c = c
        self.element = ELEMENT[dtype]
        self.size = SIZE[dtype]
        self.count = c.target.vector_bytes // self.size
        self.type = vector(self.element, self.count)
        self.index = f"i{8 * self.size}"
        """Lane numbers are compared in integers of the elements' size."""

    def zero(self) -> Val:
        return self.c.const(self.type, 0.0)

    def fma(self, a: Val, b: Val, c: Val) -> Val:
        return self.c.call(f"llvm.fma.{suffix(self.type)}", self.type, a, b, c)

    def splat(self, x: Val) -> Val:
        return self.c.splat(x, self.count)

    def broadcast(self, pointer: Val) -> Val:
        return self.splat(self.c.load(self.element, pointer))

    def inside(self, low: Val, high: Val) -> Val:
        """The mask of lanes i with low <= i < high, for any numbers."""
        ramp = self.c.lanes(self.index, range(self.count))
        low, high = (x.max(0).min(self.count).to(self.index) for x in (low, high))
        return ramp.compare("sge", self.splat(low)) & ramp.compare("slt", self.splat(high))

    def first(self, count: Val) -> Val:
        """The mask of the first lanes."""
        return self.c.below(count, self.count, self.index)

    def gather(self, pointer: Val, step: Val, mask: Val) -> Val:
        """Every step-th element, zero where the mask leaves it out."""
        name = f"llvm.masked.gather.{suffix(self.type)}.{suffix(self.addresses)}"
        c, p = self.c, self._strided(pointer, step)
        c._declared[name] = (
            f"declare {self.type} @{name}({self.addresses}, i32, <{self.count} x i1>, {self.type})"
        )
        return c.value(
            self.type, f"call {self.type} @{name}({p}, i32 {self.size}, {mask}, {self.zero()})"
        )

    def scatter(self, x: Val, pointer: Val, step: Val, mask: Val) -> None:
        """Store to every step-th element, but where the mask leaves it out."""
        name = f"llvm.masked.scatter.{suffix(self.type)}.{suffix(self.addresses)}"
        c, p = self.c, self._strided(pointer, step)
        c._declared[name] = (
            f"declare void @{name}({self.type}, {self.addresses}, i32, <{self.count} x i1>)"
        )
        c.line(f"call void @{name}({x}, {p}, i32 {self.size}, {mask})")

    @property
    def addresses(self) -> str:
        return f"<{self.count} x ptr>"

    def _strided(self, pointer: Val, step: Val) -> Val:
        c = self.c
        index = c.lanes("i32", range(self.count)) * c.splat(step.to("i32"), self.count)
        return c.value(
            self.addresses, f"getelementptr {self.element}, ptr {pointer.text}, {index}"
        )
