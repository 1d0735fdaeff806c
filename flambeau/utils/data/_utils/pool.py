"""The loader's side of its worker processes: start them, talk to them, end them."""

from __future__ import annotations

import contextlib
import multiprocessing.connection  # noqa: F401  (join imports it; too late inside a finalizer)
import os
import selectors
import socket
import time
import weakref
from collections import deque
from typing import Any

from . import ctrl_c, segments
from .channel import Inbox, Message, ProtocolError, pack
from .errors import death_message
from .worker import BATCH, TASK, WorkerSpec, run_worker

# A worker that has been told to end may finish what it is doing for this long; then it gets
# SIGTERM, and after the same time again SIGKILL.
GRACE_SECONDS = 2.0

_NOT_FORKED = (
    "DataLoader: workers that are not forked get the dataset, collate_fn and worker_init_fn by "
    "pickle; functions and classes must be at the top of a module, no lambdas."
)

# How often workers' processes are looked at while nothing comes from them. Death shows at once by
# the end of their stream, unless some other process has inherited a copy of it.
_LOOK_SECONDS = 1.0


class _Link:
    """One worker: its process, and our end of the socket to it."""

    def __init__(self, process: Any, sock: socket.socket) -> None:
        self.process = process
        self.pid: int | None = None
        self.sock = sock
        self.inbox = Inbox(sock)
        self.segments = segments.Reader()
        self.unsent = bytearray()
        self.retired = False
        """Asked to end."""
        self.closed = False
        """Its stream has ended, or its process has."""


class WorkerPool:
    """Workers that answer tasks, each over a socket of its own.

    Nothing here waits for a worker except ``receive``, so that two sides which both have much to
    send can't block each other: what doesn't fit into the socket is sent while waiting.
    """

    def __init__(self, context: Any, spec: WorkerSpec) -> None:
        self._links: list[_Link] = []
        # Not epoll, which a forked child would share with us.
        poll = getattr(selectors, "PollSelector", selectors.SelectSelector)
        self._selector: selectors.BaseSelector = poll()
        self._ready: deque[tuple[int, Message]] = deque()
        self._owner = os.getpid()
        self._close = weakref.finalize(
            self, _end_collected, self._links, self._selector, self._owner
        )
        # At exit multiprocessing ends its daemons at once, without the grace that we give.
        self._close.atexit = False
        _pools.add(self)
        try:
            with ctrl_c.held_back():
                for worker in range(spec.num_workers):
                    self._start(context, spec, worker)
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, spec: WorkerSpec, worker: int) -> None:
        ours, theirs = socket.socketpair()
        try:
            forks = context.get_start_method() == "fork"
            process = context.Process(
                target=run_worker,
                args=(spec, worker, theirs, _forget_inherited if forks else None),
                name=f"DataLoader worker {worker}",
                daemon=True,
            )
            link = _Link(process, ours)
            # The child of a fork looks at this list to close the ends that aren't its own.
            self._links.append(link)
            try:
                with ctrl_c.kept_from_children():
                    process.start()
            except BaseException as error:
                self._links.remove(link)
                if not forks:
                    error.add_note(_NOT_FORKED)
                raise
            link.pid = process.pid
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    @property
    def open(self) -> bool:
        """Whether the workers are still there, and this process's own."""
        return bool(self._close.alive) and self._owner == os.getpid()

    def pids(self) -> list[int | None]:
        """The workers' process ids."""
        return [link.pid for link in self._links]

    def send_task(self, worker: int, number: int, index: Any) -> None:
        """Queues a task, and hands back the segments that have been read."""
        self.send(worker, (TASK, number, index, self._links[worker].segments.take_done()))

    def send(self, worker: int, header: Any) -> None:
        """Queues a message."""
        link = self._links[worker]
        link.unsent += pack(header)
        self._flush(worker)

    def _flush(self, worker: int) -> None:
        link = self._links[worker]
        if link.closed:
            return
        try:
            while link.unsent:
                del link.unsent[: link.sock.send(link.unsent)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            link.unsent.clear()  # the worker is gone; reading its stream will tell
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.unsent else 0)
        if self._selector.get_key(link.sock).events != events:
            self._selector.modify(link.sock, events, worker)

    def retire(self, worker: int) -> None:
        """Lets one worker end, as there is nothing left for it to do."""
        link = self._links[worker]
        link.retired = True
        with contextlib.suppress(OSError):  # it may be gone already
            link.sock.shutdown(socket.SHUT_WR)

    def receive(self, timeout: float | None) -> tuple[int, Message] | None:
        """The next message, with the number of its worker; None if ``timeout`` seconds passed.

        Raises:
            RuntimeError: a worker that had not been retired has ended, or sent something else; or
                the pool is closed, or another process's.
        """
        self.check_usable()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            self._check_alive()
            wait = _LOOK_SECONDS
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
                if wait <= 0:
                    return None
            events = self._selector.select(wait)
            for key, mask in events:
                if mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
                if mask & selectors.EVENT_READ:
                    self._read(key.data)
            if not events:
                self._look_at_processes()
        return self._ready.popleft()

    def _read(self, worker: int) -> None:
        link = self._links[worker]
        alive = link.inbox.read()
        try:
            messages = link.inbox.messages()
        except ProtocolError as error:
            raise RuntimeError(
                f"DataLoader worker {worker} (pid {link.pid}) sent what is no message: something "
                "in the dataset writes to descriptors that aren't its own"
            ) from error
        for header, body in messages:
            if header[0] == BATCH:
                _, _, number, _, comes_with_file, dropped, _ = header
                link.segments.drop(dropped)
                if comes_with_file:
                    link.segments.add(number, link.inbox.files.popleft())
            self._ready.append((worker, (header, body)))
        if not alive:
            link.closed = True
            self._selector.unregister(link.sock)

    def check_usable(self) -> None:
        """RuntimeError if the workers are another process's, or have been ended."""
        if self._owner != os.getpid():
            raise RuntimeError(
                f"this DataLoader iterator belongs to process {self._owner}, which started its "
                "workers; call iter() on the loader again to have one in this process"
            )
        if not self._close.alive:
            raise RuntimeError(
                "this DataLoader iterator's workers have been ended, after an error or an "
                "interruption; call iter() on the loader again"
            )

    def _look_at_processes(self) -> None:
        for link in self._links:
            if not link.closed and not link.process.is_alive():
                link.closed = True
                self._selector.unregister(link.sock)

    def _check_alive(self) -> None:
        for worker, link in enumerate(self._links):
            if link.closed and not link.retired:
                link.process.join(GRACE_SECONDS)
                code = link.process.exitcode
                raise RuntimeError(death_message(worker, link.pid, code))

    def read_segment(self, worker: int, header: Any) -> list[Any]:
        """The large buffers that belong to a batch."""
        _, _, segment, sizes, *_ = header
        return [] if segment is None else self._links[worker].segments.read(segment, sizes)

    def skip_segment(self, worker: int, header: Any) -> None:
        """A batch is thrown away unread."""
        if header[0] == BATCH and header[2] is not None:
            self._links[worker].segments.skip(header[2])

    def close(self) -> None:
        """Ends all workers and waits for them. Does nothing the second time."""
        if self._close.detach() is not None:
            _end_all(self._links, self._selector, self._owner)


_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _forget_inherited() -> None:
    """In a forked worker: let go of loaders' ends of sockets.

    A worker sees the end of its stream only when nobody has a copy of the other end any more.
    """
    for pool in list(_pools):
        for link in pool._links:
            link.sock.close()


def _end_collected(links: list[_Link], selector: Any, owner: int) -> None:
    """For a pool that nobody refers to any more: an exception would only be printed here."""
    try:
        _end_all(links, selector, owner)
    except KeyboardInterrupt:
        ctrl_c.again_soon()


def _end_all(links: list[_Link], selector: Any, owner: int) -> None:
    """Ends the workers: by the end of their stream, then SIGTERM, then SIGKILL."""
    with ctrl_c.held_back() as held:
        selector.close()
        _close_ends(links, os.getpid() == owner)
        if os.getpid() == owner:  # else it is the copy of a forked child
            _wait_for_all(links, held)


def _close_ends(links: list[_Link], ours: bool) -> None:
    for link in links:
        if ours:
            with contextlib.suppress(OSError):
                # Ends the connection even if some other process has a copy of our end.
                link.sock.shutdown(socket.SHUT_RDWR)
        link.sock.close()
        link.inbox.close()


def _wait_for_all(links: list[_Link], held: ctrl_c.Held) -> None:
    """Who presses Ctrl-C doesn't want to wait for workers to finish what they do."""
    for end in (None, "terminate", "kill"):
        left = [link.process for link in links if link.process.is_alive()]
        if end is not None:
            for process in left:
                getattr(process, end)()
        deadline = time.monotonic() + GRACE_SECONDS
        while left and (end == "kill" or not held):
            seconds = min(0.1, deadline - time.monotonic())
            if seconds <= 0:
                break
            left[0].join(seconds)
            left = [process for process in left if process.is_alive()]
    for link in links:
        if not link.process.is_alive():
            link.process.close()
