"""Tensor cores of the simulated GPU: products, and where the PTX ISA says that elements lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tools.gpu import IllegalAddress, MisalignedAddress, SimulationError, Unsupported

from .ptx_kernels import run

RNG = np.random.default_rng(11)


def bits_of(kind: str, x: Any) -> Any:
    """Numbers as the elements of a kind; bfloat16 is cut."""
    if kind == "bf16":
        return (x.astype("f4").view("u4") >> 16).astype("u2")
    return {"f16": x.astype("f2").view("u2"), "tf32": x.astype("f4").view("u4") & np.uint32(0xFFFFE000),
            "f64": x.astype("f8").view("u8"), "s8": x.astype("i1").view("u1")}[kind]  # fmt: skip


def value_of(kind: str, bits: Any) -> Any:
    if kind == "bf16":
        return (bits.astype("u4") << 16).view("f4").astype("f8")
    return bits.view({"f16": "f2", "tf32": "f4", "f64": "f8", "s8": "i1"}[kind]).astype("f8")


def a_place(kind: str, k: int, lane: int, i: int) -> tuple[int, int]:
    """Row and column of the element a_i of a lane: PTX ISA, "Matrix Fragments for mma"."""
    group, place = lane >> 2, lane % 4
    if kind == "f64":
        return group, place
    if kind == "tf32":
        return (group if i in (0, 2) else group + 8), (place if i in (0, 1) else place + 4)
    if kind == "s8":
        return (group if i < 4 or 8 <= i < 12 else group + 8), place * 4 + (i & 3) + (
            0 if i < 8 else 16
        )
    return (group if i < 2 or 4 <= i < 6 else group + 8), place * 2 + (i & 1) + (0 if i < 4 else 8)


def b_place(kind: str, k: int, lane: int, i: int) -> tuple[int, int]:
    group, place = lane >> 2, lane % 4
    if kind in ("f64", "tf32"):
        return place + 4 * i, group
    if kind == "s8":
        return place * 4 + (i & 3) + (0 if i < 4 else 16), group
    return place * 2 + (i & 1) + (0 if i < 2 else 8), group


def c_place(m: int, lane: int, i: int) -> tuple[int, int]:
    return (lane >> 2) + (8 if i >= 2 else 0), lane % 4 * 2 + (i & 1)


@pytest.mark.parametrize(("m", "k", "kind", "sums"), [
    (16, 16, "f16", "f32"), (16, 8, "f16", "f32"), (16, 16, "f16", "f16"), (16, 16, "bf16", "f32"), (16, 8, "bf16", "f32"),
    (16, 8, "tf32", "f32"), (16, 4, "tf32", "f32"), (8, 4, "f64", "f64"), (16, 32, "s8", "s32"), (16, 16, "s8", "s32"),
])  # fmt: skip
def test_mma(m: int, k: int, kind: str, sums: str) -> None:
    """Fragments of two warps, one after the other in memory, through registers."""
    shapes = ((2, m, k), (2, k, 8), (2, m, 8))
    A, B, C = (RNG.integers(-9, 9, s).astype("f8") / (1 if kind == "s8" else 4) for s in shapes)
    a, b = bits_of(kind, A), bits_of(kind, B)
    na, nb, nc = m * k // 32, k * 8 // 32, m * 8 // 32
    fa = np.array(
        [
            [[a[w][a_place(kind, k, lane, i)] for i in range(na)] for lane in range(32)]
            for w in range(2)
        ]
    )
    fb = np.array(
        [
            [[b[w][b_place(kind, k, lane, i)] for i in range(nb)] for lane in range(32)]
            for w in range(2)
        ]
    )
    dtype = {"f32": "f4", "f16": "f2", "f64": "f8", "s32": "i4"}[sums]
    fc = np.array(
        [[[C[w][c_place(m, lane, i)] for i in range(nc)] for lane in range(32)] for w in range(2)]
    ).astype(dtype)
    size = 8 if kind == "f64" else 4
    ra, rb, rc = (x.nbytes // 64 // size for x in (fa, fb, fc))
    letter, width = ("%rd", 64) if kind == "f64" else ("%r", 32)
    names = {"a": [f"{letter}{10 + j}" for j in range(ra)], "b": [f"{letter}{20 + j}" for j in range(rb)],
             "c": [f"{letter}{30 + j}" for j in range(rc)], "d": [f"{letter}{40 + j}" for j in range(rc)]}  # fmt: skip
    body = "mov.u32 %r1, %tid.x;"
    for which, n in (("a", ra), ("b", rb), ("c", rc)):
        body += f"ld.param.u64 %rd1, [{which}]; mad.wide.u32 %rd2, %r1, {n * size}, %rd1;"
        body += "".join(
            f"ld.global.b{width} {names[which][j]}, [%rd2+{size * j}];" for j in range(n)
        )
    listed = [f"{{{', '.join(names[x])}}}" for x in "dabc"]
    types = f"{sums}.{kind}.{kind}.{sums}"
    body += f"mma.sync.aligned.m{m}n8k{k}.row.col.{types} {', '.join(listed)};"
    body += "".join(f"st.global.b{width} [%rd2+{size * j}], {names['d'][j]};" for j in range(rc))
    made = np.ascontiguousarray(fc)
    args = [np.ascontiguousarray(fa), np.ascontiguousarray(fb), made]
    run("u64 a, u64 b, u64 c", body, args, block=64)
    expected = np.array([value_of(kind, a[w]) @ value_of(kind, b[w]) + C[w] for w in range(2)])
    for w in range(2):
        for lane in range(32):
            for i in range(nc):
                assert made[w, lane, i] == expected[w][c_place(m, lane, i)]
    if kind in ("bf16", "tf32", "f64"):
        with pytest.raises(Unsupported, match="sm_80"):
            run("u64 a, u64 b, u64 c", body, args, block=64, capability=75)
    with pytest.raises(SimulationError):
        run(
            "u64 a, u64 b, u64 c",
            "mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 7; @%p1 ret;" + body,
            args,
            block=64,
        )


LOAD = """.shared .align 16 .b8 s[1024];
  mov.u32 %r1, %tid.x; ld.param.u64 %rd1, [x]; mad.wide.u32 %rd2, %r1, 16, %rd1; ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd2];
  mov.u32 %r6, s; mad.lo.u32 %r7, %r1, 16, %r6; st.shared.v4.u32 [%r7], {%r2, %r3, %r4, %r5}; bar.sync 0;"""


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix(count: int, transposed: bool) -> None:
    """Lanes 8k to 8k+7 name the rows of matrix k; a lane gets row lane // 4, two elements from lane % 4 * 2 on."""
    x = RNG.integers(0, 65536, (32, 8)).astype("u2")
    order = RNG.permutation(32).astype("u4")
    out = np.zeros((32, count, 2), "u2")
    listed = ", ".join(f"%r{20 + j}" for j in range(count))
    body = (
        LOAD
        + f"""
      ld.param.u64 %rd3, [order]; mad.wide.u32 %rd4, %r1, 4, %rd3; ld.global.u32 %r8, [%rd4]; mad.lo.u32 %r9, %r8, 16, %r6;
      ldmatrix.sync.aligned.m8n8.x{count}{".trans" if transposed else ""}.shared.b16 {{{listed}}}, [%r9];
      ld.param.u64 %rd5, [out]; mad.wide.u32 %rd6, %r1, {4 * count}, %rd5;"""
    )
    body += "".join(f"st.global.u32 [%rd6+{4 * j}], %r{20 + j};" for j in range(count))
    run("u64 x, u64 order, u64 out", body, [x, order, out], race_check=True)
    for k in range(count):
        matrix = x[order[8 * k : 8 * k + 8]]
        matrix = matrix.T if transposed else matrix
        for lane in range(32):
            assert (
                out[lane, k].tolist() == matrix[lane // 4, lane % 4 * 2 : lane % 4 * 2 + 2].tolist()
            )
    with pytest.raises(MisalignedAddress):
        run(
            "u64 x, u64 order, u64 out",
            body.replace("16, %r6;\n      ldm", "8, %r6;\n      ldm"),
            [x, order, out],
        )
    with pytest.raises(IllegalAddress):
        run("u64 x, u64 order, u64 out", body.replace("[%r9]", "[%r9+1024]"), [x, order, out])


@pytest.mark.parametrize("transposed", [False, True])
def test_stmatrix_and_movmatrix(transposed: bool) -> None:
    x = RNG.integers(0, 65536, (32, 8)).astype("u2")
    out = np.zeros((32, 8), "u2")
    turn = ".trans" if transposed else ""
    body = (
        LOAD
        + f"""
      ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r20, %r21, %r22, %r23}}, [%r7]; bar.sync 0;
      movmatrix.sync.aligned.m8n8.trans.b16 %r20, %r20;
      stmatrix.sync.aligned.m8n8.x4{turn}.shared.b16 [%r7], {{%r20, %r21, %r22, %r23}}; bar.sync 0;
      ld.shared.v4.u32 {{%r2, %r3, %r4, %r5}}, [%r7]; ld.param.u64 %rd3, [out]; mad.wide.u32 %rd4, %r1, 16, %rd3;
      st.global.v4.u32 [%rd4], {{%r2, %r3, %r4, %r5}};"""
    )
    run("u64 x, u64 out", body, [x, out], race_check=True)
    blocks, made = x.reshape(4, 8, 8), out.reshape(4, 8, 8)
    for k in range(4):
        assert np.array_equal(made[k], blocks[k].T if (k == 0) != transposed else blocks[k])
