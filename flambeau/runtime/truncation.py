"""Mapped files that get shorter while they are mapped.

Touching a page beyond a file's end is SIGBUS, which ends the process. For the maps that are
registered here, on Linux, a handler puts zeros in the place of what the file no longer has, and who
looks at a tensor next, or saves one, gets a `TruncatedMapError` (`tell`), once. An exception from
nowhere, as Ctrl-C is one, would be sooner, but could end a thread that only just begins. Any other
SIGBUS goes where it went before.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import signal
import sys
import threading
import weakref
from typing import Any

_SIGINFO_ADDRESS = 16
"""Where siginfo_t has si_addr, on 64-bit Linux."""
_SA_SIGINFO = 4
_PROT = mmap.PROT_READ | mmap.PROT_WRITE if hasattr(mmap, "PROT_READ") else 0
_MAP_FIXED = 0x10


class TruncatedMapError(OSError):
    """A file was made shorter while its content was mapped into memory.

    What was read from it since is zeros: load it again, without `mmap`, or from a file that nobody
    writes into (`torch.save` replaces files as a whole and leaves maps alone)."""


class _Sigaction(ctypes.Structure):
    _fields_ = [  # noqa: RUF012
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


_maps: dict[int, tuple[int, str]] = {}
"""End and file of each map, by its beginning."""
hit: list[str] = []
"""Files that were found to be too short, and that nobody has been told of."""
_lock = threading.Lock()
_libc: Any = None
_before = _Sigaction()


def guard(mapped: mmap.mmap, name: str) -> None:
    """Have the process outlive a file's truncation, as long as `mapped` lives. Does nothing on
    other systems than 64-bit Linux."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return
    with _lock:
        if _libc is None:
            _install()
    # Through a buffer: only then does ctypes see where it is. It is let go of at once.
    view = (ctypes.c_char * 0).from_buffer(mapped)
    start = ctypes.addressof(view)
    del view
    _maps[start] = (start + len(mapped), name)
    weakref.finalize(mapped, _maps.pop, start, None)


def _install() -> None:
    global _libc
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    ours = _Sigaction(ctypes.cast(_entry, ctypes.c_void_p), flags=_SA_SIGINFO)
    if libc.sigaction(signal.SIGBUS, ctypes.byref(ours), ctypes.byref(_before)) == 0:
        _libc = libc


def _on_bus_error(_number: int, info: int, _context: int) -> None:
    # In the middle of whatever touched the page, with the interpreter's lock. What is raised here
    # is shown and forgotten, and the page touched again.
    address = ctypes.c_size_t.from_address(info + _SIGINFO_ADDRESS).value
    for start, (end, name) in list(_maps.items()):
        if start <= address < end:
            page = address - address % mmap.PAGESIZE
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
            if _libc.mmap(page, end - page, _PROT, flags, -1, 0) == page:
                hit.append(name)
                return
    _libc.sigaction(signal.SIGBUS, ctypes.byref(_before), None)  # it comes again, and goes there


def tell() -> None:
    """Raise the error for what was found since the last time.

    Raises:
        TruncatedMapError: a file was too short for what was read from its map.
    """
    if hit:
        names = ", ".join(dict.fromkeys(hit))
        hit.clear()
        raise TruncatedMapError(
            f"{names} was made shorter while it was mapped into memory: what was read from it "
            "since is zeros. Load it again, without mmap=True, or from a copy that nobody writes to"
        )


_entry = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(_on_bus_error)
