"""`GradScaler`: a factor on the loss that keeps small gradients of float16 from vanishing."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import Any

import flambeau as torch

__all__ = ["GradScaler"]

_READY, _UNSCALED, _STEPPED = range(3)


class GradScaler:
    """Scales losses, unscales gradients, and leaves out steps whose gradients are not finite.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    The factor grows after `growth_interval` good steps and shrinks after a bad one (Micikevicius et
    al., "Mixed Precision Training", 2018). Not enabled, all of it passes through.

    Whether gradients are finite is computed where they are, for all of an optimizer's together; `step`
    waits for that one answer.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        self._enabled = enabled
        kind = torch.device(device).type
        if enabled and not torch.amp.is_autocast_available(kind):
            warnings.warn(
                f"GradScaler is enabled for {device}, which is not available. Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, not {growth_factor}.")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, not {backoff_factor}.")
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._stages: dict[int, int] = defaultdict(int)
        self._finite: dict[int, list[Any]] = {}
        """For each optimizer, whether its gradients were finite: bools as tensors, one for each device,
        and in their place what they are once somebody has waited for them."""

    def is_enabled(self) -> bool:
        """Whether this scaler scales."""
        return self._enabled

    def scale(self, outputs: Any) -> Any:
        """A tensor, or an iterable of tensors, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, torch.Tensor):
            return outputs * self._scale
        if hasattr(outputs, "__iter__"):
            scaled = (self.scale(output) for output in outputs)
            return list(scaled) if isinstance(outputs, list) else tuple(scaled)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer by the factor: to clip them before the step."""
        if not self._enabled:
            return
        stage = self._stages[id(optimizer)]
        if stage == _UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage == _STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._finite[id(optimizer)] = self._unscaled(optimizer)
        self._stages[id(optimizer)] = _UNSCALED

    def _unscaled(self, optimizer: Any) -> list[Any]:
        """Divide the gradients by the factor; whether all are finite, for each device."""
        finite: dict[Any, Any] = {}
        for group in optimizer.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is None:
                    continue
                if grad.dtype is torch.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                grad.mul_(1.0 / self._scale)
                fine = torch.isfinite(grad).all()
                before = finite.get(grad.device)
                finite[grad.device] = fine if before is None else before & fine
        return list(finite.values())

    def _is_fine(self, optimizer: int) -> bool:
        """Wait for whether an optimizer's gradients were finite."""
        found = self._finite[optimizer]
        found[:] = [bool(x) for x in found]
        return all(found)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)` with unscaled gradients, left out where one is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if self._stages[id(optimizer)] == _STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if self._stages[id(optimizer)] == _READY:
            self.unscale_(optimizer)
        self._stages[id(optimizer)] = _STEPPED
        return optimizer.step(*args, **kwargs) if self._is_fine(id(optimizer)) else None

    def update(self, new_scale: float | Any = None) -> None:
        """Adapt the factor to what the steps since the last update have met."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._finite:
                raise AssertionError("No inf checks were recorded prior to update.")
            if not all([self._is_fine(optimizer) for optimizer in self._finite]):
                self._scale *= self._backoff_factor
                self._growth_tracker = 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._growth_tracker = 0
        self._stages.clear()
        self._finite.clear()

    def get_scale(self) -> float:
        """The factor; 1 if not enabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The factor and its rules; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
