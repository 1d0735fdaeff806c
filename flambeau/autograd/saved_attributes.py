"""What a row's node has saved, as attributes: `grad_fn._saved_self`, `grad_fn._raw_saved_result`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .node import edge_of
from .packing import Packed, pack_with
from .saved import unpack, unpack_result


class SavedTensor:
    """One saved tensor of a node: in `saved` (an input) or in `saved_results`."""

    def __init__(self, node: Any, place: int, is_result: bool) -> None:
        self._node, self._place, self._is_result = node, place, is_result

    def _entry(self) -> Any:
        self._node.check_released()
        return (self._node.saved_results if self._is_result else self._node.saved)[self._place]

    @property
    def data(self) -> Any:
        """The tensor."""
        entry = self._entry()
        if self._is_result:
            return unpack_result(self._node, self._place)
        if entry.__class__ is Packed:
            return entry.tensor()
        if entry.__class__ is tuple:
            return unpack(entry, self._node, "saved tensor")
        return entry

    def register_hooks(
        self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]
    ) -> None:
        """Pack this tensor; see `saved_tensors_hooks`. RuntimeError where it has hooks already."""
        if self._entry().__class__ is Packed:
            raise RuntimeError("Setting hooks on a saved tensor whose hooks have already been set is not "
                               "allowed.")  # fmt: skip
        tensor, node = self.data, self._node
        edge = None if self._is_result else edge_of(tensor)
        entry = pack_with(pack_hook, unpack_hook, tensor.detach() if self._is_result else tensor, edge)
        node.token = 0
        entries = list(node.saved_results if self._is_result else node.saved)
        entries[self._place] = entry
        if self._is_result:
            node.saved_results = tuple(entries)
        else:
            node.saved = tuple(entries)


def saved_attribute(node: Any, name: str) -> Any:
    """A node's attribute `_saved_...` or `_raw_saved_...`; AttributeError for others."""
    raw = name.startswith("_raw_saved_")
    if not raw and not name.startswith("_saved_"):
        raise AttributeError(f"{type(node).__name__!r} object has no attribute {name!r}")
    wanted = name.removeprefix("_raw_saved_" if raw else "_saved_")
    ours = "input" if wanted == "self" else wanted
    found = None
    if ours in node.saved_names:
        found = SavedTensor(node, node.saved_names.index(ours), False)
    elif ours in node.kept_names:
        found = SavedTensor(node, node.kept_names.index(ours), True)
    if found is not None:
        return found if raw else found.data
    if not raw and ours in node.param_names:
        return node.params[node.param_names.index(ours)]
    raise AttributeError(f"{type(node).__name__!r} object has no attribute {name!r}")


__all__ = ["SavedTensor", "saved_attribute"]
