"""Which functions can be overridden with `__torch_function__`, and by what names they are known."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from types import FunctionType
from typing import Any

_MODULES = ("nn.functional", "linalg", "special", "fft", "nn.init")

_IGNORED = frozenset(
    """compile typename set_default_device get_default_device set_default_dtype get_default_dtype
    set_default_tensor_type manual_seed seed initial_seed get_rng_state set_rng_state is_tensor
    is_storage set_printoptions set_num_threads get_num_threads set_num_interop_threads
    get_num_interop_threads use_deterministic_algorithms are_deterministic_algorithms_enabled
    is_grad_enabled is_inference_mode_enabled promote_types can_cast broadcast_shapes row_function
    row_names install_rows is_deterministic_algorithms_warn_only_enabled set_flush_denormal
    set_float32_matmul_precision get_float32_matmul_precision set_warn_always is_warn_always_enabled
    set_deterministic_debug_mode get_deterministic_debug_mode is_autocast_enabled vmap save load
    boolean_dispatch has_torch_function handle_torch_function missing refusing""".split()
)
"""Functions of the namespace that don't work on tensors, or only switch something."""

CREATING = frozenset(
    """arange as_tensor asarray empty eye from_numpy frombuffer full linspace logspace ones tensor zeros
    rand randint randn randperm normal empty_strided empty_permuted scalar_tensor from_dlpack
    bartlett_window blackman_window hamming_window hann_window kaiser_window tril_indices triu_indices
    complex range""".split()
)
"""Functions that have no tensor among their arguments: modes see them, classes don't."""


def _functions(module: Any, names: Any) -> Iterator[tuple[str, FunctionType]]:
    for name in names:
        if name.startswith("_") or name in _IGNORED:
            continue
        value = vars(module).get(name)
        if isinstance(value, FunctionType):
            yield name, value


def python_functions() -> list[FunctionType]:
    """The functions on tensors that are written in Python and have been imported, rows' excluded."""
    import sys

    import flambeau

    found = [f for n, f in _functions(flambeau, list(vars(flambeau))) if n not in CREATING]
    for name in _MODULES:
        module = sys.modules.get(f"flambeau.{name}") or importlib.import_module(f"flambeau.{name}")
        found += [f for _, f in _functions(module, list(vars(module)))]
    return [f for f in found if not _of_row(f)]


def _of_row(function: FunctionType) -> bool:
    return function.__code__.co_filename.startswith("<flambeau row ")


def everything() -> list[FunctionType]:
    """All functions and methods there are so far, for modes; rows' functions that are made later are
    redirected when they are."""
    import flambeau

    from . import dispatch
    from .tensor import Tensor

    found = python_functions()
    found += [f for n, f in _functions(flambeau, CREATING)]
    found += [f for f in dispatch._made.values() if isinstance(f, FunctionType)]
    for base in Tensor.__mro__[:-1]:
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and name not in _METHODS_IGNORED:
                if name[0] != "_" or name[:2] == "__":
                    found.append(value)
    return found


def properties() -> list[tuple[FunctionType, Any]]:
    """The functions behind Tensor's properties, and what users know them as."""
    from .tensor import Tensor

    return [
        (value.fget, value.__get__)
        for base in Tensor.__mro__[:-1]
        for name, value in vars(base).items()
        if isinstance(value, property) and isinstance(value.fget, FunctionType) and name[0] != "_"
    ]


_METHODS_IGNORED = frozenset(
    """__new__ __init__ __init_subclass__ __dir__ __torch_function__ __hash__ as_subclass""".split()
)


@functools.cache
def names() -> dict[Any, list[Any]]:
    """What `get_overridable_functions` gives: for each namespace its functions."""
    import flambeau

    from .tensor import RowMethod, Tensor

    out: dict[Any, list[Any]] = {}
    names = [n for n in dir(flambeau) if not n.startswith("_") and n not in CREATING | _IGNORED]
    out[flambeau] = [f for f in (_got(flambeau, n) for n in names) if isinstance(f, FunctionType)]
    methods: list[Any] = []
    for base in Tensor.__mro__[:-1]:
        for name, value in list(vars(base).items()):
            if name in _METHODS_IGNORED or (name[0] == "_" and name[:2] != "__"):
                continue
            if isinstance(value, (FunctionType, RowMethod)):
                methods.append(getattr(Tensor, name))
            elif isinstance(value, property):
                methods.append(value.__get__)
    out[Tensor] = methods
    for name in _MODULES:
        module = importlib.import_module(f"flambeau.{name}")
        public = [n for n in dir(module) if not n.startswith("_") and n not in _IGNORED]
        out[module] = [f for f in (_got(module, n) for n in public) if isinstance(f, FunctionType)]
    return out


def _got(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except Exception:  # names that flambeau lacks
        return None


@functools.cache
def known_names() -> dict[Any, str]:
    """For each function the name that users know it by: torch.Tensor.add."""
    import flambeau

    from .tensor import Tensor

    out: dict[Any, str] = {}
    for module in (flambeau, *[importlib.import_module(f"flambeau.{n}") for n in _MODULES]):
        prefix = module.__name__.replace("flambeau", "torch", 1)
        for name in dir(module):
            value = _got(module, name)
            if isinstance(value, FunctionType) and not name.startswith("_"):
                out.setdefault(value, f"{prefix}.{name}")
    for base in Tensor.__mro__[:-1]:
        for name, value in list(vars(base).items()):
            if isinstance(value, property):
                out.setdefault(value.__get__, f"torch.Tensor.{name}.__get__")
                if value.fset is not None:
                    out.setdefault(value.__set__, f"torch.Tensor.{name}.__set__")
            elif callable(getattr(Tensor, name, None)):
                try:
                    out.setdefault(getattr(Tensor, name), f"torch.Tensor.{name}")
                except TypeError:
                    continue
    return out
