"""What processes do together, where there is one: it sends to itself."""

from __future__ import annotations

import copy
from typing import Any, NoReturn

from .group import ReduceOp, Work, check_rank, world


def _done(result: Any, async_op: bool) -> Work | None:
    return Work(result) if async_op else None


def _single(name: str, tensors: Any) -> Any:
    """The one element of a list with one for each process. ValueError for other lists."""
    if len(tensors) != 1:
        raise ValueError(f"{name}(): a list of one for each process is needed, of 1, not {len(tensors)}")
    return tensors[0]


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Each process gets the sum (or what `op` says) of their tensors: here the tensor itself."""
    world(group)
    return _done([tensor], async_op)


def reduce(tensor: Any, dst: int | None = None, op: Any = ReduceOp.SUM, group: Any = None,
           async_op: bool = False, group_dst: int | None = None) -> Work | None:  # fmt: skip
    """`dst` gets the sum of the processes' tensors."""
    world(group)
    check_rank(dst)
    return _done([tensor], async_op)


def broadcast(tensor: Any, src: int | None = None, group: Any = None, async_op: bool = False,
              group_src: int | None = None) -> Work | None:  # fmt: skip
    """Each process gets the tensor of `src`."""
    world(group)
    check_rank(src)
    return _done([tensor], async_op)


def all_reduce_coalesced(tensors: list[Any], op: Any = ReduceOp.SUM, group: Any = None,
                         async_op: bool = False) -> Work | None:  # fmt: skip
    """`all_reduce` of several tensors."""
    world(group)
    return _done(tensors, async_op)


def all_gather(tensor_list: list[Any], tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """Each process gets the tensors of all, in `tensor_list`."""
    world(group)
    _single("all_gather", tensor_list).copy_(tensor)
    return _done(tensor_list, async_op)


def all_gather_coalesced(output_tensor_lists: list[list[Any]], input_tensor_list: list[Any],
                         group: Any = None, async_op: bool = False) -> Work | None:  # fmt: skip
    """`all_gather` of several tensors."""
    world(group)
    for mine, given in zip(_single("all_gather_coalesced", output_tensor_lists), input_tensor_list):
        mine.copy_(given)
    return _done(output_tensor_lists, async_op)


def all_gather_into_tensor(output_tensor: Any, input_tensor: Any, group: Any = None,
                           async_op: bool = False) -> Work | None:  # fmt: skip
    """Each process gets the tensors of all, one after the other or stacked, in one tensor."""
    world(group)
    output_tensor.copy_(input_tensor.reshape(output_tensor.shape))
    return _done(output_tensor, async_op)


def gather(tensor: Any, gather_list: list[Any] | None = None, dst: int | None = None,
           group: Any = None, async_op: bool = False, group_dst: int | None = None) -> Work | None:  # fmt: skip
    """`dst` gets the tensors of all, in `gather_list`."""
    world(group)
    check_rank(dst)
    if not gather_list:
        raise ValueError("Argument `gather_list` must be specified on destination rank.")
    _single("gather", gather_list).copy_(tensor)
    return _done(gather_list, async_op)


def scatter(tensor: Any, scatter_list: list[Any] | None = None, src: int | None = None,
            group: Any = None, async_op: bool = False, group_src: int | None = None) -> Work | None:  # fmt: skip
    """Each process gets its tensor of the list of `src`."""
    world(group)
    check_rank(src)
    if not scatter_list:
        raise ValueError("Argument `scatter_list` must be specified on source rank.")
    tensor.copy_(_single("scatter", scatter_list))
    return _done([tensor], async_op)


def reduce_scatter(output: Any, input_list: list[Any], op: Any = ReduceOp.SUM, group: Any = None,
                   async_op: bool = False) -> Work | None:  # fmt: skip
    """Each process gets the sum of the tensors that all have for it."""
    world(group)
    output.copy_(_single("reduce_scatter", input_list))
    return _done([output], async_op)


def reduce_scatter_tensor(output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None,
                          async_op: bool = False) -> Work | None:  # fmt: skip
    """`reduce_scatter` of the parts of one tensor."""
    world(group)
    output.copy_(input.reshape(output.shape))
    return _done([output], async_op)


def all_to_all(output_tensor_list: list[Any], input_tensor_list: list[Any], group: Any = None,
               async_op: bool = False) -> Work | None:  # fmt: skip
    """Each process sends a tensor to each."""
    world(group)
    _single("all_to_all", output_tensor_list).copy_(_single("all_to_all", input_tensor_list))
    return _done(output_tensor_list, async_op)


def all_to_all_single(output: Any, input: Any, output_split_sizes: Any = None,
                      input_split_sizes: Any = None, group: Any = None,
                      async_op: bool = False) -> Work | None:  # fmt: skip
    """Each process sends a part of its tensor to each."""
    world(group)
    output.copy_(input)
    return _done([output], async_op)


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait for all processes: they are here."""
    world(group)
    return _done(None, async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Wait for all processes: they are here."""
    world(group)


# --- any objects --------------------------------------------------------------------------------


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Each process gets the objects of all, copies of them."""
    world(group)
    _single("all_gather_object", object_list)
    object_list[0] = copy.deepcopy(obj)


def gather_object(obj: Any, object_gather_list: list[Any] | None = None, dst: int | None = None,
                  group: Any = None, group_dst: int | None = None) -> None:  # fmt: skip
    """`dst` gets the objects of all."""
    check_rank(dst)
    if not object_gather_list:
        raise ValueError("Argument `object_gather_list` must be specified on destination rank.")
    all_gather_object(object_gather_list, obj, group)


def broadcast_object_list(object_list: list[Any], src: int | None = None, group: Any = None,
                          device: Any = None, group_src: int | None = None) -> None:  # fmt: skip
    """Each process gets the objects of `src`."""
    world(group)
    check_rank(src)


def scatter_object_list(scatter_object_output_list: list[Any],
                        scatter_object_input_list: list[Any] | None = None, src: int | None = None,
                        group: Any = None, group_src: int | None = None) -> None:  # fmt: skip
    """Each process gets its object of the list of `src`."""
    world(group)
    check_rank(src)
    scatter_object_output_list[0] = copy.deepcopy(_single("scatter_object_list", scatter_object_input_list))


# --- from one process to another ----------------------------------------------------------------


def _nobody(name: str, group: Any) -> NoReturn:
    world(group)
    raise ValueError(f"Invalid rank: {name}() is between two processes, and there is one")


def send(
    tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> NoReturn:
    """ValueError: there is no other process."""
    _nobody("send", group)


def isend(
    tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> NoReturn:
    """ValueError: there is no other process."""
    _nobody("isend", group)


def recv(
    tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> NoReturn:
    """ValueError: there is no other process."""
    _nobody("recv", group)


def irecv(
    tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> NoReturn:
    """ValueError: there is no other process."""
    _nobody("irecv", group)
