"""Saving and loading: PyTorch's two checkpoint forms and safetensors.

Loading builds tensors and plain data and never executes what a file says; a file that asks for
code is refused with the name it asked for. With `weights_only=False` it also makes objects of the
classes that the library and the program define (`program_names`).
"""

from __future__ import annotations

import os
from typing import Any

from flambeau.serialization.torch_globals import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    safe_globals,
)

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]


class SourceChangeWarning(Warning):
    """What PyTorch warned of where a class's source had changed. For filters that name it."""


def default_restore_location(storage: Any, location: Any) -> Any:
    """A storage on the device of that name, for functions given as `map_location`."""
    from flambeau.serialization.locations import place

    return place(storage, str(location), None)


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Save an object to a file that this library and PyTorch can load.

    A path is written whole or not at all: what was there before stays until the new file is
    complete and on the disk, whatever happens (`serialization/whole_files.py` says how). The same
    content gives the same bytes. A path that ends in `.safetensors` gets that form, which holds a
    flat dict of tensors.

    Args:
        obj: tensors, parameters, numbers, text, bytes, None, dtypes, devices, sizes, NumPy arrays,
            and lists, tuples, dicts, sets of them: state dicts above all. Tensors that share
            memory share it when they are loaded again. Whole modules and other objects are
            written as the names of their classes and their attributes.
        f: a path, or a file object with `write`.
        pickle_module: accepted for PyTorch's sake; only Python's own `pickle` can be named.
        pickle_protocol: accepted for PyTorch's sake; protocol 2 is written, which all read.
        _use_new_zipfile_serialization: False writes the form that PyTorch had before 1.6.

    Raises:
        pickle.PicklingError: `obj` holds what no name leads to, such as a lambda.
        RuntimeError: the folder does not exist, or tensors of different dtypes share memory.
        OSError: the file can't be written; what was there before is as it was.
    """
    from flambeau.serialization import legacy, safe_tensors, zipform
    from flambeau.serialization.whole_files import atomic_file, sink

    _check_pickle_module(pickle_module)
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be a path, or a file object with write(), "
                f"but got {type(f).__name__!r}"
            )
        if _use_new_zipfile_serialization:
            zipform.write(obj, sink(f), "archive")
        else:
            legacy.write(obj, sink(f))
        return
    path = os.fspath(f)
    if path.endswith(".safetensors"):
        safe_tensors.save_file(obj, path)
        return
    with atomic_file(path) as file:
        if _use_new_zipfile_serialization:
            zipform.write(obj, file, _prefix(path))
        else:
            legacy.write(obj, file)


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what `save`, or PyTorch's own, has saved. The form is found from the content.

    Args:
        f: a path, or a file object opened in binary mode; also the index of safetensors files,
            `….safetensors.index.json`, or a folder with one or with a `model.safetensors`.
        map_location: where storages go: a device or its name, a dict from the places in the file
            to places here, or a function of storage and place; None keeps the file's places.
        pickle_module: accepted for PyTorch's sake; only Python's own `pickle` can be named.
        weights_only: False makes whole modules and other objects as well, of classes that the
            library or the program defines: for files that you trust. Nothing else that a file
            names is imported or called even then. With True, classes of your own that only hold
            data can be allowed with `torch.serialization.add_safe_globals`.
        mmap: map the file's tensors into memory instead of reading them (paths only). Programs
            must not write into the file while it is mapped: `save` replaces files and is safe.
            Where one makes it shorter, Linux gives zeros and a `TruncatedMapError`, an OSError;
            elsewhere the process may end.
        pickle_load_args: `encoding`, for text in files that Python 2 has written.

    Raises:
        pickle.UnpicklingError: the file is damaged, or asks for a name that is not known.
        RuntimeError: it is no checkpoint, or its tensors are on a device that is not here.
        EOFError: it is empty.
    """
    from flambeau.serialization import legacy, safe_shards, safe_tensors, zipform
    from flambeau.serialization.files import Source

    _check_pickle_module(pickle_module)
    whole = weights_only is False
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args:
        raise TypeError(
            f"load() got an unexpected keyword argument {next(iter(pickle_load_args))!r}"
        )
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a path in order to use the mmap argument")
    if safe_shards.is_sharded(f):
        return safe_shards.load_sharded(f, map_location, mmap=bool(mmap))
    with Source(f) as source:
        if source.size == 0:
            raise EOFError(
                f"{source.name}: ran out of input; the file is empty, or was read to its end "
                "before (then f.seek(0) first)"
            )
        if source.read(0, 4) == zipform.MAGIC:
            return zipform.read(source, map_location, mmap=bool(mmap), encoding=encoding, whole=whole)
        if source.name.endswith(".safetensors") or safe_tensors.looks_like(source):
            return safe_tensors.read(source, map_location, mmap=bool(mmap))
        if mmap:
            raise RuntimeError(
                f"mmap can only be used with the ZIP form, and {source.name} has another one: "
                "save it again with torch.save"
            )
        return legacy.read(source, map_location, encoding=encoding, whole=whole)


def _check_pickle_module(pickle_module: Any) -> None:
    if pickle_module is not None and getattr(pickle_module, "__name__", "") != "pickle":
        raise RuntimeError(
            "flambeau reads and writes pickles itself, so that no file can execute code; "
            "leave pickle_module out"
        )


def _prefix(path: str) -> str:
    """The folder's name inside the archive: the file's name without its last ending."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return stem if stem.isascii() and stem and not stem.startswith(".") else "archive"
