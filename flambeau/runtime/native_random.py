"""Native kernels for the random stream: when there are any, and calls of them.

They work on the state inside NumPy's bit generator, so that native and other draws go on with one
stream in any order, and give the same bits. Nobody waits for them: draws go through NumPy until so
much has been drawn that kernels pay; then a thread compiles them or takes them from the cache, and
from when that is done every draw they can make is theirs.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import config

STATE_WORDS = 625
"""NumPy's state: 624 words, and the position of the next one as an int."""
CALL = 256
"""What a draw costs in any case, in words."""
ENOUGH, ENOUGH_WARM = 1 << 20, 1 << 15
"""Words drawn (some 5 ms each million) before kernels are made: importing LLVM takes 100 ms or
more; fewer where it is there anyway."""
SHORT = 1 << 16
"""A call for up to so many units keeps the interpreter lock: it takes less than 0.1 ms, and getting
the lock back from a busy thread can take 5."""

_FLOATS = {"32": ctypes.c_float, "64": ctypes.c_double}
_PARAMETERS: dict[str, tuple[Any, ...]] = {
    **{f"uniform{n}": (kind,) * 3 for n, kind in _FLOATS.items()},
    **{f"normal{n}": (kind,) * 2 for n, kind in _FLOATS.items()},
    **{f"mask{n}": (ctypes.c_int64,) * 2 for n in (1, 2, 4, 8)},
    **{f"below{n}": (ctypes.c_int64, ctypes.c_double, ctypes.c_int64) for n in (4, 8)},
}
"""What the entries of `random_kernels` take behind state, result and count."""


class Kernels:
    """The kernels' functions. They hold as long as this lives.

    ``short[entry](state, out, count, ...)`` writes `count` units to the memory at address `out`
    from the stream of the state at an address, and keeps the interpreter lock; ``long`` gives it
    up. Who calls has the lock of the state's bit generator.
    """

    short: dict[str, Any]
    long: dict[str, Any]
    address_of: Callable[[NDArray[Any]], int]

    def __init__(self, machine: Any = None) -> None:
        """For this machine, or for one as `native.host` describes it whose code runs here too."""
        from . import kernel_cache, native, random_kernels
        from .blocks import address_of

        host = machine or native.host()
        if sys.byteorder != "little" or not _fuses(host):
            raise native.Unavailable("random numbers need a CPU with fused multiply-add")
        sincos = native.symbol_address("sincos") is not None
        # The text is the key: what it is made of is in no other hash.
        text = random_kernels.text("@", host.vector_bytes, sincos)
        source = _Source("random", text)
        self.code = kernel_cache.addresses([source], host)
        self.address_of = address_of
        entries = random_kernels.ENTRIES
        table = (ctypes.c_void_p * len(entries)).from_address(self.code[repr(text)])
        self.short, self.long = (
            {name: _function(kind, name, at) for name, at in zip(entries, table, strict=True)}
            for kind in (ctypes.PYFUNCTYPE, ctypes.CFUNCTYPE)
        )


class _Source(NamedTuple):
    """The kernels as the cache wants them."""

    name: str
    key: str

    def emit(self, target: Any, symbol: str) -> str:
        return self.key.replace("@@", f"@{symbol}")


def _fuses(host: Any) -> bool:
    """Without the instruction, LLVM calls the C library for each fused multiply-add."""
    arm = host.triple.startswith(("aarch64", "arm64"))
    return arm or host.cpu == "x86-64-v3" or "+fma" in host.features.split(",")


def _function(kind: Any, name: str, address: int) -> Any:
    pointer = ctypes.c_void_p
    return kind(None, pointer, pointer, ctypes.c_int64, *_PARAMETERS.get(name, ()))(address)


kernels: Kernels | None = None
"""The kernels, once they are ready."""
_work: float = 0
"""What was drawn without them; minus infinity when they are ordered."""
_why = ""


def drawn(words: int) -> None:
    """Somebody draws so many words without kernels: order them if it's enough."""
    global _work
    _work += words + CALL
    if _work >= ENOUGH_WARM and (_work >= ENOUGH or "llvmlite.binding" in sys.modules):
        _work = -math.inf
        if config.compile == "sync":
            prepare()
        elif config.compile != "off":
            _start()


def _start() -> None:
    thread = threading.Thread(target=prepare, name="flambeau random", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads are to be had, or the process ends
        pass


def prepare() -> Kernels | None:
    """Make the kernels, or take them from the cache, now. None where there can be none; `reason`
    says why."""
    global kernels, _work, _why
    _work = -math.inf
    if kernels is None:
        try:
            made = Kernels()
            _check(made)
            kernels = made
        except Exception as error:  # NumPy does it as well
            _why = f"{type(error).__name__}: {error}"
    return kernels


def reason() -> str:
    """Why there are no kernels; empty where there are, or nobody has tried."""
    return _why


def state_address(bits: Any) -> int:
    """Where a bit generator of NumPy's, an MT19937, keeps its state."""
    return int(bits.ctypes.state_address)


def _check(made: Kernels) -> None:
    """Compare with NumPy, whose state might lie otherwise than it always has."""
    from numpy.random import MT19937

    bits = MT19937(1)
    bits.random_raw(7)
    address, state = state_address(bits), bits.state["state"]
    found = np.frombuffer(ctypes.string_at(address, 4 * STATE_WORDS), np.uint32)
    if found[-1] != state["pos"] or not np.array_equal(found[:-1], state["key"]):
        raise NotImplementedError("NumPy's MT19937 has an unknown state")
    expected = MT19937(1).random_raw(2007)[7:]
    words = np.empty(2000, np.uint32)
    with bits.lock:
        made.short["words"](address, made.address_of(words), words.size)
    if not np.array_equal(words, expected):
        raise ArithmeticError("the kernel's words are not the stream's")


def _after_fork() -> None:
    """A child has no thread that prepares anything."""
    global _work
    if kernels is None and not _why:
        _work = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
