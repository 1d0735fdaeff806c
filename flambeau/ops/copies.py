"""`view_copy` and its kin: what view operations show, in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import complexes, diagonals, splits, views
from .table import Row, call, row, table

_BEFORE = (complexes, diagonals, splits, views)
"""The families whose rows are looked up here."""

_ONE = (
    "alias", "as_strided", "diagonal", "expand", "permute", "select", "slice", "squeeze", "t",
    "transpose", "unfold", "unsqueeze", "view_as_complex", "view_as_real",
)  # fmt: skip
_SEVERAL = ("split", "split_with_sizes", "unbind")


def _copied(name: str) -> Callable[..., Any]:
    def copy(input: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "expand":
            kwargs.pop("implicit", None)
        return getattr(call, name)(input, *args, **kwargs).clone()

    copy.__doc__ = f"{name}() in memory of its own."
    return copy


def _copied_list(name: str) -> Callable[..., Any]:
    def copies(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        found = getattr(call, name)(input, *args, **kwargs)
        if out is None:
            return tuple(part.clone() for part in found)
        if len(out) != len(found):
            raise RuntimeError(f"{name}_copy(): expected {len(found)} out tensors, got {len(out)}")
        for target, part in zip(out, found, strict=True):
            if target.dtype is not part.dtype:
                raise RuntimeError(
                    f"{name}_copy(): Expected out tensor to have dtype {part.dtype}, but got {target.dtype}"
                )
            if tuple(target.shape) != tuple(part.shape):
                target.resize_(part.shape)
            target.copy_(part)
        return None

    copies.__doc__ = f"{name}(), each part in memory of its own."
    return copies


def _node(view: Row) -> Any:
    """`ExpandBackward0_copy`"""
    if callable(view.node):
        rule = view.node
        return lambda *params: rule(*params) + "_copy"
    name = view.node if view.node[-1:].isdigit() else view.node + "Backward0"
    return name + "_copy"


for _name in _ONE:
    _row = table[_name]
    row(f"{_name}_copy({_row.schema.partition('(')[2]}", body=_copied(_name), forms="fo", out="exact",
        grads=_row.grads, node=_node(_row), samples=_row.samples if _row.grads else None,
        doc=f"{_name}() in memory of its own.")  # fmt: skip
for _name in _SEVERAL:
    _schema = table[_name].schema.partition("(")[2]
    row(f"{_name}_copy({_schema}", body=_copied_list(_name), forms="f",
        doc=f"{_name}(), each part in memory of its own.")  # fmt: skip


def _view_copy(input: Any, size: Any) -> Any:
    """The elements in another shape, or their bits as another dtype, in memory of their own."""
    return input.view(size).clone()


row("view_copy(Tensor input, any size) -> Tensor", body=_view_copy, forms="fo", out="exact",
    samples=lambda m: [((m(2, 3), (3, 2)), {})], doc="See body.")  # fmt: skip
row("detach_copy(Tensor input) -> Tensor", body=lambda input: input.detach().clone(), forms="fo", out="exact",
    doc="The elements, in memory of their own and out of the graph.")  # fmt: skip
