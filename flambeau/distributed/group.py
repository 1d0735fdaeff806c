"""The group of processes that there is: this one."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

default_pg_timeout = timedelta(minutes=30)


class ReduceOp(enum.IntEnum):
    """How the processes' tensors are made one. Of one tensor each of them gives the tensor."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class Backend(str):
    """A backend's name, in small letters."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"
    XCCL = "xccl"
    backend_list = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI]

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return str.__new__(cls, name.lower())


class ProcessGroup:
    """A group of one process."""

    def __init__(self, backend: str = Backend.GLOO) -> None:
        self.backend = Backend(backend)
        self.group_name = "0"

    def rank(self) -> int:
        """This process's number in the group: 0."""
        return 0

    def size(self) -> int:
        """How many processes the group has: 1."""
        return 1

    def name(self) -> str:
        return self.backend

    def __repr__(self) -> str:
        return f"<torch.distributed.ProcessGroup of this process, {self.backend!r}>"


class Work:
    """A collective that was asked for with `async_op=True`: it is done."""

    def __init__(self, result: Any = None) -> None:
        self._result = result

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Nothing has to be waited for."""
        return True

    def is_completed(self) -> bool:
        """True: a collective of one is done when it returns."""
        return True

    is_success = is_completed

    def result(self) -> Any:
        """What it gave."""
        return self._result

    def exception(self) -> None:
        """What went wrong: nothing."""

    def get_future(self) -> Any:
        """It as a future."""
        from flambeau.futures import Future

        future: Future[Any] = Future()
        future.set_result(self._result)
        return future


class _World(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:  # noqa: N802
        """The group of all processes, where it has been made."""
        return _world

    @WORLD.setter
    def WORLD(cls, value: ProcessGroup | None) -> None:  # noqa: N802
        global _world
        _world = value


class group(metaclass=_World):  # noqa: N801
    """`group.WORLD`: all processes."""


class GroupMember(metaclass=_World):
    """`GroupMember.WORLD`, and what groups are for processes that are not in them."""

    NON_GROUP_MEMBER = -100


_world: ProcessGroup | None = None


def is_available() -> bool:
    """Whether this namespace can be used: for one process."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return _world is not None


def _number(given: int, name: str) -> int | None:
    """A number that was given, or that stands in the environment."""
    if given >= 0:
        return given
    return int(os.environ[name]) if name in os.environ else None


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
    world_size: int = -1, rank: int = -1, store: Any = None, group_name: str = "",
    pg_options: Any = None, device_id: Any = None,
) -> None:  # fmt: skip
    """Make the group of all processes: of this one.

    Raises:
        ValueError: there is a group already, or nothing says how many processes there are.
        NotImplementedError: there are several, or the backend is for GPUs.
    """
    global _world
    if _world is not None:
        raise ValueError("trying to initialize the default process group twice!")
    size, mine = _number(world_size, "WORLD_SIZE"), _number(rank, "RANK")
    if size is None or mine is None:
        missing = "WORLD_SIZE" if size is None else "RANK"
        raise ValueError(
            "Error initializing torch.distributed: neither an argument nor the environment variable "
            f"{missing} says it; a program on its own has world_size=1, rank=0"
        )
    if size != 1:
        raise NotImplementedError(
            f"init_process_group(world_size={size}): flambeau lacks training on several processes so "
            "far; start one (it uses all cores), or share memory by torch.multiprocessing"
        )
    if mine != 0:
        raise ValueError(f"init_process_group: rank {mine} is not below world_size 1")
    name = Backend(backend or Backend.GLOO).partition(":")[2] or Backend(backend or Backend.GLOO)
    if name in (Backend.NCCL, Backend.XCCL):
        raise RuntimeError(
            f"Distributed package doesn't have {name.upper()} built in: it is for GPUs; use 'gloo'"
        )
    _world = ProcessGroup(name)


def destroy_process_group(group: Any = None) -> None:
    """Take the group of all processes away again, or one that `new_group` made."""
    global _world
    world()
    if group is None or group is _world:
        _world = None


def world(given: Any = None) -> ProcessGroup:
    """The group that is meant. ValueError where there is none."""
    if _world is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call "
            "init_process_group."
        )
    return _world if given is None else given  # type: ignore[no-any-return]


def new_group(ranks: list[int] | None = None, timeout: Any = None, backend: str | None = None,
              pg_options: Any = None, use_local_synchronization: bool = False,
              group_desc: Any = None, device_id: Any = None) -> Any:  # fmt: skip
    """A group of some of the processes: of this one, or without it."""
    of = world()
    if ranks is not None and any(rank != 0 for rank in ranks):
        raise ValueError(f"new_group(ranks={ranks}): there is only rank 0")
    if ranks is not None and not ranks:
        return GroupMember.NON_GROUP_MEMBER
    return ProcessGroup(backend or of.backend)


def get_rank(group: Any = None) -> int:
    """This process's number: 0; -1 where it is not in the group."""
    world(group)
    return -1 if group == GroupMember.NON_GROUP_MEMBER else 0


def get_world_size(group: Any = None) -> int:
    """How many processes: 1; -1 where this one is not in the group."""
    world(group)
    return -1 if group == GroupMember.NON_GROUP_MEMBER else 1


def get_backend(group: Any = None) -> Backend:
    """The backend's name, as it was given."""
    return world(group).backend


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The numbers of a group's processes."""
    world(group)
    return [0]


def get_global_rank(group: Any, group_rank: int) -> int:
    """The number among all processes of one in a group."""
    world(group)
    return check_rank(group_rank)


get_group_rank = get_global_rank


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """This process's number on its machine: what the environment says, or `fallback_rank`."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
            "`get_node_local_rank` to work outside of torchrun"
        )
    return int(fallback_rank)


def get_pg_count() -> int:
    """How many groups there are."""
    return 0 if _world is None else 1


def check_rank(rank: Any) -> int:
    """ValueError for a number that is none of a process."""
    if rank not in (0, None):
        raise ValueError(f"there is no process of rank {rank}: the world is one process, rank 0")
    return 0


def _answer(name: str, value: bool) -> Callable[[], bool]:
    def answer() -> bool:
        return value

    answer.__name__ = answer.__qualname__ = name
    answer.__doc__ = f"Whether that is there: {value}."
    return answer


is_gloo_available = _answer("is_gloo_available", True)
is_nccl_available = _answer("is_nccl_available", False)
is_mpi_available = _answer("is_mpi_available", False)
is_ucc_available = _answer("is_ucc_available", False)
is_xccl_available = _answer("is_xccl_available", False)


def is_backend_available(backend: str) -> bool:
    """Whether a backend can be used."""
    return backend.lower() == Backend.GLOO


def is_torchelastic_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ
