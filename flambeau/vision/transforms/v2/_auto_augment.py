"""The random chains of operations, on the one picture of a structure of inputs."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from .. import autoaugment as v1
from .._conversion import pil_to_tensor, to_pil_image
from .._kinds import channel_fill
from .._tensor import _largest
from ._arguments import Fill, fill_of, fills
from ._transform import _PICTURES, _PLACED, Transform, check_type
from .functional import autocontrast, equalize, get_size, posterize
from .functional._pictures import _mode

# What this generation does to floats too, or rounds in another order.
_OWN = {"Equalize": equalize, "AutoContrast": autocontrast}


class _Augment(Transform):
    """Base: finds the picture, and applies operations to it.

    The operations and their magnitudes are the first generation's; the draws are other calls.
    """

    def __init__(self, interpolation: Any, fill: Fill) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill
        self._fill = fills(fill)

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, the picture among them changed."""
        flat, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        index = self._picture(flat)
        flat[index] = self._changed(flat[index], *get_size(flat[index]))
        return tree_unflatten(flat, spec)

    def _picture(self, flat: list[Any]) -> int:
        found = []
        wanted = self._needs_transform_list(flat)
        for index, (one, yes) in enumerate(zip(flat, wanted, strict=True)):
            if yes and check_type(one, _PICTURES):
                found.append(index)
            elif isinstance(one, _PLACED):
                raise TypeError(
                    f"Inputs of type {type(one).__name__} are not supported by "
                    f"{type(self).__name__}()"
                )
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError(
                "Auto augment transformations are only properly defined for a single image or "
                f"video, but found {len(found)}."
            )
        return found[0]

    def _changed(self, picture: Any, height: int, width: int) -> Any:
        raise NotImplementedError

    def _apply_to(self, picture: Any, name: str, magnitude: float) -> Any:
        fill = fill_of(self._fill, type(picture))
        plain = picture
        if isinstance(picture, torch.Tensor):
            plain = picture.as_subclass(torch.Tensor)
            fill = channel_fill(plain, fill)
            if name == "Solarize":
                magnitude = magnitude / 255 * _largest(plain.dtype)
        if name == "Posterize":
            changed = posterize(plain, int(magnitude))
        elif name in _OWN:
            changed = _OWN[name](plain)
        else:
            changed = v1._apply_op(plain, name, magnitude, _mode(self.interpolation), fill)
        if isinstance(picture, tv_tensors.TVTensor):
            return tv_tensors.wrap(changed, like=picture)
        return changed


def _drawn(space: v1._Space) -> tuple[str, torch.Tensor, bool]:
    name = list(space)[int(torch.randint(len(space), ()))]
    magnitudes, signed = space[name]
    return name, magnitudes, signed


def _magnitude(magnitudes: torch.Tensor, signed: bool, index: int | None, count: int = 0) -> float:
    """The magnitude of an index, or of one of `count` that is drawn, with a sign that is drawn."""
    if magnitudes.ndim == 0:
        return 0.0
    if index is None:
        index = int(torch.randint(count, ()))
    magnitude = float(magnitudes[index])
    return -magnitude if signed and bool(torch.rand(()) <= 0.5) else magnitude


class AutoAugment(_Augment):
    """See `transforms.AutoAugment`."""

    def __init__(
        self,
        policy: v1.AutoAugmentPolicy = v1.AutoAugmentPolicy.IMAGENET,
        interpolation: Any = "nearest",
        fill: Fill = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.policy = policy
        self._first = (v1.AutoAugment(policy),)  # a tuple: no submodule

    def _changed(self, picture: Any, height: int, width: int) -> Any:
        space = self._first[0]._augmentation_space(10, (height, width))
        policies = self._first[0].policies
        for name, probability, index in policies[int(torch.randint(len(policies), ()))]:
            if torch.rand(()) <= probability:
                magnitude = _magnitude(*space[name], index)
                picture = self._apply_to(picture, name, magnitude)
        return picture


class RandAugment(_Augment):
    """See `transforms.RandAugment`."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = "nearest",
        fill: Fill = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _changed(self, picture: Any, height: int, width: int) -> Any:
        first = v1.RandAugment()
        space = first._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            name, magnitudes, signed = _drawn(space)
            magnitude = _magnitude(magnitudes, signed, self.magnitude)
            picture = self._apply_to(picture, name, magnitude)
        return picture


class TrivialAugmentWide(_Augment):
    """See `transforms.TrivialAugmentWide`."""

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Fill = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _changed(self, picture: Any, height: int, width: int) -> Any:
        space = v1.TrivialAugmentWide()._augmentation_space(self.num_magnitude_bins)
        name, magnitudes, signed = _drawn(space)
        magnitude = _magnitude(magnitudes, signed, None, self.num_magnitude_bins)
        return self._apply_to(picture, name, magnitude)


class AugMix(_Augment):
    """See `transforms.AugMix`."""

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = "bilinear",
        fill: Fill = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self._first = (v1.AugMix(severity, mixture_width, chain_depth, alpha, all_ops),)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _chain(self, batch: torch.Tensor, space: v1._Space) -> torch.Tensor:
        depth = self.chain_depth
        if depth <= 0:
            depth = int(torch.randint(low=1, high=4, size=(1,)))
        for _ in range(depth):
            name, magnitudes, signed = _drawn(space)
            magnitude = _magnitude(magnitudes, signed, None, self.severity)
            batch = self._apply_to(batch, name, magnitude)
        return batch

    def _changed(self, picture: Any, height: int, width: int) -> Any:
        first = self._first[0]
        space = first._augmentation_space(first._PARAMETER_MAX, (height, width))
        tensor = picture if isinstance(picture, torch.Tensor) else pil_to_tensor(picture)
        plain = tensor.as_subclass(torch.Tensor)
        rank = 5 if isinstance(picture, tv_tensors.Video) else 4
        batch = plain.reshape([1] * max(rank - plain.ndim, 0) + list(plain.shape))
        count = int(batch.size(0))
        one_each = [count] + [1] * (batch.ndim - 1)
        shares = first._sample_dirichlet(torch.tensor([self.alpha] * 2).expand(count, -1))
        alphas = torch.tensor([self.alpha] * self.mixture_width).expand(count, -1)
        weights = first._sample_dirichlet(alphas) * shares[:, 1].reshape(count, -1)
        shares, weights = shares.to(batch.device), weights.to(batch.device)
        mix = shares[:, 0].reshape(one_each) * batch
        for chain in range(self.mixture_width):
            mix = mix + weights[:, chain].reshape(one_each) * self._chain(batch, space)
        mixed = mix.reshape(plain.shape).to(plain.dtype)
        if isinstance(picture, tv_tensors.TVTensor):
            return tv_tensors.wrap(mixed, like=picture)
        return mixed if isinstance(picture, torch.Tensor) else to_pil_image(mixed)
