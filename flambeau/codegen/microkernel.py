"""The contraction micro-kernels: C (+)= A B over tiles of registers, as LLVM IR.

`emit_gemm(target, dtype)` is text with internal functions, to be part of a kernel's module together
with the lines of `declares(target, dtype)`. For float32 (float64: gemm_f64, gemm_nt_f64):

    @gemm_f32(ptr A, i64 sam, i64 sak, ptr B, i64 sbk, i64 sbp, ptr C, i64 scm,
              i64 M, i64 N, i64 K, i64 accumulate)

C[m*scm + n] (+)= sum over k of A[m*sam + k*sak] * B[(n/NR)*sbp + k*sbk + n%NR]. B's columns are
contiguous within panels of NR; an unpacked B has sbp = NR. While one panel of B stays in the
first-level cache, all rows of A pass by, so K should be at most some 384.

    @gemm_nt_f32(ptr A, i64 sam, ptr B, i64 sbn, ptr C, i64 scm, i64 scn,
                 i64 M, i64 N, i64 K, i64 accumulate)

C[m*scm + n*scn] (+)= sum over k of A[m*sam + k] * B[n*sbn + k], in vectors along k.

Strides are in elements; M, N and K may be 0, and nothing outside of the operands is touched.

    @gemm_ahead_f32(... as gemm_f32 ..., i64 packed, ptr next, i64 snext)

If `packed`, A lies as the tiles read it, as `gemm_pack` brings it. While the first tiles of a panel
run, K pieces of a panel's width from `next` on, `snext` bytes apart, are brought to the cache; and
all along the vectors that a panel further on are as far from `next`.

A tile is `height` rows by some vectors of columns, and has a function of its own:

    for k: load the vectors of B; for each row: broadcast A's element, multiply and add

Rows are divided into tiles of nearly equal heights, so that no height is wasted on a remainder. Few
rows take wide tiles, which load more of B for each element of A.
"""

from __future__ import annotations

from .kernel import Target
from .llvm_text import Function, Word

SIZES = {"float32": 4, "float64": 8}
SUFFIX = {"float32": "f32", "float64": "f64"}
ELEMENT = {"float32": "float", "float64": "double"}


def lanes(target: Target, dtype: str) -> int:
    """Elements of a vector."""
    return target.vector_bytes // SIZES[dtype]


def panel_vectors(target: Target) -> int:
    """Vectors of B's panel: short ones need more to be worth a broadcast."""
    return 4 if target.vector_bytes == 16 and target.registers >= 32 else 2


def tile(target: Target, dtype: str) -> tuple[int, int]:
    """(MR, NR): rows and columns of the largest tile of registers."""
    wide = panel_vectors(target)
    rows = (target.registers - wide - 1) // wide
    return min(rows, 14), wide * lanes(target, dtype)


def can_mask(target: Target) -> bool:
    """Whether parts of vectors are loaded and stored by masks. AVX2 can as well, though a mask takes
    a register there, and storing is slow on some machines."""
    return target.masks or (target.vector_bytes == 32 and "x86" in target.triple)


def vector(n: int, dtype: str) -> str:
    """The LLVM type of n elements."""
    return f"<{n} x {ELEMENT[dtype]}>" if n > 1 else ELEMENT[dtype]


def _mangled(n: int, dtype: str) -> str:
    return f"v{n}{SUFFIX[dtype]}" if n > 1 else SUFFIX[dtype]


def declares(target: Target, dtype: str) -> set[str]:
    """The lines that a module needs once, besides `emit_gemm`."""
    out = {"declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"}
    n = lanes(target, dtype)
    while n:
        v = vector(n, dtype)
        out.add(f"declare {v} @llvm.fmuladd.{_mangled(n, dtype)}({v}, {v}, {v})")
        n //= 2
    if can_mask(target):
        n = lanes(target, dtype)
        v, name = vector(n, dtype), _mangled(n, dtype)
        out.add(f"declare {v} @llvm.masked.load.{name}.p0(ptr, <{n} x i1>, {v})")
        out.add(f"declare void @llvm.masked.store.{name}.p0({v}, ptr, <{n} x i1>)")
    return out


def emit_gemm(target: Target, dtype: str) -> str:
    """`gemm`, `gemm_ahead` and `gemm_nt` of one dtype."""
    from .microkernel_nn import emit_nn
    from .microkernel_nt import emit_nt

    return emit_nn(target, dtype) + emit_nt(target, dtype)


class Vectors:
    """Loads and stores of vectors of `n` elements, and arithmetic on them."""

    def __init__(self, f: Function, n: int, dtype: str) -> None:
        self.f, self.n, self.dtype = f, n, dtype
        self.type = vector(n, dtype)
        self.align = SIZES[dtype]
        self.name = _mangled(n, dtype)

    def mask(self, count: Word) -> str:
        """Of the first `count` lanes."""
        f, n = self.f, self.n
        ramp = ", ".join(f"i32 {i}" for i in range(n))
        small = f.op(f"trunc i64 {count} to i32")
        return f.op(f"icmp slt <{n} x i32> <{ramp}>, {splat(f, 'i32', small, n)}")

    def load(self, at: str, mask: str | None = None) -> str:
        if mask is None:
            return self.f.load(self.type, at, self.align)
        return self.f.op(
            f"call {self.type} @llvm.masked.load.{self.name}.p0(ptr align {self.align} {at}, "
            f"<{self.n} x i1> {mask}, {self.type} zeroinitializer)"
        )

    def store(self, value: str, at: str, mask: str | None = None) -> None:
        if mask is None:
            self.f.store(self.type, value, at, self.align)
        else:
            self.f.do(
                f"call void @llvm.masked.store.{self.name}.p0({self.type} {value}, "
                f"ptr align {self.align} {at}, <{self.n} x i1> {mask})"
            )

    def broadcast(self, at: str) -> str:
        kind = ELEMENT[self.dtype]
        return splat(self.f, kind, self.f.load(kind, at, self.align), self.n)

    def fma(self, a: str, b: str, c: str) -> str:
        t = self.type
        return self.f.op(f"call {t} @llvm.fmuladd.{self.name}({t} {a}, {t} {b}, {t} {c})")

    def add(self, a: str, b: str) -> str:
        return self.f.op(f"fadd {self.type} {a}, {b}")


def splat(f: Function, kind: str, value: str, n: int) -> str:
    """A vector of one scalar."""
    if n == 1:
        return value
    one = f.op(f"insertelement <{n} x {kind}> poison, {kind} {value}, i32 0")
    return f.op(
        f"shufflevector <{n} x {kind}> {one}, <{n} x {kind}> poison, <{n} x i32> zeroinitializer"
    )


TILE = "ptr a, i64 sam, i64 sak, ptr b, i64 sbk, i64 sbp, ptr c, i64 scm, i64 k, i64 add, i64 n"
"""A tile function's parameters: strides in bytes; n is how many columns are there, if masked."""
