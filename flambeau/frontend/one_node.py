"""Composites with derivatives of their own: their bodies run without a graph, and one node stands
for all of it, as PyTorch has one.

What is generated for `im2col` is

    def im2col(input, kernel_size, dilation, padding, stride):
        try:
            storage = input._storage; k0 = input._aval; g0 = input._rg or ...
        except (AttributeError, Intercept):
            return plain(input, kernel_size, ...)
        if not (g0) or not state.grad: return plain(input, kernel_size, ...)
        state.grad = False
        try: t_ = plain(input, kernel_size, ...)
        finally: state.grad = True
        if found._view is not None: found = found._detached()
        record(t_, input, k0, g0, (kernel_size, ...), token_of(...))
        return t_

Inside of function transforms, which intercept, the body's operations are differentiated instead.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

from ..autograd.derivatives import node_class
from ..autograd.levels import Intercept
from ..autograd.node import joined
from ..errors import InternalError
from ..graph.trace import state
from ..graph.value import new_token
from ..ops import signature
from ..ops.table import Row
from . import arguments
from .dispatch import _HELPERS, MISSING, _convert_param, _numpy_names, _parameters, _Writer

_MEMO_LIMIT = 4096


def make(row: Row, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a composite that has derivatives. `plain` runs its body."""

    def record(*operands: Any) -> None:
        """Stands in until the operation first takes part in a graph."""
        scope["record"] = node_class(row).record
        scope["record"](*operands)

    def token_of(*key: Any) -> int:
        """Equal calls have equal tokens: they stand for the params and the avals."""
        found = row.memo.get(key)
        if found is None:
            if len(row.memo) >= _MEMO_LIMIT:
                row.memo.clear()
            found = row.memo[key] = new_token()
        return found  # type: ignore[no-any-return]

    scope: dict[str, Any] = {
        "row": row, "plain": plain, "state": state, "joined": joined, "Intercept": Intercept,
        "record": record, "token_of": token_of, "MISSING": MISSING,
        "dtype_class": arguments.dtype, "as_dtype": arguments.to_dtype,
        **{n: getattr(arguments, n) for n in _HELPERS},
    }  # fmt: skip
    source = _source(row)
    filename = f"<flambeau composite {row.name}>"
    exec(compile(source, filename, "exec"), scope)
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    made: Callable[..., Any] = scope[row.name]
    return made


def _source(row: Row) -> str:
    sig = signature.parse(row.schema)
    inputs, params = sig.inputs, sig.params
    w = _Writer()
    w(f"def {row.name}({_parameters(sig.arguments, False)}):", 0)
    _numpy_names(w, sig.arguments)
    for a in params:
        _convert_param(w, a)
    given = [f"{a.name}={a.name}" if a.keyword_only else a.name for a in sig.arguments]
    plain = f"plain({', '.join(given)})"
    w("try:")
    for i, a in enumerate(inputs):
        n = a.name
        text = f"{n}._storage; k{i} = {n}._aval; g{i} = {n}._rg or ({n}._view is not None and joined({n}))"
        if a.type == "Tensor?":
            w(f"if {n} is None: k{i} = None; g{i} = False", 2)
            w(f"else: {text}", 2)
        elif a.type == "Tensor":
            w(text, 2)
        else:
            raise InternalError(f"row {row.name}: a composite with a node takes no {a.type}")
    w(f"except (AttributeError, Intercept): return {plain}")
    some = " or ".join(f"g{i}" for i in range(len(inputs)))
    w(f"if not state.grad or not ({some}): return {plain}")
    w("state.grad = False")
    w(f"try: found = {plain}")
    w("finally: state.grad = True")
    w("if found._view is not None: found = found._detached()")
    avals = ", ".join(f"k{i}" for i in range(len(inputs)))
    statics = "".join(f"{a.name}, " for a in params)
    names, grads = ", ".join(a.name for a in inputs), ", ".join(f"g{i}" for i in range(len(inputs)))
    w(f"record(found, {names}, {avals}, {grads}, ({statics}), token_of({avals}, {statics}))")
    w("return found")
    return "\n".join(w.lines)
