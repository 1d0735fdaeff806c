"""Names of PyTorch's own that programs import which were written from its sources."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn, optim
from flambeau.nn import functional as F  # noqa: N812


def test_masks_as_copied_attention_layers_make_them() -> None:
    mask = torch.tensor([True, False])
    with pytest.warns(UserWarning, match="mismatched pad and attn"):
        made = F._canonical_mask(
            mask, "pad", F._none_or_dtype(torch.zeros(1)), "attn", torch.float64
        )
    assert made.tolist() == [-math.inf, 0.0] and made.dtype == torch.float64
    with pytest.raises(AssertionError, match="bool and floating types of pad"):
        F._canonical_mask(torch.tensor([1]), "pad", None, "", torch.float32)
    assert F._mha_shape_check(torch.ones(2, 1, 4), *[torch.ones(3, 1, 4)] * 2, None, None, 2)
    with pytest.raises(AssertionError, match="4-D query"):
        F._mha_shape_check(*[torch.ones(1, 1, 1, 1)] * 3, None, None, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F._verify_batch_size([1, 3, 1])


def test_packed_projections() -> None:
    x, y, w, b = torch.randn(2, 4), torch.randn(3, 4), torch.randn(12, 4), torch.randn(12)
    same = F._in_projection_packed(x, x, x, w, b)
    other = F._in_projection_packed(x, y, y, w, b)
    single = F._in_projection(x, y, y, *w.chunk(3), *b.chunk(3))
    torch.testing.assert_close(torch.cat(same, -1), F.linear(x, w, b))
    torch.testing.assert_close(other, list(single))


def test_an_optimizer_written_from_the_sources() -> None:
    from flambeau.optim.optimizer import (
        _default_to_fused_or_foreach,
        _foreach_doc,
        _get_value,
        _use_grad_for_differentiable,
    )

    class Descent(optim.Optimizer):
        __doc__ = f"Plain steps. {_foreach_doc}"

        def __init__(self, params: Any, differentiable: bool) -> None:
            super().__init__(params, {"lr": 0.5, "differentiable": differentiable})

        @_use_grad_for_differentiable
        def step(self, closure: Any = None) -> Any:
            params = self.param_groups[0]["params"]
            assert _default_to_fused_or_foreach(params, False) == (False, False)
            assert torch.is_grad_enabled() == self.defaults["differentiable"]
            for p in params:
                p.data.add_(p.grad, alpha=-_get_value(torch.tensor(0.5)))

    for differentiable in (False, True):
        p = nn.Parameter(torch.ones(2))
        p.grad = torch.ones(2)
        Descent([p], differentiable).step()
        assert p.tolist() == [0.5, 0.5]


def test_a_wrapper_that_leaves_the_base_class_uninitialised() -> None:
    class Wrapper(optim.Optimizer):
        def __init__(self, inner: optim.Optimizer) -> None:
            self.inner, self.param_groups, self.state = inner, inner.param_groups, inner.state
            self.defaults = inner.defaults

        def step(self, closure: Any = None) -> Any:
            return self.inner.step(closure)

    p = nn.Parameter(torch.ones(1))
    wrapper = Wrapper(optim.SGD([p], lr=1.0))
    seen: list[str] = []
    wrapper.register_step_post_hook(lambda *_: seen.append("after"))
    p.grad = torch.ones(1)
    wrapper.step()
    assert p.item() == 0 and seen == ["after"]
    assert wrapper.state_dict()["param_groups"][0]["lr"] == 1.0


def test_small_names() -> None:
    from flambeau import _VF, _tensor, _tensor_str
    from flambeau._jit_internal import boolean_dispatch
    from flambeau.hub import _get_torch_home, get_dir
    from flambeau.nn.modules.conv import _size_2_t  # noqa: F401
    from flambeau.nn.modules.normalization import _shape_t  # noqa: F401
    from flambeau.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, _enable_get_lr_call
    from flambeau.serialization import SourceChangeWarning, default_restore_location
    from flambeau.types import _size  # noqa: F401
    from flambeau.utils.data.dataloader import _SingleProcessDataLoaderIter

    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    warnings.filterwarnings("ignore", category=SourceChangeWarning)
    assert _tensor.Tensor is torch.Tensor and _VF.relu(torch.tensor(-1.0)).item() == 0
    assert _tensor_str.PRINT_OPTS.precision == 4
    assert isinstance(iter(torch.utils.data.DataLoader([1])), _SingleProcessDataLoaderIter)
    assert get_dir().startswith(_get_torch_home()) and callable(default_restore_location)
    either = boolean_dispatch(
        "r", 1, False, lambda x, r: "yes", lambda x, r=0: "no", __name__, "either"
    )
    assert [either(1), either(1, True), either(1, r=True)] == ["no", "yes", "yes"]
    assert "scheduler.step()" in EPOCH_DEPRECATION_WARNING
    scheduler = optim.lr_scheduler.StepLR(optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0), 1)
    with warnings.catch_warnings(), _enable_get_lr_call(scheduler):
        warnings.simplefilter("error")
        scheduler.get_lr()


def test_a_number_of_what_has_a_gradient_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau.frontend import outside

    monkeypatch.setattr(outside, "_warned", False)
    x = torch.ones((), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int(x) == x.item() == 1
        with torch.no_grad():
            assert float(x) == 1
    with pytest.warns(UserWarning, match="requires_grad=True to a scalar") as caught:
        assert float(x) == 1 and float(x) == 1
    assert len(caught) == 1 and caught[0].filename == __file__


def test_plans_of_vgg() -> None:
    from flambeau.vision.models.vgg import VGG, cfgs, make_layers

    assert cfgs["A"] == [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
    features = make_layers([4, "M", 8], batch_norm=True)
    assert [type(m).__name__ for m in features][:4] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "MaxPool2d",
    ]
    assert isinstance(VGG(make_layers(cfgs["A"]), 2, init_weights=False), nn.Module)
