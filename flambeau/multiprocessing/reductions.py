"""How tensors and storages go through queues, pipes and to new processes: their memory is shared.

The receiver maps the sender's memory and sees its writes from then on. What goes over the wire is
an open file, as with PyTorch's strategy "file_descriptor": the sender has to live until it has been
received.
"""

from __future__ import annotations

from multiprocessing import reduction
from multiprocessing.reduction import ForkingPickler
from typing import Any

import flambeau as torch

__all__ = ["ForkingPickler", "init_reductions", "rebuild_storage_fd", "rebuild_tensor",
           "reduce_storage", "reduce_tensor"]  # fmt: skip


def rebuild_storage_fd(descriptor: Any, nbytes: int) -> Any:
    """The storage, in the process that receives it."""
    return torch.UntypedStorage._new_shared_fd_cpu(descriptor.detach(), nbytes)


def reduce_storage(storage: Any) -> Any:
    """A storage as its open file."""
    file, nbytes = storage._share_fd_cpu_()
    return rebuild_storage_fd, (reduction.DupFd(file), nbytes)


def rebuild_tensor(cls: type, storage: Any, layout: tuple[Any, ...]) -> Any:
    """The tensor, in the process that receives it."""
    dtype, offset, size, stride, requires_grad, attributes = layout
    tensor = torch.empty(0, dtype=dtype).set_(storage, offset, size, stride)
    if cls is torch.Tensor:
        tensor.requires_grad = requires_grad
        return tensor
    made = torch.Tensor._make_subclass(cls, tensor, requires_grad)
    made.__dict__.update(attributes)
    return made


def reduce_tensor(tensor: Any) -> Any:
    """A tensor as its storage and its layout there."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            f"a tensor of shape {list(tensor.shape)} with grad_fn={tensor.grad_fn} can't go to "
            "another process, because the graph behind it would stay here; send tensor.detach()"
        )
    plain = tensor.detach()
    attributes: dict[str, Any] = {}
    layout = (
        tensor.dtype, plain.storage_offset(), tuple(plain.shape), plain.stride(),
        tensor.requires_grad, attributes,
    )  # fmt: skip
    return rebuild_tensor, (type(tensor), plain.untyped_storage(), layout)


def init_reductions() -> None:
    """Have Python's multiprocessing send tensors so."""
    for kind in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(kind, reduce_tensor)
    ForkingPickler.register(torch.UntypedStorage, reduce_storage)
