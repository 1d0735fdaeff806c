"""Tensors that say what they are of. Operations on them give plain tensors; transforms keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flambeau as torch

from .._extras import is_pil_image


class _Returned:
    """What operations return, and the context manager that sets it back."""

    subclass = False

    def __init__(self, before: bool) -> None:
        self.before = before

    def __enter__(self) -> _Returned:
        return self

    def __exit__(self, *_: object) -> None:
        _Returned.subclass = self.before


def set_return_type(return_type: str) -> _Returned:
    """Decides whether operations on these tensors return "Tensor" (the default) or "TVTensor".

    It holds from now on, or inside of a `with` statement.

    Raises:
        ValueError: something else is given.
    """
    known = {"tensor": False, "tvtensor": True}
    if return_type.lower() not in known:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    before, _Returned.subclass = _Returned.subclass, known[return_type.lower()]
    return _Returned(before)


_KEEPING = frozenset(
    getattr(torch.Tensor, name)
    for name in ("clone", "to", "detach", "requires_grad_", "pin_memory")
    if hasattr(torch.Tensor, name)
)


class TVTensor(torch.Tensor):
    """Base of the classes below; subclass it for a kind of your own."""

    @staticmethod
    def _to_tensor(
        data: Any, dtype: Any = None, device: Any = None, requires_grad: Any = None
    ) -> Any:
        if requires_grad is None:
            requires_grad = data.requires_grad if isinstance(data, torch.Tensor) else False
        return torch.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)

    @classmethod
    def wrap(cls, tensor: torch.Tensor, like: Any, **kwargs: Any) -> Any:
        """Returns `tensor` as what `like` is; subclasses take changes to what it carries."""
        return tensor.as_subclass(cls)

    @classmethod
    def _wrap_output(cls, output: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if isinstance(output, torch.Tensor) and not isinstance(output, cls):
            like = next((one for one in _flat(args, kwargs) if isinstance(one, cls)), None)
            return output.as_subclass(cls) if like is None else cls._like(output, like)
        if isinstance(output, (tuple, list)):
            return type(output)(cls._wrap_output(part, args, kwargs) for part in output)
        return output

    @classmethod
    def _like(cls, tensor: torch.Tensor, like: Any) -> Any:
        """`tensor` with what `like` carries, whatever its shape."""
        return tensor.as_subclass(cls)

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        with torch._C.DisableTorchFunctionSubclass():
            output = func(*args, **(kwargs or {}))
        kept = func in _KEEPING and args and isinstance(args[0], cls)
        if _Returned.subclass or kept:
            return cls._wrap_output(output, args, kwargs)
        # In-place operations return what they were given.
        return output.as_subclass(torch.Tensor) if isinstance(output, cls) else output

    def _shown(self, **carried: Any) -> str:
        first, *rest = repr(self.as_subclass(torch.Tensor))[:-1].split("\n")
        name = type(self).__name__
        # The lines stand below the first one's brackets.
        shift = len(name) - len("tensor")
        lines = [first.replace("tensor", name, 1)]
        lines += [" " * shift + line if shift > 0 else line[-shift:] for line in rest]
        extra = ", ".join(f"{name}={value}" for name, value in carried.items())
        return "\n".join(lines) + f", {extra})"

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return self._shown()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.detach().clone().requires_grad_(self.requires_grad)


def _flat(args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> list[Any]:
    found: list[Any] = []
    for value in (*args, *(kwargs or {}).values()):
        found.extend(value if isinstance(value, (tuple, list)) else (value,))
    return found


class Image(TVTensor):
    """Pictures (..., C, H, W), of anything a tensor can be made of, or a Pillow image.

    Raises:
        ValueError: fewer than two dimensions.
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = None
    ) -> Any:
        """Makes one; two dimensions become (1, H, W)."""
        if is_pil_image(data):
            from ..transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)


class Video(TVTensor):
    """Pictures in time (..., T, C, H, W).

    Raises:
        ValueError: fewer than four dimensions.
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = None
    ) -> Any:
        """Makes one of anything a tensor can be made of."""
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor.")
        return tensor.as_subclass(cls)


class Mask(TVTensor):
    """What each pixel belongs to, (..., H, W); of a Pillow image (1, H, W)."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = None
    ) -> Any:
        """Makes one of anything a tensor can be made of, or a Pillow image."""
        if is_pil_image(data):
            from ..transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        return cls._to_tensor(data, dtype, device, requires_grad).as_subclass(cls)
