"""Node classes of rows.

A row's derivatives say by the names of their parameters what they need. From that two functions
are generated for each row, as its operation is (`frontend.dispatch`): `record` makes the node where
an operation is called, `apply` runs the derivatives in a backward pass. For `mul` they are

    def record(t, x0, x1, k0, k1, g0, g1, params, token):
        if g0 is True: e0 = ...  # the edge of x0
        ...
        node = new(cls)
        node.edges = (e0, e1)
        node.saved = (x0 with its version, where e1 is an edge, ...)
        ...
        t._rg = True; t._node = node

    def apply(node, grads, edges):
        grad = grads[0]
        if edges[0] is not None:
            x1, s, v = saved[1]  # checked not to have been written
            r0 = f0(grad, x1)
            if r0._aval is not avals[0]: r0 = fit(r0, avals[0])
        ...
        return (r0, r1)

where t is the result (several in a list), x are the inputs, k their avals (types of numbers) and
g whether they require grad. `linecache` knows the source, so that a traceback shows it.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.aval import Aval
from ..core.dtypes import dtype
from ..ops import signature
from ..ops.table import Row
from .node import RELEASED, VOLATILE, Node, clock, edge_of, shown
from .packing import Packed, pack_node, packing
from .saved import counted, unpack, unpack_result


class RowNode(Node):
    """A node made from a row. Each row has a subclass, called as PyTorch calls the node."""

    __slots__ = ()
    row: Row
    frees: tuple[int, ...] = ()
    """Saved inputs that PyTorch keeps as tensors (numbers beside tensors too): where there is one,
    a backward pass uses the node up."""
    hidden: int | None = None
    """The edge that `next_functions` does not tell of."""
    record: Callable[..., None]
    saved_names: tuple[str, ...] = ()
    kept_names: tuple[str, ...] = ()
    param_names: tuple[str, ...] = ()
    """What `saved`, `saved_results` and `params` are called."""

    def __getattr__(self, name: str) -> Any:
        from .saved_attributes import saved_attribute

        return saved_attribute(self, name)

    def __dir__(self) -> list[str]:
        tensors = [n.replace("input", "self") for n in (*self.saved_names, *self.kept_names)]
        names = [f"{head}{n}" for n in tensors for head in ("_saved_", "_raw_saved_")]
        return sorted({*super().__dir__(), *names, *[f"_saved_{n}" for n in self.param_names]})

    def release(self) -> None:
        saved = self.saved
        if self.saved_results or any(saved[i] is not None for i in self.frees):
            self.saved, self.saved_results = RELEASED, ()

    def name(self) -> str:
        name = type(self).__name__
        return f"torch::autograd::{name}" if name.endswith("Backwards") else name

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        return tuple(shown(e) for i, e in enumerate(self.edges) if i != self.hidden)


def volatile(results: Any) -> None:
    """Pass PyTorch 0.3's volatile mode on."""
    for t in results if isinstance(results, (tuple, list)) else (results,):
        t._rg = VOLATILE


def fit(g: Any, a: Any) -> Any:
    """A gradient in its input's shape and dtype: broadcast dimensions are summed."""
    have = g._aval
    if have is a:
        return g
    if have.shape != a.shape:
        dims, keep, last = _reduction(have.shape, a.shape)
        g = g.sum(dims, keep)
        if last:
            g = g.reshape(a.shape)
    dt: dtype = a.dtype
    if g._aval.dtype is not dt:
        if g._aval.dtype.is_complex and not dt.is_complex:
            g = g.real
        g = g.to(dt)
    return g


@functools.cache
def _reduction(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[Any, bool, bool]:
    """The sum that leads from a shape to one that broadcasts to it: over which dimensions, whether
    they are kept, and whether the result must still be reshaped."""
    lead = len(shape) - len(target)
    if lead < 0 or any(t not in (1, s) for t, s in zip(target, shape[lead:])):
        raise RuntimeError(
            f"a gradient of shape {list(shape)} does not reduce to its input's shape {list(target)}"
        )
    first = tuple(range(lead))
    ones = tuple(i + lead for i, t in enumerate(target) if t == 1 and shape[i + lead] != 1)
    return first + ones, bool(ones), bool(ones and lead)


class _Formula(NamedTuple):
    """One derivative: the inputs that it is for, and what its parameters ask for."""

    targets: tuple[int, ...]
    listed: bool
    """For the list of tensors, whose gradients it gives as a list."""
    function: Callable[..., Any]
    asks: tuple[tuple[str, Any], ...]


class _Plan:
    """What is to be generated for a row."""

    def __init__(self, row: Row) -> None:
        sig = signature.parse(row.schema)
        self.row = row
        self.kinds = [a.type for a in sig.inputs]
        self.names = [a.name for a in sig.inputs]
        self.params = [a.name for a in sig.params]
        self.results = sig.results
        self.operand = max((i for i, k in enumerate(self.kinds) if k == "Operand"), default=0)
        self.several = bool(sig.results) or row.multi_view
        self.list_at = self.kinds.index("Tensor[]") if "Tensor[]" in self.kinds else None
        grads = row.grads or self._refusals()
        self.formulas = [self._formula(names, f) for names, f in grads.items()]
        targets = {i for f in self.formulas for i in f.targets if self.kinds[i] != "Scalar"}
        self.targets = sorted(targets)
        """Differentiable inputs: they have an edge each, those of the list come after them."""
        self.lists_edges = any(f.listed for f in self.formulas)
        self.saved = self._wanted()
        self.kept = sorted({k for f in self.formulas for kind, k in f.asks if kind == "result"})
        self.keeps_list = any(kind == "listed" for f in self.formulas for kind, _ in f.asks)

    def _refusals(self) -> dict[Any, Callable[..., Any]]:
        """The derivatives of a row that has none: they raise, so that no gradient is lost
        silently."""
        row = self.row

        def refuse(grad: Any) -> Any:
            raise RuntimeError(
                f"derivative for {row.name} is not implemented: {row.not_differentiable}"
            )

        return {n: refuse for n, kind in zip(self.names, self.kinds) if kind != "Scalar"}

    def _formula(self, names: Any, function: Any) -> _Formula:
        code = function.__code__
        asks = tuple(self._ask(arg) for arg in code.co_varnames[: code.co_argcount])
        if not isinstance(names, tuple) and self.names.index(names) == self.list_at:
            return _Formula((), True, function, asks)
        group = names if isinstance(names, tuple) else (names,)
        return _Formula(tuple(map(self.names.index, group)), False, function, asks)

    def _ask(self, arg: str) -> tuple[str, Any]:
        if arg in ("grad", "grads", "needs", "shapes"):
            return arg, None
        if arg == "result":
            return "result", 0
        if arg in self.names:
            i = self.names.index(arg)
            return ("listed" if i == self.list_at else "input"), i
        if arg in self.params:
            return "param", self.params.index(arg)
        if arg in self.results:
            return "result", self.results.index(arg)
        for tail in ("shape", "dtype"):
            base = arg.removesuffix("_" + tail)
            if base != arg and base in self.names:
                return tail, self.names.index(base)
        raise TypeError(
            f"row {self.row.name}: a derivative asks for {arg!r}, which is nothing it can have"
        )

    def _wanted(self) -> dict[int, list[int]]:
        """Inputs to save, each with the inputs whose derivatives need it."""
        wanted: dict[int, set[int]] = {}
        for f in self.formulas:
            for kind, key in f.asks:
                if kind == "input":
                    wanted.setdefault(key, set()).update(f.targets)
        return {i: sorted(wanted[i]) for i in sorted(wanted)}

    # --- record -----------------------------------------------------------------------------

    def record_source(self) -> str:
        n = len(self.kinds)
        heads = [f"{letter}{i}" for letter in "xkg" for i in range(n)]
        lines = [f"def record(t, {''.join(h + ', ' for h in heads)}params, token):"]
        for i in self.targets:
            lines += [
                f" if g{i} is True:",
                f"  if x{i}._view is None: e{i} = (x{i}, 0) if x{i}._node is None "
                f"else (x{i}._node, x{i}._nr)",
                f"  elif x{i}._seen == x{i}._storage.version and x{i}._count is None "
                f"and x{i}._node is not None: e{i} = (x{i}._node, x{i}._nr)",
                f"  else: e{i} = edge_of(x{i})",
                f" elif g{i}: return volatile(t)",
                f" else: e{i} = None",
            ]
        edges = "".join(f"e{i}, " for i in self.targets)
        empty = [f"e{i} is None" for i in self.targets]
        if self.lists_edges:
            at = self.list_at
            lines += [
                f" if g{at} and any([x._rg is VOLATILE for x in x{at}]): return volatile(t)",
                f" listed = [edge_of(x) for x in x{at}]",
            ]
            edges += "*listed, "
            empty.append("not any(listed)")
        lines += [f" if {' and '.join(empty)}: return", f" node = new({self._class()})"]
        lines.append(f" node.edges = ({edges})")
        avals = "".join(f"*k{i}, " if i == self.list_at else f"k{i}, " for i in range(n))
        saved = "".join(f"{self._saving(i, targets)}, " for i, targets in self.saved.items())
        if self.keeps_list:
            x = _saving(f"x{self.list_at}").replace(f"x{self.list_at}", "x")
            saved += f"[{x} for x in x{self.list_at}], "
        out = "tuple([a._aval for a in t])" if self.several else "(t._aval,)"
        lines += [
            f" node.avals = ({avals})",
            f" node.saved = ({saved})",
            f" node.saved_results = {self._keeping()}",
            " node.params = params",
            f" node.out = {out}",
            " node.extra = None",
            " node.token = token",
            " node.sequence_nr = clock.tick()",
        ]
        if self.saved or self.kept or self.keeps_list:
            lines.append(" if packing: pack_node(node)")
        if self.several:
            lines += [
                " for i, a in enumerate(t):",
                "  if a._aval.differentiable: a._rg = True; a._node = node; a._nr = i",
            ]
        else:
            lines.append(" if t._aval.differentiable: t._rg = True; t._node = node")
        return "\n".join(lines)

    def _class(self) -> str:
        if callable(self.row.node):
            return "variant(*params)"
        if self.row.number_node:
            return f"(with_number if k{self.operand}.__class__ is type else cls)"
        return "cls"

    def _saving(self, i: int, targets: list[int]) -> str:
        text = f"x{i}" if self.kinds[i] == "Scalar" else _saving(f"x{i}")
        if self.kinds[i] in ("Operand", "Tensor?"):
            text = f"({text} if k{i}.__class__ is Aval else x{i})"
        used = " or ".join(f"e{t} is not None" for t in targets if self.kinds[t] != "Scalar")
        return f"{text} if {used} else None" if used else text

    def _keeping(self) -> str:
        if not self.kept:
            return "()"
        parts = []
        for i in range(max(self.kept) + 1):
            storage = f"t[{i}]._storage" if self.several else "t._storage"
            parts.append(f"({storage}, {storage}, {storage}.version)" if i in self.kept else "None")
        return f"({', '.join(parts)},)"

    # --- apply ------------------------------------------------------------------------------

    def apply_source(self) -> str:
        count = len(self.targets)
        nothing = f"(None,) * {count}" if not self.lists_edges else "[None] * len(edges)"
        lines = ["def apply(node, grads, edges):"]
        if self.saved or self.kept or self.keeps_list:
            lines += [" saved = node.saved", " if saved is RELEASED: node.check_released()"]
        asks_all = any(kind == "grads" for f in self.formulas for kind, _ in f.asks)
        if asks_all:
            lines.append(f" if not any([g is not None for g in grads]): return {nothing}")
            lines.append(" grad = grads[0]")
        else:
            lines += [" grad = grads[0]", f" if grad is None: return {nothing}"]
        lines.append(" avals = node.avals")
        for i in self.targets:
            lines.append(f" r{i} = None")
        for number, formula in enumerate(self.formulas):
            lines += self._formula_lines(number, formula)
        found = "".join(f"r{i}, " for i in self.targets)
        lines.append(f" return ({found}*listed,)" if self.lists_edges else f" return ({found})")
        return "\n".join(lines)

    def _formula_lines(self, number: int, formula: _Formula) -> list[str]:
        places = [self.targets.index(i) for i in formula.targets if i in self.targets]
        if formula.listed:
            arguments, lines = self._arguments(formula)
            lines.append(f"  listed = f{number}({arguments})")
            at = self.list_at
            lines.append(
                f"  listed = [g if g is None or g._aval is a else fit(g, a) "
                f"for g, a in zip(listed, avals[{at}:])]"
            )
            return [f" listed = [None] * (len(edges) - {len(self.targets)})",
                    f" if any(edges[{len(self.targets)}:]):", *lines]  # fmt: skip
        if not places:
            return []
        arguments, lines = self._arguments(formula)
        head = f" if {' or '.join(f'edges[{p}] is not None' for p in places)}:"
        names = ", ".join(f"r{i}" for i in formula.targets)
        lines.append(f"  {names} = f{number}({arguments})")
        for i in formula.targets:
            a = f"avals[{i}]"
            lines.append(f"  if r{i} is not None and r{i}._aval is not {a}: r{i} = fit(r{i}, {a})")
        if len(places) > 1:
            for i, p in zip(formula.targets, places, strict=True):
                lines.append(f"  if edges[{p}] is None: r{i} = None")
        return [head, *lines]

    def _arguments(self, formula: _Formula) -> tuple[str, list[str]]:
        """The arguments of a formula, and the lines that unpack them first."""
        texts: list[str] = []
        lines: list[str] = []
        for kind, key in formula.asks:
            text = f"{kind}"
            if kind == "input":
                text = f"x{key}"
                lines += self._unpacking(key)
            elif kind == "listed":
                text = f"[unpack(s, node, 'element') for s in saved[{len(self.saved)}]]"
            elif kind == "result":
                text = f"unpack_result(node, {key})"
            elif kind == "param":
                text = f"node.params[{key}]"
            elif kind in ("shape", "dtype"):
                text = f"avals[{key}].{kind}"
            elif kind == "shapes":
                text = f"[a.shape for a in avals[{self.list_at}:]]"
            elif kind == "needs":
                places = [self.targets.index(i) for i in formula.targets]
                text = f"({''.join(f'edges[{p}] is not None, ' for p in places)})"
            texts.append(text)
        return ", ".join(texts), lines

    def _unpacking(self, i: int) -> list[str]:
        at = f"saved[{list(self.saved).index(i)}]"
        if self.kinds[i] == "Scalar":
            return [f"  x{i} = {at}"]
        version = f"(s.version if x{i}._count is None else x{i}._count[0])"
        lines = [
            f"  x{i}, s, v = {at}",
            f"  if x{i}._storage is not s or v != {version}: "
            f"x{i} = unpack({at}, node, 'input {self.names[i]}')",
        ]
        if self.kinds[i] == "Tensor":
            return lines
        return [
            f"  if {at}.__class__ is tuple or {at}.__class__ is Packed:",
            *(f" {line}" for line in lines),
            "  else:", f"   x{i} = {at}",
        ]  # fmt: skip


def _saving(x: str) -> str:
    """The expression that `saved.save` is, written out: a call would cost as much as the rest."""
    return f"({x}, {x}._storage, {x}._storage.version if {x}._count is None else counted({x}))"


@functools.cache
def node_class(row: Row) -> type[RowNode]:
    """The node class of a row, with `record` and `apply` generated from its derivatives."""
    plan = _Plan(row)
    classes: dict[str, type[RowNode]] = {}
    scope: dict[str, Any] = {
        "new": object.__new__, "edge_of": edge_of, "volatile": volatile, "VOLATILE": VOLATILE,
        "counted": counted, "clock": clock, "Aval": Aval, "packing": packing,
        "pack_node": pack_node, "Packed": Packed, "RELEASED": RELEASED, "fit": fit,
        "unpack": unpack, "unpack_result": unpack_result,
        **{f"f{i}": f.function for i, f in enumerate(plan.formulas)},
    }  # fmt: skip
    source = f"{plan.record_source()}\n\n\n{plan.apply_source()}\n"
    filename = f"<flambeau derivative of {row.name}>"
    exec(compile(source, filename, "exec"), scope)
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    frees = tuple(k for k, i in enumerate(plan.saved) if plan.kinds[i] != "Scalar")
    if plan.keeps_list:
        frees += (len(plan.saved),)
    fields = {
        "__slots__": (),
        "row": row,
        "frees": frees,
        "saved_names": tuple(plan.names[i] for i in plan.saved),
        "kept_names": tuple((plan.results or ("result",))[: max(plan.kept, default=-1) + 1]),
        "param_names": tuple(plan.params),
        "record": staticmethod(scope["record"]),
        "apply": scope["apply"],
    }

    def named(name: str, **more: Any) -> type[RowNode]:
        if not (name[-1:].isdigit() or name.endswith(("Backwards", "_copy"))):
            name += "Backward0"
        if name not in classes:
            classes[name] = type(name, (RowNode,), {**fields, **more})
        return classes[name]

    if row.number_node:
        hidden = plan.targets.index(plan.operand)
        scope["with_number"] = named(row.number_node, hidden=hidden)
    if isinstance(row.node, str):
        scope["cls"] = named(row.node)
        return scope["cls"]  # type: ignore[no-any-return]
    rule = row.node
    scope["variant"] = lambda *params: named(rule(*params))
    return type(row.name, (RowNode,), fields)
