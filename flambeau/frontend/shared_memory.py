"""Storages in memory that processes share."""

from __future__ import annotations

import os
import weakref

from ..core import dtypes
from ..core.aval import aval
from ..runtime.shared_files import SharedFile, anonymous_file, identity
from ..runtime.storage import Storage
from .memory import expose

_files: weakref.WeakKeyDictionary[Storage, SharedFile] = weakref.WeakKeyDictionary()
_here: weakref.WeakValueDictionary[tuple[int, int], Storage] = weakref.WeakValueDictionary()
"""The storages of files that this process has: a tensor that comes twice has one memory."""


def is_shared(storage: Storage) -> bool:
    """Whether other processes may have the storage's memory."""
    return storage in _files


def share(storage: Storage) -> SharedFile:
    """Move a storage into shared memory, for good; its tensors go with it."""
    found = _files.get(storage)
    if found is None:
        flat = expose(storage)
        found = SharedFile(anonymous_file(flat.nbytes), flat.nbytes)
        moved = found.bytes.view(flat.dtype)
        moved[...] = flat
        storage.share(moved)
        _keep(storage, found)
    return found


def open_storage(file: int, nbytes: int) -> Storage:
    """The storage of a file that another process shares. Takes over the descriptor."""
    known = _here.get(identity(file))
    if known is not None:
        os.close(file)
        return known
    found = SharedFile(file, nbytes)
    storage = Storage(None, aval((nbytes,), dtypes.uint8))
    storage.share(found.bytes)
    _keep(storage, found)
    return storage


def _keep(storage: Storage, file: SharedFile) -> None:
    storage.pinned = True
    _files[storage] = file
    _here[file.identity] = storage
