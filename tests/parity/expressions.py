"""Expressions evaluated in PyTorch and in flambeau, and everything that can be seen of them compared.

An expression is a line of Python. `T` is the library; names make their tensors on the spot: a letter
for the content, the sizes as digits, `_` and marks. `a23` is a (2, 3) tensor, `a` a 0-d one, `a0` an
empty one, `a23_t` one whose memory is transposed. A line may have statements before its expression:
`x = a23.clone(); x.t_(); x`.

    a c d g   numbers of the dtype under test, well apart
    p         positive ones            u   between 0 and 1
    n         with NaN and infinities  r   with many equal ones and zeros
    s         Hermitian positive definite matrices
    i         int64, small and negative too      k   int64 from 0
    b         bool                      w   float64 whatever the dtype
    z         complex of the dtype's width
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import torch

import flambeau

TOLERANCE = {
    "float16": 2e-3, "bfloat16": 1.6e-2, "float32": 4e-6, "float64": 4e-13,
    "complex64": 8e-6, "complex128": 8e-13,
}  # fmt: skip
FLOATING = ("float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
ALL = (*FLOATING, *INTEGERS, "bool", *COMPLEX)
SOME = ("float32", "float64", "bfloat16", "int64", "uint8", "bool", "complex64")

_NAME = re.compile(r"([a-z])(\d*)(_[a-z]+)?$")
_WIDE = ("float64", "complex128")


def _content(kind: str, shape: tuple[int, ...], dtype: str) -> tuple[np.ndarray, str]:
    """An array and the name of its dtype."""
    rng = np.random.default_rng([ord(kind), *shape])
    n = int(np.prod(shape))
    if kind == "i":
        return rng.integers(-4, 5, shape), "int64"
    if kind == "k":
        return rng.integers(0, 2, shape), "int64"
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool), "bool"
    if kind == "w":
        return rng.normal(0, 1, shape), "float64"
    if kind == "z":
        values = rng.normal(0, 1, shape) + 1j * rng.normal(0, 1, shape)
        return np.asarray(values), "complex128" if dtype in _WIDE else "complex64"
    if kind == "s":
        half = rng.normal(0, 1, shape)
        if dtype in COMPLEX:
            half = half + 1j * rng.normal(0, 1, shape)
        return half @ half.swapaxes(-1, -2).conj() / 2 + 2 * np.eye(shape[-1]), dtype
    if kind == "r":
        return rng.integers(-1, 2, shape).astype(float), dtype
    if kind == "u":
        return rng.uniform(0.05, 0.95, shape), dtype
    values = np.asarray(rng.permutation(n) - n / 2 + 0.25 + rng.uniform(0, 0.5, n)).reshape(shape)
    if dtype in INTEGERS or dtype == "bool":
        values = np.trunc(values)
    if kind == "p" or dtype == "uint8":
        values = np.abs(values) + (kind == "p")
    if kind == "n" and n and dtype not in INTEGERS and dtype != "bool":
        flat = values.reshape(-1)
        for place, odd in zip(rng.permutation(n)[: max(1, n // 2)], (np.nan, np.inf, -np.inf, 0.0)):
            flat[place] = odd
    return np.asarray(values), dtype


def _made(library: Any, name: str, dtype: str, grad: bool) -> Any:
    found = _NAME.match(name)
    if found is None:
        raise NameError(name)
    kind, digits, marks = found.groups()
    shape = tuple(int(d) for d in digits)
    turned = marks is not None and "t" in marks
    values, kept = _content(kind, shape, dtype)
    if kept.startswith("complex") and values.dtype.kind != "c":
        values = values + 1j * np.roll(values, 1)
    if turned:
        values = values.transpose()
    t = library.tensor(values.tolist(), dtype=getattr(library, "complex128" if values.dtype.kind == "c" else "float64"))
    t = t.reshape(values.shape).to(getattr(library, kept))
    if turned:
        t = t.permute(*range(len(shape))[::-1])
    wanted = grad and kind not in "ikbw" and (t.is_floating_point() or t.is_complex())
    return t.requires_grad_() if wanted else t


class _Names(dict[str, Any]):
    """Makes tensors of the names that an expression uses."""

    def __init__(self, library: Any, dtype: str, grad: bool) -> None:
        super().__init__(T=library, nan=float("nan"), inf=float("inf"), np=np,
                         dt=getattr(library, dtype))  # fmt: skip
        self.library, self.dtype, self.grad = library, dtype, grad
        self.inputs: list[Any] = []

    def __missing__(self, name: str) -> Any:
        if not _NAME.match(name):
            raise KeyError(name)
        self[name] = made = _made(self.library, name, self.dtype, self.grad)
        self.inputs.append(made)
        return made


class Outcome:
    """What an expression gave."""

    def __init__(self, library: Any, text: str, dtype: str, grad: bool) -> None:
        self.names = names = _Names(library, dtype, grad)
        self.error: Exception | None = None
        self.result: Any = None
        self.grads: list[Any] = []
        *before, last = text.split("; ")
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for statement in before:
                    exec(statement, {"T": library}, names)
                self.result = eval(last, {"T": library}, names)
                self._settle()
        except Exception as error:  # noqa: BLE001
            self.error = error
            return
        if grad:
            self._backward(library)

    def _settle(self) -> None:
        """Errors of what runs later belong to the expression."""
        for t in tensors(self.result):
            t.detach().cpu().tolist() if t.numel() < 1000 else None

    def _backward(self, library: Any) -> None:
        roots = [t for t in tensors(self.result) if t.requires_grad]
        if not roots:
            return
        seeds = []
        for root in roots:
            weights = np.arange(1, root.numel() + 1).reshape(tuple(root.shape)) * 0.25
            seed = library.tensor(weights.tolist()).reshape(tuple(root.shape)).to(root.dtype)
            seeds.append(seed * (1 - 0.5j) if root.is_complex() else seed)
        try:
            library.autograd.backward(roots, seeds)
        except (RuntimeError, NotImplementedError) as error:
            self.error = error
            return
        self.grads = [t.grad for t in self.names.inputs]


def tensors(value: Any) -> list[Any]:
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for item in value for t in tensors(item)]
    return []


def plain(t: Any) -> np.ndarray:
    """A tensor's numbers, 16-bit floats as float32."""
    t = t.detach()
    lib = torch if isinstance(t, torch.Tensor) else flambeau
    if "float16" in str(t.dtype):
        t = t.to(lib.float32)
    elif "complex32" in str(t.dtype):
        t = t.to(lib.complex64)
    if isinstance(t, torch.Tensor):
        t = t.resolve_conj().resolve_neg()
    return np.array(t.numpy())


def _tensor_problem(have: Any, want: Any, loose: float) -> str:
    if str(have.dtype) != str(want.dtype):
        return f"dtype {have.dtype}, PyTorch {want.dtype}"
    if tuple(have.shape) != tuple(want.shape):
        return f"shape {tuple(have.shape)}, PyTorch {tuple(want.shape)}"
    a, b = plain(have), plain(want)
    if not a.size:
        return ""
    kind = str(want.dtype).removeprefix("torch.")
    if kind not in TOLERANCE:
        off = a != b
    else:
        tolerance = TOLERANCE[kind] * loose
        size = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
        with np.errstate(all="ignore"):
            off = ~np.isclose(a, b, rtol=tolerance, atol=tolerance * 0.1 * max(size, 1), equal_nan=True)
    if not off.any():
        return ""
    return f"{kind} at {np.argwhere(off)[0].tolist()}: {a[off].tolist()[:4]}, PyTorch {b[off].tolist()[:4]}"


def _problem(have: Any, want: Any, loose: float, layout: bool, node: bool) -> str:
    if isinstance(want, torch.Tensor):
        if not isinstance(have, flambeau.Tensor):
            return f"{have!r}, PyTorch a tensor"
        found = _tensor_problem(have, want, loose)
        if found:
            return found
        if want.requires_grad != have.requires_grad:
            return f"requires_grad {have.requires_grad}, PyTorch {want.requires_grad}"
        if layout:
            a = (have.stride(), have.storage_offset(), have._is_view(), have.is_contiguous())
            b = (want.stride(), want.storage_offset(), want._is_view(), want.is_contiguous())
            if a != b:
                return f"stride, offset, view, contiguous {a}, PyTorch {b}"
        if node:
            nodes = [t.grad_fn and t.grad_fn.name().rpartition("::")[2] for t in (have, want)]
            if nodes[0] != nodes[1]:
                return f"grad_fn {nodes[0]}, PyTorch {nodes[1]}"
        return ""
    if isinstance(want, (list, tuple)) and not isinstance(want, torch.Size):
        kinds = [type(v).__name__ for v in (have, want)]
        if len(have) != len(want) or (kinds[0] != kinds[1] and not kinds[1].endswith("_out")):
            return f"{kinds[0]} of {len(have)}, PyTorch {kinds[1]} of {len(want)}"
        fields = [getattr(v, "__match_args__", ()) for v in (have, want)]
        if fields[0] != fields[1] and not kinds[1].endswith("_out"):
            return f"fields {fields[0]}, PyTorch {fields[1]}"
        return next(filter(None, (_problem(h, w, loose, layout, node) for h, w in zip(have, want))), "")
    same = have == want or (have != have and want != want)
    if not same and isinstance(want, float) and isinstance(have, float):
        same = bool(np.isclose(have, want, 1e-6, 1e-6))
    if same and type(have).__name__ == type(want).__name__:
        return ""
    return "" if repr(have) == repr(want) else f"{have!r}, PyTorch {want!r}"


def _lacks_kernel(error: Exception) -> bool:
    """PyTorch has not written the operation for a dtype: we may have."""
    text = str(error)
    return any(
        part in text
        for part in ("not implemented for '", "Unsupported dtype Half", "ComplexHalf", "not supported for Half",
                     "Low precision dtypes not supported",
                     "not support complex dtypes on CPU", "not supported on CPUType for Half", "does not support automatic differentiation for outputs")
    )  # fmt: skip


def compare(
    text: str, dtype: str = "float64", *, grad: bool = False, layout: bool = False,
    node: bool = True, loose: float = 1.0,
) -> str:  # fmt: skip
    """What differs between the two libraries; empty where nothing does.

    `layout`: strides, offsets and view relations count too. `loose` multiplies the tolerance.
    """
    want = Outcome(torch, text, dtype, grad)
    have = Outcome(flambeau, text, dtype, grad)
    if want.error is not None or have.error is not None:
        if want.error is not None and have.error is None and _lacks_kernel(want.error):
            return ""
        if type(want.error).__name__.strip("_") != type(have.error).__name__:
            a, b = (type(e).__name__ for e in (have.error, want.error))
            return f"{a}({have.error}), PyTorch {b}({str(want.error)[:300]})"
        return ""
    found = _problem(have.result, want.result, loose, layout, node and grad)
    if found:
        return f"result: {found}"
    if len(want.grads) != len(have.grads):
        return f"gradients {have.grads}, PyTorch {want.grads}"
    for h, w in zip(have.grads, want.grads, strict=True):
        if w is None and h is not None and not plain(h).any():
            continue  # PyTorch leaves some gradients of zeros out
        if (h is None) != (w is None):
            return f"gradient {h}, PyTorch {w}"
        found = _tensor_problem(h, w, loose * 4) if w is not None else ""
        if found:
            return f"gradient: {found}"
    return ""


def lines(text: str) -> list[tuple[str, set[str]]]:
    """The expressions of a block, one a line, with the marks in the comment behind each:

    real: not for complex dtypes        floats: not for integers and bool
    wide: for float32 and float64 only  unnamed: nodes are called otherwise, which is known
    flat: derivatives are not compared
    """
    found = []
    for line in text.splitlines():
        expression, _, marks = line.partition("  # ")
        if expression.strip() and not expression.startswith("#"):
            found.append((expression.strip(), set(marks.split())))
    return found


def _skipped(marks: set[str], dtype: str, grad: bool) -> bool:
    return (
        ("flat" in marks and grad)
        or ("real" in marks and dtype in COMPLEX)
        or ("floats" in marks and dtype not in FLOATING + COMPLEX)
        or ("wide" in marks and dtype not in ("float32", "float64"))
    )


def differing(block: str, *dtypes: str, grad: bool = False, node: bool = True, **options: Any) -> str:
    """All differences of a block of expressions over dtypes, one a line."""
    found = []
    for text, marks in lines(block):
        for dtype in dtypes:
            if _skipped(marks, dtype, grad):
                continue
            problem = compare(text, dtype, grad=grad, node=node and "unnamed" not in marks, **options)
            if problem:
                found.append(f"{text} [{dtype}]: {problem}")
    return "\n".join(found)
