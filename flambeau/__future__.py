"""`torch.__future__`: how modules are converted, for programs that ask for another way."""

from __future__ import annotations

__all__ = [
    "get_overwrite_module_params_on_conversion", "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion", "set_swap_module_params_on_conversion",
]  # fmt: skip

_overwrite = False
_swap = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """True: `module.to` and the like give a module new parameters, and those it had stay as they are.
    False, as at first: the parameters stay the same objects and get new content."""
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Whether modules get new parameters when they are converted."""
    return _overwrite


def set_swap_module_params_on_conversion(value: bool) -> None:
    """True: parameters stay the same objects through conversions and `load_state_dict`. Here they
    always do, unless overwriting was asked for, over which this has precedence."""
    global _swap
    _swap = value


def get_swap_module_params_on_conversion() -> bool:
    """Whether parameters were asked to stay the same objects."""
    return _swap
