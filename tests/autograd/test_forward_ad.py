"""`torch.autograd.forward_ad`: dual tensors."""

from __future__ import annotations

import pytest

import flambeau as torch
import flambeau.autograd.forward_ad as fw


def _dual(values: list[float]) -> torch.Tensor:
    x = torch.tensor(values)
    return fw.make_dual(x, torch.ones_like(x))


def test_tangents_go_through_operations_and_views() -> None:
    with fw.dual_level():
        d = _dual([1.0, 2.0, 3.0])
        assert fw.unpack_dual((d * d)[1:]).tangent.tolist() == [4.0, 6.0]
        assert fw.unpack_dual(d.view(3, 1).sum()).tangent.item() == 3.0
        assert fw.unpack_dual(d > 1).tangent is None
        assert fw.unpack_dual(d.detach()).tangent is None
        assert repr(d) == "tensor([1., 2., 3.], tangent=tensor([1., 1., 1.]))"


def test_a_tangent_that_does_not_fit_is_printed_below() -> None:
    with fw.dual_level():
        lines = repr(_dual([float(i) for i in range(9)])).splitlines()
    assert lines[1] == "       tangent=tensor([1., 1., 1., 1., 1., 1., 1., 1., 1.]))"


def test_tangents_end_with_their_level() -> None:
    with fw.dual_level():
        d = _dual([1.0, 2.0])
        y = d * 3
    assert fw.unpack_dual(y) == (y, None)
    assert (y + d).tolist() == [4.0, 8.0] and y.view(2, 1).shape == (2, 1)
    y.zero_()
    assert y.tolist() == [0.0, 0.0]


def test_writes_carry_tangents() -> None:
    with fw.dual_level():
        d = _dual([1.0, 2.0])
        y = torch.zeros(3)
        y[1] = d[1] * 2
        assert fw.unpack_dual(y).tangent.tolist() == [0.0, 2.0, 0.0]
        d.mul_(d.clone())
        assert fw.unpack_dual(d).tangent.tolist() == [2.0, 4.0]
        d.fill_(1.0)
        assert fw.unpack_dual(d).tangent.tolist() == [0.0, 0.0]


def test_backward_over_forward_and_forward_over_backward() -> None:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with fw.dual_level():
        y = (fw.make_dual(x, torch.ones(2)) ** 3).sum()
        (second,) = torch.autograd.grad(fw.unpack_dual(y).tangent, x, retain_graph=True)
        y.backward()
        gradient = fw.unpack_dual(x.grad)
    assert torch.allclose(second, 6 * x)
    assert torch.allclose(gradient.primal, 3 * x * x)
    assert torch.allclose(gradient.tangent, 6 * x)


def test_a_graph_under_no_grad() -> None:
    with torch.no_grad(), fw.dual_level():
        d = _dual([2.0])
        assert fw.unpack_dual(d.exp().log() * d).tangent.item() == pytest.approx(4.0)


def test_what_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no level"):
        fw.make_dual(torch.ones(2), torch.ones(2))
    with pytest.raises(RuntimeError, match="level"):
        fw.exit_dual_level()
    with fw.dual_level():
        with pytest.raises(RuntimeError, match="size"):
            fw.make_dual(torch.ones(2), torch.ones(3))
        with pytest.raises(ValueError, match="floating"):
            fw.make_dual(torch.arange(2), torch.arange(2))
        with pytest.raises(RuntimeError, match="already"):
            fw.make_dual(_dual([1.0]), torch.ones(1))


def test_levels_are_nested() -> None:
    with fw.dual_level() as first:
        x = fw.make_dual(torch.tensor(3.0), torch.tensor(1.0))
        with fw.dual_level() as second:
            y = fw.make_dual(x, torch.tensor(1.0)) ** 3
            inner = fw.unpack_dual(y, level=second).tangent
        assert fw.unpack_dual(inner, level=first).tangent.item() == 18.0
