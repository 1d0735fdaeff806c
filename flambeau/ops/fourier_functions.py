"""`torch.fft`: transforms of one, two and all dimensions."""

from __future__ import annotations

import operator
from typing import Any

from ..core.layout import wrap_dim
from .formulas import conj
from .fourier import fft_dtype
from .table import call, row

# --- arguments ------------------------------------------------------------------------------------


def _norm(name: str, norm: str | None, forward: bool) -> str:
    """Whether this direction divides. RuntimeError for unknown modes."""
    if norm == "ortho":
        return "root"
    if norm in (None, "backward"):
        return "none" if forward else "n"
    if norm == "forward":
        return "n" if forward else "none"
    raise RuntimeError(
        f'{name}: Invalid normalization mode: "{norm}"; use "backward", "forward" or "ortho"'
    )


def _dim(name: str, x: Any, dim: Any) -> int:
    try:
        place = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}") from None
    if not x.ndim:
        raise IndexError(f"{name}: Dimension specified as {place} but tensor has no dimensions")
    return wrap_dim(place, x.ndim)


def _points(name: str, n: Any) -> int:
    """How many points are transformed. RuntimeError below 1."""
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"{name}(): argument 'n' must be int, not {type(n).__name__}") from None
    if n < 1:
        raise RuntimeError(f"{name}: Invalid number of data points ({n}) specified")
    return n


def _listed(given: Any) -> list[int]:
    return [operator.index(given)] if not hasattr(given, "__iter__") else [int(i) for i in given]


def _dims(name: str, x: Any, s: Any, dim: Any) -> tuple[list[int], list[int]]:
    """Which dimensions are transformed, and their sizes (those of `x` where none are given)."""
    sizes = None if s is None else _listed(s)
    if dim is not None:
        places = [_dim(name, x, d) for d in _listed(dim)]
        if len(set(places)) != len(places):
            raise RuntimeError(f"{name}: FFT dims must be unique, got {tuple(_listed(dim))}")
        if sizes is not None and len(sizes) != len(places):
            raise RuntimeError(
                f"{name}: When given, dim and shape arguments must have the same length, got "
                f"{len(places)} and {len(sizes)}"
            )
    elif sizes is not None:
        if len(sizes) > x.ndim:
            raise RuntimeError(
                f"{name}: Got shape with {len(sizes)} values but input tensor only has {x.ndim} "
                "dimensions."
            )
        places = list(range(x.ndim - len(sizes), x.ndim))
    else:
        places = list(range(x.ndim))
    if sizes is None:
        sizes = [-1] * len(places)
    sizes = [x.shape[d] if n == -1 else n for d, n in zip(places, sizes, strict=True)]
    for n in sizes:
        _points(name, n)
    return places, sizes


def _resized(x: Any, dims: list[int], sizes: list[int]) -> Any:
    """A tensor cut or filled up with zeros."""
    pad = [0] * (2 * x.ndim)
    for d, n in zip(dims, sizes, strict=True):
        have = x.shape[d]
        if n < have:
            x = call.slice(x, d, 0, n)
        elif n > have:
            pad[2 * (x.ndim - 1 - d) + 1] = n - have
    return call.constant_pad_nd(x, pad, 0) if any(pad) else x


def _real(name: str, x: Any) -> Any:
    if x.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {x.dtype.legacy}")
    return fft_dtype(x, False)


# --- one dimension --------------------------------------------------------------------------------


def _from_real(
    name: str, x: Any, n: Any, dim: Any, norm: Any, *, forward: bool, onesided: bool
) -> Any:
    """The backward transform is the conjugate of the forward one."""
    x = _real(name, x)
    place = _dim(name, x, dim)
    x = _resized(x, [place], [_points(name, x.shape[place] if n is None else n)])
    out = call.fft_r2c(x, (place,), _norm(name, norm, forward), onesided)
    return out if forward else conj(out)


def _complex(name: str, x: Any, n: Any, dim: Any, norm: Any, forward: bool) -> Any:
    if not x.is_complex():
        return _from_real(name, x, n, dim, norm, forward=forward, onesided=False)
    place = _dim(name, x, dim)
    x = _resized(x, [place], [_points(name, x.shape[place] if n is None else n)])
    return call.fft_c2c(x, (place,), _norm(name, norm, forward), forward)


def _to_real(name: str, x: Any, n: Any, dim: Any, norm: Any, forward: bool) -> Any:
    x = fft_dtype(x, True)
    place = _dim(name, x, dim)
    size = _points(name, 2 * (x.shape[place] - 1) if n is None else n)
    x = _resized(x, [place], [size // 2 + 1])
    return call.fft_c2r(conj(x) if forward else x, (place,), _norm(name, norm, forward), size)


def _fft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The Fourier transform of one dimension, cut or filled up to `n` points."""
    return _complex("fft", input, n, dim, norm, True)


def _ifft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of fft()."""
    return _complex("ifft", input, n, dim, norm, False)


def _rfft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The transform of real numbers: its first n // 2 + 1 points, which hold all of it."""
    return _from_real("rfft", input, n, dim, norm, forward=True, onesided=True)


def _irfft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of rfft(): `n` real numbers, by default 2 * (size - 1)."""
    return _to_real("irfft", input, n, dim, norm, False)


def _hfft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The transform of a signal whose second half are the conjugates of `input`: real numbers."""
    return _to_real("hfft", input, n, dim, norm, True)


def _ihfft(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of hfft()."""
    return _from_real("ihfft", input, n, dim, norm, forward=False, onesided=True)


def _samples(kind: str) -> Any:
    """One-dimensional samples: plain, cut, filled up."""

    def made(m: Any) -> list[Any]:
        x = m.complex if kind == "complex" else m
        return [((x(2, 4),), {}), ((x(4), 3), {"norm": "ortho"}), ((x(3, 2), 5, 0, "forward"), {})]
    return made


for _name, _body, _kind in (
    ("fft", _fft, "complex"), ("ifft", _ifft, "complex"), ("rfft", _rfft, "real"),
    ("irfft", _irfft, "complex"), ("hfft", _hfft, "complex"), ("ihfft", _ihfft, "real"),
):  # fmt: skip
    row(f"fft_{_name}(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor", body=_body,
        forms="fo", where="fft", alias=(_name,), called=f"fft.{_name}", samples=_samples(_kind),
        doc=_body.__doc__ or "")  # fmt: skip


# --- several dimensions ---------------------------------------------------------------------------


def _complex_nd(name: str, x: Any, s: Any, dim: Any, norm: Any, forward: bool) -> Any:
    x = fft_dtype(x, True)
    dims, sizes = _dims(name, x, s, dim)
    return call.fft_c2c(_resized(x, dims, sizes), tuple(dims), _norm(name, norm, forward), forward)


def _some(name: str, dims: list[int]) -> None:
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")


def _halved(name: str, x: Any, s: Any, dim: Any) -> tuple[Any, list[int], int]:
    """Half a spectrum, the dimensions to transform, and the last one's size as it will be."""
    x = fft_dtype(x, True)
    dims, sizes = _dims(name, x, s, dim)
    _some(name, dims)
    whole = s is None or _listed(s)[-1] == -1
    last = _points(name, 2 * (x.shape[dims[-1]] - 1) if whole else sizes[-1])
    return _resized(x, dims, [*sizes[:-1], last // 2 + 1]), dims, last


def _fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The Fourier transform of several dimensions, by default all, cut or filled up to `s`."""
    return _complex_nd("fftn", input, s, dim, norm, True)


def _ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of fftn()."""
    return _complex_nd("ifftn", input, s, dim, norm, False)


def _rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """fftn() of real numbers: of the last dimension only the half that holds all of it."""
    x = _real("rfftn", input)
    dims, sizes = _dims("rfftn", x, s, dim)
    _some("rfftn", dims)
    return call.fft_r2c(_resized(x, dims, sizes), tuple(dims), _norm("rfftn", norm, True), True)


def _irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of rfftn()."""
    x, dims, last = _halved("irfftn", input, s, dim)
    return call.fft_c2r(x, tuple(dims), _norm("irfftn", norm, False), last)


def _hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """fftn() of a signal that is Hermitian in its last dimension, of which half is given."""
    x, dims, last = _halved("hfftn", input, s, dim)
    mode = _norm("hfftn", norm, True)
    if dims[:-1]:
        x = call.fft_c2c(x, tuple(dims[:-1]), mode, True)
    return call.fft_c2r(conj(x), (dims[-1],), mode, last)


def _ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of hfftn()."""
    x = _real("ihfftn", input)
    dims, sizes = _dims("ihfftn", x, s, dim)
    _some("ihfftn", dims)
    mode = _norm("ihfftn", norm, False)
    out = conj(call.fft_r2c(_resized(x, dims, sizes), (dims[-1],), mode, True))
    return call.fft_c2c(out, tuple(dims[:-1]), mode, False) if dims[:-1] else out


def _of_two(body: Any) -> Any:
    """The same of the last two dimensions."""

    def two(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
        return body(input, s, dim, norm)

    two.__doc__ = f"{body.__name__[1:]}() of the last two dimensions."
    return two


def _axes_too(body: Any) -> Any:
    """The same, with `axes`, the array API standard's name of `dim`."""

    def several(
        input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, axes: Any = None
    ) -> Any:
        return body(input, s, dim if axes is None else axes, norm)

    return several


def _samples_nd(kind: str) -> Any:
    """Samples of two dimensions, and with all options."""

    def made(m: Any) -> list[Any]:
        x = m.complex if kind == "complex" else m
        return [((x(2, 4),), {}), ((x(2, 3, 2), (2, 4)), {"norm": "ortho", "dim": (1, 0)})]
    return made


_ND: tuple[tuple[str, Any, str], ...] = (
    ("fftn", _fftn, "complex"), ("ifftn", _ifftn, "complex"), ("rfftn", _rfftn, "real"),
    ("irfftn", _irfftn, "complex"), ("hfftn", _hfftn, "complex"), ("ihfftn", _ihfftn, "real"),
)  # fmt: skip
for _name, _whole, _kind in _ND:
    row(f"fft_{_name}(Tensor input, int[]? s=None, int[]? dim=None, str? norm=None) -> Tensor",
        body=_axes_too(_whole), forms="fo", where="fft", alias=(_name,), called=f"fft.{_name}",
        samples=_samples_nd(_kind), doc=_whole.__doc__ or "")  # fmt: skip
    _two = _of_two(_whole)
    _name = _name[:-1] + "2"
    row(f"fft_{_name}(Tensor input, int[]? s=None, int[] dim=(-2, -1), str? norm=None) -> Tensor",
        body=_two, forms="fo", where="fft", alias=(_name,), called=f"fft.{_name}",
        samples=_samples_nd(_kind), doc=_two.__doc__)  # fmt: skip


# --- order ----------------------------------------------------------------------------------------


def _shifted(input: Any, dim: Any, name: str, more: int) -> Any:
    dims = list(range(input.ndim)) if dim is None else [_dim(name, input, d) for d in _listed(dim)]
    return call.roll(input, tuple((input.shape[d] + more) // 2 for d in dims), tuple(dims))


def _fftshift(input: Any, dim: Any = None, *, axes: Any = None) -> Any:
    """The frequency 0 moved from the front to the middle."""
    return _shifted(input, dim if axes is None else axes, "fftshift", 0)


def _ifftshift(input: Any, dim: Any = None, *, axes: Any = None) -> Any:
    """The inverse of fftshift()."""
    return _shifted(input, dim if axes is None else axes, "ifftshift", 1)


for _name, _moved in (("fftshift", _fftshift), ("ifftshift", _ifftshift)):
    row(f"fft_{_name}(Tensor input, int[]? dim=None) -> Tensor", body=_moved, forms="f", where="fft",
        alias=(_name,), samples=lambda m: [((m(3, 4),), {}), ((m(3, 4), 0), {})],
        doc=_moved.__doc__ or "")  # fmt: skip
