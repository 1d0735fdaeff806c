"""What becomes of the random stream's words, in LLVM IR: uniform numbers, masks, whole numbers,
permutations, and, from `random_normal`, normal numbers.

Each formula is, rounding by rounding, that of the Python function which its docstring names, so
that the results are the same bits.
"""

from __future__ import annotations

from . import random_normal, random_twister
from .random_ir import SIZES, Code, Row, bits53, double, entry, fraction, vector

ENTRIES = (
    "words", "uniform32", "uniform64", "mask1", "mask2", "mask4", "mask8", "normal32", "normal64",
    "pairs", "log1p64", "below4", "below8", "shuffle",
)  # fmt: skip
"""The functions, in the order of their addresses in the table that the symbol names."""


def text(symbol: str, vector_bytes: int, sincos: bool) -> str:
    """The IR for vectors of so many bytes. `@symbol` becomes a table of the addresses of `ENTRIES`;
    `sincos`: the C library has it."""
    lanes = vector_bytes // 4
    rows = {
        "uniform32": Row(1, 4, lanes, _uniform32, _scale("float")),
        "uniform64": Row(2, 8, lanes, _uniform64, _scale("double")),
        **{f"mask{SIZES[kind]}": _mask_row(kind, lanes) for kind in ("i8", "i16", "i32", "i64")},
        **{f"below{SIZES[kind]}": _below_row(kind, lanes) for kind in ("i32", "i64")},
        **random_normal.rows(lanes),
    }
    functions = "".join(entry(name, row) for name, row in rows.items())
    table = ", ".join(f"ptr @{name}.entry" for name in ENTRIES)
    return (
        _declared(functions)
        + random_twister.text(lanes)
        + functions
        + _SHUFFLE
        + random_normal.library(sincos)
        + f"\n@{symbol} = constant [{len(ENTRIES)} x ptr] [{table}]\n"
        + f'attributes #0 = {{ nounwind "prefer-vector-width"="{8 * vector_bytes}" '
        f'"min-legal-vector-width"="{8 * vector_bytes}" }}\n'
    )


def _declared(functions: str) -> str:
    """Declarations of the intrinsics that are used."""
    lines = ["declare i64 @llvm.umin.i64(i64, i64)", "declare double @llvm.sqrt.f64(double)"]
    for kind in ("float", "double"):
        for lanes in (1, 2, 4, 8, 16):
            whole, suffix = vector(lanes, kind), f"v{lanes}f{8 * SIZES[kind]}"
            for name, operands in (("sqrt", 1), ("fma", 3)):
                if f"@llvm.{name}.{suffix}(" in functions:
                    types = ", ".join([whole] * operands)
                    lines.append(f"declare {whole} @llvm.{name}.{suffix}({types})")
    return "\n".join(lines) + "\n"


# --- uniform numbers and masks ------------------------------------------------------------------


def _scale(kind: str) -> str:
    return f", {kind} %span, {kind} %low, {kind} %high"


def _scaled(c: Code, kind: str, x: str, lanes: int, index: str) -> None:
    """`Generator.uniform`: ``x * span + low``, and `low` where a rounding hits `high`."""
    span, low, high = (c.splat(f"%{name}", lanes, kind) for name in ("span", "low", "high"))
    y = c.fma(x, span, low, lanes, kind)
    y = c.choose(c.op("fcmp oeq", y, high, lanes, kind), low, y, lanes, kind)
    c.store(y, c.at("%to", index, kind), lanes, kind)


def _uniform32(c: Code, lanes: int, index: str) -> None:
    words = c.load(c.at("%from", index, "i32"), lanes, "i32")
    _scaled(c, "float", fraction(c, words, lanes), lanes, index)


def _uniform64(c: Code, lanes: int, index: str) -> None:
    _scaled(c, "double", double(c, lanes, index), lanes, index)


def _mask_row(kind: str, lanes: int) -> Row:
    """`Generator.bernoulli` with a number p: `one` where the 53 bits are below ``p * 2**53``, that
    is below the next whole number, `limit`; else 0."""

    def body(c: Code, lanes: int, index: str) -> None:
        limit = c.splat("%limit", lanes, "i64")
        below = c.op("icmp slt", bits53(c, lanes, index), limit, lanes, "i64")
        one = "%one" if kind == "i64" else c(f"trunc i64 %one to {kind}")
        ones = c.splat(one, lanes, kind)
        chosen = c.choose(below, ones, "zeroinitializer", lanes, kind)
        c.store(chosen, c.at("%to", index, kind), lanes, kind)

    return Row(2, SIZES[kind], lanes, body, ", i64 %limit, i64 %one")


# --- whole numbers ------------------------------------------------------------------------------


def _below_row(kind: str, lanes: int) -> Row:
    """`Generator.random` of 32-bit draws: ``word % modulus + low``.

    The quotient is the double ``word * inverse``, cut off. Its error is far below 1 / modulus, so
    it is right or, where the division leaves no rest, 1 too small.
    """

    def body(c: Code, lanes: int, index: str) -> None:
        words = c.load(c.at("%from", index, "i32"), lanes, "i32")
        modulus = c.splat(c("trunc i64 %modulus to i32"), lanes, "i32")
        inverse = c.splat("%inverse", lanes, "double")
        exact = c.cast("uitofp", words, lanes, "i32", "double")
        quotient = c.op("fmul", exact, inverse, lanes, "double")
        quotient = c.cast("fptoui", quotient, lanes, "double", "i32")
        rest = c.op("sub", words, c.op("mul", quotient, modulus, lanes, "i32"), lanes, "i32")
        whole = c.op("icmp uge", rest, modulus, lanes, "i32")
        rest = c.choose(whole, c.op("sub", rest, modulus, lanes, "i32"), rest, lanes, "i32")
        if kind == "i64":
            rest = c.cast("zext", rest, lanes, "i32", kind)
        low = "%low" if kind == "i64" else c(f"trunc i64 %low to {kind}")
        total = c.op("add", rest, c.splat(low, lanes, kind), lanes, kind)
        c.store(total, c.at("%to", index, kind), lanes, kind)

    return Row(1, SIZES[kind], lanes, body, ", i64 %modulus, double %inverse, i64 %low")


# --- permutations -------------------------------------------------------------------------------

_SHUFFLE = """
; `Generator.randperm`: of n i64, place i changes with place i + word % (n - i), but for the last.
define internal void @shuffle.entry(ptr %state, ptr %out, i64 %n) #0 {
entry:
  %buffer = alloca [768 x i32], align 64
  %short = icmp ult i64 %n, 2
  br i1 %short, label %done, label %chunk
chunk:
  %begin = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %left = sub i64 %n, %begin
  %steps = sub i64 %left, 1
  %m = call i64 @llvm.umin.i64(i64 %steps, i64 768)
  call void @words.entry(ptr %state, ptr %buffer, i64 %m)
  br label %swap
swap:
  %k = phi i64 [ 0, %chunk ], [ %k.next, %swap ]
  %i = add i64 %begin, %k
  %word.at = getelementptr i32, ptr %buffer, i64 %k
  %word = load i32, ptr %word.at
  %range = sub i64 %n, %i
  %modulus = trunc i64 %range to i32
  %draw = urem i32 %word, %modulus
  %far = zext i32 %draw to i64
  %j = add i64 %i, %far
  %here = getelementptr i64, ptr %out, i64 %i
  %there = getelementptr i64, ptr %out, i64 %j
  %a = load i64, ptr %here
  %b = load i64, ptr %there
  store i64 %a, ptr %there
  store i64 %b, ptr %here
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %m
  br i1 %k.more, label %swap, label %next
next:
  %i.next = add i64 %begin, %m
  %all = sub i64 %n, 1
  %more = icmp ult i64 %i.next, %all
  br i1 %more, label %chunk, label %done
done:
  ret void
}
"""
