"""Dtypes beyond the common ones, views of complex numbers, and memory shared with PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch as T

import flambeau as F
from flambeau.core import dtypes

NAMES = [d.name for d in dtypes.ALL]
NUMBERS = np.array([0.0, -0.0, 1.0, -1.5, 3.25, 100.0, 448.0, 1e5, -1e9, 1e-3, np.inf, -np.inf, np.nan])


def _raised(call: Any) -> Any:
    try:
        return call()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("name", NAMES)
def test_conversions_give_pytorchs_bits(name: str) -> None:
    values = NUMBERS[:7] if "int" in name or name == "bool" else NUMBERS
    if name.startswith("uint"):
        values = np.append(np.abs(values), -3.0)
    if name in ("int8", "uint8"):
        values = values[values < 128]
    for source in ("float64", "float32"):
        t = T.tensor(values).to(getattr(T, source)).to(getattr(T, name))
        f = F.tensor(values).to(getattr(F, source)).to(getattr(F, name))
        width = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}.get(t.element_size())
        if name == "bool" or width is None:
            assert t.tolist() == f.tolist() or np.isnan(t.real.numpy()).any()
            continue
        ours, theirs = f.view(getattr(F, width)).tolist(), t.view(getattr(T, width)).tolist()
        some = ~np.isnan(values) if f.is_floating_point() or f.is_complex() else slice(None)
        assert np.array(ours)[some].tolist() == np.array(theirs)[some].tolist()


def test_promotion_where_pytorch_has_it() -> None:
    for a, b in itertools.product(NAMES, NAMES):
        theirs = _raised(lambda: T.promote_types(getattr(T, a), getattr(T, b)))  # noqa: B023
        if theirs is not RuntimeError:
            assert str(F.promote_types(getattr(F, a), getattr(F, b))) == str(theirs), (a, b)


@pytest.mark.parametrize("name", [d.name for d in dtypes.ALL if d.is_differentiable])
def test_limits(name: str) -> None:
    assert repr(F.finfo(getattr(F, name))) == repr(T.finfo(getattr(T, name)))


@pytest.mark.parametrize("name", [n for n in NAMES if "int" in n])
def test_limits_of_integers(name: str) -> None:
    assert repr(F.iinfo(getattr(F, name))) == repr(T.iinfo(getattr(T, name)))


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_shared_either_way(name: str) -> None:
    for shape in [(2, 3), (), (0, 2)]:
        t = T.ones(shape, dtype=getattr(T, name))
        f = F.from_dlpack(t)
        assert f.dtype.name == name and tuple(f.shape) == shape and f.data_ptr() == t.data_ptr()
        back = T.from_dlpack(f.t() if len(shape) == 2 else f)
        assert back.dtype is t.dtype and back.data_ptr() == f.data_ptr()
        if name == "float32":
            f.fill_(3)
            assert bool((t == 3).all()) and bool((back == 3).all())


VIEWS = """
z.real.mul_(2)
z.imag.add_(1)
m.view_as_real(z)[..., 0].neg_()
z.t().real[0].fill_(7)
m.view_as_real(z).copy_(m.ones(2, 3, 2))
m.view_as_complex(m.view_as_real(z)).mul_(1j)
""".strip().splitlines()


@pytest.mark.parametrize("text", VIEWS)
def test_writing_through_parts(text: str) -> None:
    found = []
    for m in (T, F):
        leaf = m.view_as_complex(m.arange(12.0).view(2, 3, 2)).requires_grad_()
        z = leaf * (1 + 1j)
        exec(text, {"m": m, "z": z})
        (z.abs() + z.real * 2).sum().backward()
        found.append((z.tolist(), leaf.grad.tolist()))
    np.testing.assert_allclose(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-5)
