"""Runs PyTorch's own database of optimizers against flambeau: part of `tools.coverage_of_torch`.

    python -m tools.sweep_torch_optimizers [PATTERN]     prints the differences

For each optimizer and each of its inputs, with each implementation it may choose (`foreach`,
`fused`, `differentiable`, `capturable`): the parameters after six steps in float64 and float32, the
state and the options, and state dicts exchanged both ways in the middle of a run. For each also: a
rate that is a tensor, groups with rates of their own, names, groups added later, complex
parameters, hooks, copies, and what its error inputs raise. See `tools/sweep_torch_ops.py`.
"""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import flambeau
from tools import sweep_torch_ops as ops
from tools.sweep_torch_modules import Notes, counterpart, report
from tools.sweep_torch_ops import Raised, attempt, call_text, raised_difference
from tools.sweep_twins import NoTwin, Twins, array, difference

STEPS = 6

COARSE = {"Muon": 2e4, "LBFGS": 1e2}
"""By what the tolerances are multiplied: Muon computes in bfloat16."""


def chosen_optimizers(pattern: str) -> list[tuple[str, Any]]:
    """The database's optimizers whose name fits one of the patterns."""
    named = [(f"optim.{info.optim_cls.__name__}", info) for info in optim_db]
    return [(name, info) for name, info in named if ops.fits(name, pattern.split(","))]


def sweep_optimizer(info: Any) -> dict[str, Any]:
    """All checks of one optimizer."""
    notes = Notes()
    ours = counterpart(info.optim_cls)
    if ours is None:
        return {**notes.found, "missing": True}
    swept = Sweep(notes, info, ours)
    for number, sample in enumerate(info.optim_inputs_func(device="cpu")):
        for flags in swept.implementations():
            notes.where = f"#{number} {sample.desc}"
            swept.sample({**sample.kwargs, **flags})
    for check in (swept.groups, swept.added_group, swept.tensor_rate, swept.complex_parameters,
                  swept.hooks, swept.copies, swept.state_hooks, swept.no_gradients):  # fmt: skip
        notes.where = check.__name__
        check()
    for number, error in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
        notes.where = f"error input #{number}"
        optimizer_error(notes, info.optim_cls, ours, error)
    return notes.found


class Run:
    """An optimizer of one framework at work on two parameters: a quadratic with a kink."""

    def __init__(
        self, lib: Any, cls: Any, kwargs: Any, dtype: str = "float64", groups: Any = None,
        shapes: tuple[tuple[int, ...], ...] = ((4, 3), (1, 3)),
    ) -> None:  # fmt: skip
        self.lib, self.cls, self.kwargs = lib, cls, kwargs
        if cls.__name__ == "SparseAdam":
            shapes = ((4, 3), (4, 3))
        rng = np.random.default_rng(0)
        starts = [rng.uniform(-1, 1, shape) for shape in shapes]
        if dtype.startswith("complex"):
            starts = [start * (1 - 0.5j) for start in starts]
        self.x = lib.from_numpy(starts[0].astype(dtype).copy())
        self.params = [lib.nn.Parameter(lib.from_numpy(s.astype(dtype))) for s in starts]
        given = self.params if groups is None else groups(self.params)
        self.optimizer = cls(given, **kwargs)

    def loss(self) -> Any:
        """The closure."""
        self.optimizer.zero_grad()
        if self.cls.__name__ == "SparseAdam":
            value = self.embedded()
        else:
            w, b = self.params[:2]
            # A kink sends the line searches of two roundings different ways.
            kink = (w - 0.3) ** 2 if self.cls.__name__ == "LBFGS" else (w - 0.3).abs()
            value = ((w @ self.x.t() + b.sum()).abs() ** 2).mean() + kink.sum()
            for other in self.params[2:]:
                value = value + (other**2).abs().sum()
        value.backward()
        return value

    def embedded(self) -> Any:
        """A loss that looks some rows up, whose gradients are sparse in PyTorch."""
        index = self.lib.tensor([0, 2, 2])
        rows = [self.lib.nn.functional.embedding(index, p, sparse=True) for p in self.params]
        return sum((row - 0.3).abs().sum() + (row**2).mean() for row in rows)

    def steps(self, count: int = STEPS) -> Run:
        for _ in range(count):
            self.optimizer.step(self.loss)
        return self

    def outcome(self) -> Any:
        """Everything that can be compared: parameters, state, options."""
        state = self.optimizer.state_dict()
        if self.cls.__name__ == "LBFGS":
            # PyTorch keeps scratch of one step in it, and 0-d tensors that are numbers here.
            state["state"] = {key: {name: value[name] for name in ("func_evals", "n_iter")}
                              for key, value in state["state"].items()}  # fmt: skip
        options = [{k: v for k, v in group.items() if k != "params"}
                   for group in state["param_groups"]]  # fmt: skip
        return [*self.params, state["state"], options]


def keyed(x: Any) -> Any:
    """The names in nested dicts: `leaves` compares values only."""
    if isinstance(x, dict):
        return {key: keyed(value) for key, value in x.items()}
    return [keyed(e) for e in x] if isinstance(x, (list, tuple)) else None


class Sweep:
    """The checks of one optimizer."""

    def __init__(self, notes: Notes, info: Any, ours: Any) -> None:
        self.notes, self.info, self.ours = notes, info, ours
        self.name = info.optim_cls.__name__
        self.factor = COARSE.get(self.name, 1.0)

    def implementations(self) -> list[dict[str, bool]]:
        flags: list[dict[str, bool]] = [{}]
        for flag in ("foreach", "fused", "differentiable"):
            if flag in self.info.supported_impls:
                flags += [{flag: True}, {flag: False}]
        if self.info.has_capturable_arg:
            flags.append({"capturable": True})
        return flags

    def compare(
        self, check: str, work: Callable[[Any, Any, Any], Any], kwargs: Any = None,
        factor: float = 1.0,
    ) -> None:  # fmt: skip
        """Compare the outcomes of work in both frameworks."""
        kwargs = {} if kwargs is None else kwargs
        theirs = attempt(work, (torch, self.info.optim_cls, dict(kwargs)), {})
        twin = attempt(work, (flambeau, self.ours, Twins()(dict(kwargs))), {})
        if isinstance(theirs, Raised) or isinstance(twin, Raised):
            text = raised_difference(theirs, twin)
        elif keyed(theirs) != keyed(twin):
            text = f"{keyed(twin)} for {keyed(theirs)}"
        else:
            text = difference(theirs, twin, factor=self.factor * factor)
        self.notes.check(check, text, call_text((), kwargs))

    def sample(self, kwargs: dict[str, Any]) -> None:
        if kwargs.get("differentiable"):
            if self.name == "SGD" and kwargs.get("momentum"):
                return  # PyTorch cuts the buffer off the graph: its derivative leaves the step out
            # PyTorch counts steps in float32 then.
            self.compare("differentiable", differentiated, kwargs, 100.0)
            return
        self.compare("steps", lambda *a: Run(*a).steps().outcome(), kwargs)
        self.compare("steps in float32", lambda *a: Run(*a, "float32").steps().outcome(), kwargs)
        self.compare("repr", lambda *a: repr(Run(*a).optimizer), kwargs)
        self.exchange(kwargs)

    def exchange(self, kwargs: dict[str, Any]) -> None:
        """Three steps here, the state handed over, three steps there: as six on one side."""
        twin_kwargs = Twins()(kwargs)
        whole = attempt(lambda: Run(torch, self.info.optim_cls, kwargs).steps(6), (), {})
        if isinstance(whole, Raised):
            return
        for check, first, second in (
            ("state from PyTorch", (torch, self.info.optim_cls, kwargs),
             (flambeau, self.ours, twin_kwargs)),
            ("state to PyTorch", (flambeau, self.ours, twin_kwargs),
             (torch, self.info.optim_cls, kwargs)),
        ):  # fmt: skip
            text = attempt(self.handed, (whole, first, second), {})
            self.notes.check(check, f"raises {text}" if isinstance(text, Raised) else text,
                             call_text((), kwargs))  # fmt: skip

    def handed(self, whole: Run, first: Any, second: Any) -> str:
        start, end = Run(*first).steps(3), Run(*second)
        state = start.optimizer.state_dict()
        end.optimizer.load_state_dict(across(state, second[0]))
        with second[0].no_grad():
            for p, q in zip(end.params, start.params):
                p.copy_(across(q.detach(), second[0]))
        end.steps(3)
        for p, q in zip(whole.params, end.params, strict=True):
            if not np.allclose(array(p), array(q), 1e-8 * self.factor, 1e-8 * self.factor):
                return f"{array(q).ravel()[:3]} for {array(p).ravel()[:3]}"
        return ""

    def groups(self) -> None:
        """Groups with a rate of their own, and names."""
        if not self.info.supports_param_groups:
            return
        rates = lambda p: [{"params": p[:1], "lr": 0.05}, {"params": p[1:]}]  # noqa: E731
        named = lambda p: [("first", p[0]), ("second", p[1])]  # noqa: E731
        self.compare("groups", lambda *a: Run(*a, groups=rates).steps().outcome())
        self.compare("names", lambda *a: Run(*a, groups=named).steps().outcome())
        self.compare("groups' text", lambda *a: repr(Run(*a, groups=rates).optimizer))

    def added_group(self) -> None:
        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            run = Run(lib, cls, kwargs).steps(2)
            run.params.append(lib.nn.Parameter(lib.ones((2, 2), dtype=lib.float64)))
            run.optimizer.add_param_group({"params": run.params[2:], "lr": 0.02})
            return run.steps(2).outcome()

        if self.info.supports_param_groups and self.name != "SparseAdam":
            self.compare("added group", work)

    def tensor_rate(self) -> None:
        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            run = Run(lib, cls, {"lr": lib.tensor(0.01), **kwargs}).steps(2)
            if cls.__name__ != "LBFGS":  # whose state is that very tensor, in PyTorch
                run.optimizer.param_groups[0]["lr"].mul_(0.5)
            return run.steps(2).outcome()

        # PyTorch computes 1 - lr * weight_decay in the rate's float32.
        self.compare("rate as a tensor", work, factor=100.0)

    def complex_parameters(self) -> None:
        if self.name not in ("LBFGS",):
            self.compare("complex", lambda *a: Run(*a, "complex128").steps(3).outcome())

    def hooks(self) -> None:
        """The order of hooks around a step, and what they are given."""

        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            calls: list[str] = []
            run = Run(lib, cls, kwargs)
            module = importlib.import_module(f"{lib.__name__}.optim.optimizer")
            handles = [
                module.register_optimizer_step_pre_hook(lambda o, a, k: calls.append("every pre")),
                module.register_optimizer_step_post_hook(lambda o, a, k: calls.append("every post")),
                run.optimizer.register_step_pre_hook(
                    lambda o, a, k: calls.append(f"pre {len(a)} {len(k)}")),
                run.optimizer.register_step_post_hook(
                    lambda o, a, k: calls.append(f"post {len(a)} {len(k)}")),
            ]  # fmt: skip
            run.optimizer.step(run.loss)
            for handle in handles:
                handle.remove()
            run.optimizer.step(closure=run.loss)
            return ",".join(calls)

        self.compare("hooks", work)

    def state_hooks(self) -> None:
        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            calls: list[str] = []
            run = Run(lib, cls, kwargs).steps(1)
            for point in ("state_dict", "load_state_dict"):
                for when in ("pre", "post"):
                    register = getattr(run.optimizer, f"register_{point}_{when}_hook")
                    for note in ("b", "a"):
                        def hook(*args: Any, text: str = f"{point} {when} {note}") -> None:
                            calls.append(f"{text} {len(args)}")
                        register(hook, prepend=note == "a")
            run.optimizer.load_state_dict(run.optimizer.state_dict())
            return [",".join(calls), *run.steps(1).outcome()]

        self.compare("state hooks", work)

    def copies(self) -> None:
        """An optimizer copied with its parameters goes on by itself."""

        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            run = Run(lib, cls, kwargs).steps(2)
            results = []
            for make in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
                params, optimizer = make((run.params, run.optimizer))
                kept = run.params, run.optimizer
                run.params, run.optimizer = params, optimizer
                results.append([p.detach().clone() for p in run.steps(2).params])
                run.params, run.optimizer = kept
            return results

        if self.name != "LBFGS":  # PyTorch's copies lack an attribute that its step needs
            self.compare("copies", work)

    def no_gradients(self) -> None:
        """Parameters without a gradient are left alone, and get no state."""

        def work(lib: Any, cls: Any, kwargs: Any) -> Any:
            run = Run(lib, cls, kwargs)
            run.optimizer.zero_grad()
            if cls.__name__ == "LBFGS":
                return 0
            run.optimizer.step()
            run.params[0].grad = run.params[0].detach() * 0.5
            if cls.__name__ == "SparseAdam":
                return 0
            run.optimizer.step()
            return run.outcome()

        self.compare("no gradients", work)


def differentiated(lib: Any, cls: Any, kwargs: Any) -> Any:
    """Gradients of what a step leads to, for the parameter and its gradient."""
    kwargs = {k: v for k, v in kwargs.items()}
    start = lib.from_numpy(np.random.default_rng(1).uniform(0.2, 1, (3, 2))).requires_grad_()
    slope = lib.from_numpy(np.random.default_rng(2).uniform(0.2, 1, (3, 2))).requires_grad_()
    p = start.clone()
    optimizer = cls([p], **kwargs)
    # PyTorch's own buffers are written in place: a second step has no derivative there.
    p.grad = slope * 1.0
    optimizer.step()
    return lib.autograd.grad((p**2).sum(), [start, slope], allow_unused=True)


def across(x: Any, lib: Any) -> Any:
    """Tensors in something nested, copied to the other framework."""
    if isinstance(x, (torch.Tensor, flambeau.Tensor)):
        return lib.from_numpy(array(x).copy())
    if isinstance(x, dict):
        return {key: across(value, lib) for key, value in x.items()}
    return type(x)(across(e, lib) for e in x) if isinstance(x, (list, tuple)) else x


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
        if isinstance(x, torch.Tensor):
            return twins(x)
        if isinstance(x, dict):
            return {key: parameters(value) for key, value in x.items()}
        return type(x)(parameters(e) for e in x) if isinstance(x, (list, tuple)) else x

    try:
        kwargs, twin_params = twins(sample.kwargs), parameters(given)
    except NoTwin:
        return
    twin = attempt(run, (ours, twin_params, kwargs), {})
    theirs = attempt(run, (cls, given, sample.kwargs), {})
    if isinstance(theirs, Raised):
        notes.check("error", raised_difference(theirs, twin), sample.desc)


if __name__ == "__main__":
    report(chosen_optimizers(sys.argv[1] if len(sys.argv) > 1 else "*"), sweep_optimizer)
