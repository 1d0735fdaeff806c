"""The names that PyTorch's own checkpoints use, and what flambeau builds for them."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from random import Random
from types import MemberDescriptorType
from typing import Any

import flambeau as torch
from flambeau.errors import brief
from flambeau.serialization import tensors
from flambeau.serialization.pickle_reader import Known, PickleReader
from flambeau.serialization.plain_globals import PLAIN_BUILDERS, PLAIN_GLOBALS, set_attributes
from flambeau.serialization.tensors import LoadedStorage, StoragePart

_WIDEST = 16  # bytes of an element
_SLOT = MemberDescriptorType


class StorageType:
    """Stands for a class such as `torch.FloatStorage` in a file: the dtype it names."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.name = name
        self.dtype = dtype


# ------------------------------------------------------------------ tensors


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Any:
    if not isinstance(storage, (LoadedStorage, StoragePart)):
        raise UnpicklingError("a tensor without a storage")
    return storage.tensor(storage.dtype, size, stride, offset)


def _rebuild_tensor_v2(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    _hooks: Any = None,
    metadata: Any = None,
) -> Any:
    return _finish(_rebuild_tensor(storage, offset, size, stride), requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    _hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    if not isinstance(storage, (LoadedStorage, StoragePart)) or not isinstance(dtype, torch.dtype):
        raise UnpicklingError("a tensor without a storage or a dtype")
    return _finish(storage.tensor(dtype, size, stride, offset), requires_grad, metadata)


def _finish(tensor: Any, requires_grad: Any, metadata: Any) -> Any:
    if metadata:
        if type(metadata) is not dict:
            raise UnpicklingError(f"a tensor whose metadata are {brief(metadata)}")
        bits = [name for name in ("conj", "neg") if metadata.get(name)]
        if bits or set(metadata) - {"conj", "neg"}:
            tensor = _resolve(tensor, bits)
    if requires_grad is True:
        tensor.requires_grad_(True)
    return tensor


def _resolve(tensor: Any, bits: list[str]) -> Any:
    """PyTorch marks conjugated and negated views by a bit; here the values are computed."""
    if not bits:
        raise UnpicklingError("a tensor with metadata that flambeau does not know")
    if "conj" in bits:
        tensor = tensor.conj()
    return (-tensor if "neg" in bits else tensor).clone()


def _rebuild_parameter(data: Any, requires_grad: Any, _hooks: Any = None) -> Any:
    if not isinstance(data, torch.Tensor) or type(requires_grad) is not bool:
        raise UnpicklingError("a parameter without a tensor")
    return tensors.parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    parameter = _rebuild_parameter(data, requires_grad, hooks)
    _set_tensor_attributes(parameter, state)
    return parameter


def _rebuild_from_type(rebuild: Any, kind: Any, args: Any, state: Any) -> Any:
    """Tensors that carry attributes of their own."""
    builders: dict[Any, Callable[..., Any]] = {
        _rebuild_tensor_v2: _rebuild_tensor_v2,
        _rebuild_tensor_v3: _rebuild_tensor_v3,
        _rebuild_parameter: _rebuild_parameter,
    }
    if rebuild not in builders or not (kind is torch.Tensor or kind is torch.nn.Parameter):
        raise UnpicklingError("a tensor of a class that flambeau does not know")
    if type(args) is not tuple:
        raise UnpicklingError(f"a tensor is made of {brief(args)}")
    tensor = builders[rebuild](*args)
    if kind is torch.nn.Parameter and not isinstance(tensor, torch.nn.Parameter):
        tensor = tensors.parameter(tensor, tensor.requires_grad)
    if state:
        _set_tensor_attributes(tensor, state)
    return tensor


def _uninitialized(kind: type) -> Callable[..., Any]:
    """A constructor of the parameters or buffers of lazy modules that have no shape yet."""

    def construct(requires_grad: Any = False) -> Any:
        if type(requires_grad) is not bool:
            raise UnpicklingError(f"{kind.__name__} with requires_grad={brief(requires_grad)}")
        return kind(requires_grad)

    return construct


def _set_tensor_attributes(tensor: Any, state: Any) -> None:
    if isinstance(state, dict):
        # PyTorch's mark of a `torch.nn.Buffer`, which is a class of its own here.
        state = {name: value for name, value in state.items() if name != "_is_buffer"}
        for name in state:
            if type(name) is not str or name.startswith("_"):
                raise UnpicklingError(f"the file sets {brief(name)} of a tensor")
    set_attributes(tensor, state)


# ----------------------------------------------------------- everything else


def _size(items: Any = ()) -> Any:
    if type(items) not in (tuple, list) or any(type(n) is not int for n in items):
        raise UnpicklingError("a torch.Size of something else than integers")
    return torch.Size(items)


def _device(kind: Any, index: Any = None) -> Any:
    return torch.device(kind) if index is None else torch.device(kind, index)


def _layout(name: Any) -> Any:
    if type(name) is not str or name not in ("torch.strided", "torch.sparse_coo"):
        raise UnpicklingError(
            f"a tensor of layout {brief(name)}: flambeau has torch.strided and torch.sparse_coo"
        )
    return getattr(torch, name.removeprefix("torch."))


def _rebuild_sparse_tensor(layout: Any, parts: Any) -> Any:
    """A tensor of coordinates, whose indices are checked to lie inside."""
    if layout is not torch.sparse_coo:
        raise UnpicklingError(
            f"a sparse tensor of layout {brief(layout)}: torch.sparse_coo is read"
        )
    if type(parts) is not tuple or not 3 <= len(parts) <= 4:
        raise UnpicklingError(f"a sparse tensor made of {brief(parts)}")
    indices, values, size, *coalesced = parts
    if not isinstance(indices, torch.Tensor) or not isinstance(values, torch.Tensor):
        raise UnpicklingError("a sparse tensor without indices or values")
    size = _size(tuple(size) if isinstance(size, torch.Size) else size)
    if any(not 0 <= n < 2**63 for n in size) or indices.dtype != torch.int64:
        raise UnpicklingError(f"a sparse tensor of size {brief(tuple(size))}")
    if values.dim() and tuple(values.shape[1:]) != tuple(size[indices.size(0) :]):
        raise UnpicklingError("a sparse tensor whose values do not have its size")
    return torch.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced == [True])


def _cost_of_view(args: tuple[Any, ...]) -> int:
    """A tensor whose values are computed (`_resolve`) is copied; strides of zero make it large."""
    size = args[2] if len(args) > 2 else ()
    if not args or not args[-1] or type(args[-1]) is not dict or type(size) not in (tuple, list):
        return 0
    if len(size) > tensors.MAX_DIMENSIONS or any(type(n) is not int for n in size):
        return 0  # and refused where it is made
    return _WIDEST * math.prod(n % 2**64 for n in size)


def _cost_of_sparse(args: tuple[Any, ...]) -> int:
    parts = args[-1] if args and type(args[-1]) is tuple else ()
    return _WIDEST * sum(p.numel() for p in parts[:2] if isinstance(p, torch.Tensor))


@functools.cache
def _torch_globals() -> dict[str, Known]:
    table = dict(PLAIN_GLOBALS)
    for name, dtype in tensors.dtypes().items():
        table[f"torch.{name}"] = Known(dtype)
        cls = tensors.STORAGE_CLASSES.get(name)
        if cls is None:
            continue
        # One object for both names: two storages of a dtype are the same kind.
        known = Known(StorageType(cls, dtype))
        table[f"torch.{cls}"] = table[f"torch.cuda.{cls}"] = known
    untyped = Known(StorageType("UntypedStorage", torch.uint8))
    table["torch.storage.UntypedStorage"] = table["torch.UntypedStorage"] = untyped
    table["torch.Size"] = Known(torch.Size, _size, _size)
    table["torch.device"] = Known(torch.device, _device)
    table["torch.Tensor"] = Known(torch.Tensor)
    table["torch.nn.parameter.Parameter"] = Known(torch.nn.Parameter)
    for lazy in (torch.nn.UninitializedParameter, torch.nn.UninitializedBuffer):
        table[f"torch.nn.parameter.{lazy.__name__}"] = Known(lazy, _uninitialized(lazy))
    table["torch.serialization._get_layout"] = Known(_layout, _layout)
    costs = {
        _rebuild_tensor_v2: _cost_of_view,
        _rebuild_tensor_v3: _cost_of_view,
        _rebuild_sparse_tensor: _cost_of_sparse,
    }
    for rebuild in (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
        _rebuild_sparse_tensor,
    ):
        known = Known(rebuild, rebuild, cost=costs.get(rebuild))
        table[f"torch._utils.{rebuild.__name__}"] = known
    table["torch._tensor._rebuild_from_type_v2"] = Known(_rebuild_from_type, _rebuild_from_type)
    return table


def hint(name: str) -> str:
    """What to do about a global that is not known."""
    module = name.rpartition(".")[0]
    if module.startswith(("torch.nn.", "torchvision.", "torch.fx", "torch.jit")):
        return MODULE_HINT
    if module.startswith("torch."):
        return "It belongs to a part of PyTorch that flambeau can't load from a file."
    return (
        f"If the file holds a whole module: {MODULE_HINT[0].lower()}{MODULE_HINT[1:]}\n"
        "If it is a class that only holds data, and you trust it, allow it by name: "
        f"torch.serialization.add_safe_globals([{name.rpartition('.')[2]}])"
    )


MODULE_HINT = (
    "A whole module is code as much as data. If you trust the file, and the program has the "
    "module's class:\n"
    "    torch.load(path, weights_only=False)\n"
    "Better save its state dict, in the program that made it:\n"
    "    torch.save(model.state_dict(), 'weights.pt')\n"
    "and load that into a model that you make here:\n"
    "    model.load_state_dict(torch.load('weights.pt'))"
)


def _hint_to_import(name: str) -> str:
    """The same where the file is trusted."""
    module = name.rpartition(".")[0]
    if name.startswith(("torch.", "torchvision.")):
        return "It is PyTorch's, and flambeau has nothing of that name that a file can hold."
    if module.partition(".")[0] in sys.stdlib_module_names:
        return "It is Python's own, and of that only classes that hold data are made."
    return f"If it is the program's: import {module} before the file is loaded."


# ------------------------------------------------------------- the user's own

_allowed: list[Any] = []
_NEVER = ("sys", "os", "posix", "nt", "subprocess")


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Allow classes and functions of yours to be named, and so called, by the files you load.

    Args:
        safe_globals: classes and functions, or pairs of one and the full name in the file. An
            instance is made by `cls.__new__` and gets its attributes, or `__setstate__`.
    """
    for item in safe_globals:
        if item not in _allowed:
            _global_name(item)
            _allowed.append(item)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has allowed."""
    return list(_allowed)


def clear_safe_globals() -> None:
    """Take back everything that `add_safe_globals` has allowed."""
    _allowed.clear()


@contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """`add_safe_globals` for the length of a with statement."""
    before = list(_allowed)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _allowed[:] = before


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The full names of the classes and functions that a file asks for and `torch.load` would refuse.
    Nothing is loaded.

    Args:
        f: a path, or a file object.

    Raises:
        ValueError: the file does not have the form that `torch.save` writes since PyTorch 1.6, or
            is damaged.
    """
    from flambeau.serialization.files import Source
    from flambeau.serialization.legacy import NameCollector
    from flambeau.serialization.zipform import pickled_object

    with Source(f) as source:
        try:
            collector = NameCollector(pickled_object(source), {})
        except RuntimeError as error:
            raise ValueError(
                f"{source.name}: not a checkpoint in the zip form, which alone can be asked: {error}"
            ) from None
        source.leave_at(0)
    try:
        collector.load()
    except UnpicklingError as error:
        raise ValueError(f"{source.name}: the object in it is damaged: {error}") from None
    known = {*_torch_globals(), *(_global_name(item)[1] for item in _allowed)}
    return [name for name in collector.names if name not in known]


def _global_name(item: Any) -> tuple[Any, str]:
    if isinstance(item, tuple):
        if len(item) != 2 or type(item[1]) is not str:
            raise ValueError("expected a class or function, or a pair of one and its full name")
        found, name = item
    else:
        found, name = item, f"{item.__module__}.{item.__qualname__}"
        if name.startswith("flambeau."):  # in files, ours have PyTorch's names
            from flambeau.serialization.program_objects import global_of

            name = ".".join(global_of(found)[:2])
    if name.partition(".")[0] in _NEVER or found.__module__ in _NEVER:
        raise ValueError(f"{name} can't be allowed: it reaches outside of the program")
    return found, name


def allowed_name(found: Any) -> str | None:
    """The full name under which a class or function may be saved, where it was allowed."""
    for item in _allowed:
        candidate, name = _global_name(item)
        if candidate is found:
            return name
    return None


def _user_known(found: Any) -> Known:
    if isinstance(found, type):
        return Known(found, found, lambda *args, **kwargs: found.__new__(found, *args, **kwargs))
    return Known(found, found)


def _user_state(target: Any, state: Any) -> None:
    if isinstance(target, torch.Tensor):
        _set_tensor_attributes(target, state)
        return
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots: Any = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for name, value in (slots or {}).items():
        # A slot and nothing else: `__class__` and properties can be set as well.
        if type(name) is not str or type(getattr(type(target), name, None)) is not _SLOT:
            raise UnpicklingError(f"the file sets {brief(name)} of a {type(target).__name__}")
        setattr(target, name, value)


def reader(
    data: bytes,
    persistent_load: Callable[[Any], Any],
    *,
    kind: type[PickleReader] = PickleReader,
    encoding: str = "utf-8",
    start: int = 0,
    whole: bool = False,
    size: int = 0,
) -> PickleReader:
    """A pickle reader that knows PyTorch's names and those that the user has allowed.

    With `whole` it knows those of the library and the program too: `program_names`.
    """
    known: Any = _torch_globals()
    builders: Any = dict(PLAIN_BUILDERS)
    if _allowed:
        known = dict(known)
        for item in _allowed:
            found, name = _global_name(item)
            known.setdefault(name, _user_known(found))
            if isinstance(found, type):
                builders.setdefault(found, _user_state)
    if whole:
        from flambeau.serialization.program_classes import set_random_state
        from flambeau.serialization.program_names import ProgramBuilders, ProgramNames

        builders[Random] = set_random_state
        known, builders = ProgramNames(known), ProgramBuilders(builders, _user_state)
    return kind(
        data,
        known,
        builders,
        persistent_load=persistent_load,
        encoding=encoding,
        hint=_hint_to_import if whole else hint,
        start=start,
        size=size,
    )


def storage_reference(reference: Any, fields: int) -> tuple[Any, str, str, int]:
    """What a reference to a storage says: dtype, key, location, number of elements.

    Raises:
        pickle.UnpicklingError: it is no reference to a storage.
    """
    if type(reference) is not tuple or len(reference) != fields:
        raise UnpicklingError("the file refers to an object outside of it that is no storage")
    what, kind, key, location, numel = map(_text, reference[:5])
    if what == "module":
        raise UnpicklingError(f"the file holds a whole module. {MODULE_HINT}")
    if what != "storage" or not isinstance(kind, StorageType):
        raise UnpicklingError("the file refers to an object outside of it that is no storage")
    if type(key) is not str or type(location) is not str:
        raise UnpicklingError("a storage without a key or a location")
    if type(numel) is not int or not 0 <= numel < 2**62:
        raise UnpicklingError(f"a storage of {brief(numel)} elements")
    return kind.dtype, key, location, numel


def _text(field: Any) -> Any:
    if type(field) is not bytes:
        return field
    if not field.isascii():
        raise UnpicklingError(f"a storage is described by {brief(field)}")
    return field.decode()
