"""A module's graph for TensorBoard: its submodules as nodes, and which one's result went to which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flambeau as torch

from ._wire import data, integer, message, text, texts


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


class _Recorder:
    """Notes, while a model runs, from which node each tensor came."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.came_from: dict[int, str] = {}
        self.kept: list[Any] = []  # so that no other tensor gets the id of one seen

    def give(self, name: str, op: str, inputs: list[str], results: Any) -> None:
        self.nodes.append(message(text(1, name), text(2, op), texts(3, inputs)))
        for t in _tensors(results):
            self.came_from[id(t)] = name
            self.kept.append(t)

    def sources(self, values: Any, otherwise: str) -> list[str]:
        """The nodes that some tensors came from; where that was no module, what ran before."""
        found = [self.came_from.get(id(t), otherwise) for t in _tensors(values)]
        return list(dict.fromkeys(name for name in found if name))


def graph(model: Any, inputs: Any) -> bytes:
    """A GraphDef of the leaf modules of a model that is run once on `inputs`.

    Operations between modules (`x + y`, `x.view(...)`) are no nodes: the edge then comes from the
    module that ran before.
    """
    recorder, handles, last = _Recorder(), [], [""]
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    for i, value in enumerate(given):
        recorder.give(f"input/{i}", "Placeholder", [], value)
    last[0] = "input/0"
    counts: dict[str, int] = {}
    top = type(model).__name__

    def hook_of(path: str) -> Any:
        def hook(module: Any, args: Any, result: Any) -> None:
            counts[path] = counts.get(path, 0) + 1
            name = path if counts[path] == 1 else f"{path}_{counts[path]}"
            recorder.give(name, type(module).__name__, recorder.sources(args, last[0]), result)
            last[0] = name

        return hook

    for name, module in model.named_modules():
        if next(module.children(), None) is None:
            path = "/".join((top, *name.split("."))) if name else top
            handles.append(module.register_forward_hook(hook_of(path)))
    try:
        with torch.no_grad():
            result = model(*given)
    finally:
        for handle in handles:
            handle.remove()
    recorder.give("output", "Identity", recorder.sources(result, last[0]), ())
    return message((data(1, node) for node in recorder.nodes), data(4, integer(1, 22)))
