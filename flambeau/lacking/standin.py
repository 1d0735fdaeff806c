"""What stands where PyTorch has something that flambeau lacks."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

from .advice import sentence


class LackingError(AttributeError, NotImplementedError):
    """A program used something of PyTorch's that flambeau lacks."""


class StandIn:
    """A name of PyTorch's that flambeau lacks.

    It may be passed on, compared, be a key, and stand in annotations; nothing is an instance of it.
    Whoever calls it, reads an attribute or makes an instance of a class derived from it gets
    `LackingError` with one sentence.
    """

    def __init__(self, full: str) -> None:
        self.__name__ = self.__qualname__ = full.rpartition(".")[2]
        self.__module__ = full.rpartition(".")[0]
        self._full = full

    def _fail(self, *_: Any, **__: Any) -> NoReturn:
        raise LackingError(sentence(self._full))

    __call__ = __bool__ = __len__ = __iter__ = __enter__ = __int__ = __float__ = __index__ = _fail
    __setitem__ = __contains__ = __neg__ = __add__ = __radd__ = __sub__ = __mul__ = _fail

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name)
        self._fail()

    def __getitem__(self, item: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        """In annotations: `torch.SomeType | None`."""
        return Any

    __ror__ = __or__

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __subclasscheck__(self, cls: type) -> bool:
        return self in getattr(cls, "_lacking_bases", ())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        def refuse(cls: type, *args: Any, **kwargs: Any) -> NoReturn:
            self._fail()

        return (type(self.__name__, (), {"__new__": refuse, "_lacking_bases": (self,)}),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StandIn) and other._full == self._full

    def __hash__(self) -> int:
        return hash(self._full)

    def __reduce__(self) -> Any:
        return (StandIn, (self._full,))

    def __repr__(self) -> str:
        return f"<{self._full}, which flambeau lacks>"


class StandInModule(ModuleType):
    """A module of PyTorch's that flambeau lacks: its names are stand-ins."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        from . import attribute

        return attribute(self.__name__, name)

    def __repr__(self) -> str:
        from . import pytorch_name

        return f"<module {pytorch_name(self.__name__)!r}, which flambeau lacks>"
