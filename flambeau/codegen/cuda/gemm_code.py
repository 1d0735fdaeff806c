"""What kernels of contractions write beside `ir.Code`: accesses under a condition, copies that go on
by themselves from global to shared memory, and conversions of 16-bit floats.

Addresses of shared memory are i32, bytes within the block's dynamic shared memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir_values import Val, element_bytes
from ..kernel import Target
from . import ir
from .kernel import capability

REGISTER = {
    "i16": "h", "i32": "r", "i64": "l", "float": "f", "double": "d", "i1": "b", ir.GLOBAL: "l", ir.SHARED: "r",
}  # fmt: skip
"""The constraint of inline assembly for a type."""

HELD = {"float32": "float", "float64": "double", "float16": "i16", "bfloat16": "i16"}
"""How an element is loaded and stored."""

SIZE = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}


class Code(ir.Code):
    """One contraction kernel in the making."""

    def __init__(self, target: Target, symbol: str, threads: int, blocks: int = 0) -> None:
        super().__init__(target, symbol, threads, blocks)
        self.capability = capability(target)

    # --- inline assembly ------------------------------------------------------------------------

    def ptx(self, types: Sequence[str], text: str, args: Sequence[Val], early: bool = False) -> list[Val]:
        """Inline assembly with results of these types, in order with all else that touches memory.
        `early`: results are written before the arguments are read."""
        constraints = [("=&" if early else "=") + REGISTER[t] for t in types]
        constraints += [*(REGISTER[a.type] for a in args), "~{memory}"]
        result = types[0] if len(types) == 1 else f"{{ {', '.join(types)} }}" if types else "void"
        made = self.assembly(text, ",".join(constraints), result, *args)
        return [made] if len(types) == 1 else self.parts_of(made, len(types), types[0]) if types else []

    def load_where(
        self, element: str, count: int, at: Val, where: Val | None, constant: bool = True
    ) -> list[Val]:
        """Consecutive elements of global memory, `at` being aligned to all of them; zeros where `where`
        doesn't hold. 16-bit elements are i16. `constant`: nothing writes there while the kernel runs."""
        bits = 8 * element_bytes(element)
        n, kind, per = count, element, 1
        if bits == 16 and count > 1:  # as words
            n, kind, bits, per = count // 2, "i32", 32, 2
        names = [f"${i}" for i in range(n)]
        place = f"{{{', '.join(names)}}}" if n > 1 else names[0]
        load = f"ld.global{'.nc' if constant else ''}{f'.v{n}' if n > 1 else ''}.b{bits} {place}, [${n}];"
        if where is None:
            found = self.ptx([kind] * n, load, [at])
        else:
            zeros = " ".join(f"mov.b{bits} {x}, {_zero(kind)};" for x in names)
            found = self.ptx([kind] * n, f"{zeros} @${n + 1} {load}", [at, where], early=True)
        if per == 1:
            return found
        pairs = [self.bits(x, "<2 x i16>") for x in found]
        return [self.lane(x, i) for x in pairs for i in (0, 1)]

    def store_where(self, values: Sequence[Val], at: Val, where: Val | None) -> None:
        """Consecutive elements to global memory, where `where` holds; `at` is aligned to all of them."""
        if values[0].type == "i16" and len(values) > 1:
            values = [self.bits(self.vector_of(values[i : i + 2]), "i32") for i in range(0, len(values), 2)]
        n, bits = len(values), 8 * element_bytes(values[0].type)
        names = [f"${i}" for i in range(n)]
        place = f"{{{', '.join(names)}}}" if n > 1 else names[0]
        store = f"st.global{f'.v{n}' if n > 1 else ''}.b{bits} [${n}], {place};"
        if where is None:
            self.ptx([], store, [*values, at])
        else:
            self.ptx([], f"@${n + 1} {store}", [*values, at, where])

    # --- copies that go on by themselves (sm_80) ------------------------------------------------

    def copy_async(self, to: Val, skip: int, at: Val, nbytes: int, where: Val | None) -> None:
        """Bytes (4, 8 or 16) from global to shared memory, `skip` bytes beyond `to`; zeros where `where` doesn't hold."""
        how = "cg" if nbytes == 16 else "ca"
        text = f"cp.async.{how}.shared.global [$0+{skip}], [$1], {nbytes}"
        if where is None:
            self.ptx([], text + ";", [to, at])
        else:
            size = self.select(where, self.const("i32", nbytes), 0)
            self.ptx([], text + ", $2;", [to, at, size])

    def commit(self) -> None:
        """What was copied since the last commit is a group."""
        self.ptx([], "cp.async.commit_group;", [])

    def wait(self, groups: int) -> None:
        """All but the last `groups` groups are there."""
        self.ptx([], f"cp.async.wait_group {groups};", [])

    # --- shared memory --------------------------------------------------------------------------

    def shared_at(self, offset: Val) -> Val:
        return self.at(self.dynamic_shared(), offset, "i8")

    # --- conversions ----------------------------------------------------------------------------

    def widened(self, x: Val, dtype: str) -> Val:
        """An element as it is loaded → a float or double."""
        if dtype == "float16":
            return self.value("float", f"fpext half {self.bits(x, 'half').text} to float")
        if dtype == "bfloat16":
            word = self.value("i32", f"zext i16 {x.text} to i32")
            return self.bits(self.shifted("shl", word, 16), "float")
        return x

    def rounded(self, x: Val, dtype: str) -> Val:
        """A float or double → an element as it is stored, to the nearest, ties to even."""
        if dtype == "float16":
            return self.bits(self.value("half", f"fptrunc {x!r} to half"), "i16")
        if dtype != "bfloat16":
            return x.to(HELD[dtype])
        if self.capability >= 80:
            return self.bits(self.value("bfloat", f"fptrunc {x!r} to bfloat"), "i16")
        word = self.bits(x, "i32")
        odd = self.shifted("lshr", word, 16) & 1
        up = word + odd + 0x7FFF
        nan = self.select(x.compare("uno", x), word | 0x400000, up)
        return self.value("i16", f"trunc i32 {self.shifted('lshr', nan, 16).text} to i16")


def _zero(kind: str) -> str:
    return {"float": "0f00000000", "double": "0d0000000000000000"}.get(kind, "0")


def both(a: Val | None, b: Val | None) -> Val | None:
    """Whether both hold; None always does."""
    return a if b is None else b if a is None else a & b
