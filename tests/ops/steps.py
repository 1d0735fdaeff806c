"""Operations of all rows, each as a program of its own with the arrays that it was given.

Samples of all rows run in float64, with their derivatives, and in integers. Each operation that
they record is taken, and repeated in narrower floats and with special numbers.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import flambeau as torch
from flambeau import config
from flambeau.core import dtypes
from flambeau.engine.interpreter import Interpreter
from flambeau.graph.program import Instruction, Program
from flambeau.ops.core import CONVERT, PICK, VIEW, WRITE
from flambeau.ops.table import Row, call, table

from .samples import Maker, function, leaves, replaced, rows

INTEGERS = (torch.int64, torch.int32, torch.uint8, torch.bool)

REFUSALS = (ArithmeticError, RuntimeError, TypeError, ValueError, IndexError)


class Step(NamedTuple):
    """One operation as it was run: a program of its own, its arrays and its numbers."""

    program: Program
    arrays: list[np.ndarray]
    numbers: list[Any]

    @property
    def row(self) -> Row:
        return self.program.instructions[0].op  # type: ignore[no-any-return]


# --- collecting ---------------------------------------------------------------------------------


def alone(op: Row, aval: Any, args: list[Any], params: tuple[Any, ...]) -> Step:
    """A program of one operation. `args` are (aval, array) pairs, numbers, or None."""
    pairs = [a for a in args if isinstance(a, tuple)]
    numbers = [a for a in args if a is not None and not isinstance(a, tuple)]
    arrays, scalars = iter(range(len(pairs))), iter(range(len(pairs), len(pairs) + len(numbers)))
    places = tuple(
        None if a is None else next(arrays) if isinstance(a, tuple) else next(scalars) for a in args
    )
    target = len(pairs) + len(numbers)
    ins = Instruction(op, params, places, target, aval, ())
    kinds = tuple(type(n) for n in numbers)
    program = Program((), tuple(p[0] for p in pairs), kinds, (ins,), (target,))
    return Step(program, [p[1] for p in pairs], numbers)


def steps_of(program: Program, buffers: list[Any], scalars: list[Any]) -> Iterator[Step]:
    """The operations of a program, with what they were given in this run."""
    ins = tuple(i._replace(dies=()) for i in program.instructions)
    targets = tuple(i.target for i in ins)
    whole = Program((), program.inputs, program.scalars, ins, targets)
    results = ORIGINAL(Interpreter(whole), list(buffers), list(scalars))
    registers: list[Any] = [*zip(program.inputs, buffers), *scalars]
    registers += [(i.aval, r) for i, r in zip(ins, results, strict=True)]
    for i in ins:
        args = [None if a is None else registers[a] for a in i.args]
        if i.op is not PICK:
            yield alone(i.op, i.aval, args, i.params)


ORIGINAL = Interpreter.run


def calls() -> Iterator[Any]:
    """Functions that run something that is recorded: samples in dtypes, optimizers."""
    for row in rows():
        for number, _ in enumerate(row.samples(Maker())):
            for dt in (torch.float64,) if row.body else (torch.float64, *INTEGERS):
                yield functools.partial(run_sample, row, number, dt)
    for name, options in OPTIMIZERS:
        yield functools.partial(run_optimizer, name, options)
    yield run_others


def run_sample(row: Row, number: int, dt: torch.dtype) -> None:
    args, kwargs = row.samples(Maker())[number]
    given = leaves([args, kwargs])
    cast = [t.to(dt) if t.is_floating_point() else t for t in given]
    cast = [t.requires_grad_() if t.is_floating_point() else t for t in cast]
    a, k = replaced([args, kwargs], cast)
    out = [t for t in leaves(function(row)(*a, **k))]
    floats = [t for t in out if t.requires_grad and not t.is_complex()]
    if floats:
        sum((t * t).sum() for t in floats).backward()
    torch._flush()


OPTIMIZERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SGD", {}), ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "maximize": True}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {}), ("Adam", {"amsgrad": True, "weight_decay": 0.1}), ("AdamW", {}),
    ("RMSprop", {}), ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adagrad", {}), ("Adadelta", {"weight_decay": 0.1}), ("Adamax", {}), ("NAdam", {}),
    ("RAdam", {}), ("Rprop", {}), ("ASGD", {"t0": 0.0}),
)  # fmt: skip


def run_optimizer(name: str, options: dict[str, Any]) -> None:
    m = Maker()
    params = [m(2, 3).requires_grad_(), m().requires_grad_()]
    optimizer = getattr(torch.optim, name)(params, lr=0.1, **options)
    for _ in range(7 if name == "RAdam" else 2):
        optimizer.zero_grad()
        sum((p**3 - p).sum() for p in params).backward()
        optimizer.step()


def run_others() -> None:
    """What no sample records."""
    m = Maker()
    x, index = m(3, 4), m.int(2, 4, high=3)
    found = [
        x.scatter(0, index, m(2, 4), reduce="add"), x.scatter(0, index, 2.5, reduce="multiply"),
        torch.nn.functional.nll_loss(m(6, 2000), m.int(6, high=2000)),
        torch.nn.functional.nll_loss(m(2, 2000, 3), m.int(2, 3, high=2000), ignore_index=7),
        torch.nn.functional.nll_loss(m(2, 5, 3), m.int(2, 3, high=5), reduction="none"),
        torch.add(m.int(3), m.int(3), alpha=2), m.int(3).masked_fill(m.bool(3), -1),
        m.int(3).to(torch.uint8) == -1, m(2, 3) ** 2, m.int(3) ** 5, m.bool(2) + m.bool(2),
        torch.tensor([300.7, -1.5]).to(torch.uint8), m(3) + True, torch.tensor(2.0) * 3.5,
        torch.tensor(2) + 1.5, torch.full((2,), 7, dtype=torch.bfloat16),
    ]  # fmt: skip
    written = [m(3, 4), m(3, 4).to(torch.bfloat16), torch.zeros(5)]
    for t in written:
        t[1:] = 2.5
        t[-1] = 1
    image = m(1, 2, 4, 4)
    window = ((2, 2), (1, 1), (0, 0), (1, 1), False)
    places = call.max_pool_places(image, *window)
    found += [
        call.pool_gather(image, places, 2), call.max_pool_gather(m(1, 2, 4, 4), image, *window),
        call.drawn(image, None, None, "NormalBackward0"), call.gamma_drawn(image, image),
        call.dirichlet_drawn(image, image, "_DirichletBackward"),
    ]  # fmt: skip
    torch._flush()
    del found, written


ENOUGH = 5


def _alike(ins: Instruction, step: Step) -> Any:
    """Of operations that are equal in this, so many are enough."""
    kinds = tuple(a.dtype for a in step.program.inputs)
    named = tuple(p for p in ins.params if isinstance(p, (str, bool, dtypes.dtype)))
    return ins.op.name, kinds, step.program.scalars, named


@functools.cache
def collected() -> dict[str, list[Step]]:
    """All operations that samples and derivatives record, by the row's name."""
    found: dict[str, dict[Any, Step]] = {}
    seen: Counter[Any] = Counter()

    def run(self: Interpreter, buffers: list[Any], scalars: list[Any]) -> list[Any]:
        copies = [np.array(x) for x in buffers]
        for step in steps_of(self.program, copies, list(scalars)):
            ins = step.program.instructions[0]
            kinds = (step.program.inputs, step.program.scalars, ins.args, repr(ins.params))
            steps = found.setdefault(ins.op.name, {})
            if kinds not in steps and seen[_alike(ins, step)] < ENOUGH:
                seen[_alike(ins, step)] += 1
                steps[kinds] = step
        return ORIGINAL(self, buffers, scalars)

    mode, config.compile = config.compile, "off"
    Interpreter.run = run  # type: ignore[method-assign]
    try:
        for each in calls():
            try:
                each()
            except REFUSALS:
                pass
    finally:
        Interpreter.run = ORIGINAL  # type: ignore[method-assign]
        config.compile = mode
    return {name: list(steps.values()) for name, steps in found.items()}


# --- variants and results ----------------------------------------------------------------------


def reference(step: Step) -> list[np.ndarray]:
    found = ORIGINAL(Interpreter(step.program), list(step.arrays), list(step.numbers))[0]
    return list(found) if isinstance(found, tuple) else [found]


def known_numbers(step: Step) -> dict[int, int]:
    return {i: n for i, n in enumerate(step.numbers) if isinstance(n, int)}


def compare(step: Step, have: np.ndarray, want: np.ndarray, dt: Any) -> None:
    assert have.shape == want.shape and have.dtype == want.dtype, step
    if dt.is_narrow:
        have, want = dtypes.widen(have, dt), dtypes.widen(want, dt)
    if dt.category < dtypes.FLOAT:
        np.testing.assert_array_equal(have, want, str(step))
        return
    tolerance = {"float64": 1e-12, "float32": 3e-6, "float16": 4e-3, "bfloat16": 3e-2}[dt.name]
    np.testing.assert_allclose(have, want, tolerance, tolerance, err_msg=str(step))


def in_dtype(step: Step, dt: Any) -> Step | None:
    """The same operation with another dtype for float64; None where that is not all."""
    ins = step.program.instructions[0]
    if any(isinstance(p, dtypes.dtype) for p in ins.params):
        return None

    def turned(a: Any) -> Any:
        if isinstance(a, tuple):
            return tuple(turned(part) for part in a)
        return a.with_dtype(dt) if a.dtype is dtypes.float64 else a

    arrays = [
        dtypes.convert(x, a.dtype, turned(a).dtype)
        for x, a in zip(step.arrays, step.program.inputs, strict=True)
    ]
    program = Program(
        (), turned(step.program.inputs), step.program.scalars,
        (ins._replace(aval=turned(ins.aval)),), step.program.outputs,
    )  # fmt: skip
    return Step(program, arrays, step.numbers)


SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0)


def with_special(step: Step, seed: int) -> Step:
    """The same operation on floats that are NaN, infinite or zero here and there."""
    rng = np.random.default_rng(seed)
    arrays = []
    for a, of in zip(step.arrays, step.program.inputs, strict=True):
        if of.dtype.category == dtypes.FLOAT and a.size:
            a = dtypes.widen(a, of.dtype).copy()
            at = rng.random(a.shape) < 0.5
            a[at] = rng.choice(SPECIAL, a.shape)[at]
            a = dtypes.narrow(a, of.dtype)
        arrays.append(a)
    return step._replace(arrays=arrays)


def variants(step: Step) -> Iterator[Step]:
    """An operation as it was, with special numbers, and in other floats."""
    yield step
    avals = step.program.inputs
    if any(a.dtype is dtypes.float64 for a in avals):
        yield with_special(step, 1)
        for dt in (dtypes.float32, dtypes.bfloat16, dtypes.float16):
            other = in_dtype(step, dt)
            if other is not None:
                yield other
                if dt is not dtypes.float16:
                    yield with_special(other, 2)


def is_complex(step: Step) -> bool:
    aval = step.program.instructions[0].aval
    avals = (*step.program.inputs, *(aval if isinstance(aval, tuple) else (aval,)))
    return complex in step.program.scalars or any(a.dtype.is_complex for a in avals)


def is_defined(step: Step) -> bool:
    """Whether the reference can be run: NumPy refuses numbers that don't fit a small integer."""
    try:
        reference(step)
    except REFUSALS:
        return False
    return True


NAMES = sorted(r.name for r in (*table.values(), VIEW, WRITE, CONVERT) if r.lower is not None)
