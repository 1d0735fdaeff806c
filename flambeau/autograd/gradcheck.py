"""`gradcheck` and `gradgradcheck`: derivatives against finite differences."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..frontend.creation import wrap
from ..frontend.dispatch import function as row_function
from ..frontend.tensor import Tensor
from . import levels
from .dual import own_leaf
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
                t.copy_(wrap(moved, x.dtype, device=x.device))
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
        output, [x], wrap(seed, output.dtype, device=output.device), retain_graph=True, allow_unused=True
    )
    if g is None:
        return np.zeros(x._aval.numel, x.dtype.np)
    return np.array(g.detach()._array("gradcheck")).reshape(-1)


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:  # fmt: skip
    """Compare the derivatives of `func` at `inputs` with central differences.

    Inputs that require grad should be float64 or complex128. Raises GradcheckError (or returns
    False without `raise_exception`) where they differ by more than atol + rtol * |numerical|.

    check_forward_ad, check_backward_ad: which mode is checked. fast_mode: compare a random projection
    of the Jacobian instead of all of it. check_batched_grad, check_batched_forward_grad: whether vmap
    over derivatives gives the same as one after the other. nondet_tol: by how much two backward passes
    may differ.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    given = _as_tuple(inputs)
    chosen = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not chosen:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have requires_grad=True."
        )
    try:
        if fast_mode:
            _check_projections(func, given, chosen, eps, atol, rtol, check_forward_ad, check_backward_ad)
        else:
            for position in chosen:
                if check_backward_ad:
                    _check_input(func, given, position, eps, atol, rtol)
                if check_forward_ad:
                    _check_forward(func, given, position, eps)
        if check_backward_ad:
            _check_repeated(func, given, chosen, nondet_tol, check_grad_dtypes)
        _check_batches(func, given, chosen, check_batched_grad, check_batched_forward_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_projections(
    func: Callable[..., Any], given: tuple[Any, ...], chosen: list[int], eps: float, atol: float,
    rtol: float, forward: bool, backward: bool,
) -> None:  # fmt: skip
    from .gradcheck_more import projections

    found = projections(lambda *xs: _outputs(func, xs), given, chosen, eps, forward, backward)
    expected = found.pop("numerical")
    for mode, value in found.items():
        if not np.allclose(value, expected, rtol, atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch in fast mode, {mode}: the random projection u^T J v is\n"
                f"numerical: {expected}\nanalytical: {value}"
            )


def _check_forward(
    func: Callable[..., Any], given: tuple[Any, ...], position: int, eps: float
) -> None:
    from .gradcheck_more import forward_columns

    numerical = _numerical(func, given, position, eps)
    differs = forward_columns(lambda *xs: _outputs(func, xs), given, position, numerical)
    if differs:
        raise GradcheckError(differs)


def _check_repeated(
    func: Callable[..., Any], given: tuple[Any, ...], chosen: list[int], tolerance: float, dtypes: bool
) -> None:
    """Two backward passes give the same, in the inputs' dtypes."""
    inputs = [given[i] for i in chosen]
    outputs = [o for o in _outputs(func, given) if o.requires_grad]
    if not outputs:
        return
    weights = [wrap(np.ones(o._aval.shape, o.dtype.np), o.dtype, device=o.device) for o in outputs]
    first, second = (
        autograd_grad(outputs, inputs, weights, retain_graph=True, allow_unused=True)
        for _ in range(2)
    )
    for x, a, b in zip(inputs, first, second, strict=True):
        if a is None or b is None:
            continue
        if dtypes and a.dtype is not x.dtype:
            raise GradcheckError(f"the gradient has dtype {a.dtype}, its input {x.dtype}")
        arrays = [t.detach()._array("gradcheck") for t in (a, b)]
        # The two passes may be compiled in different company, and then round differently.
        rounding = 4096 * np.finfo(arrays[0].dtype).eps * np.abs(arrays[0]).max(initial=0.0)
        if not np.allclose(arrays[0], arrays[1], 0.0, tolerance + rounding, equal_nan=True):
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output "
                "multiple times gives different values, although analytical gradient matches "
                f"numerical gradient. The tolerance for nondeterminism was {tolerance}."
            )


def _check_batches(
    func: Callable[..., Any], given: tuple[Any, ...], chosen: list[int], backward: bool, forward: bool
) -> None:
    from . import gradcheck_more

    def function(*xs: Any) -> list[Any]:
        return _outputs(func, xs)

    for wanted, check in ((backward, gradcheck_more.batched_backward),
                          (forward, gradcheck_more.batched_forward)):  # fmt: skip
        differs = check(function, given, chosen) if wanted else ""
        if differs:
            raise GradcheckError(differs)


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


def _random_like(o: Any, strided: bool) -> Any:
    """A gradient for an output: uniform in [-1, 1), drawn from the default stream in the order in
    which PyTorch draws. `strided`: every other element of a tensor twice as long."""
    shape = tuple(o._aval.shape)
    if strided and shape:
        shape = (*shape[:-1], 2 * shape[-1])
    if o.is_complex():
        parts = o.detach().real.new_empty((*shape, 2)).uniform_(-1, 1)
        drawn = row_function("view_as_complex")(parts)
    else:
        drawn = o.detach().new_empty(shape).uniform_(-1, 1)
    return (drawn[..., ::2] if strided and shape else drawn).requires_grad_()


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    gen_non_contig_grad_outputs: bool = False, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """gradcheck of the gradients: second derivatives against finite differences of the first.

    check_fwd_over_rev: by forward mode over the backward pass; check_rev_over_rev: by a backward pass
    of the backward pass. The others are gradcheck's.
    """
    given = _as_tuple(inputs)
    chosen = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    outputs = [o for o in _outputs(func, given) if o.requires_grad]
    if grad_outputs is None:
        weights = [_random_like(o, gen_non_contig_grad_outputs) for o in outputs]
    else:
        weights = [
            g if g.requires_grad else g.detach().requires_grad_() for g in _as_tuple(grad_outputs)
        ]

    def gradients(*args: Any) -> tuple[Any, ...]:
        xs, ws = args[: len(given)], args[len(given) :]
        tracked = [
            own_leaf(x, levels.top()) if i in chosen and not x.requires_grad else x
            for i, x in enumerate(xs)
        ]
        outs = [o for o in _outputs(func, tuple(tracked)) if o.requires_grad]
        found = autograd_grad(
            outs, [tracked[i] for i in chosen], list(ws), create_graph=True, allow_unused=True
        )
        return tuple(
            wrap(np.zeros(given[i]._aval.shape, given[i].dtype.np), given[i].dtype, device=given[i].device) if g is None else g
            for i, g in zip(chosen, found, strict=True)
        )

    return gradcheck(
        gradients, (*given, *weights), eps=eps, atol=atol, rtol=rtol,
        raise_exception=raise_exception, nondet_tol=nondet_tol, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


class _CallableModule(types.ModuleType):
    """`torch.autograd.gradcheck` is the function; importing this module puts the module there."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
