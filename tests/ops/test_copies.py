"""`*_copy`: what views show, apart; and what PyTorch has removed."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch


@pytest.mark.parametrize(
    ("name", "args"),
    [("alias", ()), ("as_strided", ((2, 2), (1, 3))), ("diagonal", ()), ("expand", ((4, 2, 3),)),
     ("permute", ((1, 0),)), ("select", (0, 1)), ("squeeze", ()), ("t", ()), ("transpose", (0, 1)),
     ("unfold", (1, 2, 1)), ("unsqueeze", (0,)), ("view", ((3, 2),))],
)  # fmt: skip
def test_copies(name: str, args: Any) -> None:
    x = torch.arange(6.0).view(2, 3)
    have = getattr(torch, name + "_copy")(x, *args)
    want = x if name == "alias" else getattr(x, name)(*args)
    assert torch.equal(have, want) and have._base is None
    out = torch.empty(0)
    getattr(torch, name + "_copy")(x, *args, out=out)
    assert torch.equal(out, want)
    have.zero_()
    assert x.sum() == 15


def test_lists_of_copies() -> None:
    x = torch.arange(6.0, requires_grad=True)
    parts = torch.split_copy(x, 2)
    parts[0].mul_(2)  # a part of a split view could not be written
    parts[0].sum().backward()
    assert x.grad.tolist() == [2, 2, 0, 0, 0, 0]
    outs = [torch.empty(0), torch.empty(0)]
    torch.split_with_sizes_copy(x.detach(), (1, 5), out=outs)
    assert [o.shape[0] for o in outs] == [1, 5]
    assert len(torch.unbind_copy(x)) == 6
    with pytest.raises(RuntimeError, match="expected 6 out tensors"):
        torch.unbind_copy(x.detach(), out=outs)


@pytest.mark.parametrize("name", ["eig", "symeig", "lstsq", "solve", "matrix_rank"])
def test_removed_functions_say_what_to_use(name: str) -> None:
    x = torch.ones(2, 2)
    args = (x, x) if name in ("lstsq", "solve") else (x,)
    with pytest.raises(RuntimeError, match=r"now removed.*torch\.linalg\."):
        getattr(torch, name)(*args)


def test_old_norms() -> None:
    x = torch.arange(6.0).view(2, 3)
    with pytest.warns(UserWarning, match="deprecated"):
        torch.testing.assert_close(torch.frobenius_norm(x, (0, 1)), x.norm())
    with pytest.warns(UserWarning, match="deprecated"):
        torch.testing.assert_close(torch.nuclear_norm(x), torch.linalg.svdvals(x).sum())
    torch.testing.assert_close(torch.norm_except_dim(x, 2, 1), x.norm(dim=0, keepdim=True))
