"""`torch.utils.flop_counter`: how many floating-point operations a program's products take.

Counted are products of matrices, convolutions and attention, a multiplication and an addition each
as two; other operations are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from flambeau.autograd import profiler
from flambeau.errors import refusing
from flambeau.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from flambeau.utils.module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

_formulas: dict[str, Callable[..., int]] = {}
"""By the operation's name: its count from the shapes of its inputs, its parameters and its result."""


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorator: how many floating-point operations an operation takes.

    The function gets the operation's shapes and parameters, and the result's shape as `out_shape`.
    """

    def register(formula: Callable[..., int]) -> Callable[..., int]:
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            name = target if isinstance(target, str) else target.__name__
            if name in _formulas:
                raise RuntimeError(f"duplicate registrations for {name}")
            _formulas[name] = formula
        return formula

    return register


def _count(numbers: Any) -> int:
    total = 1
    for n in numbers:
        total *= n
    return total


@register_flop_formula("mm")
def mm_flop(a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """(m, k) times (k, n)."""
    return int(2 * a_shape[0] * a_shape[1] * b_shape[1])


@register_flop_formula("addmm")
def addmm_flop(self_shape: Any, a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """The product's."""
    return mm_flop(a_shape, b_shape)


@register_flop_formula("bmm")
def bmm_flop(a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """(b, m, k) times (b, k, n)."""
    return int(2 * a_shape[0] * a_shape[1] * a_shape[2] * b_shape[2])


@register_flop_formula("baddbmm")
def baddbmm_flop(self_shape: Any, a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """The product's."""
    return bmm_flop(a_shape, b_shape)


def _conv(x_shape: Any, w_shape: Any, out_shape: Any, transposed: bool) -> int:
    """Each place of the result (transposed: of the input) meets a whole kernel."""
    places = (x_shape if transposed else out_shape)[2:]
    return int(2 * x_shape[0] * _count(places) * _count(w_shape))


@register_flop_formula("convolution")
def conv_flop(x_shape: Any, w_shape: Any, bias_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """(n, c, ...) with kernels (o, c / groups, ...)."""
    return _conv(x_shape, w_shape, out_shape, False)


@register_flop_formula(["convolution_input", "convolution_transposed"])
def conv_input_flop(grad_shape: Any, w_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """The gradient of a convolution's input; also a transposed convolution."""
    return _conv(grad_shape, w_shape, out_shape, True)


@register_flop_formula("convolution_weight")
def conv_weight_flop(grad_shape: Any, x_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """The gradient of a convolution's kernels."""
    return int(2 * grad_shape[0] * _count(grad_shape[2:]) * _count(out_shape))


class FlopCounterMode:
    """Context manager that counts floating-point operations, in all and by module.

        with FlopCounterMode(display=False) as counter:
            model(x).sum().backward()
        counter.get_total_flops()

    Args:
        mods: accepted: modules are found as they run.
        depth: how deep modules are listed in the table.
        display: whether to print the table at the end.
        custom_mapping: formulas for more operations, by name.
    """

    def __init__(self, mods: Any = None, depth: int = 2, display: bool = True,
                 custom_mapping: dict[Any, Any] | None = None) -> None:  # fmt: skip
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        more = {getattr(k, "__name__", k): f for k, f in (custom_mapping or {}).items()}
        self.flop_registry = {**_formulas, **more}
        self.mod_tracker = ModuleTracker()
        self._operations = profiler.recorded_operations(self._see)
        self._hooks: list[Any] = []

    def _see(self, name: str, shapes: list[Any], params: tuple[Any, ...], out_shape: Any) -> None:
        formula = self.flop_registry.get(name)
        if formula is not None:
            flops = formula(*shapes, *params, out_shape=out_shape)
            for parent in self.mod_tracker.parents:
                self.flop_counts[parent][name] += flops

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._operations.__enter__()
        # Before a module is entered or left, what was recorded is counted for those that run.
        self._hooks = [register_module_forward_pre_hook(lambda *_: self._operations.boundary())]
        self.mod_tracker.__enter__()
        after = self.mod_tracker._handles.pop()
        after.remove()
        self._hooks.append(register_module_forward_hook(self._left, always_call=True))
        return self

    def _left(self, module: Any, args: Any, result: Any) -> None:
        self._operations.boundary()
        self.mod_tracker.parents.discard(self.mod_tracker._name_of(module))

    def __exit__(self, *exception: object) -> None:
        self._operations.__exit__()
        self.mod_tracker.__exit__()
        for hook in self._hooks:
            hook.remove()
        if self.display:
            print(self.get_table())

    def get_total_flops(self) -> int:
        """How many in all."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """By module and operation."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """Modules with their count and share, as text."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        lines = [("Module", "FLOP", "% Total")]
        for module in sorted(self.flop_counts, key=lambda name: (name != "Global", name)):
            if module != "Global" and module.count(".") + 1 > depth:
                continue
            counts = self.flop_counts[module]
            for name, flops in [("", sum(counts.values())), *counts.items()]:
                shown = f" - aten.{name}" if name else module
                lines.append((shown, f"{flops:,}", f"{100 * flops / total if total else 0:.2f}%"))
        widths = [max(len(line[i]) for line in lines) for i in range(3)]
        text = [f"{a.ljust(widths[0])}  {b.rjust(widths[1])}  {c.rjust(widths[2])}" for a, b, c in lines]
        return "\n".join([text[0], "  ".join("-" * w for w in widths), *text[1:]])


__getattr__ = refusing(__name__)
