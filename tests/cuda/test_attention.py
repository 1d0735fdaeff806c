"""Fused attention: its kernels on a simulated GPU, and how programs are recognised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau import config
from flambeau.codegen.cuda import attention, attention_graph, rewrite_attention
from flambeau.codegen.cuda.kernel import Gpu
from flambeau.codegen.planning import Placed, row_major
from flambeau.core.dtypes import to_bfloat16, to_float32
from flambeau.engine import tiering
from flambeau.graph.elementwise import numpy_dtype
from flambeau.graph.evaluate import evaluate, ordered
from flambeau.graph.ir import Node
from flambeau.graph.lowering import lower
from flambeau.graph.simplify import simplify
from tools.gpu import simulated

from . import assembling
from .special_runner import Array, Bench, rng

torch: Any = flambeau
F: Any = flambeau.nn.functional

SHARED = {75: 64 << 10, 80: 163 << 10, 90: 227 << 10}


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles of small arrays."""
    monkeypatch.setattr(attention, "TILES", ((16, 16), (16, 16)))


@pytest.fixture
def tf32() -> Iterator[None]:
    before = config.cuda_matmul_tf32
    config.set_cuda(cuda_matmul_tf32=True)
    yield
    config.set_cuda(cuda_matmul_tf32=before)


# --- kernels ------------------------------------------------------------------------------------


def reference(
    q: Array, k: Array, v: Array, g: Array, scale: float, fill: float, masking: tuple[str, bool], mask: Any
) -> list[Array]:  # fmt: skip
    """(out, the gradients of q, k and v) in float64."""
    kind, nowhere = masking
    q, k, v, g = (x.astype(np.float64) for x in (q, k, v, g))
    s = q @ k.swapaxes(-1, -2) * scale
    filled = np.zeros(s.shape, np.bool_)
    if kind == "causal":
        filled |= np.arange(s.shape[-1]) > np.arange(s.shape[-2])[:, None]
    elif kind == "bias":
        s = s + mask
    elif kind:
        filled |= mask if kind == "where" else ~mask
    s = np.where(filled, fill, s)
    with np.errstate(all="ignore"):
        w = np.exp(s - s.max(-1, keepdims=True))
        w /= w.sum(-1, keepdims=True)
    if nowhere:
        none = (s == fill if kind == "bias" else filled).all(-1, keepdims=True)
        w = np.where(none, 0, w)
    d = g @ v.swapaxes(-1, -2)
    d = np.where(filled, 0, w * (d - (d * w).sum(-1, keepdims=True)))
    return [w @ v, d @ k, d.swapaxes(-1, -2) @ q, w.swapaxes(-1, -2) @ g]


def held(x: Array, dtype: str) -> Array:
    return to_bfloat16(x) if dtype == "bfloat16" else x.astype(dtype)


def wide(x: Array, dtype: str) -> Array:
    return to_float32(x) if dtype == "bfloat16" else x.astype(np.float32)


class Case:
    """Arrays of one call, and the specials over them."""

    def __init__(
        self, batch: tuple[int, ...], m: int, n: int, d: int, e: int, dtype: str = "float32", kind: str = "",
        nowhere: bool = False, fill: float = -math.inf, capability: int = 90, heads_inside: bool = False,
    ) -> None:  # fmt: skip
        self.capability, self.dtype, self.masking = capability, dtype, (kind, nowhere)
        b = self.b = Bench(Gpu(capability, 4, SHARED[capability]))
        shapes = ((*batch, m, d), (*batch, n, d), (*batch, n, e), (*batch, m, e))
        arrays = [wide(held(rng.standard_normal(s).astype(np.float32), dtype), dtype) for s in shapes]
        mask: Any = None
        if kind == "bias":
            mask = rng.standard_normal((m, n)).astype(np.float32)
            mask[1] = fill
        elif kind in ("where", "unless"):
            mask = rng.random((m, n)) > 0.4
            mask[1] = kind == "where"
        if mask is not None and not nowhere:
            mask[1, 0] = 0.0 if kind == "bias" else kind != "where"
        self.given = [self.place(x, heads_inside) for x in arrays]
        scale = np.asarray(1 / math.sqrt(d), np.float32)
        self.common = [b.array(scale), b.array(np.asarray(fill, np.float32))]
        if mask is not None:
            placed = b.array(mask)
            self.common.append(placed._replace(shape=(*batch, m, n), strides=(*[0] * len(batch), n, 1)))
        q, k, v, g = arrays
        self.wanted = reference(q, k, v, g, float(scale), fill, self.masking, mask)
        self.stats = b.out((*batch, m, 2), "float32")
        self.shapes, self.g = shapes, g

    def place(self, x: Array, heads_inside: bool) -> Placed:
        """In memory as (batch, rows, heads, d) where heads lie inside."""
        if not heads_inside:
            return self.b.array(held(x, self.dtype), self.dtype)
        y = self.b.array(held(np.ascontiguousarray(x.swapaxes(-2, -3)), self.dtype), self.dtype)
        steps = list(y.strides)
        steps[-3], steps[-2] = steps[-2], steps[-3]
        return y._replace(shape=x.shape, strides=tuple(steps))

    def out(self, shape: tuple[int, ...], dtype: str) -> Placed:
        kind = "uint16" if dtype == "bfloat16" else dtype
        return self.b.out(shape, kind)._replace(dtype=dtype)

    def run(self, name: str, inputs: list[Placed], outputs: list[Placed], out: tuple[str, ...]) -> None:
        self.b.run(attention.PLANNERS[name](self.b, inputs, outputs, (*self.masking, out)), self.capability)

    def results(self) -> list[Array]:
        """(out, the gradients of q, k and v)"""
        q, k, v, _ = self.shapes
        out = self.out((*q[:-1], v[-1]), self.dtype)
        self.run("attention", [*self.given[:3], *self.common], [out, self.stats], (self.dtype,))
        made = wide(self.b.value(out), self.dtype)
        delta = self.b.array((self.g * made).sum(-1).astype(np.float32))
        inputs = [*self.given, *self.common, self.stats, delta, self.b.array(np.ones((), np.float32))]
        grads = [self.out(q, "float32"), self.out(k, "float32"), self.out(v, self.dtype)]
        self.run("attention_queries", inputs, grads[:1], ("float32",))
        self.run("attention_keys", inputs, grads[1:], ("float32", self.dtype))
        return [made, *(wide(self.b.value(x), x.dtype) for x in grads)]

    def check(self, tolerance: float) -> None:
        for got, wanted in zip(self.results(), self.wanted, strict=True):
            assert np.abs(got - wanted).max() <= tolerance * max(1.0, np.abs(wanted).max())


EXACT, HALF, BRAIN = 2e-6, 3e-3, 2e-2


@pytest.mark.usefixtures("small_tiles")
class TestKernels:
    @pytest.mark.parametrize("kind, nowhere", [
        ("", False), ("causal", False), ("where", True), ("unless", True), ("bias", True), ("bias", False),
    ])  # fmt: skip
    def test_masks(self, kind: str, nowhere: bool) -> None:
        Case((2,), 20, 37, 8, 8, kind=kind, nowhere=nowhere).check(EXACT)

    def test_a_mask_that_leaves_nothing_gives_nan(self) -> None:
        case = Case((1,), 3, 5, 8, 8, kind="where", nowhere=True)
        case.masking = ("where", False)
        out = case.results()[0]
        assert np.isnan(out[0, 1]).all() and not np.isnan(out[0, [0, 2]]).any()

    @pytest.mark.parametrize("kind", ["causal", "where"])
    def test_a_fill_that_is_no_infinity(self, kind: str) -> None:
        Case((1,), 20, 37, 8, 8, kind=kind, fill=-2.0).check(EXACT)

    def test_sizes_that_fit_nothing_and_heads_inside(self) -> None:
        Case((2, 3), 18, 19, 5, 7, heads_inside=True).check(EXACT)
        Case((1, 2, 2), 17, 16, 24, 40, kind="causal").check(EXACT)

    @pytest.mark.parametrize("dtype, capability, tolerance", [
        ("float16", 90, HALF), ("float16", 75, HALF), ("bfloat16", 80, BRAIN), ("bfloat16", 75, BRAIN),
    ])  # fmt: skip
    def test_of_16_bits(self, dtype: str, capability: int, tolerance: float) -> None:
        Case((1, 2), 20, 37, 16, 24, dtype, "causal", capability=capability).check(tolerance)
        Case((1, 2), 18, 20, 10, 6, dtype, "unless", True, capability=capability).check(tolerance)

    @pytest.mark.usefixtures("tf32")
    def test_tf32(self) -> None:
        case = Case((1, 2), 20, 37, 16, 24, kind="causal")
        case.check(HALF)
        assert all(x.kernel.key[2] == "tf32" for x in case.b.launched)  # type: ignore[index]

    def test_causal_tiles_beyond_are_not_looked_at(self) -> None:
        """What lies behind all queries may even be NaN."""
        case = Case((1,), 16, 48, 8, 8, kind="causal")
        for x in case.given[1:3]:
            case.b.slots[x.slot][16 * 8 :] = np.nan
        assert not np.isnan(case.results()[0]).any()


def test_several_warps() -> None:
    Case((1,), 40, 35, 16, 16, "float16", "causal").check(HALF)


@pytest.mark.skipif(assembling.ptxas() is None, reason="needs ptxas")
@pytest.mark.parametrize("capability, dtype", [(75, "float16"), (80, "bfloat16"), (90, "float32")])
def test_registers(capability: int, dtype: str) -> None:
    b = Bench(Gpu(capability, shared=SHARED[capability]))
    shape = (8, 12, 1024, 64)
    x, one = Placed(0, dtype, shape, row_major(shape)), Placed(1, "float32", (), ())
    stats = Placed(2, "float32", (*shape[:3], 2), row_major((*shape[:3], 2)))
    (made,) = attention.PLANNERS["attention"](b, [x, x, x, one, one], [x, stats], ("causal", False, (dtype,)))
    assert made.shared <= SHARED[capability] // 2
    assert assembling.assemble(assembling.ptx_of(made.kernel, capability), capability).spilled <= 32


# --- recognition --------------------------------------------------------------------------------

Graph = list[Node]


def graphs_of(monkeypatch: pytest.MonkeyPatch, f: Callable[[], Any]) -> tuple[Graph, Graph, list[Any]]:
    """The simplified graph of the program that has a softmax, what it is rewritten to, and its numbers."""
    seen: list[tuple[Any, list[Any]]] = []
    run = tiering.run

    def watched(program: Any, captured: Any, observed: bool) -> str:
        seen.append((program, list(captured.scalars)))
        return run(program, captured, observed)

    with monkeypatch.context() as patched:
        patched.setattr(tiering, "run", watched)
        f()
    for program, scalars in seen:
        known = {i: s for i, s in enumerate(scalars) if type(s) is int}
        graph = simplify(list(lower(program, known).outputs))
        if any(x.op == "exp" for x in ordered(graph)):
            return graph, rewrite_attention.rewrite(graph), scalars
    raise AssertionError("no softmax")


def specials_of(graph: Graph) -> set[str]:
    return {x.attr[0] for x in ordered(graph) if x.op == "special"}


def equal(before: Graph, after: Graph, numbers: list[Any], tolerance: float) -> None:
    """Both graphs in NumPy, of some inputs."""
    made: dict[int, Array] = {}
    for x in ordered(before):
        if x.op != "input":
            continue
        a = rng.standard_normal(x.shape).astype(np.float32)
        if x.dtype == "bool":
            a = a > -0.5
        made[x.attr] = to_bfloat16(a) if x.dtype == "bfloat16" else a.astype(numpy_dtype(x.dtype))
    inputs = [made.get(i, np.zeros(())) for i in range(max(made) + 1)]
    for x, a, c in zip(before, evaluate(before, inputs, numbers), evaluate(after, inputs, numbers), strict=True):
        a, c = (wide(y, x.dtype) for y in (a, c))
        np.testing.assert_allclose(c, a, tolerance, tolerance)


B, H, L, S, E = 2, 3, 6, 5, 8
ALL = {"attention", "attention_queries", "attention_keys"}


def program(
    call: Callable[..., Any], dtype: Any = torch.float32, wanted: str = "qkv", heads: bool = True
) -> Callable[[], None]:  # fmt: skip
    """A step: heads split off, `call`, heads joined, gradients of those that are wanted."""

    def step() -> None:
        rows = [torch.randn(B, n, H * E).to(dtype) for n in (L, S, S)]
        for x, name in zip(rows, "qkv", strict=True):
            x.tolist()
            x.requires_grad_(name in wanted)
        y = call(*(x.view(B, -1, H, E).transpose(1, 2) if heads else x for x in rows))
        y = y.transpose(1, 2).reshape(B, L, H * E) if heads else y
        if wanted:
            y.float().square().sum().backward()
            assert all(x.grad is None or x.grad.tolist() for x in rows)
        else:
            y.tolist()

    return step


def seen(x: Any) -> Any:
    """A tensor that is an input of the next program."""
    x.tolist()
    return x


def by_hand(q: Any, k: Any, v: Any) -> Any:
    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(E))
    scores = scores.masked_fill(LOWER == 0, float("-inf"))
    return F.softmax(scores, dim=-1) @ v


LOWER = seen(torch.tril(torch.ones(L, S)).view(1, 1, L, S))
BOOLS = seen(torch.arange(L * S).view(L, S) % 3 > 0)
FLOATS = seen(torch.randn(B, 1, L, S))
sdpa = F.scaled_dot_product_attention
PROGRAMS: dict[str, Callable[[], None]] = {
    "plain": program(sdpa),
    "causal": program(lambda *x: sdpa(*x, is_causal=True)),
    "bools": program(lambda *x: sdpa(*x, attn_mask=BOOLS)),
    "floats": program(lambda *x: sdpa(*x, attn_mask=FLOATS)),
    "without heads": program(sdpa, heads=False),
    "by hand": program(by_hand),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_steps_are_recognised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, numbers = graphs_of(monkeypatch, PROGRAMS[name])
    assert specials_of(after) & (ALL | {"matmul"}) == ALL
    assert not any(x.op == "exp" for x in ordered(after))
    equal(before, after, numbers, 1e-5)
    assert not [x for x in ordered(after) if x.op == "view" and attention_graph.blocked(x)]


@pytest.mark.parametrize("wanted, specials", [
    ("", {"attention"}), ("v", {"attention", "attention_keys"}), ("q", {"attention", "attention_queries"}), ("qk", ALL),
])  # fmt: skip
def test_some_gradients(wanted: str, specials: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, numbers = graphs_of(monkeypatch, program(sdpa, wanted=wanted))
    assert specials_of(after) == specials
    equal(before, after, numbers, 1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_read_and_written(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = program(lambda *x: sdpa(*x, is_causal=True), getattr(torch, dtype))
    before, after, numbers = graphs_of(monkeypatch, step)
    for x in ordered(after):
        if x.op == "special":
            assert all(a.dtype == dtype for a in x.args[:3])
            assert (x.dtype if isinstance(x.dtype, str) else x.dtype[0]) == dtype
    equal(before, after, numbers, 0.02)


def test_shared_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        q, k, v = (seen(torch.randn(2, n, 6, 8)).requires_grad_() for n in (4, 2, 2))
        sdpa(q, k, v, enable_gqa=True).square().sum().backward()
        assert [x.grad.tolist() for x in (q, k, v)]

    before, after, numbers = graphs_of(monkeypatch, step)
    assert specials_of(after) == ALL
    equal(before, after, numbers, 1e-5)


def test_an_encoder_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), seen(torch.randn(2, 5, 16))

    def step() -> None:
        layer(x).square().sum().backward()
        assert [p.grad.tolist() for p in layer.parameters()]

    before, after, numbers = graphs_of(monkeypatch, step)
    assert specials_of(after) >= ALL
    equal(before, after, numbers, 1e-3)


def weights_kept(q: Any, k: Any, v: Any) -> Any:
    global KEPT
    KEPT = torch.softmax(q @ k.transpose(-2, -1), -1)
    return KEPT @ v


KEPT: Any = None


@pytest.mark.parametrize("call", [
    weights_kept,
    lambda q, k, v: sdpa(q, k, v, dropout_p=0.5),
    lambda q, k, v: torch.softmax(q @ k.transpose(-2, -1), -1).relu() @ v,
    lambda q, k, v: (torch.softmax(q @ k.transpose(-2, -1), -1) + 1) @ v,
    lambda q, k, v: sdpa(*(x.double() for x in (q, k, v))).float(),
])  # fmt: skip
def test_what_is_something_else_stays(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, _ = graphs_of(monkeypatch, program(call))
    assert after is before


def test_banned_specials_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _, _ = graphs_of(monkeypatch, PROGRAMS["plain"])
    assert rewrite_attention.rewrite(before, {"attention_keys"}) is before


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("bfloat16", 0.05)])
def test_a_step_on_a_device(dtype: str, tolerance: float) -> None:
    def steps(device: str) -> list[Any]:
        torch.manual_seed(0)
        rows = [torch.randn(2, 9, 16).to(getattr(torch, dtype)).to(device).requires_grad_() for _ in range(3)]
        for _ in range(5):
            for x in rows:
                x.grad = None
            heads = [x.view(2, 9, 2, 8).transpose(1, 2) for x in rows]
            y = sdpa(*heads, is_causal=True).transpose(1, 2).reshape(2, 9, 16)
            y.float().square().sum().backward()
            made = [x.grad.float().cpu().numpy() for x in rows]
            tiering.wait_for_compiler()
        return made

    wanted = steps("cpu")
    with simulated() as gpu:
        got = steps("cuda")
        names = {x.kernel.rsplit("_", 1)[0] for x in gpu.launches}
    assert names >= ALL
    for a, c in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, c, tolerance, tolerance)
