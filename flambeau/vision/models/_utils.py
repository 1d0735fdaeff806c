"""What model sources written for torchvision import from its `models._utils`."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import flambeau as torch
from flambeau import nn
from flambeau.errors import users_line

from ._api import WeightsEnum

_Function = TypeVar("_Function", bound=Callable[..., Any])
_T = TypeVar("_T")


class IntermediateLayerGetter(nn.ModuleDict):
    """Runs a model's first children in order, and returns what some of them give.

    Args:
        model: its direct children are run one after the other, as registered.
        return_layers: from children's names to the names in the result; the children after the
            last of them are left out.

    Raises:
        ValueError: the model has no child of a name.
    """

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        self_layers: OrderedDict[str, nn.Module] = OrderedDict()
        wanted = {str(name) for name in return_layers}
        for name, child in children.items():
            if not wanted:
                break
            self_layers[name] = child
            wanted.discard(name)
        super().__init__(self_layers)
        self.return_layers = {str(name): str(new) for name, new in return_layers.items()}

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """Returns the outputs by their new names, in the order of the children."""
        out: OrderedDict[str, torch.Tensor] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """Rounds a number of channels to a multiple of `divisor`, by no more than 10 % down."""
    rounded = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Sets an argument that the weights decide; a ValueError if another value was given.

    The misspelling is torchvision's.
    """
    kwargs[param] = _ovewrite_value_param(param, kwargs.get(param, new_value), new_value)


def _ovewrite_value_param(param: str, actual: _T | None, expected: _T) -> _T:
    """Returns `expected`; a ValueError if `actual` is another value than that or None."""
    if actual is not None and actual != expected:
        raise ValueError(
            f"The parameter '{param}' expected value {expected} but got {actual} instead."
        )
    return expected


def kwonly_to_pos_or_kw(fn: _Function) -> _Function:
    """Lets a function's keyword-only parameters be given by position too, with a warning."""
    parameters = inspect.signature(fn).parameters
    names = [name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
    if not names:
        raise TypeError(f"Found no keyword-only parameter on function '{fn.__name__}'")
    first = list(parameters).index(names[0])

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        surplus = dict(zip(names, args[first:], strict=False))
        if surplus:
            listed = " and ".join(f"'{name}'" for name in surplus)
            warnings.warn(
                f"Using {listed} as positional parameter(s) is deprecated since 0.13 and may be "
                "removed in the future. Please use keyword parameter(s) instead.",
                stacklevel=2,
            )
        return fn(*args[:first], **kwargs, **surplus)

    return wrapper  # type: ignore[return-value]


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[[_Function], _Function]:
    """Lets a builder take the `pretrained` of old in place of weights, with a warning.

    Args:
        weights: for each parameter that takes weights, its name of old and what True meant: an
            enum's member, or a function of the keyword arguments that gives one.
    """

    def decorate(builder: _Function) -> _Function:
        @functools.wraps(builder)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            for name, (old, default) in weights.items():
                _replace_old(builder.__name__, kwargs, name, old, default)
            return builder(*args, **kwargs)

        return kwonly_to_pos_or_kw(wrapper)  # type: ignore[return-value, type-var]

    return decorate


def _replace_old(builder: str, kwargs: dict[str, Any], name: str, old: str, default: Any) -> None:
    given = kwargs.get(name)
    new_style = given is None or isinstance(given, WeightsEnum)
    if isinstance(given, str) and given != "legacy":
        new_style = True
    if new_style and (name in kwargs or old not in kwargs):
        return
    if name in kwargs:
        kwargs[old] = kwargs.pop(name)
    else:
        warnings.warn(
            f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, "
            f"please use '{name}' instead.",
            stacklevel=users_line(),
        )
    chosen = None
    hint = ""
    if kwargs[old]:
        chosen = default(kwargs) if callable(default) else default
        if not isinstance(chosen, WeightsEnum):
            raise ValueError(f"No weights available for model {builder}")
        hint = (
            f" You can also use `{name}={type(chosen).__name__}.DEFAULT` to get the most "
            "up-to-date weights."
        )
    warnings.warn(
        f"Arguments other than a weight enum or `None` for '{name}' are deprecated since 0.13 and "
        "may be removed in the future. The current behavior is equivalent to passing "
        f"`{name}={chosen}`.{hint}",
        stacklevel=users_line(),
    )
    del kwargs[old]
    kwargs[name] = chosen
