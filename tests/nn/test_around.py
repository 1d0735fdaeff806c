"""`nn.utils.fusion`, `nn.parallel`, `nn.grad`, and where PyTorch keeps its names."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn import parallel


def test_fused_layers_compute_the_same() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 5, 5)
    both = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    both(x)
    both.eval()
    one = nn.utils.fuse_conv_bn_eval(*both)
    np.testing.assert_allclose(one(x).detach(), both(x).detach(), atol=1e-6)
    with pytest.raises(AssertionError, match="eval"):
        nn.utils.fuse_conv_bn_eval(*both.train())


def test_memory_format_keeps_the_values() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Linear(3, 3))
    before = net[0].weight.tolist()
    nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
    assert net[0].weight.tolist() == before
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_parts_of_data_parallel() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
    x = torch.randn(7, 3)
    devices = ["cpu", "cpu"]
    replicas = parallel.replicate(net, devices)
    inputs = parallel.scatter((x, {"a": 1}), devices)
    assert [each[0].shape[0] for each in inputs] == [4, 3]
    assert inputs[1][1] == {"a": 1}
    outputs = parallel.parallel_apply(replicas, [each[0] for each in inputs])
    whole = parallel.gather(outputs, "cpu")
    np.testing.assert_allclose(whole.detach(), net(x).detach(), atol=1e-6)
    whole.sum().backward()
    assert net[0].weight.grad is not None
    assert list(replicas[0].parameters()) == []
    wrapped = nn.DataParallel(net)
    assert torch.equal(wrapped(x), net(x))
    assert torch.equal(parallel.data_parallel(net, x), net(x))


def test_gradients_of_convolutions_as_functions() -> None:
    x = torch.randn(2, 4, 6, requires_grad=True)
    w = torch.randn(6, 2, 3, requires_grad=True)
    y = nn.functional.conv1d(x, w, None, 2, 1, 1, 2)
    y.backward(torch.ones_like(y))
    grad = torch.ones_like(y)
    ours = torch.nn.grad.conv1d_input(x.shape, w, grad, 2, 1, 1, 2)
    np.testing.assert_allclose(ours, x.grad, atol=1e-5)
    ours = torch.nn.grad.conv1d_weight(x, w.shape, grad, 2, 1, 1, 2)
    np.testing.assert_allclose(ours, w.grad, atol=1e-5)


@pytest.mark.parametrize("place", [
    "modules.utils: _pair _ntuple _reverse_repeat_tuple", "modules.module: Module _addindent",
    "modules.batchnorm: _BatchNorm _NormBase BatchNorm2d LazyBatchNorm2d",
    "modules.conv: _ConvNd Conv2d LazyConv2d _ConvTransposeNd", "modules.loss: _Loss _WeightedLoss",
    "modules.container: Sequential ModuleList ParameterList", "modules.activation: ReLU MultiheadAttention",
    "modules.transformer: _get_clones _get_activation_fn", "modules.pooling: FractionalMaxPool2d",
    "modules.channelshuffle: ChannelShuffle", "modules.linear: LazyLinear Identity",
    "modules.adaptive: AdaptiveLogSoftmaxWithLoss", "modules.instancenorm: _InstanceNorm",
    "modules.dropout: _DropoutNd", "modules.rnn: RNNBase apply_permutation",
    "common_types: _size_2_t _size_1_t", "_reduction: get_enum", "parallel.data_parallel: DataParallel",
    "parallel.scatter_gather: scatter_kwargs", "utils.rnn: PackedSequence",
    "utils.spectral_norm: SpectralNorm spectral_norm", "utils.weight_norm: WeightNorm",
    "utils.parametrize: ParametrizationList", "utils.prune: L1Unstructured",
    "utils.clip_grad: clip_grad_norm_", "attention: SDPBackend sdpa_kernel",
    "parameter: Parameter UninitializedParameter", "grad: conv2d_weight",
])  # fmt: skip
def test_names_are_where_pytorch_has_them(place: str) -> None:
    path, _, names = place.partition(":")
    module = importlib.import_module(f"flambeau.nn.{path}")
    for name in names.split():
        assert name in vars(module) or getattr(module, name).__name__ == name


def test_numbers_of_reductions() -> None:
    from flambeau.nn import _reduction

    assert [_reduction.get_enum(r) for r in ("none", "mean", "sum")] == [0, 1, 2]
    with pytest.raises(ValueError, match="not a valid value"):
        _reduction.get_enum("product")
    assert _reduction.legacy_get_string(False, True, emit_warning=False) == "sum"


def test_container_warns() -> None:
    with pytest.warns(FutureWarning, match="Container"):
        net = nn.Container(a=nn.Linear(1, 1))
    assert [name for name, _ in net.named_children()] == ["a"]


def test_factory_kwargs() -> None:
    given = {"device": "cpu", "factory_kwargs": {"dtype": torch.float64}}
    assert nn.factory_kwargs(given) == {"device": "cpu", "dtype": torch.float64}
    assert nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="unexpected"):
        nn.factory_kwargs({"other": 1})


def test_cross_map_norm_is_the_local_one_without_its_first_channel() -> None:
    x = torch.randn(2, 6, 2, 2)
    x[:, 0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = nn.CrossMapLRN2d(3, 0.3, 0.6, 2)(x)
    np.testing.assert_allclose(ours, nn.LocalResponseNorm(3, 0.3, 0.6, 2)(x), rtol=1e-5)


def test_adaptive_softmax_sums_to_one() -> None:
    m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], 2.0)
    x = torch.randn(4, 8)
    np.testing.assert_allclose(m.log_prob(x).exp().sum(1).detach(), np.ones(4), rtol=1e-5)
    assert torch.equal(m.predict(x), m.log_prob(x).argmax(1))
    target = torch.tensor([0, 7, 19, 4])
    picked = m.log_prob(x).gather(1, target[:, None])[:, 0]
    np.testing.assert_allclose(m(x, target).output.detach(), picked.detach(), atol=1e-5)


def test_fractional_windows_reach_both_ends() -> None:
    torch.manual_seed(0)
    x = torch.arange(49.0).reshape(1, 1, 7, 7)
    y, places = nn.FractionalMaxPool2d(2, output_size=4, return_indices=True)(x)
    assert y.shape == (1, 1, 4, 4)
    assert y[0, 0, -1, -1] == 48
    assert torch.equal(x.flatten()[places.flatten()], y.flatten())
