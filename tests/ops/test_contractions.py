"""einsum, tensordot, kron, chains, cross products against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(6)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4))), ("ij,jk", ((2, 3), (3, 4))), ("ij->ji", ((2, 3),)),
        ("ii", ((3, 3),)), ("ii->i", ((3, 3),)), ("iij->j", ((3, 3, 2),)), ("i,j->ij", ((2,), (3,))),
        ("bhid,bhjd->bhij", ((2, 2, 3, 4), (2, 2, 5, 4))), ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))),
        ("...,...->...", ((2, 3), (3,))), ("bn,anm,bm->ba", ((2, 3), (5, 3, 4), (2, 4))),
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))), ("ij,ij->", ((2, 3), (2, 3))),
        ("ab,cb->", ((2, 3), (4, 3))), ("i...->...", ((2, 3),)), ("aij,aj->ai", ((2, 0, 3), (2, 3))),
    ],
)  # fmt: skip
def test_einsum(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [RNG.normal(size=s) for s in shapes]
    ours = torch.einsum(equation, *map(torch.tensor, arrays))
    np.testing.assert_allclose(ours.numpy(), np.einsum(equation, *arrays), 1e-12, 1e-12)


def test_einsum_with_lists_and_broadcast_letters() -> None:
    a, b = torch.tensor(RNG.normal(size=(2, 3))), torch.tensor(RNG.normal(size=(3, 4)))
    assert torch.allclose(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), a @ b)
    assert torch.allclose(torch.einsum(a, [..., 1], [1, ...]), a.t())
    one = torch.ones(1, dtype=torch.float64)
    assert torch.allclose(torch.einsum("ij,j->i", a, one), a.sum(1))


def test_einsum_refuses_wrong_equations() -> None:
    a = torch.ones(2, 3)
    for equation, operands, text in (
        ("ij,jk->ik", (a,), "2 operands"), ("ijk->i", (a,), r"\(3\).*\[2, 3\]"),
        ("ij->iz", (a,), "z"), ("ij->ii", (a,), "more than once"), ("i1->i", (a,), "'1'"),
        ("ij,ij->i", (a, a.t()), "size 3.*size 2"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=rf"einsum\(\): .*{text}"):
            torch.einsum(equation, *operands)
    with pytest.raises(ValueError, match="einsum"):
        torch.einsum("ij")


def test_tensordot_inner_kron() -> None:
    a, b = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(4, 3, 5))
    x, y = torch.tensor(a), torch.tensor(b)
    np.testing.assert_allclose(torch.tensordot(x, y, ([1, 2], [1, 0])).numpy(), np.tensordot(a, b, ([1, 2], [1, 0])))
    np.testing.assert_allclose(torch.inner(x, x[0]).numpy(), np.inner(a, a[0]))
    np.testing.assert_allclose(torch.kron(x[0], y[0]).numpy(), np.kron(a[0], b[0]))
    with pytest.raises(RuntimeError, match="tensordot.*size 2.*size 4"):
        torch.tensordot(x, y, ([0], [0]))


def test_chains_take_the_cheap_order() -> None:
    items = [RNG.normal(size=s) for s in ((2, 30), (30, 3), (3, 40), (40,))]
    ours = torch.linalg.multi_dot([torch.tensor(i) for i in items])
    np.testing.assert_allclose(ours.numpy(), np.linalg.multi_dot(items))
    with pytest.raises(RuntimeError, match=r"0 and 1.*\[2, 30\].*\[3, 40\]"):
        torch.linalg.multi_dot([torch.tensor(items[0]), torch.tensor(items[2])])


def test_cross_and_vecdot() -> None:
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    np.testing.assert_allclose(torch.cross(torch.tensor(a), torch.tensor(b), 1).numpy(), np.cross(a, b))
    z = RNG.normal(size=(2, 3)) + 1j * a
    np.testing.assert_allclose(
        torch.linalg.vecdot(torch.tensor(z), torch.tensor(b).to(torch.complex128)).numpy(), (z.conj() * b).sum(-1)
    )
    with pytest.raises(RuntimeError, match="length 3"):
        torch.linalg.cross(torch.ones(2), torch.ones(2))
