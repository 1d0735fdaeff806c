"""`torch.cuda`'s functions about devices."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.core import device as devices
from flambeau.runtime import cuda as driver

from ._needing import needing, require, submit, without

__all__ = ["can_device_access_peer", "current_device", "device", "device_count", "device_of",
           "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties",
           "get_gencode_flags", "get_sync_debug_mode", "init", "ipc_collect", "is_available",
           "is_bf16_supported", "is_initialized", "is_tf32_supported", "set_device",
           "set_sync_debug_mode", "synchronize"]  # fmt: skip

ARCHITECTURES = (75, 80, 86, 87, 89, 90)
"""What code is made for; newer GPUs take the last one's, compiled further by their driver."""


def index_of(device: Any, optional: bool = True) -> int:
    """The index that a device has: an int, "cuda:1", a `torch.device`; None is the current one.

    Raises:
        ValueError: it is not a GPU, or has no index although one is needed.
    """
    if device is None:
        if not optional:
            raise ValueError("Expected a torch.device with a specified index or an integer, but got:None")
        return driver.current_device()
    if isinstance(device, bool):
        raise TypeError(f"Expected a device or an index, got {device!r}")
    if isinstance(device, int):
        return device
    found = torch.device(device) if isinstance(device, str) else device
    if not isinstance(found, torch.device):
        index = getattr(found, "idx", None)  # torch.cuda.device(0) itself
        if isinstance(index, int):
            return index
        raise TypeError(f"Expected a device or an index, got {type(device).__name__}")
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    if found.index is None:
        if not optional:
            raise ValueError(
                f"Expected a torch.device with a specified index or an integer, but got:{device}"
            )
        return driver.current_device()
    return found.index  # type: ignore[no-any-return]


def gpu_of(device: Any) -> Any:
    """The runtime's device."""
    require()
    return driver.device(index_of(device))


def is_available() -> bool:
    """Whether there is a GPU that flambeau can compute on. Never raises, and says nothing."""
    return driver.available()


def device_count() -> int:
    """How many GPUs there are."""
    return driver.device_count()


@without(False)
def is_initialized() -> bool:
    """Whether any GPU was used."""
    return any(d.started for d in driver.started())


@without(None)
def init() -> None:
    """Make the current GPU ready. It is by itself when it is first used."""
    driver.device().activate()


@needing
def current_device() -> int:
    """The index of the GPU that "cuda" means in this thread."""
    return driver.current_device()


@needing
def set_device(device: Any) -> None:
    """Have "cuda" mean another GPU in this thread. A negative index changes nothing."""
    index = index_of(device)
    if index >= 0:
        driver.set_device(index)


class _Within:
    """Makes a GPU the current one for a `with` block; nothing where the index is negative."""

    def __init__(self, index: int) -> None:
        self.idx = index
        self.prev_idx = -1

    def __enter__(self) -> Any:
        if self.idx >= 0 and driver.available():
            self.prev_idx = driver.current_device()
            driver.set_device(self.idx)
        return self

    def __exit__(self, *_: object) -> None:
        if self.prev_idx >= 0 and driver.available():
            driver.set_device(self.prev_idx)
        self.prev_idx = -1


class device(_Within):  # noqa: N801
    """`with torch.cuda.device(1):` makes a GPU the current one of this thread. Does nothing for None
    and for negative indices, and where there is no GPU."""

    def __init__(self, device: Any) -> None:
        super().__init__(-1 if device is None else index_of(device))


class device_of(_Within):  # noqa: N801
    """`with torch.cuda.device_of(tensor):` makes the GPU of a tensor the current one. Does nothing for
    what is on the CPU."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if getattr(obj, "is_cuda", False) else -1)


@needing
def synchronize(device: Any = None) -> None:
    """Wait until everything that was submitted to a GPU is done, what is pending in this thread
    included.

    Raises:
        AcceleratorError: something that was submitted has failed.
        IndexError: an operation has found an index out of range.
    """
    submit("torch.cuda.synchronize()", waits=True)
    gpu = gpu_of(device)
    gpu.synchronize()
    if devices.others:
        from flambeau.engine import cuda as engine

        engine.look(gpu.index)


@without(None)
def ipc_collect() -> None:
    """Nothing is kept for other processes."""


# --- what they are --------------------------------------------------------------------------------


class _CudaDeviceProperties:
    """What a GPU is: sizes in bytes, clocks in kHz."""

    def __init__(self, gpu: Any) -> None:
        self.name: str = gpu.name
        self.major, self.minor = divmod(gpu.capability, 10)
        self.total_memory: int = gpu.total_memory
        self.uuid = gpu.uuid
        for name in (
            "multi_processor_count", "is_integrated", "is_multi_gpu_board", "max_threads_per_block",
            "max_threads_per_multi_processor", "regs_per_multiprocessor", "shared_memory_per_block",
            "shared_memory_per_block_optin", "shared_memory_per_multiprocessor", "warp_size",
            "clock_rate", "memory_clock_rate", "memory_bus_width", "L2_cache_size", "pci_bus_id",
            "pci_device_id", "pci_domain_id",
        ):  # fmt: skip
            setattr(self, name, gpu.attribute(name))
        self.gcnArchName = self.name

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, "
            f"multi_processor_count={self.multi_processor_count}, uuid={self.uuid}, "
            f"pci_bus_id={self.pci_bus_id}, pci_device_id={self.pci_device_id}, "
            f"pci_domain_id={self.pci_domain_id}, L2_cache_size={self.L2_cache_size >> 20}MB)"
        )

    multi_processor_count: int
    pci_bus_id: int
    pci_device_id: int
    pci_domain_id: int
    L2_cache_size: int


@needing
def get_device_properties(device: Any = None) -> _CudaDeviceProperties:
    """What a GPU is: name, capability, memory, multiprocessors ..."""
    return _CudaDeviceProperties(gpu_of(device))


@needing
def get_device_name(device: Any = None) -> str:
    """As "NVIDIA H100 80GB HBM3"."""
    return str(gpu_of(device).name)


@needing
def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability, as (9, 0)."""
    major, minor = divmod(gpu_of(device).capability, 10)
    return major, minor


@without(list)
def get_arch_list() -> list[str]:
    """The architectures that code is made for."""
    return [f"sm_{n}" for n in ARCHITECTURES] + [f"compute_{ARCHITECTURES[-1]}"]


@without("")
def get_gencode_flags() -> str:
    """The architectures as flags of NVIDIA's compiler."""
    flags = [f"-gencode compute=compute_{n},code=sm_{n}" for n in ARCHITECTURES]
    newest = ARCHITECTURES[-1]
    return " ".join([*flags, f"-gencode compute=compute_{newest},code=compute_{newest}"])


@without(False)
def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be computed with; without emulation, by instructions of the GPU's own."""
    return including_emulation or driver.device().capability >= 80


@without(False)
def is_tf32_supported() -> bool:
    """Whether the GPU multiplies float32 numbers rounded to TF32."""
    return driver.device().capability >= 80


@needing
def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether a GPU can read another one's memory."""
    one, other = index_of(device, optional=False), index_of(peer_device, optional=False)
    for index in (one, other):
        if not 0 <= index < driver.device_count():
            raise AssertionError("Invalid peer device id" if index is other else "Invalid device id")
    return bool(driver.device(one).can_access(driver.device(other)))


# --- who waits --------------------------------------------------------------------------------------

_MODES = {"default": 0, "warn": 1, "error": 2}


@needing
def set_sync_debug_mode(debug_mode: int | str) -> None:
    """What happens where something waits for the GPU to see a result: "default" or 0 nothing, "warn"
    or 1 a warning, "error" or 2 an error.

    Raises:
        RuntimeError: it is none of these.
    """
    mode = _MODES.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise RuntimeError("invalid value of debug_mode, expected one of `default`, `warn`, `error`")
    driver.set_waiting(int(mode))


@needing
def get_sync_debug_mode() -> int:
    """What `set_sync_debug_mode` was given, as a number."""
    return driver.waiting_mode()
