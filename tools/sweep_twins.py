"""Twins of PyTorch's objects in flambeau, and how two results are compared.

Part of the sweep over PyTorch's operator database (`tools/sweep_torch_ops.py`).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import flambeau

TOLERANCE = {
    "float64": 1e-8, "complex128": 1e-8, "float32": 2e-5, "complex64": 2e-5,
    "float16": 5e-3, "bfloat16": 3e-2,
}  # fmt: skip
"""Relative and absolute, by the dtype of the result. Gradients get ten times as much."""


class NoTwin(Exception):
    """Something that flambeau has no counterpart of: another device, a sparse tensor."""


def dtype_name(d: Any) -> str:
    return str(d).rpartition(".")[2]


class Twins:
    """Makes twins; the same tensor given twice has one twin."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, Any]] = {}
        self.storages: dict[Any, Any] = {}

    def pairs(self) -> list[tuple[Any, Any]]:
        """The tensors met so far that require grad, with their twins.

        Without the leaves that the database made as views without grad mode and wrote since:
        PyTorch gives them no gradient.
        """
        return [
            (t, ours)
            for t, ours in self.known.values()
            if t.requires_grad and not (t.is_leaf and t._base is not None and t._version)
        ]

    def __call__(self, x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            if id(x) not in self.known:
                self.known[id(x)] = (x, self.tensor(x))
            return self.known[id(x)][1]
        if isinstance(x, torch.Size):
            return flambeau.Size(x)
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return tuple(self(e) for e in x)
        if isinstance(x, (list, tuple)):
            return type(x)(self(e) for e in x)
        if isinstance(x, dict):
            return {key: self(value) for key, value in x.items()}
        if isinstance(x, (torch.dtype, torch.layout, torch.memory_format)):
            found = getattr(flambeau, dtype_name(x), None)
            if found is None:
                raise NoTwin(str(x))
            return found
        if isinstance(x, torch.device):
            if x.type != "cpu":
                raise NoTwin(str(x))
            return flambeau.device("cpu")
        if isinstance(x, str) and x.split(":")[0] in ("cuda", "meta", "xla", "mps"):
            raise NoTwin(x)
        if isinstance(x, (torch.Generator, torch.nn.Module)):
            raise NoTwin(type(x).__name__)
        if isinstance(x, types.FunctionType):
            return rebound(x)
        if isinstance(x, types.BuiltinFunctionType):
            return _counterpart(x)
        return x

    def tensor(self, t: torch.Tensor) -> Any:
        """A flambeau tensor with `t`'s values, strides and requires_grad. Tensors that share memory
        have twins that do."""
        if t.device.type != "cpu" or t.layout is not torch.strided or t.is_quantized:
            raise NoTwin(f"{t.device} {t.layout}")
        plain = t.detach().resolve_conj().resolve_neg()
        storage = plain.untyped_storage()
        key = (storage.data_ptr() or id(t), plain.dtype)
        held = storage.nbytes() // plain.element_size()
        if held < plain.numel() and 0 not in plain.stride():
            raise NoTwin("resized storage")
        if key not in self.storages:
            self.storages[key] = flat_twin(plain.as_strided((held,), (1,), 0)), storage
        whole, _ = self.storages[key]
        shape = tuple(plain.shape)
        if plain.is_contiguous() and plain.numel() == held:
            ours = whole.reshape(shape)
        else:
            ours = whole.as_strided(shape, plain.stride(), plain.storage_offset())
        ours = ours.detach()
        return ours.requires_grad_() if t.requires_grad else ours


def flat_twin(flat: torch.Tensor) -> Any:
    if flat.dtype is torch.bfloat16:
        return flambeau.from_numpy(flat.float().numpy().copy()).to(flambeau.bfloat16)
    if getattr(flambeau, dtype_name(flat.dtype), None) is None:
        raise NoTwin(str(flat.dtype))
    return flambeau.from_numpy(flat.numpy().copy()).clone()


def seeded(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """PyTorch's wrapper_set_seed for flambeau."""
    flambeau.manual_seed(42)
    return op(*args, **kwargs)


def rebound(function: types.FunctionType) -> Any:
    """A Python function of the database with flambeau in place of torch."""
    closure = function.__closure__
    if closure is not None:
        closure = tuple(types.CellType(_counterpart(c.cell_contents)) for c in closure)
    scope = {**function.__globals__, "torch": flambeau, "wrapper_set_seed": seeded,
             "F": flambeau.nn.functional}  # fmt: skip
    made = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _counterpart(x: Any) -> Any:
    if isinstance(x, types.FunctionType) and x.__module__.startswith("torch.testing"):
        return rebound(x)
    if callable(x) and str(getattr(x, "__module__", None) or "torch").startswith("torch"):
        found = named(x.__name__)
        if found is None:
            raise NoTwin(x.__name__)
        return found
    return x


def named(name: str) -> Any:
    """flambeau's function or method of a name of the database, None if it has none."""
    if name.startswith("torch.ops.aten."):
        name = name.split(".")[3]
    for base in (flambeau, flambeau.Tensor, flambeau.nn.functional, flambeau.ops.aten):
        found: Any = base
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except (AttributeError, ImportError):
            continue
        if callable(found) and not isinstance(found, flambeau.dtype):
            return found
    return None


# --- comparing ----------------------------------------------------------------------------------


def leaves(x: Any) -> Iterator[Any]:
    """What is in nested tuples, lists and dicts, in order."""
    if isinstance(x, dict):
        for value in x.values():
            yield from leaves(value)
    elif isinstance(x, (tuple, list)) and not isinstance(x, (torch.Size, flambeau.Size)):
        for value in x:
            yield from leaves(value)
    else:
        yield x


def array(t: Any) -> np.ndarray:
    """The values of a tensor of either framework."""
    if isinstance(t, torch.Tensor):
        t = t.detach().resolve_conj().resolve_neg()
        t = t.cfloat() if t.dtype is torch.complex32 else t
        return np.asarray((t.float() if t.dtype is torch.bfloat16 else t).numpy(force=True))
    t = t.detach()
    if t.dtype is flambeau.complex32:
        t = t.cfloat()
    return (t.float() if t.dtype is flambeau.bfloat16 else t).numpy()


def short(x: Any) -> str:
    text = " ".join(str(x).split())
    return text if len(text) <= 90 else text[:87] + "..."


def difference(theirs: Any, ours: Any, values: bool = True, factor: float = 1.0) -> str:
    """The first difference between two results, "" if there is none."""
    a, b = list(leaves(theirs)), list(leaves(ours))
    if len(a) != len(b):
        return f"{len(b)} results for {len(a)}"
    for x, y in zip(a, b, strict=True):
        found = _leaf_difference(x, y, values, factor)
        if found:
            return found
    return ""


def _leaf_difference(x: Any, y: Any, values: bool, factor: float) -> str:
    if not isinstance(x, torch.Tensor):
        return _plain_difference(x, y)
    if not isinstance(y, flambeau.Tensor):
        return f"{type(y).__name__} for a Tensor"
    if dtype_name(x.dtype) != dtype_name(y.dtype):
        return f"dtype {dtype_name(y.dtype)} for {dtype_name(x.dtype)}"
    if tuple(x.shape) != tuple(y.shape):
        return f"shape {tuple(y.shape)} for {tuple(x.shape)}"
    if not values:
        return ""
    tolerance = factor * TOLERANCE.get(dtype_name(x.dtype), 0.0)
    p, q = array(x), array(y)
    wrong = ~np.isclose(q, p, tolerance, tolerance, equal_nan=True)
    if p.dtype.kind == "c" and wrong.any():  # NumPy wants infinite numbers to be equal in both parts
        wrong &= ~(np.isclose(q.real, p.real, tolerance, tolerance, equal_nan=True)
                   & np.isclose(q.imag, p.imag, tolerance, tolerance, equal_nan=True))  # fmt: skip
    if not wrong.any():
        return ""
    return (
        f"values: {short(q[wrong].ravel()[:3])} for {short(p[wrong].ravel()[:3])} "
        f"({wrong.sum()} of {p.size})"
    )


def _plain_difference(x: Any, y: Any) -> str:
    if isinstance(x, (torch.dtype, torch.device)):
        return "" if str(x) == str(y) else f"{y} for {x}"
    if isinstance(x, torch.Size):
        return "" if tuple(x) == tuple(y) else f"{y} for {x}"
    if type(x) is not type(y):
        return f"{type(y).__name__} for a {type(x).__name__}"
    if isinstance(x, (float, complex)):
        return "" if np.isclose(x, y, 1e-5, 1e-5, equal_nan=True) else f"{y} for {x}"
    return "" if x == y or not isinstance(x, (int, str, bool)) else f"{y} for {x}"
