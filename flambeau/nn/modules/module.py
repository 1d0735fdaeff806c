"""`Module`, the base class of every network and of every layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as torch

from ..parameter import Buffer, Parameter
from ._conversion import ConversionMixin
from ._hooks import (
    RemovableHandle,
    _global_buffer_registration_hooks,
    _global_call_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    add_hook,
    call_with_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._registry import Registry
from ._state_dict import StateDictMixin, _IncompatibleKeys

__all__ = [
    "Module",
    "_IncompatibleKeys",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_HOOK_TABLES = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Module(StateDictMixin, ConversionMixin):
    """Base class of all networks: assign layers and parameters, write `forward`.

    ```
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(4, 8)
            self.out = nn.Linear(8, 1)

        def forward(self, x):
            return self.out(F.relu(self.hidden(x)))
    ```

    A `Parameter`, `Buffer` or `Module` that is assigned to an attribute is registered: it is
    found by `parameters()`, saved by `state_dict()` and moved by `to()`.
    """

    dump_patches = False
    call_super_init = False

    training: bool
    _is_full_backward_hook: bool | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = type(self).__name__
            if kwargs:
                raise TypeError(
                    f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        # Straight into the namespace: `__setattr__` costs ten times as much, and layers are
        # made by the hundred.
        namespace = self.__dict__
        namespace["training"] = True
        namespace["_parameters"] = Registry(self)
        namespace["_buffers"] = Registry(self)
        namespace["_non_persistent_buffers_set"] = set()
        for table in _HOOK_TABLES:
            namespace[table] = OrderedDict()
        namespace["_is_full_backward_hook"] = None
        namespace["_modules"] = Registry(self)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any) -> Any:
        """What the module computes; every subclass writes its own."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        namespace = self.__dict__
        try:
            hooked = (
                namespace["_forward_hooks"]
                or namespace["_forward_pre_hooks"]
                or namespace["_backward_hooks"]
                or namespace["_backward_pre_hooks"]
                or _global_call_hooks
            )
        except KeyError as error:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute {error}: its __init__ has to "
                "call super().__init__() first"
            ) from None
        if hooked:
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    _wrapped_call_impl = _call_impl

    def _replicate_for_data_parallel(self) -> Any:
        """A copy without parameters, whose buffers and children can be replaced."""
        replica = type(self).__new__(type(self))
        kept = {k: v for k, v in self.__dict__.items() if k not in self._parameters}
        replica.__setstate__(
            {**kept, "_parameters": {}, "_buffers": dict(self._buffers),
             "_modules": dict(self._modules)}
        )  # fmt: skip
        replica.__dict__["_is_replica"] = True
        return replica

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: what repeats is compiled anyway. Takes what PyTorch takes."""

    # --- registration -----------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the parameter `name`; None keeps the name for one that may come.

        Raises `KeyError` for a name that is taken, empty or has a dot, `TypeError` for anything
        but a `Parameter`, `AttributeError` before `Module.__init__`.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name(name, "parameter", self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign {_described(param)} object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    "be created explicitly. To express one as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
            param = _announced(_global_parameter_registration_hooks, self, name, param)
        self._parameters[name] = param

    def register_buffer(
        self, name: str, tensor: torch.Tensor | None, persistent: bool = True
    ) -> None:
        """Make `tensor` the buffer `name`: state that is saved and moved but not trained.

        A buffer that is not `persistent` is left out of `state_dict()`. Raises as
        `register_parameter` does.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"cannot assign {_described(tensor)} object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        tensor = _announced(_global_buffer_registration_hooks, self, name, tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` the child `name`. Raises as `register_parameter` does."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_kind(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        self._modules[name] = _announced(_global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: Any, what: str, registry: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_kind(name)}")
        if hasattr(self, name) and name not in registry:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')

    # --- attributes -------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only by what the namespace lacks (see `Registry`): a name that does not exist,
        # or one that the user's own pickling left out.
        namespace = self.__dict__
        for registry in _REGISTRIES:
            entries = namespace.get(registry)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        namespace = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in namespace:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif name in namespace.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {_described(value)} as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in namespace:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_parameters", "_buffers")
            value = _announced(_global_module_registration_hooks, self, name, value)
            self._modules[name] = value
        elif name in namespace.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {_described(value)} as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            self._modules[name] = value
        elif isinstance(value, Buffer) or name in namespace.get("_buffers", ()):
            self._set_buffer(name, value)
        elif name in _REGISTRIES:
            self._replace_registry(name, value)
        else:
            object.__setattr__(self, name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, torch.Tensor):
            raise TypeError(
                f"cannot assign {_described(value)} as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if isinstance(value, Buffer):
            self._forget(name, "_parameters", "_modules")
            self.register_buffer(name, value, value.persistent)
        else:
            value = _announced(_global_buffer_registration_hooks, self, name, value)
            self._buffers[name] = value

    def _replace_registry(self, name: str, value: Any) -> None:
        """`module._parameters = {...}`: the namespace has to follow."""
        namespace = self.__dict__
        old = namespace.get(name)
        if isinstance(old, Registry):
            old.leave(self)
        namespace[name] = Registry(self, value.items())

    def _forget(self, name: str, *registries: str) -> None:
        """Take `name` out of the namespace and of two registries: another kind follows."""
        namespace = self.__dict__
        for registry in registries:
            namespace.get(registry, {}).pop(name, None)
        self._non_persistent_buffers_set.discard(name)
        if name not in namespace["_parameters"] and name not in namespace["_modules"]:
            if name not in namespace["_buffers"]:
                namespace.pop(name, None)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            entries = self.__dict__.get(registry, {})
            if name in entries:
                del entries[name]
                if registry == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        names.update(self._parameters, self._modules, self._buffers)
        return sorted(name for name in names if not name[:1].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle or copy; what an older version did not have yet is added."""
        namespace = self.__dict__
        namespace.update(state)
        namespace.setdefault("_is_full_backward_hook", None)
        namespace.setdefault("_non_persistent_buffers_set", set())
        for table in _HOOK_TABLES:
            namespace.setdefault(table, OrderedDict())
        for registry in _REGISTRIES:
            entries = namespace.get(registry, {})
            if isinstance(entries, Registry):
                entries.adopt(self)
            else:
                namespace[registry] = Registry(self, entries.items())

    # --- by dotted name ---------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path, `""` being this one. `AttributeError` if there is none."""
        module: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{module._get_name()} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at a dotted path; `strict` demands that one is there already.

        Raises `ValueError` for an empty path or a value that is not a module, `AttributeError`
        where the path leads nowhere.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. `AttributeError` if there is none."""
        found = self._get_attribute(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{target.rpartition('.')[2]}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> torch.Tensor:
        """The buffer at a dotted path. `AttributeError` if there is none."""
        path, _, name = target.rpartition(".")
        found = self._get_attribute(target)
        if name not in self.get_submodule(path)._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def _get_attribute(self, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return getattr(module, name)

    # --- walking over what it holds ---------------------------------------------------------

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        owners: Any = [(prefix, self)]
        if recurse:
            owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in owners:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once, this module's before its children's."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[torch.Tensor]:
        """Each buffer once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Pairs of dotted name and buffer."""
        return self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def children(self) -> Iterator[Module]:
        """The modules right below this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module right below this one."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Pairs of dotted name and module, this one first with the name `prefix`."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    # --- modes ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Any:
        """Set `training` here and below: dropout and batch norm behave by it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad` of every parameter: False freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    # --- hooks ------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; a result replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, and the result a pair.
        """
        flags = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return add_hook(self._forward_pre_hooks, hook, *flags, prepend=prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; a result replaces the output.

        `with_kwargs` makes it `hook(module, args, kwargs, output)`; `always_call` runs it even
        when `forward` raises, with None for the output.
        """
        flags = [self._forward_hooks_with_kwargs] if with_kwargs else []
        if always_call:
            flags.append(self._forward_hooks_always_called)
        return add_hook(self._forward_hooks, hook, *flags, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the backward; a result replaces it."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` after the backward.

        A result replaces `grad_input`. The hook must not change its arguments in place.
        """
        self._choose_backward_kind(full=True)
        return add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Deprecated: sees the gradients of the last operation only. Use the full hook."""
        self._choose_backward_kind(full=False)
        return add_hook(self._backward_hooks, hook)

    def _choose_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = full

    # --- text -------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses; a subclass writes its own."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        body = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {body}\n)" if body else f"{self._get_name()}()"


def _announced(hooks: dict[int, Any], module: Module, name: str, value: Any) -> Any:
    for hook in hooks.values():
        replaced = hook(module, name, value)
        if replaced is not None:
            value = replaced
    return value


def _indented(text: str) -> str:
    return _addindent(text, 2)


def _addindent(s_: str, numSpaces: int) -> str:  # noqa: N803
    """Indent all lines but the first. Programs that print summaries import it by this name."""
    return s_.replace("\n", "\n" + numSpaces * " ")


def _kind(value: Any) -> str:
    return type(value).__name__


def _described(value: Any) -> str:
    return f"'{value.type() if isinstance(value, torch.Tensor) else _kind(value)}'"
