"""`torch.fx`: programs as graphs, which can be read, changed and run.

A module is traced by running its `forward` with proxies. flambeau does not need the graphs to be
fast: it compiles what repeats without being asked.
"""

from __future__ import annotations

from typing import TypeVar

from flambeau.errors import refusing

from .graph import Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, map_arg
from .tracer import Proxy, Tracer, symbolic_trace, wrap

_T = TypeVar("_T")

__all__ = ["Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer",
           "has_side_effect", "map_arg", "symbolic_trace", "wrap"]  # fmt: skip


def has_side_effect(fn: _T) -> _T:
    """Marks a function whose calls stay though nobody takes their results; returns it."""
    return fn


__getattr__ = refusing(__name__)
