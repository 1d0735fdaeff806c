"""Makes the functions of the op table: `torch.add`, `Tensor.add`, `add_`, `out=`.

For each row a Python function is generated from its signature when it is first asked for, so that
a call costs no interpretation of the row: arguments are bound by Python itself, the shape rule is
one memoised lookup, and values, storages and tensors are made in line.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from typing import Any

from .. import config
from ..autograd.derivatives import node_class
from ..autograd.levels import Intercept, lifted
from ..autograd.node import joined
from ..autograd.saved import fresh
from ..core import device as devices
from ..core.aval import Aval
from ..core.dtypes import widen
from ..errors import InternalError
from ..graph.trace import note_bytes, overflow, record, state
from ..graph.value import Value, new_token
from ..ops import signature
from ..ops.core import PICK
from ..ops.signature import Argument
from ..ops.table import Row, Spec, call, table
from ..runtime import shortage
from ..runtime.storage import Storage
from . import arguments, overriding, placing, redirecting
from .memory import array_of, convert, read, stride
from .results import result_type
from .standard import with_keywords

_MEMO_LIMIT = 4096
_MOST_STRIDE = (1 << 63) - 1

_CONVERTERS: dict[str, tuple[str, str]] = {
    "int": ("int", "to_int"),
    "index": ("int", "to_index"),
    "int[]": ("tuple", "to_ints"),
    "bool": ("bool", "to_bool"),
    "float": ("float", "to_float"),
    "str": ("str", "to_str"),
    "dtype": ("dtype_class", "as_dtype"),  # a row is called to_dtype, parameters dtype
}

OPERATION_ERRORS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


def infer(row: Row, key: Any, *operands: Any, called: str = "") -> Any:
    """Run a row's rule for a key that has no memo yet. Errors name the operation, as the user
    `called` it."""
    assert row.rule is not None
    arguments.check_params(row, called or row.called, operands)
    try:
        found = row.rule(*operands)
    except OPERATION_ERRORS as error:
        raise named(called or row.called, error) from None
    except ArithmeticError as error:
        raise RuntimeError(f"{called or row.called}(): {error}") from error
    spec = found if isinstance(found, Spec) else Spec(found)
    if devices.others:
        spec = placing.placed(spec, called or row.called, operands)
    arguments.check_complex(row, called or row.called, operands, spec.aval)
    for a in spec.aval if isinstance(spec.aval, tuple) else (spec.aval,):
        shortage.possible(a.nbytes, called or row.called, a.shape)
    if len(row.memo) >= _MEMO_LIMIT:
        row.memo.clear()
    row.memo[key] = (spec.aval, spec.cast, new_token())
    return row.memo[key]


def infer_view(row: Row, key: Any, t: Any, *params: Any) -> Any:
    """The same for a view: its layout(s) from the tensor's."""
    assert row.view is not None
    arguments.check_params(row, row.called, params)
    a = t._aval
    strides = stride(t)
    try:
        if row.recast is not None:
            a = a.with_dtype(row.recast(a.dtype))
        found = row.view(tuple(t._aval.shape), strides, t._offset, *params)
    except OPERATION_ERRORS as error:
        raise named(row.called, error) from None
    if len(row.memo) >= _MEMO_LIMIT:
        row.memo.clear()
    many = found if isinstance(found, list) else [found]
    token = new_token()
    made = [(*placed(a, layout, t._storage.aval), token) for layout in many]
    row.memo[key] = made if isinstance(found, list) else made[0]
    return row.memo[key]


def placed(a: Aval, layout: Any, whole: Aval) -> tuple[Any, ...]:
    """A layout as a tensor's fields: aval, strides, offset, and whether it is all of the storage."""
    shape, strides, offset = layout
    if strides and max(strides) > _MOST_STRIDE:
        raise RuntimeError(f"strides {list(strides)} are beyond 64 bits")
    out = a.with_shape(tuple(shape))
    plain = (
        offset == 0
        and out.shape == whole.shape
        and out.dtype is whole.dtype
        and _contiguous(tuple(shape), tuple(strides))
    )
    return out, tuple(strides), offset, plain


def _contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    from ..core.layout import is_contiguous

    return is_contiguous(shape, strides)


def named(name: str, error: BaseException) -> BaseException:
    """The same error with the operation's name in front."""
    text = str(error)
    prefix = f"{name}(): "
    kind: Any = next(k for k in type(error).__mro__ if not k.__module__.startswith("numpy"))
    return kind(text if text.startswith(prefix) else prefix + text)


def _is_shared(x: Any) -> bool:
    """Whether NumPy sees a tensor's memory, and may have changed it."""
    storage = getattr(x, "_storage", None)
    return storage is not None and storage.value is None


def run_check(row: Row, tensors: tuple[Any, ...], operands: tuple[Any, ...]) -> None:
    """Let a row look at data, where PyTorch's errors depend on it."""
    assert row.check is not None
    if state.trusted and not any(_is_shared(x) for x in tensors):
        return
    if devices.others and devices.of(tensors) is not devices.CPU:
        return  # what would have to be waited for is looked at by the kernels: see `engine.cuda`

    def fetch(i: int) -> Any:
        x = tensors[i]
        if not hasattr(x, "_aval"):
            return x
        return widen(array_of(x, f"{row.name} checks its argument"), x._aval.dtype)

    try:
        row.check(fetch, *operands)
    except OPERATION_ERRORS as error:
        raise named(row.called, error) from None


def picks(value: Value, avals: tuple[Aval, ...]) -> list[Any]:
    """Tensors for an operation's several results."""
    found = []
    for i, a in enumerate(avals):
        pick = record(PICK, a, (value,), (i,))
        pick.token = pick_token(i, a)
        found.append(fresh(pick, a))
    for a in avals:
        if a.big:
            note_bytes(a)
    return found


_pick_tokens: dict[tuple[int, Aval], int] = {}


def pick_token(i: int, a: Aval) -> int:
    """The token of the part number `i`, of aval `a`, of several results."""
    token = _pick_tokens.get((i, a))
    if token is None:
        if len(_pick_tokens) >= _MEMO_LIMIT:
            _pick_tokens.clear()
        token = _pick_tokens[i, a] = new_token()
    return token


def uncount(tensors: Any) -> None:
    """Make new tensors inference tensors: nobody counts their versions."""
    for t in tensors:
        t._inference, t._count = True, ()


def result_of(row: Row, made: list[Any]) -> Any:
    """Several results as the row's function returns them."""
    results = signature.parse(row.schema).results
    return result_type(row.name if row.forms else row.called, results)(made)


class _Writer:
    """Source text with indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str, depth: int = 1) -> None:
        self.lines.append("    " * depth + text)

    def intercepted(self, inputs: tuple[Argument, ...], params: tuple[Argument, ...]) -> str:
        """The text, with the lines after the first in a `try` that costs nothing (see
        `autograd.levels`): wrapped tensors and overriding classes end up in its `except`."""
        head, *body = self.lines
        recorded = "".join(f"x{i} = " for i in range(len(inputs))) + "value_ = None"
        given = "".join(f"{a.name}, " for a in inputs)
        statics = "".join(f"{a.name}, " for a in params)
        return "\n".join([
            head, "    try:", *["    " + line for line in body], "    except Intercept as intercept:",
            f"        return lifted(row, ({given}), ({statics}), intercept)",
            # Whoever keeps the error keeps this frame: it must not hold what was recorded.
            f"    except MemoryError as error:\n        {recorded}",
            "        raise out_of_memory(error, row.called)",
        ])  # fmt: skip


def _parameters(args: tuple[Argument, ...], out: bool, old: str = "") -> str:
    parts: list[str] = []
    star = False
    variadic = None
    for a in args:
        if a.keyword_only and not star:
            if old:
                parts.append(old)
            if variadic is None and not old.startswith("*"):
                parts.append("*")
            star = True
        if a.type == "int*":
            variadic = a
            parts.append(f"*{a.name}_given")
            star = True
            continue
        default = "" if a.default is None else f"={a.default}"
        if not default and a.name in NUMPY_NAMES and _named_so(args, a.name):
            default = "=MISSING"
        parts.append(a.name + default)
    if variadic is not None:
        parts.append(f"{variadic.name}=None")
    keywords = [f"{known}=None" for name, known in NUMPY_NAMES.items() if _named_so(args, name)]
    if out:
        keywords.append("out=None")
    if keywords and not star and variadic is None:
        parts.append("*")
    return ", ".join(parts + keywords)


MISSING: Any = object()
"""The default of a required argument that may come by another name."""

NUMPY_NAMES = {"dim": "axis", "keepdim": "keepdims"}
"""What NumPy calls some arguments: PyTorch takes these names too."""


def _named_so(args: tuple[Argument, ...], name: str) -> bool:
    """Whether an argument has this name, and can be left out for NumPy's name of it."""
    ordered = [a for a in args if not a.keyword_only]
    return any(
        a.name == name and (a.default is not None or a is ordered[-1]) for a in args
    )


def _numpy_names(w: _Writer, args: tuple[Argument, ...]) -> None:
    """Lines that take an argument by NumPy's name."""
    for a in args:
        known = NUMPY_NAMES.get(a.name)
        if known is not None and _named_so(args, a.name):
            w(f"if {known} is not None: {a.name} = {known}")
            if a.default is None:
                w(f"if {a.name} is MISSING: missing_argument(row, {a.name!r})")


def _convert_param(w: _Writer, a: Argument) -> None:
    kind = a.type
    if kind == "int*":
        w(f"{a.name} = from_varargs(row, {a.name!r}, {a.name}_given, {a.name})")
        return
    optional = kind.endswith("?")
    base = kind.removesuffix("?")
    if base in ("any", "number"):
        if base == "number":
            w(f"if {a.name}.__class__ not in NUMBERS: {a.name} = to_number(row, {a.name!r}, {a.name})")
        else:
            w(f"if {a.name}.__class__ is list: {a.name} = tuple({a.name})")
        return
    cls, converter = _CONVERTERS[base]
    guard = f"{a.name} is not None and " if optional else ""
    w(
        f"if {guard}{a.name}.__class__ is not {cls}: "
        f"{a.name} = {converter}(row, {a.name!r}, {a.name})"
    )
    if base == "int[]":  # 2.0 == 2 and True == 1: they would find what those have left in the memo
        w(f"elif {guard}not ALL_INT(map(KIND, {a.name})): {a.name} = only_ints(row, {a.name!r}, {a.name})")


def _read_input(w: _Writer, i: int, a: Argument, dunder: bool) -> None:
    """Lines that set k{i} (aval or type), x{i} (value or number), g{i} (requires grad)."""
    n = a.name
    if a.type == "Tensor[]":
        w(f"if {n}.__class__ is not list and {n}.__class__ is not tuple: "
          f"{n} = need_list(row, {n!r}, {n})")  # fmt: skip
        w("try:")
        w(f"k{i} = tuple([t._aval for t in {n}])", 2)
        w("except AttributeError:")
        w(f"check_list(row, {n!r}, {n})", 2)
        w("raise", 2)
        w(f"g{i} = any([t._rg or (t._view is not None and joined(t)) for t in {n}])")
        return
    if a.type == "Scalar":
        w(f"if {n}.__class__ not in NUMBERS: {n} = need_scalar(row, {n!r}, {n})")
        w(f"k{i} = {n}.__class__; x{i} = {n}; g{i} = False")
        w(f"if k{i} is int and not LEAST <= {n} <= MOST: too_big(row, {n!r})")
        return
    depth = 1
    if a.type == "Operand":
        w(f"k{i} = {n}.__class__")
        w(f"if k{i} is float or k{i} is int:")
        w(f"x{i} = {n}; g{i} = False", 2)
        w(f"if k{i} is int and not LEAST <= {n} <= MOST: too_big(row, {n!r})", 2)
        w("else:")
        depth = 2
    elif a.type == "Tensor?":
        w(f"if {n} is None:")
        w(f"k{i} = x{i} = None; g{i} = False", 2)
        w("else:")
        depth = 2
    w("try:", depth)
    w(f"k{i} = {n}._aval", depth + 1)
    w("except AttributeError:", depth)
    if a.type == "Operand":
        if dunder:
            w(f"if not is_operand({n}): return NotImplemented", depth + 1)
        w(f"{n}, k{i} = need_operand(row, {n!r}, {n})", depth + 1)
        w(f"if k{i}.__class__ is type:", depth)
        w(f"x{i} = {n}; g{i} = False", depth + 1)
        w("else:", depth)
        depth += 1
    else:
        w(f"need_tensor(row, {n!r}, {n})", depth + 1)
    w(f"x{i} = {n}._storage.value if {n}._plain else None", depth)
    w(f"if x{i} is None: x{i} = read({n})", depth)
    w(f"g{i} = {n}._rg or ({n}._view is not None and joined({n}))", depth)


def _key(sig: Any) -> tuple[str, str]:
    """The memo key's source, and the operands a rule gets."""
    parts = [f"k{i}" for i in range(len(sig.inputs))]
    operands = list(parts)
    for a in sig.params:
        if a.type.startswith("number"):
            parts.append(f"{a.name}.__class__")
        if a.type == "any":
            parts.append(f"{a.name}.__class__")
        parts.append(a.name)
        operands.append(a.name)
    key = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
    return key, ", ".join(operands)


def _row_source(row: Row, dunder: bool) -> str:
    sig = signature.parse(row.schema)
    inputs, params = sig.inputs, sig.params
    with_out = "o" in row.forms
    w = _Writer()
    several = " " in row.multiplier
    old = "*old_" if several else "old_=None" if row.multiplier else ""
    w(f"def {row.name}({_parameters(sig.arguments, with_out, old)}):", 0)
    if several:
        everything = ", ".join(a.name for a in sig.arguments)
        places = ", ".join(a.name for a in sig.arguments if not a.keyword_only)
        w(f"if old_: {everything} = oldest_order(row, ({places}, *old_), {row.multiplier.split()[1]})")
    elif row.multiplier:
        places = ", ".join(a.name for a in sig.arguments[1:] if not a.keyword_only)
        w(f"if old_ is not None: {row.multiplier}, {places} = old_order(row, {places}, old_)")
    _numpy_names(w, sig.arguments)
    if with_out:
        names = [f"{a.name}={a.name}" if a.keyword_only else a.name for a in sig.arguments]
        used = "(" + "".join(f"*{a.name}, " if a.type == "Tensor[]" else f"{a.name}, " for a in inputs) + ")"
        w(f"if out is not None: return into_out(row, this[0], out, ({', '.join(names)},), {used})"
          if not any(a.keyword_only for a in sig.arguments) else
          f"if out is not None: return into_out(row, lambda: this[0]({', '.join(names)}), out, None, {used})")  # fmt: skip
    for a in params:
        _convert_param(w, a)
    for i, a in enumerate(inputs):
        _read_input(w, i, a, dunder)
    key, operands = _key(sig)
    w("try:")
    w(f"aval, cast, token = memo[{key}]", 2)
    w("except KeyError:")
    w(f"aval, cast, token = infer(row, {key}, {operands})", 2)
    listed = [a for a in inputs if a.type == "Tensor[]"]
    tensors = ", ".join(f"*{a.name}" if a.type == "Tensor[]" else a.name for a in inputs)
    if row.check is not None:
        w(f"run_check(row, ({tensors},), ({operands},))")
    for i, a in enumerate(inputs):
        if a.type == "Tensor[]":
            w(f"x{i} = [read(t) for t in {a.name}]")
    castable = [
        i for i, a in enumerate(inputs) if a.type != "Scalar" and a.name not in row.keeps
    ]
    if castable:
        w("if cast is not None:")
        for i in castable:
            a = inputs[i]
            if a.type == "Tensor[]":
                w(f"x{i} = [convert(x, cast) for x in x{i}]", 2)
            else:
                test = "" if a.type == "Tensor" else f"k{i}.__class__ is Aval and "
                w(f"if {test}k{i}.dtype is not cast: x{i} = convert(x{i}, cast)", 2)
    xs = ", ".join(f"*x{i}" if a.type == "Tensor[]" else f"x{i}" for i, a in enumerate(inputs))
    ps = ", ".join(a.name for a in params)
    ps = f"({ps},)" if params else "()"
    # Trailing underscores keep these apart from arguments: fill() has one called value.
    w("value_ = new(Value)")
    w(f"value_.op = row; value_.aval = aval; value_.inputs = ({xs},); value_.params = {ps}")
    w("value_.buffer = None; value_.token = token")
    w("nodes = state.nodes")
    w("nodes.append(value_)")
    w("if len(nodes) >= LIMIT: overflow(value_)")
    several = bool(sig.results)
    if several:
        w("results = picks(value_, aval)")
    else:
        w("if aval.big: note_bytes(aval)")
        w("t_ = new(Tensor)")
        w("t_._storage = Storage(value_, aval)")
        w("t_._aval = aval")
    if row.grads or row.not_differentiable:
        test = " or ".join(f"g{i}" for i in range(len(inputs)))
        w(f"if {test}:")
        given = [a.name for a in inputs]
        given += [f"{letter}{i}" for letter in "kg" for i in range(len(inputs))]
        made = "results" if several else "t_"
        w(f"if state.grad: record({made}, {', '.join(given)}, {ps}, token)", 2)
        # Only where a graph could have been: other operations would pay for asking.
        w(f"elif state.inference: uncount({made if several else '(t_,)'})", 2)
    w("return result_type(results)" if several else "return t_")
    if listed and len(listed) > 1:
        raise InternalError(f"row {row.name}: more than one Tensor[] argument")
    return w.intercepted(inputs, params)


def _view_source(row: Row) -> str:
    sig = signature.parse(row.schema)
    (first, *_), params = sig.inputs, sig.params
    n = first.name
    w = _Writer()
    w(f"def {row.name}({_parameters(sig.arguments, False)}):", 0)
    _numpy_names(w, sig.arguments)
    for a in params:
        _convert_param(w, a)
    w("try:")
    w(f"k = {n}._aval", 2)
    w("except AttributeError:")
    w(f"need_tensor(row, {n!r}, {n})", 2)
    names = "".join(f", {a.name}" for a in params)
    w(f"key = (k, {n}._strides, {n}._offset, {n}._storage.aval{names})")
    w("try:")
    w("found = memo[key]", 2)
    w("except KeyError:")
    w(f"found = infer_view(row, key, {n}{names})", 2)
    ps = "(" + "".join(f"{a.name}, " for a in params) + ")"
    if row.multi_view:
        w(f"return multi_view(record, {n}, found, {ps})")
        return w.intercepted(sig.inputs, params)
    w("t = new(Tensor)")
    w(f"t._storage = {n}._storage")
    w("t._aval, t._strides, t._offset, t._plain, token = found")
    w(f"root = {n}._view")
    w(f"t._view = {n} if root is None else root")
    w(f"t._seen = {n}._storage.version")
    w(f"if {n}._count is None and root is None:")
    w(f"if {n}._rg:", 2)
    w(f"if state.grad: record(t, {n}, k, {n}._rg, {ps}, token)", 3)
    w("else: t._origin = unfollowed()", 3)
    w(f"elif {n}._rg or {n}._count is not None or {n}._origin or joined({n}):")
    w(f"note_view(record, t, {n}, {ps}, token)", 2)
    w("return t")
    return w.intercepted(sig.inputs, params)


NUMBERS = frozenset((int, float, bool, complex))


def is_operand(x: Any) -> bool:
    """Whether an operator takes `x` beside a tensor; else Python asks the other operand."""
    import numpy as np

    return isinstance(x, (bool, int, float, complex, np.generic, np.ndarray)) or hasattr(
        x, "__torch_scalar__"
    )


def make(row: Row, *, dunder: bool = False) -> Callable[..., Any]:
    """The function of a row."""
    from . import inplace
    from .tensor import Tensor

    if row.body is not None:
        return _composite(row)

    def record(*operands: Any) -> None:
        """Stands in until the operation first takes part in a graph."""
        scope["record"] = node_class(row).record
        scope["record"](*operands)

    source = _view_source(row) if row.view is not None else _row_source(row, dunder)
    this: list[Any] = []
    sig = signature.parse(row.schema)
    scope: dict[str, Any] = {
        "row": row, "memo": row.memo, "infer": infer, "infer_view": infer_view, "Value": Value,
        "Storage": Storage, "Tensor": Tensor, "new": object.__new__, "state": state,
        "read": read, "convert": convert, "record": record, "uncount": uncount, "Aval": Aval,
        "ALL_INT": frozenset((int,)).issuperset, "KIND": type, "LEAST": arguments.LEAST, "MOST": arguments.MOST, "LIMIT": max(config.max_pending_nodes, 1), "overflow": overflow, "note_bytes": note_bytes,
        "picks": picks, "run_check": run_check, "NUMBERS": NUMBERS, "this": this,
        "into_out": inplace.into_out, "is_operand": is_operand, "note_view": inplace.note_view, "unfollowed": inplace.unfollowed,
        "joined": joined, "MISSING": MISSING, "Intercept": Intercept, "lifted": lifted, "out_of_memory": shortage.named,
        "multi_view": inplace.multi_view, "dtype_class": arguments.dtype,
        "as_dtype": arguments.to_dtype,
        "result_type": result_type(row.name if row.forms else row.called, sig.results) if sig.results else None,
        **{n: getattr(arguments, n) for n in _HELPERS},
    }  # fmt: skip
    filename = f"<flambeau row {row.name}>"
    exec(compile(source, filename, "exec"), scope)
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    function: Callable[..., Any] = scope[row.name]
    if row.name in _HELPERS:  # the function has hidden the converter of its name
        scope[row.name] = getattr(arguments, row.name)
    this.append(function)
    return redirecting.made(_described(function, row))


_HELPERS = (
    "old_order", "oldest_order", "only_ints", "too_big",
    "need_tensor", "need_operand", "need_scalar", "need_list", "check_list", "to_int", "to_ints",
    "from_varargs", "missing_argument", "to_index", "to_bool", "to_float", "to_str", "to_dtype", "to_number",
)  # fmt: skip


def _described(function: Any, row: Row) -> Any:
    # By these pickle finds it: `flambeau._nn.gelu`.
    function.__qualname__ = f"_nn.{row.name}" if row.where == "nn" else row.name
    function.__module__ = "flambeau"
    function.__doc__ = f"{row.schema}\n\n{row.doc}"
    return function


def _composite(row: Row) -> Callable[..., Any]:
    """A composite's function: its body, with `out=` where the row has that form."""
    from . import inplace

    body = row.body
    assert body is not None
    with_out = "o" in row.forms
    own = inspect.signature(body).parameters  # its code may be a stub's: see `autocasting`
    renamed = {known: name for name, known in NUMPY_NAMES.items() if known not in own}

    def plain(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for known, name in renamed.items():
                if known in kwargs:
                    kwargs[name] = kwargs.pop(known)
        try:
            if devices.others:
                return devices.there(body, args, kwargs)
            return body(*args, **kwargs)
        except overriding.Overriding:
            if overriding._inside_composite(2):
                raise
            return overriding.called(composite, args, kwargs)
        except MemoryError as error:
            raise shortage.named(error, row.called) from None
        except MISUSE as error:
            _check_given(row, args, kwargs, error)
            raise

    if row.grads:
        from .one_node import make as with_node

        recorded = with_node(row, plain)
    else:
        recorded = plain

    def outward(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return recorded(*args, **kwargs)
        return inplace.into_out(row, lambda: plain(*args, **kwargs), out, None, args)

    composite: Any = outward if with_out else recorded
    composite.__name__ = row.name
    composite.__wrapped__ = body
    words = {known for known, name in renamed.items() if name in own} | ({"out"} if with_out else set())
    if words:
        composite.__signature__ = with_keywords(body, words)
    return redirecting.made(_described(composite, row))


MISUSE = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, AssertionError, RecursionError)
"""What comes out of a composite's body that was given something else than its schema says."""


def _check_given(
    row: Row, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> None:
    """TypeError where a composite was given an argument of another type than its schema's."""
    for i, a in enumerate(signature.parse(row.schema).arguments):
        positional = i < len(args) and not a.keyword_only
        if not positional and a.name not in kwargs:
            continue
        given = args[i] if positional else kwargs[a.name]
        if a.type == "Tensor" and overriding.overrides(given) and not hasattr(given, "_aval"):
            raise overriding.Overriding
        arguments.check_type(row, a, given)
    if isinstance(error, (AttributeError, RecursionError)):  # within what no type is said of
        raise TypeError(f"{row.called}(): an argument is of a wrong type: {error}") from error
    if isinstance(error, ZeroDivisionError):
        raise RuntimeError(f"{row.called}(): an argument must not be zero: {error}") from error
    foreign = type(error).__module__.startswith("numpy")
    if foreign or (isinstance(error, OverflowError) and "(): " not in str(error)):
        raise named(row.called, error) from None


_made: dict[str, Callable[..., Any]] = {}


def function(name: str) -> Callable[..., Any]:
    """The function of the row called `name`; KeyError if there is none."""
    found = _made.get(name)
    if found is None:
        found = _made[name] = make(table[name])
    return found


def inplace_function(name: str) -> Callable[..., Any]:
    """The in-place function `name_` of a row."""
    found = _made.get(name + "_")
    if found is None:
        from . import inplace

        made = inplace.make_inplace(table[name], function(name))
        found = _made[name + "_"] = redirecting.made(made)
    return found


def relayout_function(name: str) -> Callable[..., Any]:
    """The function `name_` that gives a tensor itself a view's layout."""
    from . import inplace

    return inplace.make_relayout(table[name], function(name))


type(call).resolve = staticmethod(lambda name: function(name))  # type: ignore[method-assign]
