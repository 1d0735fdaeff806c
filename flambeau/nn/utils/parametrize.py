"""A parameter or buffer as a function of others: `register_parametrization`.

`module.weight` becomes a property that computes `parametrization(original)`; the original is
`module.parametrizations.weight.original`, and is what an optimizer trains.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import flambeau as torch

from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

Tensor = torch.Tensor

_cache_enabled = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, a parametrized tensor is computed at its first use only.

    For layers that use a weight several times a pass, such as recurrent ones.
    """
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _write(tensor: Any, value: Tensor) -> None:
    """Give `tensor` the memory of `value`; it stays the object that an optimizer may hold."""
    tensor.data = value.detach()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order in which they apply, and its original.

    Where the last `right_inverse` gives several tensors, these are `original0`, `original1`, ...

    Raises `ValueError` if the parametrizations change the tensor's dtype or shape, unless
    `unsafe`.
    """

    original: Any

    def __init__(
        self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with torch.no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        self._keep(original, new)
        if not unsafe:
            self._check_result(self(), shape, dtype)

    def _keep(self, original: Any, new: Any) -> None:
        """Register what the tensor is computed from."""
        if not isinstance(new, (torch.Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, torch.Tensor)
        self.ntensors = 1 if isinstance(new, torch.Tensor) else len(new)
        if isinstance(new, torch.Tensor):
            if original.dtype != new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            if new is not original:
                with torch.no_grad():
                    _write(original, new)
            _register(self, "original", original)
            return
        for i, each in enumerate(new):
            if not isinstance(each, torch.Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type {type(each).__name__}."
                )
            if isinstance(original, Parameter):
                each = Parameter(each, original.requires_grad)
            each.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", each)

    def _check_result(self, found: Any, shape: tuple[int, ...], dtype: Any) -> None:
        if not isinstance(found, torch.Tensor):
            raise ValueError(
                f"A parametrization must return a tensor. Got {type(found).__name__}."
            )
        for what, before, after in (
            ("dtype", dtype, found.dtype), ("shape", shape, tuple(found.shape))
        ):  # fmt: skip
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, "
                    f"unless `unsafe` flag is enabled.\nunparametrized {what}: {before}\n"
                    f"parametrized {what}: {after}"
                )

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes `value`: what assignment does.

        `RuntimeError` if a parametrization has no `right_inverse`.
        """
        with torch.no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement "
                        "right_inverse, so the tensor cannot be assigned to"
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                self._check_new("`right_inverse` should return a tensor.", new)
                self._assign("original", new)
                return
            if not isinstance(new, Sequence) or len(new) != self.ntensors:
                found = f"length {len(new)}" if isinstance(new, Sequence) else type(new).__name__
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of {found}."
                    if isinstance(new, Sequence)
                    else f"'right_inverse' must return a sequence of tensors. Got {found}."
                )
            for i, each in enumerate(new):
                self._check_new("'right_inverse' must return a sequence of tensors.", each)
                self._assign(f"original{i}", each)

    def _check_new(self, message: str, new: Any) -> None:
        if not isinstance(new, torch.Tensor):
            raise ValueError(f"{message} Got {type(new).__name__}")

    def _assign(self, name: str, new: Tensor) -> None:
        current = getattr(self, name)
        if current.dtype != new.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {new.dtype} while `{name}` has "
                f"dtype {current.dtype}"
            )
        _write(current, new)

    def forward(self) -> Any:
        """The tensor."""
        modules = list(self)
        if self.is_tensor:
            x = modules[0](self.original)
        else:
            x = modules[0](*[getattr(self, f"original{i}") for i in range(self.ntensors)])
        for module in modules[1:]:
            x = module(x)
        return x


# --- the module's class --------------------------------------------------------------------------


def _no_pickling(self: Any) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(): save "
        "module.state_dict(), and load it into a module that is parametrized alike"
    )


def _deepcopied(self: Any, memo: dict[int, Any]) -> Any:
    if id(self) in memo:
        return memo[id(self)]
    replica: Any = object.__new__(type(self))
    memo[id(self)] = replica
    replica.__setstate__(copy.deepcopy(dict(self.__dict__), memo))
    return replica


def _inject_new_class(module: Module) -> None:
    """Give the module a class of its own, which the properties go into."""
    cls = module.__class__
    extra: dict[str, Any] = {"__getstate__": _no_pickling}
    if not hasattr(cls, "__deepcopy__"):
        extra["__deepcopy__"] = _deepcopied
    made: Any = type(f"Parametrized{cls.__name__}", (cls,), extra)
    module.__class__ = made


def _inject_property(module: Module, name: str) -> None:
    """Make `name` a property of the module's class that computes the tensor."""
    if hasattr(module, name):
        raise AssertionError(f"Module already has an attribute named '{name}'")

    def get(self: Any) -> Any:
        if not _cache_enabled:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set))


# --- the interface -------------------------------------------------------------------------------


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.tensor_name` be `parametrization(original)`, or put another parametrization
    behind those that it has. Returns the module.

    A parametrization with a method `right_inverse` also gives the original from a value: for the
    first value, and for assignments. `unsafe` allows it to change dtype and shape.

    Raises `ValueError` if there is no such tensor, or dtype or shape would change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        entry: Any = module.parametrizations[tensor_name]  # type: ignore[index]
        if not unsafe:
            _check_next(module, tensor_name, parametrization)
        entry.append(parametrization)
        entry.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        entry = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = entry  # type: ignore[index,operator]
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_next(module: Any, name: str, parametrization: Any) -> None:
    """ValueError if a further parametrization changes what it must keep."""
    y = getattr(module, name)
    x = parametrization(y)
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(x).__name__}.")
    _compare(f"module.{name}", y, "Registering a parametrization may not change", "parametrization"
             f"(module.{name})", x)  # fmt: skip
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        z = parametrization.right_inverse(x)
    except NotImplementedError:
        return
    if not isinstance(z, torch.Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(z).__name__}"
        )
    _compare(f"module.{name}", y, "The tensor returned by parametrization.right_inverse must have "
             "the same dtype and shape: it may not change", "returned", z)  # fmt: skip


def _compare(first: str, y: Tensor, message: str, second: str, x: Tensor) -> None:
    for what, a, b in (("dtype", y.dtype, x.dtype), ("shape", tuple(y.shape), tuple(x.shape))):
        if a != b:
            raise ValueError(
                f"{message} the {what} of the tensor, unless the `unsafe` flag is enabled.\n"
                f"{first}.{what}: {a}\n{second}.{what}: {b}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or its tensor of that name, has a parametrization."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor an ordinary one again: with the value that it has, or with that of the
    original. Returns the module.

    Raises `ValueError` if it has no parametrization, or there is more than one original to leave.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    entries: Any = module.parametrizations
    entry = entries[tensor_name]
    if not entry.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    if entry.is_tensor:
        original = entry.original
        if leave_parametrized:
            with torch.no_grad():
                _write(original, getattr(module, tensor_name))
    else:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    delattr(type(module), tensor_name)
    del entries[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class without the one that parametrizations gave it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize `to_module` as `from_module` is, with the same originals and parametrizations.
    Returns `to_module`."""
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in list(source) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source[name]:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations[name]  # type: ignore[index]
        names = ["original"]
        if not source[name].is_tensor:
            names = [f"original{i}" for i in range(source[name].ntensors)]
        for each in names:
            setattr(target, each, getattr(source[name], each))
    return to_module
