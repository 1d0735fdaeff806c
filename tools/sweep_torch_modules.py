"""Runs PyTorch's own databases of modules and optimizers against flambeau: part of `tools.coverage_of_torch`.

For each module: the parameters that one seed gives (bit for bit), the names in `state_dict`, the
repr, results and gradients in training and evaluation, and the exceptions of its error inputs. For
each optimizer: parameters after six steps, and its error inputs. See `tools/sweep_torch_ops.py`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import flambeau
from tools import sweep_torch_ops as ops
from tools.sweep_torch_ops import Raised, attempt, call_text, raised_difference
from tools.sweep_twins import NoTwin, Twins, array, difference, leaves, short

STEPS = 6


class Notes:
    """Checks of one entry of a database."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {"checks": 0, "differences": []}
        self.where = ""

    def check(self, check: str, text: str, sample: str = "") -> None:
        self.found["checks"] += 1
        if text:
            self.found["differences"].append([check, self.where, short(text), sample])


def counterpart(cls: type) -> Any:
    """flambeau's class for one of PyTorch's, None if it has none."""
    found: Any = flambeau
    for part in f"{cls.__module__}.{cls.__name__}".split(".")[1:]:
        if part.startswith("_") or part in ("modules", "parallel") or part == cls.__module__.rpartition(".")[2]:
            if part not in ("nn", "optim"):
                continue
        found = getattr(found, part, None)
    return found


# --- modules ------------------------------------------------------------------------------------


def sweep_module(info: Any) -> dict[str, Any]:
    """All checks of one module."""
    notes = Notes()
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
                module_sample(notes, info.module_cls, ours, sample, dtype, training)
    if info.module_error_inputs_func is not None:
        module_errors(notes, info, ours)
    return notes.found


def built(twins: Twins, cls: Any, ours: Any, given: Any, dtype: Any) -> tuple[Any, Any]:
    """The module in both frameworks from one seed, or what was raised."""
    args, kwargs = twins(given.args), twins(given.kwargs)
    theirs, twin = attempt(cls, given.args, given.kwargs), attempt(ours, args, kwargs)
    if not isinstance(theirs, Raised) and not isinstance(twin, Raised):
        theirs = theirs.to(dtype)
        twin = twin.to(twins(dtype))
    return theirs, twin


def module_sample(
    notes: Notes, cls: Any, ours: Any, sample: Any, dtype: Any, training: bool
) -> None:
    twins = Twins()
    given = sample.constructor_input
    shown = f"{cls.__name__}({call_text(given.args, given.kwargs)})"
    try:
        theirs, twin = built(twins, cls, ours, given, dtype)
    except NoTwin:
        return
    if isinstance(theirs, Raised) or isinstance(twin, Raised):
        notes.check("construction", raised_difference(theirs, twin), shown)
        return
    notes.check("repr", "" if repr(theirs) == repr(twin) else f"{twin!r} for {theirs!r}", shown)
    notes.check("initial values", state_difference(theirs, twin), shown)
    theirs.train(training), twin.train(training)
    forward = sample.forward_input
    if forward is None:
        return
    inputs = Twins()
    try:
        args, kwargs = inputs(forward.args), inputs(forward.kwargs)
    except NoTwin:
        return
    shown += f" of ({call_text(forward.args, forward.kwargs)})"
    a, b = attempt(theirs, forward.args, forward.kwargs), attempt(twin, args, kwargs)
    if isinstance(a, Raised) or isinstance(b, Raised):
        notes.check("value", raised_difference(a, b), shown)
        return
    text = difference(list(leaves(a)), list(leaves(b)), factor=5.0)
    notes.check("value", text, shown)
    if not text:
        module_gradients(notes, (theirs, a), (twin, b), inputs, shown)
        notes.check("state after", state_difference(theirs, twin, exact=False), shown)


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


def module_gradients(notes: Notes, theirs: Any, ours: Any, inputs: Twins, shown: str) -> None:
    """Gradients of inputs and parameters."""
    pairs = inputs.pairs()
    wanted = [t for t, _ in pairs] + list(theirs[0].parameters())
    twins = [t for _, t in pairs] + list(ours[0].parameters())
    if not wanted or not any(getattr(t, "requires_grad", False) for t in leaves(theirs[1])):
        return
    a = attempt(ops.grads_of, (torch, _same, theirs[1], wanted), {})
    b = attempt(ops.grads_of, (flambeau, _same, ours[1], twins), {})
    if isinstance(a, Raised) or isinstance(b, Raised):
        notes.check("gradient", raised_difference(a, b), shown)
        return
    for x, y in zip(a, b, strict=True):
        if x is not None or y is not None:
            text = "none" if y is None else "one for none" if x is None else (
                difference(x, y, True, 20.0)
            )
            notes.check("gradient", text, shown)


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


# --- optimizers ---------------------------------------------------------------------------------


def sweep_optimizer(info: Any) -> dict[str, Any]:
    """All checks of one optimizer."""
    notes = Notes()
    ours = counterpart(info.optim_cls)
    if ours is None:
        return {**notes.found, "missing": True}
    for number, sample in enumerate(info.optim_inputs_func(device="cpu")):
        for flags in ({}, *({flag: True} for flag in ("foreach",) if flag in info.supported_impls)):
            notes.where = f"#{number} {sample.desc}"
            shown = call_text((), {**sample.kwargs, **flags})
            theirs = attempt(trained, (torch, info.optim_cls, {**sample.kwargs, **flags}), {})
            kwargs = {**Twins()(sample.kwargs), **flags}
            twin = attempt(trained, (flambeau, ours, kwargs), {})
            if isinstance(theirs, Raised) or isinstance(twin, Raised):
                notes.check("steps", raised_difference(theirs, twin), shown)
            else:
                notes.check("steps", difference(theirs, twin), shown)
    for number, error in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
        notes.where = f"error input #{number}"
        optimizer_error(notes, info.optim_cls, ours, error)
    return notes.found


def trained(lib: Any, cls: Any, kwargs: Any) -> list[Any]:
    """Two parameters after some steps on a quadratic with a kink."""
    start = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    w = lib.nn.Parameter(lib.from_numpy(start.copy()).clone())
    b = lib.nn.Parameter(lib.from_numpy(start[:1].copy()).clone())
    x = lib.from_numpy(start.copy())
    optimizer = cls([w, b], **kwargs)

    def loss() -> Any:
        optimizer.zero_grad()
        value = ((w @ x.t() + b.sum()) ** 2).mean() + (w - 0.3).abs().sum()
        value.backward()
        return value

    for _ in range(STEPS):
        optimizer.step(loss)
    return [w, b]


def optimizer_error(notes: Notes, cls: Any, ours: Any, error: Any) -> None:
    sample = error.optimizer_error_input
    twins = Twins()
    given = [torch.nn.Parameter(torch.ones(2, 2))] if sample.params is None else sample.params

    def run(make: Any, params: Any, kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = make(params, **kwargs)
            if error.error_on is OptimizerErrorEnum.STEP_ERROR:
                for group in made.param_groups:
                    for p in group["params"]:
                        p.grad = p.detach() * 0 + 1
                made.step()

    def parameters(x: Any) -> Any:
        if isinstance(x, torch.nn.Parameter):
            if id(x) not in twins.known:
                twins.known[id(x)] = (x, flambeau.nn.Parameter(Twins()(x.detach())))
            return twins.known[id(x)][1]
        if isinstance(x, dict):
            return {key: parameters(value) for key, value in x.items()}
        return type(x)(parameters(e) for e in x) if isinstance(x, (list, tuple)) else x

    try:
        kwargs = twins(sample.kwargs)
    except NoTwin:
        return
    twin = attempt(run, (ours, parameters(given), kwargs), {})
    theirs = attempt(run, (cls, given, sample.kwargs), {})
    if isinstance(theirs, Raised):
        notes.check("error", raised_difference(theirs, twin), sample.desc)


def chosen_modules(pattern: str) -> list[tuple[str, Any]]:
    """The database's modules whose name fits one of the patterns."""
    named = [(f"nn.{info.module_cls.__name__}", info) for info in module_db]
    return [(name, info) for name, info in named if ops.fits(name, pattern.split(","))]


def chosen_optimizers(pattern: str) -> list[tuple[str, Any]]:
    """The same of its optimizers."""
    named = [(f"optim.{info.optim_cls.__name__}", info) for info in optim_db]
    return [(name, info) for name, info in named if ops.fits(name, pattern.split(","))]

