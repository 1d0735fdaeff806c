"""The abstract base of all distributions."""

from __future__ import annotations

import warnings
from typing import Any

import flambeau as torch
from flambeau.errors import shown, users_line

from .constraints import Constraint, is_dependent
from .utils import lazy_property

__all__ = ["Distribution"]

Tensor = torch.Tensor
Size = torch.Size


class Distribution:
    """A batch of distributions: `batch_shape` independent ones, whose values have `event_shape`.

    A subclass names its parameters with their constraints in `arg_constraints`, where its values
    lie in `support`, and defines `rsample` (or `sample`) and `log_prob`.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check parameters and values where they are not told; ValueError for
        anything but a bool."""
        if value not in (True, False):
            raise ValueError(
                f"set_default_validate_args(): expected True or False, got {shown(value)}"
            )
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Size = Size(), event_shape: Size = Size(),
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_arguments()
        super().__init__()

    def _check_arguments(self) -> None:
        """ValueError for a parameter outside of its constraint."""
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            arg_constraints = {}
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`: set it to {{}}, or pass "
                "validate_args=False, to turn validation off",
                stacklevel=users_line(),
            )
        for name, constraint in arg_constraints.items():
            if is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property):
                continue  # follows from another parameter, which is checked
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    # --- shapes ---------------------------------------------------------------------------------

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with a larger batch shape, to which its own broadcasts."""
        raise _lacking(self, "expand")

    def _expanded(
        self, cls: type[Distribution], batch_shape: Any, instance: Any, *names: str
    ) -> Any:
        """What `expand` returns where the parameters `names` of `cls` (those that there are)
        have the batch's dimensions and then their own."""
        new = self._get_checked_instance(cls, instance)
        shape, own = Size(batch_shape), len(self.batch_shape)
        for name in names:
            if name in self.__dict__:
                value = self.__dict__[name]
                new.__dict__[name] = value.expand(shape + value.shape[own:])
        Distribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls: type[Distribution], _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"{type(self).__name__}, a subclass of {cls.__name__}, has an __init__() of its own: "
                "it must define expand() too"
            )
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = Size()) -> Size:
        """The shape of `sample(sample_shape)`."""
        return Size(sample_shape) + self._batch_shape + self._event_shape

    @property
    def arg_constraints(self) -> Any:
        """The constraint of each parameter, by name; most classes have a dict instead."""
        raise _lacking(self, "arg_constraints")

    # --- what a distribution has ----------------------------------------------------------------

    @property
    def support(self) -> Constraint | None:
        """The constraint that values satisfy."""
        raise _lacking(self, "support")

    @property
    def mean(self) -> Tensor:
        """The mean, NaN where there is none."""
        raise _lacking(self, "mean")

    @property
    def mode(self) -> Tensor:
        """The value of largest probability, NaN where there is none."""
        raise _lacking(self, "mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise _lacking(self, "variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = Size()) -> Tensor:
        """Draws of shape sample_shape + batch_shape + event_shape, without a gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:
        """Draws that carry the gradient to the parameters (reparameterised)."""
        raise _lacking(self, "rsample")

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, under its old name."""
        warnings.warn(
            "sample_n(n) is deprecated: write sample((n,))", FutureWarning, stacklevel=users_line()
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density (or probability) at `value`: a number an event."""
        raise _lacking(self, "log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to `value`."""
        raise _lacking(self, "cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which the probability is `value`."""
        raise _lacking(self, "icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along dimension 0; `expand`: for each of the batch,
        else with dimensions of one in the batch's places."""
        raise _lacking(self, "enumerate_support")

    def _enumerated(self, values: Tensor, expand: bool) -> Tensor:
        """What `enumerate_support` returns for these values in a line."""
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values

    def entropy(self) -> Tensor:
        """The entropy in nats, of the batch's shape."""
        raise _lacking(self, "entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return torch.exp(self.entropy())

    # --- values ---------------------------------------------------------------------------------

    def _validate_sample(self, value: Tensor) -> None:
        """ValueError where `value` has no fitting shape or lies outside of the support."""
        if not isinstance(value, Tensor):
            raise ValueError(f"{self!r}: expected a tensor of values, got {type(value).__name__}")
        start = value.dim() - len(self._event_shape)
        if start < 0 or value.shape[start:] != self._event_shape:
            raise ValueError(
                f"{self!r}: the last dimensions of the value must be the event's, "
                f"{tuple(self._event_shape)}, got shape {tuple(value.shape)}"
            )
        expected = self._batch_shape + self._event_shape
        for a, b in zip(reversed(value.shape), reversed(expected)):
            if a != 1 and b != 1 and a != b:
                raise ValueError(
                    f"{self!r}: a value of shape {tuple(value.shape)} does not broadcast with "
                    f"batch_shape + event_shape, {tuple(expected)}"
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support`, so values can't be checked: define it, or "
                "pass validate_args=False",
                stacklevel=users_line(),
            )
            return
        assert support is not None
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to "
                f"be within the support ({support!r}) of the distribution {self!r}, but found "
                f"invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        parts = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                parts.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _lacking(distribution: Any, name: str) -> NotImplementedError:
    return NotImplementedError(f"{type(distribution).__name__} has no {name}")
