"""Every name of the array API standard 2024.12, with its parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import flambeau as torch
import flambeau.array_api as xp

SIGNATURES = """
arange(start, /, stop=None, step=1, *, dtype=None, device=None)
asarray(obj, /, *, dtype=None, device=None, copy=None)
empty(shape, *, dtype=None, device=None)
empty_like(x, /, *, dtype=None, device=None)
eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
from_dlpack(x, /, *, device=None, copy=None)
full(shape, fill_value, *, dtype=None, device=None)
full_like(x, /, fill_value, *, dtype=None, device=None)
linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)
meshgrid(*arrays, indexing='xy')
ones(shape, *, dtype=None, device=None)
ones_like(x, /, *, dtype=None, device=None)
tril(x, /, *, k=0)
triu(x, /, *, k=0)
zeros(shape, *, dtype=None, device=None)
zeros_like(x, /, *, dtype=None, device=None)
astype(x, dtype, /, *, copy=True, device=None)
can_cast(from_, to, /)
finfo(type, /)
iinfo(type, /)
isdtype(dtype, kind)
result_type(*arrays_and_dtypes)
clip(x, /, min=None, max=None)
matmul(x1, x2, /)
matrix_transpose(x, /)
tensordot(x1, x2, /, *, axes=2)
vecdot(x1, x2, /, *, axis=-1)
broadcast_arrays(*arrays)
broadcast_to(x, /, shape)
concat(arrays, /, *, axis=0)
expand_dims(x, /, *, axis=0)
flip(x, /, *, axis=None)
moveaxis(x, source, destination, /)
permute_dims(x, /, axes)
repeat(x, repeats, /, *, axis=None)
reshape(x, /, shape, *, copy=None)
roll(x, /, shift, *, axis=None)
squeeze(x, /, axis)
stack(arrays, /, *, axis=0)
tile(x, repetitions, /)
unstack(x, /, *, axis=0)
take(x, indices, /, *, axis=None)
take_along_axis(x, indices, /, *, axis=-1)
argmax(x, /, *, axis=None, keepdims=False)
argmin(x, /, *, axis=None, keepdims=False)
count_nonzero(x, /, *, axis=None, keepdims=False)
nonzero(x, /)
searchsorted(x1, x2, /, *, side='left', sorter=None)
where(condition, x1, x2, /)
unique_all(x, /)
unique_counts(x, /)
unique_inverse(x, /)
unique_values(x, /)
argsort(x, /, *, axis=-1, descending=False, stable=True)
sort(x, /, *, axis=-1, descending=False, stable=True)
cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
max(x, /, *, axis=None, keepdims=False)
mean(x, /, *, axis=None, keepdims=False)
min(x, /, *, axis=None, keepdims=False)
prod(x, /, *, axis=None, dtype=None, keepdims=False)
std(x, /, *, axis=None, correction=0.0, keepdims=False)
sum(x, /, *, axis=None, dtype=None, keepdims=False)
var(x, /, *, axis=None, correction=0.0, keepdims=False)
all(x, /, *, axis=None, keepdims=False)
any(x, /, *, axis=None, keepdims=False)
diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
linalg.cholesky(x, /, *, upper=False)
linalg.cross(x1, x2, /, *, axis=-1)
linalg.det(x, /)
linalg.diagonal(x, /, *, offset=0)
linalg.eigh(x, /)
linalg.eigvalsh(x, /)
linalg.inv(x, /)
linalg.matmul(x1, x2, /)
linalg.matrix_norm(x, /, *, keepdims=False, ord='fro')
linalg.matrix_power(x, n, /)
linalg.matrix_rank(x, /, *, rtol=None)
linalg.matrix_transpose(x, /)
linalg.outer(x1, x2, /)
linalg.pinv(x, /, *, rtol=None)
linalg.qr(x, /, *, mode='reduced')
linalg.slogdet(x, /)
linalg.solve(x1, x2, /)
linalg.svd(x, /, *, full_matrices=True)
linalg.svdvals(x, /)
linalg.tensordot(x1, x2, /, *, axes=2)
linalg.trace(x, /, *, offset=0, dtype=None)
linalg.vecdot(x1, x2, /, *, axis=-1)
linalg.vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
fft.fft(x, /, *, n=None, axis=-1, norm='backward')
fft.ifft(x, /, *, n=None, axis=-1, norm='backward')
fft.rfft(x, /, *, n=None, axis=-1, norm='backward')
fft.irfft(x, /, *, n=None, axis=-1, norm='backward')
fft.hfft(x, /, *, n=None, axis=-1, norm='backward')
fft.ihfft(x, /, *, n=None, axis=-1, norm='backward')
fft.fftn(x, /, *, s=None, axes=None, norm='backward')
fft.ifftn(x, /, *, s=None, axes=None, norm='backward')
fft.rfftn(x, /, *, s=None, axes=None, norm='backward')
fft.irfftn(x, /, *, s=None, axes=None, norm='backward')
fft.fftfreq(n, /, *, d=1.0, dtype=None, device=None)
fft.rfftfreq(n, /, *, d=1.0, dtype=None, device=None)
fft.fftshift(x, /, *, axes=None)
fft.ifftshift(x, /, *, axes=None)
""".strip().splitlines()
UNARY = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag
isfinite isinf isnan log log10 log1p log2 logical_not negative positive real reciprocal round sign
signbit sin sinh sqrt square tan tanh trunc""".split()
BINARY = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign
divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or
logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract""".split()
SIGNATURES += [f"{name}(x, /)" for name in UNARY] + [f"{name}(x1, x2, /)" for name in BINARY]
METHODS = """
__abs__(self) __add__(self, other) __and__(self, other) __array_namespace__(self, *, api_version)
__bool__(self) __complex__(self) __dlpack__(self, *, stream, max_version, dl_device, copy)
__dlpack_device__(self) __eq__(self, other) __float__(self) __floordiv__(self, other)
__ge__(self, other) __getitem__(self, key) __gt__(self, other) __index__(self) __int__(self)
__invert__(self) __le__(self, other) __lshift__(self, other) __lt__(self, other)
__matmul__(self, other) __mod__(self, other) __mul__(self, other) __ne__(self, other) __neg__(self)
__or__(self, other) __pos__(self) __pow__(self, other) __rshift__(self, other)
__setitem__(self, key, value) __sub__(self, other) __truediv__(self, other) __xor__(self, other)
to_device(self, device, *, stream)
""".replace("\n", " ").replace(") ", ")\n").split("\n")  # fmt: skip


def _find(name: str) -> Any:
    at: Any = xp
    for part in name.split("."):
        at = getattr(at, part)
    return at


@pytest.mark.parametrize("text", SIGNATURES, ids=lambda text: text.partition("(")[0])
def test_signatures(text: str) -> None:
    name, _, inside = text.partition("(")
    function = _find(name)
    scope: dict[str, Any] = {}
    exec(f"def wanted({inside}: pass", scope)
    wanted = inspect.signature(scope["wanted"]).parameters.values()
    found = list(inspect.signature(function).parameters.values())
    assert [(p.name, p.kind, p.default) for p in found] == [
        (p.name, p.kind, p.default) for p in wanted
    ]
    assert function.__name__ == name.rpartition(".")[2]
    assert function.__doc__ or name in ("zeros", "ones", "empty", "zeros_like", "ones_like", "empty_like")


@pytest.mark.parametrize("text", [m for m in METHODS if m.strip()], ids=str)
def test_methods(text: str) -> None:
    name, _, inside = text.strip().rstrip(")").partition("(")
    parts = [p.strip() for p in inside.split(",")][1:]
    found = list(inspect.signature(getattr(xp.ones(1), name)).parameters.values())
    for i, part in enumerate(p for p in parts if p != "*"):
        if "*" in parts:
            assert part in [p.name for p in found]
        else:
            assert found[i].kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def test_attributes_constants_and_dtypes() -> None:
    x = xp.ones((2, 3))
    assert (x.ndim, x.shape, x.size, x.dtype, str(x.device)) == (2, (2, 3), 6, xp.float32, "cpu")
    assert x.T.shape == x.mT.shape == (3, 2)
    assert xp.newaxis is None and xp.inf > 1e308 and xp.nan != xp.nan
    assert round(xp.pi, 4) == 3.1416 and round(xp.e, 4) == 2.7183
    assert xp.__array_api_version__ == torch.__array_api_version__ == "2024.12"
    for reflected in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
                      "xor", "lshift", "rshift"):  # fmt: skip
        assert hasattr(x, f"__r{reflected}__") and hasattr(x, f"__i{reflected}__")
    assert set(xp.__all__) <= set(dir(xp))


def test_what_the_namespace_says_of_itself() -> None:
    for namespace in (xp, torch):
        info = namespace.__array_namespace_info__()
        assert info.capabilities()["boolean indexing"] is True
        assert info.capabilities()["max dimensions"] == 64
        assert info.default_device() in info.devices()
        assert info.default_dtypes()["integral"] is xp.int64
        assert len(info.dtypes()) == 13
        assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {
            "bool", "uint8", "uint16", "uint32", "uint64"}  # fmt: skip
        assert info.dtypes(kind="complex floating") == {
            "complex64": xp.complex64, "complex128": xp.complex128}  # fmt: skip


def test_tensors_name_the_namespace() -> None:
    x = torch.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match=r"2024\.12"):
        x.__array_namespace__(api_version="2037.12")
    assert x.to_device("cpu") is x


def test_the_main_namespace_has_every_name_too() -> None:
    for name in xp.__all__:
        assert name == "Array" or hasattr(torch, name), name
    assert torch.expand_dims(torch.ones(2)).shape == (1, 2)
    assert type(torch.vecdot(torch.ones(2), torch.ones(2))) is torch.Tensor
    assert torch.unique_all(torch.tensor([2, 1, 2])).counts.tolist() == [1, 2]
