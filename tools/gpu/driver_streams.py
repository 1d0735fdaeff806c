"""Streams, events, capture and graphs of libcuda's stand-in."""

from __future__ import annotations

from typing import Any

from . import codes
from .driver_calls import Calls, Refused, number, put
from .queues import Graph, Marker, Queue, Work


class Event:
    def __init__(self, device: int, timing: bool) -> None:
        self.device = device
        self.timing = timing
        self.marker: Marker | None = None
        self.captured: Graph | None = None


class Executable:
    """A graph that can be launched."""

    def __init__(self, nodes: list[Work]) -> None:
        self.nodes = nodes


class Streams(Calls):
    """The functions."""

    def cuStreamCreateWithPriority(self, out: Any, flags: Any, priority: Any) -> None:
        put(
            out, self.give(Queue(self.here().index, False, not number(flags) & 1, number(priority)))
        )

    def cuStreamCreate(self, out: Any, flags: Any) -> None:
        self.cuStreamCreateWithPriority(out, flags, 0)

    def cuStreamDestroy_v2(self, stream: Any) -> None:
        queue = self.take(stream, Queue)
        self.drain(queue)
        del self.handles[number(stream)]

    def cuStreamGetPriority(self, stream: Any, out: Any) -> None:
        put(out, self.queue(stream).priority)

    def cuStreamGetFlags(self, stream: Any, out: Any) -> None:
        put(out, int(not self.queue(stream).blocking))

    def cuStreamSynchronize(self, stream: Any) -> None:
        queue = self.queue(stream, True)
        self.waits("cuStreamSynchronize")
        if queue.legacy:
            for q in self.streams():
                if q.blocking and q.device == queue.device:
                    self.drain(q)
        self.drain(queue)

    def cuStreamQuery(self, stream: Any) -> int:
        queue = self.queue(stream, True)
        if not queue.items:
            return 0
        self.gpu.running(queue.step)
        return codes.NOT_READY

    def cuStreamWaitEvent(self, stream: Any, event: Any, flags: Any) -> None:
        queue, found = self.queue(stream), self.take(event, Event)
        if found.captured is not None:
            if queue.capture is None:
                queue.capture = found.captured
                found.captured.streams.append(queue)
            return
        if queue.capture is not None:  # on work that is not part of the graph
            queue.capture.invalid = codes.STREAM_CAPTURE_INVALIDATED
            raise Refused(codes.STREAM_CAPTURE_ISOLATION)
        if found.marker is not None and not found.marker.done:
            self.submit(queue, "wait", lambda: None, [found.marker])

    def cuLaunchHostFunc(self, stream: Any, function: Any, data: Any) -> None:
        self.submit(self.queue(stream), "host function", lambda: function(data))

    def cuEventCreate(self, out: Any, flags: Any) -> None:
        put(out, self.give(Event(self.here().index, not number(flags) & 2)))

    def cuEventDestroy_v2(self, event: Any) -> None:
        self.take(event, Event)
        del self.handles[number(event)]

    def cuEventRecord(self, event: Any, stream: Any) -> None:
        found, queue = self.take(event, Event), self.queue(stream)
        if found.device != queue.device:
            raise Refused(codes.INVALID_HANDLE)
        if queue.capture is not None:
            found.captured, found.marker = queue.capture, None
            return
        found.captured = None
        if queue.legacy and not queue.items:
            marks = [
                q for q in self.streams() if q.device == queue.device and q.blocking and q.items
            ]
            if marks:
                self.submit(queue, "join", lambda: None)
        found.marker = queue.mark()

    def cuEventRecordWithFlags(self, event: Any, stream: Any, flags: Any) -> None:
        self.cuEventRecord(event, stream)

    def cuEventQuery(self, event: Any) -> int:
        found = self.take(event, Event)
        if found.captured is not None:
            return codes.CAPTURED_EVENT
        if found.marker is None or found.marker.done:
            return 0
        self.gpu.running(found.marker.queue.step)
        return codes.NOT_READY

    def cuEventSynchronize(self, event: Any) -> None:
        found = self.take(event, Event)
        if found.captured is not None:
            raise Refused(codes.CAPTURED_EVENT)
        self.waits("cuEventSynchronize")
        marker = found.marker
        if marker is not None:
            self.gpu.running(lambda: marker.queue.until(marker))

    def cuEventElapsedTime(self, out: Any, start: Any, end: Any) -> int:
        a, b = self.take(start, Event), self.take(end, Event)
        if not (a.timing and b.timing) or a.marker is None or b.marker is None:
            return codes.INVALID_HANDLE
        if not (a.marker.done and b.marker.done):
            return codes.NOT_READY
        put(out, max(1e3 * (b.marker.time - a.marker.time), 0.0))
        return 0

    cuEventElapsedTime_v2 = cuEventElapsedTime

    # Capture and graphs.

    def cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> int:
        if number(stream) in (0, 1):
            return codes.STREAM_CAPTURE_UNSUPPORTED
        queue = self.queue(stream)
        if queue.capture is not None:
            return codes.ILLEGAL_STATE
        queue.capture = Graph()
        queue.capture.streams.append(queue)
        return 0

    def cuStreamEndCapture(self, stream: Any, out: Any) -> int:
        queue = self.take(stream, Queue)
        graph = queue.capture
        if graph is None:
            put(out, None)
            return codes.ILLEGAL_STATE
        for q in graph.streams:
            q.capture = None
        for event in self.handles.values():
            if isinstance(event, Event) and event.captured is graph:
                event.captured = None
        if graph.invalid:
            put(out, None)
            return graph.invalid
        put(out, self.give(graph))
        return 0

    def cuStreamIsCapturing(self, stream: Any, out: Any) -> None:
        handle = number(stream)
        queue = self.here().default if handle in (0, 1) else self.take(handle, Queue)
        state = 0 if queue.capture is None else 2 if queue.capture.invalid else 1
        put(out, state)

    def cuGraphInstantiateWithFlags(self, out: Any, graph: Any, flags: Any) -> None:
        found = self.take(graph, Graph)
        put(out, self.give(Executable(list(found.nodes))))

    cuGraphInstantiate_v2 = cuGraphInstantiateWithFlags

    def cuGraphLaunch(self, executable: Any, stream: Any) -> None:
        found, queue = self.take(executable, Executable), self.queue(stream)
        nodes = found.nodes

        def run() -> None:
            for node in nodes:
                node.run()

        self.submit(queue, f"graph of {len(nodes)}", run)

    def cuGraphUpload(self, executable: Any, stream: Any) -> None:
        self.take(executable, Executable)

    def cuGraphExecUpdate_v2(self, executable: Any, graph: Any, info: Any) -> int:
        found, new = self.take(executable, Executable), self.take(graph, Graph)
        if [n.name for n in found.nodes] != [n.name for n in new.nodes]:
            return codes.GRAPH_EXEC_UPDATE_FAILURE
        found.nodes = list(new.nodes)
        return 0

    cuGraphExecUpdate = cuGraphExecUpdate_v2

    def cuGraphGetNodes(self, graph: Any, nodes: Any, count: Any) -> None:
        put(count, len(self.take(graph, Graph).nodes))

    def cuGraphDestroy(self, graph: Any) -> None:
        self.take(graph, Graph)
        del self.handles[number(graph)]

    def cuGraphExecDestroy(self, executable: Any) -> None:
        self.take(executable, Executable)
        del self.handles[number(executable)]
