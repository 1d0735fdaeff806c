"""`torch.autograd.functional`: Jacobians, Hessians, and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import refusing
from ..frontend.tensor import Tensor
from ..ops.table import call
from .modes import enable_grad
from .reverse import grad as autograd_grad

Tensors = tuple[Any, ...]


def _tuple(given: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Whether a tuple was given, and a tuple of tensors; TypeError for anything else."""
    several = isinstance(given, tuple)
    tensors = given if several else (given,)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            where = f" at index {i}" if several else ""
            raise TypeError(
                f"{name}(): the {what} must be a Tensor or a tuple of Tensors, but the value{where} "
                f"has type {type(t).__name__}"
            )
    return several, tensors


def _fresh(inputs: Tensors, create_graph: bool) -> Tensors:
    """Inputs as tensors of the graph: of the one that they are in, or of a new one."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _done(results: Tensors, several: bool, create_graph: bool) -> Any:
    out = results if create_graph else tuple(t.detach() for t in results)
    return out if several else out[0]


def _checked(v: Any, like: Tensors, several: bool, name: str, what: str) -> Tensors:
    """The vector of a product: as many tensors as `like`, of the same shapes. It may be left out
    for one tensor of one element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{name}(): the vector v can only be None where the {what} is one tensor of one "
                f"element, here {[list(t.shape) for t in like]}"
            )
        return (call.ones_like(like[0].detach()),)
    _, given = _tuple(v, "vector v", name)
    if len(given) != len(like):
        raise RuntimeError(
            f"{name}(): v has {len(given)} tensors, but there are {len(like)} in the {what}"
        )
    for i, (each, other) in enumerate(zip(given, like, strict=True)):
        if each.shape != other.shape:
            raise RuntimeError(
                f"{name}(): v has the shape {list(each.shape)} at index {i}, where the {what} has "
                f"{list(other.shape)}"
            )
    return given


def _gradients(
    outputs: Tensors, inputs: Tensors, weights: Any, create_graph: bool, strict: bool, name: str
) -> Tensors:
    """Gradients, zeros where an output does not depend on an input: with `strict` an error."""
    used = [(o, w) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
    if len(used) < len(outputs) and strict:
        raise RuntimeError(f"{name}(): an output is independent of all inputs (strict=True)")
    if not used:
        return tuple(call.zeros_like(x.detach()) for x in inputs)
    outs, ws = zip(*used, strict=True)
    found = autograd_grad(outs, inputs, ws, True, create_graph, allow_unused=True)
    for i, g in enumerate(found):
        if strict and (g is None or (create_graph and not g.requires_grad)):
            raise RuntimeError(
                f"{name}(): the result is independent of input {i} (strict=True)"
                if g is None
                else f"{name}(): the gradient of input {i} is independent of the inputs, so that it "
                "has no derivative (strict=True)"
            )
    return tuple(
        call.zeros_like(x.detach()) if g is None else g for x, g in zip(inputs, found, strict=True)
    )


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The output of `func`, and the product v^T J with its Jacobian.

    v has the output's shape; it may be left out for one element. Inputs, output and v are tensors
    or tuples of them.
    """
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "vjp")
        xs = _fresh(xs, create_graph)
        many, outs = _tuple(func(*xs), "output", "vjp")
        weights = _checked(v, outs, many, "vjp", "output")
        found = _gradients(outs, xs, weights, create_graph, strict, "vjp")
    return _done(outs, many, create_graph), _done(found, several, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The output of `func`, and the product J v with its Jacobian: v has the inputs' shapes.

    u^T J is linear in u, and J v is its gradient with respect to u, weighted by v: two backward
    passes (Townsend, "A new trick for calculating Jacobian vector products", 2017).
    """
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "jvp")
        direction = _checked(v, xs, several, "jvp", "inputs")
        xs = _fresh(xs, create_graph)
        many, outs = _tuple(func(*xs), "output", "jvp")
        us = tuple(call.zeros_like(o.detach()).requires_grad_() for o in outs)
        products = _gradients(outs, xs, us, True, strict, "jvp")
        found = _gradients(products, us, direction, create_graph, False, "jvp")
    return _done(outs, many, create_graph), _done(found, many, create_graph)


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of `func`: shape (*output, *input) for one tensor each.

    A tuple of inputs gives a tuple (one for each input), a tuple of outputs one of those (one for
    each output). vectorize: all rows in one backward pass, by vmap. `strategy` changes nothing in the
    result.
    """
    _check_strategy("jacobian", strategy, vectorize, strict, create_graph)
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant.'
        )
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "jacobian")
        xs = _fresh(xs, create_graph)
        many, outs = _tuple(func(*xs), "output", "jacobian")
        rows_of = _rows_at_once if vectorize else _rows
        table = [rows_of(out, xs, create_graph, strict) for out in outs]
    rows = tuple(_done(each, several, create_graph) for each in table)
    return rows if many else rows[0]


def _check_strategy(
    name: str, strategy: str, vectorize: bool, strict: bool, create_graph: bool
) -> None:
    """What PyTorch refuses to combine."""
    full = f"torch.autograd.functional.{name}"
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                f'{full}: `create_graph=True` and `strategy="forward-mode"` are not supported together '
                '(yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
                "implemented for `vectorize=True`."
            )
    if vectorize and strict:
        raise RuntimeError(
            f"{full}: `strict=True` and `vectorized=True` are not supported together. Please either "
            "set `strict=False` or `vectorize=False`."
        )


def _rows_at_once(out: Any, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The same with one backward pass for all rows."""
    n = out.numel()
    if not out.requires_grad or not n:
        return tuple(call.zeros((*out.shape, *x.shape), dtype=x.dtype, device=x.device) for x in xs)
    basis = call.eye(n, dtype=out.dtype, device=out.device).view((n, *out.shape))
    found = autograd_grad(
        out, xs, basis, True, create_graph, allow_unused=True, is_grads_batched=True
    )
    return tuple(
        call.zeros((*out.shape, *x.shape), dtype=x.dtype, device=x.device)
        if g is None
        else g.reshape((*out.shape, *x.shape))
        for x, g in zip(xs, found, strict=True)
    )


def _rows(out: Any, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobian of one output, for each input."""
    flat = out.reshape(-1)
    columns: list[list[Any]] = [[] for _ in xs]
    for i in range(flat.numel()):
        found = _gradients((flat[i],), xs, (None,), create_graph, strict, "jacobian")
        for column, g in zip(columns, found, strict=True):
            column.append(g)
    return tuple(
        call.stack(column).view((*out.shape, *x.shape))
        if column
        else call.zeros((*out.shape, *x.shape), dtype=x.dtype, device=x.device)
        for column, x in zip(columns, xs, strict=True)
    )


def _scalar(outputs: Any, name: str) -> Any:
    _, outs = _tuple(outputs, "output of the function", name)
    if len(outs) != 1 or outs[0].numel() != 1:
        raise RuntimeError(
            f"{name}(): the function must return one tensor of one element, not shapes "
            f"{[list(o.shape) for o in outs]}"
        )
    return outs[0].squeeze() if outs[0].ndim else outs[0]


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The second derivatives of a `func` that gives one number: shape (*input, *input), or a tuple
    of tuples of these for a tuple of inputs."""
    several, _ = _tuple(inputs, "inputs", "hessian")
    _check_strategy("hessian", outer_jacobian_strategy, vectorize, strict, create_graph)

    def first(*xs: Any) -> Any:
        out = _scalar(func(*xs), "hessian")
        found = _gradients((out,), xs, (None,), True, strict, "hessian")
        return found if several else found[0]

    return jacobian(first, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The output of `func`, one number, and the product v^T H with its Hessian."""
    return _hessian_product(func, inputs, v, create_graph, strict, "vhp")


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The output of `func`, one number, and the product H v with its Hessian. H is symmetric, so
    that this is `vhp`, with one backward pass less than PyTorch's."""
    return _hessian_product(func, inputs, v, create_graph, strict, "hvp")


def _hessian_product(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, name: str
) -> tuple[Any, Any]:
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", name)
        direction = _checked(v, xs, several, name, "inputs")
        xs = _fresh(xs, create_graph)
        out = _scalar(func(*xs), name)
        first = _gradients((out,), xs, (None,), True, strict, name)
        found = _gradients(first, xs, direction, create_graph, strict, name)
    return _done((out,), False, create_graph), _done(found, several, create_graph)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

__getattr__ = refusing(__name__)
