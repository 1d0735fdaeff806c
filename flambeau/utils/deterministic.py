"""`torch.utils.deterministic`: a switch for memory that is made without content."""

from __future__ import annotations

from flambeau.errors import refusing

fill_uninitialized_memory = True
"""Whether `empty` gives NaNs in deterministic mode. flambeau's `empty` is the same in every run."""

__getattr__ = refusing(__name__)
