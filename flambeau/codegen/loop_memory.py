"""Loads and stores of the loop language: one lane or a vector, by the operand's stride."""

from __future__ import annotations

from .loop import DTYPES
from .loop_values import MEMORY, REGISTER, Lanes, suffix, vector


class Memory:
    """Loads and stores for `v`'s lanes, under a mask where one is given.

    An address is that of lane 0. `stride` is the run-time step between lanes in bytes, `offsets`
    a vector of byte offsets; lane 0 is always active.
    """

    def __init__(self, v: Lanes, mask: str | None) -> None:
        self.v = v
        self.f = v.f
        self.mask = mask

    # --- loads ------------------------------------------------------------------------------

    def load(self, dtype: str, address: str, inner: int | None, stride: str) -> str:
        """Elements that lie `inner` apart (None: `stride` bytes apart)."""
        v = self.v
        if v.lanes == 1 or inner == 0:
            one = self._held(self.f.load(MEMORY[dtype], address, DTYPES[dtype]), dtype, 1)
            return v.splat(one, REGISTER[dtype])
        if inner == 1:
            return self._held(self._row(dtype, address), dtype, v.lanes)
        if inner == 2 and self.mask is None:
            return self._held(self._every_second(dtype, address), dtype, v.lanes)
        if self._gathers(dtype):
            return self.gather(dtype, address, self.steps(dtype, inner, stride))
        if self.mask is not None:
            return self.gather(dtype, address, self.steps(dtype, inner, stride))
        return self._held(self._one_by_one(dtype, address, inner, stride), dtype, v.lanes)

    def gather(self, dtype: str, address: str, offsets: str) -> str:
        """Elements at byte offsets from the address, one for each lane."""
        v, kind, size = self.v, MEMORY[dtype], DTYPES[dtype]
        t, i64 = vector(kind, v.lanes), vector("i64", v.lanes)
        if self._gathers(dtype):
            at, name = self._addresses(address, offsets), suffix(kind, v.lanes)
            x = self.f.op(
                f"call {t} @llvm.masked.gather.{name}.v{v.lanes}p0(<{v.lanes} x ptr> align {size} "
                f"{at}, {v.kind('bool')} {self._mask()}, {t} zeroinitializer)"
            )
            return self._held(x, dtype, v.lanes)
        if self.mask is not None:
            # Lanes that are not active read what lane 0's base holds.
            offsets = v.select(self.mask, "int64", offsets, self._first(offsets))
        out = "poison"
        for k in range(v.lanes):
            offset = self.f.op(f"extractelement {i64} {offsets}, i64 {k}")
            x = self.f.load(kind, self.f.gep(address, offset), size)
            out = self.f.op(f"insertelement {t} {out}, {kind} {x}, i64 {k}")
        return self._held(out, dtype, v.lanes)

    def _first(self, offsets: str) -> str:
        one = self.f.op(f"extractelement {vector('i64', self.v.lanes)} {offsets}, i64 0")
        return self.v.splat(one, "i64")

    def steps(self, dtype: str, inner: int | None, stride: str) -> str:
        """Each lane's byte offset from lane 0."""
        if inner is not None:
            return self.v.iota("i64", inner * DTYPES[dtype])
        return self.v.do("mul", "int64", self.v.iota("i64"), self.v.splat(stride, "i64"))

    def _row(self, dtype: str, address: str) -> str:
        t = vector(MEMORY[dtype], self.v.lanes)
        if self.mask is None:
            return self.f.load(t, address, DTYPES[dtype])
        name = suffix(MEMORY[dtype], self.v.lanes)
        return self.f.op(
            f"call {t} @llvm.masked.load.{name}.p0(ptr align {DTYPES[dtype]} {address}, "
            f"{self.v.kind('bool')} {self.mask}, {t} zeroinitializer)"
        )

    def _every_second(self, dtype: str, address: str) -> str:
        """From two vectors, the second of which ends at the last element and not behind it."""
        n, size = self.v.lanes, DTYPES[dtype]
        t = vector(MEMORY[dtype], n)
        low = self.f.load(t, address, size)
        high = self.f.load(t, self.f.gep(address, (n - 1) * size), size)
        picked = [2 * k if k < n // 2 else n + 2 * k - (n - 1) for k in range(n)]
        order = ", ".join(f"i32 {k}" for k in picked)
        return self.f.op(f"shufflevector {t} {low}, {t} {high}, <{n} x i32> <{order}>")

    def _one_by_one(self, dtype: str, address: str, inner: int | None, stride: str) -> str:
        kind = MEMORY[dtype]
        t = vector(kind, self.v.lanes)
        step: int | str = stride if inner is None else inner * DTYPES[dtype]
        out = "poison"
        for k in range(self.v.lanes):
            x = self.f.load(kind, address, DTYPES[dtype])
            out = self.f.op(f"insertelement {t} {out}, {kind} {x}, i64 {k}")
            if k + 1 < self.v.lanes:
                address = self.f.gep(address, step)
        return out

    # --- stores -----------------------------------------------------------------------------

    def store(self, dtype: str, x: str, address: str, inner: int | None, stride: str) -> None:
        """Store elements `inner` apart. A stride of 0 keeps lane 0's."""
        v, size = self.v, DTYPES[dtype]
        kind = MEMORY[dtype]
        if dtype == "bool":
            x = self.f.op(f"zext {v.kind('bool')} {x} to {vector('i8', v.lanes)}")
        t = vector(kind, v.lanes)
        if v.lanes == 1:
            self.f.store(kind, x, address, size)
        elif inner == 0:
            self.f.store(kind, self.f.op(f"extractelement {t} {x}, i64 0"), address, size)
        elif inner == 1 and self.mask is None:
            self.f.store(t, x, address, size)
        elif inner == 1:
            self.f.do(
                f"call void @llvm.masked.store.{suffix(kind, v.lanes)}.p0({t} {x}, "
                f"ptr align {size} {address}, {v.kind('bool')} {self.mask})"
            )
        elif self._gathers(dtype) or self.mask is not None:
            at = self._addresses(address, self.steps(dtype, inner, stride))
            self.f.do(
                f"call void @llvm.masked.scatter.{suffix(kind, v.lanes)}.v{v.lanes}p0({t} {x}, "
                f"<{v.lanes} x ptr> align {size} {at}, {v.kind('bool')} {self._mask()})"
            )
        else:
            self._scatter(dtype, x, address, stride if inner is None else str(inner * size))

    def _scatter(self, dtype: str, x: str, address: str, step: str) -> None:
        kind, t = MEMORY[dtype], vector(MEMORY[dtype], self.v.lanes)
        for k in range(self.v.lanes):
            one = self.f.op(f"extractelement {t} {x}, i64 {k}")
            self.f.store(kind, one, address, DTYPES[dtype])
            if k + 1 < self.v.lanes:
                address = self.f.gep(address, step)

    # --- parts ------------------------------------------------------------------------------

    def _gathers(self, dtype: str) -> bool:
        """Whether the machine gathers and scatters such elements under a mask."""
        return self.v.target.masks and DTYPES[dtype] >= 4

    def _mask(self) -> str:
        return self.mask or "splat (i1 true)"

    def _addresses(self, address: str, offsets: str) -> str:
        n = self.v.lanes
        return self.f.op(f"getelementptr i8, ptr {address}, {vector('i64', n)} {offsets}")

    def _held(self, x: str, dtype: str, lanes: int) -> str:
        """From memory's to the register's type."""
        if dtype != "bool":
            return x
        return (
            self.f.op(f"icmp ne {vector('i8', lanes)} {x}, zeroinitializer")
            if lanes > 1
            else (self.f.op(f"icmp ne i8 {x}, 0"))
        )
