"""NVIDIA's libraries for products (cuBLASLt) and convolutions (cuDNN), where they are installed.

They come with the wheels of the extra `flambeau[cuda]`, or are found where the system's loader looks. They
are opened when something is to be computed with them for the first time. Where one is absent, too old, or
does not take a problem, flambeau's own kernels compute it: nothing here is an error before it runs.

A problem is plain data (`codegen.cuda.problems`), whose class says whose it is. `prepare` makes what the
library needs to carry it out, once for each problem and device.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from .. import config
from ..errors import AcceleratorError
from . import cuda, cuda_api

ABSENT: Any = object()
"""For `use`: the library is not there."""

LIBRARY = {"Matmul": "cublaslt", "Convolution": "cudnn"}
"""Who carries out problems of a class."""

KEPT = 4096
"""Problems that are kept prepared."""


class LibraryError(AcceleratorError):
    """A library failed at what it had agreed to do."""


class Prepared(Protocol):
    """A problem, ready to be carried out any number of times, on one device."""

    workspace: int
    """Bytes of the buffer that the library needs beside the problem's own; 0 for none."""
    algorithm: str
    """For people: how it is computed."""

    def run(self, addresses: Sequence[int], stream: Any) -> None:
        """Submit it to a stream: the buffers' addresses in the problem's order, the workspace last.
        Neither waits nor asks for memory, so that a stream that is being captured may be given."""


if sys.platform == "win32":
    _WHERE = {
        "cublaslt": ({13: "cublasLt64_13.dll", 12: "cublasLt64_12.dll"},
                     ("cu13/bin/x86_64", "cublas/bin")),
        "cudnn": ({12: "cudnn64_9.dll"}, ("cudnn/bin",)),
    }  # fmt: skip
else:
    _WHERE = {
        "cublaslt": ({13: "libcublasLt.so.13", 12: "libcublasLt.so.12"}, ("cu13/lib", "cublas/lib")),
        "cudnn": ({12: "libcudnn.so.9"}, ("cudnn/lib",)),
    }  # fmt: skip
"""File names by the first CUDA whose drivers take them, the newest first; where in the `nvidia` package."""


class _State:
    """What is known of the libraries; made anew by `use` and with another driver."""

    def __init__(self) -> None:
        self.found: frozenset[str] | None = None
        self.opened: dict[str, Any] = {}
        """Bindings, None where there is nothing to bind."""
        self.refused: dict[tuple[str, int], str] = {}
        """Why a library is not used on a device."""
        self.prepared: dict[tuple[Any, int], Prepared | None] = {}


_state = _State()
_stand_ins: dict[str, Any] = {}
_lock = threading.RLock()


def use(cublaslt: Any = None, cudnn: Any = None) -> None:
    """Put stand-ins in the libraries' places: objects with the functions' names. None takes the real
    one again, `ABSENT` is as if there were none. For tests."""
    with _lock:
        _stand_ins.clear()
        _stand_ins.update({k: v for k, v in (("cublaslt", cublaslt), ("cudnn", cudnn)) if v is not None})
        _forget()


def _forget() -> None:
    global _state
    _state = _State()


cuda_api.forget_with(_forget)


def available() -> frozenset[str]:
    """Which of "cublaslt" and "cudnn" there are and may be used. Opens none of them; no error."""
    if not config.cuda_libraries:
        return frozenset()
    found = _state.found
    if found is None:
        with _lock:
            found = _state.found = frozenset(name for name in _WHERE if _there(name))
    return found


def version(name: str) -> int | None:
    """A library's version as it says it: 120903 for cuBLAS 12.9.3, 92800 for cuDNN 9.28. None where it
    is not there."""
    bound = _binding(name) if name in available() else None
    return None if bound is None else int(bound.version)


def why_not(name: str, index: int = 0) -> str:
    """Why a library is not used on a device; empty where it may be."""
    if not config.cuda_libraries:
        return "FLAMBEAU_CUDA_LIBRARIES=0"
    if name not in available():
        return "it is not installed: pip install flambeau[cuda]"
    return _state.refused.get((name, index), "")


def prepare(problem: Any, device: Any) -> Prepared | None:
    """What carries out a problem on a device (`cuda.Device`), None where no library does. Not while
    this thread captures a stream, unless it has been asked before."""
    key = (problem, device.index)
    prepared = _state.prepared
    try:
        return prepared[key]
    except KeyError:
        pass
    with _lock:
        if key not in prepared:
            made = _prepare(problem, device)
            if made is not None and problem.workspace < 0:
                prepared[problem._replace(workspace=made.workspace), device.index] = made
            prepared[key] = made
            while len(prepared) > KEPT:
                prepared.pop(next(iter(prepared)))
        return prepared[key]


def _prepare(problem: Any, device: Any) -> Prepared | None:
    name = LIBRARY[type(problem).__name__]
    if name not in available() or (name, device.index) in _state.refused:
        return None
    bound = _binding(name)
    if bound is None:
        return None
    device.activate()
    try:
        made: Prepared | None = bound.prepare(problem, device)
    except LibraryError as error:  # no handle: not for this device at all
        _state.refused[name, device.index] = str(error)
        return None
    return made


# --- finding --------------------------------------------------------------------------------------


def _there(name: str) -> bool:
    if name in _stand_ins:
        return _stand_ins[name] is not ABSENT
    if _simulated():
        return False
    return any(os.path.exists(path) for path in _files(name)) or _load(name) is not None


def _simulated() -> bool:
    """Whether the driver is a stand-in: the real libraries know nothing of its devices."""
    return cuda_api._state.stand_in is not None


def _files(name: str) -> Iterator[str]:
    """Paths in the wheels' packages, whether there is such a file or not, without importing them."""
    try:
        spec = importlib.util.find_spec("nvidia")
    except (ImportError, ValueError):
        spec = None
    versions, folders = _WHERE[name]
    for needs, file in versions.items():
        if needs <= max(cuda.driver_version() // 1000, 12):
            for place in (spec.submodule_search_locations or ()) if spec else ():
                for folder in folders:
                    yield os.path.join(place, *folder.split("/"), file)


def _load(name: str) -> Any:
    """The library itself, opened; None where there is none."""
    system = [file for needs, file in _WHERE[name][0].items()
              if needs <= max(cuda.driver_version() // 1000, 12)]  # fmt: skip
    for path in (*_files(name), *system):
        if os.path.isabs(path) and not os.path.exists(path):
            continue
        try:
            if sys.platform == "win32":
                if os.path.isabs(path):
                    os.add_dll_directory(os.path.dirname(path))
                return ctypes.WinDLL(path)
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _binding(name: str) -> Any:
    """A library with its functions declared."""
    opened = _state.opened
    if name not in opened:
        with _lock:
            if name not in opened:
                opened[name] = _bind(name)
    return opened[name]


def _bind(name: str) -> Any:
    from . import cublaslt, cudnn

    if name == "cudnn" and name not in _stand_ins:
        _binding("cublaslt")  # cuDNN looks for it, and finds what is open
    loaded = _stand_ins[name] if name in _stand_ins else _load(name)
    if loaded is None or loaded is ABSENT:
        return None
    make: dict[str, Callable[[Any], Any]] = {"cublaslt": cublaslt.Library, "cudnn": cudnn.Library}
    try:
        return make[name](loaded)
    except (AttributeError, LibraryError):  # of another time: functions are missing, or too old
        return None


def declare(loaded: Any, prototypes: dict[str, tuple[Any, ...]], into: Any) -> None:
    """Give an object a library's functions, with the types of their arguments; all give a code."""
    for name, arguments in prototypes.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
        setattr(into, name, function)
