"""Nodes of the autograd graph: what an operation needs to pass gradients on."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from ..core.dtypes import dtype
from ..graph.trace import state
from ..ops import signature
from ..ops.table import Row

VOLATILE = "volatile"
"""A tensor's `_rg` in PyTorch 0.3's volatile mode: truthy, so that operations come here, where it
is passed on without building a graph."""

_sequence = itertools.count()

RELEASED = object()
"""What a node's saved values become when a backward pass has used them."""


class Node:
    """One function of the graph. `edges` has, for each differentiable input, None or a pair of
    a node (or a leaf tensor) and the number of its output."""

    __slots__ = (
        "edges", "saved", "saved_results", "params", "avals", "out", "sequence_nr",
        "_hooks", "_pre_hooks", "_metadata", "_retained", "__weakref__",
    )  # fmt: skip
    row: Row | None = None
    label = "Node"

    def __init__(self) -> None:
        self.edges: tuple[Any, ...] = ()
        self.saved: Any = ()
        self.saved_results: Any = ()
        self.params: tuple[Any, ...] = ()
        self.avals: tuple[Any, ...] = ()
        self.out: tuple[Any, ...] = ()
        """Avals of the results."""
        self.sequence_nr = next(_sequence)
        self._hooks: dict[int, Callable[..., Any]] | None = None
        self._pre_hooks: dict[int, Callable[..., Any]] | None = None
        self._metadata: dict[Any, Any] | None = None
        self._retained: dict[int, Any] | None = None
        """Tensor hooks and retained gradients, by output number."""

    def name(self) -> str:
        """The node's name, as PyTorch calls it: `AddBackward0`."""
        return type(self).__name__

    @property
    def metadata(self) -> dict[Any, Any]:
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input, the node that its gradient goes to and which output of it."""
        return tuple(
            (None, 0) if edge is None else (as_node(edge[0]), edge[1]) for edge in self.edges
        )

    def apply(self, grads: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        """Gradients of the inputs, None where not needed, from those of the results."""
        raise NotImplementedError

    def release(self) -> None:
        """Forget what was saved: the graph has been used."""
        if any(isinstance(s, tuple) for s in self.saved) or self.saved_results:
            self.saved = RELEASED
            self.saved_results = ()

    def check_released(self) -> None:
        """RuntimeError where a backward pass has used up what was saved."""
        if self.saved is RELEASED:
            raise RuntimeError(
                f"Trying to backward through the graph a second time ({self.name()}): its saved "
                "values have already been freed. Saved intermediate values of the graph are freed "
                "when you call .backward() or autograd.grad(). Specify retain_graph=True if you "
                "need to backward through the graph a second time."
            )

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` after this node ran; it may return new ones."""
        if self._hooks is None:
            self._hooks = {}
        return RemovableHandle(self._hooks, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_outputs)` before this node runs; it may return new ones."""
        if self._pre_hooks is None:
            self._pre_hooks = {}
        return RemovableHandle(self._pre_hooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


class RemovableHandle:
    """Takes a hook out again: `remove()`, or as a context manager."""

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any, *, extra_dict: Any = None) -> None:
        self.id = next(RemovableHandle._ids)
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds to `variable.grad`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        super().__init__()
        self.variable = variable


def as_node(target: Any) -> Any:
    """The node of an edge's target: leaf tensors get their AccumulateGrad."""
    if isinstance(target, Node):
        return target
    known = target._accumulator and target._accumulator()
    if known is None:
        known = AccumulateGrad(target)
        target._accumulator = weakref.ref(known)
    return known


def joined(view: Any) -> bool:
    """Whether a view is part of a graph. Writing to its base, or to another view of it, may have
    made it so since."""
    if view._rg is False and view._view._rg is True and view._aval.differentiable:
        view._rg = True
    return view._rg  # type: ignore[no-any-return]


def edge_of(x: Any) -> tuple[Any, int] | None:
    """Where a tensor's gradient goes."""
    if x._rg is not True and (x._view is None or joined(x) is not True):
        return None
    node = x._node if x._view is None else x.grad_fn
    return (x, 0) if node is None else (node, x._nr)


def version(x: Any) -> int:
    """How often a tensor was written in place."""
    return x._count[0] if x._count else x._storage.version  # type: ignore[no-any-return]


def save(x: Any) -> tuple[Any, Any, int]:
    """Keep a tensor for backward, with the version it has now."""
    return (x, x._storage, version(x))


def unpack(saved: Any, node: Node, what: str) -> Any:
    """A saved tensor, checked not to have been changed in place since."""
    x, storage, expected = saved
    found = version(x) if x._storage is storage else storage.version
    if found != expected:
        kind = f"torch.{x._aval.dtype.legacy}Tensor {list(x._aval.shape)}"
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an "
            f"inplace operation: [{kind}], the {what} of {node.name()}, is at version "
            f"{found}; expected version {expected} instead. Hint: clone() it before the "
            "in-place operation, or use the operation that returns a new tensor."
        )
    if x._storage is not storage:
        return x._alias_of(storage)
    return x


class _Getter:
    """One argument of a derivative: where its value comes from."""

    __slots__ = ("kind", "key")

    def __init__(self, kind: str, key: Any) -> None:
        self.kind = kind
        self.key = key


class RowNode(Node):
    """A node made from a row. Each row has a subclass, called as PyTorch calls the node."""

    __slots__ = ()
    formulas: tuple[tuple[Any, Callable[..., Any], tuple[_Getter, ...]], ...] = ()
    """For each derivative: the positions of its inputs (or one), the function, its arguments."""
    wanted: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Inputs to save, each with the inputs whose derivatives need it."""
    wants_list = False
    """Whether the list of tensors is saved too."""
    frees: tuple[int, ...] = ()
    """Inputs that PyTorch keeps as tensors, numbers beside tensors too: gone after one pass."""
    keep_results: tuple[int, ...] = ()
    differentiable: frozenset[int] = frozenset()
    list_from: int | None = None
    shown: tuple[int, ...] = ()
    """Inputs that `next_functions` tells of: tensors that have a derivative."""

    def release(self) -> None:
        saved = self.saved
        if saved is not RELEASED and any(saved[i] is not None for i in self.frees if saved):
            self.saved, self.saved_results = RELEASED, ()
        else:
            super().release()

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        listed = self.list_from
        edges = [self.edges[i] for i in self.shown]
        if listed is not None and any(where is None for where, _, _ in self.formulas):
            edges += self.edges[listed:]
        return tuple((None, 0) if e is None else (as_node(e[0]), e[1]) for e in edges)

    def apply(self, grads: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        self.check_released()
        found: list[Any] = [None] * len(self.edges)
        for where, formula, getters in self.formulas:
            if where.__class__ is int:
                if where < len(needs) and needs[where]:
                    found[where] = formula(*[self._get(g, grads, needs) for g in getters])
            elif where is None:
                if any(needs):
                    parts = formula(*[self._get(g, grads, needs) for g in getters])
                    found[self.list_from :] = parts
            elif any(needs[i] for i in where):
                parts = formula(*[self._get(g, grads, needs, where) for g in getters])
                for i, part in zip(where, parts, strict=True):
                    found[i] = part
        for i, g in enumerate(found):
            if g is not None:
                found[i] = fit(g, self.avals[i]) if needs[i] else None
        return found

    def _get(
        self, getter: _Getter, grads: list[Any], needs: tuple[bool, ...], where: Any = None
    ) -> Any:
        kind, key = getter.kind, getter.key
        if kind == "grad":
            return grads[0]
        if kind == "input":
            saved = self.saved[key]
            return unpack(saved, self, f"input {key}") if saved.__class__ is tuple else saved
        if kind == "param":
            return self.params[key]
        if kind == "shape":
            return self.avals[key].shape
        if kind == "dtype":
            return self.avals[key].dtype
        if kind == "result":
            return self._result(key)
        if kind == "grads":
            return grads
        if kind == "listed":
            return [unpack(s, self, f"element {i}") for i, s in enumerate(self.saved[key:])]
        if kind == "shapes":
            return [a.shape for a in self.avals]
        if kind == "inputs":
            return [unpack(s, self, "input") if s.__class__ is tuple else s for s in self.saved]
        return tuple(needs[i] for i in where) if where is not None else needs

    def _result(self, position: int) -> Any:
        storage, expected, index, *count = self.saved_results[position]
        found = count[0][0] if count else storage.version
        if found != expected:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: [torch.{storage.aval.dtype.legacy}Tensor "
                f"{list(storage.aval.shape)}], which is output {index} of {self.name()}, is at "
                f"version {found}; expected version {expected} instead. Hint: clone() it "
                "before the in-place operation, or use the operation that returns a new tensor."
            )
        return result_tensor(storage, self.out[index], self, index)


def result_tensor(storage: Any, out: Any, node: Node, index: int) -> Any:
    """A saved result as a tensor of the graph again."""
    from ..frontend.tensor import Tensor

    t = object.__new__(Tensor)
    t._storage = storage
    t._aval = out
    if storage.aval is not out and storage.aval.shape != out.shape:
        t._plain = False
        from ..core.layout import contiguous_strides

        t._strides = contiguous_strides(out.shape)
    t._rg = True
    t._node = node
    t._nr = index
    return t


def fit(g: Any, a: Any) -> Any:
    """A gradient in its input's shape and dtype: broadcast dimensions are summed."""
    have = g._aval
    if have is a:
        return g
    if have.shape != a.shape:
        g = g.sum_to_size(a.shape)
    dt: dtype = a.dtype
    if g._aval.dtype is not dt:
        if g._aval.dtype.is_complex and not dt.is_complex:
            g = g.real
        g = g.to(dt)
    return g


def _refusals(row: Row, sig: signature.Signature) -> dict[Any, Callable[..., Any]]:
    """The derivatives of a row that has none: they raise, so that no gradient is lost silently."""

    def refuse(grad: Any) -> Any:
        raise RuntimeError(
            f"derivative for {row.name} is not implemented: {row.not_differentiable}"
        )

    return {a.name: refuse for a in sig.inputs if a.type != "Scalar"}


def make_class(row: Row) -> type[RowNode]:
    """The node class of a row: what its derivatives need decides what is saved."""
    sig = signature.parse(row.schema)
    inputs = [a.name for a in sig.inputs]
    params = [a.name for a in sig.params]
    list_at = next((i for i, a in enumerate(sig.inputs) if a.type == "Tensor[]"), None)
    listed = None if list_at is None else inputs[list_at]
    formulas = []
    wanted: dict[int, set[int]] = {}
    keep: set[int] = set()
    wants_list = False
    differentiable: set[int] = set()
    for names, formula in (row.grads or _refusals(row, sig)).items():
        where: Any
        if isinstance(names, tuple):
            where = tuple(inputs.index(n) for n in names)
            targets = where
        elif inputs.index(names) == list_at:
            where, targets = None, ()
        else:
            where = inputs.index(names)
            targets = (where,)
        differentiable.update(targets)
        getters = []
        for arg in formula.__code__.co_varnames[: formula.__code__.co_argcount]:
            getter = _getter(arg, row, inputs, params, sig.results, listed)
            if getter.kind == "input":
                wanted.setdefault(getter.key, set()).update(targets)
            elif getter.kind == "inputs":
                wanted.setdefault(-1, set())
            elif getter.kind == "listed":
                wants_list = True
            elif getter.kind == "result":
                keep.add(getter.key)
            getters.append(getter)
        formulas.append((where, formula, tuple(getters)))
    whole = row.node[-1:].isdigit() or row.node.endswith("Backwards")
    name = row.node if whole else row.node + "Backward0"
    return type(
        name,
        (RowNode,),
        {
            "__slots__": (),
            "row": row,
            "formulas": tuple(formulas),
            "wanted": tuple((i, tuple(sorted(t))) for i, t in wanted.items()),
            "wants_list": wants_list,
            "frees": tuple(i for i in sorted(wanted) if i >= 0 and sig.inputs[i].type != "Scalar"),
            "keep_results": tuple(sorted(keep)),
            "differentiable": frozenset(differentiable),
            "list_from": list_at,
            "shown": tuple(i for i in sorted(differentiable) if sig.inputs[i].type != "Scalar"),
        },
    )


def _getter(
    arg: str,
    row: Row,
    inputs: list[str],
    params: list[str],
    results: tuple[str, ...],
    listed: str | None,
) -> _Getter:
    if arg in ("grad", "grads", "needs", "shapes", "inputs"):
        return _Getter(arg, 0)
    if arg == "result":
        return _Getter("result", 0)
    if arg in inputs and arg == listed:
        return _Getter("listed", inputs.index(arg))
    if arg in inputs:
        return _Getter("input", inputs.index(arg))
    if arg in params:
        return _Getter("param", params.index(arg))
    if arg in results:
        return _Getter("result", results.index(arg))
    for tail in ("shape", "dtype"):
        base = arg.removesuffix("_" + tail)
        if base != arg and base in inputs:
            return _Getter(tail, inputs.index(base))
    raise TypeError(f"row {row.name}: a derivative asks for {arg!r}, which is nothing it can have")


def attach(
    cls: type[RowNode],
    results: tuple[Any, ...],
    inputs: tuple[Any, ...],
    avals: tuple[Any, ...],
    params: tuple[Any, ...],
) -> None:
    """Make the results part of the graph: called where an input requires grad, in grad mode."""
    node = cls()
    edges: list[Any] = []
    listed = cls.list_from
    for i, x in enumerate(inputs):
        flag = getattr(x, "_rg", False)
        if not flag:
            edges.append(None)
            continue
        if flag is VOLATILE:
            for t in results:
                t._rg = VOLATILE
            return
        if i not in cls.differentiable and (listed is None or i < listed):
            edges.append(None)
        elif x._view is None:
            edges.append((x, 0) if x._node is None else (x._node, x._nr))
        else:
            edges.append(edge_of(x))
    if not any(edges):
        return
    node.edges = tuple(edges)
    node.avals = avals
    node.params = params
    if cls.wanted or cls.wants_list:
        node.saved = _saved(cls, inputs, edges)
    node.out = tuple(t._aval for t in results)
    if cls.keep_results:
        kept: list[Any] = [None] * len(results)
        for i in cls.keep_results:
            storage = results[i]._storage
            kept[i] = (storage, storage.version, i)
        node.saved_results = tuple(kept)
    for i, t in enumerate(results):
        if t._aval.differentiable:
            t._rg = True
            t._node = node
            t._nr = i


def _saved(cls: type[RowNode], inputs: tuple[Any, ...], edges: list[Any]) -> tuple[Any, ...]:
    if cls.wanted and cls.wanted[0][0] == -1:
        return tuple(save(x) if hasattr(x, "_storage") else x for x in inputs)
    saved: list[Any] = [None] * len(inputs)
    for i, targets in cls.wanted:
        if i < len(inputs) and any(edges[t] is not None for t in targets):
            x = inputs[i]
            saved[i] = save(x) if hasattr(x, "_storage") else x
    if cls.wants_list and cls.list_from is not None:
        saved[cls.list_from :] = [save(x) for x in inputs[cls.list_from :]]
    return tuple(saved)


def grad_enabled() -> bool:
    """Whether this thread records the autograd graph."""
    return state.grad


__all__ = ["Node", "AccumulateGrad", "RowNode", "attach", "make_class"]
