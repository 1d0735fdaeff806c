"""A tensor's place in the autograd graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..autograd import reverse
from ..autograd.handles import RemovableHandle, hooked
from ..autograd.node import VOLATILE, joined
from ..autograd.wrapped import Wrapped
from ..graph.trace import state
from . import inplace


class Differentiable:
    """What a tensor is to autograd: `_rg` says whether it requires grad, `_node` and `_nr` which
    result of which node it is. Fields with their usual value stay class attributes."""

    _aval: Any
    _storage: Any
    _alias: Callable[[], Any]
    _rg: Any = False
    _node: Any = None
    _nr = 0
    _grad: Any = None
    _view: Any = None
    """The tensor that this one is a view of."""
    _seen = 0
    """The storage's version that a view's node belongs to."""
    _origin: Any = None
    """How a view was made that autograd can't follow through writes (see `inplace`)."""
    _count: Any = None
    """What `.data` counts its own versions in, a list of one shared with its views; None where the
    storage counts. Inference tensors have (): they are not counted."""
    _inference = False
    _hooks: Any = None
    _post_hooks: Any = None
    _accumulator: Any = None
    _retains = False

    @property
    def requires_grad(self) -> bool:
        return self._rg is True or (self._view is not None and joined(self) is True)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and not self._aval.differentiable:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients, "
                f"got {self._aval.dtype}"
            )
        if value and self._inference and not state.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed. clone() it to get a normal tensor."
            )
        self._rg = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad` and return the tensor."""
        if self._node is None or not requires_grad:
            self.requires_grad = requires_grad
        return self

    @property
    def volatile(self) -> bool:
        """PyTorch 0.3: whether the tensor keeps operations from building a graph."""
        return bool(self._rg == VOLATILE)

    @volatile.setter
    def volatile(self, value: bool) -> None:
        self._rg = VOLATILE if value else False

    @property
    def grad(self) -> Any:
        if self._grad is None and self._node is not None and not self._retains:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed "
                "want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() "
                "on the non-leaf Tensor.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Differentiable):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of "
                                f"type {type(value).__name__}")  # fmt: skip
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value._aval.dtype is not self._aval.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: {value._aval.dtype} for a "
                    f"tensor of {self._aval.dtype}"
                )
            if value._aval.shape != self._aval.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {list(value._aval.shape)} for a "
                    f"tensor of {list(self._aval.shape)}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_fn(self) -> Any:
        return self._node if self._view is None else inplace.view_node(self)

    @property
    def is_leaf(self) -> bool:
        return not self.requires_grad or self.grad_fn is None

    @property
    def output_nr(self) -> int:
        return self._nr

    @property
    def _base(self) -> Any:
        return self._view

    def _is_view(self) -> bool:
        return self._view is not None

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
        inputs: Any = None, retain_variables: bool | None = None,
    ) -> None:  # fmt: skip
        """Add d(self)/d(leaf) to the `.grad` of every leaf that requires grad.

        gradient: the gradient of self, of its shape; needed unless self has one element.
        retain_graph: keep what was saved, so that backward can run again (default: create_graph).
        create_graph: record the backward pass itself, for higher derivatives.
        """
        if retain_variables is not None and retain_graph is None:
            retain_graph = retain_variables
        reverse.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Keep the gradient of a non-leaf in `.grad` too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.grad_fn is None or self._retains:
            return
        reverse.retain(self)
        self._retains = True

    @property
    def retains_grad(self) -> bool:
        return self._retains

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(grad)` when the gradient is computed; it may return another one."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return reverse.hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(self)` after a gradient was accumulated into this leaf."""
        if self._rg is not True or self.grad_fn is not None:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self._post_hooks is None:
            self._post_hooks = {}
        return hooked(self._post_hooks, hook)

    def detach(self) -> Any:
        """The same memory, out of the graph. In-place changes are seen by both."""
        if self._storage.__class__ is Wrapped:
            return self._storage.level.detached(self)
        return self._alias()

    def detach_(self) -> Any:
        """Take the tensor itself out of the graph."""
        if self._view is not None and self._view._rg is True:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead."
            )
        self._node, self._nr, self._rg, self._retains = None, 0, False, False
        return self
