"""Saving and loading a module's state: the `state_dict` half of `Module`."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import flambeau as torch

from ..parameter import Parameter
from ._hooks import RemovableHandle, add_hook

__all__ = ["StateDictMixin", "_IncompatibleKeys"]

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` could not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDictMixin:
    """`state_dict`, `load_state_dict` and their hooks."""

    _version: int = 1

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, Any]
    _state_dict_pre_hooks: OrderedDict[int, Any]
    _load_state_dict_pre_hooks: OrderedDict[int, Any]
    _load_state_dict_post_hooks: OrderedDict[int, Any]

    # --- saving -----------------------------------------------------------------------------

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by dotted name, in an `OrderedDict`.

        The tensors share memory with the module's; they are detached unless `keep_vars`.
        The attribute `_metadata` of the result holds each module's version.
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead: "
                "state_dict(destination=..., prefix=..., keep_vars=...)",
                FutureWarning,
                stacklevel=2,
            )
            given = (*args, *(None, prefix, keep_vars)[len(args) :])
            destination = given[0] if destination is None else destination
            prefix, keep_vars = given[1:3]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, metadata)
            if getattr(hook, "_from_public_api", False):
                if replaced is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif replaced is not None:
                destination = replaced
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Enter what this very module holds; children follow by themselves."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if _overridden(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """Anything else to save under `_extra_state`; a subclass writes it with its partner."""
        raise RuntimeError(
            "get_extra_state() is only called where a subclass defines it, which "
            f"{type(self).__name__} does not"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(
            "set_extra_state() is only called where a subclass defines it, which "
            f"{type(self).__name__} does not"
        )

    # --- loading ----------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of `state_dict` into this module's, or with `assign` take them over.

        `strict` demands the same keys; otherwise the result names those that don't match.
        Raises `RuntimeError` that lists every missing or unexpected key and every shape that
        differs, and then has changed nothing; `TypeError` if `state_dict` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        loading = _Loading(state_dict, strict, assign)
        loading.load(self, "")
        if strict:
            loading.report_keys()
        if not loading.errors:
            loading.write()
        if loading.errors:
            listed = "\n\t".join(loading.errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        return loading.keys

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load what this very module holds; children follow by themselves.

        A subclass may override it, to read a layout of an earlier version for example.
        """
        arguments = (prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, *arguments)
        later = local_metadata.get("deferred_copies")
        state = self._persistent_state()
        for name, current in state.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            given = state_dict[key]
            message = _mismatch(key, current, given)
            if message is not None:
                error_msgs.append(message)
                continue
            if given.dim() == 1 and current.dim() == 0:
                given = given[0]  # written by PyTorch 0.3, which had no 0-d tensors
            assign = local_metadata.get("assign_to_params_buffers", False)
            write = (_Assignment if assign else _Copy)(self, name, key, current, given)
            if later is None:
                write.run(error_msgs)
            else:
                later.append(write)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            unexpected_keys.extend(self._unexpected_keys(state_dict, prefix, state))

    def _persistent_state(self) -> dict[str, Any]:
        state = {key: value for key, value in self._parameters.items() if value is not None}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                state[name] = buffer
        return state

    def _load_extra_state(
        self, state_dict: Any, prefix: str, strict: bool, missing: list[str], unexpected: list[str]
    ) -> None:
        key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if _overridden(self, "set_extra_state"):
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing.append(key)
        elif strict and key in state_dict:
            unexpected.append(key)

    def _unexpected_keys(self, state_dict: Any, prefix: str, state: Any) -> list[str]:
        found = []
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        for key in state_dict:
            if not key.startswith(prefix) or key == extra:
                continue
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (self._modules if dot else state):
                found.append(key)
        return found

    # --- hooks ------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before this module's state is saved."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after the state is saved.

        It changes `state_dict` in place and returns None.
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The older form of the post-hook: its result replaces the state dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before this module's state is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return add_hook(
            self._load_state_dict_pre_hooks, _BoundHook(hook, self if with_module else None)
        )

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module and its children loaded."""
        return add_hook(self._load_state_dict_post_hooks, hook)


class _BoundHook:
    """A load hook that gets its module first. Copies and pickles with the module."""

    def __init__(self, hook: Callable[..., Any], module: Any) -> None:
        self.hook = hook
        self.module = module

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args) if self.module is None else self.hook(self.module, *args)


class _Copy:
    """One tensor to be copied into a parameter or buffer."""

    def __init__(self, module: Any, name: str, key: str, current: Any, given: Any) -> None:
        self.module, self.name, self.key = module, name, key
        self.current, self.given = current, given

    def run(self, errors: list[str]) -> None:
        try:
            with torch.no_grad():
                self._write()
        except Exception as error:
            errors.append(
                f'While copying the parameter named "{self.key}", whose dimensions in the model '
                f"are {self.current.size()} and whose dimensions in the checkpoint are "
                f"{self.given.size()}, an exception occurred : {error.args}."
            )

    def _write(self) -> None:
        self.current.copy_(self.given)


class _Assignment(_Copy):
    """One tensor that takes the place of a parameter or buffer."""

    def _write(self) -> None:
        given = self.given
        if isinstance(self.current, Parameter):
            if not isinstance(given, Parameter):
                given = Parameter(given, self.current.requires_grad)
            else:
                given.requires_grad_(self.current.requires_grad)
        setattr(self.module, self.name, given)


class _Loading:
    """One run of `load_state_dict`.

    Copies wait in `copies` until everything is known to fit, so that an error leaves the module
    as it was. Code of the user's own may look at the values earlier (a hook after the load, an
    overridden `_load_from_state_dict`); before it runs, what waits is written.
    """

    def __init__(self, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> None:
        metadata = getattr(state_dict, "_metadata", None)
        # It comes from a file, as all of it does: what is no such description is none.
        self.metadata = metadata if isinstance(metadata, Mapping) else None
        self.state = OrderedDict(state_dict)
        unnamed = [key for key in self.state if not isinstance(key, str)]
        for key in unnamed:
            del self.state[key]
        if self.metadata is not None:
            self.state._metadata = self.metadata  # type: ignore[attr-defined]
        self.strict, self.assign = strict, assign
        self.keys = _IncompatibleKeys([], [str(key)[:100] for key in unnamed] if strict else [])
        self.errors: list[str] = []
        self.copies: list[_Copy] = []

    def load(self, module: Any, prefix: str, state: Any = None) -> None:
        state = self.state if state is None else state
        local = self._local(prefix)
        if self.assign:
            local["assign_to_params_buffers"] = True
        if _loads_as_we_do(module):
            local["deferred_copies"] = self.copies
        else:
            self.write()
        module._load_from_state_dict(state, prefix, local, True, *self.keys, self.errors)
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                # A view of the child's own keys keeps the search for unexpected ones linear.
                self.load(child, below, _below(state, below))
        for hook in module._load_state_dict_post_hooks.values():
            self.write()
            if hook(module, self.keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values, if incompatible_keys need to be modified, "
                    "it should be done inplace."
                )

    def _local(self, prefix: str) -> dict[str, Any]:
        """What the state dict says of one module: its version."""
        found = None if self.metadata is None else self.metadata.get(prefix[:-1])
        if not isinstance(found, Mapping):
            return {}
        local = dict(found)
        if not isinstance(local.get("version"), (int, NoneType)):
            del local["version"]
        return local

    def write(self) -> None:
        for each in self.copies:
            each.run(self.errors)
        self.copies.clear()

    def report_keys(self) -> None:
        for kind, keys in (("Unexpected", self.keys[1]), ("Missing", self.keys[0])):
            if keys:
                listed = ", ".join(f'"{key}"' for key in keys)
                self.errors.insert(0, f"{kind} key(s) in state_dict: {listed}. ")


def _below(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key.startswith(prefix)}


def _loads_as_we_do(module: Any) -> bool:
    """Whether the class's loader is one of this package's, which all write at the end."""
    loader = type(module)._load_from_state_dict
    return loader.__module__.partition(".")[0] == __name__.partition(".")[0]


def _overridden(module: Any, name: str) -> bool:
    return getattr(type(module), name) is not getattr(StateDictMixin, name)


def _mismatch(key: str, current: Any, given: Any) -> str | None:
    if not isinstance(given, torch.Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(given)}"
        )
    if given.dim() == 1 and current.dim() == 0 and len(given) > 0:
        return None
    if tuple(given.shape) != tuple(current.shape):
        return (
            f"size mismatch for {key}: copying a param with shape {given.shape} from "
            f"checkpoint, the shape in current model is {current.shape}."
        )
    return None
