"""Weights that are functions of others, pruning and fusion: the same programs on both sides."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch.nn.utils.prune  # noqa: F401

import flambeau
import flambeau.nn.utils.prune  # noqa: F401
from tests.nn.support import array
from tests.parity.nn_pair import SIDES

Result = tuple[list[Any], list[Any]]
"""Tensors, and what has to be equal as it is."""


def weight_norm(lib: Any) -> Result:
    maps = lib.nn.utils.parametrizations
    m = lib.nn.Conv2d(3, 4, 2)
    maps.weight_norm(m, dim=0)
    maps.spectral_norm(m, "bias")
    x = lib.ones(2, 3, 5, 5)
    y = m(x).square().sum()
    y.backward()
    twin = copy.deepcopy(m)
    found = [y, *[p.grad for p in m.parameters()], *m.state_dict().values(), twin(x)]
    names: list[Any] = [list(m.state_dict()), type(m).__name__, repr(m)]
    m.weight = lib.ones(4, 3, 2, 2) * 0.5
    found += [m.weight, *m.state_dict().values()]
    lib.nn.utils.parametrize.remove_parametrizations(m, "weight")
    return [*found, m.weight], [*names, list(m.state_dict()), type(m).__name__]


def old_state_of_weight_norm(lib: Any) -> Result:
    old = lib.nn.utils.weight_norm(lib.nn.Linear(4, 3), dim=1)
    m = lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(4, 3), dim=1)
    m.load_state_dict(old.state_dict())
    return [m(lib.ones(2, 4))], []


def orthogonal(lib: Any) -> Result:
    found, names = [], []
    for way in (None, "matrix_exp", "cayley", "householder"):
        for shape in ((3, 5), (5, 3), (4, 4)):
            for base in (True, False):
                lib.manual_seed(1)
                m = lib.nn.Linear(*shape).double()
                lib.nn.utils.parametrizations.orthogonal(m, "weight", way, use_trivialization=base)
                m.weight.square().sum().mul(m.weight[0, 1]).backward()
                found += [m.weight, m.parametrizations.weight.original.grad]
                names += [list(m.state_dict()), repr(m)]
    return found, names


def spectral_norm(lib: Any) -> Result:
    m = lib.nn.ConvTranspose2d(3, 4, 2)
    lib.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=2)
    x = lib.ones(2, 3, 5, 5)
    found = [m(x), *m.state_dict().values()]
    m.eval()
    m(x).sum().backward()
    with lib.nn.utils.parametrize.cached():
        assert m.weight is m.weight
        found.append(m.weight)
    return [*found, m(x), *[p.grad for p in m.parameters()]], [list(m.state_dict())]


def older_functions(lib: Any) -> Result:
    u, x = lib.nn.utils, lib.ones(2, 4)
    m = u.spectral_norm(lib.nn.Linear(4, 3))
    found = [m(x), *m.state_dict().values()]
    names = [list(m.state_dict()), str(m.state_dict()._metadata), repr(m)]
    u.remove_spectral_norm(m)
    found += m.state_dict().values()
    names += [list(m.state_dict()), len(m._state_dict_hooks)]
    m = u.weight_norm(lib.nn.Linear(4, 3), dim=None)
    found += [m(x), *m.state_dict().values()]
    u.remove_weight_norm(m)
    return [*found, *m.state_dict().values()], [*names, list(m.state_dict())]


def transferred(lib: Any) -> Result:
    parametrize = lib.nn.utils.parametrize

    class Doubled(lib.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x * 2

        def right_inverse(self, x: Any) -> Any:
            return x / 2

    a, b = lib.nn.Linear(3, 2), lib.nn.Linear(3, 2)
    parametrize.register_parametrization(a, "weight", Doubled())
    parametrize.register_parametrization(a, "weight", Doubled())
    parametrize.transfer_parametrizations_and_params(a, b)
    names = [list(b.state_dict()), parametrize.type_before_parametrizations(b).__name__,
             parametrize.is_parametrized(b), parametrize.is_parametrized(b, "bias")]  # fmt: skip
    parametrize.remove_parametrizations(b, "weight", leave_parametrized=False)
    return [a.weight, b.weight, *a.state_dict().values()], [*names, type(b).__name__]


def pruned(lib: Any) -> Result:
    p = lib.nn.utils.prune
    ways: list[Callable[[Any], Any]] = [
        lambda m: p.l1_unstructured(m, "weight", 3),
        lambda m: p.random_unstructured(m, "weight", 0.3),
        lambda m: p.ln_structured(m, "weight", 0.5, 2, 0),
        lambda m: p.random_structured(m, "weight", 1, 1),
        lambda m: p.identity(m, "bias"),
        lambda m: p.custom_from_mask(m, "weight", lib.eye(4, 5)),
        lambda m: p.global_unstructured([(m, "weight"), (m, "bias")], p.L1Unstructured, amount=7),
    ]
    found: list[Any] = []
    names: list[Any] = []
    for way in ways:
        for twice in (False, True):
            lib.manual_seed(0)
            m = lib.nn.Linear(5, 4)
            way(m)
            if twice:
                p.l1_unstructured(m, "weight", 0.25)
                p.ln_structured(m, "weight", 1, 1, -1)
            m(lib.ones(2, 5)).sum().backward()
            found += [m.weight, *m.state_dict().values(), *[q.grad for q in m.parameters()]]
            names += [list(m.state_dict()), p.is_pruned(m)]
            names += [type(hook).__name__ for hook in m._forward_pre_hooks.values()]
            for name in ("weight", "bias"):
                try:
                    p.remove(m, name)
                except ValueError:
                    names.append("not pruned")
            found += m.state_dict().values()
            names += [list(m.state_dict()), p.is_pruned(m)]
    return found, names


def fused(lib: Any) -> Result:
    nn, u = lib.nn, lib.nn.utils
    found: list[Any] = []
    names = []
    for layer, norm, x in (
        (nn.Conv2d(3, 4, 2, bias=False), nn.BatchNorm2d(4), lib.randn(2, 3, 4, 4)),
        (nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4, affine=False), lib.randn(2, 3, 4)),
        (nn.Linear(3, 4), nn.BatchNorm1d(4), lib.randn(2, 3)),
        (nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4), lib.randn(2, 3, 4, 4)),
    ):
        both = nn.Sequential(layer, norm)
        both(x)
        both.eval()
        if isinstance(layer, nn.Linear):
            one = u.fuse_linear_bn_eval(layer, norm)
        else:
            one = u.fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose2d))
        found += [one(x), one.weight, one.bias]
        names += [one.weight.requires_grad, one.bias.requires_grad]
    return found, names


def cross_map_norm(lib: Any) -> Result:
    x = lib.randn(2, 7, 3, 3)
    return [lib.nn.CrossMapLRN2d(size, 0.3, 0.6, 2)(x) for size in (1, 2, 3, 4, 5, 9)], []


PROGRAMS = (weight_norm, old_state_of_weight_norm, orthogonal, spectral_norm, older_functions,
            transferred, pruned, fused, cross_map_norm)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_same(program: Callable[[Any], Result]) -> None:
    results = []
    for lib in SIDES:
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(program(lib))
    (theirs, their_names), (ours, our_names) = results
    assert our_names == their_names
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        assert (a is None) == (b is None), i
        if a is not None:
            assert array(a).dtype == array(b).dtype, i
            np.testing.assert_allclose(array(b), array(a), rtol=1e-4, atol=1e-5, err_msg=str(i))


def wrong(lib: Any, case: str) -> Any:
    m = lib.nn.Linear(3, 4)
    u = lib.nn.utils
    p, maps, prune = u.parametrize, u.parametrizations, lib.nn.utils.prune
    names = {"m": m, "u": u, "p": p, "maps": maps, "prune": prune, "nn": lib.nn, "torch": lib}
    return eval(case, names)


@pytest.mark.parametrize("case", [
    "p.register_parametrization(m, 'nothing', nn.Identity())",
    "p.register_parametrization(m, 'weight', nn.Linear(3, 2))",
    "p.remove_parametrizations(m, 'weight')",
    "p.ParametrizationList([], m.weight)",
    "setattr(p.register_parametrization(m, 'weight', nn.ReLU()), 'weight', torch.ones(4, 3))",
    "p.remove_parametrizations(maps.weight_norm(m), 'weight', leave_parametrized=False)",
    "maps.orthogonal(m, 'bias')",
    "maps.orthogonal(m, orthogonal_map='other')",
    "maps.orthogonal(m, 'nothing')",
    "setattr(maps.orthogonal(m), 'weight', torch.ones(2, 3))",
    "maps.spectral_norm(m, n_power_iterations=0)",
    "maps.spectral_norm(m, dim=5)",
    "__import__('pickle').dumps(maps.weight_norm(m))",
    "prune.l1_unstructured(m, 'weight', 13)",
    "prune.l1_unstructured(m, 'weight', 1.5)",
    "prune.l1_unstructured(m, 'weight', -1)",
    "prune.l1_unstructured(m, 'weight', 'all')",
    "prune.ln_structured(m, 'bias', 1, 2, 0)",
    "prune.ln_structured(m, 'weight', 1, 2, 7)",
    "prune.custom_from_mask(m, 'weight', torch.ones(2, 2))",
    "prune.l1_unstructured(m, 'weight', 1, torch.ones(2))",
    "prune.global_unstructured(3, prune.L1Unstructured, amount=1)",
    "prune.global_unstructured([(m, 'weight')], prune.LnStructured, amount=1, n=2)",
    "prune.remove(m, 'weight')",
    "u.fuse_conv_bn_eval(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1))",
    "u.fuse_linear_bn_eval(m.eval(), nn.BatchNorm1d(3).eval())",
    "nn.FractionalMaxPool2d(2)",
    "nn.FractionalMaxPool2d(2, output_size=2, output_ratio=0.5)",
    "nn.FractionalMaxPool2d(2, output_ratio=1.5)",
    "nn.FractionalMaxPool2d(2, output_size=9)(torch.ones(1, 1, 5, 5))",
    "nn.AdaptiveLogSoftmaxWithLoss(3, 5, [])",
    "nn.AdaptiveLogSoftmaxWithLoss(3, 5, [2, 1])",
    "nn.AdaptiveLogSoftmaxWithLoss(3, 5, [2])(torch.ones(2, 3), torch.tensor([0, 5]))",
    "nn.AdaptiveLogSoftmaxWithLoss(3, 5, [2])(torch.ones(2, 3), torch.tensor([0, 1, 1]))",
    "nn.LinearCrossEntropyOptions(acc_policy='other')",
    "nn.LinearCrossEntropyOptions(batch_chunk_size=0)",
    "nn.factory_kwargs({'other': 1})",
    "nn.factory_kwargs({'dtype': 1, 'factory_kwargs': {'dtype': 2}})",
])  # fmt: skip
def test_wrong_alike(case: str) -> None:
    kinds = []
    for lib in SIDES:
        with warnings.catch_warnings(), pytest.raises(Exception) as raised:  # noqa: PT011
            warnings.simplefilter("ignore")
            wrong(lib, case)
        kinds.append(raised.type.__name__)
    assert kinds[1] == kinds[0]
