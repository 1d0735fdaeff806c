"""Device names: `device("cpu")`, `device("cuda:0")`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_LAST = 127
KINDS = ("cpu", "cuda", "mps", "xpu", "meta")


def _checked(index: Any) -> int:
    """An index that a device may have."""
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError(
            f"device(): argument 'index' (position 2) must be int, not {index.__class__.__name__}"
        )
    if index < 0:
        raise RuntimeError("Device index must not be negative")
    if index > _LAST:
        raise ValueError(f"Overflow when unpacking long long: device index {index}, {_LAST} at most")
    return index


class device:
    """A device's name: its `type` and, where given, its `index`."""

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            self.type, self.index = "cuda", _checked(type)
            return
        if not isinstance(type, str):
            raise TypeError(
                "device(): argument 'type' (position 1) must be str, "
                f"not {type.__class__.__name__}"
            )
        kind, colon, number = type.partition(":")
        if kind not in KINDS:
            raise RuntimeError(
                f"Expected one of {', '.join(KINDS)} device type at start of device string: {type}"
            )
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: "
                    f"{type}"
                )
            if not (number.isascii() and number.isdigit() and len(number) <= 19):
                raise RuntimeError(f"Invalid device string: '{type:.80}'")
            index = int(number)
        self.type, self.index = kind, None if index is None else _checked(index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        tail = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{tail})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __enter__(self) -> device:
        """New tensors are made on this device until the end of the `with` block."""
        current.entered.append(current.device)
        current.device = usable(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.device = current.entered.pop()

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (str(self),))


CPU = device("cpu")


class _Current(threading.local):
    """Where a thread makes new tensors if nobody says where."""

    def __init__(self) -> None:
        self.device = CPU if default is None else usable(default)
        self.entered: list[device] = []
        """What `with` blocks go back to."""


default: device | None = None
"""What `torch.set_default_device` has chosen, for threads that begin later."""
others = False
"""Whether a tensor was ever on another device than the CPU. Who pays for devices asks this first."""
current = _Current()
_gpus: dict[int, device] = {}


def gpu(index: int) -> device:
    """The device `cuda:index`, always the same object. It is not asked whether it is there."""
    found = _gpus.get(index)
    if found is None:
        found = _gpus[index] = device("cuda", index)
    return found


def find_gpu(index: int | None) -> int:
    """The index of a GPU that is there (None: of the current one). Replaced by who knows GPUs, in a
    layer above."""
    raise RuntimeError(f"flambeau has no 'cuda' device {index} here")


def used() -> None:
    """Note that there are tensors on other devices than the CPU from now on."""
    global others
    others = True


def usable(where: Any) -> device:
    """The device that `where` names (None: the one for new tensors), checked to be there."""
    if where is None:
        return current.device
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        if found.index not in (None, 0):
            raise RuntimeError(f"CPU device index must be -1 or zero, got {found.index}")
        return CPU
    if found.type == "cuda":
        return gpu(find_gpu(found.index))
    raise RuntimeError(f"flambeau has no '{found.type}' device; use device='cpu' or 'cuda'")


class at:
    """`with at(where):` what is made without a device is made there: for what operations make as
    they go."""

    __slots__ = ("where", "before")

    def __init__(self, where: device) -> None:
        self.where = where

    def __enter__(self) -> None:
        self.before = current.device
        current.device = self.where

    def __exit__(self, *_: object) -> None:
        current.device = self.before


def of(args: Any) -> device | None:
    """The device of the first tensor among arguments and lists of them; None where there is none.
    A GPU comes before the CPU: numbers may be there as tensors without dimensions."""
    found = None
    for x in args:
        a = getattr(x, "_aval", None)
        if a is not None:
            if a.device is not CPU:
                return a.device  # type: ignore[no-any-return]
            found = CPU
        elif x.__class__ is list or x.__class__ is tuple:
            inner = of(x)
            if inner is not None and inner is not CPU:
                return inner
            found = found or inner
    return found


def there(body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call what an operation consists of; what it makes is made where its arguments are."""
    where = of(args) or of(kwargs.values())
    if where is None or where is current.device:
        return body(*args, **kwargs)
    with at(where):
        return body(*args, **kwargs)
