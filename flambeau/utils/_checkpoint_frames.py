"""How `checkpoint(use_reentrant=False)` works: what a region saves for backward is dropped, and made
again when a derivative asks for it.

While the region runs, a pack hook leaves a `Holder` in the place of each saved tensor. The first holder
that is unpacked in a backward pass runs the region again, under a hook that fills the holders in
the same order; the run stops when all are filled.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as torch
from flambeau.autograd import Function, engine
from flambeau.autograd.graph import saved_tensors_hooks


class CheckpointError(RuntimeError):
    """A region did something else when it ran again."""


class _Enough(Exception):
    """All that was saved has been made again."""


class Holder:
    """Stands for a saved tensor: `number` in its frame. `handles` has the tensor by the backward pass
    that it was made again for."""

    __slots__ = ("number", "handles", "__weakref__")

    def __init__(self, number: int) -> None:
        self.number = number
        self.handles: dict[int, Any] = {}


class Settings:
    """What `set_checkpoint_early_stop` and `set_checkpoint_debug_enabled` set; None: as asked for."""

    early_stop: bool | None = None
    debug: bool | None = None


class Saver(Function):
    """Keeps the arguments of a region as saved tensors, so that they are dropped and made again
    themselves in a region around it."""

    @staticmethod
    def forward(*tensors: Any) -> Any:
        return torch.empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AssertionError("nothing depends on this node")


class Arguments:
    """The arguments of a region."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        self.rest = [None if isinstance(a, torch.Tensor) else a for a in args]
        self.places = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        with torch.enable_grad():
            root = torch.empty(0, requires_grad=True)
            self.node = Saver.apply(root, *tensors).grad_fn

    def get(self) -> list[Any]:
        args = list(self.rest)
        with torch.enable_grad():
            for i, t in zip(self.places, self.node.saved_tensors, strict=True):
                args[i] = t
        return args


class Frame:
    """One region that was run."""

    def __init__(
        self, again: Callable[[], Any], early_stop: bool, describe: Callable[[Any], Any]
    ) -> None:
        self.again, self.early_stop, self.describe = again, early_stop, describe
        self.holders: list[weakref.ref[Holder]] = []
        self.descriptions: list[Any] = []
        self.complete = False
        self.made: dict[int, int] = {}
        """How many tensors were made again, by backward pass."""

    # --- the first run

    def pack(self, x: Any) -> Holder:
        holder = Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.descriptions.append(self.describe(x))
        return holder

    def unpack(self, holder: Holder) -> Any:
        key = _pass()
        if key not in holder.handles:
            self._run_again(key)
        if key not in holder.handles:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and recomputation.\nNumber of tensors saved during forward: "
                f"{len(self.holders)}\nNumber of tensors saved during recomputation: "
                f"{self.made.get(key, 0)}"
            )
        return holder.handles.pop(key)

    def hooks(self) -> saved_tensors_hooks:
        return saved_tensors_hooks(self.pack, self.unpack)

    # --- the second

    def _run_again(self, key: int) -> None:
        count = 0

        def pack(x: Any) -> Any:
            nonlocal count
            number, count = count, count + 1
            self.made[key] = count
            if number >= len(self.holders):
                return x.detach()
            self._check(number, x)
            holder = self.holders[number]()
            if holder is not None:
                holder.handles[key] = x.detach()
            if self.early_stop and count == len(self.holders):
                raise _Enough
            return x.detach()

        try:
            with saved_tensors_hooks(pack, lambda x: x), torch.enable_grad():
                self.again()
        except _Enough:
            return
        if count != len(self.holders):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                f"forward and recomputation.\nNumber of tensors saved during forward: "
                f"{len(self.holders)}\nNumber of tensors saved during recomputation: {count}"
            )

    def _check(self, number: int, x: Any) -> None:
        before, now = self.descriptions[number], self.describe(x)
        if before != now:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                f"metadata than during the forward pass.\ntensor at position {number}:\nsaved "
                f"metadata: {before}\nrecomputed metadata: {now}"
            )


def _pass() -> int:
    """The backward pass that runs, for which something is unpacked; -1 outside of passes."""
    passes = engine.running.passes
    return id(passes[-1]) if passes else -1


def metadata(x: Any) -> dict[str, Any]:
    """What must be the same of a tensor that is made again."""
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


CHECKS: dict[str, Callable[[Any], Any]] = {"default": metadata, "none": lambda x: None}


def random_and_autocast(preserve: bool) -> Callable[[], Any]:
    """A function that gives a context like the one of now: the random streams of all devices, where
    they are to be preserved, and autocast."""
    state = (torch.get_rng_state(), torch._random.gpu_states()) if preserve else None
    casts = {
        kind: torch.get_autocast_dtype(kind)
        for kind in ("cpu", "cuda")
        if torch.is_autocast_enabled(kind)
    }
    keeps = torch.is_autocast_cache_enabled()

    @contextlib.contextmanager
    def restored() -> Iterator[None]:
        with torch.random.fork_rng(enabled=state is not None), contextlib.ExitStack() as inside:
            if state is not None:
                torch.set_rng_state(state[0])
                torch._random.set_gpu_states(state[1])
            for kind, dtype in casts.items():
                inside.enter_context(torch.autocast(kind, dtype=dtype, cache_enabled=keeps))
            yield

    return restored
