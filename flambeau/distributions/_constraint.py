"""What constraints are, and those made of others: dependent, independent, a mixture's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.errors import shown

Tensor = torch.Tensor
Unknown: Any = NotImplemented
"""What is only known of an instance."""


class Constraint:
    """A region over which a variable is valid.

    `is_discrete`: whether it is a set of separate points. `event_dim`: how many dimensions on the
    right make one value.
    """

    is_discrete: bool = False
    event_dim: int = 0

    def check(self, value: Tensor) -> Tensor:
        """Whether each event of `value` is in the region: a bool tensor of the batch's shape."""
        raise NotImplementedError(f"{type(self).__name__} has no check()")

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


class _Dependent(Constraint):
    """A constraint that depends on other variables."""

    def __init__(self, *, is_discrete: Any = Unknown, event_dim: Any = Unknown) -> None:
        self._is_discrete = is_discrete
        self._event_dim = event_dim
        super().__init__()

    def _known(self, name: str, value: Any) -> Any:
        if value is Unknown:
            raise NotImplementedError(
                f"{name} of a dependent constraint is not known before there is an instance"
            )
        return value

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self._known("is_discrete", self._is_discrete)  # type: ignore[no-any-return]

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self._known("event_dim", self._event_dim)  # type: ignore[no-any-return]

    def __call__(self, *, is_discrete: Any = Unknown, event_dim: Any = Unknown) -> _Dependent:
        """The same with more known: `dependent(is_discrete=True, event_dim=1)`."""
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is Unknown else is_discrete,
            event_dim=self._event_dim if event_dim is Unknown else event_dim,
        )

    def check(self, value: Tensor) -> Tensor:
        raise ValueError("a dependent constraint can't check values: ask an instance for it")


def is_dependent(constraint: Any) -> bool:
    """Whether a constraint is known of instances only."""
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property that gives a constraint; on the class it is a dependent constraint.

    Decorates with or without arguments: `@dependent_property(is_discrete=False, event_dim=0)`.
    """

    def __init__(
        self, fn: Callable[..., Any] | None = None, *, is_discrete: Any = Unknown,
        event_dim: Any = Unknown,
    ) -> None:  # fmt: skip
        property.__init__(self, fn)
        self._is_discrete = is_discrete
        self._event_dim = event_dim

    def __call__(self, fn: Callable[..., Any]) -> _DependentProperty:  # type: ignore[override]
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


class _IndependentConstraint(Constraint):
    """All of the last dimensions together: a value is one event of `reinterpreted_batch_ndims` more
    dimensions than the base's."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        if not isinstance(base_constraint, Constraint) or reinterpreted_batch_ndims < 0:
            raise AssertionError(
                "independent(): expected a constraint and a number >= 0, got "
                f"{shown(base_constraint)} and {shown(reinterpreted_batch_ndims)}"
            )
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        result = self.base_constraint.check(value)
        n = self.reinterpreted_batch_ndims
        if result.dim() < n:
            expected = self.base_constraint.event_dim + n
            raise ValueError(
                f"expected a value of at least {expected} dimensions, got {value.dim()}"
            )
        return result.flatten(-n).all(-1) if n else result

    def __repr__(self) -> str:
        base = self.base_constraint
        return f"{type(self).__name__[1:]}({base!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """What the components of a mixture allow: a value is held against every component."""

    def __init__(self, base_constraint: Constraint) -> None:
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(f"expected a constraint, got {shown(base_constraint)}")
        self.base_constraint = base_constraint
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base_constraint.event_dim

    def check(self, value: Tensor) -> Tensor:
        """The components' dimension is put left of the event's; all of them must agree."""
        dim = -1 - self.event_dim
        if value.dim() < self.event_dim:
            raise ValueError(
                f"expected a value of at least {self.event_dim} dimensions, got {value.dim()}"
            )
        found = self.base_constraint.check(value.unsqueeze(dim))
        # What is left of the check is the batch with the components last, seen from the event.
        ndim = value.dim() - self.event_dim
        return found.reshape(found.shape[:ndim] + (-1,)).all(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_constraint!r})"
