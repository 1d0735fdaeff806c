"""default_collate and default_convert: types, dtypes, shapes, containers, errors."""

from __future__ import annotations

from collections import OrderedDict, UserDict, UserList, defaultdict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import default_collate, default_convert
from flambeau.utils.data._utils.collate import collate, default_collate_fn_map

Point = namedtuple("Point", ["x", "y"])


def same(tensor, expected, dtype):
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == dtype
    assert tensor.tolist() == expected


def test_numbers():
    same(default_collate([1, 2, 3]), [1, 2, 3], torch.int64)
    same(default_collate([1.5, 2]), [1.5, 2.0], torch.float64)
    same(default_collate([True, False]), [True, False], torch.bool)
    same(default_collate([2**40, -1]), [2**40, -1], torch.int64)


@pytest.mark.parametrize(
    "name", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"]
)
def test_numpy_scalars_and_arrays_keep_their_dtype(name):
    scalar = getattr(np, name)(3)
    same(default_collate([scalar, scalar]), [3, 3], getattr(torch, name))
    arrays = [np.array([1, 2], name), np.array([3, 4], name)]
    same(default_collate(arrays), [[1, 2], [3, 4]], getattr(torch, name))
    zero_d = [np.array(1, name), np.array(2, name)]
    same(default_collate(zero_d), [1, 2], getattr(torch, name))


def test_numpy_bool():
    same(default_collate([np.bool_(True), np.bool_(False)]), [True, False], torch.bool)


def test_numpy_arrays_of_several_dtypes_promote():
    batch = default_collate([np.ones(2, np.float32), np.ones(2, np.float64)])
    same(batch, [[1.0, 1.0], [1.0, 1.0]], torch.float64)


def test_collated_arrays_are_copies():
    array = np.zeros(3)
    batch = default_collate([array, array])
    array[:] = 1
    assert batch.tolist() == [[0.0] * 3] * 2


def test_tensors():
    batch = default_collate([torch.ones(2, 3), torch.zeros(2, 3)])
    assert batch.shape == (2, 2, 3) and batch.dtype == torch.float32
    same(default_collate([torch.tensor(1), torch.tensor(2)]), [1, 2], torch.int64)
    assert default_collate([torch.zeros(0, 2)] * 3).shape == (3, 0, 2)
    same(default_collate([torch.ones(1), torch.ones(1).double()]), [[1.0], [1.0]], torch.float64)
    assert default_collate([torch.ones(2).bfloat16()] * 2).dtype == torch.bfloat16


def test_tensors_keep_their_gradients():
    leaves = [torch.ones(2, requires_grad=True), torch.ones(2)]
    batch = default_collate(leaves)
    assert batch.requires_grad
    batch.sum().backward()
    assert leaves[0].grad.tolist() == [1.0, 1.0]


def test_tensors_of_several_shapes():
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([torch.ones(2), torch.ones(3)])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([np.ones(2), np.ones(3)])


def test_rows_of_one_tensor():
    base = torch.arange(24).reshape(4, 2, 3)
    order = [2, 0, 3, 2]
    expected = [base[i].tolist() for i in order]
    assert default_collate([base[i] for i in order]).tolist() == expected
    same(default_collate([base[1, 0, 2], base[0, 1, 1]]), [8, 4], torch.int64)
    part = base[1:]
    assert default_collate([part[0], part[2]]).tolist() == [base[1].tolist(), base[3].tolist()]


@pytest.mark.parametrize(
    "views",
    [
        lambda base: [base[0], base[1].t().t()],
        lambda base: [base[0].t(), base[1].t()],
        lambda base: [base[0, :, :2], base[1, :, 1:]],
        lambda base: [base.view(-1)[1:7].view(2, 3), base[0]],
        lambda base: [base[0], base[1] + 0],
        lambda base: [base[0], torch.zeros(2, 3, dtype=torch.int64)],
        lambda base: [base[0].float(), base[1].float()],
    ],
)
def test_views_that_are_no_rows(views):
    samples = views(torch.arange(24).reshape(4, 2, 3))
    assert default_collate(samples).tolist() == [sample.tolist() for sample in samples]


def test_rows_do_not_alias_their_base():
    base = torch.zeros(3, 2)
    batch = default_collate([base[0], base[1]])
    base.add_(1)
    assert batch.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    base[0] = 7
    assert default_collate([base[0], base[1]]).tolist() == [[7.0, 7.0], [1.0, 1.0]]


def test_rows_of_a_tensor_that_requires_grad():
    base = torch.ones(3, 2, requires_grad=True)
    default_collate([base[0], base[2]]).sum().backward()
    assert base.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


def test_text_stays():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    assert default_collate([np.str_("a")]) == ["a"]


def test_containers():
    pair = default_collate([(1, "a"), (2, "b")])
    assert type(pair) is list and pair[0].tolist() == [1, 2] and pair[1] == ("a", "b")
    nested = default_collate([[1, [2.0]], [3, [4.0]]])
    assert type(nested) is list and nested[1][0].tolist() == [2.0, 4.0]
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert type(point) is Point and point.x.tolist() == [1, 3] and point.y.tolist() == [2.0, 4.0]
    assert default_collate([(), ()]) == []
    assert default_collate([{}, {}]) == {}
    ranges = default_collate([range(2), range(2)])
    assert [column.tolist() for column in ranges] == [[0, 0], [1, 1]]


@pytest.mark.parametrize("kind", [dict, OrderedDict, UserDict, MappingProxyType])
def test_mappings_keep_their_type(kind):
    batch = default_collate([kind({"a": 1, "b": "x"}), kind({"a": 2, "b": "y"})])
    assert type(batch) is kind
    assert batch["a"].tolist() == [1, 2] and batch["b"] == ["x", "y"]


def test_mutable_containers_keep_what_else_they_hold():
    first = defaultdict(int, {"a": 1})
    batch = default_collate([first, {"a": 2}])
    assert batch["missing"] == 0 and batch["a"].tolist() == [1, 2]
    assert first == {"a": 1}
    items = UserList([1, 2])
    items.tag = "kept"
    columns = default_collate([items, [3, 4]])
    assert columns.tag == "kept" and columns[1].tolist() == [2, 4]
    assert items == [1, 2]


def test_containers_that_differ():
    with pytest.raises(RuntimeError, match=r"lengths are \[1, 2\]"):
        default_collate([[1], [1, 2]])
    with pytest.raises(KeyError, match="a"):
        default_collate([{"a": 1}, {"b": 2}])


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (None, "NoneType"),
        ({1}, "set"),
        (1j, "complex"),
        (np.datetime64("2020"), "datetime64"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([None]), "dtype object"),
    ],
)
def test_what_cannot_be_batched(sample, text):
    with pytest.raises(TypeError, match=f"found .*{text}"):
        default_collate([sample, sample])


def test_own_types_in_the_table():
    class Box:
        def __init__(self, value):
            self.value = value

    def boxes(batch, *, collate_fn_map):
        return Box(collate([box.value for box in batch], collate_fn_map=collate_fn_map))

    table = {Box: boxes, **default_collate_fn_map}
    result = collate([(Box(1), 2), (Box(3), 4)], collate_fn_map=table)
    assert result[0].value.tolist() == [1, 3] and result[1].tolist() == [2, 4]


def test_own_rule_for_tensors_holds_for_arrays_too():
    def stacked(batch, *, collate_fn_map):
        return ("own", len(batch))

    table = {**default_collate_fn_map, torch.Tensor: stacked}
    assert collate([np.ones(2), np.ones(2)], collate_fn_map=table) == ("own", 2)


def test_convert():
    same(default_convert(np.array([1, 2], np.int32)), [1, 2], torch.int32)
    same(default_convert(np.float32(2)), 2.0, torch.float32)
    tensor = torch.ones(1)
    assert default_convert(tensor) is tensor
    for unchanged in (1, 2.5, "a", b"a", None, np.str_("a")):
        assert default_convert(unchanged) is unchanged
    words = np.array(["a"])
    assert default_convert(words) is words


def test_convert_containers():
    converted = default_convert((1, np.array([2])))
    assert type(converted) is list and converted[1].tolist() == [2]
    point = default_convert(Point(0, np.array(1)))
    assert type(point) is Point and point.x == 0 and point.y.tolist() == 1
    mapping = default_convert({"a": np.array(1), "b": [np.array(2)]})
    assert mapping["a"].tolist() == 1 and mapping["b"][0].tolist() == 2
    assert default_convert(range(2)) == [0, 1]


def test_convert_refuses_times():
    with pytest.raises(TypeError):
        default_convert(np.array(["2020"], dtype="datetime64[s]"))
