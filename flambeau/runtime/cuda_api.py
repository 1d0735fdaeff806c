"""libcuda, NVIDIA's driver library, through ctypes: its functions, its errors, whether it is there.

Nothing is loaded before somebody asks. Every call goes through `call`, or, where it must be quick,
is made on `library()` and its code handed to `failed`: a code other than 0 becomes an `Error`. After
an error that no context survives, later calls fail at once with the same one (`lost`).

A stand-in for the library (`use`) is an object with the functions' exported names. They are called
as the C functions are: numbers, handles and addresses are ints (None for a null pointer), memory is
a ctypes array, `ctypes.byref(object)` or an address, texts are bytes; they give the code.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from ctypes import byref, c_char_p, c_float, c_int, c_void_p
from typing import Any, NoReturn

from ..errors import AcceleratorError
from .cuda_prototypes import FATAL, HINTS, NO_DEVICE, NOT_READY, OUT_OF_MEMORY, PROTOTYPES

__all__ = ["FATAL", "MINIMUM_CAPABILITY", "MINIMUM_DRIVER", "NOT_READY", "OUT_OF_MEMORY", "Error",
           "absent", "available", "call", "capabilities", "described", "devices", "driver_version",
           "error_of", "failed", "forget_with", "library", "lost", "number_of", "reason", "require",
           "seconds_of", "too_old", "usable", "use", "version_text"]  # fmt: skip

MINIMUM_DRIVER = 12000
"""CUDA 12.0, as `cuDriverGetVersion` counts: NVIDIA's drivers from 525 on."""
MINIMUM_CAPABILITY = 75
"""The oldest compute capability that is used (7.5: Turing)."""
NAMES = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")

FORKED = (
    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use "
    "the 'spawn' start method"
)


class Error(AcceleratorError):
    """libcuda reported an error.

    >>> Error(700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered").name
    'CUDA_ERROR_ILLEGAL_ADDRESS'
    """

    def __init__(self, code: int, name: str, meaning: str, doing: str = "") -> None:
        parts = [f"CUDA error: {meaning}"]
        parts.append(f"({name}, code {code}{f', while {doing}' if doing else ''})")
        if code in FATAL:
            parts.append(
                "The GPU can't be used by this process any more: what its tensors hold is lost. Restart "
                "the process.\nCUDA kernel errors might be reported at some later call: what stands "
                "here need not be their cause. With CUDA_LAUNCH_BLOCKING=1 they are reported where they "
                "happen."
            )
        elif code in HINTS:
            parts.append(HINTS[code])
        super().__init__("\n".join(parts))
        self.code = self.error_code = code
        self.name, self.meaning = name, meaning

    def __reduce__(self) -> tuple[Any, ...]:
        return (RuntimeError, (str(self),))


class _Library:
    """libcuda with its prototypes declared."""

    def __init__(self, loaded: Any) -> None:
        for name, arguments in PROTOTYPES.items():
            function = getattr(loaded, name, None)
            if function is not None:  # absent in old drivers, which are refused by their version
                function.argtypes, function.restype = arguments, c_int
                setattr(self, name, function)


class _Lost:
    """In the library's place after a fatal error: whatever is called fails with it."""

    def __init__(self, code: int, before: Any) -> None:
        self._code = code
        self.cuGetErrorName = before.cuGetErrorName
        self.cuGetErrorString = before.cuGetErrorString

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name not in PROTOTYPES:
            raise AttributeError(name)
        return lambda *arguments: self._code


class _State:
    """What is known of the library; made anew by `use`."""

    def __init__(self, stand_in: Any = None) -> None:
        self.stand_in = stand_in
        self.opened = False
        self.library: Any = None
        self.reason = ""
        self.absent = False
        """Whether there is no library at all."""
        self.driver = 0
        self.devices: list[int] = []
        self.capabilities: list[int] = []
        self.lost: Error | None = None
        self.forked = False


_state = _State()
_lock = threading.RLock()
_resets: list[Callable[[], None]] = []


def use(stand_in: Any) -> None:
    """Put `stand_in` in libcuda's place, or with None take the real one again. Everything that is
    known of the library is forgotten: devices, streams, free memory, modules. For tests."""
    global _state
    with _lock:
        _state = _State(stand_in)
        for reset in _resets:
            reset()


def forget_with(reset: Callable[[], None]) -> None:
    """Have `reset` called when another library takes the place of this one, and in forked children of
    a process that has opened it."""
    _resets.append(reset)


def _open() -> _State:
    """The state, with the library opened if it can be. Never raises."""
    state = _state
    if not state.opened:
        with _lock:
            if not state.opened:
                try:
                    state.reason = _start(state)
                except Exception as error:  # a library that is not what it says
                    state.reason = f"libcuda can't be used: {type(error).__name__}: {error}"
                state.opened = True
    return state


def _load() -> Any:
    if ctypes.sizeof(c_void_p) != 8:
        return None
    for name in NAMES:
        try:
            return getattr(ctypes, "WinDLL", ctypes.CDLL)(name)
        except OSError:
            pass
    return None


def _start(state: _State) -> str:
    """Open the library and look for devices. Gives why there is nothing to use; empty if there is."""
    if state.stand_in is None:
        loaded = _load()
        if loaded is None:
            state.absent = True
            return f"there is no {NAMES[0]}: NVIDIA's driver is not installed"
        library: Any = _Library(loaded)
    else:
        library = state.stand_in
    number = c_int()
    if library.cuDriverGetVersion(byref(number)):
        return "libcuda does not tell its version"
    state.driver = number.value
    if state.driver < MINIMUM_DRIVER:
        return (
            f"the NVIDIA driver on your system is too old: it is made for CUDA {version_text(state.driver)}, "
            f"and flambeau needs {version_text(MINIMUM_DRIVER)} (drivers from 525 on)"
        )
    code = library.cuInit(0)
    if code:
        name, meaning = _told(library, code)
        if code == NO_DEVICE:
            return "no CUDA-capable device is detected" + _hidden()
        return f"CUDA can't be initialised: {meaning} ({name}). {HINTS.get(code, '')}".rstrip()
    if library.cuDeviceGetCount(byref(number)):
        return "libcuda does not tell how many devices there are"
    devices, capabilities = [], []
    for index in range(number.value):
        found = c_int()
        if library.cuDeviceGet(byref(found), index):
            return f"libcuda does not give device {index}"
        devices.append(found.value)
        capabilities.append(_capability(library, found.value))
    state.devices, state.capabilities = devices, capabilities
    state.library = library
    if not devices:
        return "no CUDA-capable device is detected" + _hidden()
    if max(capabilities) < MINIMUM_CAPABILITY:
        return too_old(capabilities[0])
    return ""


def _capability(library: Any, device: int) -> int:
    major, minor = c_int(), c_int()
    library.cuDeviceGetAttribute(byref(major), 75, device)
    library.cuDeviceGetAttribute(byref(minor), 76, device)
    return major.value * 10 + minor.value


def _hidden() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"


def too_old(capability: int) -> str:
    """Why a device is not used."""
    return (
        f"the GPU's compute capability is {capability // 10}.{capability % 10}, and flambeau makes code for "
        f"{MINIMUM_CAPABILITY // 10}.{MINIMUM_CAPABILITY % 10} (Turing) and newer"
    )


def version_text(number: int) -> str:
    """`cuDriverGetVersion`'s number for people.

    >>> version_text(12040)
    '12.4'
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def available() -> bool:
    """Whether there is a GPU that flambeau can compute on. Never raises, says nothing."""
    return not _open().reason


def reason() -> str:
    """Why there is no GPU to compute on; empty where there is one."""
    return _open().reason


def driver_version() -> int:
    """What CUDA the driver is made for, as 12040 for 12.4; 0 where there is no driver."""
    return _open().driver


def devices() -> list[int]:
    """The driver's numbers of the devices, those that are too old among them."""
    return _open().devices


def capabilities() -> list[int]:
    """The compute capabilities of the devices, as 90 for 9.0."""
    return _open().capabilities


def absent() -> Exception | None:
    """What PyTorch raises where CUDA is wanted and can't be had; None where it can.

    An AssertionError where there is no driver at all. A RuntimeError where there is one, but it is too
    old, it has no device, the devices are too old, or this process was forked from one that used them.
    """
    state = _open()
    if state.absent:
        return AssertionError(
            "Torch not compiled with CUDA enabled: flambeau computes on the CPU here "
            f"({state.reason}); use device='cpu', or test torch.cuda.is_available() first"
        )
    if state.reason:
        return RuntimeError(f"CUDA can't be used: {state.reason}")
    return RuntimeError(FORKED) if state.forked else None


def require() -> None:
    """Raise what `absent` gives."""
    error = absent()
    if error is not None:
        raise error


def usable() -> bool:
    """Whether calls can be made here and now: for finalizers, which must not raise."""
    return _state.opened and not (_state.reason or _state.forked or _state.lost)


def library() -> Any:
    """The library's functions. Raises as `require`."""
    state = _state
    if not state.opened or state.reason or state.forked:
        require()
    return state.library


def call(name: str, *arguments: Any, doing: str = "") -> None:
    """Call a function of the library by its exported name. `doing` says in errors what was going on.

    Raises:
        Error: its code was not 0.
    """
    code = getattr(library(), name)(*arguments)
    if code:
        failed(code, doing or name)


def failed(code: int, doing: str) -> NoReturn:
    """Raise the error of a code; a fatal one is remembered."""
    raise error_of(code, doing)


def described(code: int, doing: str = "") -> Error:
    """The error that a code stands for, of whoever it came from."""
    state = _open()
    return Error(code, *_told(state.library or state.stand_in, code), doing)


def error_of(code: int, doing: str) -> Error:
    """The error of a code, remembered if it is fatal."""
    state = _open()
    if state.lost is not None and code == state.lost.code:
        error = Error(code, state.lost.name, state.lost.meaning, doing)
        error.__cause__ = state.lost
        return error
    error = Error(code, *_told(state.library or state.stand_in, code), doing)
    if code in FATAL:
        state.lost = Error(code, error.name, error.meaning, doing)
        state.library = _Lost(code, state.library)
    return error


def lost() -> Error | None:
    """The error after which the device can't be used any more, or None."""
    return _state.lost


def _told(library: Any, code: int) -> tuple[str, str]:
    """The name and the meaning of a code."""
    found = []
    for function in ("cuGetErrorName", "cuGetErrorString"):
        text = c_char_p()
        ask = getattr(library, function, None)
        if ask is None or ask(code, byref(text)) or not text.value:
            found.append("")
        else:
            found.append(text.value.decode("utf-8", "replace"))
    return found[0] or f"code {code}", found[1] or f"unknown error {code}"


def number_of(name: str, *arguments: Any, kind: Any = c_int, doing: str = "") -> int:
    """What a function of the library tells through its first parameter, as an int; a null pointer is 0."""
    found = kind()
    call(name, byref(found), *arguments, doing=doing)
    return found.value or 0


def seconds_of(name: str, *arguments: Any) -> float:
    """What a function tells as a float through its first parameter."""
    found = c_float()
    call(name, byref(found), *arguments)
    return found.value


def _after_fork() -> None:
    """libcuda does not work in a child of the process that opened it."""
    global _lock
    _lock = threading.RLock()
    if _state.library is not None:
        _state.forked = True
        for reset in _resets:
            reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
