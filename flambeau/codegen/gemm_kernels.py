"""The kernels of matrix products. A task is a block of C: some rows by some columns of one matrix of
the batch, over one chunk of K.

    if there is a bias: C block (+)= bias
    for each block of K:
        for some columns at a time: pack B into thread-local memory if asked to; C += A B

`BUFFERS` and `NUMBERS` name the arguments, for `gemm` (products by broadcasts of A, C's columns
contiguous) and for `gemm_nt` (dot products). `gemm_pack` packs A beforehand, for all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .gemm_pack import emit_fill, emit_pack, emit_pack_rows
from .kernel import Kernel, Target
from .llvm_text import Function, Word, vector_attributes
from .microkernel import SIZES, SUFFIX, declares, tile
from .microkernel_nn import emit_nn
from .microkernel_nt import emit_nt

KERNEL = "ptr table, ptr args, i64 begin, i64 end, i64 thread"

BUFFERS = ("a", "b", "c", "bias", "scratch")
"""Each is two words: slot and offset in bytes. `bias` and `scratch` are any buffer where unused."""

NUMBERS = (
    "M N K sam sak sbk sbn scm scn bias_m bias_n "
    "n1 n2 a0 a1 a2 b0 b1 b2 c0 c1 c2 bias_0 bias_1 bias_2 "
    "rows columns depth step row_blocks column_blocks chunk chunk_c batches "
    "packs packed accumulate has_bias scratch_bytes"
).split()
"""M, N, K and strides in elements; n1, n2: the last two batch extents, and the strides of all three;
the block is rows x columns x depth, done by `step` columns at a time; each chunk of K has its own C,
`chunk_c` elements on. `packs`: whether B is to be packed; `packed`: whether A is."""

PACK_BUFFERS = ("a", "out")
PACK_NUMBERS = "M K sam sak n1 n2 a0 a1 a2 rows depth row_blocks depth_blocks".split()
"""For `gemm_pack`, of the same meaning."""


def pack_kernel(dtype: str) -> Kernel:
    """The kernel that packs A: out[matrix][block of K][row block][tile][k][row]."""
    return Kernel(f"gemm_pack_{SUFFIX[dtype]}", ("gemm_pack", dtype), partial(_emit_packing, dtype))


def gemm_kernel(dtype: str, dots: bool) -> Kernel:
    """The kernel of a matrix product: by dot products, or by broadcasts."""
    name = "gemm_nt" if dots else "gemm"
    return Kernel(f"{name}_{SUFFIX[dtype]}", (name, dtype), partial(_emit, dtype, dots))



_SMAX = "declare i64 @llvm.smax.i64(i64, i64)"


def _emit(dtype: str, dots: bool, target: Target, symbol: str) -> str:
    text = [*sorted(declares(target, dtype)), _SMAX, emit_fill(target, dtype)]
    text += [emit_nt(target, dtype)] if dots else [emit_nn(target, dtype), emit_pack(target, dtype)]
    return "\n".join([*text, _tasks(target, symbol, dtype, dots)])


class Block:
    """Where one task works: pointers, extents and strides, as IR values."""

    def __init__(
        self, f: Function, size: int, buffers: Sequence[str], numbers: Sequence[str]
    ) -> None:
        """Reads the arguments."""
        self.f, self.size = f, size
        self.pointer: dict[str, str] = {}
        for i, x in enumerate(buffers):
            slot, offset = f.argument("%args", 2 * i), f.argument("%args", 2 * i + 1)
            base = f.load("ptr", f.gep("%table", f.mul(slot, 8)), 8)
            self.pointer[x] = f.gep(base, offset)
        first = 2 * len(buffers)
        self.word: dict[str, Word] = {
            x: f.argument("%args", first + i) for i, x in enumerate(numbers)
        }

    def at(self, name: str, *steps: tuple[Word, Word]) -> str:
        """A buffer's address after steps of (count, stride in elements)."""
        f, total = self.f, 0  # type: Function, Word
        for count, stride in steps:
            total = f.add(total, f.mul(count, stride))
        return f.gep(self.pointer[name], f.mul(total, self.size))


def _tasks(target: Target, symbol: str, dtype: str, dots: bool) -> str:
    """The kernel: finds each task's block."""
    f = Function(symbol, KERNEL, vector_attributes(target), linkage="")
    block = Block(f, SIZES[dtype], BUFFERS, NUMBERS)
    w = block.word
    with f.loop("%end", "%begin") as task:
        rest, column = _divide(f, task.index, w["column_blocks"])
        rest, row = _divide(f, rest, w["row_blocks"])
        chunk, batch = _divide(f, rest, w["batches"])
        i0, i1, i2 = _batch(block, batch)
        m, n, k = f.mul(row, w["rows"]), f.mul(column, w["columns"]), f.mul(chunk, w["chunk"])
        place = ((i0, "0"), (i1, "1"), (i2, "2"))
        a = block.at("a", *((i, w["a" + d]) for i, d in place), (k, w["sak"]))
        b = block.at("b", *((i, w["b" + d]) for i, d in place), (n, w["sbn"]), (k, w["sbk"]))
        c = block.at(
            "c", *((i, w["c" + d]) for i, d in place), (m, w["scm"]), (n, w["scn"]),
            (chunk, w["chunk_c"]),
        )  # fmt: skip
        extents = (
            f.min(f.sub(w["M"], m), w["rows"]), f.min(f.sub(w["N"], n), w["columns"]),
            f.min(f.sub(w["K"], k), w["chunk"]),
        )  # fmt: skip
        has_bias = f.compare("ne", w["has_bias"], 0)
        with f.when(has_bias):
            bias = block.at(
                "bias", *((i, w["bias_" + d]) for i, d in place), (m, w["bias_m"]), (n, w["bias_n"])
            )
            f.do(
                f"call void @fill_{SUFFIX[dtype]}(ptr {c}, i64 {w['scm']}, i64 {w['scn']}, "
                f"ptr {bias}, i64 {w['bias_m']}, i64 {w['bias_n']}, i64 {extents[0]}, "
                f"i64 {extents[1]}, i64 {w['accumulate']})"
            )
        adds = f.op(f"or i64 {w['accumulate']}, {w['has_bias']}")
        _multiply(target, block, dtype, dots, (a, b, c), (m, *extents), adds)
    return f.finish()


def _divide(f: Function, x: Word, by: Word) -> tuple[Word, Word]:
    """(quotient, remainder)."""
    quotient = f.div(x, by)
    return quotient, f.sub(x, f.mul(quotient, by))


def _batch(block: Block, batch: Word) -> tuple[Word, Word, Word]:
    """A matrix's three indices."""
    rest, i2 = _divide(block.f, batch, block.word["n2"])
    i0, i1 = _divide(block.f, rest, block.word["n1"])
    return i0, i1, i2


def _multiply(
    target: Target, block: Block, dtype: str, dots: bool, at: tuple[str, str, str],
    extents: tuple[Word, Word, Word, Word], adds: Word,
) -> None:  # fmt: skip
    """The block's product, by blocks of K. `extents`: the first row, and how many rows, columns and
    elements of K."""
    f, w, suffix = block.f, block.word, SUFFIX[dtype]
    (a, b, c), (first, m, n, k) = at, extents
    packed = f.compare("ne", w["packed"], 0)
    # One turn at least: where K is 0 there are zeros to be stored.
    turns = f.op(f"call i64 @llvm.smax.i64(i64 {k}, i64 1)")
    with f.loop(turns, step=w["depth"], sure=True) as deep:
        depth = f.min(f.sub(k, deep.index), w["depth"])
        # A packed matrix has the blocks of K outside, then the rows.
        into = f.select(packed, f.mul(deep.index, w["M"]), f.mul(deep.index, w["sak"]))
        down = f.mul(first, f.select(packed, depth, w["sam"]))
        a_k = f.gep(a, f.mul(f.add(into, down), block.size))
        b_k = f.gep(b, f.mul(f.mul(deep.index, w["sbk"]), block.size))
        later = f.op(f"zext i1 {f.compare('ne', deep.index, 0)} to i64")
        add = f.op(f"or i64 {adds}, {later}")
        if dots:
            f.do(
                f"call void @gemm_nt_{suffix}(ptr {a_k}, i64 {w['sam']}, ptr {b_k}, "
                f"i64 {w['sbn']}, ptr {c}, i64 {w['scm']}, i64 {w['scn']}, i64 {m}, i64 {n}, "
                f"i64 {depth}, i64 {add})"
            )
        else:
            _columns(target, block, dtype, (a_k, b_k, c), (m, n, depth), add)


def _columns(
    target: Target, block: Block, dtype: str, at: tuple[str, str, str],
    extents: tuple[Word, Word, Word], add: Word,
) -> None:  # fmt: skip
    """Some columns of B at a time, with those that come next on their way to the cache."""
    f, w, suffix = block.f, block.word, SUFFIX[dtype]
    (a, b, c), (m, n, depth) = at, extents
    columns = tile(target, dtype)[1]
    scratch = f.gep(block.pointer["scratch"], f.mul("%thread", w["scratch_bytes"]))
    packs = f.compare("ne", w["packs"], 0)
    sbk = f.select(packs, columns, w["sbk"])
    sbp = f.select(packs, f.mul(depth, columns), columns)
    more = f.op(f"or i1 {f.compare('slt', w['step'], n)}, {f.compare('slt', w['depth'], w['chunk'])}")
    rows = f.op(f"and i1 {f.compare('eq', w['sbn'], 1)}, {more}")
    snext = f.select(rows, f.mul(w["sbk"], block.size), 0)
    with f.loop(n, step=w["step"]) as part:
        width = f.min(f.sub(n, part.index), w["step"])
        b_n = f.gep(b, f.mul(f.mul(part.index, w["sbn"]), block.size))
        with f.when(packs):
            f.do(
                f"call void @pack_{suffix}(ptr {b_n}, i64 {w['sbk']}, i64 {w['sbn']}, "
                f"ptr {scratch}, i64 {width}, i64 {depth})"
            )
        panels = f.select(packs, scratch, b_n, "ptr")
        # What comes next: the columns beyond, or if these are all, the rows below.
        beyond, below = f.mul(w["step"], w["sbn"]), f.mul(w["depth"], w["sbk"])
        whole = f.compare("sge", w["step"], n)
        ahead = f.gep(b_n, f.mul(f.select(whole, below, beyond), block.size))
        c_n = f.gep(c, f.mul(part.index, block.size))
        f.do(
            f"call void @gemm_ahead_{suffix}(ptr {a}, i64 {w['sam']}, i64 {w['sak']}, "
            f"ptr {panels}, i64 {sbk}, i64 {sbp}, ptr {c_n}, i64 {w['scm']}, i64 {m}, "
            f"i64 {width}, i64 {depth}, i64 {add}, i64 {w['packed']}, ptr {ahead}, i64 {snext})"
        )


def _emit_packing(dtype: str, target: Target, symbol: str) -> str:
    f = Function(symbol, KERNEL, vector_attributes(target), linkage="")
    block = Block(f, SIZES[dtype], PACK_BUFFERS, PACK_NUMBERS)
    w = block.word
    with f.loop("%end", "%begin") as task:
        rest, row = _divide(f, task.index, w["row_blocks"])
        batch, deep = _divide(f, rest, w["depth_blocks"])
        m, k = f.mul(row, w["rows"]), f.mul(deep, w["depth"])
        rows, depth = f.min(f.sub(w["M"], m), w["rows"]), f.min(f.sub(w["K"], k), w["depth"])
        steps = zip(_batch(block, batch), (w["a0"], w["a1"], w["a2"]))
        a = block.at("a", *steps, (m, w["sam"]), (k, w["sak"]))
        out = block.at("out", (batch, f.mul(w["M"], w["K"])), (k, w["M"]), (m, depth))
        f.do(
            f"call void @pack_rows_{SUFFIX[dtype]}(ptr {a}, i64 {w['sam']}, i64 {w['sak']}, "
            f"ptr {out}, i64 {rows}, i64 {depth})"
        )
    return "\n".join([_SMAX, emit_pack_rows(target, dtype), f.finish()])
