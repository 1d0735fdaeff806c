"""From the loop language to LLVM IR.

The nest that is written for softmax over rows (`vector="red"`), P standing for "pieces", the loops
that share a vector dimension among them (`loop_plan.Piece`):

    for task in begin..end:  for the other parallel dimensions:          Nest.rows
        stage 1:  for the outer reduction dims:  P: max                  Nest.red_stage
        stage 2:  P: sum of exp;    stage 3:  P: store

and for a sum over columns (`vector="par"`), where a vector's lanes are rows of their own:

    for the outer parallel dims:  P over the last of them:               Nest.rows_in_lanes
        stage 1:  for the reduction dims: sum      stage 2 ("row"): store

Kernels need no passes but inlining: addresses, hoisting and unrolling are done here.

Buffers may overlap only where an output's element is an input's element that is read in the same
place and not later: values that do not change along the vector dimension are read before it runs.
"""

from __future__ import annotations

from functools import partial

from . import loop_division, vectormath
from .kernel import Kernel, Target
from .llvm_text import vector_attributes
from .loop import Loop
from .loop_nest import Nest


def kernel(loop: Loop, name: str = "loop") -> Kernel:
    """The kernel that runs a loop; its arguments are `loop.words`."""
    # By its text: 0.0 and -0.0 are equal, and make different code.
    return Kernel(name, ("loop", repr(loop)), partial(emit, loop))


def emit(loop: Loop, target: Target, symbol: str) -> str:
    """The module's text."""
    nest = Nest(loop, target, symbol)
    return nest.write() + mathematics(target, nest.functions)


def mathematics(target: Target, called: set[tuple[str, int, str]]) -> str:
    """The functions of (name, lanes, dtype), each once. LLVM declares its intrinsics by itself."""
    attributes = vector_attributes(target)
    wanted: dict[tuple[int, str], list[str]] = {}
    texts: list[str] = []
    for name, lanes, dtype in sorted(called):
        if name == "fmod":
            texts.append(loop_division.fmod_text(target, lanes, dtype, attributes))
        else:
            wanted.setdefault((lanes, dtype), []).append(name)
    for (lanes, dtype), names in wanted.items():
        text, _ = vectormath.functions(target, lanes, dtype, names)
        texts += [t + "\n}\n" for t in text.split("\n}\n") if t.strip()]
    return "\n".join({t.lstrip().split("\n", 1)[0]: t for t in texts}.values())
