"""`torch._tensor_str`: how tensors are printed."""

from __future__ import annotations

from typing import Any

from flambeau import set_printoptions
from flambeau.errors import refusing, shown
from flambeau.frontend.printing import get_printoptions, printoptions, tensor_text

__all__ = ["PRINT_OPTS", "get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    """The options in force, as attributes: `PRINT_OPTS.precision`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return get_printoptions()[name]
        except KeyError:
            raise AttributeError(f"there is no print option {shown(name)}", name=name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        set_printoptions(**{name: value})


PRINT_OPTS = _Options()


def _str(self: Any, *, tensor_contents: str | None = None) -> str:
    """A tensor's text."""
    return tensor_text(self, tensor_contents)


__getattr__ = refusing(__name__)
