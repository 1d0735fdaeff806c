"""Composites that have derivatives of their own: one node, whatever their bodies do."""

from __future__ import annotations

import pytest

import flambeau as torch


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: torch.cdist(x, x.detach() + 1), "CdistBackward0"),
        (lambda x: torch.dist(x, x.detach() + 1), "DistBackward0"),
        (lambda x: torch.expand_copy(x, (2, 3, 2)), "ExpandBackward0_copy"),
        (lambda x: torch.squeeze_copy(x, 0), "SqueezeBackward1_copy"),
        (lambda x: torch.narrow_copy(x, 0, 0, 1), "NarrowCopyBackward0"),
    ],
)
def test_name_and_next_functions(call: object, name: str) -> None:
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    y = call(x)  # type: ignore[operator]
    assert y.grad_fn.name() == name and y.grad_fn.next_functions[0][0].variable is x
    assert not y._is_view()
    with torch.no_grad():
        assert call(x).grad_fn is None  # type: ignore[operator]
    assert call(x.detach()).grad_fn is None  # type: ignore[operator]


def test_nothing_is_lost_inside_of_transforms() -> None:
    a, b = torch.randn(4, 3, 2), torch.randn(4, 5, 2)
    found = torch.func.vmap(torch.cdist)(a, b)
    assert torch.allclose(found, torch.cdist(a, b))
    slope = torch.func.jacrev(torch.cdist)(a[0], b[0])
    assert torch.allclose(slope, torch.func.jacfwd(torch.cdist)(a[0], b[0]), atol=1e-5)


def test_saved_tensors_are_watched() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    y = x * 1
    z = torch.cdist(y, x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(TypeError, match="cdist.*x2.*must be Tensor"):
        torch.cdist(torch.ones(2, 2), 3)
    with pytest.raises(TypeError, match="missing"):
        torch.cdist(torch.ones(2, 2))
