"""`torch.cuda`: NVIDIA's GPUs. Where there is none, questions are answered, what would change nothing is
accepted, and what needs one raises."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

import flambeau as torch
from flambeau.errors import AcceleratorError, OutOfMemoryError, refusing
from flambeau.runtime import cuda as _driver

from . import _devices, _nvml, memory, random, streams
from ._devices import *  # noqa: F403
from ._needing import needing as _needing
from ._needing import require as _require
from ._nvml import *  # noqa: F403
from .memory import *  # noqa: F403
from .random import *  # noqa: F403
from .streams import *  # noqa: F403

has_half = True
has_magma = False

__all__ = ["AcceleratorError", "CudaError", "DeferredCudaCallError", "GreenContext", "OutOfMemoryError",
           "check_error", "cudart", "current_blas_handle", "current_solver_handle", "has_half", "has_magma",
           *_devices.__all__, *_nvml.__all__, *memory.__all__, *random.__all__, *streams.__all__]  # fmt: skip

CudaError = _driver.Error
"""What libcuda's errors are: `torch.AcceleratorError`s."""


class DeferredCudaCallError(Exception):
    """A call that waited for CUDA's start failed."""


class GreenContext:
    """A part of a GPU's multiprocessors: NotImplementedError."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        _require()
        raise NotImplementedError("torch.cuda.GreenContext: flambeau uses whole GPUs")


@_needing
def current_blas_handle() -> NoReturn:
    """NotImplementedError: flambeau shows none of its libraries' handles."""
    raise NotImplementedError(
        "torch.cuda.current_blas_handle(): flambeau has no cuBLAS handle; cublasCreate makes one"
    )


@_needing
def current_solver_handle() -> NoReturn:
    """NotImplementedError: flambeau uses no cuSOLVER."""
    raise NotImplementedError("torch.cuda.current_solver_handle(): flambeau uses no cuSOLVER")


@_needing
def cudart() -> Any:
    """Functions of CUDA's runtime that programs call: a namespace of `cudaHostRegister` and the like,
    done by the driver. They give codes (0: success), as theirs do."""
    return import_module(f"{__name__}._cudart")


@_needing
def check_error(res: int) -> None:
    """Raise the error of a code of `cudart`'s functions, if it is one."""
    if int(res):
        raise _driver.described(int(res), "calling cudart")


class _TypeMeta(type):
    """`torch.cuda.FloatTensor`: a dtype on the GPU, as a type."""

    _short: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        _require()
        return getattr(torch, cls.__name__)(*args, **kwargs).cuda()

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = getattr(instance, "type", None)
        return callable(kind) and bool(getattr(instance, "is_cuda", False)) and kind() == f"torch.cuda.{cls.__name__}"


for _name in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"):
    for _kind in ("Tensor", "Storage"):
        globals()[_name + _kind] = _TypeMeta(_name + _kind, (), {"__module__": "torch.cuda"})

_MODULES = ("amp", "comm", "graphs", "nvtx", "profiler")
_GRAPHS = ("CUDAGraph", "graph", "graph_pool_handle", "make_graphed_callables")
_LATER = ("default_generators", *_MODULES, *_GRAPHS)
__all__ += _LATER


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _GRAPHS:
        return getattr(import_module(f"{__name__}.graphs"), name)
    if name == "default_generators":
        if not _driver.available():
            return ()
        from flambeau.frontend.cuda_random import generator

        return tuple([generator(i) for i in range(_driver.device_count())])
    return _refuse(name)


_refuse = refusing(__name__)
