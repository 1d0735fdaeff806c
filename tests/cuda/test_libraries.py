"""cuBLASLt and cuDNN: what they are asked for, against stand-ins that know NVIDIA's headers by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import flambeau
from flambeau import config
from flambeau.codegen.cuda import contractions, library_calls
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, LibraryLaunch, target
from flambeau.codegen.cuda.problems import Convolution, Matmul
from flambeau.codegen.planning import Placed, row_major
from flambeau.engine import tiering
from flambeau.runtime import cublaslt, libraries
from tools.gpu import run_kernel, simulated
from tools.gpu.cublaslt import CublasLt
from tools.gpu.cudnn import Cudnn, correlate
from tools.gpu.libraries import real, rounded, tf32
from tools.gpu.memory import Memory

Array = np.ndarray[Any, Any]
torch: Any = flambeau
rng = np.random.default_rng(3)

STORED = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": np.uint16}
ULP = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}


class Stream(NamedTuple):
    handle: int


class Device(NamedTuple):
    """What `libraries` asks of a device."""

    index: int = 0
    capability: int = 90
    total_memory: int = 1 << 34

    def activate(self) -> None:
        pass


class Bench:
    """Memory of a device, both libraries over it, and a stream that runs late."""

    def __init__(self) -> None:
        self.memory = Memory(64 << 20)
        self.queue: list[Callable[[], None]] = []
        self.streams: list[int] = []
        self.cublaslt = CublasLt(self.memory.range, self.submit)
        self.cudnn = Cudnn(self.memory.range, self.submit)

    def submit(self, stream: int, action: Callable[[], None]) -> None:
        self.streams.append(stream)
        self.queue.append(action)

    def finish(self) -> None:
        for action in self.queue:
            action()
        self.queue.clear()
        for library in (self.cublaslt, self.cudnn):
            if library.failures:
                raise library.failures[0]

    def put(self, values: Array, dtype: str) -> int:
        """Doubles, in the device's memory as a dtype."""
        stored = rounded(values, np.dtype(STORED[dtype]), dtype == "bfloat16")
        address = self.memory.allocate(stored.nbytes)
        assert address is not None
        self.memory.range(address, stored.nbytes)[:] = np.ascontiguousarray(stored).reshape(-1).view(np.uint8)
        return address

    def take(self, address: int, shape: tuple[int, ...], dtype: str) -> Array:
        kind = np.dtype(STORED[dtype])
        nbytes = int(np.prod(shape)) * kind.itemsize
        return real(self.memory.range(address, nbytes).view(kind).reshape(shape), dtype == "bfloat16")

    def run(self, problem: Any, addresses: list[int], stream: int = 7) -> Any:
        """Carry a problem out. None if it is refused."""
        prepared = libraries.prepare(problem, Device())
        if prepared is None:
            return None
        if prepared.workspace:
            space = self.memory.allocate(prepared.workspace)
            assert space is not None
            addresses = [*addresses, space]
        prepared.run(addresses, Stream(stream))
        self.finish()
        return prepared


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    libraries.use(cublaslt=made.cublaslt, cudnn=made.cudnn)
    yield made
    libraries.use()
    assert not (made.cublaslt.failures or made.cudnn.failures)


def as_stored(values: Array, dtype: str) -> Array:
    return real(rounded(values, np.dtype(STORED[dtype]), dtype == "bfloat16"), dtype == "bfloat16")


def close(got: Array, expected: Array, dtype: str, terms: int) -> None:
    scale = np.abs(expected).max() + 1
    sums = terms / 4 if dtype == "float64" else 1  # others are summed in double and rounded once
    np.testing.assert_allclose(got, expected, rtol=ULP[dtype], atol=ULP[dtype] * scale * sums)


# --- products -------------------------------------------------------------------------------------

TURNS = list(itertools.product((False, True), repeat=2))


def product(
    bench: Bench, m: int, n: int, k: int, batch: int, dtype: str, out: str, turned: tuple[bool, bool],
    epilogue: str = "", accumulate: bool = False, broadcast: str = "", gap: int = 0, **more: Any,
) -> Any:  # fmt: skip
    """Compute a product with arrays that lie so, and compare."""
    a = rng.standard_normal((1 if broadcast == "a" else batch, m, k))
    b = rng.standard_normal((1 if broadcast == "b" else batch, k, n))
    y = rng.standard_normal((batch, m, n + gap))
    bias = rng.standard_normal(n)

    def lay(x: Array, turn: bool) -> tuple[int, tuple[int, int, int]]:
        rows, columns = x.shape[1:]
        held = np.zeros((x.shape[0], *((columns, rows + gap) if turn else (rows, columns + gap))))
        held[:, : columns if turn else rows, : rows if turn else columns] = x.swapaxes(1, 2) if turn else x
        step = held.shape[1] * held.shape[2] if x.shape[0] > 1 else 0
        return bench.put(held, dtype), (step, 1, held.shape[2]) if turn else (step, held.shape[2], 1)

    (at_a, a_strides), (at_b, b_strides) = lay(a, turned[0]), lay(b, turned[1])
    at_y = bench.put(y, out)
    addresses = [at_a, at_b, *([bench.put(bias, out)] if "bias" in epilogue else []), at_y]
    problem = Matmul(
        m, n, k, batch, dtype, out, a_strides, b_strides, (m * (n + gap), n + gap, 1), epilogue, accumulate,
        **more,
    )  # fmt: skip
    prepared = bench.run(problem, addresses)
    if prepared is None:
        return None
    expected = as_stored(a, dtype) @ as_stored(b, dtype)
    if problem.tf32:
        expected = tf32(a) @ tf32(b)
    if accumulate:
        expected = expected + as_stored(y, out)[..., :n]
    if "bias" in epilogue:
        expected = expected + as_stored(bias, out)
    if "relu" in epilogue:
        expected = np.maximum(expected, 0)
    if "gelu" in epilogue:
        inner = np.sqrt(2 / np.pi) * (expected + 0.044715 * expected**3)
        expected = 0.5 * expected * (1 + np.tanh(inner))
    got = bench.take(at_y, y.shape, out)
    close(got[..., :n], expected, out, k)
    np.testing.assert_array_equal(got[..., n:], as_stored(y, out)[..., n:])
    return prepared


@pytest.mark.parametrize("turned", TURNS)
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 4, 6), (4, 1, 6), (4, 6, 1), (1, 1, 1), (8, 6, 96)])
def test_products_of_all_orientations(bench: Bench, shape: tuple[int, int, int], turned: Any) -> None:
    for batch, gap in ((1, 0), (3, 0), (2, 3)):
        assert product(bench, *shape, batch, "float32", "float32", turned, gap=gap)
    assert bench.streams == [7] * 3


@pytest.mark.parametrize(
    ("dtype", "out"),
    [("float32", "float32"), ("float64", "float64"), ("float16", "float16"), ("float16", "float32"),
     ("bfloat16", "bfloat16"), ("bfloat16", "float32")],
)  # fmt: skip
def test_products_of_all_dtypes(bench: Bench, dtype: str, out: str) -> None:
    for epilogue in ("", "bias", "relu", "bias_relu", "gelu", "bias_gelu"):
        for accumulate in (False, True):
            done = product(bench, 5, 6, 70, 2, dtype, out, (False, True), epilogue, accumulate)
            assert (done is None) == (dtype == "float64" and epilogue != "")
    product(bench, 5, 6, 70, 3, dtype, out, (True, False), broadcast="a")
    product(bench, 5, 6, 70, 3, dtype, out, (False, False), broadcast="b", sums="exact")


def test_what_is_said_of_a_product(bench: Bench) -> None:
    done = product(bench, 16, 16, 256, 1, "float32", "float32", (False, False), tf32=True)
    assert done.workspace == 4 * 16 * 16 and "cublaslt" in done.algorithm
    assert product(bench, 16, 16, 256, 1, "float32", "float32", (False, False), sums="whole").workspace == 0
    assert product(bench, 16, 16, 256, 1, "float32", "float32", (False, False), workspace=0).workspace == 0
    said = product(bench, 16, 16, 8, 1, "float32", "float32", (False, False), "bias", alignment=(4, 8, 4, 16))
    assert said.workspace == 0
    assert bench.cublaslt.chosen[-1].alignments == (8, 4, 16, 16)  # a and b change places
    assert bench.cublaslt.chosen[-1].bias == 4


def test_a_misaligned_address_is_found(bench: Bench) -> None:
    problem = Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1))
    prepared = libraries.prepare(problem, Device())
    assert prepared is not None
    at = bench.put(np.zeros(256), "float32")
    with pytest.raises(libraries.LibraryError, match="CUBLAS_STATUS_INVALID_VALUE when calling `cublasLtMatmul`"):
        prepared.run([at + 4, at, at + 256], Stream(0))


def test_products_that_can_not_be_said(bench: Bench) -> None:
    base = Matmul(4, 5, 6, 2, "float32", "float32", (24, 6, 1), (30, 5, 1), (20, 5, 1))
    for change in (
        {"a_strides": (24, 12, 2)}, {"b_strides": (30, 1, 1)}, {"out_strides": (20, 1, 4)},
        {"out_strides": (0, 5, 1)}, {"a_strides": (-24, 6, 1)}, {"out": "float16"}, {"dtype": "int32"},
        {"m": 0}, {"m": 1 << 31},
    ):  # fmt: skip
        assert libraries.prepare(base._replace(**change), Device()) is None, change
    assert not bench.cublaslt.refusals
    assert libraries.prepare(base, Device()) is not None


def test_orientations() -> None:
    assert cublaslt.orientation(2, 3, (3, 1)) == (cublaslt.OP_N, 3)
    assert cublaslt.orientation(2, 3, (1, 2)) == (cublaslt.OP_T, 2)
    assert cublaslt.orientation(2, 3, (1, 1)) is None
    assert cublaslt.orientation(1, 3, (0, 1)) == (cublaslt.OP_N, 3)
    assert cublaslt.orientation(3, 1, (5, 0)) == (cublaslt.OP_N, 5)
    assert cublaslt.orientation(1, 3, (0, 7)) == (cublaslt.OP_T, 7)
    assert cublaslt.orientation(2, 3, (0, 1)) is None


def test_a_problem_is_prepared_once(bench: Bench) -> None:
    p = Matmul(16, 16, 128, 1, "float32", "float32", (0, 128, 1), (0, 16, 1), (0, 16, 1))
    first = libraries.prepare(p, Device())
    assert first is not None and libraries.prepare(p, Device()) is first
    assert libraries.prepare(p._replace(workspace=first.workspace), Device()) is first
    assert bench.cublaslt.count("cublasLtMatmulAlgoGetHeuristic") == 1
    assert libraries.prepare(p, Device(index=1)) is not first
    assert bench.cublaslt.count("cublasLtCreate") == 2


def test_running_is_one_call(bench: Bench) -> None:
    bench.run(
        Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1), "bias"),
        [bench.put(np.ones(256), "float32") for _ in range(4)],
    )
    p = Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1), "bias")
    prepared: Any = libraries.prepare(p, Device())
    at = [bench.put(np.ones(16), "float32") for _ in range(4)]
    before = len(bench.cublaslt.calls)
    prepared.run(at, Stream(0))
    assert bench.cublaslt.calls[before:] == ["cublasLtMatmulDescSetAttribute", "cublasLtMatmul"]
    prepared.run(at, Stream(0))
    assert bench.cublaslt.calls[before + 2 :] == ["cublasLtMatmul"]


def test_descriptions_are_given_back(bench: Bench) -> None:
    def made() -> int:
        return sum(type(x).__name__ in ("Layout", "Description", "Preference", "Tensor", "Filter")
                   for lib in (bench.cublaslt, bench.cudnn) for x in lib.objects.values())  # fmt: skip

    p = Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1), "bias")
    c = Convolution("forward", "float32", (1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    assert libraries.prepare(p, Device()) and libraries.prepare(c, Device())
    assert made() > 0
    libraries.use()
    assert made() == 0


# --- convolutions ---------------------------------------------------------------------------------


class Case(NamedTuple):
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def y(self) -> tuple[int, ...]:
        steps = zip(self.x[2:], self.w[2:], self.stride, self.padding, self.dilation)
        return (self.x[0], self.w[0], *[(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in steps])


CASES = [
    Case((2, 4, 9), (6, 2, 3), (2,), (1,), (2,), 2),
    Case((2, 3, 8, 7), (4, 3, 3, 2), (1, 2), (1, 0), (2, 1)),
    Case((1, 6, 5, 5), (6, 2, 1, 3), (1, 1), (0, 1), (1, 1), 3),
    Case((2, 2, 4, 5, 6), (3, 2, 2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 2)),
]


def convolve(bench: Bench, case: Case, kind: str, dtype: str = "float32", **more: Any) -> Any:
    """Compute it and compare with sums written out."""
    shapes = {"x": case.x, "w": case.w, "y": case.y}
    values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    first, second, out = {"forward": "xwy", "input": "ywx", "weight": "yxw"}[kind]
    addresses = [bench.put(values[name], dtype) for name in (first, second, out)]
    problem = Convolution(kind, dtype, *shapes.values(), *case[2:], tf32=False)._replace(**more)
    prepared = bench.run(problem, addresses)
    if prepared is None:
        return None
    held = {n: np.zeros(v.shape) if n == out else as_stored(v, dtype) for n, v in values.items()}
    if problem.tf32 and dtype == "float32":
        held = {n: tf32(v) for n, v in held.items()}
    expected = held[out]
    for n, o in itertools.product(range(case.x[0]), range(case.w[0])):
        per = case.w[0] // case.groups
        for c, place, at in itertools.product(
            range(case.w[1]), np.ndindex(*case.y[2:]), np.ndindex(*case.w[2:])
        ):
            steps = zip(place, case.stride, at, case.dilation, case.padding)
            where = tuple(p * s + k * d - q for p, s, k, d, q in steps)
            if all(0 <= i < size for i, size in zip(where, case.x[2:])):
                source = (n, o // per * case.w[1] + c, *where)
                terms = {"x": source, "w": (o, c, *at), "y": (n, o, *place)}
                expected[terms[out]] += held[first][terms[first]] * held[second][terms[second]]
    close(bench.take(addresses[2], shapes[out], dtype), expected, dtype, 64)
    return prepared


@pytest.mark.parametrize("kind", ["forward", "input", "weight"])
@pytest.mark.parametrize("case", CASES)
def test_convolutions(bench: Bench, case: Case, kind: str) -> None:
    assert convolve(bench, case, kind)
    assert bench.cudnn.ran[-1][2] == 3  # exact float32


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("kind", ["forward", "input", "weight"])
def test_convolutions_of_all_dtypes(bench: Bench, dtype: str, kind: str) -> None:
    small = Case((1, 2, 4, 4), (3, 2, 2, 2), (1, 1), (0, 1), (1, 1))
    assert convolve(bench, small, kind, dtype, tf32=True)
    assert bench.cudnn.ran[-1][2] == {"float16": 1, "bfloat16": 1}.get(dtype, 0)


def test_ways_of_a_convolution(bench: Bench) -> None:
    case = Case((1, 2, 4, 4), (3, 2, 2, 2), (1, 1), (0, 1), (1, 1))
    assert convolve(bench, case, "weight").algorithm == "cudnn weight 0"
    assert convolve(bench, case, "weight", deterministic=True).algorithm == "cudnn weight 1"
    assert convolve(bench, case, "weight", deterministic=True, workspace=8) is None
    assert convolve(bench, case, "forward", workspace=8).workspace == 0
    find = "cudnnFindConvolutionForwardAlgorithm"
    assert not bench.cudnn.count(find)
    assert convolve(bench, case, "forward", benchmark=True).algorithm == "cudnn forward 0"
    assert bench.cudnn.count(find) == 1


def test_the_stream_of_a_handle_is_set_when_it_changes(bench: Bench) -> None:
    c = Convolution("forward", "float32", (1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    at = [bench.put(np.ones(100), "float32") for _ in range(3)]
    for stream in (0, 5, 5, 9):
        bench.run(c, at, stream)
    assert bench.streams == [0, 5, 5, 9] and bench.cudnn.count("cudnnSetStream") == 2


def test_convolutions_that_can_not_be_said(bench: Bench) -> None:
    c = Convolution("forward", "float32", (1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    for change in (
        {"dtype": "int32"}, {"x": (1, 2, 5, 0)}, {"x": (1 << 12, 1 << 12, 1 << 4, 1 << 4)},
        {"y": (1, 3, 4, 3)}, {"groups": 2}, {"stride": (1, 1 << 17)},
    ):  # fmt: skip
        assert libraries.prepare(c._replace(**change), Device()) is None, change


# --- what is there --------------------------------------------------------------------------------


def test_a_library_that_is_absent_old_or_broken(bench: Bench) -> None:
    p = Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1))
    c = Convolution("forward", "float32", (1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    assert libraries.available() == {"cublaslt", "cudnn"}
    assert libraries.version("cublaslt") == 120903 and libraries.version("cudnn") == 92800
    libraries.use(cublaslt=libraries.ABSENT, cudnn=libraries.ABSENT)
    assert libraries.available() == frozenset() and libraries.version("cudnn") is None
    assert libraries.prepare(p, Device()) is None and "pip install" in libraries.why_not("cublaslt")
    memory, submit = bench.memory.range, bench.submit
    libraries.use(cublaslt=CublasLt(memory, submit, 110000), cudnn=Cudnn(memory, submit, 8907))
    assert libraries.prepare(p, Device()) is None and libraries.prepare(c, Device()) is None
    libraries.use(cublaslt=CublasLt(memory, submit, works=False), cudnn=Cudnn(memory, submit, works=False))
    assert libraries.prepare(p, Device()) is None and libraries.prepare(c, Device()) is None
    assert "CUBLAS_STATUS_NOT_INITIALIZED" in libraries.why_not("cublaslt")
    assert "CUDNN_STATUS_NOT_INITIALIZED" in libraries.why_not("cudnn")
    libraries.use(cublaslt=object(), cudnn=object())
    assert libraries.prepare(p, Device()) is None and libraries.prepare(c, Device()) is None


def test_the_switch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cuda_libraries", False)
    assert libraries.available() == frozenset()
    assert "FLAMBEAU_CUDA_LIBRARIES" in libraries.why_not("cudnn")


def test_wheels_are_found_without_importing_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    versions, folders = libraries._WHERE["cudnn"]
    place = tmp_path / "nvidia" / folders[-1]
    place.mkdir(parents=True)
    file = place / versions[12]
    file.write_bytes(b"not a library")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    libraries.use()
    assert str(file) in list(libraries._files("cudnn"))
    if not libraries._simulated():
        assert "cudnn" in libraries.available()
    assert "nvidia" not in sys.modules
    libraries.use()


# --- planning -------------------------------------------------------------------------------------


class Room:
    """What a planner has: here every device is the one above."""

    def __init__(self, libs: frozenset[str] = frozenset(["cublaslt", "cudnn"])) -> None:
        self.gpu = Gpu(libraries=libs)
        self.owner: dict[int, int] = {}
        self.asked: list[int] = []

    def temporary(self, nbytes: int) -> int:
        self.asked.append(nbytes)
        return 100 + len(self.asked)


@pytest.fixture
def room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(library_calls, "device_of", lambda room: Device())
    return Room()


def placed(slot: int, *shape: int, dtype: str = "float32", turned: bool = False, offset: int = 0) -> Placed:
    x = Placed(slot, dtype, shape, row_major(shape), offset)
    if turned:
        x = x._replace(shape=(*shape[:-2], shape[-1], shape[-2]),
                       strides=(*x.strides[:-2], x.strides[-1], x.strides[-2]))  # fmt: skip
    return x


def only(found: Any) -> LibraryLaunch:
    (launch,) = found
    assert isinstance(launch, LibraryLaunch)
    return launch


def test_products_are_planned(room: Room) -> None:
    x = only(library_calls.matmul(room, placed(0, 8, 96), placed(1, 4, 96, turned=True), placed(2, 8, 4)))
    p = x.problem
    assert (p.m, p.n, p.k, p.batch) == (8, 4, 96, 1) and p.b_strides[1:] == (1, 96)
    assert p.workspace == 4 * 8 * 4 == room.asked[-1] and x.args[-1].slot == 101
    assert [a.slot for a in x.args] == [0, 1, 2, 101] and x.flops == 2 * 8 * 4 * 96
    # A batch whose weight is the same is one product.
    x = only(library_calls.matmul(room, placed(0, 3, 8, 6), placed(1, 6, 4), placed(2, 3, 8, 4), placed(3, 4)))
    assert (x.problem.m, x.problem.batch, x.problem.epilogue) == (24, 1, "bias") and len(x.args) == 4
    # Heads of attention.
    x = only(library_calls.matmul(
        room, placed(0, 2, 3, 8, 6), placed(1, 2, 3, 9, 6, turned=True), placed(2, 2, 3, 8, 9)))  # fmt: skip
    assert x.problem.batch == 6 and x.problem.a_strides == (48, 6, 1)
    # A result that lies in columns is the turned product.
    out = placed(2, 4, 8, turned=True)
    x = only(library_calls.matmul(room, placed(0, 8, 6), placed(1, 6, 4), out))
    assert (x.problem.m, x.problem.n) == (4, 8) and x.problem.out_strides[1:] == (8, 1)
    assert [a.slot for a in x.args][:2] == [1, 0]
    # Offsets and slots that a run-time number has moved say how addresses are aligned.
    room.owner[1] = 5
    x = only(library_calls.matmul(room, placed(0, 8, 6, offset=4), placed(1, 6, 4), placed(2, 8, 4), placed(3, 4)))
    assert x.problem.alignment == (16, 4, 256, 256) and x.args[0].offset == 16


def test_products_are_left_to_our_kernels(room: Room) -> None:
    a, b, out = placed(0, 8, 6), placed(1, 6, 4), placed(2, 8, 4)
    assert library_calls.matmul(Room(frozenset(["cudnn"])), a, b, out) is None
    assert library_calls.matmul(room, a._replace(strides=(12, 2)), b, out) is None
    assert library_calls.matmul(room, placed(0, 0, 6), b, placed(2, 0, 4)) is None
    assert library_calls.matmul(room, a._replace(dtype="float16"), b, out) is None
    assert library_calls.matmul(room, a, b, out, bias=placed(3, 8, 1)) is None  # of rows
    assert library_calls.matmul(room, a, b, out, accumulate=True, epilogue="relu") is None
    assert library_calls.matmul(room, a, b, out, bias=placed(3, 4, dtype="float16")) is None
    many = placed(0, 2, 3, 8, 6)._replace(strides=(6, 96, 12, 1))
    assert library_calls.matmul(room, many, placed(1, 2, 3, 6, 4), placed(2, 2, 3, 8, 4)) is None


def test_switches_are_part_of_the_problem(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def problem(dtype: str) -> Any:
        arrays = [placed(i, *s, dtype=dtype) for i, s in enumerate([(8, 6), (6, 4), (8, 4)])]
        return only(library_calls.matmul(room, *arrays)).problem

    assert not problem("float32").tf32 and problem("float16").sums == "rounded"
    assert problem("float32").sums == "exact"
    monkeypatch.setattr(config, "cuda_matmul_tf32", True)
    monkeypatch.setattr(config, "cuda_float16_sums", False)
    assert problem("float32").tf32 and not problem("float64").tf32 and problem("float16").sums == "exact"
    monkeypatch.setattr(config, "cuda_float16_splits", False)
    assert problem("float16").sums == "whole" and problem("bfloat16").sums == "rounded"


def test_convolutions_are_planned(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, y = placed(0, 2, 4, 8, 8), placed(1, 6, 4, 3, 3), placed(2, 2, 6, 8, 8)
    rest: Any = ((1, 1), (1, 1), (1, 1))

    def problem(kind: str = "forward", *arrays: Placed, groups: int = 1) -> Any:
        found = library_calls.convolution(room, kind, *(arrays or (x, w, y)), *rest, groups)
        return None if found is None else only(found).problem

    assert problem().tf32 and problem("input", y, w, x)[2:5] == problem("weight", y, x, w)[2:5] == problem()[2:5]
    both = library_calls.convolution(room, "forward", x, w, y, *rest, 1, bias=placed(3, 6))
    assert both is not None and isinstance(both[1], GpuLaunch) and both[1].kernel.name == "add_bias_float32"
    assert problem("forward", x._replace(offset=1), w, y) is None
    assert problem("forward", x._replace(strides=(256, 1, 32, 4)), w, y) is None
    deep = (placed(0, 2, 4, 8, 8), placed(1, 4, 1, 3, 3), placed(2, 2, 4, 8, 8))
    assert problem("forward", *deep, groups=4) is None
    monkeypatch.setattr(config, "cudnn_depthwise", True)
    assert problem("forward", *deep, groups=4).groups == 4
    for switch, field in (("deterministic", "deterministic"), ("cudnn_benchmark", "benchmark")):
        monkeypatch.setattr(config, switch, True)
        assert getattr(problem(), field)
    monkeypatch.setattr(config, "cuda_conv_tf32", False)
    assert not problem().tf32
    monkeypatch.setattr(config, "cudnn_enabled", False)
    assert problem() is None


@pytest.mark.parametrize("dtype", list(STORED))
@pytest.mark.parametrize("space", [(2, 4), (3, 3)])
def test_a_bias_is_added_to_each_channel(room: Room, dtype: str, space: tuple[int, ...]) -> None:
    shape = (2, 5, *space)
    out, bias = rng.standard_normal(shape), rng.standard_normal(5)
    of_bias = "float32" if dtype == "float16" else dtype
    launch = library_calls._add_bias(room, placed(0, *shape, dtype=dtype), placed(1, 5, dtype=of_bias))
    assert isinstance(launch, GpuLaunch)
    held = rounded(out, np.dtype(STORED[dtype]), dtype == "bfloat16")
    added = rounded(bias, np.dtype(STORED[of_bias]), of_bias == "bfloat16")
    for capability in (75, 90):
        y = held.copy()
        text = launch.kernel.emit(target(capability), "add_bias")
        run_kernel(text, "add_bias", launch.grid, launch.block, launch.args, table=[y, added],
                   capability=capability, race_check=True)  # fmt: skip
        expected = real(held, dtype == "bfloat16") + real(added, of_bias == "bfloat16").reshape(5, 1, 1)
        close(real(y, dtype == "bfloat16"), as_stored(expected, dtype), dtype, 1)


def test_correlate_is_what_it_says() -> None:
    case = CASES[1]
    x, w = rng.standard_normal(case.x), rng.standard_normal(case.w)
    y = np.zeros(case.y)
    how: Any = type("how", (), {"groups": 1, "pad": case.padding, "stride": case.stride, "dilation": case.dilation})
    correlate("Forward", x, w, y, how)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (0, 0)])
    assert np.isclose(y[1, 2, 0, 1], (padded[1, :, 0:6:2, 2:4] * w[2]).sum())


# --- programs -------------------------------------------------------------------------------------


def network() -> tuple[Any, Any]:
    torch.manual_seed(0)
    nn: Any = torch.nn
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5))
    return net, torch.randn(4, 2, 6, 6)


def gradients(net: Any, x: Any) -> list[Array]:
    net.zero_grad()
    net(x).square().sum().backward()
    return [p.grad.cpu().numpy() for p in net.parameters()]


def kinds() -> set[str]:
    """Classes of the problems of the last program that was compiled."""
    program: Any = [p for p in tiering.programs() if p.compiled][-1]
    launches = [x for step in program.compiled.plan.steps for x in step.launches]
    return {type(x.problem).__name__ for x in launches if isinstance(x, LibraryLaunch)}


def test_training_with_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's products and convolutions are the libraries', direct and in a graph; as on the CPU."""
    monkeypatch.setattr(contractions, "LARGE", 1)
    monkeypatch.setattr(config, "cuda_conv_tf32", False)
    net, x = network()
    expected = gradients(net, x)
    with simulated(libraries=True) as gpu:
        net, x = net.cuda(), x.cuda()
        for _ in range(8):
            for got, wanted in zip(gradients(net, x), expected, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
            tiering.wait_for_compiler()
        calls = [c.name for c in gpu.calls]
        assert "library call" in calls and "cuGraphLaunch" in calls
        assert kinds() == {"Matmul", "Convolution"}
        with torch.backends.cudnn.flags(enabled=False):  # has everything planned anew
            for _ in range(4):
                gradients(net, x)
                tiering.wait_for_compiler()
            assert kinds() == {"Matmul"}
    assert torch.backends.cudnn.is_available() is False


def test_what_is_told_of_the_libraries() -> None:
    with simulated():
        assert torch.backends.cuda.is_built() and not torch.backends.cudnn.is_available()
    with simulated(libraries=True):
        assert torch.backends.cudnn.is_available() and torch.backends.cudnn.version() == 92800
        x = torch.ones(2, device="cuda")
        assert torch.backends.cudnn.is_acceptable(x)
        assert not torch.backends.cudnn.is_acceptable(x.int())


def test_a_second_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contractions, "LARGE", 1)
    a, b = rng.standard_normal((2, 64, 64)).astype(np.float32)
    with simulated(libraries=True, count=2) as gpu:
        x, y = (torch.from_numpy(v).to("cuda:1") for v in (a, b))
        close((x @ y).cpu().numpy(), a.astype(np.float64) @ b, "float32", 64)
        assert gpu.counts()["library call"] == 1
        close((x.cuda(0) @ y.cuda(0)).cpu().numpy(), a.astype(np.float64) @ b, "float32", 64)


def test_a_library_that_fails(bench: Bench) -> None:
    p = Matmul(4, 4, 4, 1, "float32", "float32", (0, 4, 1), (0, 4, 1), (0, 4, 1))
    c = Convolution("forward", "float32", (1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    product, convolution = libraries.prepare(p, Device()), libraries.prepare(c, Device())
    assert product and convolution
    at = [bench.put(np.zeros(1024), "float32") for _ in range(4)]
    bench.cublaslt._submit = bench.cudnn._submit = lambda stream, action: 719
    with pytest.raises(libraries.LibraryError, match="CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"):
        product.run(at, Stream(0))
    with pytest.raises(libraries.LibraryError, match="cuDNN error: CUDNN_STATUS"):
        convolution.run(at, Stream(0))
