"""Batching rules of rows that work along dimensions they name, or on the last ones: the batch is put
in front of the others, and dimensions that are counted from the front are counted one further."""

from __future__ import annotations

from typing import Any

from ...ops.table import call
from .calls import Arg, Call, Rule, rule, shaped

DIMENSIONS = frozenset(("dim", "dims", "dim0", "dim1", "dim2", "dimension", "axis0", "axis1"))
"""Parameters that name dimensions."""


def one_further(dim: Any, ndim: int) -> Any:
    """Dimensions of a sample as they are with the batch in front. 0-d tensors have been given a
    dimension, which is what any `dim` means for them."""
    if dim is None:
        return None
    if isinstance(dim, (tuple, list)):
        return tuple(one_further(d, ndim) for d in dim)
    if not ndim:
        return 1
    return dim + 1 if dim >= 0 else dim


def _at_least_1d(x: Arg, size: int) -> Any:
    full = x.full(size)
    return full if x.ndim else call.unsqueeze(full, 1)


def along(c: Call) -> Any:
    """All tensors have the batch in front."""
    ndim = c.tensors[0].ndim
    params = [
        one_further(p, ndim) if name in DIMENSIONS else p
        for name, p in zip(c.names, c.params, strict=True)
    ]
    return shaped(c, c.run(c.map(lambda x: _at_least_1d(x, c.size)), params))


rule(
    "softmax", "log_softmax", "softmax_backward", "log_softmax_backward", "cumsum", "cumprod", "cummax",
    "cummin", "logcumsumexp", "recurrence", "sort_dim", "topk", "kthvalue", "mode", "median_dim",
    "nanmedian_dim", "max_dim", "min_dim", "glu", "flip", "rot90", "gather", "scatter_src",
    "scatter_value", "scatter_by", "scatter_add", "scatter_reduce", "slice_scatter",
    "diagonal_scatter", "logsumexp", "fft_c2c", "fft_r2c", "fft_c2r", "cat", "triu", "tril",
    "constant_pad_from", "linalg_inv_ex", "det", "linalg_slogdet", "cofactors",
    "linalg_cholesky_ex", "linalg_lu_factor_ex", "linalg_qr", "linalg_svd", "linalg_eigh", "linalg_eig",
    "matrix_exp", "pixel_shuffle", "pixel_unshuffle",
    "lu_permutation",
)(along)  # fmt: skip


@rule("select_scatter")
def select_scatter(c: Call) -> Any:
    x, src = c.args
    dim, index = c.params
    return c.run([x.full(c.size), src.full(c.size)], (one_further(dim, x.ndim), index))


@rule("linalg_solve_triangular")
def solve_triangular(c: Call) -> Any:
    """Stacks of matrices broadcast."""
    ndim = max([x.ndim for x in c.tensors])
    return shaped(c, c.run([x.spread(ndim, c.size) for x in c.tensors]))


@rule("stack")
def stack(c: Call) -> Any:
    dim = c.params[0]
    tensors = [x.full(c.size) for x in c.args[0]]
    return call.stack(tensors, dim + 1 if dim >= 0 else dim)


@rule("diag_embed")
def diag_embed(c: Call) -> Any:
    offset, *dims = c.params
    return c.run([c.args[0].front()], (offset, *[d + 1 if d >= 0 else d for d in dims]))


@rule("sum", "nansum", "mean", "amax", "amin", "any", "all", "vector_norm", "var_dims", "std_dims",
      "var_mean_dims", "std_mean_dims")  # fmt: skip
def reduction(c: Call) -> Any:
    """Over all dimensions of a sample where none are named."""
    (x,) = c.tensors
    at = c.names.index("dim")
    dims = c.params[at]
    if dims is None or dims == ():
        if not x.ndim and c.row.name in ("amax", "amin", "vector_norm"):
            dims = (1,)
        else:
            dims = tuple(range(1, max(x.ndim, 1) + 1))
    else:
        dims = one_further(dims, x.ndim)
    params = (*c.params[:at], dims, *c.params[at + 1 :])
    return shaped(c, c.run([_at_least_1d(x, c.size)], params))


@rule("prod", "argmax", "argmin", "aminmax")
def flat_reduction(c: Call) -> Any:
    """Over the flattened sample where no dimension is named."""
    (x,) = c.tensors
    at = c.names.index("dim")
    if c.params[at] is not None:
        return along(c)
    params = (*c.params[:at], 1, *c.params[at + 1 :])
    return shaped(c, c.run([flattened(x)], params))


def flattened(x: Arg) -> Any:
    """(batch, elements)."""
    front = x.front()
    size = front._aval.shape[0]
    numel = 1
    for s in x.shape:
        numel *= s
    return front.reshape(size, numel)


def _of_flat(name: str, first: bool) -> Rule:
    """The rule of a reduction over all elements, by the one over a dimension."""

    def reduced(c: Call) -> Any:
        x = flattened(c.tensors[0])
        function = getattr(call, name)
        return shaped(c, function(x, 1, False)[0] if first else function(x, (1,)))

    return reduced


rule("max_all")(_of_flat("amax", False))
rule("min_all")(_of_flat("amin", False))
rule("median_all")(_of_flat("median_dim", True))
rule("nanmedian_all")(_of_flat("nanmedian_dim", True))


@rule("roll")
def roll(c: Call) -> Any:
    shifts, dims = c.params
    x = c.tensors[0]
    if dims:
        return along(c)
    return shaped(c, c.run([flattened(x)], (shifts, (1,))))


@rule("trace")
def trace(c: Call) -> Any:
    return call.sum(call.diagonal(c.tensors[0].front(), 0, 1, 2), (1,))


@rule("repeat")
def repeat(c: Call) -> Any:
    (repeats,) = c.params
    return c.run([c.tensors[0].aligned(len(repeats))], ((1, *repeats),))


@rule("unsafe_view")
def unsafe_view(c: Call) -> Any:
    return c.run([c.tensors[0].front()], ((c.size, *c.params[0]),))


@rule("linalg_cross")
def cross(c: Call) -> Any:
    """Both broadcast, so the dimension is counted from the end."""
    ndim = max([x.ndim for x in c.tensors])
    (dim,) = c.params
    return c.run([x.spread(ndim, c.size) for x in c.tensors], (dim - ndim if dim >= 0 else dim,))


@rule("linalg_solve_ex")
def solve(c: Call) -> Any:
    a, b = c.tensors
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    right = b.full(c.size)
    if vector:
        right = call.unsqueeze(right, -1 if c.param("left") else -2)
    found = c.run([a.full(c.size), right])
    return shaped(c, found)
