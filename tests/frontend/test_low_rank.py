"""Few vectors of large matrices, and tensors in files."""

from __future__ import annotations

from pathlib import Path

import pytest

import flambeau as torch

F64 = torch.float64


def _symmetric(n: int) -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.randn(n, n, dtype=F64)
    return x @ x.T + torch.eye(n, dtype=F64)


def test_svd_of_low_rank() -> None:
    torch.manual_seed(0)
    x = torch.randn(9, 2, dtype=F64) @ torch.randn(2, 7, dtype=F64)
    for a in (x, x.T, x.expand(2, 9, 7)):
        u, s, v = torch.svd_lowrank(a, 3)
        torch.testing.assert_close(u @ torch.diag_embed(s) @ v.mT, a)
    mean = x.mean(0, keepdim=True)
    torch.testing.assert_close(torch.svd_lowrank(x, 3, M=mean)[1][:2], torch.linalg.svdvals(x - mean)[:2])
    torch.testing.assert_close(torch.pca_lowrank(x, 3)[1][:2], torch.linalg.svdvals(x - mean)[:2])
    with pytest.raises(ValueError, match="q"):
        torch.pca_lowrank(x, 8)


@pytest.mark.parametrize("largest", [True, False])
def test_lobpcg(largest: bool) -> None:
    a, b = _symmetric(15), _symmetric(15) + torch.eye(15, dtype=F64)
    all_values = torch.linalg.eigvalsh(a)
    values, vectors = torch.lobpcg(a, 3, largest=largest, tol=1e-10)
    torch.testing.assert_close(values, all_values.flip(0)[:3] if largest else all_values[:3])
    torch.testing.assert_close(a @ vectors, vectors * values, rtol=1e-5, atol=1e-5)
    values, vectors = torch.lobpcg(a, 2, b, largest=largest, tol=1e-10, iK=torch.eye(15, dtype=F64))
    torch.testing.assert_close(a @ vectors, b @ vectors * values, rtol=1e-5, atol=1e-5)
    whole, _ = torch.lobpcg(a.requires_grad_(), 2, b, largest=largest)
    torch.testing.assert_close(values, whole.detach())
    whole.sum().backward()
    with pytest.raises(ValueError, match="3 x"):
        torch.lobpcg(torch.eye(5), 2)


def test_from_file(tmp_path: Path) -> None:
    path = str(tmp_path / "numbers")
    shared = torch.from_file(path, shared=True, size=4)
    shared[1] = 5
    alone = torch.from_file(path, size=4)
    assert alone.tolist() == [0, 5, 0, 0]
    alone.fill_(7)
    assert torch.from_file(path, size=2, dtype=F64).dtype is F64
    assert torch.from_file(path, size=4).tolist() == [0, 5, 0, 0]
    with pytest.raises(RuntimeError, match="unable to open"):
        torch.from_file(str(tmp_path / "none"), size=1)
    with pytest.raises(RuntimeError, match="has 16 bytes"):
        torch.from_file(path, size=5)
