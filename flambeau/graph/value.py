"""`Value`: one node of the recorded graph."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

new_token = count(1).__next__
"""Tokens number what a program's key has of a value besides its inputs: op, aval, params, and how
many inputs. Whoever memoises these keeps a token with them: equal tokens say that they are equal,
but not the reverse."""


class Value:
    """What one operation gives: op, inputs, parameters, aval. Immutable in meaning; it has a
    `buffer` once computed, and then forgets its inputs.

    A buffer is never written again once its value is computed, so buffers may alias each other.
    A value with several results has a tuple of avals, and `Pick` values name its parts.
    """

    __slots__ = ("op", "aval", "inputs", "params", "buffer", "token")

    def __init__(
        self, op: Any, aval: Any, inputs: tuple[Any, ...], params: tuple[Any, ...]
    ) -> None:
        self.op = op
        self.aval = aval
        self.inputs = inputs
        self.params = params
        self.buffer: Any = None
        self.token = 0
        """See `new_token`; 0 where none was given yet."""

    def __repr__(self) -> str:
        state = "pending" if self.buffer is None else "computed"
        return f"<Value {self.op.name if self.op else 'data'} {self.aval} {state}>"


def leaf(aval: Any, buffer: np.ndarray) -> Value:
    """A value that is there already: a C-contiguous buffer of the aval's shape."""
    value = Value(None, aval, (), ())
    value.buffer = buffer
    return value
