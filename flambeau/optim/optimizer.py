"""The base of every optimizer: parameter groups, state, hooks, and the form it is saved in."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ClassVar, TypeAlias

import flambeau as torch
from flambeau.errors import refusing

ParamsT: TypeAlias = (
    "Iterable[torch.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, torch.Tensor]]"
)
Hook = Callable[..., Any]
Hooks = OrderedDict[int, Hook]
Group = dict[str, Any]
StateDict = dict[str, Any]
Closure = Callable[[], Any]


class _Required:
    """Marks a default that has no value: every group must give its own."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_pre_hooks: Hooks = OrderedDict()
_global_post_hooks: Hooks = OrderedDict()


def _register(hooks: Hooks, hook: Hook, first: bool = False) -> Any:
    from flambeau.utils.hooks import RemovableHandle

    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if first:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Hook) -> Any:
    """Call `hook(optimizer, args, kwargs)` before the step of every optimizer.

    `args` starts with the optimizer itself. The hook may return a new `(args, kwargs)`.
    Returns a handle whose `remove()` takes the hook off again.
    """
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> Any:
    """Call `hook(optimizer, args, kwargs)` after the step of every optimizer."""
    return _register(_global_post_hooks, hook)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Run the step hooks around `step`, and end the recorded program of the iteration after it.

    A `step` that calls its parent's `step` counts once: only the outermost call runs the hooks.
    """

    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        optimizer = args[0]
        if optimizer._in_step:
            return step(*args, **kwargs)
        optimizer._in_step = True
        try:
            pre = chain(_global_pre_hooks.values(), optimizer._optimizer_step_pre_hooks.values())
            for hook in pre:
                args, kwargs = _changed_arguments(hook, optimizer, args, kwargs)
            result = step(*args, **kwargs)
        except MemoryError:
            optimizer._take_back()
            raise
        finally:
            optimizer._in_step = False
        if optimizer._opt_called is not None:
            optimizer._opt_called = True
        post = chain(optimizer._optimizer_step_post_hooks.values(), _global_post_hooks.values())
        for hook in post:
            hook(optimizer, args, kwargs)
        flush = getattr(torch, "_flush", None)
        if flush is not None:
            try:
                flush()
            except MemoryError:
                optimizer._take_back()
                raise
        return result

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


def _changed_arguments(
    hook: Hook, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    result = hook(optimizer, args, kwargs)
    if result is None:
        return args, kwargs
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(
        f"a step pre-hook of {type(optimizer).__name__} must return None or a tuple of "
        f"(new_args, new_kwargs), but got {result}"
    )


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: the tensors to optimize, `(name, tensor)` pairs as `named_parameters()` gives
            them, or dicts with a `params` entry and options of their own (parameter groups).
            The order must be the same from run to run, so a set is refused.
        defaults: the options that a group which does not give them gets.

    A subclass overrides `step`. Its state lives in `state[parameter]`, a dict of tensors and
    plain values; `state_dict` numbers the parameters in the order of the groups.
    """

    # Options that older saved forms of the class lack, with the value they stand for.
    _option_fallbacks: ClassVar[dict[str, Any]] = {}
    # Entries of the state that are 0-d tensors, and were plain numbers in older saved forms.
    _scalar_states: ClassVar[tuple[str, ...]] = ()

    _optimizer_step_pre_hooks: Hooks
    _optimizer_step_post_hooks: Hooks
    _optimizer_state_dict_pre_hooks: Hooks
    _optimizer_state_dict_post_hooks: Hooks
    _optimizer_load_state_dict_pre_hooks: Hooks
    _optimizer_load_state_dict_post_hooks: Hooks
    _in_step = False
    # None until a learning-rate scheduler asks to know whether `step` was called.
    _opt_called: bool | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if callable(step) and not getattr(step, "hooked", False):
            cls.step = _with_hooks(step)  # type: ignore[method-assign]

    profile_hook_step = staticmethod(_with_hooks)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Here, as wrappers of another optimizer (Lookahead, say) often don't call __init__.
        made = super().__new__(cls)
        made._make_hooks()
        return made

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        if isinstance(params, torch.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}; for one parameter write [param]"
            )
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        for point in ("step", "state_dict", "load_state_dict"):
            for when in ("pre", "post"):
                self.__dict__.setdefault(f"_optimizer_{point}_{when}_hooks", OrderedDict())

    # ---- parameter groups -------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize further parameters, with options of their own.

        Args:
            param_group: a dict with `params` (a tensor, a list of tensors, or of
                `(name, tensor)` pairs) and any options; the optimizer keeps this very dict
                and fills in its defaults.

        Raises:
            TypeError: not a dict, parameters in a set, or something that is no tensor.
            ValueError: a tensor that is no leaf, one that another group already has, a
                required option missing, or some parameters named and others not.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if "params" not in param_group:
            raise KeyError(f"'params' is missing in the param_group, which has {list(param_group)}")
        params, names = _split_names(param_group["params"])
        self._check_params(params)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
        self._check_against_groups(params, bool(names) or "param_names" in param_group)

        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        if len(params) != len({id(p) for p in params}):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, "
                "this will cause an error",
                stacklevel=3,
            )
        self.param_groups.append(param_group)

    def _check_params(self, params: list[Any]) -> None:
        for p in params:
            if not isinstance(p, torch.Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(p).__module__}.{type(p).__qualname__}"
                )
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError(
                    "can't optimize a non-leaf Tensor: this one, of shape "
                    f"{tuple(p.shape)}, is the result of {type(p.grad_fn).__name__}"
                )

    def _check_against_groups(self, params: list[torch.Tensor], named: bool) -> None:
        taken: set[int] = set()
        for group in self.param_groups:
            taken.update(id(p) for p in group["params"])
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer"
                )
        if not taken.isdisjoint(id(p) for p in params):
            raise ValueError("some parameters appear in more than one parameter group")

    def __repr__(self) -> str:
        groups = []
        for i, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            groups.append(f"Parameter Group {i}\n" + "".join(lines))
        return f"{type(self).__name__} (\n" + "\n".join(groups) + ")"

    # ---- the loop ---------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: clears the gradients, computes the loss, calls `backward` and returns the
                loss, for algorithms that evaluate it more than once.

        Returns the closure's loss, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def _take_back(self) -> None:
        """Undo a step that is recorded and could not be computed for lack of memory, if this
        optimizer can: it is done as a whole, or not at all."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters: drop them, or with `set_to_none=False` fill
        them with zeros. A parameter whose gradient is None is skipped by `step`; one whose
        gradient is zero is not.
        """
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    # ---- saving -----------------------------------------------------------------------

    def state_dict(self) -> StateDict:
        """The optimizer's state, in PyTorch's form.

        `state` maps a parameter's number to its state, `param_groups` holds each group's
        options with the numbers of its parameters. Tensors are the live ones, not copies.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), i)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            start += len(packed["params"])
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, torch.Tensor) else key: value
            for key, value in self.state.items()
        }
        result: StateDict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over what `state_dict` gave: options, and the state of parameters by number.

        Tensors are copied, on their parameter's device and, if both are floating, with its
        dtype (`step` keeps its own). Create learning-rate schedulers before this call: they set the
        learning rate when they are created.

        Raises:
            ValueError: another number of groups, or of parameters in one of them, or something
                else than an optimizer's `state_dict()` gives. The optimizer is unchanged then.
            KeyError: "state" or "param_groups" is missing.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(
                f"load_state_dict(): expected an optimizer's state dict, not {type(state_dict)}"
            )
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups = self.param_groups
        _check_form(state_dict)
        _check_sizes(groups, state_dict["param_groups"])
        try:
            state, saved = self._adopted(state_dict)
        except RecursionError:
            raise ValueError("load_state_dict(): the state dict nests too deep") from None
        for group, new in zip(groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        before = self.__dict__.copy()
        try:
            self.__setstate__({"state": state, "param_groups": saved})
        except Exception:
            self.__dict__.update(before)
            raise
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _adopted(self, state_dict: StateDict) -> tuple[defaultdict[Any, Any], list[Group]]:
        """Copies of a loaded state, by parameter, and of its groups."""
        from copy import deepcopy

        saved = deepcopy(state_dict["param_groups"])
        owners: dict[Any, tuple[torch.Tensor, Group]] = {}
        for group, new in zip(self.param_groups, saved, strict=True):
            for number, p in zip(new["params"], group["params"], strict=True):
                owners[number] = (p, new)
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in owners:
                p, new = owners[key]
                if not isinstance(value, dict):
                    raise ValueError(
                        f"load_state_dict(): the state of parameter {key} is a "
                        f"{type(value).__name__}, not a dict"
                    )
                state[p] = _adopted(p, value, new, None, {})
            else:
                state[key] = value
        return state, saved

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:
            for name, value in self._option_fallbacks.items():
                group.setdefault(name, value)
            for p in group["params"]:
                self._restore_scalars(self.state.get(p) or {}, bool(group.get("fused")))

    def _restore_scalars(self, state: dict[str, Any], fused: bool) -> None:
        for name in self._scalar_states:
            if name in state and not isinstance(state[name], torch.Tensor):
                state[name] = torch.tensor(float(state[name]), dtype=scalar_dtype(fused), device="cpu")

    # ---- hooks ------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Hook) -> Any:
        """Call `hook(optimizer, args, kwargs)` before each step. `args` starts with the
        optimizer itself; the hook may return a new `(args, kwargs)`. Returns a handle with
        `remove()`.
        """
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> Any:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` before `state_dict` collects; `prepend` puts it first."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` on the result of `state_dict`; what it returns,
        unless None, replaces the result.
        """
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` on a shallow copy of what is to be loaded; what
        it returns, unless None, is loaded instead.
        """
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _split_names(given: Any) -> tuple[list[Any], list[str]]:
    """The tensors of a group's `params`, and their names if they came as pairs."""
    if isinstance(given, torch.Tensor):
        return [given], []
    if isinstance(given, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    entries = list(given)
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names and len(names) != len(entries):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing: "
            f"{len(names)} of {len(entries)} have one"
        )
    return [entry[1] if isinstance(entry, tuple) else entry for entry in entries], names


def _check_sizes(groups: list[Group], saved: list[Group]) -> None:
    if len(groups) != len(saved):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: "
            f"{len(saved)}, the optimizer has {len(groups)}"
        )
    for i, (group, new) in enumerate(zip(groups, saved, strict=True)):
        if len(group["params"]) != len(new["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                f"optimizer's group: group {i} has {len(new['params'])} parameters in the "
                f"dict and {len(group['params'])} here"
            )


def _check_form(state_dict: StateDict) -> None:
    """Refuses what is no optimizer's state dict, so that nothing is changed by half."""
    state, groups = state_dict["state"], state_dict["param_groups"]
    if not isinstance(state, dict) or not isinstance(groups, list):
        raise ValueError(
            "load_state_dict(): expected a dict as 'state' and a list as 'param_groups', not "
            f"{type(state).__name__} and {type(groups).__name__}"
        )
    for i, group in enumerate(groups):
        if not isinstance(group, dict) or not isinstance(group.get("params"), (list, tuple)):
            raise ValueError(f"load_state_dict(): param_groups[{i}] is no dict with 'params'")


def _adopted(p: torch.Tensor, value: Any, group: Group, key: Any, seen: dict[int, Any]) -> Any:
    """A copy of a loaded value that fits parameter `p`; containers are copied with it, each once."""
    if isinstance(value, torch.Tensor):
        _check_extent(p, value, key)
        if key == "step" and not (group.get("fused") or group.get("capturable")):
            return value.clone()
        if key == "step":
            return value.to(dtype=torch.float32, device=p.device).clone()
        if p.is_floating_point():
            return value.to(dtype=p.dtype, device=p.device).clone()
        return value.to(device=p.device).clone()
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) not in seen:
        if isinstance(value, dict):
            copied: Any = {k: _adopted(p, v, group, k, seen) for k, v in value.items()}
        else:
            copied = type(value)([_adopted(p, v, group, None, seen) for v in value])
        seen[id(value)] = copied
    return seen[id(value)]


def _check_extent(p: torch.Tensor, value: torch.Tensor, key: Any) -> None:
    """Refuses a tensor that strides of zero make larger than its memory and the parameter."""
    if value.numel() > p.numel() and not value.is_sparse:
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(
                f"load_state_dict(): {key!r:.40} of shape {list(value.shape)} is larger than its "
                f"storage, and belongs to a parameter of shape {list(p.shape)}"
            )


def scalar_dtype(fused: bool = False) -> torch.dtype:
    """The dtype of step counters: double only where the default dtype is double."""
    if not fused and torch.get_default_dtype() == torch.float64:
        return torch.float64
    return torch.float32


def as_scalar(value: float | torch.Tensor) -> float | torch.Tensor:
    """A hyperparameter as a number, or as a 0-d tensor where it was a tensor of one element."""
    if isinstance(value, torch.Tensor) and value.dim() != 0:
        return value.squeeze()
    return value


_lacking = refusing(__name__)


def __getattr__(name: str) -> Any:
    from . import _copied

    return getattr(_copied, name) if name in vars(_copied) else _lacking(name)
