"""`get_unsafe_globals_in_checkpoint` of whole archives."""

from __future__ import annotations

from io import BytesIO

from flambeau.serialization import get_unsafe_globals_in_checkpoint
from fuzz.targets.checkpoint_zip import DICTIONARY, mutate, seeds

ALLOWED = (ValueError,)
INSTRUMENT = ("flambeau.serialization",)
MAX_LENGTH = 3000
__all__ = ["DICTIONARY", "mutate", "seeds"]


def run(data: bytes) -> None:
    get_unsafe_globals_in_checkpoint(BytesIO(data))
