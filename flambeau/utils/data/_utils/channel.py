"""Messages over a socket between the loader and one worker.

A message is a small header (any plain Python data) and a body of bytes; an open file may go with
it. Each worker has a socket of its own, so that a worker that is killed in the middle of a message
can leave no lock behind that others wait for.
"""

from __future__ import annotations

import errno
import os
import pickle
import socket
import struct
from collections import deque
from typing import Any

Message = tuple[Any, bytes]

# A mark, bytes of the pickled header, bytes of the body. What a data set writes into a descriptor
# that isn't its own lacks the mark, and would else be waited for as a message of any length.
_PREFIX = struct.Struct("<4sIQ")
_MARK = b"\xf1mb\x01"
_CHUNK = 1 << 16
_CAN_PASS_FILES = hasattr(socket, "send_fds")
_KEEP_FROM_CHILDREN = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_FILES_SPACE = socket.CMSG_SPACE(8 * 4) if _CAN_PASS_FILES else 0


def pack(header: Any, body: bytes = b"") -> bytes:
    """A message as it goes over the wire."""
    head = pickle.dumps(header, 5)
    return b"".join((_PREFIX.pack(_MARK, len(head), len(body)), head, body))


def send(sock: socket.socket, header: Any, body: bytes = b"", file: int | None = None) -> None:
    """Sends a whole message over a blocking socket; ``file`` is the descriptor to go with it."""
    data = pack(header, body)
    if file is None:
        sock.sendall(data)
    else:
        sent = socket.send_fds(sock, [data], [file])
        sock.sendall(memoryview(data)[sent:])


class ProtocolError(RuntimeError):
    """Something other than a message came over the socket."""


class Inbox:
    """Puts messages together from what a socket delivers."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.files: deque[int] = deque()
        """Descriptors received, in the order of the messages that they came with."""

    def read(self, wait: bool = True) -> bool:
        """Takes in what is there, after waiting for some if asked to; False at the end."""
        if not (wait or _CAN_PASS_FILES):
            return True  # no way to look without waiting
        try:
            if _CAN_PASS_FILES:
                flags = _KEEP_FROM_CHILDREN | (0 if wait else socket.MSG_DONTWAIT)
                # Not socket.recv_fds, which ignores its flags.
                data, extras, flags, _ = self._sock.recvmsg(_CHUNK, _FILES_SPACE, flags)
                self._take_files(extras)
                if flags & socket.MSG_CTRUNC:
                    raise OSError(
                        errno.EMFILE,
                        "a shared segment could not be received: this process has too many open "
                        "files (see `ulimit -n`)",
                    )
            else:
                data = self._sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return True
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)

    def _take_files(self, extras: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in extras:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.files.extend(memoryview(data).cast("i").tolist())

    def messages(self) -> list[Message]:
        """The messages that are complete; ProtocolError if something else has come."""
        result: list[Message] = []
        buffer, start = self._buffer, 0
        while len(buffer) - start >= _PREFIX.size:
            mark, head, body = _PREFIX.unpack_from(buffer, start)
            if mark != _MARK:
                raise ProtocolError("the stream between DataLoader and worker is damaged")
            middle = start + _PREFIX.size + head
            if len(buffer) < middle + body:
                break
            with memoryview(buffer) as view:
                header = pickle.loads(view[start + _PREFIX.size : middle])
                result.append((header, bytes(view[middle : middle + body])))
            start = middle + body
        del buffer[:start]
        return result

    def close(self) -> None:
        """Closes descriptors that nobody took."""
        while self.files:
            os.close(self.files.popleft())
