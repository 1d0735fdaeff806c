"""LLVM, through llvmlite: the host's description, IR text to object code, object code to addresses.

llvmlite is imported at the first need, never at `import flambeau`. Where it can't be, `available()`
is False, `reason()` says why, and whoever asks for code gets `Unavailable`.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import platform
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, Protocol


class Unavailable(RuntimeError):
    """There is no native code here."""


class Machine(Protocol):
    """What code is made for: the fields of `codegen.kernel.Target` that LLVM needs."""

    @property
    def triple(self) -> str: ...
    @property
    def cpu(self) -> str: ...
    @property
    def features(self) -> str: ...


class Host(NamedTuple):
    """A machine, field by field what `codegen.kernel.Target` has: `Target(*native.host())`."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    masks: bool


_AVX512 = ("avx512f", "avx512vl", "avx512bw", "avx512dq")

LINKED = 500
"""Libraries that one linker makes."""

lock = threading.RLock()
"""Guards everything of LLVM. A fork waits for it, so that a child never finds LLVM half-way."""


class _LLVM:
    """llvmlite, initialised, with the JIT that all code of this process is linked into."""

    def __init__(self) -> None:
        import llvmlite.binding as binding
        from llvmlite.binding.context import create_context

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        binding.initialize_native_asmparser()  # for inline assembly
        self.binding: Any = binding
        self.version = ".".join(map(str, binding.llvm_version_info))
        self.triple: str = binding.get_process_triple()
        self.cpu: str = binding.get_host_cpu_name()
        self.features: dict[str, bool] = dict(binding.get_host_cpu_features())
        self.machines: dict[tuple[str, str, str], Any] = {}
        self.new_context = create_context
        self.jit: Any = None
        self.linked = 0
        self.pass_manager: Any = None
        self.names = itertools.count()
        self.every_target = False

    def machine(self, triple: str, cpu: str, features: str) -> Any:
        """The target machine of a description. Constants are addressed relative to the code
        (code model "small"), which the default for JITs ("large") does not do."""
        key = (triple, cpu, features)
        found = self.machines.get(key)
        if found is None:
            if triple != self.triple and not self.every_target:
                self.binding.initialize_all_targets()
                self.binding.initialize_all_asmprinters()
                self.every_target = True
            target = self.binding.Target.from_triple(triple)
            found = target.create_target_machine(
                cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small", jit=True
            )
            self.machines[key] = found
        return found

    def passes(self) -> Any:
        """What `PASSES` names. Made once: some kilobytes of each are never freed."""
        if self.pass_manager is None:
            self.pass_manager = self.binding.create_new_module_pass_manager()
            for name in PASSES:
                getattr(self.pass_manager, f"add_{name}_pass")()
        return self.pass_manager

    def linker(self) -> Any:
        """What links. Of every library it keeps some kilobytes for good, so that after a number of
        them another takes its place; it goes with the last of its libraries."""
        self.linked += 1
        if self.jit is None or self.linked % LINKED == 0:
            own = self.machine(self.triple, self.cpu, _feature_text(self.features))
            # RuntimeDyld may put code and constants of one object further apart than 2 GiB, where
            # large memory lies between, and ends the process then. JITLink keeps them together.
            self.jit = self.binding.create_lljit_compiler(own, use_jit_link=True)
        return self.jit


_llvm: _LLVM | None = None
_reason: str | None = None


def _open() -> _LLVM:
    global _llvm, _reason
    if _llvm is not None:
        return _llvm
    with lock:
        if _llvm is None and _reason is None:
            try:
                _llvm = _LLVM()
            except Exception as error:  # a missing, a foreign or a broken llvmlite
                _reason = f"llvmlite can't be used: {type(error).__name__}: {error}"
        if _llvm is None:
            raise Unavailable(_reason)
        return _llvm


def available() -> bool:
    """Whether native code can be made and run here."""
    try:
        return bool(_open())
    except Unavailable:
        return False


def reason() -> str:
    """Why native code is not available; empty where it is."""
    available()
    return _reason or ""


def version() -> str:
    """LLVM's version."""
    return _open().version


def _feature_text(features: Mapping[str, bool]) -> str:
    return ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))


@cache
def host(most: int = 64) -> Host:
    """This machine. `most` bounds the bytes of a vector: host(32) describes the same machine as if
    it had AVX2 at best, without the features of AVX-512."""
    llvm = _open()
    features = llvm.features
    arch = llvm.triple.split("-")[0]
    if arch in ("x86_64", "i686", "i386"):
        if most >= 64 and all(features.get(f) for f in _AVX512):
            return Host(llvm.triple, llvm.cpu, _feature_text(features), 64, 32, True)
        if most >= 32 and features.get("avx2") and features.get("fma"):
            return Host(llvm.triple, *_narrowed(llvm, 64, "x86-64-v3", ""), 32, 16, False)
        return Host(llvm.triple, *_narrowed(llvm, 32, "x86-64", ""), 16, 16, False)
    wide = arch in ("aarch64", "arm64")
    return Host(llvm.triple, llvm.cpu, _feature_text(features), 16, 32 if wide else 16, False)


def _narrowed(llvm: _LLVM, below: int, cpu: str, features: str) -> tuple[str, str]:
    """CPU and features, made generic if the host has vectors of `below` bytes."""
    has = llvm.features
    wider = has.get("avx512f") if below == 64 else has.get("avx2")
    return (cpu, features) if wider else (llvm.cpu, _feature_text(has))


PASSES = ("always_inliner", "sroa", "instruction_combine", "simplify_cfg")
"""What optimises the IR. It comes with its loops in order, unrolled and in vectors, and the code
generator moves what is invariant: all of -O2 takes ten times as long for the same speed."""


@contextmanager
def _parsed(llvm: _LLVM, text: str) -> Iterator[Any]:
    """A module in a context of its own: types and constants live as long as their context, and the
    global one is never freed."""
    with llvm.new_context() as context, llvm.binding.parse_assembly(text, context) as module:
        yield module


@contextmanager
def _optimised(llvm: _LLVM, text: str, machine: Any) -> Iterator[Any]:
    """A module, parsed, verified and optimised."""
    b = llvm.binding
    with _parsed(llvm, text) as module:
        module.verify()
        with (
            b.create_pipeline_tuning_options() as tuning,
            # Not kept: a run leaves references to its own stack in it.
            b.create_pass_builder(machine, tuning) as builder,
        ):
            llvm.passes().run(module, builder)
        yield module


def compile_module(text: str, machine: Machine | None = None) -> bytes:
    """LLVM IR text to object code, for the host or for another machine."""
    llvm = _open()
    of = machine or host()
    with lock:
        _refuse_when_closed()
        made = llvm.machine(of.triple, of.cpu, of.features)
        with _optimised(llvm, text, made) as module:
            return bytes(made.emit_object(module))


def assembly(text: str, machine: Machine | None = None, optimise: bool = True) -> str:
    """LLVM IR text to assembly, for people and for machines that we are not on."""
    llvm = _open()
    of = machine or host()
    with lock:
        _refuse_when_closed()
        made = llvm.machine(of.triple, of.cpu, of.features)
        with _optimised(llvm, text, made) if optimise else _parsed(llvm, text) as module:
            return str(made.emit_assembly(module))


class Library:
    """Linked code. Its addresses hold as long as it lives."""

    __slots__ = ("addresses", "_tracker", "__weakref__")

    def __init__(self, tracker: Any, symbols: Iterable[str]) -> None:
        self._tracker = tracker
        self.addresses: dict[str, int] = {s: tracker[s] for s in symbols}


def load(objects: Iterable[bytes], symbols: Iterable[str], **imports: int) -> Library:
    """Link object code, one or several, into this process. `symbols` are those whose addresses are
    wanted; `imports` are addresses of what the code calls, beside what the process exports.

    Raises RuntimeError where the objects don't fit together or define no such symbols."""
    llvm = _open()
    with lock:
        _refuse_when_closed()
        builder = llvm.binding.JITLibraryBuilder()
        for data in objects:
            builder.add_object_img(data)
        for name, address in imports.items():
            builder.import_symbol(name, address)
        wanted = tuple(symbols)
        for name in wanted:
            builder.export_symbol(name)
        builder.add_current_process()
        linker = llvm.linker()
        tracker = builder.link(linker, f"flambeau{next(llvm.names)}")
        tracker.linker = linker  # closed after the tracker, when that is freed
        return Library(tracker, wanted)


def symbol_address(name: str) -> int | None:
    """The address of a C function that this process has, or None."""
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    except (AttributeError, OSError, TypeError):
        return None


def architecture() -> str:
    """ "x86_64", "aarch64", or what else the platform calls itself."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


# The end of the process, and forks.

_closed = False


def _refuse_when_closed() -> None:
    if _closed:
        raise Unavailable("the process is ending")


def _at_exit() -> None:
    """Let a compilation of another thread end first: LLVM takes itself apart at exit."""
    global _closed
    with lock:
        _closed = True


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )
