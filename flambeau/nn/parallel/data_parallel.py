"""`DataParallel`: a batch divided over the GPUs of this machine; without GPUs a wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import flambeau as torch

from ..modules.module import Module
from .parallel_apply import parallel_apply
from .replicate import replicate
from .scatter_gather import device_of, gather, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Runs `module` on the parts of a batch, a part on each GPU, and joins the results on one.

    Args:
        device_ids: numbers of the GPUs, all of them if None. Without GPUs, or for a module on the CPU,
            the module runs as it is.
        output_device: where results are joined: the first of them if None.
        dim: the dimension of the batch.

    State dict keys begin with `module.`, as PyTorch's. The four steps are methods, as in PyTorch, for
    classes that derive from this one.

    Raises:
        RuntimeError: at the call, where a parameter is not on the first device.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = _chosen(device_ids)
        self.output_device = output_device
        if output_device is None and self.device_ids:
            self.output_device = self.device_ids[0]
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        ids = self.device_ids
        if not ids or not _on_gpus(self.module):
            return self.module(*inputs, **kwargs)
        _check_place(self.module, ids[0])
        args, named = self.scatter(inputs, kwargs, ids)
        if not args and not named:
            args, named = ((),), ({},)
        if len(ids) == 1:
            return self.module(*args[0], **named[0])
        replicas = self.replicate(self.module, ids[: len(args)])
        return self.gather(self.parallel_apply(replicas, args, named), self.output_device)

    def replicate(self, module: Module, device_ids: Sequence[Any]) -> list[Any]:
        """See `torch.nn.parallel.replicate`."""
        return replicate(module, device_ids)

    def scatter(self, inputs: tuple[Any, ...], kwargs: Any, device_ids: Sequence[Any]) -> Any:
        """See `torch.nn.parallel.scatter`; of positional and keyword arguments."""
        return scatter_kwargs(inputs, kwargs, device_ids, self.dim)

    def parallel_apply(self, replicas: Sequence[Any], inputs: Any, kwargs: Any) -> list[Any]:
        """See `torch.nn.parallel.parallel_apply`."""
        return parallel_apply(replicas, inputs, kwargs)

    def gather(self, outputs: Any, output_device: Any) -> Any:
        """See `torch.nn.parallel.gather`."""
        return gather(outputs, output_device, self.dim)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`DataParallel` as a function."""
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*args, **(module_kwargs or {}))


def _chosen(device_ids: Sequence[Any] | None) -> list[int]:
    """The numbers of the GPUs, all of them for None."""
    if not torch.cuda.is_available():
        return []
    if device_ids is None:
        return list(range(torch.cuda.device_count()))
    return [device_of(each).index or 0 for each in device_ids]


def _on_gpus(module: Module) -> bool:
    return any(t.is_cuda for t in chain(module.parameters(), module.buffers()))


def _check_place(module: Module, first: int) -> None:
    for t in chain(module.parameters(), module.buffers()):
        if t.device != torch.device("cuda", first):
            raise RuntimeError(
                "module must have its parameters and buffers on device "
                f"cuda:{first} (device_ids[0]) but found one of them on device: {t.device}"
            )
