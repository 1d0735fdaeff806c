"""`nn.functional` against PyTorch's: values, gradients, text of errors' types and warnings."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import flambeau
from tests.nn.cases import FUNCTIONS
from tests.nn.support import Maker, array, run_function
from tests.parity.nn_pair import SIDES, all_close, outcome


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function(case: str) -> None:
    """The value, every gradient, and the arguments afterwards."""
    all_close(run_function(flambeau, case), run_function(torch, case))


WRONG = """
F.softmax(f(3, 4))
F.softmin(f(3, 4))
F.log_softmax(f(3, 4))
F.dropout(f(3), 1.5)
F.dropout2d(f(3), -0.1)
F.alpha_dropout(f(3), 2)
F.feature_alpha_dropout(f(3), -1)
F.dropout1d(f(1, 1, 1, 1))
F.dropout2d(f(2, 3))
F.dropout2d(f(2, 3, 4))
F.dropout3d(f(2, 3))
F.dropout(p(3), 0.5, True, True)
F.relu(p(3), inplace=True)
F.elu(p(3), inplace=True)
F.mse_loss(f(3, 4), f(4))
F.mse_loss(f(3, 4), f(3))
F.mse_loss(f(3), f(3), reduction="other")
F.mse_loss(f(3), f(3), size_average=True)
F.mse_loss(f(3), f(3), weight=f(1))
F.l1_loss(f(3, 4), f(3, 1))
F.l1_loss(f(3), f(3), weight=f(1))
F.smooth_l1_loss(f(3), f(3), beta=-1.0)
F.huber_loss(f(3), f(3), delta=0.0)
F.huber_loss(f(3), f(3), "other")
F.binary_cross_entropy(p(3), p(4))
F.binary_cross_entropy(p(3) + 3, p(3))
F.binary_cross_entropy(p(3, 4), p(3, 4), p(3))
F.binary_cross_entropy_with_logits(f(3), p(4))
F.kl_div(f(3, 4), p(3, 4))
F.kl_div(f(3, 4), p(3, 4), reduction="other")
F.poisson_nll_loss(f(3), f(3), reduction="other")
F.gaussian_nll_loss(f(3, 4), f(3, 4), p(2))
F.gaussian_nll_loss(f(3, 4), f(3, 4), -p(3, 4))
F.gaussian_nll_loss(f(3, 4), f(3, 4), -1.0)
F.gaussian_nll_loss(f(3), f(3), p(3), reduction="other")
F.nll_loss(f(3, 4), t([0, 1]))
F.nll_loss(f(3, 4), t([0, 1, 9]))
F.nll_loss(f(3, 4), t([0.0, 1.0, 2.0]))
F.nll_loss(f(3, 4), t([0, 1, 2]), f(3))
F.cross_entropy(f(3, 4), t([[0, 1]] * 3))
F.cross_entropy(f(3, 4), t([0, 1, 2]), label_smoothing=2.0)
F.cross_entropy(f(3, 4), t([0, 1, 2]), reduction="other")
F.cross_entropy(f(3, 4), p(2, 4))
F.cosine_embedding_loss(f(3, 4), f(3, 4), t([1.0, 1.0]))
F.cosine_embedding_loss(f(3, 4), f(3, 4), f(3, 4))
F.margin_ranking_loss(f(3, 4), f(3, 4), f(3))
F.multi_margin_loss(f(3, 4), i(4, 3), p=3)
F.multi_margin_loss(f(3, 4), i(4, 3), weight=f(4, 1))
F.multi_margin_loss(f(3, 4), i(4, 2))
F.multilabel_margin_loss(f(3, 4), i(4, 2))
F.multilabel_soft_margin_loss(f(3), f(3), reduction="other")
F.triplet_margin_loss(f(3, 4), f(3, 4), f(4))
F.triplet_margin_loss(f(3, 4), f(3, 4), f(3, 4), margin=-1)
F.triplet_margin_with_distance_loss(f(3, 4), f(3, 4), f(3, 4), margin=0)
F.batch_norm(f(1, 3), None, None, training=True)
F.batch_norm(f(2, 3), None, None)
F.instance_norm(f(2, 3, 1))
F.group_norm(f(2, 3, 4), 2)
F.group_norm(f(1, 3), 3)
F.layer_norm(f(2, 3), [4])
F.rms_norm(f(2, 3), [4])
F.local_response_norm(f(2, 3), 2)
F.embedding(t([1]), f(3, 4), padding_idx=3)
F.embedding(t([1]), f(3, 4), padding_idx=-4)
F.embedding(t([1.0]), f(3, 4))
F.embedding(t([7]), f(3, 4))
F.embedding_bag(t([1]), f(3, 4))
F.embedding_bag(t([[1]]), f(3, 4), t([0]))
F.embedding_bag(t([1]), f(3, 4), t([0]), mode="other")
F.embedding_bag(t([1]), f(3, 4), t([0]), per_sample_weights=f(1))
F.one_hot(t([1, 2]), 2)
F.one_hot(t([1.0]))
F.one_hot(t([-1]))
F.pad(f(2, 3), (1,))
F.pad(f(2, 3), (1, 1), mode="other")
F.pad(f(2, 3, 4), (1, 1), mode="reflect", value=1.0)
F.pad(f(2, 3, 4), (9, 1), mode="reflect")
F.pad(f(2, 3), (1,) * 10)
F.glu(f(3, 5))
F.gelu(f(3), approximate="other")
F.prelu(f(2, 3), f(2))
F.rrelu(f(3), 2, 1)
F.softshrink(f(3), -1)
F.celu(f(3), 0.0)
F.hardtanh(f(3), 2, 1)
F.elu(t([1]))
F.max_pool2d(f(1, 1, 3, 3), 9)
F.max_pool2d(f(1, 1, 3, 3), 2, padding=2)
F.max_pool2d(f(3, 3), 2)
F.max_pool2d(f(1, 1, 3, 3), (1, 2, 3))
F.max_pool2d(f(1, 1, 3, 3), 2, stride=0)
F.avg_pool2d(f(1, 1, 3, 3), 2, padding=2)
F.avg_pool2d(f(1, 1, 3, 3), 2, divisor_override=0)
F.adaptive_avg_pool2d(f(1, 1, 3, 3), (1, 2, 3))
F.conv2d(f(1, 3, 4, 4), f(2, 4, 3, 3))
F.conv2d(f(1, 3, 4, 4), f(2, 3, 3, 3), stride=2, padding="same")
F.conv2d(f(1, 3, 4, 4), f(2, 3, 3, 3), padding="other")
F.linear(f(2, 5), f(3, 4))
F.bilinear(f(2, 3), f(2, 4), f(5, 4, 3))
F.normalize(f(2, 3), dim=9)
F.upsample(f(1, 1, 2, 2), scale_factor=2)
F.interpolate(f(1, 1, 2, 2))
F.interpolate(f(1, 1, 2, 2), size=2, scale_factor=2)
F.interpolate(f(1, 1, 2, 2), size=2, mode="linear")
F.interpolate(f(1, 1, 2, 2), size=2, mode="other")
F.interpolate(f(1, 1, 2, 2), size=2, mode="nearest", align_corners=True)
F.interpolate(f(1, 1, 2, 2), size=(2, 2, 2))
F.interpolate(f(2, 2), size=2)
F.interpolate(i(9, 2, 3, 4), size=3)
F.interpolate(f(1, 1, 2), size=0)
F.pixel_shuffle(f(1, 3, 2, 2), 2)
F.channel_shuffle(f(1, 3, 2), 2)
F.cosine_similarity(f(2, 3), f(2, 3), dim=5)
F.max_unpool2d(f(1, 1, 2, 2), t([[[[0, 3], [9, 99]]]]), 2)
F.max_unpool2d(f(1, 1, 2, 2), t([[[[0, 3], [9, 10]]]]), 2, output_size=[9, 9])
F.fold(f(1, 8, 11), (4, 5), 2)
F.pdist(f(3))
F.ctc_loss(f(2, 1, 3), t([[1, 1]]), t([2, 2]), t([2]))
F.ctc_loss(f(2, 1, 3), t([[1, 1]]), t([2]), t([2]), blank=5)
""".strip().splitlines()


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text: str) -> None:
    """The same exception type and the same categories of warnings."""

    def call(library: Any) -> Any:
        maker = Maker(library)
        names = {"torch": library, "F": library.nn.functional, "f": maker.f, "p": maker.p}
        names.update(i=maker.i, t=maker.t)
        return lambda: eval(text, names)

    assert outcome(call(SIDES[1])) == outcome(call(SIDES[0]))


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout", "dropout1d",
                                  "dropout2d", "dropout3d", "rrelu"])  # fmt: skip
@pytest.mark.parametrize("inplace", [False, True])
def test_random_functions_draw_alike(name: str, inplace: bool) -> None:
    """The same seed drops the same elements and leaves the generator in the same state."""
    shape = (4, 3, 5) if name == "dropout1d" else (4, 3, 2, 5)
    results = []
    for library in SIDES:
        x = Maker(library).f(*shape, grad=False, dtype="float32")
        library.manual_seed(3)
        result = getattr(library.nn.functional, name)(x, training=True, inplace=inplace)
        results.append((array(result), array(x), array(library.rand(3))))
    for theirs, ours in zip(*results, strict=True):
        assert abs(theirs - ours).max() < 1e-6


def test_gumbel_softmax_draws_alike() -> None:
    """Hard and soft samples of one seed."""
    for hard in (False, True):
        results = []
        for library in SIDES:
            x = Maker(library).f(4, 5, grad=False, dtype="float32")
            library.manual_seed(3)
            results.append(array(library.nn.functional.gumbel_softmax(x, tau=0.7, hard=hard)))
        assert abs(results[0] - results[1]).max() < 1e-5


def test_signatures() -> None:
    """Every function takes the same parameters, in the same order, with the same defaults."""
    ours, theirs = flambeau.nn.functional, torch.nn.functional
    compared = 0
    for name in dir(ours):
        mine, other = getattr(ours, name), getattr(theirs, name, None)
        if name.startswith("_") or not inspect.isfunction(mine) or not inspect.isfunction(other):
            continue
        if name in ("tanh", "sigmoid") or list(inspect.signature(other).parameters) == [
            "args",
            "kwargs",
        ]:
            continue
        expected = [(p.name, p.default) for p in inspect.signature(other).parameters.values()]
        found = [(p.name, p.default) for p in inspect.signature(mine).parameters.values()]
        assert found == expected, name
        compared += 1
    assert compared > 60
