"""Random loops for the tests of the loop language."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np

from flambeau.codegen.loop import Loop, Operand, Stage, Statement, verify

from .loop_support import Memory, Setup, fill, place

VALUES = ["float32"] * 5 + ["float64"] * 2 + ["int64", "int32", "int16", "int8", "uint8", "bool"]
MEMORY = [*VALUES, "float16", "bfloat16"]
FLOATS = ("float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


class Value(NamedTuple):
    """What the generator knows of a statement."""

    number: int
    dtype: str
    stage: int
    """-1: invariant."""
    bound: float = 9.0
    """Of a float's size; infinite if it may be NaN or infinite."""
    whole: bool = False
    """A float that is an integer."""
    loose: bool = False
    """Only near to NumPy's."""
    raw: bool = False
    """Loaded."""


class Draw:
    """One random loop in the making."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.numpy = np.random.default_rng(seed)
        self.values: list[Value] = []
        self.count = 0
        self.inputs: list[Operand] = []
        self.outputs: list[Operand] = []
        self.special: list[bool] = []
        self.gathers: list[int] = []
        self.loose: set[int] = set()
        self.body: list[Statement] = []
        self.reduced: list[Value] = []
        self.row_operands: set[int] = set()
        self.full_operands: set[int] = set()

    # --- the loop ---------------------------------------------------------------------------

    def setup(self) -> Setup:
        r = self.rng
        family = r.choice(["pointwise", "rows", "columns"])
        self.par = r.randint(1, 3)
        self.red = 0 if family == "pointwise" else r.choice([1, 1, 2])
        self.vector = "red" if family == "rows" else "par"
        self.vector_dim = self.par - 1 if self.vector == "par" else self.par + self.red - 1
        self.extents = tuple(
            r.choice([0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 31, 33, 40, 64, 65, 71, 130])
            if d == self.vector_dim else r.choice([0, 1, 2, 3, 3, 4, 5, 6])
            for d in range(self.par + self.red)
        )  # fmt: skip
        self.dense = family == "pointwise" and self.par == 1 and r.random() < 0.5
        levels = ["full"] if not self.red else self.levels()
        stages = []
        self.numbers = tuple(r.choice(["float64", "int64"]) for _ in range(r.randint(0, 2)))
        for n, level in enumerate(levels):
            self.stage(n, level, n == len(levels) - 1)
            stages.append(Stage(level, tuple(self.body)))
        loop = Loop(
            self.par, self.red, self.vector, tuple(self.inputs), tuple(self.outputs), self.numbers,
            tuple(stages), tuple(self.gathers), self.dense,
        )  # fmt: skip
        verify(loop)
        numbers = [float(r.randint(-3, 3)) for _ in self.numbers]
        return Setup(loop, self.extents, r.choice([1, 5, 16, 48]), self.memory(), numbers)

    def levels(self) -> list[str]:
        r = self.rng
        out = [r.choice(["full", "full", "row"])]
        for _ in range(r.randint(1, 3)):
            out.append(r.choice(["full", "row"]))
        return out

    def stage(self, n: int, level: str, last: bool) -> None:
        r = self.rng
        self.body, self.reduced = [], []
        self.level, self.n = level, n
        for _ in range(r.randint(1, 3)):
            self.load()
        for _ in range(r.randint(0, 2)):
            self.leaf()
        for _ in range(r.randint(1, 7)):
            self.operation()
        if level == "full" and self.red:
            for _ in range(r.choice([1, 1, 2])):
                self.reduce()
        if last or r.random() < 0.4:
            for _ in range(r.choice([1, 1, 2])):
                self.store()
        # Reductions can be read from the next stage on.
        self.values += self.reduced

    # --- statements -------------------------------------------------------------------------

    def add(self, s: Statement, **known: Any) -> Value:
        stage = -1 if self.level == "row" or s.op in ("number", "const") else self.n
        value = Value(self.count, s.dtype, stage, **known)
        self.count += 1
        self.body.append(s)
        if s.op not in ("reduce", "store"):
            self.values.append(value)
        return value

    def pick(self, *dtypes: str, **wanted: Any) -> Value | None:
        fit = [
            v for v in self.values
            if v.stage in (-1, self.n) and (not dtypes or v.dtype in dtypes)
            and all(getattr(v, k) == x for k, x in wanted.items())
        ]  # fmt: skip
        return self.rng.choice(fit[-6:] if self.rng.random() < 0.6 else fit) if fit else None

    def load(self) -> None:
        r = self.rng
        use = self.row_operands if self.level == "row" else self.full_operands
        index = self.index() if r.random() < 0.25 else None
        again = [k for k in sorted(use) if k >= 0 and (k in self.gathers) == (index is not None)]
        if again and r.random() < 0.4:
            k = r.choice(again)
        else:
            k = len(self.inputs)
            self.inputs.append(Operand(r.choice(MEMORY), r.choice([0, 1, 1, 1, 2, None])))
            self.special.append(r.random() < 0.3)
            use.add(k)
            if index is not None:
                self.gathers.append(k)
        dtype = self.inputs[k].dtype
        args = () if index is None else (index,)
        special = self.special[k] and dtype in FLOATS
        bound = float("inf") if special else 9.0
        v = self.add(Statement("load", args, dtype, k), bound=bound, whole=True, raw=True)
        if dtype in ("float16", "bfloat16"):
            self.add(Statement("cast", (v.number,), "float32"), whole=True)

    def index(self) -> int | None:
        """A number from 0 to 6: some value's remainder by 7."""
        source = self.pick(*INTEGERS)
        if source is None or self.rng.random() < 0.5:
            dims = self.par + (self.red if self.level == "full" else 0)
            at = Statement("index", (), "int64", self.rng.randrange(dims))
            source = self.add(at)
        if source.dtype != "int64":
            source = self.add(Statement("cast", (source.number,), "int64"))
        seven = self.add(Statement("const", (), "int64", 7))
        return self.add(Statement("remainder", (source.number, seven.number), "int64")).number

    def leaf(self) -> None:
        r = self.rng
        what = r.choice(["number", "const", "index"])
        if what == "number" and self.numbers:
            k = r.randrange(len(self.numbers))
            dtype = r.choice([self.numbers[k], "float32"])
            self.add(Statement("number", (), dtype, k), whole=True)
        elif what == "index":
            dims = self.par + (self.red if self.level == "full" else 0)
            self.add(Statement("index", (), "int64", r.randrange(dims)))
        else:
            dtype = r.choice(VALUES)
            value: Any = r.choice([0, 1, 2, 3, 7])
            if dtype in FLOATS:
                value = r.choice([0.0, 1.0, 2.5, -3.0])
            self.add(Statement("const", (), dtype, bool(value) if dtype == "bool" else value))

    def operation(self) -> None:
        x = self.pick(*VALUES)
        if x is None:
            return
        if self.rng.random() < 0.25:
            self.cast(x)
        elif x.dtype in FLOATS:
            self.of_floats(x)
        else:
            self.of_integers(x)

    def cast(self, x: Value) -> None:
        dtype = self.rng.choice(VALUES)
        if x.dtype in FLOATS and dtype in INTEGERS and (x.bound > 2.0**31 or dtype == "uint8"):
            dtype = "float64"
        if x.dtype in FLOATS and dtype not in FLOATS and x.loose:
            dtype = "float32"
        wide = {"int64": 2.0**63, "int32": 2.0**31, "int16": 2.0**15, "int8": 128.0, "uint8": 256.0}
        bound = wide.get(x.dtype, 1.0 if x.dtype == "bool" else x.bound)
        whole = x.whole or x.dtype not in FLOATS
        if dtype == "float32" and bound > 2.0**24:
            whole = False
        self.add(Statement("cast", (x.number,), dtype), bound=bound, whole=whole, loose=x.loose)

    def of_floats(self, x: Value) -> None:
        r = self.rng
        y = self.pick(x.dtype) or x
        loose = x.loose or y.loose
        ops = ["add", "sub", "mul", "neg", "select", "fma"]
        if not loose:
            ops += "min max fmin fmax abs floor ceil trunc rint lt le gt ge eq ne isnan".split()
            ops += ["sqrt", "div", "copysign", "rsqrt", "floordiv", "remainder", "fmod"]
        op = r.choice(ops)
        both = x.whole and y.whole
        bound = x.bound * y.bound if op in ("mul",) else x.bound + y.bound
        if op in ("neg", "abs", "floor", "ceil", "trunc", "rint", "sqrt", "rsqrt", "isnan"):
            if op in ("sqrt", "rsqrt"):
                x = self.add(Statement("abs", (x.number,), x.dtype), bound=x.bound, whole=x.whole)
            whole = x.whole if op in ("neg", "abs", "rsqrt", "sqrt") else True
            whole = whole and op not in ("sqrt", "rsqrt")
            bound = float("inf") if op == "rsqrt" else x.bound
            dtype = "bool" if op == "isnan" else x.dtype
            self.add(Statement(op, (x.number,), dtype), bound=bound, whole=whole, loose=x.loose)
        elif op in ("lt", "le", "gt", "ge", "eq", "ne"):
            self.add(Statement(op, (x.number, y.number), "bool"))
        elif op == "select":
            c = self.pick("bool")
            if c is not None:
                args = (c.number, x.number, y.number)
                self.add(Statement(op, args, x.dtype), bound=bound, whole=both, loose=loose)
        elif op == "fma":
            z = self.pick(x.dtype) or x
            bound = x.bound * y.bound + z.bound
            exact = both and z.whole and bound < 2.0**23 and not z.loose
            args = (x.number, y.number, z.number)
            self.add(Statement(op, args, x.dtype), bound=bound, whole=exact, loose=not exact)
        elif op in ("div", "copysign", "floordiv", "remainder", "fmod"):
            # The sign of a zero that min or max gave is not defined: divide by what was loaded.
            y = self.pick(x.dtype, raw=True) or x
            if not y.raw or y.loose:
                return
            bound = x.bound if op in ("copysign",) else float("inf")
            self.add(Statement(op, (x.number, y.number), x.dtype), bound=bound, whole=False)
        else:
            whole = both and bound < 2.0**23
            args = (x.number, y.number)
            self.add(Statement(op, args, x.dtype), bound=bound, whole=whole, loose=loose)

    def of_integers(self, x: Value) -> None:
        r = self.rng
        y = self.pick(x.dtype) or x
        if x.dtype == "bool":
            op = r.choice(["not", "and", "or", "xor", "eq", "lt", "min", "max", "select"])
        else:
            op = r.choice(
                "add sub mul neg abs min max and or xor not shl shr floordiv remainder lt le gt ge "
                "eq ne select".split()
            )
        if op in ("not", "neg", "abs"):
            self.add(Statement(op, (x.number,), x.dtype))
        elif op in ("lt", "le", "gt", "ge", "eq", "ne"):
            self.add(Statement(op, (x.number, y.number), "bool"))
        elif op == "select":
            c = self.pick("bool")
            if c is not None:
                self.add(Statement(op, (c.number, x.number, y.number), x.dtype))
        else:
            self.add(Statement(op, (x.number, y.number), x.dtype))

    def reduce(self) -> None:
        r = self.rng
        x = self.pick(*VALUES)
        if x is None:
            return
        kind = r.choice(
            ["sum", "sum", "sum", "prod", "min", "max", "any", "all", "argmax", "argmin"]
        )
        if kind.startswith("arg") and (self.red != 1 or x.loose):
            kind = "sum"
        if x.loose and kind != "sum":
            kind = "sum"
        dtype = {"any": "bool", "all": "bool", "argmax": "int64", "argmin": "int64"}.get(
            kind, x.dtype
        )
        if dtype == "bool" and kind in ("sum", "prod"):
            dtype = "int64"
        loose = x.dtype in FLOATS and (
            x.loose or kind == "prod" or kind == "sum" and not (x.whole and x.bound <= 100)
        )
        if x.bound == float("inf") and x.whole and kind == "sum" and not x.loose and x.raw:
            loose = False
        bound = float("inf") if x.dtype in FLOATS else 9.0
        whole = kind != "prod" and x.whole and not loose
        v = self.add(Statement("reduce", (x.number,), dtype, kind))
        self.reduced.append(Value(v.number, dtype, -1, bound, whole, loose))

    def store(self) -> None:
        r = self.rng
        x = self.pick(*VALUES)
        if x is None:
            return
        use = self.row_operands if self.level == "row" else self.full_operands
        number, dtype = x.number, x.dtype
        if dtype in FLOATS and r.random() < 0.2 and not x.loose:
            dtype = r.choice(["float16", "bfloat16"])
            number = self.add(Statement("cast", (number,), dtype)).number
        k = len(self.outputs)
        self.outputs.append(Operand(dtype, r.choice([1, 1, 1, 2, None])))
        use.add(-1 - k)
        if x.loose:
            self.loose.add(k)
        self.add(Statement("store", (number,), dtype, k))

    # --- memory -----------------------------------------------------------------------------

    def memory(self) -> list[Memory]:
        out = []
        for k, o in enumerate([*self.inputs, *self.outputs]):
            is_input = k < len(self.inputs)
            own = k if is_input else -1 - (k - len(self.inputs))
            strides = self.strides(o, is_input, own in self.row_operands)
            shape = [
                1 if d >= self.par and own in self.row_operands else n
                for d, n in enumerate(self.extents)
            ]
            gather = (7, self.rng.choice([1, 3, 50])) if own in self.gathers and is_input else None
            m = place(self.rng, k, o.dtype, tuple(shape), strides, gather)
            fill(
                self.numpy,
                m.guarded.bytes.view(m.view.dtype),
                o.dtype,
                is_input and self.special[k],
            )
            out.append(m)
        return out

    def strides(self, o: Operand, is_input: bool, row: bool) -> tuple[int, ...]:
        """In elements; an output's elements are apart from each other."""
        r = self.rng
        out = [0] * len(self.extents)
        order = [d for d in range(len(self.extents)) if d != self.vector_dim]
        r.shuffle(order)
        step = 1
        for d in [self.vector_dim, *order]:
            if row and d >= self.par:
                out[d] = r.choice([0, 1]) if d != self.vector_dim else (o.inner or 0)
                continue
            if d == self.vector_dim:
                out[d] = r.choice([1, 2, 3, 5]) if o.inner is None else o.inner
            else:
                out[d] = 0 if is_input and r.random() < 0.2 else step + r.choice([0, 0, 1])
            if out[d]:
                step = max(step, 1 + sum((n - 1) * s for n, s in zip(self.extents, out) if n))
        return tuple(out)
