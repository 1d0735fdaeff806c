"""Runs PyTorch's own operator database against flambeau: part of `tools.coverage_of_torch`.

For each operation of the database that flambeau has, its sample inputs go through both: values,
dtypes, shapes, names of autograd nodes, gradients, the method, the in-place and the `out=` form;
and its error inputs: the exception's type, and whether its message names the operation.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
import json
import os
import re
import signal
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

import flambeau
from tools.sweep_twins import NoTwin, Twins, difference, leaves, named, rebound, seeded, short

DTYPES = [torch.float64, torch.float32, torch.int64, torch.bool, torch.complex128]
"""What samples are made of, where an operation takes it."""
LARGEST = 20_000
"""Elements of a sample: larger ones are left out."""
SECONDS = 120
"""What one operation may take."""

UNSET = frozenset(("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
                   "new_empty_strided", "resize_", "resize_as_"))  # fmt: skip
"""Results hold whatever memory held."""

COUNTED = ("int", "uint", "bool", "float16", "bfloat16")
"""Dtypes of which samples hold equal numbers."""

TIES = frozenset(("topk", "kthvalue", "mode", "sort", "msort", "argsort", "median",
                  "nanmedian"))
"""Which of several equal numbers is named is nobody's promise: indices are left out where there are such."""

ACCEPTED = {
    ("nn.functional.ctc_loss", "gradient"):
        "PyTorch's takes for granted that log_softmax comes before it; with it both agree",
    ("as_strided_scatter", "gradient"): "PyTorch's is wrong where memory is written: finite differences say so",
    ("clamp", "gradient"): "PyTorch fails where a bound has more dimensions than the input",
    ("polygamma*", "*"): "PyTorch's float32 is inexact near poles; at infinity the limit is 0, not NaN",
    ("special.polygamma*", "*"): "as polygamma",
    ("digamma", "gradient"): "as polygamma",
    ("*norm", "gradient"): "the gradient of the 0-norm: zeros, in PyTorch none",
    ("logcumsumexp", "gradient"): "PyTorch's float32 is the less exact",
    ("add", "value"): "PyTorch multiplies by alpha, 1 + 0j, in parts: an infinity becomes NaN",
    ("sub", "value"): "as add",
    ("__radd__", "value"): "as add",
    ("nn.functional.mish", "second gradient"): "of large numbers: 0, in PyTorch NaN",
    ("nonzero", "out="): "with as_tuple, where PyTorch has no out=",
    ("where", "out= of int8"): "as nonzero",
    ("where", "out="): "PyTorch has no out= beside numbers",
    ("digamma", "in place"): "as polygamma",
    ("nn.functional.layer_norm", "gradient"): "rounding of a gradient that is 0",
    ("matrix_exp", "value"): "PyTorch's float32 is the less exact",
    ("addbmm", "in place"): "PyTorch gives a tensor that is too small another shape, in place",
    ("__r*__", "error"): "PyTorch's come from C descriptors, which check the first argument",
    ("__rmod__", "gradient"): "PyTorch has no derivative",
    ("half", "gradient"): "PyTorch rounds float64 to float16 by way of float32",
    ("fft.ihfft*", "out="): "PyTorch's result is memory that nobody has written",
    ("special.bessel_*", "value"): "PyTorch's float64 has seven right digits, and NaN at infinity",
    ("special.airy_ai", "value"): "as bessel_j0",
    ("i0", "value"): "at infinity the limit is infinity, not NaN",
    ("special.i1", "value"): "as i0",
    ("special.i1e", "second gradient"): "of NaN: NaN, in PyTorch 0",
    ("special.modified_bessel_i*", "value"): "as i0",
    ("special.*polynomial*", "value"): "where PyTorch's float32 overflows, infinity less infinity is NaN",
    ("special.log_ndtr", "gradient"): "at minus infinity the slope is infinite, not NaN",
    ("linalg.householder_product", "gradient"): "of an empty matrix: an empty gradient, in PyTorch none",
    ("narrow_copy", "gradient"): "PyTorch's fails where start is negative",
    ("mul", "in place"): "as add",
    ("renorm", "gradient"): "PyTorch's maximum norm of complex numbers has the slope NaN",
    ("logaddexp", "value"): "as add",
    ("ldexp", "value"): "as add: of a complex number with an infinity",
    ("nn.functional.linear_cross_entropy/chunked*", "second gradient"):
        "PyTorch's has none: its chunks are differentiated in the forward pass",
    ("_batch_norm_with_update", "out=*"): "torch.ops wants each out= by its own name there",
    ("narrow_copy", "error"): "PyTorch's fails in an assertion where narrow has an IndexError",
    ("signal.windows.kaiser", "value"): "PyTorch's float32 overflows for large beta",
}  # fmt: skip
"""Differences that are meant, by patterns of operation and check, and why."""


COARSE = ("addbmm", "div/trunc_rounding", "addcmul", "nn.functional.conv_transpose*d",
          "nn.functional.normalize", "nn.functional.soft_margin_loss",
          "_unsafe_masked_index_put_accumulate")
"""In 16 bits PyTorch rounds (or overflows) between an operation's steps where flambeau rounds once,
at the end."""


def accepted(name: str, check: str, text: str, where: str = "") -> bool:
    if fits(name, COARSE) and "values" in text and where.startswith(("float16", "bfloat16")):
        return True
    return any(
        fnmatch.fnmatch(name, n) and fnmatch.fnmatch(check, c)
        and (n != "*norm" or text.startswith("one where"))
        and (c != "*" or "values" in text)
        for n, c in ACCEPTED
    )  # fmt: skip

NAN_SLOPES = frozenset("nn.functional." + name for name in (
    "softshrink", "hardshrink", "hardtanh", "relu6", "elu", "celu", "selu", "hardswish"))  # fmt: skip
"""PyTorch's vector and scalar code give different gradients where the input is NaN."""

UP_TO_SIGN = ("linalg.svd", "svd", "linalg.eigh", "linalg.qr", "qr", "linalg.eig", "geqrf",
              "svd_lowrank", "pca_lowrank")  # fmt: skip
"""Factors are not unique: only shapes and dtypes are compared, and gradients of what is."""


def sweep(info: OpInfo, limit: int) -> dict[str, Any]:
    """All checks of one operation: how many were made, and the differences found."""
    found: dict[str, Any] = {"checks": 0, "differences": []}
    ours = counterpart(info, info.op, info.name)
    if ours is None:
        found["missing"] = True
        return found
    checks = Checks(info, ours, found)
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    try:
        for dtype in DTYPES:
            if dtype in info.supported_dtypes("cpu"):
                for number, sample in enumerate(samples(info, dtype, limit)):
                    checks.where = f"{str(dtype)[6:]} #{number}"
                    checks.sample(sample)
        checks.where = "error input"
        checks.errors()
    except TimeoutError:
        checks.note("time", f"more than {SECONDS} s")
    except Exception as error:  # the database's own functions may fail
        if os.environ.get("SWEEP_TRACE"):
            traceback.print_exc()
        checks.note("sweep", f"{type(error).__name__}: {short(error)}")
    found["differences"].sort(key=lambda each: SEVERITY.index(each[0]))
    return found


def _late(*args: Any) -> None:
    raise TimeoutError


def samples(info: OpInfo, dtype: torch.dtype, limit: int) -> Iterator[SampleInput]:
    """Two thirds sample inputs, the rest reference inputs from all over their list."""
    grad = info.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    fit = [s for s in _made(info.sample_inputs, dtype, grad) if _elements(s) <= LARGEST]
    yield from fit[: limit * 2 // 3]
    wider = _made(info.reference_inputs, dtype, grad)
    rest = [s for s in itertools.islice(wider, 600) if _elements(s) <= LARGEST]
    rest = rest[len(fit) :] if len(rest) > len(fit) else []
    step = max(1, -(-len(rest) // max(limit // 3, 1)))
    yield from rest[::step]


def _made(function: Callable[..., Any], dtype: torch.dtype, grad: bool) -> Iterator[SampleInput]:
    try:
        yield from function("cpu", dtype, requires_grad=grad)
    except TimeoutError:
        raise
    except Exception:  # some have no reference inputs for a dtype
        return


def _elements(sample: SampleInput) -> int:
    every = leaves([sample.input, sample.args, sample.kwargs])
    return sum(t.numel() for t in every if isinstance(t, torch.Tensor))


def counterpart(info: OpInfo, function: Any, name: str) -> Any:
    """What flambeau has for a function of the database, None if nothing."""
    try:
        if isinstance(function, functools.partial):
            kept = counterpart(info, function.func, name)
            return kept and functools.partial(kept, *function.args, **function.keywords)
        if isinstance(function, types.FunctionType):
            if function.__name__ == "<lambda>" or function.__module__.startswith("torch.testing"):
                known = info.name in dir(flambeau.Tensor) or named(name) or named(name + "_")
                return rebound(function) if known else None
        return named(name)
    except NoTwin:
        return None


SEVERITY = ("crash", "time", "sweep", "value", "gradient", "second gradient", "in place", "method",
            "error", "out=", "out= of int8", "node", "message")  # fmt: skip
"""What is looked at, the worst first."""

SECOND = 6
"""Samples of an operation, in double precision, that second gradients are compared on."""


class Checks:
    """Runs samples of one operation through both frameworks and notes differences."""

    def __init__(self, info: OpInfo, ours: Any, found: dict[str, Any]) -> None:
        self.info = info
        self.ours = ours
        self.found = found
        self.where = ""
        self.compared = info.name not in UNSET
        self.unique = info.name not in UP_TO_SIGN
        self.seconds = SECOND if info.supports_gradgrad else 0

    def note(self, check: str, text: str, sample: str = "") -> None:
        self.found["differences"].append([check, self.where, text, sample])

    def check(self, check: str, text: str, sample: str) -> None:
        self.found["checks"] += 1
        names = (self.info.name, label(self.info))
        if text and not any(accepted(name, check, text, self.where) for name in names):
            self.note(check, text, sample)

    def sample(self, sample: SampleInput) -> None:
        twins = Twins()
        try:
            args = twins((sample.input, *sample.args))
            kwargs = twins(sample.kwargs)
        except NoTwin:
            return
        given = ((sample.input, *sample.args), sample.kwargs)
        shown = call_text(*given)
        theirs, result = attempt(self.info.op, *given), attempt(self.ours, args, kwargs)
        text = self.outcomes(theirs, result)
        self.check("value", text, shown)
        if text or isinstance(theirs, Raised):
            return
        self.gradients(sample, twins, theirs, result, shown)
        self.method(given, (args, kwargs), shown)
        self.in_place(given, shown)
        self.out(given, theirs, shown)

    def outcomes(self, theirs: Any, ours: Any, factor: float = 1.0) -> str:
        """The difference between two results, either of which may be an exception."""
        if isinstance(theirs, Raised) or isinstance(ours, Raised):
            return raised_difference(theirs, ours)
        try:
            if self.info.name in TIES and self.where.startswith(COUNTED):
                theirs, ours = list(leaves(theirs))[:1], list(leaves(ours))[:1]
                if self.info.name == "argsort":
                    return difference(theirs, ours, False)
            return difference(theirs, ours, self.compared and self.unique, factor)
        except TimeoutError:
            raise
        except Exception as error:
            return f"reading the result: {type(error).__name__}: {short(error)}"

    def gradients(
        self, sample: SampleInput, twins: Twins, theirs: Any, ours: Any, shown: str
    ) -> None:
        pairs = twins.pairs()
        if not pairs or self.info.name in NAN_SLOPES and bool(sample.input.isnan().any()):
            return
        nodes = [getattr(t, "grad_fn", None) for t in leaves(theirs)]
        ours_nodes = [getattr(t, "grad_fn", None) for t in leaves(ours)]
        names = [n.name() if n else None for n in nodes]
        ours_names = [n.name() if n else None for n in ours_nodes]
        text = "" if names == ours_names else f"{ours_names} for {names}"
        self.check("node", short(text), shown)
        wanted = [bool(getattr(t, "requires_grad", False)) for t in leaves(theirs)]
        if not any(wanted) or wanted != [
            bool(getattr(t, "requires_grad", False)) for t in leaves(ours)
        ]:
            return
        if not self.unique and sample.output_process_fn_grad is None:
            return
        process = sample.output_process_fn_grad or (lambda x: x)
        a = attempt(grads_of, (torch, process, theirs, [t for t, _ in pairs]), {})
        b = attempt(grads_of, (flambeau, process, ours, [t for _, t in pairs]), {})
        if isinstance(a, Raised):
            self.check("gradient", raised_difference(a, b), shown)
            return
        text = self.outcomes_of_gradients(a, b)
        self.check("gradient", text, shown)
        if not text and self.seconds and self.where.startswith(("float64", "complex128")):
            self.seconds -= 1
            self.second_gradients(sample, process, shown)

    def second_gradients(self, sample: SampleInput, process: Any, shown: str) -> None:
        """Gradients of the gradients, each side's graph made anew and kept."""
        twins = Twins()
        args, kwargs = twins((sample.input, *sample.args)), twins(sample.kwargs)
        theirs = attempt(self.info.op, (sample.input, *sample.args), sample.kwargs)
        ours = attempt(self.ours, args, kwargs)
        pairs = twins.pairs()
        a = attempt(second_grads_of, (torch, process, theirs, [t for t, _ in pairs]), {})
        b = attempt(second_grads_of, (flambeau, process, ours, [t for _, t in pairs]), {})
        if not isinstance(a, Raised):
            self.check("second gradient", self.outcomes_of_gradients(a, b), shown)

    def outcomes_of_gradients(self, theirs: Any, ours: Any) -> str:
        if self.info.name in TIES and "float16" in self.where:
            return ""
        if isinstance(ours, Raised):
            return raised_difference(theirs, ours)
        for x, y in zip(theirs, ours, strict=True):
            if x is None or y is None:
                if (x is None) != (y is None):
                    return f"{'none' if y is None else 'one'} where PyTorch has " + (
                        "none" if x is None else "one"
                    )
                continue
            try:
                text = difference(x, y, True, 10.0)
            except TimeoutError:
                raise
            except Exception as error:
                return f"reading it: {type(error).__name__}: {short(error)}"
            if text:
                return text
        return ""

    def method(self, given: Any, twin: Any, shown: str) -> None:
        variant = self.info.method_variant
        if variant is None or not isinstance(given[0][0], torch.Tensor):
            return
        ours = self.form(variant)
        if ours is None:
            self.check("method", f"no Tensor.{getattr(variant, '__name__', variant)}", shown)
            return
        theirs = attempt(variant, *given)
        self.check("method", self.outcomes(theirs, attempt(ours, *twin)), shown)

    def form(self, variant: Any) -> Any:
        if isinstance(variant, functools.partial):
            kept = self.form(variant.func) or named(variant.func.__name__)
            return kept and functools.partial(kept, *variant.args, **variant.keywords)
        if isinstance(variant, types.FunctionType) and variant.__name__ == "<lambda>":
            return rebound(variant)
        return getattr(flambeau.Tensor, variant.__name__, None)

    def in_place(self, given: Any, shown: str) -> None:
        variant = self.info.inplace_variant
        if variant is None or not isinstance(given[0][0], torch.Tensor):
            return
        ours = self.form(variant)
        if ours is None:
            self.check("in place", f"no Tensor.{getattr(variant, '__name__', variant)}", shown)
            return
        (first, *rest), kwargs = given
        twins = Twins()
        twin_first = twins(first)
        twin_rest, twin_kwargs = twins(rest), twins(kwargs)
        theirs, twin = first.clone(), twin_first.clone()
        a = attempt(variant, (theirs, *rest), kwargs)
        b = attempt(ours, (twin, *twin_rest), twin_kwargs)
        text = self.outcomes(a, b)
        if not text and not isinstance(a, Raised):
            text = self.outcomes(theirs, twin)
            nan = self.info.name in NAN_SLOPES and bool(first.isnan().any())
            if not text and theirs.requires_grad and twin.requires_grad and not nan:
                pairs = twins.pairs()
                x = attempt(grads_of, (torch, _same, theirs, [t for t, _ in pairs]), {})
                y = attempt(grads_of, (flambeau, _same, twin, [t for _, t in pairs]), {})
                if not isinstance(x, Raised):
                    text = self.outcomes_of_gradients(x, y)
                    text = text and "gradient: " + text
        self.check("in place", text, shown)

    def out(self, given: Any, theirs: Any, shown: str) -> None:
        if not self.info.supports_out:
            return
        parts = list(leaves(theirs))
        if not all(isinstance(t, torch.Tensor) for t in parts):
            return
        for kind in ("fitting", "int8"):
            outs = [torch.empty(t.shape, dtype=t.dtype) for t in parts]
            if kind == "int8":
                outs = [torch.empty(t.shape, dtype=torch.int8) for t in parts]
            twins = Twins()
            args, kwargs = twins(given)
            ours_outs = twins(outs)
            single = isinstance(theirs, torch.Tensor)
            a_out, b_out = (outs[0], ours_outs[0]) if single else (tuple(outs), tuple(ours_outs))
            with torch.no_grad():
                a = attempt(self.info.op, given[0], {**given[1], "out": a_out})
            with flambeau.no_grad():
                b = attempt(self.ours, args, {**kwargs, "out": b_out})
            text = self.outcomes(a, b)
            if not text and not isinstance(a, Raised):
                text = self.outcomes(outs, ours_outs)
            check = "out=" if kind == "fitting" else "out= of int8"
            self.check(check, text, shown)

    def errors(self) -> None:
        if self.info.error_inputs_func is None:
            return
        for number, error in enumerate(self.info.error_inputs("cpu")):
            self.where = f"error input #{number}"
            sample = error.sample_input
            twins = Twins()
            given = ((sample.input, *sample.args), sample.kwargs)
            try:
                args, kwargs = twins(given)
            except NoTwin:
                continue
            theirs = attempt(self.info.op, *given)
            if not isinstance(theirs, Raised):
                continue
            ours = attempt(self.ours, args, kwargs)
            text = raised_difference(theirs, ours) if isinstance(ours, Raised) else (
                f"no error for {theirs}"
            )
            shown = call_text(*given)
            self.check("error", text, shown)
            if not text:
                self.check("message", self.unnamed(ours), shown)

    def unnamed(self, ours: Raised) -> str:
        """What is wrong with a message that names neither the operation nor a part of it."""
        name = self.info.name.rpartition(".")[2].strip("_").replace("_", "")
        said = str(ours.error)
        if name in said.replace("_", "").lower() or re.match(r"[\w.]+(\(\)|:)", said):
            return ""
        return f"names no {name}: {ours}"


def _same(x: Any) -> Any:
    return x


class Raised:
    """An exception in place of a result."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        return f"{type(self.error).__name__}({short(self.error)})"


def attempt(function: Any, args: Any, kwargs: Any) -> Any:
    """The result of a call with both generators seeded, or what it raised."""
    torch.manual_seed(7)
    flambeau.manual_seed(7)
    try:
        return function(*args, **kwargs)
    except TimeoutError:
        raise
    except Exception as error:
        if os.environ.get("SWEEP_TRACE") == "2":
            traceback.print_exc()
        return Raised(error)


def raised_difference(theirs: Any, ours: Any) -> str:
    """How two outcomes differ of which at least one is an exception."""
    if not isinstance(theirs, Raised):
        return f"raises {ours}"
    if not isinstance(ours, Raised):
        return f"no error for {theirs}"
    if type(theirs.error).__name__.strip("_") == type(ours.error).__name__.strip("_"):
        return ""
    return f"{ours} for {theirs}"


def second_grads_of(lib: Any, process: Any, result: Any, inputs: list[Any]) -> Any:
    """Gradients of the first gradients; where none depends on an input, zeros."""
    first = grads_of(lib, process, result, inputs, create_graph=True)
    if not any(g is not None and g.requires_grad for g in first):
        return [lib.zeros_like(x) for x in inputs]
    second = grads_of(lib, _same, [g for g in first if g is not None], inputs)
    return [lib.zeros_like(x) if g is None else g for g, x in zip(second, inputs)]


def grads_of(
    lib: Any, process: Any, result: Any, inputs: list[Any], create_graph: bool = False
) -> Any:
    """Gradients of a result for cotangents that are the same in both frameworks."""
    parts, given = [], []
    for i, t in enumerate(leaves(process(result))):
        if not getattr(t, "requires_grad", False):
            continue
        numbers = np.random.default_rng(i).uniform(0.5, 1.5, tuple(t.shape))
        parts.append(t)
        given.append(lib.from_numpy(np.asarray(numbers)).to(t.dtype))
    return lib.autograd.grad(
        parts, inputs, given, allow_unused=True, create_graph=create_graph
    )


def call_text(args: Any, kwargs: Any) -> str:
    """A call's arguments in one line: tensors by dtype and shape."""

    def one(x: Any) -> str:
        if isinstance(x, torch.Tensor):
            kind = str(x.dtype)[6:].replace("float", "f").replace("int", "i")
            strided = "" if x.is_contiguous() else "'"
            return f"{kind}{list(x.shape)}{strided}"
        if isinstance(x, (list, tuple)):
            return "(" + ", ".join(map(one, x)) + ")"
        return short(repr(x))

    parts = [one(x) for x in args] + [f"{k}={one(v)}" for k, v in kwargs.items()]
    text = ", ".join(parts)
    return text if len(text) < 200 else text[:197] + "..."


# --- one process an operation -------------------------------------------------------------------


def isolated(function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """A sweep of one entry in a child: whatever happens there, this process goes on."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            found = function(*args)
            with os.fdopen(write_end, "w") as pipe:
                json.dump(found, pipe, default=str)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if text:
        loaded: dict[str, Any] = json.loads(text)
        return loaded
    return {"checks": 0, "differences": [["crash", "", f"the process ended ({status})", ""]]}


def label(info: OpInfo) -> str:
    return info.name + (f"/{info.variant_test_name}" if info.variant_test_name else "")


def fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def chosen(pattern: str) -> list[OpInfo]:
    """The entries whose label fits one of the patterns, or that have its name."""
    wanted = pattern.split(",")
    return [info for info in op_db if fits(label(info), wanted) or info.name in wanted]


def prepare() -> None:
    """Imports, before the first fork."""
    named("relu"), seeded(flambeau.ones, 1), flambeau.nn.Linear(1, 1), flambeau.optim.SGD
