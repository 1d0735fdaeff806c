"""Which function works on which kind of input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flambeau as torch

from .... import tv_tensors
from ....tv_tensors import TVTensor

_Kernel = Callable[..., Any]

# For each functional its kernels, by the type of the first argument. "PIL" is Pillow's images,
# which are not loaded for the sake of a table.
_KERNELS: dict[_Kernel, dict[type | str, _Kernel]] = {}

_BUILTIN = (
    tv_tensors.BoundingBoxes,
    tv_tensors.Image,
    tv_tensors.KeyPoints,
    tv_tensors.Mask,
    tv_tensors.Video,
)


def is_pure_tensor(inpt: Any) -> bool:
    """Says whether `inpt` is a tensor that says not what it is of."""
    return isinstance(inpt, torch.Tensor) and not isinstance(inpt, TVTensor)


def functional(kernel: _Kernel) -> _Kernel:
    """Makes a functional of the function that works on pictures: tensors and Pillow images."""

    @functools.wraps(kernel)
    def dispatched(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        return kernel_of(dispatched, type(inpt))(inpt, *args, **kwargs)

    keeping = _keeping(kernel)
    _KERNELS[dispatched] = {
        torch.Tensor: kernel,
        "PIL": kernel,
        tv_tensors.Image: keeping,
        tv_tensors.Video: keeping,
    }
    return dispatched


def without_videos(dispatched: _Kernel) -> _Kernel:
    """Lets videos go through unchanged, as torchvision does here and there."""
    _KERNELS[dispatched].pop(tv_tensors.Video)
    return dispatched


def _keeping(kernel: _Kernel) -> _Kernel:
    """The kernel on the plain tensor, its result (or each of several) being what the input is."""

    @functools.wraps(kernel)
    def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        output = kernel(inpt.as_subclass(torch.Tensor), *args, **kwargs)
        if isinstance(output, tuple):
            return tuple(tv_tensors.wrap(one, like=inpt) for one in output)
        return tv_tensors.wrap(output, like=inpt)

    return wrapped


def for_masks(dispatched: _Kernel) -> Callable[[_Kernel], _Kernel]:
    """Registers a functional's kernel for masks, which is given plain tensors."""

    def register(kernel: _Kernel) -> _Kernel:
        _KERNELS[dispatched][tv_tensors.Mask] = _keeping(kernel)
        return kernel

    return register


def for_type(dispatched: _Kernel, kind: type) -> Callable[[_Kernel], _Kernel]:
    """Registers a functional's kernel for a kind of tensor, which is given that kind itself."""

    def register(kernel: _Kernel) -> _Kernel:
        _KERNELS[dispatched][kind] = kernel
        return kernel

    return register


def register_kernel(functional: _Kernel | str, tv_tensor_cls: type) -> Callable[[_Kernel], _Kernel]:
    """Returns a decorator that registers a functional's kernel for a kind of tensor of your own.

    Raises:
        ValueError: there is no such functional, or the class is none of your own.
    """
    found: Any = functional
    if isinstance(functional, str):
        found = next((one for one in _KERNELS if one.__name__ == functional), None)
    if found not in _KERNELS:
        raise ValueError(
            "Kernels can only be registered on functionals from the "
            f"torchvision.transforms.v2.functional namespace, but got {functional}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, TVTensor)):
        raise ValueError(
            "Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, "
            f"but got {tv_tensor_cls}."
        )
    if tv_tensor_cls in _BUILTIN or tv_tensor_cls is TVTensor:
        raise ValueError(
            f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}"
        )
    return for_type(found, tv_tensor_cls)


def kernel_of(dispatched: _Kernel, kind: type, passing: bool = False) -> _Kernel:
    """Returns a functional's kernel for inputs of a type.

    Args:
        dispatched: the functional.
        kind: the type.
        passing: return what changes nothing where there is no kernel.

    Raises:
        TypeError: there is none.
    """
    kernels = _KERNELS[dispatched]
    for base in kind.__mro__:
        if base in kernels:
            return kernels[base]
        if base is TVTensor:
            break
        if base.__name__ == "Image" and base.__module__ == "PIL.Image" and "PIL" in kernels:
            return kernels["PIL"]
    if passing:
        return _unchanged
    names = ", ".join(one if isinstance(one, str) else one.__name__ for one in kernels)
    raise TypeError(
        f"Functional F.{dispatched.__name__} supports inputs of type {names}, but got {kind} instead."
    )


def _unchanged(inpt: Any, *args: Any, **kwargs: Any) -> Any:
    return inpt


_KINDS = {"_image": torch.Tensor, "_video": torch.Tensor, "_mask": tv_tensors.Mask}


def named_kernel(name: str) -> Any:
    """Returns the kernel that torchvision calls, say, `resize_image` or `resize_mask`, or None."""
    for suffix, kind in _KINDS.items():
        if name.endswith(suffix):
            stem = name.removesuffix(suffix)
            for dispatched, kernels in _KERNELS.items():
                if dispatched.__name__ == stem and kind in kernels:
                    kernel = kernels[kind]
                    return getattr(kernel, "__wrapped__", kernel)
    return None
