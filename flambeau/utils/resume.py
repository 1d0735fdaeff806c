"""A training run that goes on where it was saved, bit for bit. flambeau's own; PyTorch has none.

    run = Resumable("run.pt", model=net, optimizer=optimizer, scheduler=scheduler, loader=loader)
    run.resume()
    for epoch in run.epochs(10):
        for x, y in loader:
            ...                        # a training step
            if it is time: run.save()  # also in the middle of an epoch
        scheduler.step()
        run.save()

The file is an ordinary checkpoint, which `torch.load` reads: a dict with the parts' state dicts under
`"parts"`.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pickle import PicklingError, UnpicklingError
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import shown
from flambeau.serialization import get_unsafe_globals_in_checkpoint
from flambeau.serialization.whole_files import atomic_file
from flambeau.utils._resume_parts import (
    VERSION,
    access,
    check_module,
    checked,
    is_inside,
    plain_random,
    random_of,
    restore_random,
)
from flambeau.utils.data import DataLoader

__all__ = ["Resumable"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, np.generic)
_DAMAGED = (UnpicklingError, RuntimeError, EOFError)


class Resumable:
    """Everything that a training run goes on from, in one file that is replaced whole.

    A resumed run's numbers are those of a run that was never interrupted, to the last bit. For this
    `torch.use_deterministic_algorithms(True)` is called here, in the uninterrupted run too: else
    programs that are interpreted at first and compiled later would round otherwise. What no state
    dict holds is not kept: gradients, buffers that are not persistent, `train()` and `eval()`.

    Args:
        path: the file.
        keep: how many saves are kept: `run.pt` is the newest, `run.1.pt` the one before.
        random_state: whether the global random states belong to it: flambeau's (of GPUs too),
            Python's, NumPy's.
        deterministic: False leaves `use_deterministic_algorithms` as it is.
        parts: by names of your choice
            - what has `state_dict()` and `load_state_dict(state)`: modules, optimizers, schedulers,
              gradient scalers, loaders, objects of your own;
            - random generators: `torch.Generator`, NumPy's and Python's;
            - plain data (numbers, text, tensors, lists and dicts of them), which become attributes:
              after `Resumable(..., step=0)`, `run.step += 1`. A list or dict is filled in place.

    Raises:
        TypeError: a part is none of these.
        ValueError: a name that `Resumable` itself needs, or `keep` below 1.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep: int = 1,
        random_state: bool = True,
        deterministic: bool = True,
        **parts: Any,
    ) -> None:
        if type(keep) is not int or keep < 1:
            raise ValueError(f"keep={shown(keep)}: at least 1 save is kept")
        self._values: dict[str, Any] = {}
        self._parts: dict[str, Any] = {}
        for name, part in parts.items():
            if name.startswith("_") or hasattr(type(self), name) or name == "path":
                raise ValueError(f"a part can't be named {name!r}, which Resumable needs itself")
            kept = self._parts if access(part) is not None else self._values
            if kept is self._values and not isinstance(part, (*_PLAIN, torch.Tensor, np.ndarray)):
                raise TypeError(
                    f"{name}: a {type(part).__name__} has no state_dict() and load_state_dict(), "
                    "and is no plain data"
                )
            kept[name] = part
        self.path = os.fspath(path)
        self._keep = keep
        self._random_state = random_state
        self._epoch = 0
        self._in_epoch = False
        self._before: dict[str, Any] = {}
        if deterministic and not torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(True)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"this run has no plain part {name!r}: Resumable(..., {name}=0)")

    def __setattr__(self, name: str, value: Any) -> None:
        values = self.__dict__.get("_values", {})
        if name in values:
            values[name] = value
        elif name.startswith("_") or name == "path":
            object.__setattr__(self, name, value)
        else:
            self.__getattr__(name)

    def epochs(self, count: int) -> Iterator[int]:
        """The numbers of the epochs that are still to come, of `count` in all.

        After a resume from the middle of an epoch that epoch comes first, and the loader gives
        the batches that are left of it.
        """
        while self._epoch < count:
            loaders = self._loaders()
            self._before = {name: loader._position for name, loader in loaders.items()}
            self._in_epoch = True
            yield self._epoch
            self._in_epoch = False
            self._epoch += 1

    # ------------------------------------------------------------- saving

    def save(self) -> None:
        """Write everything, after a step of the optimizer and before the next.

        Within `epochs`, a save in the loop over the loader is resumed there. A save after that
        loop counts the epoch as done, so it has to come last in it. A loader that the program
        has left with `break` counts as still in its loop.

        Raises:
            RuntimeError: one loader has ended in this epoch and another has begun, from where an
                epoch can't be resumed.
            pickle.PicklingError: a part's state is no plain data and could not be loaded again.
            OSError: the file can't be written. The old one is as it was, as after any error.
        """
        parts = {name: access(part)[0]() for name, part in self._parts.items()}  # type: ignore[index]
        states = plain_random() if self._random_state else None
        whole = {
            "resumable": VERSION,
            "parts": parts,
            "values": dict(self._values),
            "epoch": self._epoch_to_resume(parts),
            "random": states,
        }
        with atomic_file(self.path) as file:
            torch.save(whole, file)
            file.seek(0)
            unknown = get_unsafe_globals_in_checkpoint(file)
            if unknown:
                raise PicklingError(
                    f"the state holds {unknown[0]}, which is no plain data: it could be saved but "
                    "not loaded again (or allow it: torch.serialization.add_safe_globals)"
                )
            self._move_older()

    def _epoch_to_resume(self, parts: dict[str, Any]) -> int:
        """The epoch that a run from this state begins with."""
        if not self._in_epoch:
            return self._epoch
        loaders = self._loaders()
        inside = [name for name in loaders if is_inside(parts[name])]
        ended = [
            name
            for name, loader in loaders.items()
            if name not in inside and loader._position is not self._before.get(name)
        ]
        if inside and ended:
            raise RuntimeError(
                f"save() in the loop over {inside[0]!r}, after that over {ended[0]!r} has ended in "
                "this epoch: a resumed epoch begins at its top. Save in the first loop or at the "
                f"epoch's end, or leave {inside[0]!r} out of Resumable if its order is fixed"
            )
        return self._epoch + (not inside and (bool(ended) or not loaders))

    def _loaders(self) -> dict[str, Any]:
        return {name: part for name, part in self._parts.items() if isinstance(part, DataLoader)}

    def _older(self, turn: int) -> str:
        """The path of the save before (1), of that before it (2), and so on."""
        stem, ending = os.path.splitext(self.path)
        return f"{stem}.{turn}{ending}" if turn else self.path

    def _move_older(self) -> None:
        """Make room: at every moment the newest save is there under its name."""
        if self._keep == 1 or not os.path.exists(self.path):
            return
        for turn in range(self._keep - 1, 1, -1):
            with suppress(FileNotFoundError):
                os.replace(self._older(turn - 1), self._older(turn))
        with suppress(FileNotFoundError):
            os.unlink(self._older(1))
        try:
            os.link(self.path, self._older(1))
        except OSError:  # a file system without hard links: resume() looks for the older one too
            os.replace(self.path, self._older(1))

    # ----------------------------------------------------------- resuming

    def resume(self) -> bool:
        """Take up the newest save that is whole; call it just before the training loop.

        Everything is read and checked before anything changes, and if a part refuses its state
        the others get theirs back. A damaged save is passed over with a warning.

        Returns:
            Whether there was one; without any file the run just begins.

        Raises:
            RuntimeError: there are saves, and none is whole.
            ValueError: the save is of a run with other parts, or of other shapes.
        """
        whole = self._newest()
        if whole is None:
            return False
        self._check_names(whole)
        for name, part in self._parts.items():
            if isinstance(part, torch.nn.Module):
                check_module(name, part, whole["parts"][name])
        states = random_of(whole["random"])
        self._load_parts(whole["parts"])
        for name, value in whole["values"].items():
            self._set_value(name, value)
        self._epoch = whole["epoch"]
        if states is not None:
            restore_random(states)
        return True

    def _newest(self) -> dict[str, Any] | None:
        problem: Exception | None = None
        for turn in range(self._keep):
            path = self._older(turn)
            if not os.path.exists(path):
                continue
            try:
                return checked(torch.load(path), path)
            except _DAMAGED as error:
                warnings.warn(f"{path} is damaged and is passed over: {error!s:.300}", stacklevel=3)
                problem = error
        if problem is not None:
            raise RuntimeError(f"{self.path}: no save of this run is whole") from problem
        return None

    def _check_names(self, whole: dict[str, Any]) -> None:
        for kind, here in (("parts", self._parts), ("values", self._values)):
            saved = whole[kind]
            if saved.keys() != here.keys():
                raise ValueError(
                    f"{self.path} is of a run with other parts: it has {sorted(saved)}, this one "
                    f"{sorted(here)}"
                )
        if (whole["random"] is None) == self._random_state:
            raise ValueError(f"{self.path} was saved with random_state={not self._random_state}")

    def _load_parts(self, states: dict[str, Any]) -> None:
        """Load all parts, or leave all as they were."""
        before: dict[str, Any] = {}
        try:
            for name, part in self._parts.items():
                get, load = access(part)  # type: ignore[misc]
                before[name] = copy.deepcopy(get())
                load(states[name])
        except BaseException:
            for name, state in before.items():
                with suppress(Exception):
                    access(self._parts[name])[1](state)  # type: ignore[index]
            raise

    def _set_value(self, name: str, value: Any) -> None:
        here = self._values[name]
        if type(here) is list and type(value) is list:
            here[:] = value
        elif type(here) is dict and type(value) is dict:
            here.clear()
            here.update(value)
        else:
            self._values[name] = value
