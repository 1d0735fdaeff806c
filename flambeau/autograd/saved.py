"""Values that nodes keep for backward, and the check that nobody has written them since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.layout import contiguous_strides
from ..runtime.storage import Storage
from .node import Node, version
from .packing import Packed
from .wrapped import Wrapped

new_tensor: Callable[[], Any] = object
"""Makes a tensor without fields. The module of Tensor, which imports this one, puts it here: an
import at each call would cost more than the rest of the call."""

Saved = tuple[Any, Any, int]
"""A tensor, the storage that it had, and the version that it was at."""


def save(x: Any) -> Saved:
    """Keep a tensor for backward, with the version it has now."""
    return (x, x._storage, x._storage.version if x._count is None else counted(x))


def counted(x: Any) -> int:
    """The version of a tensor that does not count with its storage: `.data`, inference tensors."""
    if x._inference:
        raise RuntimeError(
            f"Inference tensors cannot be saved for backward (this one is {_kind(x._aval)}). "
            "clone() it outside of inference mode to get a normal tensor."
        )
    return version(x)


def unpack(saved: Saved, node: Node, what: str) -> Any:
    """A saved tensor; RuntimeError if it was changed in place since."""
    x, storage, expected = saved
    found = version(x) if x._storage is storage else storage.version
    if found != expected:
        raise _changed(x._aval, f"the {what} of {node.name()}", found, expected)
    return x if x._storage is storage else x._alias_of(storage)


def _changed(aval: Any, what: str, found: int, expected: int) -> RuntimeError:
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{_kind(aval)}], which is {what}, is at version {found}; expected version "
        f"{expected} instead. Hint: clone() it before the in-place operation, or use the operation "
        "that returns a new tensor."
    )


def _kind(aval: Any) -> str:
    return f"torch.{aval.dtype.legacy}Tensor {list(aval.shape)}"


SavedResult = tuple[Any, Any, int]
"""The storage of a result, what counts its versions (a storage, or a list of one), and the version
that it was at."""


def save_result(t: Any) -> SavedResult:
    """Keep a result by its storage: keeping the tensor, which refers to the node, would be a
    circle."""
    storage = t._storage
    return (storage, storage, storage.version)


def written_result(node: Any, result: Any, target: Any) -> None:
    """`result` was written into `target`: from now on the versions of that one count. The content
    stays where it is; values are immutable, so nothing is kept twice."""
    counter = target._count or target._storage
    now = version(target)
    node.saved_results = tuple(
        (s[0], counter, now) if s.__class__ is tuple and s[0] is result._storage else s
        for s in node.saved_results
    )


def unpack_result(node: Node, position: int) -> Any:
    """A saved result as a tensor of the graph again; RuntimeError if it was changed since."""
    entry = node.saved_results[position]
    if entry.__class__ is Packed:
        t = entry.plain()._alias()
        t._rg, t._node, t._nr = True, node, position
        return t
    storage, counter, expected = entry
    found = counter[0] if counter.__class__ is list else counter.version
    if found != expected:
        raise _changed(node.out[position], f"output {position} of {node.name()}", found, expected)
    return result_tensor(storage, node.out[position], node, position)


def fresh(value: Any, a: Any) -> Any:
    """A new tensor over a new storage with this content."""
    t = new_tensor()
    t._storage = Storage(value, a)
    t._aval = a
    return t


def result_tensor(storage: Any, out: Any, node: Node, position: int) -> Any:
    """A tensor over `storage` that is result number `position` of `node`."""
    t = fresh_over(storage, out)
    t._rg, t._node, t._nr = True, node, position
    return t


def fresh_over(storage: Any, out: Any) -> Any:
    """A tensor over `storage`, which an operation's result of aval `out` has filled."""
    t = new_tensor()
    t._storage = storage
    t._aval = out
    if storage.__class__ is Wrapped:
        t._strides, t._offset = storage.layout
    elif storage.aval is not out and storage.aval.shape != out.shape:
        t._plain = False
        t._strides = contiguous_strides(out.shape)
    return t
