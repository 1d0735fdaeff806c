"""States of random generators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import flambeau as torch

ALLOWED = (RuntimeError,)
INSTRUMENT = ("flambeau.runtime.mt19937", "flambeau.frontend.generator")
MAX_LENGTH = 5056
DICTIONARY = (
    b"\x01\x00\x00\x00", b"\x00\x00\x00\x00", b"\x70\x02\x00\x00", b"\x71\x02\x00\x00",
    b"\xff\xff\xff\xff", b"\x00\x00\xf8\x7f",
)  # fmt: skip


def run(data: bytes) -> None:
    whole = torch.from_numpy(np.frombuffer(data, np.uint8).copy()) if data else torch.zeros(0).byte()
    generator = torch.Generator()
    before = generator.get_state()
    try:
        generator.set_state(whole)
    except RuntimeError:
        assert torch.equal(generator.get_state(), before)
        raise
    torch.rand(3, generator=generator).tolist()
    torch.randn(20, generator=generator).tolist()
    generator.set_state(generator.get_state())


def seeds() -> Iterator[bytes]:
    generator = torch.Generator().manual_seed(3)
    for count in (0, 1, 17, 624):
        torch.randn(count, generator=generator)
        yield generator.get_state().numpy().tobytes()
