"""`x[index]`, `x[index] = y` and index_put beside PyTorch's: random ones, and chosen ones."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from tests.frontend.random_indices import Part, Random

from .expressions import ALL, differing


def _chain(t: Any) -> list[str]:
    """The nodes behind a tensor, without their digits: filling has several."""
    out, node = [], t.grad_fn
    while node is not None and "Accumulate" not in node.name():
        name = type(node).__name__.rstrip("0123456789")
        out.append("CopyBackwards" if name == "FillBackward" else name)
        node = node.next_functions[0][0] if node.next_functions else None
    return out


def _weighted(library: Any, t: Any) -> Any:
    weights = np.arange(1.0, t.numel() + 1).reshape(tuple(t.shape))
    return (t * library.tensor(weights)).sum()


def _input(library: Any, shape: tuple[int, ...]) -> Any:
    return library.tensor(np.arange(float(np.prod(shape))).reshape(shape), requires_grad=True)


def _read(library: Any, shape: tuple[int, ...], index: Part) -> Any:
    x = _input(library, shape)
    try:
        part = x[index(library)]
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    _weighted(library, part).backward()
    return part.shape, part.tolist(), part._base is not None, _chain(part), x.grad.tolist()


def _written(library: Any, shape: tuple[int, ...], index: Part, value: Any) -> Any:
    x = _input(library, shape)
    y = x * 1
    v = library.tensor(value, requires_grad=True) if isinstance(value, np.ndarray) else value
    try:
        y[index(library)] = v
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    _weighted(library, y).backward()
    grad = getattr(v, "grad", None)
    return y.tolist(), _chain(y), x.grad.tolist(), None if grad is None else grad.tolist()


def test_random_indices() -> None:
    """Values, views, nodes, gradients and error types of reading and writing."""
    refused = 0
    for seed in range(1500):
        r = Random(seed)
        shape = r.shape()
        index = r.index(shape)
        if not shape and isinstance(index(np), int):  # PyTorch 0.3 had it, and so has flambeau
            continue
        note = f"seed {seed}: shape {shape}, index {index(np)}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = _read(torch, shape, index)
            assert _read(flambeau, shape, index) == want, note
            refused += isinstance(want, str)
            value = r.value((2,) if isinstance(want, str) else tuple(want[0]))
            want = _written(torch, shape, index, value)
            assert _written(flambeau, shape, index, value) == want, f"{note}, value {value}"
            refused += isinstance(want, str)
    assert 80 < refused < 400


READ = """
    a345[[0, 1]]
    a345[[[0, 1], [1, 2]]]
    a345[[slice(0, 1), 1]]
    a345[[None, 1]]
    a345[[Ellipsis, 1]]
    a345[[T.tensor([0, 1]), T.tensor([1, 2])]]
    a345[[T.tensor(0), T.tensor(1)]]
    a345[[]]
    a345[[[]]]
    a345[()]
    a345[True, None, False]
    a345[False, [0, 1]]
    a345[np.int64(1)]
    a345[np.array(True)]
    a345[np.array([0, 1], np.uint8)]
    a345[np.array([0., 1.])]
    a345[np.array([])]
    a345[T.tensor(1, dtype=T.uint8)]
    a345[T.tensor([1, 0, 1], dtype=T.uint8)]
    a345[T.tensor([1, 0, 1], dtype=T.int8)]
    a345[T.tensor([1, 0, 1], dtype=T.int32), T.tensor([0, 1, 2])]
    a345[T.tensor([1., 0])]
    a345[T.tensor(1.)]
    a345[1.0]
    a345['a']
    a345[b'a']
    a345[{}]
    a345[1j]
    a345[range(2)]
    a345[[True, False, True]]
    a345[[True, False]]
    a345[[1, 2.0]]
    a345[['a']]
    a345[[0, [1, 2]]]
    a345[3]
    a345[0, 4]
    a345[0, 0, 0, 0]
    a345[..., None, ...]
    a345[::0]
    a345[::-1]
    a345[1.0:2]
    a345[T.tensor(1):T.tensor(2)]
    a345[T.tensor(1.):]
    a345[T.tensor([1]):]
    a345[:, [0, 9]]
    a345[[0, 1], [0, 1, 2]]
    a345[[0, 1], :, [0, 1]]
    a345[0, :, [0, 1]]
    a345[T.tensor(0), :, T.tensor([0, 1])]
    a345[T.tensor(0), :, T.tensor(1)]
    a345[T.tensor([0]), :, T.tensor(1)]
    a345[b34]
    a345[:, T.ones(4, 5) > 0]
    a345[:, :, T.ones(5) > 0, None]
    a345[T.ones(3, 4, 5, 1) > 0]
    a[0.5]
    a[...]
    a[None]
    a[()]
    a[True]
    a[T.tensor(False)]
    a[[0]]
    a[:]
    a03[0]
    a03[[0]]
    a03[:, [0]]
    a20[[0, 5]]
    a20[:, [0]]
    a345[10**30]
    a345[10**30:]
    a345[T.zeros(3, 0, dtype=T.long)]
    a345_t[[0, 1], 1:]
    a345_t[..., [0, 1]]
"""

WRITTEN = """
    x = a234.clone(); x[0] = g34; x
    x = a234.clone(); x[0] = T.ones(1, 1, 1, 4).to(dt); x
    x = a234.clone(); x[0] = g4; x
    x = a234.clone(); x[0] = g234; x
    x = a234.clone(); x[0] = g5; x
    x = a234.clone(); x[0] = 'a'; x
    x = a234.clone(); x[0] = None; x
    x = a234.clone(); x[0] = True; x
    x = a234.clone(); x[0] = 3; x
    x = a234.clone(); x[0] = T.tensor(3); x
    x = a234.clone(); x[0] = w4; x
    x = a234.clone(); x[[0]] = T.tensor(2, dtype=dt); x
    x = a234.clone(); x[[0]] = T.ones(4, dtype=T.int32); x
    x = a234.clone(); x[b234] = T.tensor(1, dtype=T.int16); x
    x = a234.clone(); x[b234] = T.ones(2, dtype=T.int32); x
    x = a234.clone(); x[b23, [0]] = T.ones(1, dtype=T.int16); x
    x = a234.clone(); x[:, b34] = g; x
    x = a234.clone(); x[:, T.ones(3) > 0, 1:] = 3; x
    x = a234.clone(); x[b34] = 1; x
    x = a234.clone(); x[True] = 1; x
    x = a234.clone(); x[False] = 1; x
    x = a234.clone(); x[T.tensor(True)] = 1; x
    x = a234.clone(); x[None] = 1; x
    x = a234.clone(); x[...] = 1; x
    x = a234.clone(); x[()] = g5; x
    x = a.clone(); x[...] = 1; x
    x = a.clone(); x[None] = 1; x
    x = a.clone(); x[:] = 1; x
    x = a.clone(); x[[]] = 1; x
    x = a234.clone(); x[[0, 1]] = T.ones(1, 1, 1, 3, 4).to(dt); x
    x = a234.clone(); x[[0, 1]] = T.ones(2, 1, 4).to(dt); x
    x = a234.clone(); x[[0, 1]] = g334; x
    x = a234.clone(); x[[5]] = 1; x
    x = a234.clone(); x[:, T.tensor([0, 2])] = g24; x
    x = a234.clone(); x[:, T.tensor([0, 2])] = g224; x
    x = a234.clone(); x[[], :] = g5; x
    x = a234.clone(); x[[], :] = T.ones(0, 3, 4).to(dt); x
    x = a203.clone(); x[:, [0]] = 1; x
    x = a203.clone(); x[[0, 7]] = 1; x
    x = a203.clone(); x[...] = T.ones(2); x
    x = a234.clone(); x[0] = x[1]; x
    x = a234.clone(); x[0, 1:] = x[0, :-1]; x
    x = a234.clone(); x[1:] = x[:-1]; x
    x = a234.clone(); x[[[0, 1], [1, 2]]] = 1; x
    x = a234.clone(); x[0, :, [0, 1]] = g32; x
    x = a234.clone(); x[[0, 1], :, [0, 1]] = g23; x
    x = a234.clone(); x[[0, 1], :, [0, 1]] = g32; x
    x = a234.clone(); x[::-1] = 1; x
    x = a234.clone(); y = x[0]; y[[0, 2], 1:] = g3; x
    x = a234.clone(); y = x.t() if 0 else x.transpose(0, 2); y[[0, 2], 1:] = g22; x
    x = a234.clone(); y = x[:, 1:, ::2]; y[y.real > 0] = 5; x
    T.zeros(1).to(dt).expand(3)[:] = 1; 0
    x = a234.clone(); del x[0]; x
"""

PUT = """
    T.index_put(a34, (k2,), g24)
    T.index_put(a34, (k2,), g24, True)
    T.index_put(a34, (k2,), g4, accumulate=True)
    T.index_put(a34, [None, k2], g2)
    T.index_put(a34, (b34,), g)
    T.index_put(a34, (b3,), g4, accumulate=True)
    T.index_put(a34, (k22, k2), g22, True)
    T.index_put(a34, (T.tensor([-1, 2]),), g4)
    T.index_put(a34, (T.tensor([-1, 2]), T.tensor([[1], [0]])), g22, True)
    T.index_put(a34, (k2, k2, k2), g)
    T.index_put(a34, (T.tensor([3]),), g4)
    T.index_put(a34, (T.tensor([1.]),), g4)
    T.index_put(a34, (k2,), g3)
    T.index_put(a34, (k2,), T.ones(4, dtype=T.int16))
    T.index_put(a34, k2, g4)
    T.index_put(a34, (k2,), 1.0)
    a34.clone().index_put_((k2,), g4)
    a34.clone().index_put_((k2, k2), g, accumulate=True)
    x = a34.clone(); x.t().index_put_((k2,), g3); x
    x = a34.clone(); T.index_put_(x, (k2,), g4); x
    T.index_put(a34_t, (k2,), g3, True)
    T.index_put(a05, (T.tensor([], dtype=T.int64),), g5)
"""


@pytest.mark.parametrize("block", [READ, WRITTEN, PUT], ids=["read", "written", "index_put"])
def test_chosen(block: str) -> None:
    assert differing(block, "float32", grad=True, node=block is READ) == ""


def test_dtypes() -> None:
    block = """
        a345[[0, 2], 1:]
        a345[a345.abs() > 2]
        x = a234.clone(); x[[0, 1], :, [0, 1]] = g23; x
        x = a234.clone(); x[b234] = 1; x
        T.index_put(a34, (k2,), g24)
        T.index_put(a34, (k2, k2), g2, True)
        T.index_put(a34, (T.tensor([0, 1, 0]),), g34, True)
    """
    assert differing(block, *ALL, grad=True) == ""


def test_second_derivatives() -> None:
    block = """
        T.autograd.grad((a345[[0, 0, 1]] ** 3).sum(), a345, create_graph=True)[0]
        x = a34 ** 2; x[[0, 1], [1, 2]] = g2 ** 2; T.autograd.grad((x ** 2).sum(), [a34, g2], create_graph=True)
        T.autograd.grad((T.index_put(a34, (k2,), g24, True) ** 3).sum(), [a34, g24], create_graph=True)
        T.autograd.grad((a34[a34 > 0] ** 3).sum(), a34, create_graph=True)[0]
    """
    assert differing(block, "float64", grad=True, node=False) == ""
