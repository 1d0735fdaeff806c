"""Products of matrices and vectors, einsum, distances, attention, against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

PRODUCTS = r"""
a23.mm(c34)
a23_t.mm(c34)
a23.mm(c23)
a23.mm(c3)
a3.mm(c34)
a03.mm(c32)
a30.mm(c02)
a23.mm(w34)
T.mm(a23, c34)
T.mm(a23, mat2=c34)
T.mm(a23, c34, out=T.empty(0, dtype=dt))
n23.mm(c34)
a223.bmm(c232)
T.bmm(a223, c232)
a223.bmm(c332)
a223.bmm(c222)
a223.bmm(c23)
a023.bmm(c032)
a203.bmm(c232)
T.bmm(a223, c232, out=T.empty(0, dtype=dt))
a23.mv(c3)
a23.mv(c2)
a23.mv(c32)
a03.mv(c3)
a20.mv(c0)
T.mv(a23, vec=c3)
a3.dot(c3)
a3.dot(c2)
a3.dot(c33)
a0.dot(c0)
T.dot(a3, c3)
T.dot(a3, tensor=c3)
T.dot(a3, w3)
T.vdot(a3, c3)
a3.vdot(c3)
T.vdot(a3, c4)
T.addmm(a4, c23, d34)
T.addmm(a24, c23, d34, beta=2, alpha=3)
T.addmm(a, c23, d34)
T.addmm(a24, c23, d34, beta=0)
T.addmm(n24, c23, d34, beta=0)
T.addmm(a24, c23, d34, alpha=0)
T.addmm(a3, c23, d34)
T.addmm(a24, c23, d24)
T.addmm(a24, c2, d24)
T.addmm(a24, c23, d34, beta=0.5, alpha=0.5)
a24.addmm(c23, d34)
x = a24.clone(); x.addmm_(c23, d34, beta=2)
x = a4.clone(); x.addmm_(c23, d34)
T.addmv(a2, c23, d3)
T.addmv(a, c23, d3)
T.addmv(a2, c23, d3, beta=2, alpha=3)
T.addmv(n2, c23, d3, beta=0)
T.addmv(a3, c23, d3)
T.addmv(a2, c23, d2)
a2.addmv(c23, d3)
x = a2.clone(); x.addmv_(c23, d3)
T.addr(a23, c2, d3)
T.addr(a3, c2, d3, beta=2, alpha=3)  # wide
T.addr(n23, c2, d3, beta=0)
T.addr(a23, c3, d3)
T.addr(a23, c23, d3)
a23.addr(c2, d3)
x = a23.clone(); x.addr_(c2, d3)
T.baddbmm(a224, c223, d234)
T.baddbmm(a4, c223, d234, beta=2, alpha=3)
T.baddbmm(n224, c223, d234, beta=0)
T.baddbmm(a224, c223, d334)
a224.baddbmm(c223, d234)
x = a224.clone(); x.baddbmm_(c223, d234)
T.addbmm(a24, c223, d234)
T.addbmm(a24, c223, d234, beta=2, alpha=3)
T.addbmm(a24, c223, d334)
a24.addbmm(c223, d234)
x = a24.clone(); x.addbmm_(c223, d234)
T.outer(a2, c3)
T.ger(a2, c3)
a2.outer(c3)
T.outer(a23, c3)
T.outer(a2, w3)
T.outer(a2, vec2=c3)
T.outer(a2, c3, out=T.empty(0, dtype=dt))
T.inner(a3, c3)
T.inner(a23, c3)
T.inner(a23, c43)
T.inner(a, c3)
T.inner(a234, c24)
T.inner(a23, c2)
a3.inner(c3)
T.kron(a22, c23)
T.kron(a2, c3)
T.kron(a, c3)
T.kron(a22, c3)
T.kron(a3, c22)
a22.kron(c23)
T.matmul(a3, c3)
T.matmul(a23, c3)
T.matmul(a3, c34)  # unnamed
T.matmul(a23, c34)
T.matmul(a223, c34)
T.matmul(a223, c3)
T.matmul(a223, c234)
T.matmul(a3, c234)
T.matmul(a23, c234)  # unnamed
T.matmul(a2123, c334)
T.matmul(a2123, c1334)
T.matmul(a223, c334)
T.matmul(a23, c23)
T.matmul(a223, c24)
T.matmul(a3, c23)
T.matmul(a, c3)
T.matmul(a3, c)
T.matmul(a3, 3)
T.matmul(a23, w34)
T.matmul(a023, c34)
T.matmul(a203, c34)
T.matmul(a230, c02)
a23 @ c34
a23.matmul(c34)
a23.__matmul__(c34)
a23 @ 3
T.matmul(a23, c34, out=T.empty(0, dtype=dt))
T.matmul(a23_t, c34)
T.matmul(a223_t, c34_t)
T.nn.functional.linear(a23, c43)
T.nn.functional.linear(a23, c43, d4)
T.nn.functional.linear(a223, c43)
T.nn.functional.linear(a223, c43, d4)
T.nn.functional.linear(a3, c43, d4)
T.nn.functional.linear(a3, c43)  # unnamed
T.nn.functional.linear(a23, c3)
T.nn.functional.linear(a23, c3, d)
T.nn.functional.linear(a3, c3)
T.nn.functional.linear(a23, c44)
T.nn.functional.linear(a23, c43, d3)
T.nn.functional.linear(a03, c43, d4)
T.nn.functional.linear(a, c43)
T.chain_matmul(a23, c34, d42)
T.linalg.multi_dot([a23, c34, d42])
T.linalg.multi_dot([a3, c34, d4])
T.linalg.multi_dot([a3, c34, d42])
T.linalg.multi_dot([a23, c34])
T.linalg.multi_dot([a23, c34, d42, g25])
T.linalg.multi_dot([a23])
T.linalg.multi_dot([a23, c33, d42])
T.linalg.multi_dot([a234, c34])
T.linalg.multi_dot([])
T.tensordot(a23, c34, 1)
T.tensordot(a23, c23, 2)
T.tensordot(a23, c23, dims=2)
T.tensordot(a23, c34, 0)
T.tensordot(a234, c43, ([1, 2], [1, 0]))
T.tensordot(a234, c43, dims=[[1], [1]])
T.tensordot(a23, c23, ([0], [0]))
T.tensordot(a23, c23, ([0], [1]))
T.tensordot(a23, c23, ([0], [0, 1]))
T.tensordot(a23, c23, ([0, 0], [0, 0]))
T.tensordot(a23, c34, dims=T.tensor(1))
T.tensordot(a23, c34, -1)
T.tensordot(a23, c3, 2)
T.tensordot(a23, c13, ([0], [0]))
T.tensordot(a3, c3, 1)
T.einsum('ij,jk->ik', a23, c34)
T.einsum('ij,jk', a23, c34)
T.einsum('ij->ji', a23)
T.einsum('ij->', a23)
T.einsum('ij->i', a23)
T.einsum('ji', a23)
T.einsum('ii', a33)
T.einsum('ii->i', a33)  # unnamed
T.einsum('iij->ij', a334)
T.einsum('i,j->ij', a2, c3)
T.einsum('i,i->', a3, c3)
T.einsum('i,i', a3, c3)
T.einsum('bij,bjk->bik', a223, c234)
T.einsum('bij,bjk', a223, c234)
T.einsum('bhid,bhjd->bhij', a2232, c2242)
T.einsum('...i,i->...', a223, c3)
T.einsum('...ij,...jk->...ik', a223, c34)
T.einsum('...ij->...ji', a223)
T.einsum('i...->...', a223)
T.einsum('...,...->...', a23, c3)  # unnamed
T.einsum('ij,kj->ik', a23, c43)
T.einsum('ij,ij->ij', a23, c23)
T.einsum('ij,ij->i', a23, c23)
T.einsum('bn,anm,bm->ba', a23, c534, d24)
T.einsum('ij,jk,kl->il', a23, c34, d42)
T.einsum('ij, jk -> ik', a23, c34)
T.einsum('Ab,bC->AC', a23, c34)
T.einsum('ij,jk->ik', [a23, c34])
T.einsum(a23, [0, 1], c34, [1, 2], [0, 2])
T.einsum(a23, [0, 1], c34, [1, 2])
T.einsum(a223, [..., 0, 1], [..., 1, 0])
T.einsum('ij,jk->ik', a23, c24)
T.einsum('ij,jk->iz', a23, c34)
T.einsum('ij,jk->ik', a23)
T.einsum('ijk,jk->ik', a23, c34)
T.einsum('ij->ii', a23)
T.einsum('i1->i', a23)
T.einsum('ij,jk->ik')
T.einsum('ij,jk-ik', a23, c34)
T.einsum('ij,j->i', a23, c1)  # unnamed
T.einsum('ij,ij->', a21, c23)  # floats unnamed
T.einsum('i,', a3, c)
T.einsum(',->', a, c)
T.einsum('->', a)  # unnamed
T.einsum('ij,jk->ik', a03, c32)
T.bilinear(a23, c24, d534, None)
T.nn.functional.bilinear(a23, c24, d534)
T.nn.functional.bilinear(a23, c24, d534, g5)
T.nn.functional.bilinear(a223, c224, d534, g5)
T.nn.functional.bilinear(a23, c34, d534)
T.nn.functional.bilinear(a23, c24, d543)
T.cross(a3, c3)
T.cross(a23, c23)
T.cross(a23, c23, dim=1)
T.cross(a32, c32)  # wide
T.cross(a32, c32, 0)  # wide
T.cross(a23, c23, dim=0)
T.cross(a22, c22)
T.cross(a23, c3, dim=-1)
a23.cross(c23, dim=1)
T.linalg.cross(a23, c23)
T.linalg.cross(a23, c13)
T.linalg.cross(a32, c32, dim=0)  # wide
T.linalg.cross(a22, c22)
T.linalg.vecdot(a23, c23)
T.linalg.vecdot(a23, c3)
T.linalg.vecdot(a23, c23, dim=0)
T.linalg.vecdot(a23, c24)
T.linalg.matmul(a23, c34)
T.linalg.diagonal(a234)
T.linalg.diagonal(a23, offset=1)
T.linalg.vander(a3)  # wide
T.linalg.vander(a23, N=2)  # wide
T.linalg.vander(a3, N=1)
T.linalg.vander(a)
T.cdist(a23, c43)  # unnamed
T.cdist(a23, c43, 1)  # unnamed
T.cdist(a23, c43, p=inf)  # unnamed
T.cdist(a23, c43, p=0)  # unnamed
T.cdist(a23, c43, p=3)  # unnamed
T.cdist(a223, c243)  # unnamed
T.cdist(a223, c43)  # unnamed
T.cdist(a23, c44)
T.cdist(a23, c43, -1)
T.cdist(a03, c43)  # unnamed
T.cdist(a3, c43)
T.cdist(a23, c43, compute_mode='use_mm_for_euclid_dist')  # unnamed
T.cdist(a23, c43, compute_mode='zzz')
T.pdist(a43)  # unnamed
T.pdist(a43, 1)  # unnamed
T.pdist(a13)  # unnamed
T.pdist(a3)
T.nn.functional.pdist(a43)  # real unnamed
T.cosine_similarity(a23, c23)
T.cosine_similarity(a23, c23, dim=0)
T.cosine_similarity(a23, c3, -1)
T.nn.functional.cosine_similarity(a23, c23, dim=1, eps=1e-6)
T.pairwise_distance(a23, c23)  # unnamed
T.nn.functional.pairwise_distance(a23, c23, p=1, keepdim=True)  # unnamed
T.pairwise_distance(a23, c3)  # unnamed
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(PRODUCTS, dtype) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(PRODUCTS, dtype, grad=True) == ""


ATTENTION = r"""
T.nn.functional.scaled_dot_product_attention(a234, c234, d234)
T.nn.functional.scaled_dot_product_attention(a234, c254, d253)
T.nn.functional.scaled_dot_product_attention(a234, c234, d234, is_causal=True)
T.nn.functional.scaled_dot_product_attention(a234, c254, d254, is_causal=True)
T.nn.functional.scaled_dot_product_attention(a234, c234, d234, b33)
T.nn.functional.scaled_dot_product_attention(a234, c234, d234, g33)
T.nn.functional.scaled_dot_product_attention(a234, c234, d234, scale=0.3)
T.nn.functional.scaled_dot_product_attention(a234, c234, d234, g33, is_causal=True)
T.nn.functional.scaled_dot_product_attention(a2434, c2234, d2234, enable_gqa=True)  # unnamed
"""


@pytest.mark.parametrize("dtype", ("float32", "float64", "float16", "bfloat16"))
def test_attention(dtype: str) -> None:
    """PyTorch's blockwise kernel rounds a little differently."""
    assert differing(ATTENTION, dtype, loose=20) == ""


def test_derivatives_of_attention() -> None:
    assert differing(ATTENTION, "float64", grad=True, node=False, loose=20) == ""
