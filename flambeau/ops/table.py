"""The op table: one `Row` an operation, found by name.

A row is everything that flambeau knows of an operation. From it come the `torch.x` function, the
`Tensor.x` method, the in-place `x_`, the `out=` form, the autograd node and the tests.

    row("mul(Tensor input, Operand other) -> Tensor",
        rule=pointwise(), numpy=np.multiply, forms="fmio",
        grads={"input": lambda grad, other: grad * other.conj(),
               "other": lambda grad, input: grad * input.conj()},
        doc="Elementwise product.")

Argument types of a signature
    Tensor, Tensor?    a tensor; the optional one may be None
    Operand            a tensor or a Python number (a number stays a run-time scalar)
    Scalar             a Python number given at run time, not part of a program's key
    Tensor[]           a list of tensors
    int, int?, int[], int[]?, float, float?, bool, bool?, str, str?, dtype?, number, any
                       static parameters, part of a program's key (number: int, float or bool)
    index              an int, or a 0-d tensor of integers that is read at the call
    int*               as int[], also as separate positional arguments: view(2, 3)

A `rule` gets the avals (types for scalars) and the static parameters in the signature's order, and
returns `Spec(aval, cast)`. It raises PyTorch's exception type; the caller puts the operation's
name in front.

A `numpy` reference gets the arrays and scalars, then the static parameters. With Tensor[] among
the types it gets one flat list of all arrays first.

A `lower` is optional. It gets the graph's builder (`graph.ir.Builder`), then what the reference
gets, with nodes for arrays and numbers (for Tensor[] one flat list of all nodes), and returns the
result's node, a tuple of nodes for several results, or None where it does not apply. Its meaning is
the reference's up to rounding: NaN, infinities, signed zeros and wrapping integers included.
 - A number is a 0-d node of dtype "int64", "float64" or "bool", to be cast to the tensors' dtype;
   one that is known is a `const`.
 - 16-bit floats arrive as float32, and so is the result, which the caller rounds; in a row that
   `moves` they arrive as they are, and allow casts only. Complex numbers never arrive.

A derivative is a function whose parameter names say what it needs: `grad` (`grads` for rows with
several results), inputs by name (these are saved), `result`, static parameters by name, and
`input_shape` or `input_dtype` for any input. It is written in terms of tensor operations, so that
derivatives have derivatives. Sums over broadcast dimensions and casts to the input's dtype are
done by the engine. A key may be a tuple of names: then the function returns a tuple, and may ask
for `needs`, which of them are wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..core.dtypes import dtype


class Spec(NamedTuple):
    """What a rule finds out: the result's aval (a tuple for several results) and the dtype that
    tensor inputs are cast to first, None for as they are."""

    aval: Any
    cast: dtype | None = None


class Layout(NamedTuple):
    """What a view's rule finds out, in elements of the storage."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


Names = str | tuple[str, ...]


class Row:
    """One operation. See the module's docstring for the fields."""

    __slots__ = (
        "name", "schema", "rule", "numpy", "lower", "grads", "node", "number_node", "doc", "forms", "where", "moves",
        "writes", "takes_list", "view", "multi_view", "recast", "check", "body", "samples",
        "alias", "called", "memo", "not_differentiable", "keeps", "multiplier", "rounds", "uniform",
        "out", "operator", "reflected", "family",
    )  # fmt: skip

    def __init__(self, schema: str, **fields: Any) -> None:
        self.schema = schema
        self.name: str = schema.partition("(")[0]
        self.rule: Callable[..., Any] | None = fields.pop("rule", None)
        self.numpy: Callable[..., Any] | None = fields.pop("numpy", None)
        self.lower: Callable[..., Any] | None = fields.pop("lower", None)
        """What the operation is in primitives of the compiler's graph; None: NumPy is called."""
        self.grads: Mapping[Names, Callable[..., Any]] = fields.pop("grads", {})
        self.node: str | Callable[..., str] = fields.pop("node", "") or camel(self.name)
        """The autograd node's name without `Backward0`, or whole where it ends in a digit; or a
        function of the static parameters that gives it whole."""
        self.number_node: str = fields.pop("number_node", "")
        """The node's name where the last Operand is a number, if PyTorch has an operation of its
        own for that: `next_functions` then has no place for the number."""
        self.doc: str = fields.pop("doc", "")
        self.forms: str = fields.pop("forms", "fm")
        """Which forms exist: f(unction), m(ethod), i(n-place method), I(n-place function too),
        o(ut=), v(iew's layout given to the tensor itself: `t_`)."""
        self.where: str = fields.pop("where", "")
        """The namespace of the function: "" is the main one, "nn" is `torch._nn`."""
        self.moves: bool = fields.pop("moves", False)
        """Only moves elements: 16-bit floats need no widening."""
        self.writes: bool = fields.pop("writes", False)
        """The result is the first input changed: its memory is reused where it dies."""
        self.takes_list = "[]" in schema and "Tensor[]" in schema
        self.view: Callable[..., Layout] | None = fields.pop("view", None)
        """For views, instead of rule and numpy: (shape, strides, offset, *params) → Layout."""
        self.recast: Callable[[dtype], dtype] | None = fields.pop("recast", None)
        """For views that show the memory as another dtype: which one. The layout that `view` gives
        is in elements of that."""
        self.multi_view: bool = fields.pop("multi_view", False)
        self.check: Callable[..., None] | None = fields.pop("check", None)
        """Looks at the data of inputs at the call, where PyTorch raises errors that depend on
        data: gets a function that gives an input's array, then what a rule gets."""
        self.body: Callable[..., Any] | None = fields.pop("body", None)
        """A composite: the operation written with others, instead of rule and numpy. With `grads`
        its body runs without a graph and one node stands for all of it (one result, of new memory)."""
        self.samples: Any = fields.pop("samples", None)
        """Sample calls for the tests: function of a maker, giving (args, kwargs) pairs."""
        self.alias: tuple[str, ...] = tuple(fields.pop("alias", ()))
        """Other names of the same function and method; "special.erf" is one of the function in
        another namespace."""
        self.not_differentiable: str = fields.pop("not_differentiable", "")
        """Why there is no derivative, where a floating result has none."""
        self.keeps: tuple[str, ...] = tuple(fields.pop("keeps", ()))
        """Tensor inputs that are not cast with the others: masks and indices."""
        self.called: str = fields.pop("called", self.name)
        """What the user knows the operation as: the name in errors."""
        self.uniform: bool = fields.pop("uniform", False)
        """All elements of the result are equal: in place it may go to elements that overlap."""
        self.out: str = fields.pop("out", "cast")
        """What `out=` (and the tensor written in place) may be: of any dtype that the result can
        be "cast" to, of "any", of the result's "exact" dtype, or moreover "apart" from memory of inputs;
        "cast apart" is the first and the last of it."""
        self.rounds: bool = fields.pop("rounds", False)
        """Numbers beside 16-bit floats are rounded to their dtype first, as for comparisons."""
        self.multiplier: str = fields.pop("multiplier", "")
        """A keyword that PyTorch 0.3 took in second place: add(input, alpha, other). Two of them
        came before the tensors that they multiply: addmm(beta, input, alpha, mat1, mat2)."""
        self.operator: str = fields.pop("operator", "")
        """Python's operator that this is: "add" gives `__add__`, `__radd__` and `__iadd__`."""
        self.reflected: Callable[[Any, Any], Any] | None = fields.pop("reflected", None)
        """What `other <operator> tensor` computes from (tensor, other), where it is not the
        operation with its operands exchanged."""
        self.family = ""
        """The module of `ops` that the row stands in."""
        self.memo: dict[Any, Any] = {}
        if fields:
            raise TypeError(f"row {self.name}: unknown fields {sorted(fields)}")

    def __repr__(self) -> str:
        return f"<Row {self.schema}>"


def camel(name: str) -> str:
    """`log_softmax` → `LogSoftmax`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


table: dict[str, Row] = {}
"""All rows by name."""


def row(schema: str, **fields: Any) -> Row:
    """Add an operation to the table."""
    made = Row(schema, **fields)
    made.family = sys._getframe(1).f_globals["__name__"].rpartition(".")[2]
    if made.name in table:
        raise ValueError(f"two rows are called {made.name}")
    table[made.name] = made
    return made


def clear_memos() -> None:
    """Forget memoised shapes and dtypes: the default dtype has changed."""
    for each in table.values():
        each.memo.clear()


class Calls:
    """The operations as derivatives and composites call them: `call.where(mask, a, b)`.

    The functions themselves are made in a layer above; it fills in `resolve`.
    """

    resolve: Callable[[str], Any]

    def define(self, **functions: Any) -> None:
        """Functions that are no rows: creation, looking at data, the grad mode."""
        self.__dict__.update(functions)

    def __getattr__(self, name: str) -> Any:
        function = Calls.resolve(name)
        setattr(self, name, function)
        return function


call = Calls()
