"""Modules as functions of their parameters: `functional_call`, `stack_module_state`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import shown

Tensor = torch.Tensor


def _joined(given: Any) -> dict[str, Any]:
    """One dictionary of one or several; ValueError where two name the same tensor."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(given)}"
        )
    if not all(isinstance(d, dict) for d in given):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    names = [name for d in given for name in d]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
    return {name: x for d in given for name, x in d.items()}


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None,
    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """`module(*args, **kwargs)` with other tensors in the place of its parameters and buffers.

    parameter_and_buffer_dicts: name → tensor, or several such dictionaries; what they don't name stays.
    args: the arguments, a tuple or one that is not. tie_weights: what replaces a tensor that the module
    has under several names replaces it everywhere. strict: the names must be all of the module's.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"functional_call(): expected a Module, got {type(module).__name__}")
    given = _joined(parameter_and_buffer_dicts)
    places = _places(module)
    _check_names(given, places, strict, tie_weights)
    values = _tied(given, places) if tie_weights else given
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _Swapped(places, values) as swapped:
        found = module(*args, **(kwargs or {}))
    for name in given:
        given[name] = swapped.left.get(name, given[name])
    return found


class _Place(NamedTuple):
    """Where a module keeps a tensor: a dictionary, the key in it, and the tensor."""

    kept: dict[str, Any]
    key: str
    tensor: Any


def _places(module: Any) -> dict[str, _Place]:
    """All parameters and buffers by their full names, those with several names under each."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for kept in (part._parameters, part._buffers):
            for key, x in kept.items():
                if x is not None:
                    found[f"{prefix}.{key}" if prefix else key] = _Place(kept, key, x)
    return found


def _check_names(
    given: dict[str, Any], places: dict[str, _Place], strict: bool, tied: bool
) -> None:
    for name, x in given.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"functional_call(): {shown(x)} for {name!r} is not an instance of torch.Tensor"
            )
    if not strict:
        return
    named = {id(places[n].tensor) for n in given if n in places} if tied else set()
    missing = [n for n in places if n not in given and id(places[n].tensor) not in named]
    unexpected = [n for n in given if n not in places]
    parts = []
    if unexpected:
        parts.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        parts.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
    if parts:
        raise RuntimeError("Error(s) in swapping tensors of the module: " + " ".join(parts))


def _tied(given: dict[str, Any], places: dict[str, _Place]) -> dict[str, Any]:
    """The values for all names of the tensors that are replaced."""
    by_tensor: dict[int, tuple[str, Any]] = {}
    for name, x in given.items():
        if name not in places:
            continue
        known = by_tensor.setdefault(id(places[name].tensor), (name, x))
        if known[1] is not x:
            raise ValueError(
                f"functional_call got multiple values for keys {[known[0], name]}, which are tied. "
                "Consider using tie_weights=False"
            )
    values = dict(given)
    for name, place in places.items():
        if id(place.tensor) in by_tensor:
            values[name] = by_tensor[id(place.tensor)][1]
    return values


class _Swapped:
    """Other tensors in a module's places until the end of a `with` block. `left` is what the module
    has left there: it may have assigned new ones."""

    def __init__(self, places: dict[str, _Place], values: dict[str, Any]) -> None:
        self.places = places
        self.values = {name: x for name, x in values.items() if name in places}
        self.left: dict[str, Any] = {}

    def __enter__(self) -> _Swapped:
        for name, x in self.values.items():
            place = self.places[name]
            place.kept[place.key] = x
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.values:
            place = self.places[name]
            self.left[name] = place.kept.get(place.key)
            place.kept[place.key] = place.tensor


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of several modules of one architecture, stacked along a new first
    dimension: `vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)` runs them as an ensemble."""
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {name: _stacked([p[name] for p in parameters]) for name in parameters[0]},
        {name: _stacked([b[name] for b in buffers]) for name in buffers[0]},
    )


def _stacked(tensors: list[Any]) -> Any:
    """Leaves are stacked as a leaf of its own, which can be trained."""
    wanted = tensors[0].requires_grad
    if any(t.requires_grad is not wanted for t in tensors):
        raise RuntimeError(
            "Expected parameters of the same name to all require grad or none, got different ones"
        )
    if all(t.is_leaf for t in tensors):
        return torch.stack([t.detach() for t in tensors]).requires_grad_(wanted)
    return torch.stack(tensors)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """The same function. PyTorch rewrites writes in place into operations that give new tensors;
    here all values are immutable underneath, so what is recorded has no writes to remove."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): Valid options for argument \"remove\" are: "
            f"'mutations' and 'mutations_and_views', got remove={remove}"
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapped
