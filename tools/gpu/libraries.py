"""Stand-ins for cuBLASLt and cuDNN on a simulated GPU.

    with simulated() as gpu, libraries(gpu) as (cublaslt, cudnn):
        ...                         # products and convolutions go through them

They are C functions (made by ctypes), so that what a caller passes is really converted to the types of
NVIDIA's headers, and what it misdeclares goes wrong as it would there. They know the headers by themselves,
interpret the descriptions that they are given, refuse what the real ones would, and compute in NumPy, in
double precision and rounded once, when the stream comes to it. What they are asked for is in `calls`; what
went wrong inside of them in `failures`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_void_p
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Memory = Callable[[int, int], Array]
"""(device address, bytes) → those bytes, to be read and written."""
Submit = Callable[[int, Callable[[], None]], int | None]
"""(stream, action): the action is done when the stream comes to it, or recorded if it is captured. A code
other than 0 says that it will not be."""


class Refused(Exception):
    """A function gives a code other than 0."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


class Library:
    """What the two have in common: C functions from methods, and handles of objects."""

    INTERNAL = FAILED = 1
    """Codes of what can't be, and of what the device does not do."""

    def __init__(self, memory: Memory, submit: Submit) -> None:
        self.memory, self._submit = memory, submit
        self.calls: list[str] = []
        self.refusals: list[str] = []
        """Why codes other than 0 were given."""
        self.failures: list[BaseException] = []
        self.objects: dict[int, Any] = {}
        self._numbers = itertools.count(0x1000, 0x10)
        for name, (result, arguments, method) in self.exported().items():
            setattr(self, name, CFUNCTYPE(result, *arguments)(self._guarded(name, method)))

    def exported(self) -> dict[str, tuple[Any, tuple[Any, ...], Callable[..., Any]]]:
        """name → (type of the result, types of the arguments, what it does)."""
        raise NotImplementedError

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            try:
                found = method(*arguments)
                return 0 if found is None else found
            except Refused as refused:
                self.refusals.append(f"{name}: {refused.why}")
                return refused.code
            except BaseException as error:  # it can't leave a C function
                self.failures.append(error)
                return self.INTERNAL

        return call

    def submit(self, stream: int | None, action: Callable[[], None]) -> None:
        """Have it done on a stream."""
        if self._submit(stream or 0, action):
            raise Refused(self.FAILED, "the device is lost")

    def count(self, name: str) -> int:
        """How often a function was called."""
        return self.calls.count(name)

    def make(self, out: int, thing: Any) -> None:
        number = next(self._numbers)
        self.objects[number] = thing
        write(out, c_void_p, number)

    def get(self, number: int | None, kind: type, code: int) -> Any:
        found = self.objects.get(number or 0)
        if not isinstance(found, kind):
            raise Refused(code, f"{number!r} is no {kind.__name__}")
        return found

    def destroy(self, number: int | None) -> None:
        if self.objects.pop(number or 0, None) is None:
            raise Refused(self.INTERNAL, f"{number!r} is not there to be destroyed")

    def strided(
        self, address: int, dtype: np.dtype[Any], shape: Sequence[int], strides: Sequence[int]
    ) -> Array:
        """Elements of the device's memory; strides in elements."""
        size = dtype.itemsize
        if address % size:
            raise ValueError(f"{address:#x} is not aligned to {size} bytes")
        reach = sum((n - 1) * s for n, s in zip(shape, strides)) + 1
        flat = self.memory(address, reach * size).view(dtype)
        return np.lib.stride_tricks.as_strided(flat, shape, [s * size for s in strides])


def write(address: int, kind: Any, value: Any) -> None:
    """Store a value in the caller's memory."""
    kind.from_address(address).value = value


def real(values: Array, bfloat16: bool) -> Array:
    """Elements as doubles."""
    if bfloat16:
        return (values.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return values.astype(np.float64)


def rounded(values: Array, dtype: np.dtype[Any], bfloat16: bool) -> Array:
    """Doubles as elements."""
    with np.errstate(over="ignore"):
        if not bfloat16:
            return values.astype(dtype)
        bits = np.ascontiguousarray(values.astype(np.float32)).view(np.uint32)
    nearest = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16
    return np.where(np.isnan(values), np.uint32(0x7FC0), nearest).astype(np.uint16)


def tf32(values: Array) -> Array:
    """Doubles as TF32 holds them: 10 bits of the mantissa."""
    bits = np.ascontiguousarray(values.astype(np.float32)).view(np.uint32)
    bits = (bits + np.uint32(0xFFF) + ((bits >> 13) & np.uint32(1))) & np.uint32(0xFFFFE000)
    return bits.view(np.float32).astype(np.float64)

@contextmanager
def libraries(gpu: Any, **more: Any) -> Iterator[tuple[Any, Any]]:
    """Let flambeau find both on a simulated GPU, within a `with` block."""
    from flambeau.runtime import libraries as runtime

    from .cublaslt import CublasLt
    from .cudnn import Cudnn

    made = CublasLt(gpu.range, gpu.submit, **more), Cudnn(gpu.range, gpu.submit, **more)
    runtime.use(cublaslt=made[0], cudnn=made[1])
    try:
        yield made
    finally:
        runtime.use()
    for library in made:
        if library.failures:
            raise library.failures[0]
