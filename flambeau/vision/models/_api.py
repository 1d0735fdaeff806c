"""What all models share: weights as enums, the `pretrained` of old, and the list of models."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import flambeau as torch

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


class Weights:
    """One published file of weights.

    Attributes:
        url: where the file is.
        meta: facts about it, among them `num_params` and `min_size`.
        num_classes: outputs of the model that it fits; None where it fits any.
    """

    __slots__ = ("_preset", "meta", "num_classes", "url")

    def __init__(
        self, url: str, preset: Mapping[str, Any], meta: dict[str, Any], num_classes: int | None
    ) -> None:
        self.url = url
        self.meta = meta
        self.num_classes = num_classes
        self._preset = preset

    def transforms(self, **options: Any) -> Any:
        """Returns the transform that the model wants of its input; `options` override it."""
        from ..transforms._presets import ImageClassification

        return ImageClassification(**{**self._preset, **options})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self.url!r})"


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
                    f"{cls.__name__} has no weights {obj!r}; it has {list(cls.__members__)}"
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
    chosen = _choose(weights_class, weights, options)
    if chosen is None:
        return make(**options)
    classes = chosen.value.num_classes
    if classes is not None and options.setdefault("num_classes", classes) != classes:
        raise ValueError(
            f"The parameter 'num_classes' expected value {classes} but got "
            f"{options['num_classes']} instead: {chosen!r} was trained for {classes} classes. Load "
            "it first, then replace the last layer."
        )
    model = make(**{**options, **when_loaded})
    model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    return model


def _choose(weights_class: type[WeightsEnum], weights: Any, options: dict[str, Any]) -> Any:
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
        stacklevel=4,
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
        stacklevel=4,
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
        get_model_builder(key)
        raise ValueError(f"The model {key} has no published weights")
    return _WEIGHTS[key]


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
