"""`grad`, `grad_and_value`, `vjp`: derivatives of functions, backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.autograd import levels
from flambeau.autograd.dual import own_leaf

from . import _tree

Tensor = torch.Tensor


def variables(leaves: list[Any], name: str, outer: bool) -> list[Any]:
    """Tensors to differentiate by in the place of the given ones. `outer`: what these depend on, the
    derivative is to depend on too."""
    level = levels.top()
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{name}: Expected all arguments that are differentiated to be tensors, but got "
                f"{type(x).__name__}"
            )
    if outer:
        return [own_leaf(x, level) for x in leaves]
    return [own_leaf(x._alias() if x.requires_grad else x, level) for x in leaves]


def cut(x: Any, own: list[Any], outer: bool) -> Any:
    """A result outside of the transform: it keeps its graph only where that leads further out."""
    if not isinstance(x, Tensor) or not x.requires_grad:
        return x
    return x if outer and levels.reaches_others([x], own) else x._alias()


def pull_back(
    outputs: list[Any], own: list[Any], weights: list[Any] | None, outer: bool, keep: bool
) -> list[Any]:
    """Gradients of outputs with respect to `own`, zeros where there is none."""
    live = [i for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad]
    outs = [outputs[i] for i in live]
    given = None if weights is None else [weights[i] for i in live]
    further = outer and (
        any(levels.graph_underneath(o) for o in outs)
        or any(w.requires_grad or levels.graph_underneath(w) for w in given or ())
        or levels.reaches_others(outs, own)
    )
    if outs:
        found = torch.autograd.grad(
            outs, own, given, retain_graph=keep or further, create_graph=further, allow_unused=True
        )
    else:
        found = (None,) * len(own)
    grads = [torch.zeros_like(x) if g is None else g for x, g in zip(own, found, strict=True)]
    return [cut(g, own, outer) for g in grads]


def _positions(argnums: Any, count: int) -> tuple[int, ...]:
    """The arguments to differentiate by, counted from the start."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)
    if not chosen:
        raise RuntimeError("argnums must be non-empty")
    out = []
    for n in chosen:
        if not isinstance(n, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
        out.append(n % count)
    if len(set(out)) < len(out):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(out)


class Chosen:
    """The arguments of a function that are differentiated by, the others being constants."""

    def __init__(self, name: str, args: tuple[Any, ...], argnums: Any) -> None:
        self.args, self.single = args, isinstance(argnums, int)
        self.places = _positions(argnums, len(args))
        chosen = tuple(args[i] for i in self.places)
        self.leaves, self.tree = _tree.flatten(chosen)

    def call(self, func: Callable[..., Any], leaves: list[Any], kwargs: dict[str, Any]) -> Any:
        """The function with other leaves in the place of the chosen ones."""
        args = list(self.args)
        for i, part in zip(self.places, _tree.unflatten(leaves, self.tree), strict=True):
            args[i] = part
        return func(*args, **kwargs)

    def shaped(self, leaves: list[Any]) -> Any:
        """Something for each leaf in the structure of the chosen arguments."""
        found = _tree.unflatten(leaves, self.tree)
        return found[0] if self.single else found


def split_aux(name: str, found: Any, has_aux: bool) -> tuple[Any, Any]:
    """Output and auxiliary output of a function."""
    if not has_aux:
        return found, None
    if not (isinstance(found, tuple) and len(found) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return found


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `func` and its value, `(gradient, value)`.

    `func` gives a 0-d tensor; with `has_aux` a pair (tensor, anything else), and the result is
    `(gradient, (value, aux))`. argnums: the arguments to differentiate by; they may be nested.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = "grad_and_value(f)(*args)"
        chosen = Chosen(name, args, argnums)
        outer = torch.is_grad_enabled()
        with torch.enable_grad():
            own = variables(chosen.leaves, name, outer)
            output, aux = split_aux(name, chosen.call(func, own, kwargs), has_aux)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a tensor, got {type(output).__name__}"
                )
            if output.dim():
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            grads = chosen.shaped(pull_back([output], own, None, outer, False))
        value = cut(output, own, outer)
        if has_aux:
            return grads, (value, _tree.map_leaves(lambda x: cut(x, own, outer), aux))
        return grads, value

    return wrapper


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `func`, which gives a 0-d tensor; see grad_and_value.
    With `has_aux` the result is `(gradient, aux)`. Nested, it gives higher derivatives."""

    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The output of `func(*primals)`, and a function that takes cotangents of the output's structure
    to the tuple of v^T J, one for each primal. With `has_aux` also the auxiliary output."""
    name = "vjp(f, *primals)"
    if not primals:
        raise RuntimeError("vjp(): Expected at least one primal")
    leaves, tree = _tree.flatten(primals)
    outer = torch.is_grad_enabled()
    with torch.enable_grad():
        own = variables(leaves, name, outer)
        found = func(*_tree.unflatten(own, tree))
    output, aux = split_aux(name, found, has_aux)
    outputs, out_tree = _tree.flatten(output)
    for o in outputs:
        if not isinstance(o, Tensor):
            raise RuntimeError(
                f"{name}: Expected f(*primals) to return only tensors, got {type(o).__name__}"
            )

    def wrapper(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_tree = _tree.flatten(cotangents)
        if given_tree != out_tree:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function: cotangents has {_kind(given_tree)}, primal output "
                f"{_kind(out_tree)}"
            )
        further = torch.is_grad_enabled() if create_graph is None else create_graph
        with torch.enable_grad():
            return _tree.unflatten(pull_back(outputs, own, given, further, retain_graph), tree)

    shown = _tree.unflatten([cut(o, own, outer) for o in outputs], out_tree)
    if has_aux:
        return shown, wrapper, _tree.map_leaves(lambda x: cut(x, own, outer), aux)
    return shown, wrapper


def _kind(tree: _tree.Tree) -> str:
    return "one tensor" if tree.is_leaf() else f"a {tree.type.__name__} of {len(tree.children())}"
