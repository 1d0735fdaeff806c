"""Notices when an input makes Python do what data never should: import, run, open, connect."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

# Stopped before it happens: what reaches outside of the process.
_FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.putenv",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.kill", "os.startfile", "os.chdir",
    "subprocess.Popen", "socket.", "shutil.", "tempfile.", "urllib.Request", "ftplib.", "smtplib.",
    "webbrowser.open", "pty.spawn", "signal.pthread_kill", "sys.settrace", "sys.setprofile",
    "pickle.find_class", "builtins.input", "glob.glob", "pdb.Pdb",
)  # fmt: skip
# Noted: it is what importing a module does as well, which the library may do once.
_NOTED = (
    "import", "exec", "compile", "open", "marshal.loads", "code.__new__", "function.__new__",
    "os.listdir", "os.scandir", "ctypes.dlopen", "ctypes.dlsym",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Executed(BaseException):
    """An input did something that data never should. No parser catches it."""


class Guard:
    """An audit hook, which looks only at the thread and the time of an input.

    Audit hooks can't be taken away again: one object serves for a whole process.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self._thread = -1
        sys.addaudithook(self._hook)

    def __enter__(self) -> Guard:
        self.events = []
        self._thread = threading.get_ident()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._thread = -1

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self._thread < 0 or self._thread != threading.get_ident():
            return
        if event.startswith(_FORBIDDEN) or (event == "open" and _writes(args)):
            self._thread = -1
            raise Executed(f"{event} {args!r:.200}")
        if event in _NOTED and not (event == "import" and _is_ours(args)):
            self.events.append(f"{event} {args[0]!r:.400}")


def _is_ours(args: tuple[Any, ...]) -> bool:
    # A module of ours that is looked for and is not there; one that is there also shows as "exec".
    return isinstance(args[0], str) and args[0].partition(".")[0] == "flambeau"


def _writes(args: tuple[Any, ...]) -> bool:
    _path, mode, flags = (*args, None, None)[:3]
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return True
    return mode is None and isinstance(flags, int) and bool(flags & _WRITING)
