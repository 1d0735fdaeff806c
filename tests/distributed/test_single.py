"""`torch.distributed` in one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flambeau as torch
import flambeau.distributed as dist


@pytest.fixture
def world() -> Iterator[None]:
    dist.init_process_group("gloo", world_size=1, rank=0)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_without_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert dist.is_available() and not dist.is_initialized()
    for call in (dist.get_rank, dist.get_world_size, dist.barrier, lambda: dist.all_reduce(torch.ones(1))):
        with pytest.raises(ValueError, match="init_process_group"):
            call()
    with pytest.raises(ValueError, match="world_size=1"):
        dist.init_process_group("gloo")
    with pytest.raises(NotImplementedError, match="lacks training on several processes"):
        dist.init_process_group("gloo", world_size=2, rank=0)
    with pytest.raises(RuntimeError, match="use 'gloo'"):
        dist.init_process_group("nccl", world_size=1, rank=0)
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    dist.init_process_group()
    dist.destroy_process_group()


def test_collectives(world: None) -> None:
    x = torch.tensor([1.0, 2.0])
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    assert dist.all_reduce(x) is None and x.tolist() == [1, 2]
    assert dist.all_reduce(x, op=dist.ReduceOp.MAX, async_op=True).wait()
    for fill in (
        lambda out: dist.all_gather([out], x), lambda out: dist.all_gather_into_tensor(out, x),
        lambda out: dist.gather(x, [out]), lambda out: dist.scatter(out, [x]),
        lambda out: dist.reduce_scatter(out, [x]), lambda out: dist.all_to_all([out], [x]),
        lambda out: dist.all_to_all_single(out, x), lambda out: dist.reduce_scatter_tensor(out, x),
    ):  # fmt: skip
        out = torch.zeros(2)
        fill(out)
        assert out.tolist() == [1, 2]
    objects: list[object] = [None]
    dist.all_gather_object(objects, {"a": 1})
    assert objects == [{"a": 1}]
    with pytest.raises(ValueError, match="of 1, not 2"):
        dist.all_gather([x, x], x)
    with pytest.raises(ValueError, match="rank 3"):
        dist.broadcast(x, 3)
    with pytest.raises(ValueError, match="between two processes"):
        dist.send(x, 0)
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo", world_size=1, rank=0)


def test_groups(world: None) -> None:
    assert dist.group.WORLD is dist.GroupMember.WORLD is not None
    assert dist.get_world_size(dist.new_group([0])) == 1
    assert dist.get_rank(dist.new_group([])) == -1
    with pytest.raises(ValueError, match="only rank 0"):
        dist.new_group([0, 1])


def test_the_sampler_asks_the_group(world: None) -> None:
    assert sorted(torch.utils.data.DistributedSampler(range(5))) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]


def test_distributed_data_parallel(world: None) -> None:
    net = torch.nn.Linear(2, 1)
    wrapped = torch.nn.parallel.DistributedDataParallel(net)
    with wrapped.no_sync():
        wrapped(torch.ones(1, 2)).sum().backward()
    assert net.weight.grad.tolist() == [[1.0, 1.0]]
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    with pytest.raises(RuntimeError, match="require a gradient"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.ReLU())
    with pytest.raises(ValueError, match="device_ids"):
        torch.nn.parallel.DistributedDataParallel(net, device_ids=[0])
    with pytest.raises(AttributeError, match="register_hook"):
        wrapped.register_comm_hook(None, None)
    dist.destroy_process_group()
    with pytest.raises(ValueError, match="init_process_group"):
        torch.nn.parallel.DistributedDataParallel(net)
