"""Small programs as text: inputs, and a call of them whose last expression is the result."""

from __future__ import annotations

import ast
import math
from typing import Any, NamedTuple

import numpy as np


class Program(NamedTuple):
    """`inputs` are (name, expression) pairs; `call` is source text of one or more statements."""

    name: str
    inputs: tuple[tuple[str, str], ...]
    call: str

    def text(self) -> str:
        """The whole as one line of PyTorch."""
        return "; ".join([*(f"{name} = {source}" for name, source in self.inputs), self.call])


def namespace(torch: Any) -> dict[str, Any]:
    """The names that programs use, for one library."""
    return {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "init": torch.nn.init,
        "optim": torch.optim, "D": torch.distributions, "np": np, "inf": math.inf, "nan": math.nan,
    }  # fmt: skip


# --- the makers of the lists of cases, in plain PyTorch ------------------------------------------


def _numbers(shape: Any, count: int) -> str:
    return f"torch.arange({count}.0, dtype=torch.float64).cos().reshape({shape})"


def _shape(args: list[ast.expr]) -> tuple[str, int]:
    sizes = [ast.literal_eval(arg) for arg in args]
    return str(tuple(sizes)), math.prod(sizes)


def _maker(call: ast.Call) -> str | None:
    """What `f(2, 3)`, `p(3)`, `i(5, 2)`, `sign(3)`, `t([1, 2])` and `e(2, 3)` stand for."""
    if not isinstance(call.func, ast.Name):
        return None
    kind = call.func.id
    keywords = {k.arg: k.value for k in call.keywords}
    grad = "" if "grad" in keywords else ".requires_grad_()"
    dtype = "" if "dtype" not in keywords or kind == "e" else ".float()"
    if kind in ("f", "p"):
        shape, count = _shape(call.args)
        squeezed = " * 0.45 + 0.5" if kind == "p" else ""
        return f"({_numbers(shape, count)}{squeezed}){dtype}.detach(){grad}"
    if kind == "i":
        shape, count = _shape(call.args[1:])
        return f"(torch.arange({count}) * 7 % {ast.unparse(call.args[0])}).reshape({shape})"
    if kind == "sign":
        shape, count = _shape(call.args)
        return f"(torch.arange({count}) % 2 * 2.0 - 1).double().reshape({shape})"
    if kind == "t":
        dtype = f", dtype=torch.{ast.literal_eval(call.args[1])}" if len(call.args) > 1 else ""
        return f"torch.tensor({ast.unparse(call.args[0])}{dtype})"
    if kind == "e":
        shape, _ = _shape(call.args)
        return f"torch.zeros({shape})"
    return None


class _Hoist(ast.NodeTransformer):
    """Gives tensors that a call makes on the spot names: they are inputs."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, str]] = []

    def visit_Call(self, node: ast.Call) -> Any:  # noqa: N802
        source = _maker(node)
        if source is None:
            return self.generic_visit(node)
        name = f"x{len(self.inputs)}"
        self.inputs.append((name, source))
        return ast.Name(name, ast.Load())


def from_line(name: str, line: str) -> Program:
    """A program from a line of a list of cases."""
    hoist = _Hoist()
    tree = ast.fix_missing_locations(hoist.visit(ast.parse(line)))
    return Program(name, tuple(hoist.inputs), "; ".join(map(ast.unparse, tree.body)))


# --- values as source text ----------------------------------------------------------------------


class Unspoken(Exception):
    """A value that has no text here."""


def encode(value: Any, torch: Any, inputs: list[tuple[str, str]]) -> str:
    """A sample's argument as text; its tensors become inputs."""
    if isinstance(value, torch.Tensor):
        name = f"x{len(inputs)}"
        inputs.append((name, tensor_source(value)))
        return name
    if isinstance(value, (list, tuple)):
        parts = [encode(item, torch, inputs) for item in value]
        if isinstance(value, list):
            return f"[{', '.join(parts)}]"
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    if value is None or value is ... or isinstance(value, (bool, int, float, complex, str)):
        return "..." if value is ... else repr(value)
    raise Unspoken(type(value).__name__)


def tensor_source(t: Any) -> str:
    """A tensor of few elements, written out."""
    array = np.asarray(t.detach().resolve_conj().numpy())
    digits = np.round(array, 3) if array.dtype.kind in "fc" else array
    text = f"torch.tensor({digits.tolist()!r}, dtype={t.dtype})"
    return f"{text}.requires_grad_()" if t.requires_grad else text
