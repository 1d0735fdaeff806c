"""`torch.cuda.graphs`: what a program does once, done again with what its tensors hold then.

Every program that repeats is replayed as a CUDA graph by itself; nobody has to ask for it. A
`CUDAGraph` is there for programs that do: it records the operations of a `with` block without running
them, and `replay` runs them anew, reading the tensors that they read and writing those that they
wrote, with new random numbers. What numbers Python computes (a learning rate, a count of steps) are
those of the recording, as in PyTorch.
"""

from __future__ import annotations

import gc
from itertools import count
from typing import Any, NamedTuple, NoReturn

from flambeau.core import device as devices
from flambeau.engine.flush import flush
from flambeau.errors import refusing
from flambeau.graph.trace import state
from flambeau.graph.value import Value, leaf
from flambeau.ops.philox import numbers
from flambeau.runtime import cuda as driver
from flambeau.runtime.storage import Storage

from ._needing import needing, require, submit, thread
from .streams import is_current_stream_capturing

__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing",
           "make_graphed_callables"]  # fmt: skip

_COUNTING = frozenset([
    "adagrad_step", "adam_step", "adamax_step", "asgd_step", "nadam_step", "radam_step",
])  # fmt: skip
"""Operations whose numbers change with the count of steps, which Python keeps."""


class _Trace(list[Value]):
    """What is recorded for a graph, in place of the thread's pending operations. It says that it is
    empty: who would run what is pending leaves it alone, at whatever length."""

    def __bool__(self) -> bool:
        return False


class _Node(NamedTuple):
    """An operation of a recording. `inputs` are places in the recording's pool."""

    op: Any
    aval: Any
    params: Any
    token: int
    inputs: tuple[int, ...]


class _Recording:
    """Operations, and where their inputs come from: the pool is the storages' values, then constants,
    then the operations' results."""

    def __init__(self) -> None:
        self.storages: list[Storage] = []
        """What is read."""
        self.constants: list[Any] = []
        self.nodes: list[_Node] = []
        self.results: list[tuple[int, Storage]] = []
        """Which operations' results are written to which storages."""
        self.draws: list[tuple[int, list[int], int]] = []
        """Of operations that draw: the GPU, the constants that are the seed and the start (see
        `ops.philox.numbers`), and its distance from where the generator was."""
        self.drawn: dict[int, int] = {}
        """By how much the GPUs' generators moved."""


class CUDAGraph:
    """What was recorded between `capture_begin` and `capture_end`; `torch.cuda.graph` calls both.

    Tensors that are written in the recording hold what they held before, until `replay`. What autograd
    saved while it was recorded belongs to the recording: `backward` must be called inside as well.

    Args:
        keep_graph: accepted.
    """

    def __new__(cls, keep_graph: bool = False) -> Any:
        require()
        return super().__new__(cls)

    def __init__(self, keep_graph: bool = False) -> None:
        self._recording: _Recording | None = None
        self._before: list[tuple[Storage, Value]] = []
        self._marks: dict[int, Any] = {}
        self._trace: list[Value] = []
        self._pool: tuple[int, int] = (0, 0)

    # --- recording --------------------------------------------------------------------------------

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        """Record what this thread does from here on.

        Raises:
            RuntimeError: something is being recorded already, or was recorded here before.
        """
        if thread.graph is not None:
            raise RuntimeError("torch.cuda.graph: another CUDAGraph is being captured in this thread")
        if self._recording is not None:
            raise RuntimeError("This CUDAGraph instance already owns a captured graph. reset() it first.")
        submit("torch.cuda.graph begins")
        self._pool = graph_pool_handle() if pool is None else pool
        self._before = _lazy_storages()
        self._marks = {i: g._stream.mark() for i, g in _generators().items()}
        self._trace = state.nodes = _Trace()
        thread.graph = self

    def capture_end(self) -> None:
        """Record no more.

        Raises:
            RuntimeError: something inside has looked at a result, or can't be recorded.
        """
        if thread.graph is not self:
            raise RuntimeError("capture_end(): this CUDAGraph is not being captured")
        thread.graph = None
        state.nodes = []
        try:
            if any([node.buffer is not None for node in self._trace]):
                raise RuntimeError(
                    "CUDA error: operation not permitted when stream is capturing: inside of "
                    "torch.cuda.graph a result was looked at (by item(), print(), cpu(), an if)"
                )
            self._recording = self._recorded(self._trace)
        finally:
            self._trace = []
            self._give_back()

    def _abandon(self) -> None:
        """End a recording that has failed."""
        thread.graph = None
        state.nodes, self._trace = [], []
        self._give_back()

    def _give_back(self) -> None:
        """Tensors hold what they held before, and generators are where they were."""
        for storage, value in self._before:
            if storage.value is not None:
                storage.value = value
        generators = _generators()
        for index, mark in self._marks.items():
            generators[index]._stream.go_back(mark)
        self._before = []

    def _recorded(self, nodes: list[Value]) -> _Recording:
        order: dict[int, int] = {}
        kept: list[Value] = []
        for node in nodes:
            a = node.aval[0] if isinstance(node.aval, tuple) else node.aval
            if a.device is devices.CPU:
                state.nodes.append(node)  # it runs once, as in PyTorch
            else:
                order[id(node)] = len(kept)
                kept.append(node)
        made = _Recording()
        made.results = [
            (order[id(s.value)], s) for s in _storages() if s.value is not None and id(s.value) in order
        ]
        alive = _alive(kept, order, {place for place, _ in made.results})
        places = _Places(made, {id(value): storage for storage, value in self._before})
        at: dict[int, int] = {}
        drafts: list[tuple[Value, list[tuple[str, int]]]] = []
        for number, node in enumerate(kept):
            if number not in alive:
                continue
            if node.op.name in _COUNTING:
                raise RuntimeError(
                    f"Attempting CUDA graph capture of an optimizer's step() ({node.op.name}) whose numbers "
                    "change from step to step: flambeau counts steps in Python. Call step() after replay()"
                )
            inputs = [
                ("node", at[order[id(x)]]) if x.__class__ is Value and id(x) in order else places.of(x)
                for x in node.inputs
            ]
            at[number] = len(drafts)
            drafts.append((node, inputs))
            if node.op.name.startswith("philox_"):
                places.draw(node, inputs, self._marks)
        first = {"storage": 0, "constant": len(made.storages)}
        first["node"] = first["constant"] + len(made.constants)
        made.nodes = [
            _Node(n.op, n.aval, n.params, n.token, tuple([first[kind] + i for kind, i in inputs]))
            for n, inputs in drafts
        ]
        made.results = [(first["node"] + at[place], s) for place, s in made.results]
        if made.draws:
            for index, generator in _generators().items():
                (seed, now), (was_seed, was) = generator._stream.mark(), self._marks[index]
                if seed == was_seed and now > was:
                    made.drawn[index] = now - was
        return made

    # --- replaying --------------------------------------------------------------------------------

    def replay(self) -> None:
        """Run what was recorded, on the current stream.

        Raises:
            RuntimeError: nothing was recorded, or a tensor that it reads has another shape now.
        """
        if self._recording is None:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        submit("torch.cuda.CUDAGraph.replay()", waits=True)
        _record_again(self._recording)
        flush("torch.cuda.CUDAGraph.replay()")

    def reset(self) -> None:
        """Forget what was recorded."""
        self._recording = None

    def pool(self) -> tuple[int, int]:
        """A number for the memory; all graphs share one pool here."""
        return self._pool

    def instantiate(self) -> None:
        """Nothing: it is done at the first replays."""

    def register_generator_state(self, state: Any) -> None:
        """Accepted; the GPUs' default generators are registered by themselves."""

    def enable_debug_mode(self) -> None:
        """Accepted; see `debug_dump`."""

    def debug_dump(self, debug_path: str) -> None:
        """Write the operations as text to a file."""
        if self._recording is None:
            raise RuntimeError("Called CUDAGraph::debug_dump without a preceding successful capture.")
        with open(debug_path, "w", encoding="utf-8") as file:
            for n in self._recording.nodes:
                file.write(f"{n.aval} = {n.op.name}({', '.join(f'%{i}' for i in n.inputs)}) {n.params}\n")

    def raw_cuda_graph(self) -> NoReturn:
        """NotImplementedError: the driver's graphs are made and dropped as programs need it."""
        raise NotImplementedError("CUDAGraph.raw_cuda_graph(): a flambeau graph is no single graph of CUDA's")


class _Places:
    """Where the inputs of a recording come from."""

    def __init__(self, made: _Recording, storages: dict[int, Storage]) -> None:
        self.made, self.storages = made, storages
        self.known: dict[int, tuple[str, int]] = {}

    def of(self, x: Any) -> tuple[str, int]:
        """The place of what is no result: the content of a storage, or a constant."""
        made = self.made
        if x.__class__ is Value:
            found = self.known.get(id(x))
            if found is not None:
                return found
            storage = self.storages.get(id(x))
            if storage is not None:
                made.storages.append(storage)
                found = ("storage", len(made.storages) - 1)
            else:
                made.constants.append(x)
                found = ("constant", len(made.constants) - 1)
            self.known[id(x)] = found
            return found
        made.constants.append(x)
        return ("constant", len(made.constants) - 1)

    def draw(self, node: Value, inputs: list[tuple[str, int]], marks: dict[int, Any]) -> None:
        """Note a draw from a GPU's default generator."""
        index = node.aval.device.index or 0
        seed, offset = marks[index]
        *key, start = node.inputs[:3]
        if key == list(numbers(seed, 0)[:2]):
            places = [place for _, place in inputs[:3]]
            self.made.draws.append((index, places, int(start) - offset // 4))


def _record_again(made: _Recording) -> None:
    """Record the operations anew. Nothing refers to their results afterwards but the storages."""
    constants = made.constants
    if made.drawn:
        constants = constants.copy()
        generators = _generators()
        marks = {index: generators[index]._stream.mark() for index in made.drawn}
        for index, places, distance in made.draws:
            seed, offset = marks[index]
            for place, number in zip(places, numbers(seed, offset // 4 + distance)):
                constants[place] = number
        for index, words in made.drawn.items():
            seed, offset = marks[index]
            generators[index]._stream.go_back((seed, offset + words))
    pool: list[Any] = [_content(storage) for storage in made.storages]
    pool += constants
    for op, aval, params, token, inputs in made.nodes:
        value = Value(op, aval, tuple([pool[i] for i in inputs]), params)
        value.token = token
        pool.append(value)
        state.nodes.append(value)
    for place, storage in made.results:
        storage.value = pool[place]


def _content(storage: Storage) -> Value:
    if storage.value is None:
        from flambeau.frontend import cuda_arrays

        return cuda_arrays.current(storage)
    return storage.value  # type: ignore[no-any-return]


def _alive(nodes: list[Value], order: dict[int, int], results: set[int]) -> set[int]:
    """The operations that some of the results need."""
    alive = set(results)
    for number in range(len(nodes) - 1, -1, -1):
        if number in alive:
            alive.update(order[id(x)] for x in nodes[number].inputs if id(x) in order)
    return alive


def _storages() -> list[Storage]:
    """All storages on GPUs that there are."""
    if gc.get_freeze_count():
        gc.unfreeze()  # else they would not be among the objects
    return [
        x for x in gc.get_objects()
        if type(x) is Storage and x.aval is not None and x.aval.device is not devices.CPU
    ]  # fmt: skip


def _lazy_storages() -> list[tuple[Storage, Value]]:
    """All lazy storages on GPUs and their values, each with one of its own."""
    found, seen = [], set()
    for storage in _storages():
        value = storage.value
        if value is None or value.buffer is None:
            continue
        if id(value) in seen:
            value = storage.value = leaf(value.aval, value.buffer)
        seen.add(id(value))
        found.append((storage, value))
    return found


def _generators() -> dict[int, Any]:
    from flambeau.frontend.cuda_random import generator

    return {i: generator(i) for i in range(driver.device_count())}


class graph:  # noqa: N801
    """`with torch.cuda.graph(g):` records a block in a `CUDAGraph`.

    Args:
        cuda_graph: where.
        pool, stream, capture_error_mode: accepted: there is one pool of memory, and a recording is of
            no stream.
    """

    def __init__(
        self, cuda_graph: CUDAGraph, pool: Any = None, stream: Any = None,
        capture_error_mode: str = "global", **_: Any,
    ) -> None:  # fmt: skip
        self.cuda_graph, self.pool = cuda_graph, pool
        self.capture_error_mode = capture_error_mode

    def __enter__(self) -> None:
        self.cuda_graph.capture_begin(self.pool, self.capture_error_mode)

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self.cuda_graph.capture_end()
        elif thread.graph is self.cuda_graph:
            self.cuda_graph._abandon()


_handles = count(1)


@needing
def graph_pool_handle() -> tuple[int, int]:
    """A number for a pool of memory; all graphs share one here."""
    return (0, next(_handles))


@needing
def make_graphed_callables(
    callables: Any, sample_args: Any, num_warmup_iters: int = 3, allow_unused_input: bool = False,
    pool: Any = None,
) -> Any:  # fmt: skip
    """What it was given: functions and modules that repeat are compiled and replayed as CUDA graphs by
    themselves, their backward passes included.

    Raises:
        TypeError: something in `callables` is not callable.
    """
    for function in callables if isinstance(callables, tuple) else (callables,):
        if not callable(function):
            raise TypeError(f"make_graphed_callables(): expected callables, got {type(function).__name__}")
    return callables


__getattr__ = refusing(__name__)
