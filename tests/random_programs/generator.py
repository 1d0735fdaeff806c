"""Writes random programs: lines that make sense, most of the time, for the tensors alive.

Each method of `Writer` named in `STATEMENTS` proposes one line. The oracle runs it at once: a
line whose result is undefined is dropped, and of the lines that raise only some are kept. The
same seed gives the same program.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import prod
from typing import Any, cast

from tests.random_programs import oracle
from tests.random_programs.runner import Kind, Line, Machine, Outcome, Program
from tests.random_programs.tensor import Tensor

MAX_ELEMENTS = 40
FLOATS = ("float32", "float64")
DTYPES = (*FLOATS, *FLOATS, *FLOATS, "int64", "int64", "int32", "uint8", "bool")
Draft = tuple[str, str]
"""What becomes of the text (`run`, `read`, `check`; `tensor`, `several` tensors, a NumPy `array`,
which get names), and the text."""


class Nothing(Exception):
    """No tensor alive fits the statement that was drawn."""


class Writer:
    """One program in the making."""

    def __init__(self, seed: int, length: int) -> None:
        self.random = random.Random(seed)
        self.length = length
        self.machine = Machine(oracle)
        self.lines: list[Line] = []
        self.outcomes: list[Outcome] = []
        self.count = 0
        self.ended = False
        self.theme = self.random.choice(["memory", "gradients", "gradients", "both"])

    def write(self) -> Program:
        """The whole program."""
        pick = self.random
        factors = THEMES[self.theme]
        names = list(STATEMENTS)
        weights = [weight * factors.get(name, 1) for name, weight in STATEMENTS.items()]
        for first in [self.creation, self.creation, self.leaf][: 2 + (self.theme == "gradients")]:
            self.propose(first)
        while len(self.lines) < self.length and not self.ended:
            name = pick.choices(names, weights)[0]
            self.propose(getattr(self, name))
        return Program.from_trace(self.lines, self.outcomes, self.machine)

    def propose(self, statement: Callable[[], Draft]) -> None:
        """Let a statement write a line, and keep it if the oracle can say what it does."""
        try:
            form, text = statement()
            line, outcome = self._run(form, text)
        except (Nothing, oracle.Undefined):
            return
        if outcome.error is not None:
            self.ended = "backward" in text or "autograd" in text
            if self.random.random() > (0.5 if self.ended else 0.06):
                self.ended = False
                return
        self.lines.append(line)
        self.outcomes.append(outcome)

    def _run(self, form: str, text: str) -> tuple[Line, Outcome]:
        """Run a draft once on the oracle; a value gets a name of its own."""
        if form in ("run", "read", "check"):
            line = Line(text, cast(Kind, form))
            return line, self.machine.step(line)
        names = self.machine.names
        trial = Line(f"new = {text}")
        outcome = self.machine.step(trial)
        value = names.pop("new", None)
        values = value if form == "several" and value is not None else (value,)
        made = [f"{'n' if form == 'array' else 't'}{self.count + i}" for i in range(len(values))]
        line = Line(f"{', '.join(made)}{',' * (form == 'several' and len(made) == 1)} = {text}")
        if outcome.error is not None:
            return line, outcome
        if form == "tensor":
            if value.numel() > MAX_ELEMENTS:
                raise Nothing
            if value.loose:
                values = (value.contiguous(),)
                line = Line(f"{made[0]} = ({text}).contiguous()")
        self.count += len(made)
        names.update(zip(made, values, strict=True))
        return line, Outcome(facts={name: self.machine.facts(names[name]) for name in made})

    def _try(self, text: str) -> Any:
        try:
            return eval(text, self.machine.names)
        except (RuntimeError, IndexError, TypeError, ValueError):
            return None

    # Choices

    def tensor(self, fits: Callable[[Tensor], bool] = lambda t: True) -> tuple[str, Tensor]:
        """Some tensor alive that fits, rather a late one, and rather one inside a graph."""
        found = [(name, t) for name, t in self.machine.tensors().items() if fits(t)]
        if not found:
            raise Nothing
        if self.theme == "gradients" and self.random.random() < 0.5:
            found = [(name, t) for name, t in found if t.requires_grad and not t.is_leaf] or found
        return found[int(len(found) * self.random.random() ** 0.6)]

    def operand(self, like: Tensor, dtype: bool = False) -> str:
        """Another operand: of the same shape, one that broadcasts, or a number."""
        if self.random.random() < 0.3:
            return self.number(like)
        wanted = like.shape

        def fits(t: Tensor) -> bool:
            if dtype and t.dtype != like.dtype:
                return False
            return t.ndim <= len(wanted) and all(
                a in (1, b) for a, b in zip(reversed(t.shape), reversed(wanted), strict=False)
            )

        return self.tensor(fits)[0] if self.random.random() < 0.95 else self.tensor()[0]

    def number(self, like: Tensor | None = None) -> str:
        """A number of a tensor's category, now and then of another."""
        kind = "f" if like is None else like.dtype.kind
        if kind == "f" and self.random.random() < 0.8:
            return repr(self.random.randint(-8, 8) / 4)
        if kind == "b":
            return self.random.choice(["True", "False"])
        return str(self.random.randint(0 if kind == "u" else -3, 3))

    def shape(self) -> tuple[int, ...]:
        """A small shape; 0-d and empty ones are rare."""
        ndim = self.random.choices([0, 1, 2, 3, 4], [1, 5, 8, 4, 1])[0]
        sizes = tuple(self.random.choice([1, 2, 2, 3, 3, 4]) for _ in range(ndim))
        if ndim and self.random.random() < 0.03:
            sizes = (*sizes[:-1], 0)
        return sizes if prod(sizes) <= 24 else sizes[:2]

    def dim(self, t: Tensor) -> int:
        """A dimension, from either end; rarely one that doesn't exist."""
        bound = max(t.ndim, 1)
        if self.random.random() < 0.01:
            return bound
        return self.random.randrange(-bound, bound)

    def values(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Nested lists: floats are quarters, so that sums of them are exact."""
        if shape:
            return [self.values(shape[1:], dtype) for _ in range(shape[0])]
        if dtype == "bool":
            return self.random.random() < 0.5
        if dtype in FLOATS:
            return self.random.randint(-12, 12) / 4
        return self.random.randint(0 if dtype == "uint8" else -4, 5)

    def index_values(self, shape: tuple[int, ...], size: int, negative: bool = False) -> str:
        """An index tensor for a dimension of some size."""
        if size == 0:
            raise Nothing
        low = -size if negative else 0
        high = size + (self.random.random() < 0.01)
        if len(shape) == 1 and shape[0] <= size and self.random.random() < 0.7:
            return f"torch.tensor({self.random.sample(range(size), shape[0])})"

        def nested(rest: tuple[int, ...]) -> Any:
            if rest:
                return [nested(rest[1:]) for _ in range(rest[0])]
            return self.random.randrange(low, high)

        return f"torch.tensor({nested(shape)})"

    def basic_index(self, t: Tensor) -> str:
        """Ints, slices with steps, None and Ellipsis."""
        pick = self.random
        items = []
        count = pick.randint(0, t.ndim)
        for size in t.shape[:count]:
            roll = pick.random()
            if roll < 0.3 and size:
                items.append(str(pick.randrange(-size, size)))
            else:
                items.append(self.slice(size))
        if pick.random() < 0.3:
            items.insert(pick.randint(0, len(items)), "None")
        if pick.random() < 0.3:
            items.insert(pick.choice([0, len(items)]), "...")
            if items[0] == "..." and count:
                items = ["...", self.slice(t.shape[-1])]
        return ", ".join(items) or "..."

    def slice(self, size: int) -> str:
        """`a:b:c`, with ends inside, outside and from the back."""
        pick = self.random
        start = pick.choice(["", "", str(pick.randint(0, max(size - 1, 0))), f"-{max(size, 1)}"])
        stop = pick.choice(["", "", "", str(size), str(size + 2), "-1" if size > 1 else ""])
        step = pick.choice(["", "", ":2", ":1", ":3"])
        return f"{start}:{stop}{step}"

    def mixed_index(self, t: Tensor) -> str:
        """An index with at least one integer or boolean tensor."""
        pick = self.random
        if not t.shape:
            raise Nothing
        if pick.random() < 0.4:
            count = pick.randint(1, t.ndim)
            items = [f"torch.tensor({self.values(t.shape[:count], 'bool')})"]
            if 0 in t.shape:
                raise Nothing
            return items[0]
        shape: tuple[int, ...] = pick.choice([(2,), (2,), (3,), (1,), (2, 2)])
        items = []
        place = pick.randrange(t.ndim)
        for dim, size in enumerate(t.shape[: pick.randint(place + 1, t.ndim)]):
            if dim == place or pick.random() < 0.2:
                items.append(self.index_values(shape, size, negative=True))
            elif pick.random() < 0.3 and size:
                items.append(str(pick.randrange(-size, size)))
            else:
                items.append(self.slice(size))
        if pick.random() < 0.15:
            items.insert(pick.randint(0, len(items)), "None")
        return ", ".join(items)

    def maybe_no_grad(self, statement: str) -> Draft:
        """Some writes happen under no_grad."""
        if self.random.random() < 0.15:
            return "run", f"with torch.no_grad(): {statement}"
        return "run", statement

    # Creation

    def creation(self) -> Draft:
        dtype = self.random.choice(FLOATS if self.theme == "gradients" else DTYPES)
        shape = self.shape()
        roll = self.random.random()
        if roll < 0.2:
            name = self.random.choice(["zeros", "ones"])
            return "tensor", f"torch.{name}({shape}, dtype=torch.{dtype})"
        if roll < 0.3:
            return "tensor", f"torch.full({shape}, {self.number()}, dtype=torch.float64)"
        if roll < 0.4 and shape and 0 not in shape:
            count = prod(size for size in shape)
            return "tensor", f"torch.arange({count}).view({', '.join(map(str, shape))})"
        if roll < 0.45:
            return "tensor", f"torch.eye({self.random.randint(1, 3)}, {self.random.randint(1, 3)})"
        if roll < 0.5:
            name = self.random.choice(["zeros_like", "ones_like"])
            return "tensor", f"torch.{name}({self.tensor()[0]})"
        return "tensor", f"torch.tensor({self.values(shape, dtype)}, dtype=torch.{dtype})"

    def leaf(self) -> Draft:
        shape, dtype = self.shape(), self.random.choice(FLOATS)
        values = self.values(shape, dtype)
        return "tensor", f"torch.tensor({values}, dtype=torch.{dtype}, requires_grad=True)"

    def detached_leaf(self) -> Draft:
        name, _ = self.tensor(lambda t: t.category == 2)
        return "tensor", f"{name}.{self.random.choice(['detach()', 'data'])}.requires_grad_()"

    def window(self) -> Draft:
        """A base that shows only a part of its memory."""
        name, t = self.tensor(lambda t: t.ndim > 0)
        shown = self.random.choice([f"[{self.basic_index(t)}]", ".t()", f"[{self.basic_index(t)}]"])
        return "tensor", f"{name}{shown}.{self.random.choice(['detach()', 'detach()', 'data'])}"

    # Views

    def index_view(self) -> Draft:
        name, t = self.tensor()
        return "tensor", f"{name}[{self.basic_index(t)}]"

    def shaped_view(self) -> Draft:
        name, t = self.tensor(lambda t: t.numel() > 0)
        sizes: list[int] = []
        count = t.numel()
        while count > 1 and len(sizes) < 3:
            size = self.random.choice([d for d in range(1, count + 1) if count % d == 0])
            sizes.append(size)
            count //= size
        sizes.append(count)
        if self.random.random() < 0.4:
            sizes[self.random.randrange(len(sizes))] = -1
        if self.random.random() < 0.03:
            sizes.append(2)
        method = self.random.choice(["view", "reshape"])
        return "tensor", f"{name}.{method}({', '.join(map(str, sizes))})"

    def dim_view(self) -> Draft:
        name, t = self.tensor()
        pick, a, b = self.random, self.dim(t), self.dim(t)
        size = t.shape[a] if t.shape and -t.ndim <= a < t.ndim else 1
        start = pick.randrange(size) if size else 0
        order = pick.sample(range(t.ndim), t.ndim)
        width = pick.randint(1, max(size, 1))
        options = [
            f"select({a}, {pick.randrange(-max(size, 1), max(size, 1))})",
            f"narrow({a}, {start}, {pick.randint(0, size - start) if size else 0})",
            f"transpose({a}, {b})",
            f"permute({', '.join(map(str, order))})" if order else "detach()",
            "t()",
            f"unsqueeze({a})",
            "squeeze()",
            f"squeeze({a})",
            f"flatten({', '.join(map(str, sorted([a % max(t.ndim, 1), b % max(t.ndim, 1)])))})",
            f"unfold({a}, {width}, {pick.randint(1, 2)})",
            "detach()",
            "data",
            "contiguous()",
        ]
        if t.ndim >= 2:
            options.append(f"diagonal({pick.randint(-1, 1)}, {a}, {b})")
        return "tensor", f"{name}.{pick.choice(options)}"

    def expanded_view(self) -> Draft:
        name, t = self.tensor()
        sizes = [self.random.choice([2, 3, -1]) if size == 1 else size for size in t.shape]
        if self.random.random() < 0.4:
            sizes.insert(0, 2)
        return "tensor", f"{name}.expand({', '.join(map(str, sizes)) or '1'})"

    def strided_view(self) -> Draft:
        name, t = self.tensor(lambda t: t.numel() > 2)
        size, stride = self.random.choice(
            [((2, 2), (1, 1)), ((2,), (2,)), ((3,), (1,)), ((2, 2), (2, 1)), ((2, 2), (1, 2))]
        )
        return "tensor", f"{name}.as_strided({size}, {stride}, {self.random.randint(0, 2)})"

    def several_views(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim > 0 and 0 not in t.shape)
        dim = self.random.randrange(-t.ndim, t.ndim)
        size = t.shape[dim]
        sizes = [1, size - 1] if size > 1 else [1]
        text = self.random.choice(
            [f"split(2, {dim})", f"chunk(2, {dim})", f"unbind({dim})", f"split({sizes}, {dim})"]
        )
        return "several", f"{name}.{text}"

    # Pointwise, reductions, contractions

    def pointwise(self) -> Draft:
        name, t = self.tensor()
        return "tensor", self._pointwise(name, t)

    def _pointwise(self, name: str, t: Tensor) -> str:
        pick = self.random
        other = self.operand(t)
        symbols = ["+", "-", "*", "+", "-", "*", "/"]
        if t.dtype.kind in "bi":
            symbols += ["&", "|", "^"]
        unary = ["neg", "abs", "square", "sigmoid", "tanh", "exp", "relu", "sign", "floor"]
        options = [
            f"{name} {pick.choice(symbols)} {other}",
            f"{name} {pick.choice(symbols)} {other}",
            f"{self.number(t)} {pick.choice(['+', '-', '*'])} {name}",
            f"{name} {pick.choice(['<', '<=', '>', '>=', '==', '!='])} {other}",
            f"{name}.{pick.choice(unary)}()",
            f"{name}.{pick.choice(unary)}()",
            f"({name}.abs() + 0.5).{pick.choice(['sqrt', 'log'])}()",
            f"{name} ** {pick.choice([2, 3])}",
            f"torch.{pick.choice(['maximum', 'minimum'])}({name}, {self.operand_tensor(t)})",
            f"{name}.clamp({pick.choice(['-1, 1', '0, 2', 'None, 1'])})",
            f"torch.where({name} > 0, {name}, {other})",
            f"{name}.logical_not()" if pick.random() < 0.5 else f"~({name} > 0)",
        ]
        if t.dtype.kind == "i":
            options.append(f"{name} {pick.choice(['%', '//'])} {pick.randint(1, 3)}")
        return pick.choice(options)

    def operand_tensor(self, like: Tensor) -> str:
        """A tensor that broadcasts with another."""
        other = self.operand(like)
        return other if other.startswith("t") else self.tensor(lambda t: t.shape == like.shape)[0]

    def reduction(self) -> Draft:
        name, t = self.tensor()
        return "tensor", self._reduction(name, t)

    def _reduction(self, name: str, t: Tensor) -> str:
        pick, dim = self.random, self.dim(t)
        keep = pick.choice(["", ", True", ", False"])
        several = f"({', '.join(map(str, pick.sample(range(t.ndim), min(t.ndim, 2))))},)"
        where = pick.choice(["", f"{dim}{keep}", f"{dim}{keep}", several if t.ndim > 1 else ""])
        options = ["sum", "sum", "mean", "amax", "amin"]
        if t.dtype.kind == "b":
            options = ["sum", "any", "all"]
        name_only = pick.random()
        if name_only < 0.12:
            return f"{name}.cumsum({dim})"
        if name_only < 0.2:
            return f"{name}.softmax({dim})"
        if name_only < 0.3:
            return f"{name}.{pick.choice(['argmax', 'argmin'])}({dim}{keep})"
        if name_only < 0.38 and t.numel() < 7:
            return f"{name}.prod({dim if pick.random() < 0.5 else ''})"
        if "(" in where and t.dtype.kind == "b":
            where = str(dim)
        return f"{name}.{pick.choice(options)}({where})"

    def extremes(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim > 0 and t.dtype.kind in "fi")
        source = name if t.is_contiguous() else f"{name}.contiguous()"
        return "several", f"{source}.{self.random.choice(['max', 'min'])}({self.dim(t)})"

    def matmul(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim > 0 and t.dtype.kind == "f")
        inner = t.shape[-1]

        def fits(o: Tensor) -> bool:
            same = o.ndim > 0 and o.dtype == t.dtype
            return same and (o.shape[-2] if o.ndim > 1 else o.shape[0]) == inner

        loose = self.random.random() < 0.05
        other, _ = self.tensor() if loose else self.tensor(fits)
        return "tensor", f"{name} @ {other}"

    def self_matmul(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim == 2 and t.dtype.kind == "f")
        return "tensor", self.random.choice([f"{name} @ {name}.t()", f"{name}.t() @ {name}"])

    def join(self) -> Draft:
        name, t = self.tensor()
        other = self.tensor(lambda o: o.shape == t.shape)[0]
        form = "cat" if t.ndim and self.random.random() < 0.6 else "stack"
        return "tensor", f"torch.{form}([{name}, {other}], {self.dim(t)})"

    def copies(self) -> Draft:
        name, t = self.tensor()
        dtype = self.random.choice(DTYPES)
        options = ["clone()", "contiguous()", f"to(torch.{dtype})", f"to(torch.{dtype})"]
        return "tensor", f"{name}.{self.random.choice(options)}"

    # Gathers

    def index_read(self) -> Draft:
        name, t = self.tensor()
        return "tensor", f"{name}[{self.mixed_index(t)}]"

    def gather(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim > 0 and 0 not in t.shape)
        dim = self.random.randrange(t.ndim)
        if self.random.random() < 0.5:
            return "tensor", f"{name}.index_select({dim}, {self.index_values((2,), t.shape[dim])})"
        return "tensor", f"{name}.gather({dim}, {self.index_values(t.shape, t.shape[dim])})"

    def masked_fill(self) -> Draft:
        name, t = self.tensor()
        return "tensor", f"{name}.masked_fill({name} > 0, {self.number(t)})"

    # Writes

    def write_pointwise(self) -> Draft:
        name, t = self.tensor()
        pick, other = self.random, self.operand(t)
        unary = ["neg_", "abs_", "square_", "sigmoid_", "tanh_", "exp_", "relu_"]
        return self.maybe_no_grad(
            pick.choice(
                [
                    f"{name}.{pick.choice(['add_', 'sub_', 'mul_', 'add_', 'mul_'])}({other})",
                    f"{name}.{pick.choice(['add_', 'sub_', 'mul_'])}({other})",
                    f"{name}.{pick.choice(unary)}()",
                    f"{name}.clamp_({pick.choice(['-1, 1', '0, 2', 'None, 1'])})",
                    f"{name} {pick.choice(['+=', '-=', '*='])} {other}",
                ]
            )
        )

    def write_values(self) -> Draft:
        name, t = self.tensor()
        number = self.number(t)
        return self.maybe_no_grad(
            self.random.choice(
                [
                    f"{name}.copy_({self.operand_tensor(t)})",
                    f"{name}.copy_({self.operand_tensor(t)})",
                    f"{name}.fill_({number})",
                    f"{name}.zero_()",
                    f"{name}.masked_fill_({name} > 0, {number})",
                ]
            )
        )

    def write_index(self) -> Draft:
        name, t = self.tensor()
        pick = self.random
        index = self.basic_index(t) if pick.random() < 0.65 else self.mixed_index(t)
        seen = self._try(f"{name}.detach()[{index}]")
        if seen is None:
            raise Nothing
        if pick.random() < 0.25:
            sign = pick.choice(["+=", "*=", "-="])
            return self.maybe_no_grad(f"{name}[{index}] {sign} {self.number(t)}")
        return self.maybe_no_grad(f"{name}[{index}] = {self.operand(seen)}")

    def write_scattered(self) -> Draft:
        name, t = self.tensor(lambda t: t.ndim > 0 and 0 not in t.shape)
        dim = self.random.randrange(t.ndim)
        size = t.shape[dim]
        dtype = str(t.dtype)
        shape = (*t.shape[:dim], min(2, size), *t.shape[dim + 1 :])
        source = f"torch.tensor({self.values(shape, dtype)}, dtype=torch.{dtype})"
        index = self.index_values((min(2, size),), size)
        line = self.random.choice(
            [
                f"{name}.index_add_({dim}, {index}, {source})",
                f"{name}.index_copy_({dim}, {index}, {source})",
                f"{name}.scatter_({dim}, {self.index_values(shape, size)}, {self.number(t)})",
                f"{name}.scatter_add_({dim}, {self.index_values(shape, size)}, {source})",
                f"{name}.index_put_(({self.index_values((2,), t.shape[0])},), "
                f"torch.tensor({self.values((), dtype)}, dtype=torch.{dtype})"
                f"{self.random.choice(['', ', True'])})",
            ]
        )
        return self.maybe_no_grad(line)

    def write_out(self) -> Draft:
        name, t = self.tensor()
        pick = self.random
        text = pick.choice(
            [
                f"torch.{pick.choice(['add', 'sub', 'mul'])}({name}, {self.operand(t)}",
                f"torch.{pick.choice(['neg', 'square', 'sigmoid'])}({name}",
                f"torch.{pick.choice(['sum', 'amax', 'mean'])}({name}, {self.dim(t)}",
                f"torch.matmul({name}, {name}",
            ]
        )
        with oracle.no_grad():
            result = self._try(text + ")")
        if result is None:
            raise Nothing
        out = self.tensor(lambda o: o.shape == result.shape)[0]
        return "run", f"{text}, out={out})"

    # NumPy

    def to_numpy(self) -> Draft:
        name, t = self.tensor(lambda t: t.numel() > 0)
        return "array", f"{name}.{'detach().' if t.requires_grad else ''}numpy()"

    def new_array(self) -> Draft:
        dtype = self.random.choice(DTYPES)
        shape = self.shape() or (2,)
        if 0 in shape:
            raise Nothing
        return "array", f"np.array({self.values(shape, dtype)}, dtype=np.{dtype})"

    def from_numpy(self) -> Draft:
        form = self.random.choice(["from_numpy", "from_numpy", "as_tensor", "tensor"])
        name, array = self.array()
        if form != "from_numpy" and any(step < 0 for step in array.strides):
            raise Nothing
        return "tensor", f"torch.{form}({name})"

    def array(self) -> tuple[str, Any]:
        """Some NumPy array alive."""
        arrays = list(self.machine.arrays().items())
        if not arrays:
            raise Nothing
        return self.random.choice(arrays)

    def array_view(self) -> Draft:
        name, array = self.array()
        if array.ndim == 0 or array.size < 2:
            raise Nothing
        text = self.random.choice(
            ["[::2]", "[1:]", "[:-1]", "[::-1]", ".T", "[..., 0:1]", "[None]"]
        )
        if eval(name + text, self.machine.names).size == 0:
            raise Nothing
        return "array", name + text

    def write_array(self) -> Draft:
        name, array = self.array()
        pick = self.random
        like: Any = type("Like", (), {"dtype": array.dtype})
        number = self.number(like)
        if array.dtype.kind != "f":
            number = str(pick.randint(0, 3)) if array.dtype.kind != "b" else "True"
        options = [
            f"{name}[...] = {number}",
            f"{name}.fill({number})",
            f"{name}.flat[{pick.randrange(array.size)}] = {number}",
        ]
        if array.dtype.kind == "b":
            options.append(f"np.logical_not({name}, out={name})")
        else:
            options += [f"np.add({name}, {pick.randint(0, 2)}, out={name})"] * 2
            options += [f"np.minimum({name}, 2, out={name})"]
        if array.ndim and array.size > 1:
            options += [f"{name}[1:] = {number}", f"{name}[::2] = {number}"]
        others = [n for n, a in self.machine.arrays().items() if a.shape == array.shape]
        other = pick.choice(others)
        if self.machine.names[other].dtype == array.dtype:
            options.append(f"np.copyto({name}, {other}.copy())")
        return "run", pick.choice(options)

    # Reads, names

    def read(self) -> Draft:
        name, t = self.tensor()
        options = [f"{name}.tolist()", f"{name}.detach().numpy()", f"{name}.sum().item()"]
        if t.numel() == 1:
            options += [f"{name}.item()"] * 3 + [f"float({name})", f"bool({name} > 0)"]
        elif self.random.random() < 0.1:
            options = [f"{name}.item()", f"{name}.numpy()"]
        if t.shape:
            options.append(f"len({name})")
        return "read", self.random.choice(options)

    def check(self) -> Draft:
        return "check", "check"

    def forget(self) -> Draft:
        alive = [*self.machine.tensors(), *self.machine.arrays()]
        if len(alive) < 5:
            raise Nothing
        return "run", f"del {self.random.choice(alive)}"

    # Gradients

    def backward(self) -> Draft:
        name, t = self.tensor(lambda t: t.requires_grad)
        keep = self.random.choice(["", "retain_graph=True"])
        if self.random.random() < 0.03:
            name, t = self.tensor()
        if t.numel() == 1 and self.random.random() < 0.7:
            return "run", f"{name}.backward({keep})"
        if self.random.random() < 0.5:
            return "run", f"{name}.sum().backward({keep})"
        seed = f"torch.ones_like({name})"
        if self.random.random() < 0.5:
            dtype = str(t.dtype)
            seed = f"torch.tensor({self.values(t.shape, dtype)}, dtype=torch.{dtype})"
        if 0 in t.shape:
            raise Nothing
        return "run", f"{name}.backward({', '.join([seed, keep]) if keep else seed})"

    def gradient(self) -> Draft:
        output, _ = self.tensor(lambda t: t.requires_grad and not t.is_leaf)
        leaf, _ = self.tensor(lambda t: t.requires_grad and t.is_leaf)
        keep = self.random.choice(["", ", retain_graph=True"])
        return (
            "tensor",
            f"torch.autograd.grad({output}.sum(), [{leaf}]{keep})[0].clone().contiguous()",
        )

    def use_grad(self) -> Draft:
        name, t = self.tensor(lambda t: t.requires_grad and t.is_leaf and t.grad is not None)
        roll = self.random.random()
        if roll < 0.4:
            return "tensor", f"{name}.grad"
        if roll < 0.6:
            return "run", f"{name}.grad = None"
        if roll < 0.8:
            return "run", f"{name}.grad.zero_()"
        return "run", f"with torch.no_grad(): {name} -= 0.5 * {name}.grad"


STATEMENTS: dict[str, float] = dict(
    creation=5, leaf=4, detached_leaf=0.7, window=2,
    index_view=8, shaped_view=5, dim_view=9, expanded_view=2, strided_view=1.5, several_views=2,
    pointwise=14, reduction=4, extremes=1, matmul=2.5, self_matmul=1, join=2, copies=2.5,
    index_read=2.5, gather=1.5, masked_fill=1,
    write_pointwise=11, write_values=6, write_index=9, write_scattered=2.5, write_out=3,
    to_numpy=3, new_array=1, from_numpy=2.5, array_view=2, write_array=6,
    read=4, check=0.6, forget=3,
    backward=14, gradient=3, use_grad=3,
)  # fmt: skip
"""The methods that propose lines, and how often."""

_NUMPY = ("to_numpy", "new_array", "from_numpy", "array_view", "write_array")
_GRAPH = ("leaf", "detached_leaf", "backward", "gradient", "use_grad")
THEMES: dict[str, dict[str, float]] = {
    "memory": dict.fromkeys(_GRAPH, 0) | dict.fromkeys(_NUMPY, 2),
    "gradients": dict.fromkeys(_NUMPY, 0.3) | dict.fromkeys(_GRAPH, 1.5) | {"copies": 0.5},
    "both": {},
}
"""What a program is mostly about: factors on the weights."""


def generate(seed: int, length: int | None = None) -> Program:
    """The program of a seed. Its length is drawn too, unless it is given."""
    if length is None:
        length = random.Random(seed).choice([6, 12, 20, 30])
    return Writer(seed, length).write()
