"""Random checkpoints, the same ones in flambeau and in PyTorch, and what there is to compare in them.

`make(library, seed)` builds an object with that library's tensors; equal seeds give equal content.
`describe(library, obj)` reduces it to plain data: values as bytes, layouts, which tensors share a
storage, which objects are the same one.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from typing import Any

import numpy as np

DTYPES = (
    "float16", "float32", "float64", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "complex64", "complex128", "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
LATER = DTYPES[12:]
"""Those without a storage class of their own. PyTorch can't load them from the form before 1.6, and
not as leaves that require gradients: both errors of its own."""
SHAPES = ((), (0,), (1,), (5,), (2, 3), (2, 0, 3), (4, 1, 3), (2, 2, 3, 2), (40,))
TEXTS = ("", "weight", "layer.0.bias", "é", "日本語", "a\nb", "\0", "😀", "x" * 300)
INTS = (0, -1, 255, 256, 65535, 65536, 2**31, -(2**31) - 1, 2**63, -(2**63), 2**200, -(7**99))
FLOATS = (0.1, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1e308)
ARRAY_DTYPES = ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "u8", "?", "c8", "c16", ">f4", ">i2")
Point = collections.namedtuple("Point", "x y")
"""Allowed by name on both sides: `safe_globals`."""


class Maker:
    """Draws one checkpoint."""

    def __init__(self, library: Any, seed: int) -> None:
        self.torch = library
        self.dtypes = DTYPES if is_late(seed) else DTYPES[:12]
        self.rng = random.Random(seed)
        self.made: list[Any] = []
        """Tensors that others may share memory with, or that may appear again."""
        self.containers: list[Any] = []

    def checkpoint(self) -> Any:
        """A dict, as most are; its first values make sure that every dtype has its turns."""
        names = self.rng.sample(self.dtypes, 3)
        made: dict[Any, Any] = {name: self.tensor(name) for name in names}
        for number in range(self.rng.randrange(2, 7)):
            made[self.key(number)] = self.any(0)
        return made

    def key(self, number: int) -> Any:
        draw = self.rng.random()
        if draw < 0.6:
            return f"{self.rng.choice(TEXTS)}{number}"
        return number if draw < 0.8 else (number, self.rng.choice(TEXTS))

    def any(self, depth: int) -> Any:
        if depth < 4 and self.rng.random() < 0.35:
            return self.container(depth)
        draw = self.rng.random()
        if draw < 0.35:
            return self.tensor(self.rng.choice(self.dtypes))
        if draw < 0.55 and self.made:
            return self.view(self.rng.choice(self.made))
        if draw < 0.6 and self.made:
            return self.rng.choice(self.made)
        return self.rng.choice(LEAVES)(self)

    # --------------------------------------------------------- containers

    def container(self, depth: int) -> Any:
        if self.containers and self.rng.random() < 0.1:
            return self.rng.choice(self.containers)
        items = [self.any(depth + 1) for _ in range(self.rng.choice((0, 1, 2, 3, 5)))]
        keys = [self.key(number) for number in range(len(items))]
        kind = self.rng.choice(("list", "tuple", "dict", "ordered", "set", "counter", "point"))
        made = {
            "list": lambda: items,
            "tuple": lambda: tuple(items),
            "dict": lambda: dict(zip(keys, items, strict=True)),
            "ordered": lambda: self.ordered(keys, items),
            "set": lambda: {*keys, self.rng.choice(INTS)},
            "counter": lambda: collections.Counter({key: self.rng.randrange(9) for key in keys}),
            "point": lambda: Point(self.number(), items),
        }[kind]()
        self.containers.append(made)
        return made

    def ordered(self, keys: list[Any], items: list[Any]) -> Any:
        made = collections.OrderedDict(zip(keys, items, strict=True))
        if self.rng.random() < 0.5:
            made._metadata = {"": {"version": 1}}  # as state dicts have
        return made

    # ------------------------------------------------------------ tensors

    def tensor(self, dtype: str) -> Any:
        """A new tensor of random bits."""
        kind = getattr(self.torch, dtype)
        shape = self.rng.choice(SHAPES)
        count = int(np.prod(shape, dtype=int))
        if not count:
            self.made.append(self.finished(self.torch.empty(shape, dtype=kind), dtype))
            return self.made[-1]
        raw = np.frombuffer(bytearray(self.rng.randbytes(count * kind.itemsize)), np.uint8)
        if dtype == "bool":
            raw = raw & 1
        flat = self.torch.from_numpy(raw.copy())
        made = (flat.bool() if dtype == "bool" else flat.view(kind)).reshape(shape)
        if self.rng.random() < 0.7:
            made = made.clone()
        made = self.finished(made, dtype)
        self.made.append(made)
        return made

    def finished(self, tensor: Any, dtype: str) -> Any:
        """Perhaps a leaf that requires gradients, a parameter, or one with attributes."""
        draw = self.rng.random()
        real = tensor.is_floating_point() or tensor.is_complex()
        if draw < 0.15:
            tensor = self.torch.nn.Parameter(tensor, real and self.rng.random() < 0.7)
        elif draw < 0.25 and real and dtype not in LATER:
            tensor = tensor.detach().requires_grad_()
        if self.rng.random() < 0.1:
            tensor.label = self.rng.choice(TEXTS)
        return tensor

    def view(self, base: Any) -> Any:
        """Another tensor over the memory of `base`."""
        base = base.detach()
        dims = base.dim()
        ways: list[Callable[[], Any]] = [
            lambda: base, lambda: base[None], lambda: base.expand(3, *base.size()),
        ]  # fmt: skip
        if dims:
            along = self.rng.randrange(dims)
            n = base.size(along)
            start = self.rng.randrange(n + 1)
            step = self.rng.randrange(1, 4)
            index = (slice(None),) * along
            ways += [
                lambda: base.transpose(0, dims - 1),
                lambda: base[(*index, slice(start, None, step))],
                lambda: base.narrow(along, start, n - start),
            ]
            if base.numel():
                sizes, strides = (1, n), (5, base.stride(along))
                ways.append(lambda: base.as_strided(sizes, strides, base.storage_offset()))
            if n:
                ways.append(lambda: base.select(along, n - 1))
                ways.append(lambda: base.unfold(along, 1, 1))
        return self.rng.choice(ways)()

    def sparse(self) -> Any:
        kind = getattr(self.torch, self.rng.choice(("float32", "float64", "int64")))
        indices = self.torch.tensor([[0, 1, 1], [2, 0, 2]])
        values = self.torch.tensor([self.rng.randrange(99) for _ in range(3)]).to(kind)
        made = self.torch.sparse_coo_tensor(indices, values, (2, 3))
        return made.coalesce() if self.rng.random() < 0.5 else made

    # -------------------------------------------------------------- others

    def number(self) -> Any:
        return self.rng.choice((*INTS, *FLOATS, True, False, 3 - 4j))

    def array(self) -> Any:
        kind = np.dtype(self.rng.choice(ARRAY_DTYPES))
        shape = self.rng.choice(SHAPES)
        data = np.array([self.rng.randrange(2) for _ in range(int(np.prod(shape, dtype=int)))])
        made = data.astype(kind).reshape(shape)
        return np.asfortranarray(made) if self.rng.random() < 0.3 else made

    def generator_state(self) -> Any:
        return self.torch.Generator().manual_seed(self.rng.randrange(2**32)).get_state()


LEAVES: tuple[Callable[[Maker], Any], ...] = (
    Maker.number,
    Maker.number,
    lambda maker: maker.rng.choice(TEXTS),
    lambda maker: None,
    lambda maker: maker.rng.randbytes(maker.rng.choice((0, 1, 9, 300))),
    lambda maker: bytearray(maker.rng.randbytes(5)),
    lambda maker: maker.torch.Size(maker.rng.choice(SHAPES)),
    lambda maker: maker.torch.device("cpu"),
    lambda maker: getattr(maker.torch, maker.rng.choice(DTYPES)),
    lambda maker: maker.torch.strided,
    Maker.sparse,
    Maker.array,
    lambda maker: np.dtype(maker.rng.choice(ARRAY_DTYPES)).type(1),
    Maker.generator_state,
    lambda maker: maker.torch.nn.Parameter(maker.torch.ones(2, 2).t()),
)


def is_late(seed: int) -> bool:
    """Whether the checkpoint of a seed may hold the dtypes that PyTorch's old form can't."""
    return seed % 2 == 0


def make(library: Any, seed: int) -> Any:
    """The checkpoint of a seed, in flambeau or in PyTorch."""
    return Maker(library, seed).checkpoint()


def safe_globals() -> list[Any]:
    """What PyTorch has to be told about: NumPy's arrays and the named tuple."""
    numpys = np._core.multiarray
    made = [bytes, Point, np.ndarray, np.dtype, numpys._reconstruct, numpys.scalar]
    return made + [type(np.dtype(kind)) for kind in ARRAY_DTYPES]


class Describer:
    """Reduces what was loaded to plain data; with or without what a copy into other memory loses."""

    def __init__(self, library: Any, layouts: bool) -> None:
        self.torch = library
        self._layouts = layouts
        self._storages: dict[Any, int] = {}
        self._seen: dict[int, tuple[int, Any]] = {}

    def describe(self, obj: Any) -> Any:
        if isinstance(obj, (self.torch.Tensor, dict, list, set, np.ndarray)):
            if id(obj) in self._seen:
                return ("again", self._seen[id(obj)][0])
            self._seen[id(obj)] = (len(self._seen), obj)
        if isinstance(obj, self.torch.Tensor):
            return self._tensor(obj)
        if isinstance(obj, np.ndarray):
            # NumPy itself brings foreign byte orders into its own where it reads an array.
            obj = obj.astype(obj.dtype.newbyteorder("="))
            return ("array", obj.dtype.str, obj.shape, obj.flags.f_contiguous, obj.tobytes())
        if isinstance(obj, np.generic):
            return (type(obj).__name__, obj.dtype.str, obj.tobytes())
        if isinstance(obj, dict):
            items = [(key, self.describe(value)) for key, value in obj.items()]
            return (type(obj).__name__, items, getattr(obj, "_metadata", None))
        if isinstance(obj, (list, tuple)):
            return (type(obj).__name__, *(self.describe(item) for item in obj))
        if isinstance(obj, set):
            return ("set", *sorted(map(repr, obj)))
        return (type(obj).__name__, repr(obj))  # repr tells -0.0, NaN and True apart

    def _tensor(self, tensor: Any) -> Any:
        kind = "Parameter" if isinstance(tensor, self.torch.nn.Parameter) else "Tensor"
        if tensor.is_sparse:
            parts = (tensor._indices(), tensor._values())
            return (kind, tuple(tensor.size()), tensor.is_coalesced(), *map(self._tensor, parts))
        if not self._layouts:
            return (kind, str(tensor.dtype), tuple(tensor.size()), self._bytes(tensor))
        facts = (tensor.size(), tensor.stride(), tensor.storage_offset(), tensor.requires_grad)
        nbytes = tensor.untyped_storage().nbytes()
        # A storage without bytes has no identity in PyTorch.
        place = self._storages.setdefault(_identity(tensor), len(self._storages)) if nbytes else -1
        label = getattr(tensor, "label", None)
        return (kind, str(tensor.dtype), *facts, label, place, nbytes, self._bytes(tensor))

    def _bytes(self, tensor: Any) -> bytes:
        if not tensor.numel():
            return b""
        flat = tensor.detach().contiguous().reshape(-1)
        flat = flat.as_strided((tensor.numel(),), (1,))
        if tensor.dtype == self.torch.bool:
            flat = flat.to(self.torch.uint8)
        raw: bytes = flat.view(self.torch.uint8).numpy().tobytes()
        return raw


def _identity(tensor: Any) -> Any:
    return tensor.untyped_storage()._cdata


def describe(library: Any, obj: Any, layouts: bool = True) -> Any:
    """What `obj` holds, as plain data that can be compared across libraries."""
    return Describer(library, layouts).describe(obj)
