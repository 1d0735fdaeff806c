"""`DistributedDataParallel` over the group of processes that there is: of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import flambeau as torch

from ..modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Runs `module`; its gradients are averaged over the processes of the group.

    A group has one process here (`init_process_group` refuses more), so the gradients are the module's
    own. State dict keys begin with `module.`, as PyTorch's.

    Args:
        device_ids, output_device: the module's GPU, or None.
        process_group: None for the group of all processes.
        The others say how gradients travel, which they need not.

    Raises:
        ValueError: there is no group yet, or devices are given for a module on the CPU.
        RuntimeError: no parameter requires a gradient.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None,
        dim: int = 0, broadcast_buffers: bool = True, init_sync: bool = True,
        process_group: Any = None, bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False, check_reduction: bool = False,
        gradient_as_bucket_view: bool = False, static_graph: bool = False,
        delay_all_reduce_named_params: Any = None, param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None, device_mesh: Any = None, skip_all_reduce_unused_params: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.process_group = torch.distributed.group.WORLD if process_group is None else process_group
        torch.distributed.get_world_size(self.process_group)  # ValueError where there is no group
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that "
                "require a gradient."
            )
        on_gpu = any(p.is_cuda for p in module.parameters())
        if (device_ids or output_device is not None) and not on_gpu:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with modules "
                f"on GPUs, but got device_ids {device_ids}, output_device {output_device}: leave them out"
            )
        self.module = module
        self.device_ids = list(device_ids) if device_ids else None
        self.output_device, self.dim = output_device, dim
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.static_graph = static_graph
        self.require_backward_grad_sync = True

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside, gradients are gathered up without being averaged, which changes nothing here."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(
        self, divide_by_initial_world_size: bool = True, enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Iterator[None]:  # fmt: skip
        """For processes with unequal numbers of batches; one waits for nobody."""
        yield

    def __getattr__(self, name: str) -> Any:
        if name == "register_comm_hook":
            raise AttributeError(
                "DistributedDataParallel.register_comm_hook: flambeau lacks it, nothing is sent in a "
                "group of one process; change gradients by Tensor.register_hook"
            )
        return super().__getattr__(name)
