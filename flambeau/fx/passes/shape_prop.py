"""Shapes and dtypes of a graph's results, found by running it."""

from __future__ import annotations

from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import refusing

from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor but its content."""

    shape: torch.Size
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _of(result: Any) -> Any:
    if not isinstance(result, torch.Tensor):
        return result
    order = torch.contiguous_format if result.is_contiguous() else None
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, result.stride(), order, False, {}
    )


class ShapeProp(Interpreter):
    """Runs a GraphModule and notes at each node whose result has tensors what they are
    (`meta["tensor_meta"]`, nested as the result is), and every result's type (`meta["type"]`)."""

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        found = []
        map_aggregate(result, lambda x: found.append(x) if isinstance(x, torch.Tensor) else None)
        if found:
            n.meta["tensor_meta"] = map_aggregate(result, _of)
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the module on these arguments; gives its result."""
        return self.run(*args)


__getattr__ = refusing(__name__)
