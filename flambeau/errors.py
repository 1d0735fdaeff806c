"""Both kinds of error: the user's (PyTorch's exception types) and ours (`InternalError`)."""

from __future__ import annotations


class InternalError(RuntimeError):
    """A fault of flambeau itself, never of the user's program."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message}\nThis is a fault in flambeau, not in your program: please report it "
            "with the program that shows it."
        )


def shape_text(shape: tuple[int, ...]) -> str:
    """`[2, 3]`, as PyTorch prints shapes in its messages."""
    return "[" + ", ".join(map(str, shape)) + "]"
