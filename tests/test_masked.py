"""`torch.masked` against NumPy's masked arrays."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype(np.float32)
M = RNG.random((4, 5)) < 0.6
M[2] = True
THEIRS = np.ma.array(X, mask=~M)


def ours(name: str, *args: object, **kwargs: object) -> np.ndarray:
    function = getattr(torch.masked, name)
    return function(torch.from_numpy(X), *args, mask=torch.from_numpy(M), **kwargs).numpy()


@pytest.mark.parametrize("dim", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("name, reference", [
    ("sum", np.ma.sum), ("prod", np.ma.prod), ("amax", np.ma.max), ("amin", np.ma.min),
    ("mean", np.ma.mean),
])  # fmt: skip
def test_reductions(name: str, reference: object, dim: object) -> None:
    if name == "prod" and dim == (0, 1):
        dim = None
    np.testing.assert_allclose(ours(name, dim), reference(THEIRS, dim), rtol=1e-5)


@pytest.mark.parametrize("dim", [0, 1])
def test_statistics(dim: int) -> None:
    np.testing.assert_allclose(ours("var", dim), np.ma.var(THEIRS, dim, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(ours("std", dim, unbiased=False), np.ma.std(THEIRS, dim), rtol=1e-4)
    np.testing.assert_allclose(ours("norm", 2.0, dim), np.sqrt(np.ma.sum(THEIRS**2, dim)), rtol=1e-5)
    np.testing.assert_array_equal(ours("argmax", dim), np.ma.argmax(THEIRS, dim))


def test_softmax_gives_nothing_to_what_is_masked_out() -> None:
    p = ours("softmax", 1)
    assert (p[~M] == 0).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(ours("logsumexp", 1), np.log(np.ma.sum(np.ma.exp(THEIRS), 1)), rtol=1e-5)


def test_empty_slices_give_the_identity() -> None:
    x, mask = torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    assert torch.masked.sum(x, 1, mask=mask).tolist() == [0, 0]
    assert torch.masked.amax(x, 1, mask=mask).tolist() == [-torch.inf] * 2
    assert torch.isnan(torch.masked.mean(x, 1, mask=mask)).all()


def test_gradients_reach_what_the_mask_leaves() -> None:
    x = torch.ones(3, requires_grad=True)
    torch.masked.mean(x, mask=torch.tensor([True, False, True])).backward()
    assert x.grad.tolist() == [0.5, 0, 0.5]


def test_bad_masks() -> None:
    with pytest.raises(TypeError, match="bool"):
        torch.masked.sum(torch.ones(3), mask=torch.ones(3))
    with pytest.raises(IndexError):
        torch.masked.sum(torch.ones(3), mask=torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(RuntimeError, match="multiple times"):
        torch.masked.sum(torch.ones(3, 3), (0, -2))
