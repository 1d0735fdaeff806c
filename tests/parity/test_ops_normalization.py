"""Normalisation beside PyTorch's: batch, layer, group, instance, root mean square."""

from __future__ import annotations

import pytest

from .expressions import differing

BATCH = """
    F.batch_norm(a432, None, None, training=True)
    F.batch_norm(a43, None, None, training=True)
    F.batch_norm(a432, None, None, g3, d3, True)
    F.batch_norm(a4322, None, None, g3, d3, True)
    F.batch_norm(a23222, None, None, g3, d3, True)
    F.batch_norm(a432, None, None, g3, None, True)
    F.batch_norm(a432, None, None, None, d3, True)
    F.batch_norm(a432, g3.detach(), p3.detach())
    F.batch_norm(a432, g3.detach(), p3.detach(), c3, d3)
    F.batch_norm(a432, g3.detach(), p3.detach(), c3, d3, eps=0.1)
    m, v = T.zeros(3).to(dt), T.ones(3).to(dt); y = F.batch_norm(a432, m, v, c3, d3, True); [y, m, v]
    m, v = T.zeros(3).to(dt), T.ones(3).to(dt); y = F.batch_norm(a4322, m, v, training=True, momentum=0.3); [y, m, v]
    m, v = T.zeros(3).to(dt), T.ones(3).to(dt); y = F.batch_norm(a432, m, v, training=True, momentum=0.0); [y, m, v]
    m, v = T.zeros(3).to(dt), T.ones(3).to(dt); y = F.batch_norm(a432, m, v, training=True, momentum=1.0); [y, m, v]
    T.batch_norm(a432, c3, d3, None, None, True, 0.1, 1e-5, True)
    F.batch_norm(a234_t, None, None, training=True)
    F.batch_norm(a132, None, None, training=True)
    F.batch_norm(a13, None, None, training=True)
    F.batch_norm(a1311, None, None, training=True)
    F.batch_norm(a432, None, None)
    F.batch_norm(a432, g2.detach(), p2.detach())
    F.batch_norm(a432, g3.detach(), p3.detach(), c2)
    F.batch_norm(a432, g3.detach(), p3.detach(), c3, d2)
    F.batch_norm(a4, g4.detach(), p4.detach())
    F.batch_norm(k432, None, None, training=True)
    F.batch_norm(1, None, None, training=True)
"""

MODULES = """
    m = T.nn.BatchNorm1d(3).to(dt); y = m(a432); [y, m.running_mean, m.running_var, m.num_batches_tracked]
    m = T.nn.BatchNorm1d(3, momentum=None).to(dt); m(a432); y = m(g432); [y, m.running_mean, m.running_var]
    m = T.nn.BatchNorm2d(3, track_running_stats=False).to(dt); m.eval()(a4322)
    m = T.nn.BatchNorm2d(3, affine=False).to(dt); m(a4322); m.eval()(a4322)
    m = T.nn.BatchNorm1d(3).to(dt); m(a43); m.eval()(a43)
    m = T.nn.InstanceNorm1d(3, affine=True).to(dt); m(a432)
    m = T.nn.InstanceNorm2d(3, track_running_stats=True).to(dt); y = m(a4322); [y, m.running_mean, m.running_var]
    m = T.nn.InstanceNorm2d(3, track_running_stats=True).to(dt); m(a4322); m.eval()(a4322)
    m = T.nn.GroupNorm(2, 4).to(dt); m(a2432)
    m = T.nn.LayerNorm((3, 2)).to(dt); m(a432)
    m = T.nn.LayerNorm(2, elementwise_affine=False).to(dt); m(a432)
"""

LAYER = """
    F.layer_norm(a43, (3,))
    F.layer_norm(a43, (3,), c3, d3)
    F.layer_norm(a43, (3,), c3)
    F.layer_norm(a43, (3,), None, d3)
    F.layer_norm(a432, (3, 2), c32, d32)
    F.layer_norm(a432, (4, 3, 2))
    F.layer_norm(a432, [2], eps=0.1)
    F.layer_norm(a3, (3,), c3, d3)
    F.layer_norm(a34_t, (3,), c3, d3)
    F.layer_norm(a03, (3,), c3, d3)
    F.layer_norm(a43, (4,))
    F.layer_norm(a43, (1, 4, 3))
    F.layer_norm(a43, ())
    F.layer_norm(a43, (3,), c2)
    F.layer_norm(a43, (3,), c3, d2)
    F.layer_norm(a43, (3,), c3.detach().to(T.float16))
    F.layer_norm(k43, (3,))
    F.layer_norm(a43, 3.0)
    F.layer_norm(a43, 3)
    T.layer_norm(a43, (3,), c3, d3, 1e-5, False)
"""

OTHERS = """
    F.group_norm(a243, 2)
    F.group_norm(a243, 2, c4, d4)
    F.group_norm(a243, 1, c4)
    F.group_norm(a2432, 2, c4, d4, 0.1)
    F.group_norm(a24, 2, c4, d4)
    F.group_norm(a043, 2, c4, d4)
    F.group_norm(a342_t, 2, c4, d4)
    F.group_norm(a243, 3)
    F.group_norm(a4, 2)
    F.group_norm(a243, 2, c3)
    F.group_norm(a243, 2, c4, d3)
    F.instance_norm(a243)
    F.instance_norm(a2432, weight=c4, bias=d4)
    F.instance_norm(a243, g4.detach(), p4.detach(), c4, d4, False)
    m, v = T.zeros(4).to(dt), T.ones(4).to(dt); y = F.instance_norm(a243, m, v, c4, d4); [y, m, v]
    m, v = T.zeros(4).to(dt), T.ones(4).to(dt); y = F.instance_norm(a243, m, v, momentum=0.5); [y, m, v]
    F.instance_norm(a241)
    F.instance_norm(a243, use_input_stats=False)
    F.instance_norm(a24)
    F.rms_norm(a43, (3,))
    F.rms_norm(a43, (3,), c3)
    F.rms_norm(a432, (3, 2), c32, 0.1)
    F.rms_norm(a43, (4,))
    F.rms_norm(a43, (3,), c2)
    F.local_response_norm(a243, 2)
    F.local_response_norm(a2433, 3, 0.1, 0.5, 2.0)
    F.normalize(a43)
    F.normalize(a43, 1, 0)
"""

SECOND = """
    x, w, b = a432, c3, d3; T.autograd.grad((F.batch_norm(x, None, None, w, b, True) ** 3).sum(), [x, w, b], create_graph=True)
    x, w, b = a432, c3, d3; T.autograd.grad((F.batch_norm(x, g3.detach(), p3.detach(), w, b) ** 3).sum(), [x, w, b], create_graph=True)
    x, w, b = a432, c32, d32; T.autograd.grad((F.layer_norm(x, (3, 2), w, b) ** 3).sum(), [x, w, b], create_graph=True)
    x, w, b = a243, c4, d4; T.autograd.grad((F.group_norm(x, 2, w, b) ** 3).sum(), [x, w, b], create_graph=True)
    x, w, b = a243, c4, d4; T.autograd.grad((F.instance_norm(x, weight=w, bias=b) ** 3).sum(), [x, w, b], create_graph=True)
    x, w = a43, c3; T.autograd.grad((F.rms_norm(x, (3,), w) ** 3).sum(), [x, w], create_graph=True)
"""


def _full(block: str) -> str:
    return block.replace("F.", "T.nn.functional.")


@pytest.mark.parametrize("block", [BATCH, MODULES, LAYER], ids=["batch", "modules", "layer"])
def test_values_and_gradients(block: str) -> None:
    assert differing(_full(block), "float32", "float64", grad=True, loose=8) == ""


def test_the_others() -> None:
    assert differing(_full(OTHERS), "float32", "float64", grad=True, node=False, loose=8) == ""


def test_dtypes() -> None:
    block = """
        F.batch_norm(a432, None, None, c3, d3, True)
        F.batch_norm(a432, g3.detach(), p3.detach(), c3, d3)
        F.layer_norm(a43, (3,), c3, d3)
        F.group_norm(a243, 2, c4, d4)
        F.rms_norm(a43, (3,), c3)
    """
    assert differing(_full(block), "bfloat16", "float16", grad=True, node=False, loose=8) == ""


def test_second_derivatives() -> None:
    assert differing(_full(SECOND), "float64", grad=True, node=False, loose=20) == ""
