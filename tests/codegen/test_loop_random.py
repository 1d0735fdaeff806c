"""Random loops: the compiled kernel, the NumPy meaning, and every split of the tasks agree."""

from __future__ import annotations

import random

import pytest

from flambeau.codegen import loop_llvm, loop_text
from flambeau.codegen.kernel import Target
from flambeau.runtime import native

from .loop_random import Draw
from .loop_support import NEON, check, targets

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")


@pytest.mark.parametrize("seed", range(40))
def test_a_random_loop(seed: int) -> None:
    draw = Draw(seed)
    setup = draw.setup()
    for target in targets():
        check(setup, target, random.Random(seed), draw.loose, seed)


@pytest.mark.parametrize("seed", range(40, 50))
def test_a_random_loop_in_vectors_of_four(seed: int) -> None:
    draw = Draw(seed)
    narrow = targets()[-1]
    target = Target(narrow.triple, narrow.cpu, narrow.features, 16, 16, False)
    check(draw.setup(), target, random.Random(seed), draw.loose, seed)


@pytest.mark.parametrize("seed", range(50, 56))
def test_a_random_loop_becomes_neon_code(seed: int) -> None:
    loop = Draw(seed).setup().loop
    text = loop_llvm.kernel(loop).emit(NEON, "kernel")
    assert "kernel:" in native.assembly(text, NEON), loop_text.show(loop)
