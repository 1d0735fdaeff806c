"""The simulated GPU runs threads as a real one does, and notices what a real one may do in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tools.gpu import (
    Deadlock,
    IllegalAddress,
    MisalignedAddress,
    Race,
    SimulationError,
    Trap,
    Unsupported,
    machine,
    run_kernel,
)

from .ptx_kernels import module, run

ADDRESS = "ld.param.u64 %rd1, [x]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;"
SHARED = ".shared .align 16 .b8 s[4096];"


def test_loops_of_different_lengths_meet_again() -> None:
    """Thread t adds up 0..t-1; then all wait at a barrier and read their neighbour's sum."""
    x = np.zeros(64, "u4")
    run("u64 x", SHARED + ADDRESS + """
      mov.u32 %r2, 0; mov.u32 %r3, 0;
    LOOP: setp.ge.u32 %p1, %r2, %r1; @%p1 bra DONE;
      add.u32 %r3, %r3, %r2; add.u32 %r2, %r2, 1; bra.uni LOOP;
    DONE: shl.b32 %r4, %r1, 2; mov.u32 %r5, s; add.u32 %r4, %r4, %r5; st.shared.u32 [%r4], %r3;
      bar.sync 0;
      xor.b32 %r4, %r4, 4; ld.shared.u32 %r6, [%r4]; st.global.u32 [%rd3], %r6;""", [x], block=64)  # fmt: skip
    t = np.arange(64) ^ 1
    assert np.array_equal(x, t * (t - 1) // 2)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_both_ways_of_a_branch(seed: int | None) -> None:
    x = np.zeros(96, "u4")
    run("u64 x", ADDRESS + """
      and.b32 %r2, %r1, 3; setp.eq.u32 %p1, %r2, 0; @%p1 bra A; setp.eq.u32 %p2, %r2, 1; @!%p2 bra B;
      mov.u32 %r3, 11; bra.uni END;
    A: mov.u32 %r3, 10; bra.uni END;
    B: mov.u32 %r3, 12; @%p1 mov.u32 %r3, 99; setp.eq.u32 %p3, %r2, 3; @%p3 add.u32 %r3, %r3, 1;
    END: st.global.u32 [%rd3], %r3;""", [x], block=96, seed=seed)  # fmt: skip
    assert np.array_equal(x, 10 + np.arange(96) % 4)


def test_switch() -> None:
    x = np.zeros(32, "u4")
    run("u64 x", ADDRESS + """
      rem.u32 %r2, %r1, 3;
      TABLE: .branchtargets A, B, C;
      brx.idx %r2, TABLE;
    A: mov.u32 %r3, 5; bra.uni END;
    B: mov.u32 %r3, 6; bra.uni END;
    C: mov.u32 %r3, 7;
    END: st.global.u32 [%rd3], %r3;""", [x])  # fmt: skip
    assert np.array_equal(x, 5 + np.arange(32) % 3)


FUNCTIONS = """
.func (.param .b32 r) square(.param .b32 v) {
  .reg .b32 %a<4>;
  ld.param.b32 %a1, [v]; mul.lo.u32 %a2, %a1, %a1; setp.gt.u32 %q, %a1, 40; st.param.b32 [r], %a2; @%q bra L; ret;
  L: mov.u32 %a3, 7; st.param.b32 [r], %a3; ret;
}
""".replace(".reg .b32 %a<4>;", ".reg .b32 %a<4>; .reg .pred %q;")


def test_functions_are_called() -> None:
    x = np.zeros(64, "u4")
    run("u64 x", ADDRESS + """
      { .param .b32 p0; .param .b32 r0; st.param.b32 [p0], %r1; call.uni (r0), square, (p0); ld.param.b32 %r2, [r0]; }
      { .param .b32 p0; .param .b32 r0; st.param.b32 [p0], %r2; call.uni (r0), square, (p0); ld.param.b32 %r3, [r0]; }
      add.u32 %r3, %r3, %r2; st.global.u32 [%rd3], %r3;""", [x], block=64, before=FUNCTIONS)  # fmt: skip
    square = lambda v: np.where(v > 40, 7, v * v)  # noqa: E731
    once = square(np.arange(64))
    assert np.array_equal(x, once + square(once))


def test_blocks_in_three_dimensions() -> None:
    x = np.zeros(2 * 3 * 2 * 4 * 2 * 3, "u4")
    run("u64 x", """
      mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y;
      mov.u32 %r6, %ctaid.z; mad.lo.u32 %r7, %r6, 3, %r5; mad.lo.u32 %r7, %r7, 2, %r4; mad.lo.u32 %r7, %r7, 3, %r3;
      mad.lo.u32 %r7, %r7, 2, %r2; mad.lo.u32 %r7, %r7, 4, %r1; ld.param.u64 %rd1, [x]; mul.wide.u32 %rd2, %r7, 4;
      add.s64 %rd3, %rd1, %rd2; mov.u32 %r8, %laneid; mov.u32 %r9, %warpid; mad.lo.u32 %r8, %r9, 32, %r8;
      st.global.u32 [%rd3], %r8;""", [x], grid=(2, 3, 2), block=(4, 2, 3))  # fmt: skip
    assert np.array_equal(x, np.tile(np.arange(24), 12))


def test_a_sum_by_shuffles() -> None:
    x = np.random.default_rng(0).integers(0, 1000, 256).astype("u4")
    y = x.copy()
    run("u64 x", ADDRESS + "ld.global.u32 %r2, [%rd3];" + "".join(
        f"shfl.sync.bfly.b32 %r3, %r2, {d}, 31, -1; add.u32 %r2, %r2, %r3;" for d in (16, 8, 4, 2, 1)
    ) + "st.global.u32 [%rd3], %r2;", [y], block=256)  # fmt: skip
    assert np.array_equal(y, np.repeat(x.reshape(8, 32).sum(1), 32))


@pytest.mark.parametrize(
    ("mode", "b", "c"),
    [
        ("up", 3, 0),
        ("down", 5, 31),
        ("idx", 7, 31),
        ("bfly", 9, 31),
        ("idx", 2, 0x181F),
        ("down", 2, 0x181F),
        ("up", 1, 0x1800),
        ("bfly", 4, 0x0F),
    ],
)
def test_shuffles(mode: str, b: int, c: int) -> None:
    x = np.zeros(64, "u4")
    run("u64 x", ADDRESS + f"""
      mad.lo.u32 %r2, %r1, 10, 1; shfl.sync.{mode}.b32 %r3|%p1, %r2, {b}, {c}, 0xffffffff;
      selp.u32 %r4, 100000, 0, %p1; add.u32 %r3, %r3, %r4; st.global.u32 [%rd3], %r3;""", [x], block=64)  # fmt: skip
    expected = []
    for t in range(64):  # the text of the PTX ISA
        lane, bval, cval, seg = t % 32, b & 31, c & 31, c >> 8 & 31
        most, least = (lane & seg) | (cval & ~seg & 31), lane & seg
        j, p = {"up": (lane - bval, lane - bval >= most), "down": (lane + bval, lane + bval <= most),
                "bfly": (lane ^ bval, lane ^ bval <= most),
                "idx": (least | (bval & ~seg), least | (bval & ~seg) <= most)}[mode]  # fmt: skip
        if mode == "idx":
            p = (least | (bval & ~seg)) <= most
        if mode == "bfly":
            p = (lane ^ bval) <= most
        j = j if p else lane
        expected.append((t // 32 * 32 + j) * 10 + 1 + 100000 * p)
    assert np.array_equal(x, expected)


def test_votes_and_matches() -> None:
    x = np.zeros(320, "u4")
    run("u64 x", ADDRESS + """
      rem.u32 %r2, %r1, 5; setp.eq.u32 %p1, %r2, 2;
      vote.sync.ballot.b32 %r3, %p1, -1; st.global.u32 [%rd3], %r3;
      vote.sync.any.pred %p2, %p1, -1; selp.u32 %r4, 1, 0, %p2; vote.sync.all.pred %p3, %p1, -1; selp.u32 %r5, 2, 0, %p3;
      or.b32 %r4, %r4, %r5; st.global.u32 [%rd3+256], %r4;
      match.any.sync.b32 %r6, %r2, -1; st.global.u32 [%rd3+512], %r6;
      redux.sync.add.u32 %r7, %r2, -1; st.global.u32 [%rd3+768], %r7;
      elect.sync %r8|%p4, -1; selp.u32 %r9, 1, 0, %p4; st.global.u32 [%rd3+1024], %r9;""", [x], block=64)  # fmt: skip
    got = x.reshape(5, 64)
    t = np.arange(64)
    for warp in range(2):
        lanes = t[32 * warp : 32 * warp + 32]
        ballot = sum(1 << k for k, v in enumerate(lanes) if v % 5 == 2)
        here = slice(32 * warp, 32 * warp + 32)
        assert (got[0, here] == ballot).all() and (got[1, here] == 1).all()
        assert got[2, here].tolist() == [
            sum(1 << k for k, w in enumerate(lanes) if w % 5 == v % 5) for v in lanes
        ]
        assert (got[3, here] == (lanes % 5).sum()).all() and got[4, here].tolist() == [1] + [0] * 31


def test_lanes_wait_for_each_other() -> None:
    """Half of the lanes take a way of their own before they shuffle."""
    x = np.zeros(32, "u4")
    run("u64 x", ADDRESS + """
      mov.u32 %r2, %r1; setp.lt.u32 %p1, %r1, 16; @%p1 bra FAR;
    BACK: shfl.sync.bfly.b32 %r3, %r2, 16, 31, -1; st.global.u32 [%rd3], %r3; bra.uni END;
    FAR: add.u32 %r2, %r2, 100; bra.uni BACK;
    END:""", [x])  # fmt: skip
    t = np.arange(32)
    assert np.array_equal(x, (t ^ 16) + 100 * ((t ^ 16) < 16))


def test_named_barriers() -> None:
    """Two halves of a block wait for themselves only; then bar.arrive lets the first go on after the second."""
    x = np.zeros(128, "u4")
    run("u64 x", SHARED + ADDRESS + """
      mov.u32 %r5, s; mad.lo.u32 %r6, %r1, 4, %r5; shr.u32 %r2, %r1, 6; add.u32 %r2, %r2, 1; st.shared.u32 [%r6], %r1;
      bar.sync %r2, 64; xor.b32 %r7, %r1, 33; mad.lo.u32 %r8, %r7, 4, %r5; ld.shared.u32 %r3, [%r8];
      st.global.u32 [%rd3], %r3;
      setp.lt.u32 %p1, %r1, 64; @%p1 bra FIRST; st.shared.u32 [%r6+1024], %r3; bar.arrive 5, 128; bra.uni END;
    FIRST: bar.sync 5, 128; ld.shared.u32 %r4, [%r6+1280]; st.global.u32 [%rd3], %r4;
    END:""".replace("bar.sync %r2, 64;", "setp.eq.u32 %p4, %r2, 1; @%p4 bra ONE; bar.sync 2, 64; bra.uni BOTH; ONE: bar.sync 1, 64; BOTH:"),
        [x], block=128, race_check=True)  # fmt: skip
    t = np.arange(128)
    assert np.array_equal(x[64:], t[64:] ^ 33) and np.array_equal(x[:64], t[64:] ^ 33)


def test_a_barrier_that_counts() -> None:
    x = np.zeros(64, "u4")
    run("u64 x", ADDRESS + """
      and.b32 %r2, %r1, 7; setp.eq.u32 %p1, %r2, 3; barrier.cta.red.popc.aligned.u32 %r3, 0, %p1;
      bar.red.or.pred %p2, 0, %p1; selp.u32 %r4, 1000, 0, %p2; add.u32 %r3, %r3, %r4; st.global.u32 [%rd3], %r3;""", [x], block=64)  # fmt: skip
    assert (x == 1008).all()


def test_missing_threads_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Deadlock, match="barrier 0"):
        run(
            "u64 x",
            ADDRESS + "setp.lt.u32 %p1, %r1, 5; @%p1 ret; bar.sync 0;",
            [np.zeros(64, "u4")],
            block=64,
        )
    with pytest.raises(SimulationError, match="not among the lanes"):
        run("u64 x", "shfl.sync.bfly.b32 %r3, %r3, 1, 31, 0xffff;", [np.zeros(1, "u4")])
    with pytest.raises(Deadlock, match="wait for lanes"):
        run("u64 x", ADDRESS + """setp.lt.u32 %p1, %r1, 5; @%p1 bra A; shfl.sync.bfly.b32 %r3, %r1, 1, 31, -1; bra.uni B;
            A: shfl.sync.bfly.b32 %r3, %r1, 1, 31, -1; B:""", [np.zeros(64, "u4")])  # fmt: skip
    monkeypatch.setattr(machine, "STEPS", 1000)
    with pytest.raises(Deadlock, match="runs for ever"):
        run("u64 x", "L: bra.uni L;", [np.zeros(1, "u4")])


def test_threads_that_wait_in_a_loop_for_others() -> None:
    x = np.zeros(1, "u4")
    run("u64 x", ADDRESS + """
      setp.ge.u32 %p1, %r1, 32; @%p1 bra SET;
    WAIT: ld.volatile.global.u32 %r2, [%rd1]; setp.eq.u32 %p2, %r2, 0; @%p2 bra WAIT; bra.uni END;
    SET: mov.u32 %r3, 7; st.volatile.global.u32 [%rd1], %r3;
    END:""", [x], block=64)  # fmt: skip
    assert x[0] == 7


# Memory.


def test_accesses_are_checked() -> None:
    x = np.zeros(32, "u4")
    load = ADDRESS + "ld.global.u32 %r2, [%rd3+{}];"
    run("u64 x", load.format(0), [x])
    with pytest.raises(
        IllegalAddress, match=r"0 from the end of the 128 bytes.*thread \(31, 0, 0\).*"
    ) as caught:
        run("u64 x", load.format(4), [x])
    assert "ld.global.u32 %r2, [%rd3+4]" in str(caught.value)
    with pytest.raises(IllegalAddress):
        run("u64 x", load.format(-4), [x])
    with pytest.raises(IllegalAddress):
        run("u64 x", ADDRESS + "st.global.u32 [%rd3+4], %r1;", [x])
    with pytest.raises(MisalignedAddress):
        run("u64 x", ADDRESS + "ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd1+8];", [x])
    with pytest.raises(MisalignedAddress):
        run("u64 x", ADDRESS + "ld.global.u16 %h2, [%rd1+1];", [x])
    with pytest.raises(IllegalAddress):
        run("u64 x", SHARED + ADDRESS + "ld.shared.u32 %r2, [s+4096];", [x])
    with pytest.raises(Trap):
        run("u64 x", "trap;", [x])


def test_addresses_are_not_the_hosts() -> None:
    x = np.zeros(4, "u4")
    with pytest.raises(IllegalAddress):
        run("u64 x", ADDRESS + "ld.global.u32 %r2, [%rd1];", [np.uint64(x.ctypes.data)], block=1)


def test_generic_addresses() -> None:
    x = np.zeros(32, "u4")
    run("u64 x", SHARED + ".local .align 8 .b8 l[16];" + ADDRESS + """
      mov.u64 %rd4, s; cvta.shared.u64 %rd5, %rd4; mul.wide.u32 %rd6, %r1, 4; add.s64 %rd5, %rd5, %rd6; st.u32 [%rd5], %r1;
      mov.u64 %rd7, l; cvta.local.u64 %rd8, %rd7; mul.lo.u32 %r2, %r1, 100; st.u32 [%rd8+4], %r2;
      and.b32 %r3, %r1, 1; setp.eq.u32 %p1, %r3, 0; selp.b64 %rd9, %rd5, %rd8, %p1; @!%p1 add.u64 %rd9, %rd9, 4;
      ld.u32 %r4, [%rd9]; isspacep.shared %p2, %rd9; selp.u32 %r5, 1000000, 0, %p2; add.u32 %r4, %r4, %r5; st.global.u32 [%rd3], %r4;""", [x])  # fmt: skip
    t = np.arange(32)
    assert np.array_equal(x, np.where(t % 2 == 0, t + 1000000, 100 * t))


def test_dynamic_shared_memory_and_constants() -> None:
    x = np.zeros(32, "u4")
    before = ".extern .shared .align 16 .b8 d[];\n.const .align 4 .b32 table[4] = {10, 20, 30, 40};\n.global .align 2 .b8 g[4] = {1, 2, 0xFF, 4};"
    body = SHARED + ADDRESS + """
      mov.u32 %r2, d; mad.lo.u32 %r3, %r1, 4, %r2; st.shared.u32 [%r3], %r1;
      mov.u64 %rd4, table; and.b32 %r4, %r1, 3; mul.wide.u32 %rd5, %r4, 4; add.s64 %rd4, %rd4, %rd5; ld.const.u32 %r5, [%rd4];
      ld.shared.u32 %r6, [%r3]; add.u32 %r5, %r5, %r6; ld.global.s8 %r7, [g+2]; add.s32 %r5, %r5, %r7; st.global.u32 [%rd3], %r5;
      mov.u32 %r8, 5; st.shared.u32 [s], %r8;"""  # fmt: skip
    run("u64 x", body, [x], before=before, shared=128)
    t = np.arange(32)
    assert np.array_equal(x, t + 10 * (t % 4 + 1) - 1)
    with pytest.raises(IllegalAddress):
        run("u64 x", body, [x], before=before, shared=64)


def test_vectors_and_signs() -> None:
    x = np.arange(256, dtype="u1").reshape(16, 16)
    y = np.zeros((16, 8), "i4")
    run("u64 x, u64 y", """
      mov.u32 %r1, %tid.x; ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y]; mad.wide.u32 %rd3, %r1, 16, %rd1; mad.wide.u32 %rd4, %r1, 32, %rd2;
      ld.global.nc.v4.b32 {%r2, %r3, %r4, %r5}, [%rd3]; st.global.v2.b32 [%rd4], {%r5, %r2};
      ld.global.v2.s8 {%h1, %h2}, [%rd3]; cvt.s32.s16 %r6, %h1; cvt.s32.s16 %r7, %h2; st.global.v2.u32 [%rd4+8], {%r6, %r7};
      ld.global.u16 %r8, [%rd3+2]; ld.global.s16 %r9, [%rd3+2]; st.global.v4.b32 [%rd4+16], {%r8, %r9, 7, %r3};""", [x, y], block=16)  # fmt: skip
    words = x.view("u4").view("i4")
    assert np.array_equal(y[:, 0], words[:, 3]) and np.array_equal(y[:, 1], words[:, 0])
    assert np.array_equal(y[:, 2:4], x[:, :2].view("i1")) and np.array_equal(
        y[:, 4], x[:, 2:4].view("u2")[:, 0]
    )
    assert (
        np.array_equal(y[:, 5], x[:, 2:4].view("i2")[:, 0])
        and (y[:, 6] == 7).all()
        and np.array_equal(y[:, 7], words[:, 1])
    )


@pytest.mark.parametrize("seed", [None, 5])
def test_atomics(seed: int | None) -> None:
    x = np.zeros(8, "u4")
    old = np.zeros(1024, "u4")
    x[4] = 0xFFFFFFFF
    run("u64 x, u64 old", """
      mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r3, %r2, 256, %r1; ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [old];
      mad.wide.u32 %rd3, %r3, 4, %rd2; atom.global.add.u32 %r4, [%rd1], 1; st.global.u32 [%rd3], %r4;
      red.global.add.f32 [%rd1+4], 0f3F800000; atom.global.max.u32 %r5, [%rd1+8], %r3; atom.global.cas.b32 %r6, [%rd1+12], 0, 77;
      red.global.min.u32 [%rd1+16], %r3; atom.global.inc.u32 %r7, [%rd1+20], 9; atom.global.xor.b32 %r8, [%rd1+24], %r3;""",
        [x, old], grid=4, block=256, seed=seed)  # fmt: skip
    assert sorted(old) == list(range(1024)) and x[0] == 1024 and x[1:2].view("f4")[0] == 1024.0
    assert (
        x[2] == 1023
        and x[3] == 77
        and x[4] == 0
        and x[5] == 1024 % 10
        and x[6] == np.bitwise_xor.reduce(np.arange(1024))
    )


def test_shared_atomics_are_of_the_block() -> None:
    x = np.zeros(3, "u4")
    run("u64 x", SHARED + """
      mov.u32 %r1, %tid.x; setp.ne.u32 %p1, %r1, 0; @%p1 bra A; mov.u32 %r2, 0; st.shared.u32 [s], %r2;
    A: bar.sync 0; atom.shared.add.u32 %r3, [s], %r1; bar.sync 0; @%p1 bra END; ld.shared.u32 %r4, [s];
      ld.param.u64 %rd1, [x]; mov.u32 %r5, %ctaid.x; mad.wide.u32 %rd2, %r5, 4, %rd1; add.u32 %r4, %r4, %r5; st.global.u32 [%rd2], %r4;
    END:""", [x], grid=3, block=64, race_check=True)  # fmt: skip
    assert x.tolist() == [2016, 2017, 2018]


def test_what_nobody_wrote_is_junk() -> None:
    x = np.zeros(96, "u4")
    run("u64 x", SHARED + ADDRESS + """
      mov.u32 %r5, s; mad.lo.u32 %r6, %r1, 4, %r5; ld.shared.u32 %r3, [%r6]; st.global.u32 [%rd3], %r3;
      st.global.u32 [%rd3+128], %r40; add.u32 %r41, %r41, 1; st.global.u32 [%rd3+256], %r41;""", [x])  # fmt: skip
    assert len(np.unique(x)) > 90


# Copies that arrive later.

COPIES = SHARED + """
  ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y]; mov.u32 %r1, %tid.x; mad.wide.u32 %rd3, %r1, 16, %rd1; mad.wide.u32 %rd4, %r1, 16, %rd2;
  mov.u32 %r2, s; mad.lo.u32 %r3, %r1, 16, %r2;
  cp.async.cg.shared.global [%r3], [%rd3], 16; cp.async.commit_group;
  cp.async.ca.shared.global [%r3+2048], [%rd3+4], 4, {size}; cp.async.commit_group;
  cp.async.wait_group {keep}; {barrier}
  xor.b32 %r4, %r3, 16; ld.shared.v4.u32 {{%r5, %r6, %r7, %r8}}, [%r4]; ld.shared.u32 %r9, [%r3+2048];
  add.u32 %r8, %r8, %r9; st.global.v4.u32 [%rd4], {{%r5, %r6, %r7, %r8}};"""  # fmt: skip


def test_asynchronous_copies() -> None:
    x = np.random.default_rng(1).integers(0, 1 << 30, (32, 4)).astype("u4")
    flip = x[np.arange(32) ^ 1]

    def result(**more: Any) -> Any:
        y = np.zeros_like(x)
        body = COPIES.format(**{"size": 4, "keep": 0, "barrier": "bar.sync 0;", **more})
        run("u64 x, u64 y", body, [x, y], race_check=True)
        return y

    y = result()
    assert np.array_equal(y[:, :3], flip[:, :3]) and np.array_equal(y[:, 3], flip[:, 3] + x[:, 1])
    y = result(keep=1)
    assert np.array_equal(y[:, :3], flip[:, :3]) and not np.array_equal(
        y[:, 3], flip[:, 3] + x[:, 1]
    )
    assert not np.array_equal(result(keep=2)[:, :3], flip[:, :3])
    assert np.array_equal(result(size=0), flip)  # zeros
    with pytest.raises(Race):
        result(barrier="")
    with pytest.raises(Unsupported, match="sm_80"):
        run("u64 x, u64 y", COPIES.format(size=4, keep=0, barrier=""), [x, x.copy()], capability=75)


# Races.

EXCHANGE = SHARED + ADDRESS + """
  mov.u32 %r5, s; mad.lo.u32 %r6, %r1, 4, %r5; st.shared.u32 [%r6], %r1; {first}
  xor.b32 %r7, %r6, {other}; ld.shared.u32 %r8, [%r7]; {second} st.shared.u32 [%r6], %r8; st.global.u32 [%rd3], %r8;"""  # fmt: skip


@pytest.mark.parametrize(("first", "second", "other", "good"), [
    ("bar.sync 0;", "bar.sync 0;", 128, True), ("", "bar.sync 0;", 128, False), ("bar.sync 0;", "", 128, False),
    ("bar.warp.sync -1;", "bar.warp.sync -1;", 4, True), ("bar.warp.sync -1;", "bar.sync 0;", 128, False),
    ("", "bar.sync 0;", 4, False), ("bar.sync 0;", "bar.warp.sync -1;", 128, False),
])  # fmt: skip
def test_races_in_shared_memory(first: str, second: str, other: int, good: bool) -> None:
    x = np.zeros(64, "u4")
    body = EXCHANGE.format(first=first, second=second, other=other)
    if good:
        run("u64 x", body, [x], block=64, grid=1, race_check=True)
        assert np.array_equal(x, np.arange(64) ^ (other // 4))
    else:
        with pytest.raises(Race, match="shared memory"):
            run("u64 x", body, [x], block=64, race_check=True)


def test_races_between_blocks() -> None:
    x = np.zeros(64, "u4")
    run("u64 x", ADDRESS + "red.global.add.u32 [%rd3], 1;", [x], grid=4, block=64, race_check=True)
    assert (x == 4).all()
    for body in (
        "st.global.u32 [%rd3], %r1;",
        "ld.global.u32 %r2, [%rd3]; st.global.u32 [%rd3], %r2;",
    ):
        with pytest.raises(Race, match="global memory"):
            run("u64 x", ADDRESS + body, [x], grid=4, block=64, race_check=True)


def test_constants_must_not_change() -> None:
    """What is read through the read-only cache is not written in the same launch, not even by the same thread."""
    x = np.zeros(64, "u4")
    for body in (
        "ld.global{} %r2, [%rd3]; st.global.u32 [%rd3], %r2;",
        "st.global.u32 [%rd3], %r1; ld.global{} %r2, [%rd3];",
    ):
        run("u64 x", ADDRESS + body.format(".u32"), [x], block=64, race_check=True)
        with pytest.raises(Race, match="global memory"):
            run("u64 x", ADDRESS + body.format(".nc.u32"), [x], block=64, race_check=True)


def test_shared_memory_between_variables() -> None:
    body = (
        ".shared .align 4 .b8 a[4]; .shared .align 16 .b8 b[16];"
        + "mov.u32 %r2, 1; st.shared.u32 [a+4], %r2; st.shared.u32 [b], %r2;"
    )
    run("u64 x", body, [np.zeros(1)], block=1)
    with pytest.raises(IllegalAddress, match="belong to no variable"):
        run("u64 x", body, [np.zeros(1)], block=1, race_check=True)


# What is counted, and what is refused.


def test_statistics() -> None:
    x, y = np.zeros((64, 4), "u4"), np.zeros(64, "u4")
    body = """
      mov.u32 %r1, %tid.x; ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y]; mad.wide.u32 %rd3, %r1, 16, %rd1; mad.wide.u32 %rd4, %r1, 4, %rd2;
      ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd3]; bar.sync 0; st.global.u32 [%rd4], %r5; mov.u32 %r6, s; mad.lo.u32 %r7, %r1, {step}, %r6; st.shared.u32 [%r7], %r1;"""  # fmt: skip
    s = run("u64 x, u64 y", SHARED + body.replace("{step}", "4"), [x, y], block=64, measure=True)
    assert (
        s.bytes("ld") == 1024
        and s.bytes("st") == 256
        and s.widest("ld") == 16
        and s.share("ld", 16) == 1.0
    )
    assert s.barriers == 1 and s.counts["bar"] == 64 and s.instructions == 64 * 12
    assert (
        s.sectors["ld", "global"] == (32, 2)
        and s.sectors["st", "global"] == (8, 2)
        and s.sectors["st", "shared"] == (2, 2)
    )
    assert "ld.global of 16 bytes: 64" in str(s)
    s = run("u64 x, u64 y", SHARED + body.replace("{step}", "32"), [x, y], block=64, measure=True)
    assert s.sectors["st", "shared"] == (16, 2)  # eight ways


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(Unsupported, match="vadd"):
        run("u64 x", "vadd.s32.s32.s32 %r1, %r2, %r3;", [np.zeros(1)])
    with pytest.raises(Unsupported, match="no kernel"):
        run_kernel(module("u64 x", ""), "nothing", 1, 1, [0])
    with pytest.raises(ValueError, match="2048"):
        run("u64 x", "", [0], block=2048)
    with pytest.raises(ValueError, match="parameters"):
        run("u64 x", "", [])


def test_kernels_of_flambeau() -> None:
    """LLVM IR with the table of words: out[i] = a[i] * number."""
    ir = """
      target triple = "nvptx64-nvidia-cuda"
      declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
      define ptx_kernel void @scale(ptr addrspace(1) %table, ptr byval([5 x i64]) align 8 %args) {
        %i = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
        %w0 = load i64, ptr %args
        %q1 = getelementptr i64, ptr %args, i64 1
        %o0 = load i64, ptr %q1
        %q2 = getelementptr i64, ptr %args, i64 2
        %w1 = load i64, ptr %q2
        %q3 = getelementptr i64, ptr %args, i64 3
        %o1 = load i64, ptr %q3
        %q4 = getelementptr i64, ptr %args, i64 4
        %w2 = load i64, ptr %q4
        %t0 = getelementptr i64, ptr addrspace(1) %table, i64 %w0
        %a0 = load i64, ptr addrspace(1) %t0
        %t1 = getelementptr i64, ptr addrspace(1) %table, i64 %w1
        %a1 = load i64, ptr addrspace(1) %t1
        %t2 = getelementptr double, ptr addrspace(1) %table, i64 %w2
        %n = load double, ptr addrspace(1) %t2
        %b0 = add i64 %a0, %o0
        %b1 = add i64 %a1, %o1
        %p0 = inttoptr i64 %b0 to ptr addrspace(1)
        %p1 = inttoptr i64 %b1 to ptr addrspace(1)
        %e0 = getelementptr double, ptr addrspace(1) %p0, i32 %i
        %e1 = getelementptr double, ptr addrspace(1) %p1, i32 %i
        %x = load double, ptr addrspace(1) %e0
        %y = fmul double %x, %n
        store double %y, ptr addrspace(1) %e1
        ret void
      }"""
    from flambeau.codegen.kernel import Buf

    a, out = np.arange(33.0), np.zeros(32)
    run_kernel(ir, "scale", 1, 32, [Buf(2, 8), Buf(0), 1], table=[out, 2.5, a])
    assert np.array_equal(out, 2.5 * a[1:])
    with pytest.raises(ValueError, match="words"):
        run_kernel(ir, "scale", 1, 32, [Buf(2, 8), Buf(0)], table=[out, 2.5, a])
