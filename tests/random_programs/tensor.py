"""The oracle's tensor: memory, layouts, views, reads, and the one way to write."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from tests.random_programs import layout
from tests.random_programs.layout import Shape
from tests.random_programs.tape import (
    FLOAT_LIMIT,
    NO_SLOT,
    Edges,
    Node,
    Saved,
    Tape,
    Undefined,
    Version,
)

INT_LIMIT = 10**6
CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


class State:
    """What a program changes besides its tensors."""

    tape = Tape()
    recording = True


def reset() -> None:
    """Forget everything: call before each program."""
    State.tape = Tape()
    State.recording = True


@contextmanager
def no_grad() -> Any:
    """As `torch.no_grad()`."""
    before, State.recording = State.recording, False
    try:
        yield
    finally:
        State.recording = before


class Storage:
    """One piece of memory: a one-dimensional array over it."""

    __slots__ = ("memory",)

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self.memory.__array_interface__["data"][0])


class Family:
    """The autograd side of a tensor and its differentiable views.

    `slots` lies over the storage like the values do. `node` is what wrote last, in any of them;
    for a leaf that requires grad it is the leaf's own node. `accumulates`: this is some leaf's
    `.grad`.
    """

    __slots__ = ("accumulates", "grad", "leaf", "node", "slots", "viewed")

    def __init__(self) -> None:
        self.slots: np.ndarray | None = None
        self.node: Node | None = None
        self.leaf = False
        self.viewed = False
        self.accumulates = False
        self.grad: Tensor | None = None


class Link(NamedTuple):
    """How a result depends on one tensor: slots read, places in the result, partial derivatives.

    The three broadcast together; `outputs` are flat positions, None for the result's own shape.
    """

    source: Tensor
    inputs: np.ndarray
    outputs: np.ndarray | None
    partials: Any


class Tensor:
    """A layout over a storage, as in PyTorch, with what one has to know of it:

    loose: PyTorch doesn't fix the strides.
    loose_version: nor the version and the offset (gradients are made in several ways).
    is_view: a differentiable view of another tensor.
    restricted: a view made under `no_grad`, or one of several made at once: a write to it that
        needs a gradient is refused.
    plain: a view made before anything in its memory required grad.
    origin: the tensor and the index that it was taken with, for `x[i] += y`.
    """

    __slots__ = (
        "family",
        "is_view",
        "loose",
        "loose_version",
        "offset",
        "origin",
        "plain",
        "restricted",
        "shape",
        "storage",
        "strides",
        "version",
        "__weakref__",
    )

    def __init__(self, storage: Storage, shape: Shape, strides: Shape, offset: int = 0) -> None:
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.family = Family()
        self.version = Version()
        self.is_view = False
        self.plain = True
        self.origin: Any = None
        self.restricted = False
        self.loose = False
        self.loose_version = False

    # What a tensor says about itself

    @property
    def dtype(self) -> np.dtype:
        return self.storage.memory.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def category(self) -> int:
        return CATEGORY[self.dtype.kind]

    @property
    def requires_grad(self) -> bool:
        return self.family.node is not None and self.category == 2

    @property
    def is_leaf(self) -> bool:
        return not self.requires_grad or (self.family.leaf and not self.is_view)

    @property
    def _version(self) -> int:
        return self.version.number

    @property
    def grad(self) -> Tensor | None:
        return self.family.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        self.family.grad = value

    def numel(self) -> int:
        return prod(self.shape)

    def stride(self) -> Shape:
        return self.strides

    def storage_offset(self) -> int:
        return self.offset

    def is_contiguous(self) -> bool:
        return layout.is_contiguous(self.shape, self.strides)

    # Memory

    def _window(self, memory: np.ndarray) -> np.ndarray:
        size = memory.itemsize
        if 0 in self.shape:
            return np.empty(self.shape, memory.dtype)
        strides = tuple(stride * size for stride in self.strides)
        return np.ndarray(self.shape, memory.dtype, memory, self.offset * size, strides)

    @property
    def array(self) -> np.ndarray:
        """The values: an array over the same memory."""
        return self._window(self.storage.memory)

    @property
    def slots(self) -> np.ndarray:
        """The slot of each element; `NO_SLOT` for constants."""
        if self.family.slots is None:
            return np.full(self.shape, NO_SLOT, dtype=np.int64)
        return self._window(self.family.slots)

    def addresses(self) -> np.ndarray:
        """Where each element lies in the machine's memory."""
        where = layout.positions(self.shape, self.strides, self.offset)
        return self.storage.address + where * self.storage.memory.itemsize

    # Views

    def _view(
        self,
        shape: Sequence[int],
        strides: Sequence[int],
        offset: int | None = None,
        *,
        several: bool = False,
        hidden: bool = False,
    ) -> Tensor:
        """A differentiable view. `hidden` ones live only inside one operation."""
        if self.requires_grad and not State.recording and not hidden:
            raise Undefined("a view made under no_grad of what requires grad")
        view = Tensor(
            self.storage,
            tuple(shape),
            tuple(strides),
            self.offset if offset is None else offset,
        )
        view.family = self.family
        view.family.viewed = True
        view.version = self.version
        view.is_view = True
        view.plain = self.family.node is None
        view.loose = self.loose
        view.restricted = self.restricted or several or not (State.recording or hidden)
        if view.restricted and not hidden:
            view.version.restricted.append(ref(view))
        view.loose_version = self.loose_version
        return view

    def detach(self) -> Tensor:
        """As `torch.Tensor.detach`: shares memory and version counter, not the graph."""
        result = Tensor(self.storage, self.shape, self.strides, self.offset)
        result.version = self.version
        result.loose_version = self.loose_version
        return result

    @property
    def data(self) -> Tensor:
        """As `torch.Tensor.data`: shares memory alone."""
        return Tensor(self.storage, self.shape, self.strides, self.offset)

    def as_strided(self, shape: Shape, strides: Shape, offset: int | None = None) -> Tensor:
        whole = self.storage.memory.size == self.numel() and self.is_contiguous()
        if self.requires_grad and (self.is_view or not whole):
            raise Undefined("as_strided of what isn't its whole storage")
        start = self.offset if offset is None else offset
        last = start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if last >= self.storage.memory.size:
            raise RuntimeError("oracle: as_strided beyond the storage")
        return self._view(shape, strides, start)

    # Reading

    def numpy(self) -> np.ndarray:
        """The memory itself, as an array."""
        if self.requires_grad:
            raise RuntimeError("oracle: numpy() of a tensor that requires grad")
        return self.array

    def tolist(self) -> Any:
        return self.array.tolist()

    def item(self) -> Any:
        if self.numel() != 1:
            raise RuntimeError("oracle: item() of several elements")
        return self.array.item()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("oracle: len() of a 0-d tensor")
        return self.shape[0]

    def __float__(self) -> float:
        if self.numel() != 1:
            raise ValueError("oracle: float() of several elements")
        return float(self.array.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError("oracle: bool() of several elements")
        return bool(self.array.item())

    # Autograd

    def requires_grad_(self, flag: bool = True) -> Tensor:
        if self.category != 2:
            raise RuntimeError("oracle: only floating tensors can require grad")
        if not flag:
            raise Undefined("requires_grad_(False)")
        if self.requires_grad:
            return self
        if self.is_view or self.family.viewed or not self.is_contiguous():
            raise Undefined("requires_grad_ with views about")
        self.family.slots = np.full(self.storage.memory.size, NO_SLOT, dtype=np.int64)
        self.slots[...] = State.tape.new_slots(self.shape)
        self.family.leaf = True
        self.family.node = Node(State.tape.new_serial(), leaf=self)
        return self

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        grads, leaves = gradients_of(self, gradient, retain_graph)
        for node in leaves:
            leaf: Any = node.leaf
            values = grads[leaf.slots].astype(leaf.dtype)
            if leaf.grad is None:
                leaf.grad = fresh(values)
                leaf.grad.loose_version = leaf.grad.family.accumulates = True
            else:
                leaf.grad.array[...] += values
                leaf.grad.version.number += 1


def gradients_of(
    output: Tensor, gradient: Tensor | None, keep: bool, leaves: Sequence[Tensor] | None = None
) -> tuple[np.ndarray, list[Node]]:
    """Run the tape backwards from one tensor: the gradients of all slots, the leaves reached."""
    if not output.requires_grad:
        raise RuntimeError("oracle: the output does not require grad")
    if gradient is None:
        if output.numel() != 1:
            raise RuntimeError("oracle: grad can be implicitly created only for scalar outputs")
        seed = np.ones(output.shape)
    elif gradient.shape != output.shape:
        raise RuntimeError("oracle: the gradient's shape differs from the output's")
    elif gradient.requires_grad:
        raise Undefined("a gradient that requires grad")
    else:
        seed = gradient.array.astype(np.float64)
    node = output.family.node
    assert node is not None
    towards = None
    if leaves is not None:
        towards = {leaf.family.node for leaf in leaves if leaf.family.node is not None}
        if len(towards) < len(leaves):
            raise RuntimeError("oracle: an input does not require grad")
    grads, reached = State.tape.gradients(node, output.slots, seed, keep, towards)
    if towards is not None and not towards.issubset(reached):
        raise RuntimeError("oracle: an input was not used in the graph")
    return grads, reached


# Making and writing


def fresh(values: Any, like_layout_of: Sequence[Tensor] = ()) -> Tensor:
    """A new contiguous tensor. Its layout is loose where an operand is not contiguous."""
    values = np.ascontiguousarray(values).reshape(np.shape(values))
    shape = values.shape
    result = Tensor(Storage(values.reshape(-1).copy()), shape, layout.contiguous_strides(shape))
    several = sum(size > 1 for size in shape) > 1  # the others have only one layout
    result.loose = several and any(t.loose or not t.is_contiguous() for t in like_layout_of)
    return result


def admit(values: Any, dtype: np.dtype) -> np.ndarray:
    """The values in a dtype, where they are of a size that can be compared."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        if not np.all(np.abs(values) < FLOAT_LIMIT):
            raise Undefined("a value too large to compare")
        if dtype.kind in "iu":
            near = np.abs(values - np.round(values))
            if np.any((near > 0) & (near < 1e-2)) or (dtype.kind == "u" and np.any(values < 0)):
                raise Undefined("a conversion that rounding decides")
        if dtype.kind == "b" and np.any((values != 0) & (np.abs(values) < 1e-2)):
            raise Undefined("a conversion that rounding decides")
    elif values.dtype.kind in "iu" and np.any(np.abs(values.astype(np.int64)) > INT_LIMIT):
        raise Undefined("an integer too large")
    return values.astype(dtype)


def save(tensor: Tensor, strict: bool = True) -> Saved:
    """Keep a tensor for the derivative, as PyTorch does: its memory and version."""
    memory = tensor.array
    return Saved(memory, memory.copy(), tensor.version, tensor.version.number, strict)


def _edges(links: Sequence[Link], slots: np.ndarray) -> list[Edges]:
    edges = []
    for link in links:
        if link.source.family.node is None:
            continue
        outputs = slots if link.outputs is None else slots.reshape(-1)[link.outputs]
        parts = np.broadcast_arrays(link.inputs, outputs, np.asarray(link.partials, np.float64))
        if not np.all(np.isfinite(parts[2])):
            raise Undefined("a derivative that isn't finite")
        edges.append(Edges(*(part.flatten() for part in parts)))  # copies: slots change later
    return edges


def needs_graph(tensors: Sequence[Tensor]) -> bool:
    """Whether an operation on these is recorded for backward."""
    return State.recording and any(tensor.requires_grad for tensor in tensors)


def attach(
    result: Tensor,
    links: Sequence[Link],
    saved: Sequence[Saved] = (),
    saves: bool | None = False,
    save_result: bool = False,
) -> Tensor:
    """Put a fresh result into the graph, where an operand requires grad."""
    sources = [link.source for link in links]
    if result.category == 2 and needs_graph(sources):
        slots = State.tape.new_slots(result.shape)
        inputs = [source.family.node for source in sources if source.family.node is not None]
        result.family.slots = slots.reshape(-1)
        node = Node(State.tape.new_serial(), inputs, _edges(links, slots), saved, saves)
        result.family.node = node
        if save_result:
            node.saved += (save(result),)
    return result


def check_write(target: Tensor, sources: Sequence[Tensor], detected: bool = True) -> None:
    """Refuse writes whose order of reads and writes would show.

    PyTorch raises for a broadcast target, and for operands that overlap where it can tell cheaply
    (`detected`: the operation looks at all); the other overlaps are undefined.
    """
    if layout.is_repeated(target.shape, target.strides):
        if not detected:
            raise Undefined("a write to a broadcast tensor")
        raise RuntimeError("oracle: several elements of the target are one memory location")
    where = target.addresses()
    if np.unique(where).size != where.size:
        raise Undefined("a write to a tensor that overlaps itself")
    for source in sources:
        if detected and source is target:
            continue
        if source.storage is target.storage and source.numel() * target.numel() == 0:
            raise Undefined("an overlap of nothing")
        if not np.isin(source.addresses(), where).any():
            continue
        if np.array_equal(source.addresses().ravel(), where.ravel()):
            same = (source.shape, source.strides) == (target.shape, target.strides)
            if detected and same and 1 not in target.shape:  # its stride there is anyone's guess
                continue
            raise Undefined("an operand that is the target under another layout")
        dense = all(layout.is_dense(t.shape, t.strides) for t in (source, target))
        if detected and dense and source.storage is target.storage and source.numel() > 1:
            raise RuntimeError("oracle: an operand and the target overlap")
        raise Undefined("operands that overlap the target")


def _check_restricted(target: Tensor, differentiable: bool) -> None:
    """Refuse to move a version counter that a restricted view in a graph depends on."""
    for reference in target.version.restricted:
        view = reference()
        if view is None or view is target and differentiable:
            continue
        if view.requires_grad or (differentiable and view.family is target.family):
            raise Undefined("a change under a restricted view")


def write(
    target: Tensor,
    values: Any,
    links: Sequence[Link] = (),
    saved: Sequence[Saved] = (),
    saves: bool | None = False,
    save_result: bool = False,
    written: np.ndarray | None = None,
) -> Tensor:
    """Replace a tensor's values (all that `written` marks), and its place in the graph."""
    admitted = np.broadcast_to(admit(values, target.dtype), target.shape)
    sources = [link.source for link in links]
    differentiable = needs_graph([target, *sources])
    if differentiable and (target.category < 2 or target.family.accumulates):
        raise Undefined("a gradient through integers, or through a leaf's gradient")
    _check_restricted(target, differentiable)
    if differentiable:
        if target.family.leaf:
            raise RuntimeError("oracle: a leaf that requires grad is changed in place")
        if target.restricted:
            raise RuntimeError("oracle: a restricted view is changed in place")
        if target.is_view and target.plain and target.family.node is not None:
            raise Undefined("PyTorch may take such a view for a leaf until it has been looked at")
        target.plain = False
        slots = State.tape.new_slots(target.shape)
        node = Node(
            State.tape.new_serial(),
            [t.family.node for t in (target, *sources) if t.family.node is not None],
            _edges(links, slots),
            saved,
            None if saves is None else saves or target.is_view,
        )
        if target.family.slots is None:
            target.family.slots = np.full(target.storage.memory.size, NO_SLOT, dtype=np.int64)
        target.slots[...] = slots if written is None else np.where(written, slots, target.slots)
        target.family.node = node
    target.array[...] = admitted
    target.version.number += 1
    if differentiable and save_result:
        # Through a view PyTorch keeps the memory itself; keeping the value does as well.
        node.saved += (save(target, strict=not (target.is_view or target.loose_version)),)
    return target
