"""What runs around `forward`: handles of hooks, the hooks of all modules, backward hooks."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import flambeau as torch
from flambeau.autograd.handles import RemovableHandle
from flambeau.errors import users_line

__all__ = [
    "BackwardHook",
    "RemovableHandle",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


def add_hook(
    hooks: OrderedDict[int, Any], hook: Any, *flags: OrderedDict[int, Any], prepend: bool = False
) -> RemovableHandle:
    """Enter `hook`, and its id in each of `flags`, first or last in the order of calls."""
    handle = RemovableHandle(hooks, extra_dict=flags)
    hooks[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


# --- hooks of all modules -------------------------------------------------------------------

_global_parameter_registration_hooks: OrderedDict[int, Any] = OrderedDict()
_global_buffer_registration_hooks: OrderedDict[int, Any] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, Any] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Any] = OrderedDict()
# True: full hooks; False: the deprecated kind; None while there are none.
_global_is_full_backward_hook: bool | None = None

# One look at this tells `Module.__call__` that none of the above that concern a call is set.
_global_call_hooks: OrderedDict[int, Any] = OrderedDict()


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, parameter)` at every registration; a result replaces it."""
    return add_hook(_global_parameter_registration_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` at every registration; a result replaces it."""
    return add_hook(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` at every registration; a result replaces it."""
    return add_hook(_global_module_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, args)` before every module's `forward`, for debugging and profiling."""
    return add_hook(_global_forward_pre_hooks, hook, _global_call_hooks)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every module's `forward`."""
    flags = [_global_call_hooks]
    if with_kwargs:
        flags.append(_global_forward_hooks_with_kwargs)
    if always_call:
        flags.append(_global_forward_hooks_always_called)
    return add_hook(_global_forward_hooks, hook, *flags)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The deprecated form of `register_module_full_backward_hook`."""
    _choose_global_backward_kind(full=False)
    return add_hook(_global_backward_hooks, hook, _global_call_hooks)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward."""
    return add_hook(_global_backward_pre_hooks, hook, _global_call_hooks)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after every module's backward."""
    _choose_global_backward_kind(full=True)
    return add_hook(_global_backward_hooks, hook, _global_call_hooks)


def _choose_global_backward_kind(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as global Module "
            "hooks: use only register_module_full_backward_hook"
        )
    _global_is_full_backward_hook = full


# --- a call with hooks ----------------------------------------------------------------------


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward(*args, **kwargs)` with every hook that concerns it."""
    if not (module._forward_hooks_always_called or _global_forward_hooks_always_called):
        return _run(module, args, kwargs, set())
    called: set[int] = set()
    try:
        return _run(module, args, kwargs, called)
    except Exception:
        _run_always_called(module, args, kwargs, called)
        raise


def _run(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]) -> Any:
    full_hooks, old_hooks = _backward_hooks_of(module)
    pre_hooks = [*_global_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
    args, kwargs = _run_forward_pre_hooks(module, args, kwargs)
    backward = None
    if full_hooks or pre_hooks:
        backward = BackwardHook(module, full_hooks, pre_hooks)
        args = backward.setup_input_hook(args)
    result = module.forward(*args, **kwargs)
    result = _run_forward_hooks(module, args, kwargs, result, called)
    if backward is not None:
        if isinstance(result, (torch.Tensor, tuple)):
            result = backward.setup_output_hook(result)
        else:
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple "
                f"of Tensors but received {type(result)}",
                stacklevel=4,
            )
    if old_hooks:
        _attach_old_backward_hooks(module, args, result, old_hooks)
    return result


def _run_forward_pre_hooks(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    hooks = (*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items())
    for key, hook in hooks:
        if key in module._forward_pre_hooks_with_kwargs:
            result = hook(module, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {result}."
                    )
                args, kwargs = result
        else:
            result = hook(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
    return args, kwargs


def _run_forward_hooks(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, called: set[int]
) -> Any:
    hooks = (*_global_forward_hooks.items(), *module._forward_hooks.items())
    for key, hook in hooks:
        if _is_always_called(module, key):
            called.add(key)
        replaced = _call_forward_hook(module, key, hook, args, kwargs, result)
        if replaced is not None:
            result = replaced
    return result


def _run_always_called(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]
) -> None:
    """After a failed call: the hooks that were promised to run, as far as they did not."""
    for key, hook in (*_global_forward_hooks.items(), *module._forward_hooks.items()):
        if key in called or not _is_always_called(module, key):
            continue
        try:
            _call_forward_hook(module, key, hook, args, kwargs, None)
        except Exception as error:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was "
                f"silenced as another error was raised in forward: {error}",
                stacklevel=4,
            )


def _is_always_called(module: Any, key: int) -> bool:
    return key in module._forward_hooks_always_called or key in _global_forward_hooks_always_called


def _call_forward_hook(
    module: Any, key: int, hook: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Any:
    if key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
        return hook(module, args, kwargs, result)
    return hook(module, args, result)


# --- backward hooks -------------------------------------------------------------------------


class BackwardHookFunction(torch.autograd.Function):
    """The identity on some tensors; its backward hands their gradients to a callback."""

    @staticmethod
    def forward(ctx: Any, callback: Any, *tensors: torch.Tensor) -> Any:
        ctx.callback = callback
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[each for each in tensors if not each.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.callback(grads)


class BackwardHook:
    """One call's backward hooks: an identity node before the module, and one behind it.

    The one behind sees `grad_output`, runs the pre-hooks and may change it; the one before sees
    `grad_input` and runs the hooks. Where no input needs a gradient there is no node before, and
    the hooks run with `grad_output`, every `grad_input` being None.
    """

    def __init__(self, module: Any, hooks: list[Any], pre_hooks: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_count = 0
        self.input_positions: list[int] = []
        self.output_count = 0
        self.output_positions: list[int] = []
        self.inputs_need_grad = False

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        args, self.input_positions, self.inputs_need_grad = _through(args, self._at_inputs)
        return args

    def setup_output_hook(self, result: Any) -> Any:
        if isinstance(result, torch.Tensor):
            (result,) = self._outputs_through((result,))
            return result
        changed = self._outputs_through(result)
        return type(result)(*changed) if hasattr(result, "_fields") else changed

    def _outputs_through(self, outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.output_count = len(outputs)
        outputs, self.output_positions, _ = _through(outputs, self._at_outputs)
        return outputs

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _scatter(grads, self.output_positions, self.output_count)
        for hook in self.pre_hooks:
            replaced = hook(self.module, full)
            if replaced is None:
                continue
            full = _checked(replaced, len(full), "grad_output", "Backward pre hook")
        self.grad_outputs = full
        if not self.inputs_need_grad:
            if self.hooks:
                warnings.warn(
                    "Full backward hook is firing when the gradients of the module's outputs are "
                    "there: no input requires a gradient, and grad_input holds None",
                    stacklevel=users_line(),
                )
            for hook in self.hooks:
                if hook(self.module, (None,) * self.input_count, full) is not None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
            self.grad_outputs = None
        return tuple(full[position] for position in self.output_positions)

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_outputs is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one. This "
                "happens because the gradient in your nn.Module flows to the Module's input "
                "without passing through the Module's output."
            )
        full = _scatter(grads, self.input_positions, self.input_count)
        for hook in self.hooks:
            replaced = hook(self.module, full, self.grad_outputs)
            if replaced is None:
                continue
            full = _checked(replaced, len(full), "grad_input", "Backward hook")
        self.grad_outputs = None
        return tuple(full[position] for position in self.input_positions)


def _through(args: tuple[Any, ...], callback: Any) -> tuple[tuple[Any, ...], list[int], bool]:
    """Send the tensors among `args` through an identity node, if one of them needs a gradient."""
    positions = [i for i, each in enumerate(args) if isinstance(each, torch.Tensor)]
    needed = torch.is_grad_enabled() and any(args[i].requires_grad for i in positions)
    if not needed:
        return args, positions, False
    results = BackwardHookFunction.apply(callback, *[args[i] for i in positions])
    changed = list(args)
    for position, result in zip(positions, results, strict=True):
        changed[position] = result
    return tuple(changed), positions, True


def _scatter(values: Iterable[Any], positions: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for position, value in zip(positions, values, strict=True):
        full[position] = value
    return tuple(full)


def _checked(replaced: Any, count: int, what: str, who: str) -> tuple[Any, ...]:
    result = replaced if isinstance(replaced, tuple) else (replaced,)
    if len(result) != count:
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(result)}, but expected {count}"
        )
    return result


def _backward_hooks_of(module: Any) -> tuple[list[Any], list[Any]]:
    """The full hooks and the deprecated ones, those of all modules first."""
    full: list[Any] = []
    old: list[Any] = []
    (full if _global_is_full_backward_hook else old).extend(_global_backward_hooks.values())
    (full if module._is_full_backward_hook else old).extend(module._backward_hooks.values())
    return full, old


def _attach_old_backward_hooks(module: Any, args: Any, result: Any, hooks: list[Any]) -> None:
    """The deprecated kind: on the node that made the first output, whatever it computes."""
    tensor = result
    while not isinstance(tensor, torch.Tensor):
        if isinstance(tensor, dict):
            tensor = next(each for each in tensor.values() if isinstance(each, torch.Tensor))
        else:
            tensor = tensor[0]
    node = tensor.grad_fn
    if node is not None:
        for hook in hooks:
            node.register_hook(lambda *grads, _hook=hook: _hook(module, *grads))
        _warn_of_old_hook(args, result, node)


def _warn_of_old_hook(args: Any, result: Any, node: Any) -> None:
    """FutureWarning where a hook on `node` does not see the module's own gradients."""
    outputs = (result,) if isinstance(result, torch.Tensor) else result
    if not (isinstance(outputs, tuple) and all(isinstance(x, torch.Tensor) for x in outputs)):
        why = "on a module that does not return a Tensor or a tuple of Tensors"
    elif not all(isinstance(x, torch.Tensor) for x in args):
        why = "on a module that takes something else than Tensors"
    else:
        found = {x.grad_fn for x in outputs if x.grad_fn is not None}
        before = {x.grad_fn for x in args if x.grad_fn is not None}
        if len(found) == 1 and node not in found:
            why = "when outputs come of different autograd nodes"
        elif before != {function for function, _ in node.next_functions}:
            why = "when the forward pass makes more than one autograd node"
        else:
            return
    warnings.warn(
        f"Using a non-full backward hook {why} is deprecated: it misses some grad_input or "
        "grad_output. Write register_full_backward_hook instead",
        FutureWarning,
        stacklevel=5,
    )
