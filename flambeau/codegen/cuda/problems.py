"""What cuBLASLt and cuDNN are asked for, as plain data. `runtime.libraries` carries it out."""

from __future__ import annotations

from typing import NamedTuple


class Matmul(NamedTuple):
    """out[b] = epilogue(alpha * a[b] @ b[b] + beta * out[b]), arrays in row-major terms.

    Buffers: a, b, [bias if `epilogue` has one], out, workspace.
    """

    m: int
    n: int
    k: int
    batch: int
    dtype: str
    """Of a and b: "float32", "float64", "float16", "bfloat16"."""
    out: str
    """Of the result (float32 may come of 16-bit operands)."""
    a_strides: tuple[int, int, int]
    """Elements a step along batch, rows and columns of a; one of the last two is 1."""
    b_strides: tuple[int, int, int]
    out_strides: tuple[int, int, int]
    """The last is 1."""
    epilogue: str = ""
    """"", "bias", "relu", "bias_relu", "gelu", "bias_gelu": a bias has n elements of the result's dtype;
    "gelu" is the one with tanh."""
    accumulate: bool = False
    """Whether beta is 1 instead of 0."""
    tf32: bool = False
    """Whether float32 may be rounded to TF32 (as `torch.backends.cuda.matmul.allow_tf32` says)."""
    sums: str = "rounded"
    """How long sums may be computed: "rounded" in parts, each rounded to the result's dtype; "exact" in
    parts in float32; "whole" not in parts."""
    alignment: tuple[int, int, int, int] = (256, 256, 256, 256)
    """Of the addresses of a, b, bias and out: bytes, a power of two, at most 256."""
    workspace: int = -1
    """Bytes of the workspace; -1 as long as the library has not said how many it wants."""


class Convolution(NamedTuple):
    """A convolution over 1 to 3 dimensions, channels second, or one of its derivatives.

    Buffers: of "forward": x, w, out, workspace; "input": grad, w, out, workspace; "weight": grad, x,
    out, workspace. All row-major without gaps.
    """

    kind: str
    """"forward", "input", "weight"."""
    dtype: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    tf32: bool = True
    deterministic: bool = False
    """Whether it must be computed in a way that gives the same bits every time."""
    benchmark: bool = False
    """Whether the library may try out its ways first, once."""
    workspace: int = -1
    """As of `Matmul`."""
