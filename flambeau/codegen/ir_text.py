"""Writing a kernel as LLVM IR text: values with operators, loops, masks, a cursor over arguments.

    c = Code(target, symbol)
    n, x, y = c.word(), c.buffer(), c.buffer()        # in the order of the launch's arguments
    with c.loop(c.begin, c.end) as task:
        with c.loop(0, n) as i:
            at = task * n + i
            c.store(c.load("float", x, at) * 2.0, y, at)
    return c.text()

Numbers that are known while writing are folded. Variables are stack slots, which the optimiser
turns into registers. A mask or a branch that is always taken may be None or True.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .ir_values import ELEMENT, Val, Var, element_bytes, literal, parts, suffix, vector
from .kernel import Target

__all__ = [
    "ELEMENT", "Code", "Val", "Var", "element_bytes", "masks_well", "parts", "suffix", "vector",
]  # fmt: skip

Whole = int
"""Python's int, inside of a class that has a method of this name."""


class Code:
    """One kernel's function in the making."""

    def __init__(self, target: Target, symbol: str) -> None:
        self.target = target
        self.symbol = symbol
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._declared: dict[str, str] = {}
        self._count = 0
        self._words = 0
        self._label = "body"
        self.begin, self.end, self.thread = (
            Val(self, "i64", f"%{n}") for n in ("begin", "end", "thread")
        )

    # --- writing ----------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self._lines.append("  " + text)

    def fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def value(self, type: str, text: str) -> Val:
        name = "%" + self.fresh()
        self.line(f"{name} = {text}")
        return Val(self, type, name)

    def mark(self, label: str) -> None:
        """Begin a basic block."""
        self._lines.append(f"{label}:")
        self._label = label

    def call(self, name: str, type: str, *args: Val) -> Val:
        """An intrinsic's or function's result."""
        self._declare(name, type, args)
        return self.value(type, f"call {type} @{name}({', '.join(map(repr, args))})")

    def _declare(self, name: str, type: str, args: Sequence[Val]) -> None:
        self._declared[name] = f"declare {type} @{name}({', '.join(a.type for a in args)})"

    def text(self) -> str:
        """The module."""
        attributes = ["nounwind"]
        if self.target.vector_bytes == 64:
            attributes += ['"prefer-vector-width"="512"', '"min-legal-vector-width"="512"']
        return "\n".join([
            f'target triple = "{self.target.triple}"' if self.target.triple else "",
            f"define void @{self.symbol}(ptr noalias readonly %table, ptr noalias readonly %args, "
            "i64 %begin, i64 %end, i64 %thread) #0 {",
            "entry:", *self._entry, "  br label %body", "body:", *self._lines, "  ret void", "}",
            *self._declared.values(),
            f"attributes #0 = {{ {' '.join(attributes)} }}", "",
        ])  # fmt: skip

    # --- arguments --------------------------------------------------------------------------

    def word(self) -> Val:
        """The launch's next argument word."""
        a, v = f"%a{self._words}", f"%w{self._words}"
        self._entry += [
            f"  {a} = getelementptr i64, ptr %args, i64 {self._words}",
            f"  {v} = load i64, ptr {a}",
        ]
        self._words += 1
        return Val(self, "i64", v)

    def words(self, count: Whole) -> list[Val]:
        return [self.word() for _ in range(count)]

    def slot(self) -> Val:
        """What the table's slot of the next argument word holds, as an i64."""
        number = self.word().text
        name = f"%s{self._words}"
        self._entry += [
            f"  {name}.at = getelementptr i64, ptr %table, i64 {number}",
            f"  {name} = load i64, ptr {name}.at",
        ]
        return Val(self, "i64", name)

    def buffer(self) -> Val:
        """The address of the launch's next buffer argument (two words)."""
        base = self.slot().text
        offset = self.word().text
        name = f"%b{self._words}"
        self._entry += [
            f"  {name}.base = inttoptr i64 {base} to ptr",
            f"  {name} = getelementptr i8, ptr {name}.base, i64 {offset}",
        ]
        return Val(self, "ptr", name)

    # --- constants --------------------------------------------------------------------------

    def int(self, number: Whole) -> Val:
        return Val(self, "i64", str(number), number)

    def const(self, type: str, number: Any) -> Val:
        """A number, in every lane."""
        e, n = parts(type)
        one = literal(e, number)
        if n == 1:
            return self.int(number) if e == "i64" else Val(self, type, one)
        return Val(self, type, "<" + ", ".join([f"{e} {one}"] * n) + ">")

    def like(self, value: Val, other: Any) -> Val:
        if isinstance(other, Val):
            return other
        return self.const(value.type, other)

    def lanes(self, element: str, numbers: Sequence[Whole]) -> Val:
        """A constant vector."""
        inside = ", ".join(f"{element} {literal(element, n)}" for n in numbers)
        if len(numbers) == 1:
            return self.const(element, numbers[0])
        return Val(self, vector(element, len(numbers)), f"<{inside}>")

    # --- control ----------------------------------------------------------------------------

    @contextmanager
    def loop(self, begin: Val | Whole, end: Val | Whole, step: Val | Whole = 1) -> Iterator[Val]:
        """for i in range(begin, end, step), step being positive."""
        first, last = self._i64(begin), self._i64(end)
        name = self.fresh("loop")
        i = Val(self, "i64", f"%{name}.i")
        before = self._label
        self.line(f"br label %{name}")
        self.mark(name)
        phi = len(self._lines)
        self.line("")
        test = self.value("i1", f"icmp slt i64 {i.text}, {last.text}")
        self.line(f"br i1 {test.text}, label %{name}.body, label %{name}.end")
        self.mark(f"{name}.body")
        yield i
        following = self.value("i64", f"add nsw i64 {i.text}, {self._i64(step).text}")
        self._lines[phi] = (
            f"  {i.text} = phi i64 [ {first.text}, %{before} ], "
            f"[ {following.text}, %{self._label} ]"
        )
        self.line(f"br label %{name}")
        self.mark(f"{name}.end")

    @contextmanager
    def when(self, condition: Val) -> Iterator[None]:
        """if condition: ..."""
        name = self.fresh("if")
        self.line(f"br i1 {condition.text}, label %{name}, label %{name}.end")
        self.mark(name)
        yield
        self.line(f"br label %{name}.end")
        self.mark(f"{name}.end")

    @contextmanager
    def loop_while(self, condition: Callable[[], Val]) -> Iterator[None]:
        """while condition(): ..."""
        name = self.fresh("while")
        self.line(f"br label %{name}")
        self.mark(name)
        self.line(f"br i1 {condition().text}, label %{name}.body, label %{name}.end")
        self.mark(f"{name}.body")
        yield
        self.line(f"br label %{name}")
        self.mark(f"{name}.end")

    def choose(self, condition: Val, yes: Callable[[], None], no: Callable[[], None]) -> None:
        """if condition: yes() else: no()"""
        name = self.fresh("if")
        self.line(f"br i1 {condition.text}, label %{name}, label %{name}.else")
        self.mark(name)
        yes()
        self.line(f"br label %{name}.end")
        self.mark(f"{name}.else")
        no()
        self.line(f"br label %{name}.end")
        self.mark(f"{name}.end")

    def _i64(self, given: Val | Whole) -> Val:
        return given if isinstance(given, Val) else self.int(given)

    def var(self, initial: Val) -> Var:
        """A variable with a first value, which is set where this is written."""
        slot = "%" + self.fresh("var")
        self._entry.append(f"  {slot} = alloca {initial.type}")
        out = Var(self, initial.type, slot)
        out.set(initial)
        return out

    # --- memory -----------------------------------------------------------------------------

    def at(self, pointer: Val, index: Val | Whole, element: str) -> Val:
        """The address of an element, or of byte `index` for "i8"."""
        i = self._i64(index)
        if i.number == 0:
            return pointer
        return self.value("ptr", f"getelementptr {element}, ptr {pointer.text}, i64 {i.text}")

    def load(
        self, type: str, pointer: Val, index: Val | Whole = 0, mask: Val | None = None,
        other: Any = 0,
    ) -> Val:  # fmt: skip
        """Consecutive elements from an index on, `other` in lanes that the mask leaves out: their
        memory is not touched."""
        e, n = parts(type)
        p, align = self.at(pointer, index, e), element_bytes(e)
        if mask is None:
            return self.value(type, f"load {type}, ptr {p.text}, align {align}")
        default = other if isinstance(other, Val) else self.const(type, other)
        if n == 1:
            raise ValueError("a masked load of one lane")
        name = f"llvm.masked.load.{suffix(type)}.p0"
        self._declared[name] = f"declare {type} @{name}(ptr, i32, <{n} x i1>, {type})"
        return self.value(type, f"call {type} @{name}({p}, i32 {align}, {mask}, {default})")

    def store(
        self, value: Val, pointer: Val, index: Val | Whole = 0, mask: Val | None = None
    ) -> None:
        """Store consecutive elements, but those that the mask leaves out."""
        e, n = parts(value.type)
        p, align = self.at(pointer, index, e), element_bytes(e)
        if mask is None:
            self.line(f"store {value}, ptr {p.text}, align {align}")
            return
        name = f"llvm.masked.store.{suffix(value.type)}.p0"
        self._declared[name] = f"declare void @{name}({value.type}, ptr, i32, <{n} x i1>)"
        self.line(f"call void @{name}({value}, {p}, i32 {align}, {mask})")

    def prefetch(self, pointer: Val, write: bool = False) -> None:
        """Begin to bring a line near, for writing: it may also lie outside of any buffer."""
        name = "llvm.prefetch.p0"
        self._declared[name] = f"declare void @{name}(ptr, i32, i32, i32)"
        self.line(f"call void @{name}({pointer}, i32 {int(write)}, i32 3, i32 1)")

    # --- lanes ------------------------------------------------------------------------------

    def splat(self, value: Val, lanes: Whole) -> Val:
        if lanes == 1:
            return value
        type = vector(value.type, lanes)
        one = self.value(type, f"insertelement {type} poison, {value}, i64 0")
        return self.value(
            type,
            f"shufflevector {one}, {type} poison, <{lanes} x i32> zeroinitializer",
        )

    def shuffle(self, a: Val, b: Val, order: Sequence[Whole]) -> Val:
        """Lanes of a (numbered from 0) and b (numbered after them); -1 for any."""
        e, n = parts(a.type)
        wanted = ", ".join("i32 poison" if k < 0 else f"i32 {k}" for k in order)
        type = vector(e, len(order))
        return self.value(type, f"shufflevector {a}, {b}, <{len(order)} x i32> <{wanted}>")

    def lane(self, value: Val, number: Whole) -> Val:
        e, n = parts(value.type)
        if n == 1:
            return value
        return self.value(e, f"extractelement {value}, i64 {number}")

    def select(self, condition: Val, a: Val, b: Any) -> Val:
        b = self.like(a, b)
        return self.value(a.type, f"select {condition}, {a}, {b}")

    def below(self, count: Val, lanes: Whole, element: str = "i32") -> Val:
        """The mask of the first `count` lanes (any number, also negative or too large)."""
        capped = count.min(lanes).max(0)
        n = self.splat(capped.to(element), lanes)
        return self.lanes(element, range(lanes)).compare("slt", n)

    def bits(self, value: Val, type: str) -> Val:
        """The same bits as another type."""
        return self.value(type, f"bitcast {value} to {type}")


def masks_well(target: Target, element: str) -> bool:
    """Whether masked loads and stores of these elements are single instructions."""
    wide = target.vector_bytes >= 32 and element_bytes(element) >= 4
    return target.masks or (wide and not target.triple.startswith(("aarch64", "arm")))
