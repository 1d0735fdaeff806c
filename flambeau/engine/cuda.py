"""The engine on NVIDIA GPUs: what runs programs there, and copies between devices.

Nothing of this is imported before a tensor is on a GPU. A program is of one device, which its avals
name. It runs at first operation by operation (`cuda_pieces`), and whole when it has been compiled
(`compile`), as a CUDA graph when it comes again (`cuda_graphs`). All of it is submitted and not waited
for; whoever brings a content to the host waits (`download`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import config
from ..codegen.cuda.kernel import Gpu
from ..core import device as devices
from ..core.aval import Aval
from ..graph.program import Capture, Program
from ..graph.trace import note_uploaded
from ..graph.value import Value, leaf
from ..runtime import cuda, cuda_api, cuda_memory, native
from . import cuda_faults, cuda_pieces, cuda_planning
from .compiled import Guard
from .cuda_executable import Executable, note
from .cuda_layout import call_of, whole
from .interpreter import Interpreter, step_of

UPLOADED = 8
"""The part of a GPU's memory that may be copied there before what is pending runs."""

VARIANTS = 4
"""Executables of a program that is not compiled, for different whole numbers, that are kept."""


def device_of(program: Program) -> Any:
    """The device that a program runs on."""
    a = program.instructions[0].aval
    return (a[0] if isinstance(a, tuple) else a).device


def facts(index: int) -> Gpu:
    """What a planner knows of a device."""
    return Gpu(*cuda.device(index).gpu(_libraries()))


def _libraries() -> frozenset[str]:
    try:
        from ..runtime import libraries
    except ImportError:
        return frozenset()
    return libraries.available()


# --- tiers --------------------------------------------------------------------------------------


class Unfused:
    """What runs a program operation by operation."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.generation = cuda_planning.generation()
        self.index: int = device_of(program).index
        self.executable: Executable | None = None
        """The one that ran last."""
        self.others: list[Executable] = []
        """For other whole numbers."""

    def execute(self, captured: Capture) -> None:
        """Run with a capture's inputs and give its results their buffers. Inputs keep theirs: where
        an operation fails nothing has changed."""
        if native.available() and self._on_device(captured):
            return
        self._on_host(captured)

    def _on_device(self, captured: Capture) -> bool:
        if self.executable is not None and self.executable.run(captured, False):
            return True
        for made in self.others:
            if made is not self.executable and made.run(captured, False):
                self.executable = made
                return True
        glued = cuda_pieces.glue(self.program, captured.scalars, facts(self.index), self.index)
        guard = Guard(tuple(glued.constants), tuple(glued.constants.values()))
        self.executable = Executable(self.program, guard, glued.layout, self.index, False)
        self.others = [self.executable, *self.others][:VARIANTS]
        return self.executable.run(captured, False)

    def _on_host(self, captured: Capture) -> None:
        """Without a compiler, or with numbers beyond 64 bits: through NumPy."""
        from .buffers import as_array

        buffers = [as_array(x) for x in captured.leaves]
        outputs = Interpreter(self.program).run(buffers, list(captured.scalars))
        for value, content in zip(captured.results, outputs, strict=True):
            value.buffer = _uploaded(content, self.index)




def compile(program: Program, guard: Guard) -> Executable:
    """Plan a program whole and load its code."""
    index = device_of(program).index
    constants = dict(zip(guard.places, guard.values))
    plan = cuda_planning.plan(program, constants, facts(index), config.fusion, index)

    def hosted(call: Any, at: int) -> Any:
        ins = program.instructions[call.position]
        step = step_of(program, ins)
        several = isinstance(ins.aval, tuple)

        def run(values: list[Any]) -> Any:
            found = step(values)
            return found if several else (found,)

        return call_of(program, call, at, run)

    made = Executable(program, guard, whole(program, plan, hosted), index, True)
    made.plan = plan
    return made


def refresh(program: Program) -> None:
    """Forget what was made for switches, or devices, that are not the same any more."""
    now = cuda_planning.generation()
    if program.compiled is not None and program.compiled.generation != now:
        program.compiled, program.state, program.seen = None, "", None
    if program.interpreter is not None and program.interpreter.generation != now:
        program.interpreter = None


# --- copies -------------------------------------------------------------------------------------


def upload(array: Any, a: Aval, wait: bool = False) -> Value:
    """A value of aval `a`, on its device, with an array's content. What is not page-locked may be
    changed at once; what is, only when the stream has come there (or `wait`)."""
    index = a.device.index
    stream = cuda.current_stream(index)
    note(stream)
    array = np.ascontiguousarray(array, a.dtype.np)
    made = leaf(a, cuda_memory.to_device(array, index, stream, wait))  # type: ignore[arg-type]
    note_uploaded(array.nbytes, cuda.device(index).total_memory // UPLOADED)
    return made


def _uploaded(content: Any, index: int) -> Any:
    if isinstance(content, tuple):
        return tuple([_uploaded(x, index) for x in content])
    stream = cuda.current_stream(index)
    note(stream)
    return cuda_memory.to_device(np.ascontiguousarray(content), index, stream)


def download(value: Value) -> Any:
    """A computed value's content: a new array (a tuple of them for several results). Waits for it.

    Raises:
        IndexError: an operation has found an index out of range.
    """
    buffer = value.buffer
    if buffer.__class__ is tuple:
        return tuple([fetched(b, a) for b, a in zip(buffer, value.aval, strict=True)])
    return fetched(buffer, value.aval)


def fetched(block: Any, a: Aval) -> Any:
    """A block's content as an array of an aval's shape and dtype."""
    stream = cuda.current_stream(block.device)
    _behind(stream, block)
    faults = cuda_faults.pending(block.device)
    found = None if faults is None else faults.fetch(stream)
    content = cuda_memory.to_host(block, a.dtype.np, tuple(a.shape), stream)
    if faults is not None:
        if not content.nbytes:
            stream.synchronize()
        faults.raise_found(found, stream)
    return content


def download_later(value: Value) -> Any:
    """A computed value's content in a page-locked array, which is there when the device's current
    stream has come there. Nothing is waited for, and no fault is looked at."""
    block = value.buffer
    stream = cuda.current_stream(block.device)
    _behind(stream, block)
    return cuda_memory.to_pinned(block, value.aval.dtype.np, tuple(value.aval.shape), stream)


def _behind(stream: Any, block: Any) -> None:
    """A stream goes on after what a block's own holds now."""
    own = getattr(block, "stream", stream)
    if own is not stream:
        stream.wait_stream(own)


def copy_between(value: Value, a: Aval) -> Value:
    """A copy of a value on the device of aval `a`. What the value needs runs; nothing is waited for."""
    from .flush import flush

    if value.buffer is None:
        flush("a copy to another GPU")
        if value.buffer is None:
            return upload(_realised(value), a)
    block, index = value.buffer, a.device.index
    source = cuda.current_stream(block.device)
    _behind(source, block)
    target = cuda.current_stream(index)
    note(target)
    made = cuda_memory.allocate(a.nbytes, index, target)  # type: ignore[arg-type]
    target.wait_stream(source)
    cuda.copy_between(made.address, index, block.address, block.device, a.nbytes, target)  # type: ignore[arg-type]
    block.used_by(target)
    return leaf(a, made)  # type: ignore[arg-type]


def _realised(value: Value) -> Any:
    from .flush import realise

    return realise(value, "a copy to another GPU")


def look(index: int) -> None:
    """Raise what kernels have noted, for whoever has just waited for a device (see `cuda_faults`)."""
    cuda_faults.look(index)


cuda_api.forget_with(cuda_planning.forget)
cuda_api.forget_with(cuda_pieces.forget)
devices.used()
