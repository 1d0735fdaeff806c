"""What flambeau's and NumPy's objects are in a checkpoint: the names that PyTorch reads."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from pickle import PicklingError
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.serialization import program_objects, tensors
from flambeau.serialization.pickle_writer import Global, Persistent, Reduced
from flambeau.serialization.torch_globals import allowed_name


class Reductions:
    """Reduces the objects of one file, and collects the storages that they lie in.

    Args:
        legacy: whether the file has the form before PyTorch 1.6, whose references to storages
            carry one field more.
    """

    def __init__(self, legacy: bool = False) -> None:
        self._tail = (None,) if legacy else ()
        self._keys: dict[int, str] = {}
        self._storages: dict[str, tuple[Any, Any]] = {}

    def storages(self) -> Iterator[tuple[str, Any, np.ndarray[Any, Any]]]:
        """Each storage once, in the order in which it was met: key, dtype, bytes."""
        for key, (owner, dtype) in self._storages.items():
            data = tensors.storage_bytes(owner)
            yield key, dtype, data[: data.size - data.size % dtype.itemsize]

    def __call__(self, obj: Any) -> Global | Reduced | Persistent:
        if torch.nn.parameter.is_lazy(obj):
            return Reduced(_name_of_lazy(obj), (bool(obj.requires_grad),))
        if isinstance(obj, torch.nn.Parameter):
            return _parameter(obj)
        if isinstance(obj, torch.Tensor):
            return _sparse(obj) if obj.is_sparse else self._tensor(obj)
        if isinstance(obj, (torch.UntypedStorage, torch.TypedStorage)):
            flat = obj._tensor
            return self._storage(flat, flat.dtype)
        if isinstance(obj, torch.layout):
            return Reduced(Global("torch.serialization", "_get_layout"), (str(obj),))
        if isinstance(obj, torch.Size):
            return Reduced(Global("torch", "Size"), (tuple(obj),))
        if isinstance(obj, torch.device):
            index = () if obj.index is None else (obj.index,)
            return Reduced(Global("torch", "device"), (obj.type, *index))
        if isinstance(obj, torch.dtype):
            return Global("torch", tensors.dtype_name(obj))
        if isinstance(obj, (np.ndarray, np.generic, np.dtype)):
            return _numpy(obj)
        return _other(obj)

    def _tensor(self, obj: Any) -> Reduced:
        later = tensors.dtype_name(obj.dtype) in tensors.UNTYPED
        args: tuple[Any, ...] = (
            self._storage(obj, obj.dtype),
            int(obj.storage_offset()),
            tuple(obj.size()),
            tuple(obj.stride()),
            bool(obj.requires_grad),
            OrderedDict(),
            *((obj.dtype,) if later else ()),
        )
        rebuild = Global("torch._utils", "_rebuild_tensor_v3" if later else "_rebuild_tensor_v2")
        state = _attributes(obj)
        if not state:
            return Reduced(rebuild, args)
        whole = (rebuild, Global("torch", "Tensor"), args, state)
        return Reduced(Global("torch._tensor", "_rebuild_from_type_v2"), whole)

    def _storage(self, owner: Any, dtype: Any) -> Persistent:
        """A reference to a storage: of a tensor, or one that stands for itself."""
        name = tensors.dtype_name(dtype)
        kind = Global("torch", tensors.STORAGE_CLASSES.get(name, ""))
        if name in tensors.UNTYPED:
            kind, dtype = Global("torch.storage", "UntypedStorage"), torch.uint8
        elif not kind.name:
            raise PicklingError(f"a tensor of dtype {dtype}, which no file form has")
        identity = tensors.storage_id(owner)
        key = self._keys.setdefault(identity, str(len(self._keys)))
        first = self._storages.setdefault(key, (owner, dtype))[1]
        if first != dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types ({first} and {dtype}): clone() one of them before saving"
            )
        numel = tensors.storage_nbytes(owner) // dtype.itemsize
        return Persistent(("storage", kind, key, str(owner.device), numel, *self._tail))


def _parameter(obj: Any) -> Reduced:
    hooks: OrderedDict[str, Any] = OrderedDict()
    args = (obj.detach(), bool(obj.requires_grad), hooks)
    state = _attributes(obj)
    if not state:
        return Reduced(Global("torch._utils", "_rebuild_parameter"), args)
    return Reduced(Global("torch._utils", "_rebuild_parameter_with_state"), (*args, state))


def _name_of_lazy(obj: Any) -> Global:
    kind = "Parameter" if isinstance(obj, torch.nn.Parameter) else "Buffer"
    return Global("torch.nn.parameter", f"Uninitialized{kind}")


def _sparse(obj: Any) -> Reduced:
    parts = (obj._indices(), obj._values(), obj.size(), obj.is_coalesced())
    return Reduced(Global("torch._utils", "_rebuild_sparse_tensor"), (obj.layout, parts))


def _attributes(tensor: Any) -> dict[str, Any]:
    """What a user has hung on a tensor; our own fields begin with an underscore."""
    return {name: value for name, value in vars(tensor).items() if not name.startswith("_")}


def _numpy(obj: Any) -> Reduced:
    multiarray = "numpy._core.multiarray"
    if isinstance(obj, np.dtype):
        return _numpy_dtype(obj)
    if isinstance(obj, np.generic):
        return Reduced(Global(multiarray, "scalar"), (obj.dtype, obj.tobytes()))
    if type(obj) is not np.ndarray:
        raise PicklingError(f"an array of the class {type(obj).__name__}: save numpy.asarray(it)")
    fortran = obj.flags.f_contiguous and not obj.flags.c_contiguous
    state = (1, obj.shape, obj.dtype, fortran, obj.tobytes("F" if fortran else "C"))
    args = (Global("numpy", "ndarray"), (0,), b"b")
    return Reduced(Global(multiarray, "_reconstruct"), args, state=state)


def _numpy_dtype(dtype: np.dtype[Any]) -> Reduced:
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
        raise PicklingError(f"NumPy's dtype {dtype}: numbers, truth values and strings are saved")
    sizes = (dtype.itemsize, dtype.alignment) if dtype.kind in "SU" else (-1, -1)
    native = "<" if sys.byteorder == "little" else ">"
    order = native if dtype.byteorder == "=" else dtype.byteorder
    state = (3, order, None, None, None, *sizes, 0)
    return Reduced(Global("numpy", "dtype"), (dtype.str[1:], False, True), state=state)


def _other(obj: Any) -> Global | Reduced:
    """What is no data: by the name that was allowed for it, else as the program's own."""
    name = allowed_name(obj)
    if name is not None:
        return _split(name)
    if isinstance(obj, torch.nn.Module) and not program_objects.writes_itself(type(obj)):
        return program_objects.reduced(obj, _allowed_or_found)
    if isinstance(obj, dict) and type(obj) is type(torch.nn.Module()._modules):
        # A module that writes itself has given its tables as they are: PyTorch has plain ones.
        return Reduced(Global("collections", "OrderedDict"), (), items=dict(obj))
    if allowed_name(type(obj)) is not None:
        return program_objects.by_protocol(obj, _allowed_or_found)
    return program_objects.reduced(obj)


def _allowed_or_found(found: Any) -> Global:
    name = allowed_name(found)
    return program_objects.global_of(found) if name is None else _split(name)


def _split(name: str) -> Global:
    module, _, last = name.rpartition(".")
    return Global(module, last)
