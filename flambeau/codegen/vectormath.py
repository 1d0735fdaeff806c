"""Transcendental functions as LLVM IR on vectors: no calls into a libm, within 2 ulp.

float32's exp, expm1, log, log1p, tanh and erf are polynomials in float32. The others are computed in
float64 and rounded, which is simple and accurate. float64's functions keep what their steps round
away where it would show. Values at NaN, infinities, zeros, and outside of the domain are as NumPy's.

A function is the same for any number of lanes, bit for bit. The formulas are in
`vectormath_exponential`, `_logarithm`, `_trigonometric` and `_error`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from . import vectormath_error as error
from . import vectormath_exponential as exponential
from . import vectormath_logarithm as logarithm
from . import vectormath_reduction as reduction
from . import vectormath_trigonometric as trigonometric
from .kernel import Target
from .vectormath_text import Body, Val

Formula = Callable[[Body, Val, int], Val]

_BOTH: dict[str, Formula] = {
    "exp2": exponential.exp2,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "asinh": logarithm.asinh,
    "acosh": logarithm.acosh,
    "atanh": logarithm.atanh,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "asin": trigonometric.asin,
    "acos": trigonometric.acos,
    "atan": trigonometric.atan,
    "erfc": error.erfc,
}
"""Computed in float64 for both types."""

_FLOAT32: dict[str, Formula] = {
    "exp": exponential.exp,
    "expm1": exponential.expm1,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "tanh": exponential.tanh32,
    "erf": error.erf32,
}
_FLOAT64: dict[str, Formula] = _BOTH | _FLOAT32 | {"tanh": exponential.tanh64, "erf": error.erf64}

NAMES = frozenset(_FLOAT64) | {"pow", "atan2"}

_BINARY = frozenset(["pow", "atan2"])


def symbol(name: str, lanes: int, dtype: str) -> str:
    """What a function is called: `vm_exp_v16f32`. One lane means scalars."""
    return f"vm_{name}_{_tag(lanes, dtype)}"


def _tag(lanes: int, dtype: str) -> str:
    return f"v{lanes}{'f32' if dtype == 'float32' else 'f64'}"


def attributes(target: Target) -> str:
    """What every function of vectors must be marked with."""
    if target.vector_bytes < 64:
        return ""
    return '"prefer-vector-width"="512" "min-legal-vector-width"="512"'


def functions(target: Target, lanes: int, dtype: str, names: Iterable[str]) -> tuple[str, set[str]]:
    """Definitions of the named functions and of all that they call, each once, and the `declare`
    lines of the intrinsics that they use. Functions take and give `<lanes x float>` (or double)."""
    texts: list[str] = []
    declares: set[str] = set()
    helpers: dict[str, str] = {}
    for name in sorted(set(names)):
        text, needs, shared = _function(target, lanes, dtype, name)
        texts.append(text)
        declares |= needs
        helpers |= shared
    return "\n".join([*helpers.values(), *texts]), declares


@lru_cache(maxsize=512)
def _function(
    target: Target, lanes: int, dtype: str, name: str
) -> tuple[str, frozenset[str], dict[str, str]]:
    """A definition, the declarations it needs, and definitions that others may share."""
    b = Body(target, lanes, _tag(lanes, dtype))
    kind = "float" if dtype == "float32" else "double"
    t = b.type(kind)
    given = [Val(b, kind, f"%{x}") for x in ("x", "y")[: 1 + (name in _BINARY)]]
    out = _formula(b, dtype, name, given)
    marks = attributes(target)
    parameters = ", ".join(f"{t} {x.ref}" for x in given)
    lines = [
        f"define internal {t} @{symbol(name, lanes, dtype)}({parameters}) alwaysinline {marks} {{",
        "entry:",
        *b.lines,
        f"  ret {t} {out.ref}",
        "}",
    ]
    helpers = {}
    if "reduce" in b.helpers:
        helpers["reduce"] = reduction.text(b, marks, trigonometric.PI_2, trigonometric.FAR)
    return "\n".join(lines) + "\n", frozenset(b.declares), helpers


def _formula(b: Body, dtype: str, name: str, x: list[Val]) -> Val:
    if dtype == "float64":
        if name == "pow":
            return exponential.pow64(b, *x)
        if name == "atan2":
            return trigonometric.atan2(b, x[0], x[1], 53)
        return _FLOAT64[name](b, x[0], 53)
    if name in _FLOAT32:
        return _FLOAT32[name](b, x[0], 24)
    if name == "pow":
        return exponential.pow32(b, *x)
    wide = [b.widen(v) for v in x]
    if name == "atan2":
        return b.narrow(trigonometric.atan2(b, wide[0], wide[1], 32))
    return b.narrow(_BOTH[name](b, wide[0], 32))
