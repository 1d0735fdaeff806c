"""Storages of tensors that stand for other tensors; see `levels`."""

from __future__ import annotations

from typing import Any

from ..core.aval import Aval


class Intercept(RuntimeError):
    """Somebody asked a wrapped tensor for its memory. Functions of rows catch it; what the user
    sees of it is the level's reason why that can't be."""

    def __init__(self, storage: Any, reason: str = "") -> None:
        super().__init__()
        self.storage, self.reason = storage, reason

    def __str__(self) -> str:
        return self.storage.level.refusal(self.reason)  # type: ignore[no-any-return]


class _Whole(Aval):
    """What a wrapped storage says of its size. It can't be part of a key, which is how the functions
    of views notice what they have."""

    __slots__ = ("storage",)

    def __init__(self, storage: Any, a: Aval) -> None:
        super().__init__(tuple(a.shape), a.dtype, a.device)
        self.storage = storage

    def __hash__(self) -> int:
        raise Intercept(self.storage)


class Wrapped:
    """The storage of a tensor that stands for others: `inner`, and `more` that the level knows
    (the batch dimension, the tangent). Views share the `count` of writes."""

    __slots__ = ("level", "inner", "more", "count", "layout", "__weakref__")
    pinned = False

    def __init__(self, level: Any, inner: Any, more: Any, count: list[int] | None = None) -> None:
        self.level, self.inner, self.more = level, inner, more
        self.count = count or [0]
        self.layout: tuple[Any, int] = (None, 0)
        """Strides and offset of the tensor that this is the storage of."""

    @property
    def value(self) -> Any:
        return self.level.value_of(self)

    @value.setter
    def value(self, new: Any) -> None:
        raise Intercept(self)

    @property
    def buffer(self) -> Any:
        raise Intercept(self)

    @property
    def aval(self) -> Aval:
        return _Whole(self, self.inner._storage.aval)

    @property
    def version(self) -> int:
        return self.count[0]

    @version.setter
    def version(self, value: int) -> None:
        self.count[0] = value

    def is_shared(self) -> bool:
        return False


__all__ = ["Intercept", "Wrapped"]
