"""Runs PyTorch's own database of modules against flambeau: part of `tools.coverage_of_torch`.

    python -m tools.sweep_torch_modules [PATTERN]     prints the differences

For each module and sample, in float32 and float64, in training and evaluation: the parameters that
one seed gives (bit for bit), the names in `state_dict`, the repr, results, gradients, second
gradients, buffers afterwards, the same for strided input; state dicts exchanged both ways, copies
by `deepcopy` and pickle; and the exceptions of its error inputs. See `tools/sweep_torch_ops.py`.
"""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import flambeau
from tools import sweep_torch_ops as ops
from tools.sweep_torch_ops import Raised, attempt, call_text, raised_difference
from tools.sweep_twins import NoTwin, Twins, array, difference, leaves, short

CLOSELY = 3
"""Samples of each dtype and mode that second gradients, copies and strides are looked at for."""

ACCEPTED = {
    ("CTCLoss", "gradient"):
        "PyTorch's takes for granted that log_softmax comes before it; with it both agree",
    ("CTCLoss", "second gradient"): "as gradient",
}  # fmt: skip
"""Differences that are meant, by module and check, and why."""


class Notes:
    """Checks of one entry of a database."""

    def __init__(self, accepted: frozenset[str] = frozenset()) -> None:
        self.found: dict[str, Any] = {"checks": 0, "differences": []}
        self.accepted = accepted
        self.where = ""

    def check(self, check: str, text: str, sample: str = "") -> None:
        self.found["checks"] += 1
        if text and check not in self.accepted:
            self.found["differences"].append([check, self.where, short(text), sample])


def counterpart(cls: type) -> Any:
    """flambeau's class for one of PyTorch's, None if it has none."""
    space = flambeau.optim if cls.__module__.startswith("torch.optim") else flambeau.nn
    held = importlib.import_module(cls.__module__.replace("torch", "flambeau", 1)) if (
        cls.__module__.startswith("torch.nn.modules.")) else space  # fmt: skip
    return getattr(space, cls.__name__, None) or getattr(held, cls.__name__, None)


def chosen_modules(pattern: str) -> list[tuple[str, Any]]:
    """The database's modules whose name fits one of the patterns."""
    named = [(f"nn.{info.module_cls.__name__}", info) for info in module_db]
    return [(name, info) for name, info in named if ops.fits(name, pattern.split(","))]


def sweep_module(info: Any) -> dict[str, Any]:
    """All checks of one module."""
    name = info.module_cls.__name__
    notes = Notes(frozenset(check for cls, check in ACCEPTED if cls == name))
    ours = counterpart(info.module_cls)
    if ours is None:
        return {**notes.found, "missing": True}
    for dtype in (torch.float32, torch.float64):
        if dtype not in info.dtypes:
            continue
        for training in (True, False):
            inputs = info.module_inputs_func(
                info, device="cpu", dtype=dtype, requires_grad=True, training=training
            )
            for number, sample in enumerate(inputs):
                notes.where = f"{str(dtype)[6:]} #{number}{'' if training else ' evaluation'}"
                pair = Pair(notes, info, ours, sample, dtype, training)
                pair.check(closely=number < CLOSELY)
    if info.module_error_inputs_func is not None:
        module_errors(notes, info, ours)
    return notes.found


class ModuleTwins(Twins):
    """Twins of modules too: made of what they hold."""

    def __call__(self, x: Any) -> Any:
        if getattr(x, "__module__", None) == "torch.nn.functional":
            return getattr(flambeau.nn.functional, x.__name__)
        if not isinstance(x, torch.nn.Module):
            return super().__call__(x)
        cls = counterpart(type(x))
        if cls is None:
            raise NoTwin(type(x).__name__)
        made = cls.__new__(cls)
        flambeau.nn.Module.__init__(made)
        for name, value in x.__dict__.items():
            if name in ("_parameters", "_buffers", "_modules"):
                for key, held in value.items():
                    twin = held if held is None else self(held)
                    if isinstance(held, torch.nn.Parameter):
                        twin = flambeau.nn.Parameter(twin.detach(), held.requires_grad)
                    getattr(made, name)[key] = twin
            elif not name.startswith("_") or name == "_qkv_same_embed_dim":
                made.__dict__[name] = self(value)
        return made


def built(twins: Twins, cls: Any, ours: Any, given: Any, dtype: Any) -> tuple[Any, Any]:
    """The module in both frameworks from one seed, or what was raised."""
    args, kwargs = twins(given.args), twins(given.kwargs)
    theirs, twin = attempt(cls, given.args, given.kwargs), attempt(ours, args, kwargs)
    if not isinstance(theirs, Raised) and not isinstance(twin, Raised):
        theirs = theirs.to(dtype)
        twin = twin.to(twins(dtype))
    return theirs, twin


def has_shapes(module: Any) -> bool:
    """Whether a module is not lazy, or has seen input."""
    return not any(type(p).__name__.startswith("Uninit")
                   for p in (*module.parameters(), *module.buffers()))  # fmt: skip


class Pair:
    """One sample of the database: the module in both frameworks, and a call's arguments."""

    def __init__(
        self, notes: Notes, info: Any, ours: Any, sample: Any, dtype: Any, training: bool
    ) -> None:
        self.notes, self.info, self.ours = notes, info, ours
        self.sample, self.dtype, self.training = sample, dtype, training
        given = sample.constructor_input
        self.shown = f"{info.module_cls.__name__}({call_text(given.args, given.kwargs)})"

    def made(self) -> tuple[Any, Any]:
        theirs, twin = built(
            ModuleTwins(), self.info.module_cls, self.ours, self.sample.constructor_input, self.dtype
        )
        if not isinstance(theirs, Raised) and not isinstance(twin, Raised):
            theirs.train(self.training)
            twin.train(self.training)
        return theirs, twin

    def note(self, check: str, text: str) -> bool:
        """Note a check, and give whether it went well."""
        self.notes.check(check, text, self.shown)
        return not text

    def check(self, closely: bool) -> None:
        try:
            theirs, twin = self.made()
        except NoTwin:
            return
        if isinstance(theirs, Raised) or isinstance(twin, Raised):
            self.note("construction", raised_difference(theirs, twin))
            return
        self.note("repr", "" if repr(theirs) == repr(twin) else f"{twin!r} for {theirs!r}")
        if has_shapes(theirs):
            self.note("initial values", state_difference(theirs, twin))
        forward = self.sample.forward_input
        if forward is None:
            return
        self.shown += f" of ({call_text(forward.args, forward.kwargs)})"
        try:
            fine = self.call((theirs, twin), (forward.args, forward.kwargs), "")
        except NoTwin:
            return
        if fine:
            self.note("state after", state_difference(theirs, twin, exact=False))
        if fine and closely:
            self.copies(forward)
            self.exchange(forward)
            self.strided(forward)
            if self.dtype is torch.float64 and self.info.supports_gradgrad:
                self.second_gradients(forward)

    def call(self, modules: tuple[Any, Any], given: tuple[Any, Any], how: str) -> bool:
        """Compare the results and gradients of a call."""
        inputs = Twins()
        args, kwargs = inputs(given[0]), inputs(given[1])
        a, b = attempt(modules[0], *given), attempt(modules[1], args, kwargs)
        if isinstance(a, Raised) or isinstance(b, Raised):
            return self.note(how or "value", raised_difference(a, b))
        text = difference(list(leaves(a)), list(leaves(b)), factor=5.0)
        if not self.note(how or "value", text):
            return False
        return self.gradients(modules, (a, b), inputs, how)

    def gradients(self, modules: Any, results: Any, inputs: Twins, how: str) -> bool:
        """Compare the gradients of inputs and parameters."""
        pairs = [*inputs.pairs(), *zip(modules[0].parameters(), modules[1].parameters())]
        if not pairs or not any(getattr(t, "requires_grad", False) for t in leaves(results[0])):
            return True
        a = attempt(ops.grads_of, (torch, _same, results[0], [t for t, _ in pairs]), {})
        b = attempt(ops.grads_of, (flambeau, _same, results[1], [t for _, t in pairs]), {})
        if isinstance(a, Raised) or isinstance(b, Raised):
            return self.note(how or "gradient", raised_difference(a, b))
        return self.note(how or "gradient", gradient_difference(a, b, 20.0))

    def second_gradients(self, forward: Any) -> None:
        theirs, twin = self.made()
        inputs = Twins()
        args, kwargs = inputs(forward.args), inputs(forward.kwargs)
        a = attempt(theirs, forward.args, forward.kwargs)
        b = attempt(twin, args, kwargs)
        pairs = [*inputs.pairs(), *zip(theirs.parameters(), twin.parameters())]
        if not pairs or not any(getattr(t, "requires_grad", False) for t in leaves(a)):
            return
        a = attempt(ops.second_grads_of, (torch, _same, a, [t for t, _ in pairs]), {})
        b = attempt(ops.second_grads_of, (flambeau, _same, b, [t for _, t in pairs]), {})
        if isinstance(a, Raised):
            return
        text = raised_difference(a, b) if isinstance(b, Raised) else gradient_difference(a, b, 50.0)
        self.note("second gradient", text)

    def copies(self, forward: Any) -> None:
        """A copy and a pickle compute what the module does."""
        _, twin = self.made()
        inputs = Twins()
        args, kwargs = inputs(forward.args), inputs(forward.kwargs)
        attempt(twin, args, kwargs)
        for how, make in COPIES.items():
            made = attempt(make, (twin,), {})
            if isinstance(made, Raised):
                self.note(how, f"raises {made}")
                continue
            text = "" if repr(made) == repr(twin) else f"{made!r} for {twin!r}"
            a, b = attempt(make(twin), args, kwargs), attempt(made, args, kwargs)
            if not text and isinstance(a, Raised) == isinstance(b, Raised):
                pairs = [] if isinstance(a, Raised) else zip(leaves(a), leaves(b))
                same = all(x is y or np.array_equal(array(x), array(y), equal_nan=True)
                           for x, y in pairs)  # fmt: skip
                text = "" if same else "other results"
            self.note(how, text)

    def exchange(self, forward: Any) -> None:
        """A state dict loaded from the other side, in both directions, makes the modules equal."""
        theirs, twin = self.made()
        for module in (theirs, twin):
            if not has_shapes(module):
                inputs = Twins()
                given = (forward.args, forward.kwargs)
                attempt(module, *(given if module is theirs else inputs(given)))
        if not theirs.state_dict():
            return
        with torch.no_grad():
            for p in theirs.parameters():
                p.add_(0.25)
        state = {key: Twins()(value) for key, value in theirs.state_dict().items()}
        loaded = attempt(twin.load_state_dict, (state,), {})
        text = f"raises {loaded}" if isinstance(loaded, Raised) else state_difference(theirs, twin)
        self.note("state from PyTorch", text)
        with flambeau.no_grad():
            for p in twin.parameters():
                p.mul_(0.5)
        back = {key: value if not isinstance(value, flambeau.Tensor)
                else torch.from_numpy(array(value).copy())
                for key, value in twin.state_dict().items()}  # fmt: skip
        given = attempt(theirs.load_state_dict, (back,), {})
        text = f"raises {given}" if isinstance(given, Raised) else state_difference(theirs, twin)
        self.note("state to PyTorch", text)

    def strided(self, forward: Any) -> None:
        """Input of the same values that lies in memory with gaps."""

        def spread(x: Any) -> Any:
            if isinstance(x, torch.Tensor) and x.is_floating_point() and x.dim():
                room = torch.zeros((*x.shape, 2), dtype=x.dtype)
                room[..., 0] = x.detach()
                return room[..., 0].requires_grad_(x.requires_grad)
            if isinstance(x, tuple):
                return tuple(map(spread, x))
            return x

        kwargs = {key: spread(value) for key, value in forward.kwargs.items()}
        self.call(self.made(), (spread(tuple(forward.args)), kwargs), "strided input")


def _pickled(module: Any) -> Any:
    return pickle.loads(pickle.dumps(module))


def _saved(module: Any) -> Any:
    file = io.BytesIO()
    flambeau.save(module, file)
    file.seek(0)
    return flambeau.load(file, weights_only=False)


COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": _pickled,
                                              "save": _saved}  # fmt: skip
"""Ways to a second module that is equal."""


def state_difference(theirs: Any, ours: Any, exact: bool = True) -> str:
    a, b = theirs.state_dict(), ours.state_dict()
    if list(a) != list(b):
        return f"names {list(b)} for {list(a)}"
    for name in a:
        if not isinstance(a[name], torch.Tensor):
            continue
        if exact and not np.array_equal(array(a[name]), array(b[name]), equal_nan=True):
            return f"{name}: {short(array(b[name]))} for {short(array(a[name]))}"
        text = difference(a[name], b[name])
        if text:
            return f"{name}: {text}"
    return ""


def gradient_difference(theirs: Any, ours: Any, factor: float) -> str:
    for x, y in zip(theirs, ours, strict=True):
        if x is None and y is None:
            continue
        if x is None or y is None:
            return "none" if y is None else "one for none"
        text = difference(x, y, True, factor)
        if text:
            return text
    return ""


def _same(x: Any) -> Any:
    return x


def module_errors(notes: Notes, info: Any, ours: Any) -> None:
    every = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    for number, error in enumerate(every):
        notes.where = f"error input #{number}"
        sample = error.module_error_input
        twins = Twins()
        try:
            theirs, twin = built(
                twins, info.module_cls, ours, sample.constructor_input, torch.float32
            )
            shown = call_text(sample.constructor_input.args, sample.constructor_input.kwargs)
            if error.error_on is not ModuleErrorEnum.CONSTRUCTION_ERROR:
                forward = sample.forward_input
                shown += f" of {call_text(forward.args, forward.kwargs)}"
                args, kwargs = twins(forward.args), twins(forward.kwargs)
                theirs = attempt(theirs, forward.args, forward.kwargs)
                twin = attempt(twin, args, kwargs)
        except NoTwin:
            continue
        if isinstance(theirs, Raised):
            notes.check("error", raised_difference(theirs, twin), shown)


def report(entries: list[tuple[str, Any]], sweep: Callable[[Any], Any], shown: int = 12) -> None:
    """Sweep entries one after the other, each in a process of its own, and print differences."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    ops.prepare()
    passing = 0
    for name, info in entries:
        found = ops.isolated(sweep, info)
        wrong = found["differences"]
        passing += not wrong and not found.get("missing")
        print(name, "missing" if found.get("missing") else f"{found['checks']} {len(wrong)}",
              flush=True)  # fmt: skip
        for each in wrong[:shown]:
            print("    " + " | ".join(each))
    print(f"{passing} of {len(entries)} pass")


if __name__ == "__main__":
    report(chosen_modules(sys.argv[1] if len(sys.argv) > 1 else "*"), sweep_module)
