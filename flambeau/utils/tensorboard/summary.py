"""The messages that events hold: one function a kind of summary. Each gives a `Summary` as bytes.

The numbers of the fields are those of TensorBoard's .proto files (tensorboard/compat/proto and
tensorboard/plugins).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._arrays import as_array, as_number, as_picture, png, wav
from ._wire import (
    data,
    double,
    doubles,
    float32,
    floats,
    integer,
    integers,
    message,
    text,
    texts,
)

_FLOAT, _DOUBLE, _STRING = 1, 2, 7
_SCALAR_CLASS, _TENSOR_CLASS = 1, 2


def summary(*values: bytes) -> bytes:
    """A summary of some values."""
    return message(data(1, value) for value in values)


def metadata(plugin: str, content: bytes = b"", data_class: int | None = None) -> bytes:
    """Which plugin shows a value."""
    return message(data(1, message(text(1, plugin), data(2, content))), integer(4, data_class))


def tensor(array: np.ndarray | Sequence[str]) -> bytes:
    """A tensor of float32, float64 or strings."""
    if not isinstance(array, np.ndarray):
        return message(integer(1, _STRING), _shape((len(array),)), texts(8, array))
    if array.dtype == np.float64:
        return message(integer(1, _DOUBLE), _shape(array.shape), doubles(6, array.ravel().tolist()))
    flat = array.astype(np.float32).ravel().tolist()
    return message(integer(1, _FLOAT), _shape(array.shape), floats(5, flat))


def _shape(shape: tuple[int, ...]) -> bytes:
    return data(2, message(data(2, integer(1, size)) for size in shape))


def _shown_by(tag: str, plugin: str, content: bytes, of: np.ndarray | Sequence[str],
              data_class: int | None = None) -> bytes:  # fmt: skip
    meta = metadata(plugin, content, data_class)
    return summary(message(text(1, tag), data(9, meta), data(8, tensor(of))))


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> bytes:
    """A number: float32, or in the new style a tensor."""
    number = as_number(value)
    if not (new_style or double_precision):
        return summary(message(text(1, tag), float32(2, number)))
    array = np.asarray(number, np.float64 if double_precision else np.float32)
    return _shown_by(tag, "scalars", b"", array, _SCALAR_CLASS)


def tensor_proto(tag: str, value: Any) -> bytes:
    """A tensor of floats as it is."""
    array = as_array(value)
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{tag} has unsupported tensor dtype {array.dtype}: log float32 or float64")
    return _shown_by(tag, "tensor", b"", array, _TENSOR_CLASS)


def _default_bins() -> np.ndarray:
    """Edges that grow by a tenth from 1e-12 to 1e20, on both sides of 0."""
    positive = 1e-12 * 1.1 ** np.arange(774)
    positive = positive[positive < 1e20]
    return np.concatenate([-positive[::-1], [0.0], positive])


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> bytes:
    """How often values fall between the edges `bins` (or the name of NumPy's way to find them)."""
    array = as_array(values).astype(np.float64).ravel()
    if array.size == 0:
        raise ValueError("The input has no element.")
    edges = _default_bins() if isinstance(bins, str) and bins == "tensorflow" else bins
    counts, edges = np.histogram(array, bins=edges)
    if max_bins is not None and len(counts) > max_bins:
        each = -(-len(counts) // max_bins)
        padded = np.concatenate([counts, np.zeros(-len(counts) % each, counts.dtype)])
        counts = padded.reshape(-1, each).sum(1)
        edges = np.append(edges[: len(edges) - 1 : each], edges[-1])
    used = np.flatnonzero(counts)
    if used.size == 0:
        raise ValueError("The histogram is empty: no value lies between the edges of the bins")
    first, last = int(used[0]), int(used[-1]) + 1
    numbers = [0.0, *counts[first:last].astype(float)]
    return histogram_raw(tag, array.min(), array.max(), array.size, array.sum(), array @ array,
                         edges[first : last + 1], numbers)  # fmt: skip


def histogram_raw(tag: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any,
                  bucket_limits: Any, bucket_counts: Any) -> bytes:  # fmt: skip
    """A histogram from its parts; a bucket's limit is its upper end."""
    limits, counts = (np.asarray(x, float).tolist() for x in (bucket_limits, bucket_counts))
    if len(limits) != len(counts):
        raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
    parts = (min, max, num, sum, sum_squares)
    heads = (double(i + 1, float(part)) for i, part in enumerate(parts))
    histo = message(heads, doubles(6, limits), doubles(7, counts))
    return summary(message(text(1, tag), data(5, histo)))


def image(tag: str, value: Any, dataformats: str = "CHW") -> bytes:
    """A picture, or several in a grid."""
    return picture(tag, as_picture(value, dataformats))


def picture(tag: str, pixels: np.ndarray) -> bytes:
    """Bytes of height x width x channels."""
    height, width, channels = pixels.shape
    parts = (integer(1, height), integer(2, width), integer(3, channels), data(4, png(pixels)))
    return summary(message(text(1, tag), data(4, message(parts))))


def image_boxes(tag: str, value: Any, boxes: Any, dataformats: str = "CHW") -> bytes:
    """A picture with boxes (N x 4: xmin, ymin, xmax, ymax) drawn into it, in red."""
    pixels = as_picture(value, dataformats).copy()
    red = np.zeros(pixels.shape[2], np.uint8)
    red[[0, -1] if pixels.shape[2] == 4 else [0]] = 255
    height, width = pixels.shape[:2]
    for box in as_array(boxes).reshape(-1, 4):
        left, right = np.clip(box[[0, 2]], 0, width - 1).astype(int)
        top, bottom = np.clip(box[[1, 3]], 0, height - 1).astype(int)
        pixels[[top, bottom], left : right + 1] = red
        pixels[top : bottom + 1, [left, right]] = red
    return picture(tag, pixels)


def audio(tag: str, value: Any, sample_rate: int = 44100) -> bytes:
    """Sound: samples in -1 to 1 of one channel, or channels x samples, or samples x channels."""
    array = as_array(value).astype(np.float64).squeeze()
    if array.ndim == 0 or array.ndim > 2:
        raise AssertionError("input tensor should be 1 dimensional.")
    frames = array.reshape(-1, 1) if array.ndim == 1 else array
    if frames.shape[0] < frames.shape[1]:
        frames = frames.T
    parts = (float32(1, sample_rate), integer(2, frames.shape[1]), integer(3, len(frames)),
             data(4, wav(frames, sample_rate)), text(5, "audio/wav"))  # fmt: skip
    return summary(message(text(1, tag), data(6, message(parts))))


def text_summary(tag: str, value: str) -> bytes:
    """Text, in Markdown."""
    return _shown_by(f"{tag}/text_summary", "text", integer(1, 0), [value])


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: int = 127,
             weights: Any = None) -> bytes:  # fmt: skip
    """Precision and recall of a binary classifier over thresholds of its predictions."""
    n = min(num_thresholds, 127)
    labels, predictions = as_array(labels).ravel(), as_array(predictions).ravel()
    weight = np.ones(1) if weights is None else as_array(weights).astype(float)
    bucket = np.floor(predictions * (n - 1)).astype(int)
    true = labels.astype(float) * weight
    false = (1.0 - labels.astype(float)) * weight
    hits, alarms = (
        np.bincount(bucket, x, n)[:n][::-1].cumsum()[::-1] for x in (true, false)
    )
    return pr_curve_raw(tag, hits, alarms, alarms[0] - alarms, hits[0] - hits,
                        hits / np.maximum(1e-7, hits + alarms),
                        hits / np.maximum(1e-7, hits[0]), n)  # fmt: skip


def pr_curve_raw(tag: str, tp: Any, fp: Any, tn: Any, fn: Any, precision: Any, recall: Any,
                 num_thresholds: int = 127) -> bytes:  # fmt: skip
    """Counts, precision and recall at each threshold."""
    rows = np.stack([as_array(x).astype(np.float32) for x in (tp, fp, tn, fn, precision, recall)])
    content = message(integer(1, 0), integer(2, min(num_thresholds, 127)))
    return _shown_by(tag, "pr_curves", content, rows)


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    """Charts: `{category: {title: ["Multiline" | "Margin", tags]}}`."""
    categories = []
    for category, charts in layout.items():
        drawn = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError(f"a Margin chart has three tags, {title!r} has {len(tags)}")
                series = message(text(i + 1, tag) for i, tag in enumerate(tags))
                drawn.append(message(text(1, title), data(3, data(1, series))))
            else:
                drawn.append(message(text(1, title), data(2, texts(1, tags))))
        categories.append(message(text(1, category), (data(2, chart) for chart in drawn)))
    content = message(data(2, category) for category in categories)
    meta = metadata("custom_scalars")
    of = message(integer(1, _STRING), _shape(()), data(8, content))
    return summary(message(text(1, "custom_scalars__config__"), data(9, meta), data(8, of)))


def mesh(tag: str, vertices: Any, colors: Any, faces: Any, config: Mapping[str, Any] | None) -> bytes:
    """Points in space (batch x N x 3), their colours, and triangles of their numbers."""
    parts = [(1, "VERTEX", vertices), (2, "FACE", faces), (3, "COLOR", colors)]
    given = [(kind, name, as_array(of)) for kind, name, of in parts if of is not None]
    components = sum(1 << kind for kind, _, _ in given)
    values = []
    for kind, name, array in given:
        content = message(
            integer(1, 0), text(2, tag), integer(3, kind), text(5, json.dumps(dict(config or {}))),
            integers(6, array.shape), integer(7, components),
        )  # fmt: skip
        meta = metadata("mesh", content, _TENSOR_CLASS)
        values.append(message(text(1, f"{tag}_{name}"), data(9, meta), data(8, tensor(array))))
    return summary(*values)
