"""What goes between loader and worker: messages, shared segments, batches as bytes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data._utils import channel, segments, wire

needs_files = pytest.mark.skipif(not segments.SUPPORTED, reason="no files over sockets here")


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_in_pieces(ends):
    ours, theirs = ends
    inbox = channel.Inbox(theirs)
    data = channel.pack(("a", 1), b"body") + channel.pack((2,)) + channel.pack(None, bytes(1000))
    received = []
    for start in range(0, len(data), 7):
        ours.sendall(data[start : start + 7])
        assert inbox.read()
        received += inbox.messages()
    assert received == [(("a", 1), b"body"), ((2,), b""), (None, bytes(1000))]


def test_looking_without_waiting(ends):
    ours, theirs = ends
    inbox = channel.Inbox(theirs)
    assert inbox.read(wait=False) and inbox.messages() == []
    channel.send(ours, "x")
    assert inbox.read(wait=False) and inbox.messages() == [("x", b"")]
    ours.close()
    assert not inbox.read(wait=False)


@needs_files
def test_files_come_with_their_messages(ends, tmp_path):
    ours, theirs = ends
    inbox = channel.Inbox(theirs)
    for name in ("one", "two"):
        path = tmp_path / name
        path.write_text(name)
        with path.open() as file:
            channel.send(ours, name, b"", file.fileno())
    names = []
    while len(names) < 2:
        inbox.read()
        names += [header for header, _ in inbox.messages()]
    assert names == ["one", "two"] and len(inbox.files) == 2
    with os.fdopen(inbox.files.popleft()) as file:
        assert file.read() == "one" and not os.get_inheritable(file.fileno())
    left = inbox.files[0]
    inbox.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(left)


def test_layout():
    assert segments.layout([1, 64, 65, 10]) == ([0, 64, 128, 256], 320)
    assert segments.layout([]) == ([], 0)


def pass_on(writer, reader, arrays):
    number, file, dropped = writer.write([memoryview(a).cast("B") for a in arrays])
    reader.drop(dropped)
    if file is not None:
        reader.add(number, file)
    return number, file is not None, dropped


@needs_files
def test_segments_are_used_again():
    writer, reader = segments.Writer(), segments.Reader()
    first, second = np.arange(5000.0), np.arange(100)
    number, new, _ = pass_on(writer, reader, [first, second])
    assert new
    copies = reader.read(number, [first.nbytes, second.nbytes])
    assert (copies[0].view(np.float64) == first).all() and (
        copies[1].view(np.int64) == second
    ).all()
    assert all(copy.flags.owndata for copy in copies)
    writer.release(reader.take_done())
    assert reader.take_done() == []
    assert pass_on(writer, reader, [first[:2000]]) == (number, False, [])
    # Not handed back yet, so that the next batch must go elsewhere.
    other, new, dropped = pass_on(writer, reader, [second])
    assert other != number and new and not dropped
    assert (copies[0].view(np.float64) == first).all()


@needs_files
def test_segments_that_are_too_small_are_given_up():
    writer, reader = segments.Writer(), segments.Reader()
    small, large = np.zeros(1000), np.ones(100_000)
    number, _, _ = pass_on(writer, reader, [small])
    reader.skip(number)
    writer.release(reader.take_done())
    bigger, new, dropped = pass_on(writer, reader, [large])
    assert new and dropped == [number] and bigger != number
    assert (reader.read(bigger, [large.nbytes])[0].view(np.float64) == 1).all()


@needs_files
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
def test_segments_leave_nothing():
    before = len(os.listdir("/proc/self/fd"))
    writer, reader = segments.Writer(), segments.Reader()
    number, _, _ = pass_on(writer, reader, [np.ones(10_000)])
    copy = reader.read(number, [80_000])[0]
    assert "flambeau-batch" in Path("/proc/self/maps").read_text()
    del writer, reader
    assert "flambeau-batch" not in Path("/proc/self/maps").read_text()
    assert len(os.listdir("/proc/self/fd")) == before and copy.nbytes == 80_000


def there_and_back(batch):
    body, buffers = wire.encode(batch)
    copies = [np.frombuffer(buffer, np.uint8).copy() for buffer in buffers]
    return wire.decode(body, copies), len(buffers)


@pytest.mark.parametrize("n", [0, 10, 100_000])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_tensors_and_arrays(n, dtype):
    tensor = torch.zeros(n, dtype=getattr(torch, dtype))
    array = np.zeros(n, dtype)
    (tensor_again, array_again, same), large = there_and_back([tensor, array, tensor])
    assert large == (2 if n == 100_000 else 0)
    assert tensor_again.dtype == tensor.dtype and tensor_again.shape == (n,)
    assert same is tensor_again
    assert array_again.dtype == array.dtype and array_again.flags.writeable
    tensor_again.add_(1) if dtype != "bool" else tensor_again.fill_(True)
    assert tensor.tolist() == [0] * n and tensor_again.tolist() == [1] * n


def test_lazy_tensors_are_computed():
    lazy = torch.ones(3) * 2 + 1
    assert there_and_back(lazy)[0].tolist() == [3.0, 3.0, 3.0]


def test_shapes_and_gradients():
    matrix = torch.arange(6).reshape(2, 3).t()
    assert there_and_back(matrix)[0].tolist() == matrix.tolist()
    scalar, _ = there_and_back(torch.tensor(2.5))
    assert scalar.shape == () and scalar.item() == 2.5
    leaf, _ = there_and_back(torch.ones(2, requires_grad=True))
    assert leaf.requires_grad and leaf.is_leaf
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*detach"):
        wire.encode(torch.ones(2, requires_grad=True) * 2)


def test_read_only_arrays():
    for n in (10, 100_000):
        array = np.zeros(n)
        array.flags.writeable = False
        tensor, _ = there_and_back(torch.ones(n))
        assert tensor.add_(1)[0].item() == 2.0
        assert there_and_back([array])[0][0].shape == (n,)
