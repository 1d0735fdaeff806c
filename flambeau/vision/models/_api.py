"""What all models share: weights as enums, the `pretrained` of old, and the list of models."""

from __future__ import annotations

import fnmatch
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar, get_args, get_type_hints

import flambeau as torch
from flambeau.errors import shown, users_line

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "register_model",
]


@dataclass(eq=False)
class Weights:
    """One published file of weights.

    Attributes:
        url: where the file is.
        transforms: makes the transform that the model wants of its input.
        meta: facts about it, among them `num_params`, `min_size` and `categories`.
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        """Says whether both are the same file, facts and transform.

        Two partials of the same function are one transform: copying a member of an enum compares.
        """
        if not isinstance(other, Weights):
            return NotImplemented
        mine, theirs = self.transforms, other.transforms
        if isinstance(mine, partial) and isinstance(theirs, partial):
            same = (mine.func, mine.args, mine.keywords) == (
                theirs.func,
                theirs.args,
                theirs.keywords,
            )
        else:
            same = mine == theirs
        return same and (self.url, self.meta) == (other.url, other.meta)

    __hash__ = None  # type: ignore[assignment]


class WeightsEnum(Enum):
    """Base of the enums that hold a model's published weights."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """Returns the member that `obj`, a member or its name, stands for; None stays None.

        Raises:
            TypeError: `obj` is of another kind, or another model's weights.
            KeyError: there is no member of that name.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            name = obj.removeprefix(cls.__name__ + ".")
            if name not in cls.__members__:
                raise KeyError(
                    f"{cls.__name__} has no weights {shown(obj)}; it has {list(cls.__members__)}"
                )
            return cls[name]
        raise TypeError(
            f"Invalid Weight class provided; expected {cls.__name__} but received "
            f"{obj.__class__.__name__}."
        )

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Returns the file's state dict, downloaded at most once.

        The arguments are those of `flambeau.hub.load_state_dict_from_url`.
        """
        state: Mapping[str, Any] = torch.hub.load_state_dict_from_url(self.url, *args, **kwargs)
        return state

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return getattr, (type(self), self.name)

    @property
    def url(self) -> str:
        """Where the file is."""
        address: str = self.value.url
        return address

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the weights."""
        facts: dict[str, Any] = self.value.meta
        return facts

    @property
    def transforms(self) -> Callable[..., Any]:
        """A function that makes the transform that the model wants of its input."""
        preset: Callable[..., Any] = self.value.transforms
        return preset


_Model = TypeVar("_Model", bound=torch.nn.Module)


def build(
    make: Callable[..., _Model],
    weights_class: type[WeightsEnum],
    weights: Any,
    progress: bool,
    options: dict[str, Any],
    when_loaded: Mapping[str, Any] = MappingProxyType({}),
) -> _Model:
    """Makes a model, with published weights where they are asked for.

    Args:
        make: makes the model of its keyword arguments.
        weights_class: the model's weights.
        weights: a member of it, a member's name, None; or True or False, the `pretrained` of old.
        progress: show a bar while the file is downloaded.
        options: keyword arguments for `make`; `pretrained` is taken out.
        when_loaded: more of them for a model whose weights are about to be loaded.

    Raises:
        ValueError: `num_classes` is given and is not what the weights fit.
    """
    chosen = choose(weights_class, weights, options)
    if chosen is None:
        return make(**options)
    categories = chosen.meta.get("categories")
    classes = None if categories is None else len(categories)
    if classes is not None and options.setdefault("num_classes", classes) != classes:
        raise ValueError(
            f"The parameter 'num_classes' expected value {classes} but got "
            f"{options['num_classes']} instead: {chosen!r} was trained for {classes} classes. Load "
            "it first, then replace the last layer."
        )
    model = make(**{**options, **when_loaded})
    model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    return model


def choose(weights_class: type[WeightsEnum], weights: Any, options: dict[str, Any]) -> Any:
    """Returns the member of `weights_class` that a builder was asked for, or None.

    `weights` and `options` are as in `build`.
    """
    if isinstance(weights, bool):
        # resnet18(True): the first parameter was `pretrained` before it was `weights`.
        options.setdefault("pretrained", weights)
        weights = None
    if "pretrained" not in options:
        return weights_class.verify(weights)
    pretrained = options.pop("pretrained")
    warnings.warn(
        "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, "
        "please use 'weights' instead.",
        UserWarning,
        stacklevel=users_line(),
    )
    if not pretrained:
        return weights_class.verify(weights)
    name = weights_class.__name__
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and "
        "may be removed in the future. The current behavior is equivalent to passing "
        f"`weights={name}.IMAGENET1K_V1`. You can also use `weights={name}.DEFAULT` to get the "
        "most up-to-date weights.",
        UserWarning,
        stacklevel=users_line(),
    )
    return weights_class["IMAGENET1K_V1"]


_Builder = TypeVar("_Builder", bound=Callable[..., Any])
_BUILDERS: dict[str, Callable[..., Any]] = {}
_WEIGHTS: dict[str, type[WeightsEnum]] = {}


def register_model(
    name: str | None = None, weights: type[WeightsEnum] | None = None
) -> Callable[[_Builder], _Builder]:
    """Returns a decorator that puts a model's function on the list under `name`, or its own.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: _Builder) -> _Builder:
        key = name or function.__name__
        if key in _BUILDERS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        _BUILDERS[key] = function
        if weights is not None:
            _WEIGHTS[key] = weights
        return function

    return register


def get_model_builder(name: str) -> Callable[..., Any]:
    """Returns the function that makes the model `name`.

    Raises:
        ValueError: there is no such model.
    """
    builder = _BUILDERS.get(name.lower())
    if builder is None:
        raise ValueError(f"Unknown model {name}; known are {', '.join(sorted(_BUILDERS))}")
    return builder


def get_model(name: str, **config: Any) -> Any:
    """Makes the model `name`, `config` being its function's arguments.

    Raises:
        ValueError: there is no such model.
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable[..., Any] | str) -> type[WeightsEnum]:
    """Returns the weights enum of a model, given by name or function.

    Raises:
        ValueError: there is no such model, or none with published weights.
    """
    key = name.lower() if isinstance(name, str) else name.__name__
    if key not in _WEIGHTS:
        annotated = _annotated_weights(get_model_builder(key))
        if annotated is None:
            raise ValueError(f"The model {key} has no published weights")
        return annotated
    return _WEIGHTS[key]


def _annotated_weights(builder: Callable[..., Any]) -> type[WeightsEnum] | None:
    """The enum that a builder written for torchvision names in its parameters' annotations."""
    try:
        hints = get_type_hints(inspect.unwrap(builder))
    except (NameError, TypeError):
        return None
    for hint in hints.values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, WeightsEnum):
                return kind
    return None


def get_weight(name: str) -> WeightsEnum:
    """Returns the weights of the full name, such as "ResNet50_Weights.IMAGENET1K_V1".

    Raises:
        ValueError: the name has no dot, or the enum or its member does not exist.
    """
    class_name, _, member = name.partition(".")
    if not member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    for weights in _WEIGHTS.values():
        if weights.__name__ == class_name and member in weights.__members__:
            return weights[member]
    raise ValueError(f"The weight enum {class_name} or its member {member} was not found.")


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """Returns the models' names, sorted.

    Args:
        module: only models defined in it.
        include: shell patterns, at least one of which a name must match.
        exclude: shell patterns, none of which a name may match.
    """
    names = [
        name
        for name, function in _BUILDERS.items()
        if module is None
        or function.__module__.rsplit(".", 1)[0] == module.__name__
        or function.__module__ == module.__name__
    ]
    if include:
        names = [name for name in names if _matches(name, include)]
    if exclude:
        names = [name for name in names if not _matches(name, exclude)]
    return sorted(names)


def _matches(name: str, patterns: Iterable[str] | str) -> bool:
    if isinstance(patterns, str):
        patterns = [patterns]
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
