"""`x[index]` and `x[index] = y`: against NumPy where the two mean the same, and the rest by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops.table import call

from .random_indices import Random

X = np.arange(60.0).reshape(3, 4, 5)


def _x() -> Any:
    return torch.tensor(X)


def _numpy_has_it(r: Random, shape: tuple[int, ...]) -> bool:
    """Whether NumPy's result is PyTorch's: it takes whole numbers beside tensors for tensors, lets an
    Ellipsis for nothing stand between two tensors, and checks the bounds of what picks
    nothing."""
    return not (r.flags or r.wrong or (r.whole and r.picks) or not shape)


def test_random_indices_against_numpy() -> None:
    compared = 0
    for seed in range(2500):
        r = Random(seed)
        shape = r.shape()
        index = r.index(shape)
        if not _numpy_has_it(r, shape):
            continue
        compared += 1
        array = np.arange(float(np.prod(shape))).reshape(shape)
        t = torch.tensor(array)
        want = array[index(np)]
        have = t[index(torch)]
        note = f"seed {seed}: shape {shape}, index {index(np)}"
        assert have.shape == want.shape, note
        np.testing.assert_array_equal(have.numpy(), want, note)
        assert (have._base is None) == bool(r.picks), note
        value = r.value(want.shape)
        try:
            array[index(np)] = value
        except (ValueError, TypeError):  # a value that doesn't fit: see the comparison with PyTorch
            continue
        t[index(torch)] = torch.tensor(value) if isinstance(value, np.ndarray) else value
        np.testing.assert_array_equal(t.numpy(), array, note)
    assert compared > 1200


def test_gradients_of_random_indices() -> None:
    """The gradient of what is read is what it was read with; writing cuts it off."""
    for seed in range(400):
        r = Random(seed)
        shape = r.shape()
        index = r.index(shape)
        if not _numpy_has_it(r, shape):
            continue
        x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        part = x[index(torch)]
        weights = np.arange(1.0, part.numel() + 1).reshape(tuple(part.shape))
        (part * torch.tensor(weights)).sum().backward()
        want = np.zeros(shape)
        np.add.at(want, index(np), weights)
        np.testing.assert_array_equal(x.grad.numpy(), want, f"seed {seed}")

        y = x * 1
        value = torch.ones(tuple(part.shape), dtype=torch.float64, requires_grad=True)
        y[index(torch)] = value
        x.grad = None
        y.sum().backward()
        want = np.ones(shape)
        want[index(np)] = 0
        np.testing.assert_array_equal(x.grad.numpy(), want, f"seed {seed}")


def test_whole_numbers_beside_tensors_are_taken_first() -> None:
    """As PyTorch, not as NumPy, where a number counts as a tensor and moves dimensions to the
    front."""
    assert _x()[0, :, [0, 1]].shape == (4, 2)
    assert X[0, :, [0, 1]].shape == (2, 4)
    assert _x()[[0, 1], :, [0, 1]].shape == (2, 4)
    assert _x()[[0, 1], :, 0].shape == (2, 4)


def test_bools() -> None:
    x = _x()
    assert x[True].shape == (1, 3, 4, 5)
    assert x[False].shape == (0, 3, 4, 5)
    assert x[:, True].shape == (3, 1, 4, 5)
    assert x[True, [0, 1]].shape == (2, 4, 5)
    assert x[torch.tensor(True)].shape == (1, 3, 4, 5)
    assert x[np.bool_(False)].shape == (0, 3, 4, 5)
    assert torch.tensor(5)[True].tolist() == [5]
    x[False] = 7
    x[torch.tensor(False)] = 7
    assert x.tolist() == X.tolist()
    x[True] = 1
    assert x.tolist() == np.ones_like(X).tolist()


def test_masks_of_bytes_are_deprecated() -> None:
    with pytest.warns(UserWarning, match="uint8 is now deprecated") as found:
        part = _x()[torch.tensor([1, 0, 1], dtype=torch.uint8)]
    assert part.shape == (2, 4, 5)
    assert found[0].filename == __file__
    with pytest.warns(UserWarning, match="uint8"):
        assert _x()[np.array([0, 1, 0], np.uint8)].shape == (1, 4, 5)


def test_lists_with_tensors_or_slices_stand_for_tuples() -> None:
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert _x()[[[0, 1], [1, 2]]].shape == (2, 5)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert _x()[[slice(0, 1), 1]].shape == (1, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _x()[[0, 1]].shape == (2, 4, 5)
        assert _x()[[0, 2.0]][1].tolist() == X[2].tolist()
        assert _x()[range(2)].shape == (2, 4, 5)
        assert _x()[[True, False, True]].shape == (2, 4, 5)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
    (([0, 9],), IndexError, "index 9 is out of bounds for dimension 0 with size 3"),
    ((slice(None), [0, 9]), IndexError, "index 9 is out of bounds for dimension 1 with size 4"),
    ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
    (([0, 1], [0, 1, 2]), IndexError, r"could not be broadcast together with shapes \[2\], \[3\]"),
    (slice(None, None, -1), ValueError, "step must be greater than zero"),
    (slice(None, None, 0), ValueError, "slice step cannot be zero"),
    (slice(1.0, None), TypeError, "slice indices must be integers or None"),
    (1.0, IndexError, "only integers, slices"),
    ({}, IndexError, "only integers, slices"),
    ("a", TypeError, "invalid data type 'str'"),
    ([True, False], IndexError, r"mask \[2\] at index 0 does not match .* \[3, 4, 5\] at index 0"),
    (10**30, ValueError, "Overflow"),
]  # fmt: skip


@pytest.mark.parametrize(("index", "kind", "text"), WRONG, ids=lambda v: str(v)[:30])
def test_wrong_indices(index: Any, kind: type[Exception], text: str) -> None:
    x = _x()
    with pytest.raises(kind, match=text):
        x[index]
    with pytest.raises(kind, match=text):
        x[index] = 1
    assert x.tolist() == X.tolist()


def test_wrong_index_tensors() -> None:
    for kind in (torch.float32, torch.int8, torch.complex64):
        with pytest.raises(IndexError, match="must be long, int, byte or bool tensors"):
            _x()[torch.tensor([1, 0]).to(kind)]
    with pytest.raises(TypeError, match="does not support deleting"):
        del _x()[0]
    with pytest.raises(IndexError, match="dimension 0 with size 0"):
        torch.zeros(0, 3)[[0]]
    # Nothing is picked, so nothing is out of range.
    assert torch.zeros(2, 0)[[0, 5]].shape == (2, 0)


def test_what_can_be_assigned() -> None:
    x = torch.zeros(2, 3)
    x[0] = [1, 2, 3]
    x[1] = np.array([4, 5, 6])
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]
    x[:, 1:] = torch.tensor([[[7, 8]]])
    assert x.tolist() == [[1, 7, 8], [4, 7, 8]]
    x[[0]] = torch.tensor(2.5)
    x[x > 6] = 0.5
    assert x.tolist() == [[2.5, 2.5, 2.5], [4, 0.5, 0.5]]
    for wrong in ("a", None, object(), {}):
        with pytest.raises(TypeError, match="can't assign a"):
            x[0] = wrong
    with pytest.raises(RuntimeError, match="dtypes match, got Float for the destination and Long"):
        x[[0]] = torch.tensor([1, 2, 3])
    with pytest.raises(RuntimeError, match=r"value tensor of shape \[2\] .* \[1, 3\]"):
        x[[0]] = torch.ones(2)


@pytest.mark.parametrize(
    ("dtype", "value", "kind"),
    [("int8", 128, RuntimeError), ("uint8", 256, RuntimeError), ("int64", 1e30, RuntimeError),
     ("int64", float("nan"), RuntimeError), ("float32", 1e300, RuntimeError),
     ("float32", 1j, RuntimeError), ("int64", 2**63, ValueError), ("float64", 10**20, ValueError)],
)  # fmt: skip
def test_numbers_that_do_not_fit(dtype: str, value: Any, kind: type[Exception]) -> None:
    x = torch.zeros(2, dtype=getattr(torch, dtype))
    with pytest.raises(kind):
        x[0] = value
    with pytest.raises(kind):
        x[[0]] = value
    with pytest.raises(kind):
        x[x == 0] = value


def test_numbers_that_just_fit() -> None:
    x = torch.zeros(4, dtype=torch.uint8)
    x[0], x[1], x[2] = -1, 255, True
    assert x.tolist() == [255, 255, 1, 0]
    y = torch.zeros(3)
    y[0], y[1], y[2] = float("inf"), 2 + 0j, torch.tensor(3)
    assert y.tolist() == [float("inf"), 2, 3]


def test_a_mask_and_one_value_run_later() -> None:
    """Nothing is looked at: `x[x > 0] = 0` stays in the program."""
    from flambeau.graph.trace import state

    x = torch.tensor([-1.0, 2.0, 3.0]) * 2
    x[x > 0] = 0
    assert state.nodes
    assert x.tolist() == [-2, 0, 0]
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.tensor(5.0, requires_grad=True)
    b = a * 1
    b[torch.tensor([True, True])] = v
    assert b.grad_fn.name() == "IndexPutBackward0"
    b.sum().backward()
    assert a.grad.tolist() == [0, 0] and v.grad.item() == 2


def test_node_names() -> None:
    x = torch.ones(3, 4, 5, requires_grad=True)

    def names(t: Any) -> list[str]:
        out, node = [], t.grad_fn
        while node is not None and node.next_functions:
            out.append(node.name().removesuffix("Backward0"))
            node = node.next_functions[0][0]
        return out

    assert names(x[0]) == ["Select"]
    assert names(x[:]) == ["Slice"]
    assert names(x[...]) == names(x[:, :]) == ["Alias"]
    assert names(x[None, 1:, 0]) == ["Select", "Slice", "Unsqueeze"]
    assert names(x[[0], 1]) == ["Index", "Select"]
    assert names(x[x > 0]) == ["Index"]


def test_index_put_adds_up_repeated_places() -> None:
    x = torch.zeros(3, 2)
    x.index_put_((torch.tensor([0, 0, -1]),), torch.ones(3, 2), accumulate=True)
    assert x.tolist() == [[2, 2], [0, 0], [1, 1]]
    y = torch.zeros(2, 3, 2).index_put(
        (torch.tensor([0, 1, 0]), torch.tensor([[1], [2]])), torch.ones(3, 2), accumulate=True
    )
    assert y.sum(2).tolist() == [[0, 4, 4], [0, 2, 2]]
    with pytest.raises(TypeError, match="element 1 in argument 'indices', but got NoneType"):
        y.index_put((torch.tensor([0]), None), torch.ones(()))


def test_a_zero_dimensional_tensor_takes_the_old_index_zero() -> None:
    loss = torch.tensor(2.5)
    with pytest.warns(DeprecationWarning, match="loss.data"):
        assert loss.data[0].item() == 2.5
    with pytest.raises(IndexError):
        loss[1]


def test_parts_have_the_layouts_of_select_and_slice() -> None:
    base = torch.arange(24.0)
    for x in (base.view(4, 6), base.view(4, 6).t(), base[3:15].view(3, 4), base[::2], base.view(1, 24)):
        size = x.shape[0]
        for i in range(-size, size):
            have, want = x[i], call.select(x, 0, i)
            assert _fields(have) == _fields(want)
        for i in range(-size - 1, size + 1):
            for j in (None, *range(-size - 1, size + 2)):
                have, want = x[i:j], call.slice(x, 0, i, j, 1)
                assert _fields(have) == _fields(want)


def _fields(t: torch.Tensor) -> tuple[object, ...]:
    return t.shape, t.stride(), t.storage_offset(), t._plain, t._base is not None, t.tolist()
