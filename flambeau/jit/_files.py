"""`torch.jit.save` and `load`: modules in files."""

from __future__ import annotations

import sys
import zipfile
from pickle import UnpicklingError
from typing import Any

import flambeau as torch
from flambeau import nn

from ._modules import double, plain

_MARK = "flambeau.jit"
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.dtype, torch.device,
          torch.Size)  # fmt: skip
_REGISTERED = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")


def save(m: Any, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
    """Write a module with its parameters and attributes, and more text in `_extra_files`.

    The file is a checkpoint, as `torch.save` writes it. Of a module it holds its class's name and
    its attributes; hooks are left out.

    Raises:
        TypeError: `m` is no module, or has an attribute that is no plain data.
    """
    if not isinstance(m, nn.Module):
        raise TypeError(f"torch.jit.save() takes a module, not {type(m).__name__}")
    torch.save({_MARK: 1, "module": _described(m, type(plain(m)).__name__), "extra": dict(_extra_files or {})}, f)


def load(f: Any, map_location: Any = None, _extra_files: dict[str, Any] | None = None,
         _restore_shapes: bool = False) -> Any:  # fmt: skip
    """Read a module that `save` has written. No code of the file's is run: the program has to have
    imported the module's class.

    `_extra_files` is a dictionary whose values are filled in.

    Raises:
        RuntimeError: the file is TorchScript's, which holds compiled code, or none of `save`'s.
        pickle.UnpicklingError: a class has not been imported.
    """
    if _is_torchscript(f):
        raise RuntimeError(
            "torch.jit.load: this is a TorchScript archive, whose compiled code flambeau does not "
            "run; save the weights with PyTorch, torch.save(model.state_dict(), f), and load them "
            "into the model made from its source: model.load_state_dict(torch.load(f))"
        )
    found = torch.load(f, map_location=map_location)
    if not isinstance(found, dict) or _MARK not in found:
        raise RuntimeError(
            "torch.jit.load: this file holds no module that torch.jit.save has written; "
            "torch.load(f) reads checkpoints"
        )
    for name in _extra_files or ():
        _extra_files[name] = found["extra"].get(name, "")  # type: ignore[index]
    return double(_rebuilt(found["module"]))


def _is_torchscript(f: Any) -> bool:
    start = f.tell() if hasattr(f, "tell") else 0
    try:
        with zipfile.ZipFile(f) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
    finally:
        if hasattr(f, "seek"):
            f.seek(start)


# --- modules as plain data ----------------------------------------------------------------------


def _described(module: Any, where: str) -> dict[str, Any]:
    """A module's class and contents."""
    module = plain(module)
    inner = module._modules.items()
    skipped = {*_REGISTERED, *vars(nn.Module()), *module._parameters, *module._buffers,
               *module._modules}  # fmt: skip
    attributes = {k: v for k, v in vars(module).items() if k not in skipped}
    return {
        "class": f"{type(module).__module__}:{type(module).__qualname__}",
        "training": module.training,
        "parameters": dict(module._parameters),
        "buffers": dict(module._buffers),
        "transient": sorted(module._non_persistent_buffers_set),
        "modules": {k: None if m is None else _described(m, f"{where}.{k}") for k, m in inner},
        "attributes": {k: _encoded(v, f"{where}.{k}") for k, v in attributes.items()},
    }


def _encoded(value: Any, where: str) -> Any:
    """An attribute as plain data: containers as pairs of their kind and contents."""
    if isinstance(value, _PLAIN) and not isinstance(value, nn.Module):
        return value
    if type(value) in (list, tuple, set, frozenset):
        return [type(value).__name__, [_encoded(x, where) for x in value]]
    if isinstance(value, dict):
        return ["dict", [[_encoded(k, where), _encoded(v, where)] for k, v in value.items()]]
    name = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"
    if _named(name) is value:
        return ["name", name]
    raise TypeError(
        f"torch.jit.save: {where} is a {type(value).__name__}, and only tensors, numbers, strings, "
        "containers and importable functions can be saved; keep model.state_dict() instead"
    )


_CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _decoded(value: Any) -> Any:
    if type(value) is not list:
        return value
    kind, content = value
    if kind == "dict":
        return {_decoded(k): _decoded(v) for k, v in content}
    if kind == "name":
        found = _named(content)
        if found is None:
            raise UnpicklingError(f"torch.jit.load: {content} is not there: import it first")
        return found
    return _CONTAINERS[kind](_decoded(x) for x in content)


def _named(name: str) -> Any:
    """A class, or a function of the torch namespaces, of a module that has been imported."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    ours = (module + ".").startswith("flambeau.") and callable(found)
    return found if ours or (isinstance(found, type) and issubclass(found, nn.Module)) else None


def _rebuilt(described: dict[str, Any]) -> Any:
    cls = _named(described["class"])
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise UnpicklingError(
            f"torch.jit.load: the file's module is of the class {described['class']}, which this "
            "program has not imported; import it first"
        )
    module: Any = object.__new__(cls)
    nn.Module.__init__(module)
    for name, parameter in described["parameters"].items():
        module.register_parameter(name, parameter)
    for name, buffer in described["buffers"].items():
        module.register_buffer(name, buffer, persistent=name not in described["transient"])
    for name, inner in described["modules"].items():
        module.register_module(name, None if inner is None else _rebuilt(inner))
    vars(module).update({k: _decoded(v) for k, v in described["attributes"].items()})
    vars(module)["training"] = described["training"]
    return module
