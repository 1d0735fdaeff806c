"""Event files: read back here with a small reader of the wire format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.utils.tensorboard import SummaryWriter, _records


def fields(data: bytes) -> dict[int, list[Any]]:
    """A message's fields: numbers, or bytes."""
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value: Any = varint()
        elif kind == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif kind == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            size = varint()
            value, at = data[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def events(folder: Path) -> Iterator[dict[int, list[Any]]]:
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        at = 0
        while at < len(data):
            head = data[at : at + 8]
            (size,) = struct.unpack("<Q", head)
            body = data[at + 12 : at + 12 + size]
            sums = struct.unpack_from("<I", data, at + 8) + struct.unpack_from("<I", data, at + 12 + size)
            assert sums == (_records.masked_crc32c(head), _records.masked_crc32c(body))
            yield fields(body)
            at += 16 + size


def values(folder: Path) -> list[tuple[int, dict[int, list[Any]]]]:
    """(step, value) of all summaries."""
    return [
        (event.get(2, [0])[0], fields(value))
        for event in events(folder) if 5 in event
        for value in fields(event[5][0])[1]
    ]  # fmt: skip


def test_checksums() -> None:
    """The test vectors of RFC 3720, B.4, and long data, which is cut into lanes."""
    assert _records.crc32c(bytes(32)) == 0x8A9136AA
    assert _records.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert _records.crc32c(bytes(range(32))) == 0x46DD794E
    data = np.random.RandomState(0).bytes(9999)
    assert _records.crc32c(data) == _records._update(0xFFFFFFFF, data) ^ 0xFFFFFFFF


def test_scalars(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        assert writer.get_logdir() == str(tmp_path)
        writer.add_scalar("loss", torch.tensor(0.5), 3, walltime=12.0)
        writer.add_scalar("loss", 2, 4)
        writer.add_scalar("new", 1.5, new_style=True)
        writer.add_scalars("both", {"a": 1, "b": 2}, 1)
        with pytest.raises(AssertionError, match="scalar should be 0D"):
            writer.add_scalar("bad", torch.ones(2))
    first, second, new = values(tmp_path)
    assert first == (3, {1: [b"loss"], 2: [0.5]}) and second == (4, {1: [b"loss"], 2: [2.0]})
    assert fields(fields(new[1][9][0])[1][0])[1] == [b"scalars"]
    start = next(events(tmp_path))
    assert start[3] == [b"brain.Event:2"]
    assert [e[1][0] for e in events(tmp_path)][1] == 12.0
    assert values(tmp_path / "both_a") == [(1, {1: [b"both"], 2: [1.0]})]


def test_histograms(tmp_path: Path) -> None:
    data = np.random.RandomState(0).randn(100).astype("f")
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", torch.tensor(data), 1)
        writer.add_histogram("few", data, 1, bins="auto", max_bins=3)
        writer.add_histogram_raw("raw", 0, 2, 3, 4, 6, [1, 2], [1, 2])
        with pytest.raises(ValueError, match="no element"):
            writer.add_histogram("none", torch.ones(0))
    for _, value in values(tmp_path)[:2]:
        histogram = fields(value[5][0])
        counts = np.frombuffer(histogram[7][0])
        limits = np.frombuffer(histogram[6][0])
        assert counts.sum() == histogram[3][0] == 100 and len(counts) == len(limits)
        assert np.isclose(histogram[4][0], data.sum(dtype=float)) and histogram[1][0] == data.min()
        assert limits[0] <= data.min() and limits[-1] >= data.max()
    assert len(np.frombuffer(fields(values(tmp_path)[1][1][5][0])[7][0])) <= 4


def unpacked(png: bytes, height: int, width: int) -> np.ndarray:
    """The pixels of a PNG without filters."""
    at, data = 8, b""
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(kind + content)
        data += content if kind == b"IDAT" else b""
        at += 12 + size
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    return lines[:, 1:].reshape(height, width, -1)


def test_pictures(tmp_path: Path) -> None:
    x = torch.rand(3, 4, 5)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("i", x)
        writer.add_image("hw", (x[0] * 255).byte(), dataformats="HW")
        writer.add_images("many", torch.rand(10, 1, 4, 5))
        writer.add_image_with_boxes("b", torch.zeros(3, 9, 9), [[1, 2, 5, 7]])
        with pytest.raises(AssertionError, match="size of input tensor and input format"):
            writer.add_image("bad", x, dataformats="HW")
        with pytest.raises(NotImplementedError, match="add_images"):
            writer.add_video("v", torch.zeros(1, 2, 3, 4, 4))
    found = [fields(value[4][0]) for _, value in values(tmp_path)]
    assert [(f[1][0], f[2][0], f[3][0]) for f in found] == [(4, 5, 3), (4, 5, 3), (8, 40, 3), (9, 9, 3)]
    pixels = unpacked(found[0][4][0], 4, 5)
    assert np.array_equal(pixels, (x * 255).numpy().transpose(1, 2, 0).astype(np.uint8))
    boxed = unpacked(found[3][4][0], 9, 9)
    assert (boxed[2, 1:6, 0] == 255).all() and (boxed[2:8, 5, 0] == 255).all() and boxed[4, 3].sum() == 0


def test_figures(tmp_path: Path) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure(figsize=(1, 1), dpi=20)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("f", figure)
    (_, value), = values(tmp_path)
    assert fields(value[4][0])[1] == [20]


def test_what_plugins_show(tmp_path: Path) -> None:
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.4, 0.6])
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("t", "hello")
        writer.add_pr_curve("pr", labels, scores, num_thresholds=5)
        writer.add_mesh("m", torch.rand(1, 4, 3), faces=torch.tensor([[[0, 1, 2]]]))
        writer.add_custom_scalars({"c": {"t": ["Multiline", ["a"]], "m": ["Margin", ["x", "y", "z"]]}})
        writer.add_tensor("raw", torch.ones(2))
        writer.add_audio("a", torch.zeros(1, 50), sample_rate=100)
    plugins = [fields(fields(v[9][0])[1][0])[1][0].decode() for _, v in values(tmp_path) if 9 in v]
    assert plugins == ["text", "pr_curves", "mesh", "mesh", "custom_scalars", "tensor"]
    tags = [v[1][0].decode() for _, v in values(tmp_path)]
    assert tags == ["t/text_summary", "pr", "m_VERTEX", "m_FACE", "custom_scalars__config__", "raw", "a"]
    curve = np.frombuffer(fields(values(tmp_path)[1][1][8][0])[5][0], "f").reshape(6, 5)
    hits = [((scores * 4).astype(int) >= k)[labels == 1].sum() for k in range(5)]
    assert curve[0].tolist() == hits
    sound = fields(values(tmp_path)[-1][1][6][0])
    assert sound[1] == [100.0] and sound[3] == [50] and sound[4][0][:4] == b"RIFF"


def test_hyperparameters(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "opt": "sgd", "on": True}, {"acc": 1.0}, run_name="run")
        with pytest.raises(TypeError, match="hparam_dict should be a dictionary"):
            writer.add_hparams([1], {})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="'lr'"):
            writer.add_hparams({"lr": [1]}, {})
    tags = [v[1][0].decode() for _, v in values(tmp_path / "run")]
    assert tags == ["_hparams_/experiment", "_hparams_/session_start_info",
                    "_hparams_/session_end_info", "acc"]  # fmt: skip


def test_graph(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, torch.ones(2, 3))
    graph, = (e[4][0] for e in events(tmp_path) if 4 in e)
    nodes = [fields(node) for node in fields(graph)[1]]
    assert [n[1][0].decode() for n in nodes] == [
        "input/0", "Sequential/0", "Sequential/1", "Sequential/2/0", "output"]  # fmt: skip
    assert [n.get(3, [b""])[0].decode() for n in nodes[1:]] == [
        "input/0", "Sequential/0", "Sequential/1", "Sequential/2/0"]  # fmt: skip


def test_embeddings(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(torch.ones(3, 2), ["a", "b", "c"], torch.rand(3, 3, 4, 4), 7)
    folder = tmp_path / "00007" / "default"
    assert (folder / "tensors.tsv").read_text() == "1.0\t1.0\n" * 3
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert "sprite" in (tmp_path / "projector_config.pbtxt").read_text()
    assert unpacked((folder / "sprite.png").read_bytes(), 8, 8).shape == (8, 8, 3)


def test_a_closed_writer_opens_again(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path, purge_step=5)
    writer.close()
    writer.add_scalar("a", 1)
    writer.flush()
    assert len(values(tmp_path)) == 1
    assert fields([e for e in events(tmp_path) if 7 in e][0][7][0]) == {1: [1]}
    writer.close()
