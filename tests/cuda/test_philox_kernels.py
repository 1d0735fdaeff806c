"""Random numbers as kernels of a simulated GPU, beside their NumPy reference; and what is published of
Philox."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flambeau.codegen.cuda.kernel import Gpu, target
from flambeau.codegen.cuda.plan import plan
from flambeau.core import dtypes
from flambeau.core.aval import aval
from flambeau.core.philox import philox, words
from flambeau.graph.lowering import lower
from flambeau.graph.program import Key, build
from flambeau.ops import philox as reference
from flambeau.ops.table import table
from tests.ops.samples import Maker
from tools.gpu import run_kernel

PUBLISHED = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]  # fmt: skip
"""Counter, key and result: the known answers of philox4x32-10 in Random123's tests."""


@pytest.mark.parametrize("counter, key, expected", PUBLISHED)
def test_known_answers(counter: Any, key: Any, expected: Any) -> None:
    assert tuple(int(w) for w in words(counter, key)) == expected


def test_halves_of_blocks() -> None:
    """The number of a block is its counter's lower two words; a pair of words is one number."""
    block, seed = 0x85A308D3_243F6A88, 0x299F31D0_A4093822
    w = [int(x) for x in words((block & 0xFFFFFFFF, block >> 32, 0, 0), (0xA4093822, 0x299F31D0))]
    signed = np.array([block], np.uint64).astype(np.int64)
    for half in (0, 1):
        have = int(philox(signed, np.int64(half), np.int64(seed))[0]) % (1 << 64)
        assert have == w[2 * half] | w[2 * half + 1] << 32


def samples(name: str) -> list[tuple[Any, ...]]:
    return [args for args, _ in table[name].samples(Maker()) if not hasattr(args[0], "shape")]


def on_gpu(name: str, args: tuple[Any, ...], inputs: list[np.ndarray[Any, Any]], capability: int) -> Any:
    """A row that is one kernel, run by the simulated GPU."""
    scalars = [x for x in args if isinstance(x, (int, float)) and not isinstance(x, bool)]
    params: tuple[Any, ...] = tuple(x for x in args if isinstance(x, (str, tuple, dtypes.dtype)))
    a = aval(params[-2], params[-1]) if params else aval(inputs[0].shape, dtypes.float32)
    refs = tuple([-1 - i for i in range(len(inputs))] + [type(x) for x in scalars])
    avals = tuple(aval(x.shape, dtypes.float32) for x in inputs)
    program = build(Key((((table[name], a, params, refs),), avals, (0,), ())))
    lowered = lower(program, {})
    assert not lowered.declined
    made = plan(lowered.outputs, len(inputs), len(scalars), Gpu(capability))
    launch: Any
    (launch,) = [x for step in made.steps for x in step.launches]
    out = np.zeros(a.shape, a.dtype.np)
    slots: list[Any] = [*inputs, *scalars]
    ir = launch.kernel.emit(target(capability), "k")
    run_kernel(ir, "k", launch.grid, launch.block, launch.words(), launch.shared, capability, [*slots, out])
    return out


@pytest.mark.parametrize("capability", [75, 90])
@pytest.mark.parametrize("name", [n for n in table if n.startswith("philox_") and n != "philox_dropout"])
def test_kernels(name: str, capability: int) -> None:
    for args in samples(name):
        if 0 in args[-2]:
            continue
        have = on_gpu(name, args, [], capability)
        want = reference_of(name, args)
        if name == "philox_normal":  # a logarithm, a root and a sine
            scale = 1e-3 if args[-1] is dtypes.float16 else 1e-6
            np.testing.assert_allclose(have, want, scale, scale)
        elif name == "philox_uniform" and args[-1] is dtypes.float16:
            np.testing.assert_allclose(have, want, 1e-3, 1e-3)
        else:
            np.testing.assert_allclose(have, want, 1e-7 if have.dtype.kind == "f" else 0, 0)


def reference_of(name: str, args: tuple[Any, ...]) -> Any:
    found = np.asarray(table[name].numpy(*args))  # type: ignore[misc]
    dt = args[-1]
    return dtypes.narrow(found, dt) if dt.is_narrow else found.astype(dt.np)


@pytest.mark.parametrize("shape", [(67,), (5, 8), (3, 2, 12), (4, 7)])
def test_dropout_kernel(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    have = on_gpu("philox_dropout", (11.0, 2.0**31, 2.0**33, 0.25), [x], 80)
    np.testing.assert_array_equal(have, reference._dropped(x, 11.0, 2.0**31, 2.0**33, 0.25))


def counted(shape: tuple[int, ...]) -> int:
    """Products of a dropout kernel for a shape: twenty for each block."""
    from flambeau.runtime import native

    program = build(Key((
        ((table["philox_dropout"], aval(shape, dtypes.float32), (), (-1, float, float, float, float)),),
        (aval(shape, dtypes.float32),), (0,), (),
    )))  # fmt: skip
    made = plan(lower(program, {}).outputs, 1, 4, Gpu())
    launch: Any
    (launch,) = [x for step in made.steps for x in step.launches]
    return native.assembly(launch.kernel.emit(target(90), "k"), target(90)).count("mul.wide.u32 ")


def test_neighbours_share_a_block() -> None:
    """The four elements that a thread loads at once take one block, not four."""
    assert counted((8, 128, 768)) == 20
    assert counted((1 << 20,)) == 40  # the rest is taken one by one
