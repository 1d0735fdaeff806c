"""`torch.utils.hooks`: handles of hooks, and what modules' backward hooks are made of."""

from __future__ import annotations

import warnings
from typing import Any

from flambeau.autograd.handles import RemovableHandle
from flambeau.errors import refusing
from flambeau.nn.modules._hooks import BackwardHook

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f: Any) -> Any:
    """Marks a hook that is not kept where its tensor is saved: saving then warns."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn where a tensor has hooks that are not marked by `unserializable_hook`."""
    for hook in (getattr(tensor, "_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized. If this is expected, you "
                "can decorate the function with @torch.utils.hooks.unserializable_hook to suppress "
                "this warning",
                stacklevel=2,
            )


__getattr__ = refusing(__name__)
