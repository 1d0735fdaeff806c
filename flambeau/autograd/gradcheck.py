"""`gradcheck` and `gradgradcheck`: derivatives against finite differences."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..frontend.creation import wrap
from ..frontend.tensor import Tensor
from .reverse import grad as autograd_grad


class GradcheckError(RuntimeError):
    """Analytical and numerical gradients differ."""


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _outputs(function: Callable[..., Any], inputs: tuple[Any, ...]) -> list[Any]:
    return [
        o for o in _as_tuple(function(*inputs)) if isinstance(o, Tensor) and o._aval.differentiable
    ]


def _numerical(
    function: Callable[..., Any], inputs: tuple[Any, ...], position: int, eps: float
) -> list[np.ndarray]:
    """Central differences: for each output a matrix (elements of the input) x (of the output).
    Complex inputs give the derivative that `backward` defines: d/d(real) + i d/d(imag)."""
    x = inputs[position]
    base = np.array(x.detach()._array("gradcheck"), order="C")
    directions = (1.0, 1j) if x.is_complex() else (1.0,)
    n = base.size
    columns: list[list[Any]] = []
    for i in range(n):
        for direction in directions:
            sides = []
            for sign in (1, -1):
                moved = base.copy()
                moved.reshape(-1)[i] += sign * eps * direction
                t = copy.deepcopy(x.detach())  # in x's memory layout, which may matter
                t.copy_(wrap(moved, x.dtype))
                given = [t if k == position else a for k, a in enumerate(inputs)]
                with_grad = [
                    g.detach() if isinstance(g, Tensor) and k != position else g
                    for k, g in enumerate(given)
                ]
                sides.append(
                    [np.array(o.detach()._array("gradcheck")) for o in _outputs(function, tuple(with_grad))]
                )
            columns.append(
                [((a - b) / (2 * eps)).reshape(-1) for a, b in zip(*sides, strict=True)]
            )
    count = len(columns[0]) if columns else 0
    out = []
    for k in range(count):
        rows = np.array([c[k] for c in columns])
        if len(directions) == 2:
            rows = rows.reshape(n, 2, -1)
            rows = np.stack([rows[:, 0], rows[:, 1]])
        out.append(rows)
    return out


def _analytical(output: Any, x: Any, index: int, weight: Any) -> np.ndarray:
    seed = np.zeros(output._aval.shape, output.dtype.np)
    seed.reshape(-1)[index] = weight
    (g,) = autograd_grad(
        output, [x], wrap(seed, output.dtype), retain_graph=True, allow_unused=True
    )
    if g is None:
        return np.zeros(x._aval.numel, x.dtype.np)
    return np.array(g.detach()._array("gradcheck")).reshape(-1)


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, fast_mode: bool = False, **_: Any,
) -> bool:  # fmt: skip
    """Compare the gradients of `func` at `inputs` with central differences.

    Inputs that require grad should be float64 or complex128. Raises GradcheckError (or returns
    False without `raise_exception`) where they differ by more than atol + rtol * |numerical|.
    """
    given = _as_tuple(inputs)
    chosen = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not chosen:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have requires_grad=True."
        )
    try:
        for position in chosen:
            _check_input(func, given, position, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_input(
    func: Callable[..., Any], given: tuple[Any, ...], position: int, eps: float, atol: float,
    rtol: float,
) -> None:  # fmt: skip
    x = given[position]
    numerical = _numerical(func, given, position, eps)
    outputs = _outputs(func, given)
    for k, output in enumerate(outputs):
        if not output.requires_grad:
            if numerical and np.abs(numerical[k]).max(initial=0.0) > atol:
                raise GradcheckError(f"output {k} doesn't require grad but depends on input {position}")
            continue
        for index in range(output._aval.numel):
            for weight in (1.0, 1j) if output.is_complex() else (1.0,):
                found = _analytical(output, x, index, weight)
                expected = _expected(numerical[k], index, weight, x.is_complex()) if numerical else found
                if not np.allclose(found, expected, rtol, atol, equal_nan=True):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} (element {index}) with respect to input "
                        f"{position},\nnumerical: {expected}\nanalytical: {found}"
                    )


def _expected(rows: np.ndarray, index: int, weight: Any, complex_input: bool) -> Any:
    """The gradient that backward should give, from real differences of the output element.
    For L = Re(conj(weight) * y): grad = dL/d(real x) + i dL/d(imag x)."""
    w = np.conj(weight)
    if complex_input:
        return (w * rows[0][:, index]).real + 1j * (w * rows[1][:, index]).real
    return (w * rows[:, index]).real


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    gen_non_contig_grad_outputs: bool = False, nondet_tol: float = 0.0, **_: Any,
) -> bool:  # fmt: skip
    """gradcheck of the gradients: second derivatives against finite differences of the first."""
    given = _as_tuple(inputs)
    chosen = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    outputs = [o for o in _outputs(func, given) if o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        weights = []
        for o in outputs:
            values = rng.standard_normal(o._aval.shape)
            if o.is_complex():
                values = values + 1j * rng.standard_normal(o._aval.shape)
            weights.append(wrap(np.asarray(values, o.dtype.np), o.dtype, True))
    else:
        weights = [
            g if g.requires_grad else g.detach().requires_grad_() for g in _as_tuple(grad_outputs)
        ]

    def gradients(*args: Any) -> tuple[Any, ...]:
        xs, ws = args[: len(given)], args[len(given) :]
        tracked = [
            x.detach().requires_grad_() if i in chosen and not x.requires_grad else x
            for i, x in enumerate(xs)
        ]
        outs = [o for o in _outputs(func, tuple(tracked)) if o.requires_grad]
        found = autograd_grad(
            outs, [tracked[i] for i in chosen], list(ws), create_graph=True, allow_unused=True
        )
        return tuple(
            wrap(np.zeros(given[i]._aval.shape, given[i].dtype.np), given[i].dtype) if g is None else g
            for i, g in zip(chosen, found, strict=True)
        )

    return gradcheck(
        gradients, (*given, *weights), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )


class _CallableModule(types.ModuleType):
    """`torch.autograd.gradcheck` is the function; importing this module puts the module there."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
