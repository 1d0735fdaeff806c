"""Namespaces of devices that a machine hasn't got: `torch.cuda`, `torch.xpu`, `torch.mps` ...

Programs ask first whether the device is there, and set seeds and free caches all the same. So
questions are answered, what would change nothing is accepted, and what needs the device raises.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn


class Absent:
    """The functions of an absent device's namespace; each is made for one kind of device."""

    def __init__(self, kind: str, title: str, error: type[Exception] = AssertionError) -> None:
        self.kind, self.title, self.error = kind, title, error

    def fail(self) -> NoReturn:
        """Raise what PyTorch's CPU build raises."""
        raise self.error(
            f"Torch not compiled with {self.title} enabled: flambeau computes on the CPU here; "
            f"test torch.{self.kind}.is_available() first"
        )

    def needing(self, name: str) -> Callable[..., Any]:
        """A function that needs the device."""

        def absent(*args: Any, **kwargs: Any) -> NoReturn:
            self.fail()

        return _named(absent, name, "Raises: the device is not there.")

    def giving(self, name: str, value: Any, doc: str = "") -> Callable[..., Any]:
        """A function whose answer is the same without the device."""

        def answer(*args: Any, **kwargs: Any) -> Any:
            return value() if callable(value) else value

        return _named(answer, name, doc or f"Without the device: {value!r}.")

    def device_class(self, name: str) -> type:
        """A class whose objects need the device."""

        def new(cls: type, *args: Any, **kwargs: Any) -> NoReturn:
            self.fail()

        return type(name, (), {"__new__": new, "__doc__": f"Needs the device: torch.{self.kind}.{name}",
                               "__module__": f"flambeau.{self.kind}"})  # fmt: skip

    def context(self, name: str) -> type:
        """A context manager around a device or a stream, which does nothing: there is none."""

        class context:
            def __init__(self, device: Any = None, *_: Any, **__: Any) -> None:
                self.idx = self.prev_idx = -1

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                pass

        context.__name__ = context.__qualname__ = name
        context.__doc__ = "Does nothing: the device is not there."
        return context

    def install(self, scope: dict[str, Any], needing: str = "", giving: Any = (),
                classes: str = "", contexts: str = "") -> list[str]:  # fmt: skip
        """Put functions and classes into a module; gives their names."""
        made: dict[str, Any] = {name: self.needing(name) for name in needing.split()}
        made |= {name: self.giving(name, value) for name, value in dict(giving).items()}
        made |= {name: self.device_class(name) for name in classes.split()}
        made |= {name: self.context(name) for name in contexts.split()}
        scope.update({name: value for name, value in made.items() if name not in scope})
        return sorted(made)


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


NOTHING: dict[str, Any] = {
    **dict.fromkeys(("is_available", "is_initialized", "is_bf16_supported", "is_tf32_supported",
                     "is_current_stream_capturing"), False),
    **dict.fromkeys(("device_count", "memory_allocated", "max_memory_allocated", "memory_reserved",
                     "max_memory_reserved"), 0),
    **dict.fromkeys(("manual_seed", "manual_seed_all", "seed", "seed_all", "empty_cache", "init",
                     "reset_peak_memory_stats", "reset_accumulated_memory_stats", "ipc_collect"), None),
    "get_arch_list": list, "get_rng_state_all": list, "set_rng_state_all": None,
    "memory_stats": OrderedDict, "memory_stats_as_nested_dict": dict, "get_gencode_flags": "",
}  # fmt: skip
"""What most of these namespaces answer without their device."""

ACCELERATOR: dict[str, Any] = {
    "needing": """
    current_device current_stream get_device_capability get_device_name get_device_properties
    get_rng_state initial_seed mem_get_info set_device set_rng_state synchronize
    """,
    "giving": {**NOTHING, "set_stream": None},
    "classes": "Event Stream",
    "contexts": "StreamContext device device_of stream",
}
"""What `Absent.install` puts into the namespace of any accelerator."""
