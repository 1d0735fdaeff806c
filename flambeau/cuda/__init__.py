"""`torch.cuda` on a machine whose flambeau computes on the CPU: everything says so plainly."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import OutOfMemoryError, refusing
from flambeau.lacking.absent import NOTHING, Absent

_absent = Absent("cuda", "CUDA")

has_half = True
has_magma = False
default_generators: tuple[Any, ...] = ()

__all__ = ["default_generators", "has_half", "has_magma", "amp", "OutOfMemoryError"]
__all__ += _absent.install(
    globals(),
    needing="""
    caching_allocator_alloc caching_allocator_delete can_device_access_peer change_current_allocator
    check_error clock_rate cudart current_blas_handle current_device current_solver_handle
    current_stream default_stream device_memory_used get_device_capability get_device_name
    get_device_properties get_per_process_memory_fraction get_rng_state get_stream_from_external
    get_sync_debug_mode graph_pool_handle initial_seed list_gpu_processes make_graphed_callables
    mem_get_info memory_usage power_draw set_device set_per_process_memory_fraction set_rng_state
    set_sync_debug_mode synchronize temperature utilization init
    """,
    giving={
        **NOTHING,
        **dict.fromkeys(("max_memory_cached", "memory_cached"), 0),
        **dict.fromkeys(("reset_max_memory_allocated", "reset_max_memory_cached", "set_stream",
                         "reset_peak_host_memory_stats", "reset_accumulated_host_memory_stats",
                         "caching_allocator_enable"), None),
        "host_memory_stats": dict, "host_memory_stats_as_nested_dict": dict, "memory_snapshot": list,
        "memory_summary": "", "get_allocator_backend": "native",
    },  # fmt: skip
    classes="Stream ExternalStream Event CUDAGraph CUDAPluggableAllocator MemPool GreenContext",
    contexts="device device_of stream StreamContext graph use_mem_pool caching_allocator_disabled",
)


class DeferredCudaCallError(Exception):
    """A call that waited for CUDA's start failed; there is none here."""


class CudaError(RuntimeError):
    """CUDA reported an error; there is none here."""


class _TypeMeta(type):
    """`torch.cuda.FloatTensor`: no tensor is one, none can be made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        _absent.fail()

    def __instancecheck__(cls, instance: Any) -> bool:
        return False


for _name in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"):
    for _kind in ("Tensor", "Storage"):
        globals()[_name + _kind] = _TypeMeta(_name + _kind, (), {"__module__": "torch.cuda"})


def __getattr__(name: str) -> Any:
    if name in ("amp", "memory", "random", "nvtx"):
        return import_module(f"{__name__}.{name}")
    return _refuse(name)


_refuse = refusing(__name__)
