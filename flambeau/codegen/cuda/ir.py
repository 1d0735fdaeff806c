"""Writing a GPU kernel as LLVM IR text, as `codegen.ir_text` writes one of the CPU.

    c = Code(target, symbol, threads=256)
    x, y, n = c.buffer(), c.buffer(), c.word("i32")   # in the order of the launch's arguments
    i = c.block_id() * 256 + c.thread_id()
    with c.when(i < n):
        c.store(c.load("float", x, i) * 2.0, y, i)
    return c.text()

What there is, beside `ir_text.Code`'s `loop`, `when`, `choose`, `loop_while`, `var`, `select`, `lane`,
`splat`, `call` and `Val`'s operators (`a < b` is signed; `unsigned` compares otherwise):

    arguments   word(type), words(n, type), slot(), buffer() (a pointer to global memory), divisor()
    position    thread_id(axis), block_id(axis), block_size(axis), grid_size(axis), warp_lane()
    barriers    barrier() of the block, warp_barrier(), fence() of the device
    warps       shuffle_xor, shuffle_down, shuffle_up, shuffle_from (any scalar type, 1 to 8 bytes),
                ballot, any_lane, all_lanes
    shared      shared(type, count) static, dynamic_shared() the launch's, each a pointer
    memory      load(type, pointer, index, invariant=, align=), store(value, pointer, index, align=):
                vectors of up to 16 bytes are one access if `align` says so; masks only for scalars
    values      int(n), i32(n), const(type, n), compare, unsigned, shifted, bits, high (of a product)
    raw         assembly(...), parts_of(...), leave() (return), op and do (text, as `llvm_text.Function`)

Loops run over i32 or i64, as their first number is. Types of pointers are `GLOBAL` and `SHARED`.
`Divisor` is a number that is the same in a whole launch: dividing by it is a multiplication.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import ir_text
from ..ir_values import Val, element_bytes, parts, vector
from ..kernel import Target
from ..llvm_text import Function
from .kernel import TRIPLE

__all__ = ["GLOBAL", "SHARED", "WARP", "Code", "Divisor", "Writes", "divisor_words"]

GLOBAL = "ptr addrspace(1)"
SHARED = "ptr addrspace(3)"
WARP = 32
LAYOUT = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"

Whole = int

_BYTES = {"half": 2, "bfloat": 2, "i1": 1}


def size_of(element: str) -> int:
    """Bytes of an element of memory."""
    return _BYTES.get(element) or element_bytes(element)


def divisor_words(n: int) -> tuple[int, int]:
    """The two words of a number that indices are divided by: itself, and its inverse with a shift.

    i // n == (i * m // 2**32 + i) >> s for 0 <= i < 2**31 (Granlund and Montgomery 1994)."""
    if not 0 < n < 1 << 31:
        return (n, 0)
    s = (n - 1).bit_length()
    m = (((1 << s) - n) << 32) // n + 1
    word = m | s << 32
    return (n, word - (1 << 64) if word >> 63 else word)


class Divisor(NamedTuple):
    """A number of the launch, more than 0, that indices of its type are divided by."""

    size: Val
    inverse: Val
    shift: Val

    def split(self, i: Val) -> tuple[Val, Val]:
        """(i // size, i % size) of an index that is not negative (and below 2**31, if i32)."""
        c = self.size.code
        assert isinstance(c, Code)
        if i.type == "i64":
            whole = i // self.size
        else:
            sum = c.high(i, self.inverse) + i
            whole = c.value("i32", f"lshr i32 {sum.text}, {self.shift.text}")
        return whole, i - whole * self.size


class Code(ir_text.Code):
    """One kernel in the making, for blocks of at most `threads` threads, `blocks` of which should fit
    on a multiprocessor (0: whatever comes of it)."""

    def __init__(self, target: Target, symbol: str, threads: Whole, blocks: Whole = 0) -> None:
        super().__init__(target, symbol)
        self.threads, self.blocks = threads, blocks
        self._globals: list[str] = []
        self._dynamic: Val | None = None
        self._ids: dict[str, Val] = {}

    def text(self) -> str:
        """The module."""
        marks = ["nounwind", f'"nvvm.maxntid"="{self.threads}"']
        if self.blocks:
            marks.append(f'"nvvm.minctasm"="{self.blocks}"')
        words = max(self._words, 1)
        return "\n".join([
            f'target datalayout = "{LAYOUT}"', f'target triple = "{TRIPLE}"',
            *self._globals,
            f"define ptx_kernel void @{self.symbol}({GLOBAL} noalias readonly align 8 %table, "
            f"ptr byval([{words} x i64]) align 8 %args) #0 {{",
            "entry:", *self._entry, "  br label %body", "body:", *self._lines, "  ret void", "}",
            *self._declared.values(),
            f"attributes #0 = {{ {' '.join(marks)} }}",
            "attributes #1 = { convergent nounwind }", "!0 = !{}", "",
        ])  # fmt: skip

    def op(self, text: str) -> str:
        """An instruction's result, by name."""
        return self.value("", text).text

    do = ir_text.Code.line

    def define(self, text: str) -> None:
        """A global variable or another function of the module."""
        if text not in self._globals:
            self._globals.append(text)

    # --- arguments --------------------------------------------------------------------------

    def word(self, type: str = "i64") -> Val:
        """The launch's next argument word; as i32 its low half."""
        a, v = f"%a{self._words}", f"%w{self._words}"
        self._entry += [
            f"  {a} = getelementptr i64, ptr %args, i64 {self._words}",
            f"  {v} = load {type}, ptr {a}, align 8",
        ]
        self._words += 1
        return Val(self, type, v)

    def words(self, count: Whole, type: str = "i64") -> list[Val]:
        return [self.word(type) for _ in range(count)]

    def slot(self, type: str = "i64") -> Val:
        """What the table's slot of the next argument word holds (an i64 or a double)."""
        number = self.word().text
        name = f"%s{self._words}"
        self._entry += [
            f"  {name}.at = getelementptr i64, {GLOBAL} %table, i64 {number}",
            f"  {name} = load {type}, {GLOBAL} {name}.at, align 8, !invariant.load !0",
        ]
        return Val(self, type, name)

    def buffer(self) -> Val:
        """The address of the launch's next buffer argument (two words)."""
        base = self.slot().text
        offset = self.word().text
        name = f"%b{self._words}"
        # In this order, so that LLVM knows all buffers as pointers to global memory.
        self._entry += [
            f"  {name}.base = inttoptr i64 {base} to {GLOBAL}",
            f"  {name} = getelementptr i8, {GLOBAL} {name}.base, i64 {offset}",
        ]
        return Val(self, GLOBAL, name)

    def divisor(self, type: str = "i32") -> Divisor:
        """The next number to divide by (its two words are `divisor_words`)."""
        size = self.word(type)
        both = self.word()
        if type == "i64":
            return Divisor(size, both, both)
        name = f"%d{self._words}"
        self._entry += [
            f"  {name}.m = trunc i64 {both.text} to i32",
            f"  {name}.h = lshr i64 {both.text}, 32",
            f"  {name}.s = trunc i64 {name}.h to i32",
        ]
        return Divisor(size, Val(self, "i32", name + ".m"), Val(self, "i32", name + ".s"))

    # --- where a thread is ------------------------------------------------------------------

    def _id(self, name: str) -> Val:
        found = self._ids.get(name)
        if found is None:
            ref = "%id." + name
            self._entry.append(f"  {ref} = call i32 @llvm.nvvm.read.ptx.sreg.{name}()")
            found = self._ids[name] = Val(self, "i32", ref)
        return found

    def thread_id(self, axis: str = "x") -> Val:
        """Within the block (i32, as all of these)."""
        return self._id("tid." + axis)

    def block_id(self, axis: str = "x") -> Val:
        return self._id("ctaid." + axis)

    def block_size(self, axis: str = "x") -> Val:
        """Threads of a block."""
        return self._id("ntid." + axis)

    def grid_size(self, axis: str = "x") -> Val:
        """Blocks of the grid."""
        return self._id("nctaid." + axis)

    def warp_lane(self) -> Val:
        """0 to 31."""
        return self._id("laneid")

    # --- barriers and warps -----------------------------------------------------------------

    def barrier(self) -> None:
        """All threads of the block are here, and see what the others have stored before."""
        self.line("call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)")

    def warp_barrier(self) -> None:
        """The same for a warp, all of whose lanes must come here."""
        self.line("call void @llvm.nvvm.bar.warp.sync(i32 -1)")

    def fence(self) -> None:
        """What was stored before is seen by the whole device before what is stored after."""
        self.line("call void @llvm.nvvm.membar.gl()")

    def _shuffle(self, mode: str, x: Val, by: Val | Whole, clamp: Whole) -> Val:
        """Every lane gets another lane's value. All lanes of the warp must come here."""
        size, type = size_of(x.type), x.type
        lane = by.text if isinstance(by, Val) else str(by)
        if type == "float":
            return self.value(type, f"call float @llvm.nvvm.shfl.sync.{mode}.f32"
                f"(i32 -1, float {x.text}, i32 {lane}, i32 {clamp})")  # fmt: skip
        if size < 4:
            if type == "i1":
                held = self.value("i32", f"zext i1 {x.text} to i32")
            else:
                raw = x if type.startswith("i") else self.bits(x, "i16")
                held = self.value("i32", f"zext {raw.type} {raw.text} to i32")
            got = self._shuffle(mode, held, by, clamp)
            if type.startswith("i"):
                return self.value(type, f"trunc i32 {got.text} to {type}")
            return self.bits(self.value("i16", f"trunc i32 {got.text} to i16"), type)
        if size == 8:
            halves = self.bits(x, "<2 x i32>")
            low = self._shuffle(mode, self.lane(halves, 0), by, clamp)
            high = self._shuffle(mode, self.lane(halves, 1), by, clamp)
            return self.bits(self.vector_of([low, high]), type)
        return self.value(type, f"call i32 @llvm.nvvm.shfl.sync.{mode}.i32"
            f"(i32 -1, i32 {x.text}, i32 {lane}, i32 {clamp})")  # fmt: skip

    def shuffle_xor(self, x: Val, mask: Val | Whole) -> Val:
        """From the lane whose number differs by the bits of `mask`."""
        return self._shuffle("bfly", x, mask, 31)

    def shuffle_down(self, x: Val, by: Val | Whole) -> Val:
        """From the lane `by` further on; at the end the lane's own."""
        return self._shuffle("down", x, by, 31)

    def shuffle_up(self, x: Val, by: Val | Whole) -> Val:
        """From the lane `by` before; at the beginning the lane's own."""
        return self._shuffle("up", x, by, 0)

    def shuffle_from(self, x: Val, lane: Val | Whole) -> Val:
        """From a lane by its number."""
        return self._shuffle("idx", x, lane, 31)

    def ballot(self, condition: Val) -> Val:
        """An i32 with a bit for each lane of the warp."""
        return self.value("i32", f"call i32 @llvm.nvvm.vote.ballot.sync(i32 -1, i1 {condition.text})")

    def any_lane(self, condition: Val) -> Val:
        return self.value("i1", f"call i1 @llvm.nvvm.vote.any.sync(i32 -1, i1 {condition.text})")

    def all_lanes(self, condition: Val) -> Val:
        return self.value("i1", f"call i1 @llvm.nvvm.vote.all.sync(i32 -1, i1 {condition.text})")

    # --- shared memory ----------------------------------------------------------------------

    def shared(self, type: str, count: Whole, align: Whole = 16) -> Val:
        """An array of the block's shared memory (48 KiB in all), not initialised."""
        name = f"@{self.symbol}_{self.fresh('shared')}"
        self._globals.append(
            f"{name} = internal addrspace(3) global [{count} x {type}] poison, align {align}"
        )
        return Val(self, SHARED, name)

    def dynamic_shared(self) -> Val:
        """The shared memory that the launch asks for, aligned to 16 bytes. One for the kernel."""
        if self._dynamic is None:
            name = f"@{self.symbol}_dynamic"
            self._globals.append(f"{name} = external addrspace(3) global [0 x i8], align 16")
            self._dynamic = Val(self, SHARED, name)
        return self._dynamic

    # --- memory -----------------------------------------------------------------------------

    def at(self, pointer: Val, index: Val | Whole, element: str) -> Val:
        """The address of an element, or of byte `index` for "i8"."""
        if isinstance(index, int):
            index = self.int(index)
        if index.number == 0:
            return pointer
        return self.value(
            pointer.type, f"getelementptr {element}, {pointer.type} {pointer.text}, {index}"
        )

    def load(
        self, type: str, pointer: Val, index: Val | Whole = 0, mask: Val | None = None, other: Any = 0,
        *, invariant: bool = False, align: Whole = 0,
    ) -> Val:  # fmt: skip
        """Consecutive elements from an index on. `align`: of the address, in bytes (else that of an
        element). `invariant`: nothing writes this memory while the kernel runs. With a mask (an i1)
        nothing is loaded where it does not hold, and the value is `other`."""
        e, n = parts(type)
        if mask is not None:
            default = other if isinstance(other, Val) else self.const(type, other)
            before, name = self._label, self.fresh("if")
            self.line(f"br i1 {mask.text}, label %{name}, label %{name}.end")
            self.mark(name)
            found = self.load(type, pointer, index, invariant=invariant, align=align)
            self.line(f"br label %{name}.end")
            self.mark(f"{name}.end")
            return self.value(
                type, f"phi {type} [ {found.text}, %{name} ], [ {default.text}, %{before} ]"
            )
        p = self.at(pointer, index, e)
        note = ", !invariant.load !0" if invariant else ""
        return self.value(type, f"load {type}, {p}, align {align or size_of(e)}{note}")

    def store(
        self, value: Val, pointer: Val, index: Val | Whole = 0, mask: Val | None = None,
        *, align: Whole = 0,
    ) -> None:  # fmt: skip
        """Store consecutive elements, or, with a mask (an i1) that does not hold, none."""
        if mask is not None:
            with self.when(mask):
                self.store(value, pointer, index, align=align)
            return
        e, _ = parts(value.type)
        p = self.at(pointer, index, e)
        self.line(f"store {value}, {p}, align {align or size_of(e)}")

    # --- values -----------------------------------------------------------------------------

    def i32(self, number: Whole) -> Val:
        return Val(self, "i32", str(number))

    def _i64(self, given: Val | Whole) -> Val:
        return given if isinstance(given, Val) else self.int(given)

    def vector_of(self, values: Sequence[Val]) -> Val:
        """A vector of scalars of one type."""
        if len(values) == 1:
            return values[0]
        type = vector(values[0].type, len(values))
        out = "poison"
        for k, x in enumerate(values):
            out = self.op(f"insertelement {type} {out}, {x.type} {x.text}, i64 {k}")
        return Val(self, type, out)

    def unsigned(self, how: str, a: Val, b: Val | Whole) -> Val:
        """`how` is lt, le, gt, ge."""
        return a.compare("u" + how, b)

    def shifted(self, how: str, x: Val, by: Val | Whole) -> Val:
        """`how` is shl, lshr, ashr."""
        amount = by.text if isinstance(by, Val) else str(by)
        return self.value(x.type, f"{how} {x.type} {x.text}, {amount}")

    def wider(self, x: Val) -> Val:
        """An i32 that is not negative as i64."""
        return self.value("i64", f"zext i32 {x.text} to i64") if x.type == "i32" else x

    def high(self, a: Val, b: Val) -> Val:
        """The upper half of the product of two unsigned i32."""
        product = self.wider(a) * self.wider(b)
        return self.value("i32", f"trunc i64 {self.shifted('lshr', product, 32).text} to i32")

    # --- control ----------------------------------------------------------------------------

    @contextmanager
    def loop(self, begin: Val | Whole, end: Val | Whole, step: Val | Whole = 1) -> Iterator[Val]:
        """for i in range(begin, end, step), step being positive: i32 if one of them is, else i64.
        The last step must not leave the type's range."""
        given = (begin, end, step)
        type = "i32" if any(isinstance(x, Val) and x.type == "i32" for x in given) else "i64"
        first, last, by = (x.text if isinstance(x, Val) else str(x) for x in given)
        name = self.fresh("loop")
        i = Val(self, type, f"%{name}.i")
        before = self._label
        self.line(f"br label %{name}")
        self.mark(name)
        phi = len(self._lines)
        self.line("")
        test = self.op(f"icmp slt {type} {i.text}, {last}")
        self.line(f"br i1 {test}, label %{name}.body, label %{name}.end")
        self.mark(f"{name}.body")
        yield i
        following = self.op(f"add nsw {type} {i.text}, {by}")
        self._lines[phi] = (
            f"  {i.text} = phi {type} [ {first}, %{before} ], [ {following}, %{self._label} ]"
        )
        self.line(f"br label %{name}")
        self.mark(f"{name}.end")

    def leave(self) -> None:
        """The thread ends here (it must be inside of a `when`)."""
        self.line("ret void")
        self.mark(self.fresh("after"))

    # --- raw --------------------------------------------------------------------------------

    def assembly(
        self, text: str, constraints: str, result: str, *args: Val, effects: bool = True,
        convergent: bool = False,
    ) -> Val:  # fmt: skip
        """PTX: $0, $1... stand for results, then arguments. Constraints as LLVM's: =r r i32, =l l i64,
        =f f float, =d d double, =h h i16; several results are a struct `{ float, float }` (see
        `parts_of`), none is "void"."""
        given = ", ".join(map(repr, args))
        how = "sideeffect " if effects else ""
        call = f'call {result} asm {how}"{text}", "{constraints}"({given})'
        # What lanes do together must not be moved to where some of them are not.
        mark = " #1" if convergent or ".sync" in text else ""
        if result == "void":
            self.line(call + mark)
            return Val(self, "void", "")
        return self.value(result, call + mark)

    def parts_of(self, value: Val, count: Whole, type: str) -> list[Val]:
        """A struct's members, all of one type."""
        return [
            self.value(type, f"extractvalue {value.type} {value.text}, {k}") for k in range(count)
        ]


class Writes(Function):
    """The kernel in the making as what `loop_values.Lanes` writes into."""

    def __init__(self, code: Code) -> None:
        self.code = code

    def op(self, text: str) -> str:
        return self.code.op(text)

    def do(self, line: str) -> None:
        self.code.line(line)

