"""Device names: `device("cpu")`, `device("cuda:0")`."""

from __future__ import annotations

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
        usable(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (str(self),))


CPU = device("cpu")


def usable(where: Any) -> device:
    """The device that `where` names, checked to be one that this build computes on."""
    if where is None:
        return CPU
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        if found.index not in (None, 0):
            raise RuntimeError(f"CPU device index must be -1 or zero, got {found.index}")
        return CPU
    if found.type == "cuda":
        raise AssertionError(
            "Torch not compiled with CUDA enabled: flambeau computes on the CPU here; "
            "use device='cpu', or test torch.cuda.is_available() first"
        )
    raise RuntimeError(f"flambeau has no '{found.type}' device; use device='cpu'")
