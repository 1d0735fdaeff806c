"""Activation checkpointing: run a part of the forward pass again in the backward pass, instead of
keeping its intermediates (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as torch
from flambeau.autograd import Function
from flambeau.autograd.function import once_differentiable
from flambeau.errors import refusing

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]


def noop_context_fn() -> tuple[Any, Any]:
    """What surrounds forward and its repetition: nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


class _Region:
    """A part of the forward pass, and all that running it again takes."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
        preserve_rng_state: bool, again: Any,
    ) -> None:  # fmt: skip
        self.function, self.args, self.kwargs = function, args, kwargs
        self.state = torch.get_rng_state() if preserve_rng_state else None
        self.again = again

    def inputs(self) -> list[Any]:
        """The tensors among the arguments that a gradient goes to."""
        given = (*self.args, *self.kwargs.values())
        return [x for x in given if isinstance(x, torch.Tensor) and x.requires_grad]

    def run(self) -> tuple[Any, list[Any]]:
        """What the function returns with the arguments cut off from their graph, and these."""
        cut: dict[int, Any] = {id(x): x.detach().requires_grad_() for x in self.inputs()}
        with torch.enable_grad():
            found = self.function(
                *[cut.get(id(x), x) for x in self.args],
                **{key: cut.get(id(x), x) for key, x in self.kwargs.items()},
            )
        return found, [cut[id(x)] for x in self.inputs()]

    def run_again(self) -> tuple[Any, list[Any]]:
        """The same as in forward, random numbers included."""
        from flambeau.random import fork_rng

        with fork_rng(enabled=self.state is not None), self.again:
            if self.state is not None:
                torch.set_rng_state(self.state)
            return self.run()


class _Checkpoint(Function):
    """Stands for a region in the graph: from its inputs and the parameters it uses to its
    results."""

    @staticmethod
    def forward(ctx: Any, region: _Region, parameters: int, results: list[Any], *used: Any) -> Any:
        ctx.region = region
        ctx.save_for_backward(*used[len(used) - parameters :])
        return tuple(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        found, inputs = ctx.region.run_again()
        results = [x for x in _tensors(found) if x.requires_grad]
        wanted = [*inputs, *ctx.saved_tensors]
        given = torch.autograd.grad(results, wanted, grads, allow_unused=True)
        return (None, None, None, *given)


def _tensors(found: Any) -> list[Any]:
    """The tensors in what a function returned."""
    if isinstance(found, torch.Tensor):
        return [found]
    if isinstance(found, dict):
        return [x for part in found.values() for x in _tensors(part)]
    if isinstance(found, (tuple, list)):
        return [x for part in found for x in _tensors(part)]
    return []


def _rebuilt(found: Any, replaced: Iterator[Any]) -> Any:
    """The same structure with the tensors that require grad replaced in order."""
    if isinstance(found, torch.Tensor):
        return next(replaced) if found.requires_grad else found
    if isinstance(found, dict):
        return type(found)((key, _rebuilt(part, replaced)) for key, part in found.items())
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*[_rebuilt(part, replaced) for part in found])
    if isinstance(found, (tuple, list)):
        return type(found)(_rebuilt(part, replaced) for part in found)
    return found


def _leaves(results: list[Any], inputs: list[Any]) -> list[Any]:
    """The leaves that results come from, but for the inputs: parameters of the function."""
    own = {id(x) for x in inputs}
    nodes = [x.grad_fn for x in results if x.grad_fn is not None]
    seen, found = set(nodes), {}
    while nodes:
        node = nodes.pop()
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) not in own:
            found[id(variable)] = variable
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
    return list(found.values())


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)` without keeping its intermediates for backward, which runs it
    again.

    use_reentrant: PyTorch's two ways of doing this. Here both are one, but with True gradients
        reach the function's parameters only if a tensor among `args` requires grad.
    context_fn: gives two context managers, for the first run and the repetition.
    preserve_rng_state: let the repetition draw the same random numbers (dropout).

    The function must compute the same again. What it does besides happens twice: the running
    statistics of a batch norm move twice.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly; "
            "use_reentrant=False is recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    if not torch.is_grad_enabled():
        return function(*args, **kwargs)
    first, again = context_fn()
    region = _Region(function, args, kwargs, preserve_rng_state, again)
    if use_reentrant and not region.inputs():
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )
        with torch.no_grad(), first:
            return function(*args, **kwargs)
    with first:
        found, inputs = region.run()
    results = [x for x in _tensors(found) if x.requires_grad]
    if not results:
        return found
    parameters = _leaves(results, inputs)
    kept = [x.detach() for x in results]
    linked = _Checkpoint.apply(region, len(parameters), kept, *region.inputs(), *parameters)
    return _rebuilt(found, iter(linked))


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential, or a list of functions, in `segments` parts of which all but the last are
    checkpointed."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly; use_reentrant=False is recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    parts = list(functions.children()) if isinstance(functions, torch.nn.Sequential) else list(functions)

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for part in parts[start:end]:
                x = part(x)
            return x

        return forward

    size = len(parts) // segments
    end = 0
    for start in range(0, size * (segments - 1), size or 1):
        end = start + size
        input = checkpoint(run(start, end), input, use_reentrant=use_reentrant, **kwargs)
    return run(end, len(parts))(input)


__getattr__ = refusing(__name__)
