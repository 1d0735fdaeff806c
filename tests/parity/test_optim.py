"""Optimizers and schedulers beside PyTorch's."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest

import flambeau as fl

torch = pytest.importorskip("torch")

_path = Path(__file__).parent.parent / "optim" / "scheduler_cases.py"
_spec = importlib.util.spec_from_file_location("scheduler_cases", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
CASES = _module.CASES

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")

SHAPES = [(3, 2), (4,), ()]
FLAGS = [False, True]
GRID = {
    "SGD": {
        "momentum": [0, 0.9], "dampening": [0, 0.3], "weight_decay": [0, 0.1], "nesterov": FLAGS,
        "maximize": FLAGS,
    },
    "Adam": {
        "amsgrad": FLAGS, "weight_decay": [0, 0.1], "maximize": FLAGS,
        "decoupled_weight_decay": FLAGS,
    },
    "AdamW": {"amsgrad": FLAGS, "weight_decay": [0, 0.1], "maximize": FLAGS},
    "RMSprop": {
        "momentum": [0, 0.9], "centered": FLAGS, "weight_decay": [0, 0.1], "maximize": FLAGS,
        # With the default, a centered variance that cancels to nothing magnifies roundings.
        "eps": [1e-3],
    },
    "Adagrad": {
        "lr_decay": [0, 0.1], "weight_decay": [0, 0.1], "initial_accumulator_value": [0, 0.5],
        "maximize": FLAGS,
    },
    "Adadelta": {"rho": [0.9, 0.5], "weight_decay": [0, 0.1], "maximize": FLAGS},
    "Adamax": {"betas": [(0.9, 0.999), (0.4, 0.9)], "weight_decay": [0, 0.1], "maximize": FLAGS},
    "NAdam": {"weight_decay": [0, 0.1], "maximize": FLAGS, "decoupled_weight_decay": FLAGS},
    "RAdam": {"weight_decay": [0, 0.1], "maximize": FLAGS, "decoupled_weight_decay": FLAGS},
    "Rprop": {"etas": [(0.5, 1.2), (0.4, 1.5)], "maximize": FLAGS},
    "ASGD": {"lambd": [1e-4, 0.1], "t0": [1e6, 3], "weight_decay": [0, 0.1], "maximize": FLAGS},
}  # fmt: skip


def _grid():
    for name, choices in GRID.items():
        for values in itertools.product(*choices.values()):
            options = dict(zip(choices, values, strict=True))
            if options.get("nesterov") and (options["dampening"] or not options["momentum"]):
                continue
            yield pytest.param(name, options, id=f"{name}-{'-'.join(map(str, values))}")


def arrays(seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]


def optimizer_of(module, name, start, **options):
    params = [module.tensor(a, requires_grad=True) for a in start]
    return getattr(module.optim, name)(params, **options)


def run(module, optimizer, steps, dtype="float32"):
    params = optimizer.param_groups[0]["params"]
    for step in steps:
        for i, (p, g) in enumerate(zip(params, arrays(step + 100, dtype), strict=True)):
            p.grad = None if (i, step) == (2, 1) else module.tensor(g)
        optimizer.step()


def values(optimizer):
    return [p.detach().numpy() for p in optimizer.param_groups[0]["params"]]


def tree(module, x):
    """A state dict with arrays in place of tensors."""
    if isinstance(x, module.Tensor):
        return np.array(x.detach().numpy())
    if isinstance(x, dict):
        return {k: tree(module, v) for k, v in x.items()}
    return [tree(module, v) for v in x] if isinstance(x, list) else x


def planted(module, x):
    """The other way around."""
    if isinstance(x, np.ndarray):
        return module.tensor(x)
    if isinstance(x, dict):
        return {k: planted(module, v) for k, v in x.items()}
    return [planted(module, v) for v in x] if isinstance(x, list) else x


def assert_same(mine, theirs):
    assert type(mine) is type(theirs)
    if isinstance(mine, dict):
        assert list(mine) == list(theirs)
        for key in mine:
            assert_same(mine[key], theirs[key])
    elif isinstance(mine, list):
        for a, b in zip(mine, theirs, strict=True):
            assert_same(a, b)
    elif isinstance(mine, np.ndarray):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    else:
        assert mine == theirs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", list(_grid()))
def test_ten_steps(name, options, dtype):
    mine, theirs = (
        optimizer_of(module, name, arrays(0, dtype), **options) for module in (fl, torch)
    )
    assert repr(mine) == repr(theirs)
    run(fl, mine, range(10), dtype)
    run(torch, theirs, range(10), dtype)
    for a, b in zip(values(mine), values(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    assert_same(tree(fl, mine.state_dict()), tree(torch, theirs.state_dict()))


@pytest.mark.parametrize("name", GRID)
def test_rates_that_are_tensors(name):
    mine, theirs = (
        optimizer_of(module, name, arrays(0), lr=module.tensor(0.02)) for module in (fl, torch)
    )
    run(fl, mine, range(10))
    run(torch, theirs, range(10))
    for a, b in zip(values(mine), values(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*GRID, "LBFGS"])
def test_state_dicts_go_both_ways(name):
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    if name == "RMSprop":
        options["centered"] = True

    def train(module, optimizer, steps):
        if name != "LBFGS":
            return run(module, optimizer, steps)
        params = optimizer.param_groups[0]["params"]

        def closure():
            optimizer.zero_grad()
            loss = sum(((p - 1) ** 4).sum() + (p * p).sum() for p in params)
            loss.backward()
            return loss

        for _ in steps:
            optimizer.step(closure)

    start = arrays(0)
    for source, target in ((fl, torch), (torch, fl)):
        first = optimizer_of(source, name, start, lr=0.03, **options)
        train(source, first, range(3))
        second = optimizer_of(target, name, values(first), lr=0.5)
        second.load_state_dict(planted(target, tree(source, first.state_dict())))
        train(source, first, range(3, 6))
        train(target, second, range(3, 6))
        for a, b in zip(values(first), values(second), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def test_lbfgs():
    losses = {}
    for module in (fl, torch):
        p = module.tensor([-1.5, 2.0], dtype=module.float64, requires_grad=True)
        for search in (None, "strong_wolfe"):
            optimizer = module.optim.LBFGS(
                [p], lr=1e-3 if search is None else 1, max_iter=6, line_search_fn=search
            )

            def closure(p=p, optimizer=optimizer):
                optimizer.zero_grad()
                loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
                loss.backward()
                return loss

            key = (module.__name__, search)
            losses[key] = [optimizer.step(closure).item() for _ in range(5)]
    for search in (None, "strong_wolfe"):
        np.testing.assert_allclose(
            losses[(fl.__name__, search)], losses[("torch", search)], rtol=1e-6
        )


# ---- signatures and errors ----------------------------------------------------------------

WITHOUT = {"Adafactor", "Muon", "SparseAdam", "swap_in_optimizer_params_and_state"}


def test_every_public_name_is_there():
    assert set(torch.optim.__all__) - WITHOUT <= set(fl.optim.__all__)
    for name in fl.optim.__all__:
        assert hasattr(fl.optim, name)
    assert set(torch.optim.lr_scheduler.__all__) <= set(fl.optim.lr_scheduler.__all__)
    assert set(torch.optim.swa_utils.__all__) <= set(fl.optim.swa_utils.__all__)


def _signature(cls):
    return [
        (p.name, p.kind, p.default) for p in inspect.signature(cls.__init__).parameters.values()
    ]


@pytest.mark.parametrize("name", [*GRID, "LBFGS"])
def test_signatures(name):
    assert _signature(getattr(fl.optim, name)) == _signature(getattr(torch.optim, name))


@pytest.mark.parametrize("name", torch.optim.lr_scheduler.__all__)
def test_scheduler_signatures(name):
    mine, theirs = (getattr(module.optim.lr_scheduler, name) for module in (fl, torch))
    assert _signature(mine) == _signature(theirs)


WRONG = [
    lambda m, p: m.optim.SGD(p, lr=0.1),
    lambda m, p: m.optim.SGD([], lr=0.1),
    lambda m, p: m.optim.SGD([1.0], lr=0.1),
    lambda m, p: m.optim.SGD([p * 2], lr=0.1),
    lambda m, p: m.optim.SGD([{"params": {p}}], lr=0.1),
    lambda m, p: m.optim.SGD([{"lr": 1.0}], lr=0.1),
    lambda m, p: m.optim.SGD([{"params": [p]}, p], lr=0.1),
    lambda m, p: m.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1),
    lambda m, p: m.optim.SGD([("a", p), m.ones(1, requires_grad=True)], lr=0.1),
    lambda m, p: m.optim.SGD([p], lr=-0.1),
    lambda m, p: m.optim.SGD([p], lr="a"),
    lambda m, p: m.optim.SGD([p], lr=m.ones(2)),
    lambda m, p: m.optim.SGD([p], momentum=-1),
    lambda m, p: m.optim.SGD([p], weight_decay=-1),
    lambda m, p: m.optim.SGD([p], nesterov=True),
    lambda m, p: m.optim.SGD([p], fused=True, foreach=True),
    lambda m, p: m.optim.SGD([p], fused=True, differentiable=True),
    lambda m, p: m.optim.SGD([p], 0.1, 0.9, 0, 0, False, True),
    lambda m, p: m.optim.Adam([p], lr=-1),
    lambda m, p: m.optim.Adam([p], betas=(1.0, 0.9)),
    lambda m, p: m.optim.Adam([p], betas=(0, 0.9)),
    lambda m, p: m.optim.Adam([p], betas=(0.9, m.tensor(0.9))),
    lambda m, p: m.optim.Adam([p], betas=0.9),
    lambda m, p: m.optim.Adam([p], eps=-1),
    lambda m, p: m.optim.Adam([p], lr=m.tensor(0.1), foreach=True),
    lambda m, p: m.optim.Adam([p], verbose=True),
    lambda m, p: m.optim.RMSprop([p], alpha=-1),
    lambda m, p: m.optim.Adagrad([p], lr_decay=-1),
    lambda m, p: m.optim.Adadelta([p], rho=2),
    lambda m, p: m.optim.NAdam([p], momentum_decay=-1),
    lambda m, p: m.optim.RAdam([p], betas=(0.9, 1.0)),
    lambda m, p: m.optim.Rprop([p], etas=(1.2, 0.5)),
    lambda m, p: m.optim.LBFGS([{"params": [p]}, {"params": m.ones(1, requires_grad=True)}]),
    lambda m, p: m.optim.LBFGS([p]).step(),
    lambda m, p: m.optim.Optimizer([p], {}).step(),
    lambda m, p: stepped(m.optim.Adam([p], capturable=True), p, m),
    lambda m, p: stepped(m.optim.ASGD([p], capturable=True), p, m),
    lambda m, p: m.optim.SGD([p]).load_state_dict({}),
    lambda m, p: m.optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}),
    lambda m, p: m.optim.SGD([p]).load_state_dict(
        {"state": {}, "param_groups": [{"params": [0, 1]}]}
    ),
]


def stepped(optimizer, p, module):
    p.grad = module.ones(1)
    optimizer.step()


@pytest.mark.parametrize("call", WRONG)
def test_exception_types(call):
    found = []
    for module in (torch, fl):
        with pytest.raises(Exception) as caught:
            call(module, module.ones(1, requires_grad=True))
        found.append(caught.type)
    assert found[0] is found[1]


# ---- schedulers ---------------------------------------------------------------------------


def scheduled(module, case, as_tensor=False):
    params = [module.zeros(1, requires_grad=True) for _ in range(2)]
    rates = [module.tensor(r, dtype=module.float64) if as_tensor else r for r in (0.1, 0.3)]
    groups = [{"params": [p], "lr": r} for p, r in zip(params, rates, strict=True)]
    optimizer = module.optim.SGD(groups, lr=rates[0], momentum=0.9)
    return optimizer, case(module.optim.lr_scheduler, optimizer)


def groups_of(optimizer):
    return [
        {k: float(v) if k in ("lr", "initial_lr") else v for k, v in group.items() if k != "params"}
        for group in optimizer.param_groups
    ]


def forward(optimizer, scheduler, *args):
    try:
        optimizer.step()
        scheduler.step(*args)
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize("as_tensor", FLAGS)
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_epochs(name, as_tensor):
    mine = scheduled(fl, CASES[name], as_tensor)
    theirs = scheduled(torch, CASES[name], as_tensor)
    for _ in range(100):
        rates = [[float(g["lr"]) for g in o.param_groups] for o, _ in (mine, theirs)]
        assert rates[0] == rates[1]
        momenta = [[g["momentum"] for g in o.param_groups] for o, _ in (mine, theirs)]
        assert momenta[0] == momenta[1]
        assert [float(r) for r in mine[1].get_last_lr()] == rates[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert forward(*mine) == forward(*theirs)
    if not as_tensor:
        assert groups_of(mine[0]) == groups_of(theirs[0])


def test_plateau():
    def make(L, o):
        return L.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=3, min_lr=0.01)

    mine, theirs = scheduled(fl, make), scheduled(torch, make)
    metrics = np.random.default_rng(0).random(100) / np.arange(1, 101)
    for metric in metrics:
        forward(*mine, metric)
        forward(*theirs, metric)
        assert mine[1].state_dict() == theirs[1].state_dict()
        assert groups_of(mine[0]) == groups_of(theirs[0])


@pytest.mark.parametrize("name", CASES)
def test_scheduler_state_dicts_go_both_ways(name):
    for source, target in ((fl, torch), (torch, fl)):
        first, second = scheduled(source, CASES[name]), scheduled(target, CASES[name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(5):
                forward(*first)
            second[1].load_state_dict(copy.deepcopy(first[1].state_dict()))
            for a, b in zip(first[0].param_groups, second[0].param_groups, strict=True):
                b.update({k: v for k, v in a.items() if k != "params"})
            for _ in range(10):
                forward(*first)
                forward(*second)
                assert groups_of(first[0]) == groups_of(second[0])


def test_swalr():
    def make(L, o):
        swa_utils = (fl if L is fl.optim.lr_scheduler else torch).optim.swa_utils
        return swa_utils.SWALR(o, [0.05, 0.01], anneal_epochs=7)

    mine, theirs = scheduled(fl, make), scheduled(torch, make)
    for _ in range(20):
        assert groups_of(mine[0]) == groups_of(theirs[0])
        forward(*mine)
        forward(*theirs)
    assert mine[1].state_dict() == theirs[1].state_dict()
