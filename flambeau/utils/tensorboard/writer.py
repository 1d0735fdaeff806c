"""`SummaryWriter`: what users log with."""

from __future__ import annotations

import itertools
import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

from . import _embedding, _graph, _hparams, _records, summary
from ._arrays import as_array
from ._wire import data, double, integer, message, text

__all__ = ["FileWriter", "SummaryWriter"]

_numbers = itertools.count()


class FileWriter:
    """Writes events into one file of a folder, which is made."""

    def __init__(
        self, log_dir: str | os.PathLike[str], max_queue: int = 10, flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:  # fmt: skip
        self._folder = os.fspath(log_dir)
        os.makedirs(self._folder, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}."
            f"{os.getpid()}.{next(_numbers)}{filename_suffix}"
        )
        self.path = os.path.join(self._folder, name)
        self._file: IO[bytes] = open(self.path, "wb")  # noqa: SIM115
        self._lock = threading.Lock()
        self._flush_secs, self._flushed = flush_secs, time.monotonic()
        self._closing = weakref.finalize(self, self._file.close)  # at exit too
        self.add_event(text(3, "brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def add_event(self, event: bytes, step: int | None = None, walltime: float | None = None) -> None:
        """Append an event: what it holds, as a field of the message, its step and time."""
        now = time.monotonic()  # the clock of the day may be set back
        when = time.time() if walltime is None else float(walltime)
        record = message(double(1, when), integer(2, None if step is None else int(step)), event)
        with self._lock:
            if self._file.closed:
                self._file = open(self.path, "ab")  # noqa: SIM115
                self._closing = weakref.finalize(self, self._file.close)
            _records.write(self._file, record)
            if now - self._flushed > self._flush_secs:
                self._flushed = now
                self._file.flush()

    def add_summary(self, summary: bytes, global_step: int | None = None, walltime: float | None = None) -> None:
        """Append a summary."""
        self.add_event(data(5, summary), global_step, walltime)

    def add_graph(self, graph: bytes, walltime: float | None = None) -> None:
        """Append a graph."""
        self.add_event(data(4, graph), None, walltime)

    def flush(self) -> None:
        """Have everything on disk."""
        with self._lock:
            if not self._file.closed:
                self._file.flush()

    def close(self) -> None:
        """Close the file; another event opens it again."""
        with self._lock:
            self._file.close()

    reopen = flush


class SummaryWriter:
    """Logs for TensorBoard, in event files of the folder `log_dir`.

    Args:
        log_dir: `runs/<date>_<host><comment>` where it is left out.
        comment: the end of that name.
        purge_step: what earlier runs wrote in this folder from this step on is not shown.
        max_queue: accepted; events are written at once.
        flush_secs: how long events may wait in memory, in seconds.
        filename_suffix: the end of the event files' names.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] | None = None, comment: str = "",
        purge_step: int | None = None, max_queue: int = 10, flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:  # fmt: skip
        if not log_dir:
            started = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{started}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step, self.max_queue = purge_step, max_queue
        self.flush_secs, self.filename_suffix = flush_secs, filename_suffix
        self.all_writers: dict[str, FileWriter] | None = {}
        self.file_writer: FileWriter | None = None
        self._scalar_dict: dict[str, Any] = {}
        writer = self._get_file_writer()
        if purge_step is not None:
            start = integer(1, 1)
            writer.add_event(data(7, start), purge_step)

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            self.file_writer = self._writer(self.log_dir)
        return self.file_writer

    def _writer(self, folder: str) -> FileWriter:
        if self.all_writers is None:
            self.all_writers = {}
        if folder not in self.all_writers:
            self.all_writers[folder] = FileWriter(
                folder, self.max_queue, self.flush_secs, self.filename_suffix
            )
        return self.all_writers[folder]

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def _add(self, made: bytes, global_step: Any, walltime: float | None) -> None:
        step = None if global_step is None else int(global_step)
        self._get_file_writer().add_summary(made, step, walltime)

    # --- numbers ----------------------------------------------------------------------------

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None,
                   walltime: float | None = None, new_style: bool = False,
                   double_precision: bool = False) -> None:  # fmt: skip
        """Log a number."""
        made = summary.scalar(tag, scalar_value, new_style, double_precision)
        self._add(made, global_step, walltime)

    def add_scalars(self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None,
                    walltime: float | None = None) -> None:  # fmt: skip
        """Log several numbers for one chart. Each goes to a folder of its own beside the others."""
        walltime = time.time() if walltime is None else walltime
        for tag, value in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            step = None if global_step is None else int(global_step)
            self._writer(folder).add_summary(summary.scalar(main_tag, value), step, walltime)

    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None,
                   walltime: float | None = None) -> None:  # fmt: skip
        """Log a tensor of floats."""
        self._add(summary.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(self, tag: str, values: Any, global_step: Any = None,
                      bins: Any = "tensorflow", walltime: float | None = None,
                      max_bins: int | None = None) -> None:  # fmt: skip
        """Log how values are distributed. `bins`: "tensorflow" (edges that grow by a tenth),
        "auto", "fd" or another of NumPy's ways, or the edges."""
        self._add(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(self, tag: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any,
                          bucket_limits: Any, bucket_counts: Any, global_step: Any = None,
                          walltime: float | None = None) -> None:  # fmt: skip
        """Log a histogram that is known already."""
        made = summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits,
                                     bucket_counts)  # fmt: skip
        self._add(made, global_step, walltime)

    def add_pr_curve(self, tag: str, labels: Any, predictions: Any, global_step: Any = None,
                     num_thresholds: int = 127, weights: Any = None,
                     walltime: float | None = None) -> None:  # fmt: skip
        """Log precision and recall: `labels` are 0 and 1, `predictions` in 0 to 1."""
        made = summary.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(made, global_step, walltime)

    def add_pr_curve_raw(self, tag: str, true_positive_counts: Any, false_positive_counts: Any,
                         true_negative_counts: Any, false_negative_counts: Any, precision: Any,
                         recall: Any, global_step: Any = None, num_thresholds: int = 127,
                         weights: Any = None, walltime: float | None = None) -> None:  # fmt: skip
        """Log a precision and recall curve that is known already."""
        made = summary.pr_curve_raw(tag, true_positive_counts, false_positive_counts,
                                    true_negative_counts, false_negative_counts, precision, recall,
                                    num_thresholds)  # fmt: skip
        self._add(made, global_step, walltime)

    def add_hparams(self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any],
                    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
                    run_name: str | None = None, global_step: Any = None) -> None:  # fmt: skip
        """Log hyperparameters and what they gave, in a folder of their own below `log_dir`."""
        made = _hparams.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(folder) as inner:
            for each in made:
                inner._add(each, None, None)
            for name, value in metric_dict.items():
                inner.add_scalar(name, value, global_step)

    # --- pictures, sound, text --------------------------------------------------------------

    def add_image(self, tag: str, img_tensor: Any, global_step: Any = None,
                  walltime: float | None = None, dataformats: str = "CHW") -> None:  # fmt: skip
        """Log a picture: bytes, or floats in 0 to 1."""
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(self, tag: str, img_tensor: Any, global_step: Any = None,
                   walltime: float | None = None, dataformats: str = "NCHW") -> None:  # fmt: skip
        """Log pictures, put side by side."""
        if isinstance(img_tensor, (list, tuple)):
            import numpy as np

            img_tensor = np.stack([as_array(x) for x in img_tensor])
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(self, tag: str, img_tensor: Any, box_tensor: Any,
                             global_step: Any = None, walltime: float | None = None,
                             rescale: float = 1, dataformats: str = "CHW",
                             labels: Sequence[str] | None = None) -> None:  # fmt: skip
        """Log a picture with boxes drawn into it (N x 4: xmin, ymin, xmax, ymax)."""
        if labels is not None or rescale != 1:
            raise NotImplementedError(
                "add_image_with_boxes(): flambeau draws boxes without labels and without rescaling; "
                "draw them with PIL.ImageDraw and log the picture with add_image"
            )
        self._add(summary.image_boxes(tag, img_tensor, box_tensor, dataformats), global_step, walltime)

    def add_figure(self, tag: str, figure: Any, global_step: Any = None, close: bool = True,
                   walltime: float | None = None) -> None:  # fmt: skip
        """Log a figure of matplotlib's, or a list of figures of one size; they are closed."""
        import numpy as np
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        drawn = []
        for each in figure if isinstance(figure, list) else [figure]:
            canvas = FigureCanvasAgg(each)
            canvas.draw()
            drawn.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
            if close:
                import matplotlib.pyplot as plt

                plt.close(each)
        pixels = np.stack(drawn) if isinstance(figure, list) else drawn[0]
        letters = "NHWC" if isinstance(figure, list) else "HWC"
        self._add(summary.image(tag, pixels, letters), global_step, walltime)

    def add_video(self, tag: str, vid_tensor: Any, global_step: Any = None, fps: float = 4,
                  walltime: float | None = None) -> NoReturn:  # fmt: skip
        """NotImplementedError: TensorBoard shows films as GIF, which flambeau does not write."""
        raise NotImplementedError(
            "SummaryWriter.add_video writes animated GIFs, which flambeau lacks so far; log single "
            "frames with add_images(tag, video[i], step)"
        )

    def add_audio(self, tag: str, snd_tensor: Any, global_step: Any = None,
                  sample_rate: int = 44100, walltime: float | None = None) -> None:  # fmt: skip
        """Log sound: samples in -1 to 1, `sample_rate` in Hz."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: Any = None,
                 walltime: float | None = None) -> None:  # fmt: skip
        """Log text, which is shown as Markdown."""
        self._add(summary.text_summary(tag, text_string), global_step, walltime)

    # --- structures -------------------------------------------------------------------------

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False,
                  use_strict_trace: bool = True) -> None:  # fmt: skip
        """Log a model's submodules as a graph, by running it once on its input (or a tuple of
        several)."""
        if not hasattr(model, "forward"):
            raise TypeError(f"add_graph() takes a module, not {type(model).__name__}")
        self._get_file_writer().add_graph(_graph.graph(model, input_to_model))

    def add_onnx_graph(self, prototxt: Any) -> NoReturn:
        """NotImplementedError: ONNX is not read."""
        raise NotImplementedError(
            "SummaryWriter.add_onnx_graph shows an ONNX file, which flambeau does not read; use "
            "add_graph(model, inputs)"
        )

    def add_embedding(self, mat: Any, metadata: Sequence[Any] | None = None, label_img: Any = None,
                      global_step: Any = None, tag: str = "default",
                      metadata_header: Sequence[str] | None = None) -> None:  # fmt: skip
        """Log points (N x D) for the projector, with labels and pictures (N x C x H x W)."""
        points = as_array(mat)
        if points.ndim != 2:
            raise AssertionError(
                "mat should be 2D, where mat.size(0) is the number of data points, "
                f"not {list(points.shape)}"
            )
        for name, given in (("labels", metadata), ("images", label_img)):
            if given is not None and len(given) != len(points):
                raise AssertionError(f"#{name} should equal with #data points")
        step = f"{0 if global_step is None else int(global_step):05d}"
        name = re.sub(r"[^\w\-./]", "_", tag)
        folder = os.path.join(step, name)
        whole = os.path.join(self.log_dir, folder)
        os.makedirs(whole, exist_ok=True)
        _embedding.write_points(whole, points)
        if metadata is not None:
            _embedding.write_labels(whole, metadata, metadata_header)
        if label_img is not None:
            _embedding.write_sprites(whole, label_img)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "a", encoding="utf-8") as file:
            file.write(_embedding.config(folder, f"{tag}:{step}", metadata is not None, label_img))

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Say which scalars are drawn into one chart: `{category: {title: [kind, tags]}}`, kind
        "Multiline", or "Margin" for a value, its lower and its upper end."""
        self._add(summary.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(self, tags: Sequence[str], category: str = "default",
                                          title: str = "untitled") -> None:  # fmt: skip
        """One chart of several scalars."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(self, tags: Sequence[str], category: str = "default",
                                       title: str = "untitled") -> None:  # fmt: skip
        """One chart of a value between two others."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_mesh(self, tag: str, vertices: Any, colors: Any = None, faces: Any = None,
                 config_dict: Mapping[str, Any] | None = None, global_step: Any = None,
                 walltime: float | None = None) -> None:  # fmt: skip
        """Log points in space (batch x N x 3), their colours (in 0 to 255), and triangles."""
        self._add(summary.mesh(tag, vertices, colors, faces, config_dict), global_step, walltime)

    # --- files ------------------------------------------------------------------------------

    def flush(self) -> None:
        """Have everything on disk."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Close the files; logging more opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
