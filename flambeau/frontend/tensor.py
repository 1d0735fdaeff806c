"""`Tensor`: the user's handle on a storage, with a layout and a place in the autograd graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import saved
from ..autograd.node import version
from ..autograd.wrapped import Intercept, Wrapped
from ..core import dtypes
from ..core.aval import aval
from ..core.device import CPU, device
from ..core.dtypes import dtype
from ..core.layout import contiguous_strides, is_contiguous, span, wrap_dim
from ..core.size import Size
from ..graph.trace import state
from ..ops.table import call, table
from ..runtime.shortage import named
from ..runtime.shortage import room as room_for
from ..runtime.storage import Storage
from . import dispatch, inplace, lacking, operators, overriding, tensor_subclasses
from .conversions import Conversions
from .differentiable import Differentiable
from .memory import bump, read, room, stride
from .outside import Outside


class RowMethod:
    """A method made from a row when it is first used; it then takes its own place."""

    def __init__(self, name: str, make: Callable[[str], Any], row: str) -> None:
        self.name, self.make, self.row = name, make, row

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        function = self.make(self.row)
        setattr(Tensor, self.name, function)
        return function if instance is None else function.__get__(instance, owner)


def _tensor(name: str, x: Any) -> Any:
    if not hasattr(x, "_aval"):
        raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(x).__name__}")
    return x


def _need_dim(name: str, dim: Any) -> Any:
    """A dimension as it was given. TypeError for what is no number."""
    if dim.__class__ is int or (hasattr(dim, "__index__") and not isinstance(dim, bool)):
        return dim
    kind = type(dim).__name__
    raise TypeError(f"{name}(): argument 'dim' (position 1) must be int, not {kind}")


class Tensor(Conversions, Outside, Differentiable):
    """A multi-dimensional array of one dtype.

    `_storage`, `_aval` (shape, dtype, device), `_strides` (None: row-major from offset 0) and
    `_offset` say where the elements are; `_plain` that they are the whole storage in its own
    shape. Fields with their usual value stay class attributes, so that making a tensor sets two.
    """

    _storage: Storage
    _aval: Any
    _strides: tuple[int, ...] | None = None
    _offset = 0
    _plain = True

    __array_priority__ = 1000

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *dir(type(self))} - lacking.names(Tensor))

    if TYPE_CHECKING:  # the methods and operators that rows give; see install_rows

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __rpow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __and__(self, other: Any) -> Any: ...
        def __or__(self, other: Any) -> Any: ...
        def __xor__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...
        def __eq__(self, other: Any) -> Any: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Any: ...  # type: ignore[override]
        def __neg__(self) -> Any: ...
        def __invert__(self) -> Any: ...
        def __abs__(self) -> Any: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from .legacy import legacy_tensor

        return legacy_tensor(cls, dtypes.get_default(), *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tensor_subclasses.prepare(cls)

    _overrides = False
    __torch_function__ = classmethod(overriding.default)
    """What functions do with instances of a subclass: see `overriding`."""

    # --- what it is -------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return self._aval.shape  # type: ignore[no-any-return]

    def size(self, dim: int | None = None) -> Any:
        """The shape as `torch.Size`, or the size of one dimension."""
        shape = self._aval.shape
        if dim is None:
            return shape
        return shape[wrap_dim(_need_dim("size", dim), len(shape))]

    @property
    def dtype(self) -> dtype:
        return self._aval.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> device:
        return self._aval.device  # type: ignore[no-any-return]

    @property
    def layout(self) -> Any:
        from .namespace import strided

        return strided

    @property
    def ndim(self) -> int:
        return self._aval.ndim  # type: ignore[no-any-return]

    def dim(self) -> int:
        """How many dimensions."""
        return self._aval.ndim  # type: ignore[no-any-return]

    ndimension = dim

    def numel(self) -> int:
        """How many elements."""
        return self._aval.numel  # type: ignore[no-any-return]

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._aval.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        return self._aval.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._aval.nbytes  # type: ignore[no-any-return]

    def stride(self, dim: int | None = None) -> Any:
        """Strides in elements, of all dimensions or one."""
        strides = stride(self)
        if dim is None:
            return strides
        return strides[wrap_dim(_need_dim("stride", dim), len(strides))]

    def storage_offset(self) -> int:
        return self._offset

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return self._strides is None or is_contiguous(self._aval.shape, self._strides)

    def is_floating_point(self) -> bool:
        return self._aval.dtype.category == dtypes.FLOAT  # type: ignore[no-any-return]

    def is_complex(self) -> bool:
        return self._aval.dtype.category == dtypes.COMPLEX  # type: ignore[no-any-return]

    def is_signed(self) -> bool:
        return self._aval.dtype.is_signed  # type: ignore[no-any-return]

    def is_inference(self) -> bool:
        return self._inference

    @property
    def is_cpu(self) -> bool:
        return self._aval.device is CPU

    @property
    def is_cuda(self) -> bool:
        return self._aval.device is not CPU

    is_xpu = False
    is_mps = False
    is_sparse = False
    is_quantized = False
    is_meta = False
    is_mkldnn = False
    is_nested = False
    names: Any = None
    name: Any = None

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the content lies in page-locked memory; see `pin_memory`."""
        from .placing import is_pinned

        return self._aval.device is CPU and is_pinned(self)

    def is_conj(self) -> bool:
        return False

    def get_device(self) -> int:
        """The GPU's number; -1 on the CPU."""
        index = self._aval.device.index
        return -1 if index is None else index

    def __len__(self) -> int:
        if not self._aval.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._aval.shape[0]  # type: ignore[no-any-return]

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return version(self)

    def is_set_to(self, other: Tensor) -> bool:
        """Whether both show the same memory through the same layout."""
        _tensor("is_set_to", other)
        return (
            self._storage is other._storage
            and self._offset == other._offset
            and self._aval.shape == other._aval.shape
            and self.stride() == other.stride()
        )

    # --- memory -----------------------------------------------------------------------------

    @property
    def data(self) -> Tensor:
        """The same memory out of the graph. Its writes don't count as this tensor's versions."""
        t = self._alias()
        t._count = [0]
        t._inference = False
        return t

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self._storage, self._aval = value._storage, value._aval
        self._strides, self._offset = value._strides, value._offset
        self._plain = value._plain

    def _alias(self) -> Any:
        t = object.__new__(Tensor)
        t._storage, t._aval = self._storage, self._aval
        t._strides, t._offset, t._plain = self._strides, self._offset, self._plain
        if self._count is not None:
            t._count = self._count
        if self._inference:
            t._inference = True
        return t

    def _alias_of(self, storage: Storage) -> Any:
        """This tensor as it was when it showed `storage` (before `.data` was assigned)."""
        t = self._alias()
        t._storage, t._aval = storage, storage.aval
        t._strides, t._offset, t._plain = None, 0, True
        t._rg, t._node, t._nr = self._rg, self._node, self._nr
        return t

    def _detached(self) -> Any:
        """The same content in a storage of its own, out of the graph. Copies nothing: values are
        immutable."""
        try:
            return dispatch.fresh(read(self), self._aval)
        except Intercept:
            return self._storage.level.copied(self)  # type: ignore[attr-defined]

    @staticmethod
    def _make_subclass(cls: Any, data: Any, require_grad: bool = False) -> Any:
        """A tensor of a subclass over the memory of `data`."""
        t = object.__new__(cls)
        t._storage, t._aval = data._storage, data._aval
        t._strides, t._offset, t._plain = data._strides, data._offset, data._plain
        if require_grad:
            Tensor.requires_grad.fset(t, True)  # type: ignore[attr-defined]
        return t

    def as_subclass(self, cls: Any) -> Any:
        """The same tensor as an instance of a subclass."""
        t = Tensor._make_subclass(cls, self)
        t._rg, t._node, t._nr = self._rg, self._node, self._nr
        return t

    # --- printing, indexing, copies ---------------------------------------------------------

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from .printing import tensor_text

        if self._storage.__class__ is Wrapped:
            return self._storage.level.text(self, tensor_contents)
        return tensor_text(self, tensor_contents)

    def __format__(self, spec: str) -> str:
        if self._aval.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    # Called for every edge of a backward pass, so it must not be a Python function.
    __hash__ = object.__hash__

    def __iter__(self) -> Any:
        if self._aval.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # type: ignore[attr-defined]

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, bool, int, float, complex)):
            return bool((element == self).any())  # type: ignore[union-attr]
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )

    def __getitem__(self, index: Any) -> Any:
        from .indexing import getitem

        return getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        from .indexing import setitem

        setitem(self, index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment. If you were attempting to deepcopy a module, this may be "
                "because of a torch.nn.utils.weight_norm usage."
            )
        if id(self) in memo:
            return memo[id(self)]
        t = object.__new__(type(self))
        t._storage = _storage_copy(self._storage, memo)
        t._aval, t._rg = self._aval, self.requires_grad
        t._strides, t._offset, t._plain = self._strides, self._offset, self._plain
        memo[id(self)] = t
        if self._grad is not None:
            t._grad = self._grad.__deepcopy__(memo)
        for key, value in self._own_attributes().items():
            import copy

            t.__dict__[key] = copy.deepcopy(value, memo)
        return t

    def _own_attributes(self) -> dict[str, Any]:
        """What the user has given this instance."""
        return {k: v for k, v in self.__dict__.items() if k not in _FIELDS}

    def __reduce_ex__(self, protocol: Any) -> Any:
        from .creation import rebuild

        bits = np.array(self._array("pickling"), copy=True)
        name, more = self._aval.dtype.name, self._own_attributes()
        if self._aval.device is not CPU:
            more["device"] = self._aval.device
        return rebuild, (type(self), bits, name, self.requires_grad, more)

    # --- layouts ----------------------------------------------------------------------------

    def view(self, *shape: Any, size: Any = None, dtype: Any = None) -> Any:
        """The same memory in another shape (one size may be -1), or seen as another dtype.

        RuntimeError where the elements differ in number or memory has no such view.
        """
        if dtype is not None or (shape and isinstance(shape[0], dtypes.dtype)):
            from .reinterpret import view_dtype

            return view_dtype(self, dtype or shape[0])
        if not shape and size is None:
            raise TypeError("view() takes the sizes of the new shape, or a dtype: got nothing")
        return call.view_as_size(self, *shape, size=size)

    def view_as(self, other: Any) -> Any:
        return call.view_as_size(self, _tensor("view_as", other)._aval.shape)

    def reshape_as(self, other: Any) -> Any:
        return self.reshape(_tensor("reshape_as", other)._aval.shape)  # type: ignore[attr-defined]

    def expand_as(self, other: Any) -> Any:
        return self.expand(_tensor("expand_as", other)._aval.shape)  # type: ignore[attr-defined]

    def as_strided(self, size: Any, stride: Any, storage_offset: Any = None) -> Any:
        """Any layout of the storage: sizes, strides and offset in elements.

        RuntimeError where it reaches beyond the memory.
        """
        shape, strides = tuple(map(int, size)), tuple(map(int, stride))
        offset = self._offset if storage_offset is None else int(storage_offset)
        whole = room(self)
        judged = len(shape) == len(strides) and 0 not in shape
        end = span(shape, strides, offset)[1] if judged else 0
        if end > whole:
            raise RuntimeError(
                f"as_strided(): setStorage: sizes {list(shape)}, strides {list(strides)}, storage "
                f"offset {offset}, and itemsize {self.itemsize} requiring a storage size of "
                f"{end * self.itemsize} are out of bounds for storage of size "
                f"{whole * self.itemsize}"
            )
        return call.as_strided_at(
            self, shape, strides, offset, self.stride(), self._offset, whole
        )

    def contiguous(self, memory_format: Any = None) -> Any:
        """The tensor itself where it is row-major without gaps, else a copy that is."""
        if self._strides is None or is_contiguous(self._aval.shape, self._strides):
            return self
        return call.clone(self)

    @property
    def T(self) -> Any:  # noqa: N802
        """Dimensions in reverse order."""
        return self.permute(tuple(range(self._aval.ndim))[::-1])  # type: ignore[attr-defined]

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two dimensions exchanged."""
        if self._aval.ndim == 0:
            return self
        if self._aval.ndim < 2:
            raise RuntimeError(
                "tensor.mT is only supported on matrices or batches of matrices. "
                f"Got {self._aval.ndim}-D tensor."
            )
        return self.transpose(-2, -1)  # type: ignore[attr-defined]

    @property
    def mH(self) -> Any:  # noqa: N802
        """The last two dimensions exchanged, and conjugated."""
        return call.adjoint(self)

    @property
    def H(self) -> Any:  # noqa: N802
        """A matrix transposed and conjugated."""
        if self._aval.ndim not in (0, 2):
            raise RuntimeError(
                f"tensor.H is only supported on matrices (2-D tensors). Got {self._aval.ndim}-D "
                "tensor. For batches of matrices, consider using tensor.mH"
            )
        return call.adjoint(self)

    @property
    def real(self) -> Any:
        """The real part; see torch.real. What is assigned to it is written there."""
        return call.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        call.real(self).copy_(call.as_tensor(value))

    @property
    def imag(self) -> Any:
        """The imaginary part; see torch.imag. What is assigned to it is written there."""
        return call.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        call.imag(self).copy_(call.as_tensor(value))

    def copy_(self, src: Any, non_blocking: bool = False) -> Any:
        """Replace the content by `src`, broadcast to this shape and cast to this dtype."""
        if not isinstance(src, Tensor):
            raise TypeError(
                f"copy_(): argument 'src' (position 1) must be Tensor, not {type(src).__name__}"
            )
        inplace.check_target(self, "copy_", (src,))
        if src is self and not (state.grad and self.requires_grad):
            bump(self)
            return self
        if src._aval.device is not self._aval.device:
            src = src.to(self._aval.device, self._aval.dtype)
        elif src._aval.dtype is not self._aval.dtype:
            src = call.to_dtype(src, self._aval.dtype)
        return inplace.assign(self, call.copy_same(self, src))

    def _alias_view(self) -> Any:
        return call.alias(self)

    # --- other memory -----------------------------------------------------------------------

    def share_memory_(self) -> Any:
        """Move the memory to where other processes can have it too: then they see each other's
        writes."""
        from .shared_memory import share

        share(self._storage)
        return self

    def is_shared(self) -> bool:
        """Whether other processes may have the memory."""
        from .shared_memory import is_shared

        return is_shared(self._storage)

    def resize_(self, *sizes: Any, memory_format: Any = None) -> Any:
        """Another shape over the same memory, which grows if it must."""
        shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
        if self._rg is True:
            raise RuntimeError("cannot resize variables that require grad")
        new = aval(tuple(shape), self._aval.dtype, self._aval.device)
        if new.shape == self._aval.shape:
            return self
        if new.numel + self._offset <= room(self):
            self._aval, self._strides = new, contiguous_strides(shape)
            self._plain = self._offset == 0 and new.shape == self._storage.aval.shape
            return self
        if self._storage.is_shared():
            raise RuntimeError(
                "resize_(): Trying to resize storage that is not resizable: NumPy sees its memory "
                f"(of {room(self)} elements, {new.numel} are needed)"
            )
        if new.device is not CPU:
            return self._grown(new)
        old = self._array("resize_()").reshape(-1)
        room_for(new.nbytes, "resize_", new.shape)
        try:
            grown = np.zeros(new.numel, new.dtype.np)
        except MemoryError as error:
            raise named(error, "resize_") from None
        grown[: old.size] = old
        from ..graph.value import leaf

        self._storage = Storage(leaf(new, grown.reshape(shape)), new)
        self._aval, self._strides, self._offset, self._plain = new, None, 0, True
        return self

    def _grown(self, new: Any) -> Any:
        """The same on a device, where memory is a value like any other."""
        flat = self.detach().as_strided((self._aval.numel,), (1,), self._offset) if self._aval.numel else None
        rest = call.constant(0, (new.numel - self._aval.numel,), new.dtype, new.device)
        grown = rest if flat is None else call.cat([flat, rest])
        whole = grown.reshape(tuple(new.shape))
        self._storage = Storage(read(whole), new)
        self._aval, self._strides, self._offset, self._plain = new, None, 0, True
        return self

    def resize_as_(self, other: Any) -> Any:
        return self.resize_(tuple(_tensor("resize_as_", other).shape))

    def set_(self, source: Any = None, storage_offset: int = 0, size: Any = None,
             stride: Any = None) -> Any:  # fmt: skip
        """Show the memory of `source` from now on."""
        if source is None:
            source = call.empty((0,), dtype=self._aval.dtype, device=self._aval.device)
        if not isinstance(source, Tensor) and not hasattr(source, "_as"):
            raise TypeError(
                f"set_(): argument 'source' must be Tensor or a storage, not {type(source).__name__}"
            )
        if not isinstance(source, Tensor):  # a storage
            source = source._as(self._aval.dtype)
        if size is None:
            self.data = source
        else:
            self.data = source._alias().as_strided(size, stride or contiguous_strides(size),
                                                   storage_offset)  # fmt: skip
        return self


def _storage_copy(storage: Storage, memo: dict[int, Any]) -> Storage:
    """A storage of the same content, one for all deep copies of tensors that share memory."""
    known = memo.get(id(storage))
    if known is None:
        whole = object.__new__(Tensor)
        whole._storage, whole._aval = storage, storage.aval
        known = memo[id(storage)] = Storage(read(whole), storage.aval)
    return known  # type: ignore[no-any-return]


_FIELDS = frozenset(
    ("_storage", "_aval", "_strides", "_offset", "_plain", "_rg", "_node", "_nr", "_grad", "_view",
     "_seen", "_origin", "_count", "_inference", "_hooks", "_post_hooks", "_accumulator",
     "_retains")
)  # fmt: skip
"""The fields of Tensor; what else an instance has, the user gave it."""


def install_rows() -> None:
    """Give Tensor a method for each row that has that form."""
    inherited = {*vars(Conversions), *vars(Outside)}

    def free(name: str) -> bool:
        return name not in Tensor.__dict__ and name not in inherited

    for name, row in table.items():
        if row.where:
            continue
        for known in (name, *row.alias):
            if "." in known:  # a function of another namespace
                continue
            if "m" in row.forms and free(known):
                setattr(Tensor, known, RowMethod(known, dispatch.function, name))
            if "v" in row.forms:
                setattr(Tensor, known + "_", RowMethod(known + "_", dispatch.relayout_function, name))
            if "i" in row.forms.lower() and free(known + "_"):
                setattr(Tensor, known + "_", RowMethod(known + "_", dispatch.inplace_function, name))
    operators.install(Tensor)
    lacking.install(Tensor)


saved.new_tensor = functools.partial(object.__new__, Tensor)
