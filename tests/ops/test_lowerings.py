"""Every row's lowering against its NumPy reference: the graph that it builds, evaluated in NumPy,
with whole numbers as constants and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flambeau.core import dtypes
from flambeau.core.aval import aval
from flambeau.graph.evaluate import evaluate
from flambeau.graph.lowering import lower
from flambeau.ops.table import table

from .steps import (
    NAMES,
    Step,
    alone,
    collected,
    compare,
    is_complex,
    is_defined,
    known_numbers,
    reference,
    variants,
)


def lowered(step: Step, known: dict[int, int]) -> list[np.ndarray] | None:
    """The results by way of the graph; None where the row declines."""
    graph = lower(step.program, known)
    if graph.declined:
        return None
    return evaluate(graph.outputs, step.arrays, step.numbers)


def check(step: Step) -> bool:
    """Compare both tiers; False where the row declines."""
    took = False
    for known in ({}, known_numbers(step)):
        have = lowered(step, known)
        if have is None:
            continue
        took = True
        want = reference(step)
        aval = step.program.instructions[0].aval
        avals = aval if isinstance(aval, tuple) else (aval,)
        for h, w, a in zip(have, want, avals, strict=True):
            compare(step, h, w, a.dtype)
        if not step.numbers:
            break
    return took


def declining() -> list[str]:
    """Rows that are called through NumPy, always or sometimes; complex numbers do not count."""
    out = []
    for name, steps in sorted(collected().items()):
        real = [s for s in steps if not is_complex(s)]
        refused = [s for s in real if lower(s.program, known_numbers(s)).declined]
        if refused:
            out.append(f"{name}: {len(refused)} of {len(real)}, as for {refused[0].program}")
    return out


@pytest.mark.parametrize("name", NAMES)
def test_means_what_the_reference_does(name: str) -> None:
    steps = [s for s in collected()[name] if not is_complex(s)]
    took = [check(each) for step in steps for each in variants(step) if is_defined(each)]
    assert any(took) or not took


FOR_TRAINING = """
    add sub mul true_divide neg abs sqrt rsqrt exp log tanh tanh_backward sigmoid
    sigmoid_backward pow_number where_chosen masked_fill clamp_numbers eq ne lt le gt ge maximum
    minimum convolution convolution_input convolution_weight relu threshold_backward
    max_pool2d_windows max_pool_backward avg_pool2d_windows avg_pool_backward
    adaptive_avg_pool2d_tiles adaptive_avg_pool_backward mm bmm mv dot addmm baddbmm
    softmax log_softmax softmax_backward log_softmax_backward nll_loss_total nll_loss_backward
    mse_loss native_batch_norm native_batch_norm_backward native_layer_norm
    native_layer_norm_backward native_group_norm native_group_norm_backward
    embedding embedding_backward sum mean amax amin var_dims std_dims vector_norm logsumexp
    sgd_step adam_step rmsprop_step adagrad_step adadelta_step adamax_step nadam_step radam_step
    rprop_step asgd_step cat stack tril triu gelu gelu_backward silu silu_backward erf
    gather index_select flip roll repeat cumsum cumprod constant fill zero clone unsafe_view
    to_dtype copy_same as_strided_backward logical_and logical_or logical_not
    view write convert
""".split()


@pytest.mark.parametrize("name", FOR_TRAINING)
def test_floats_of_training_are_never_left_to_numpy(name: str) -> None:
    for step in collected()[name]:
        if is_complex(step) or any(a.dtype is not dtypes.float64 for a in step.program.inputs[:1]):
            continue
        if any(not a.numel for a in step.program.inputs) or _three_dimensions(step):
            continue
        assert not lower(step.program, known_numbers(step)).declined, str(step.program)


def _three_dimensions(step: Step) -> bool:
    """Convolutions of volumes, and layouts in which elements overlap."""
    name = step.row.name
    if name.startswith("convolution"):
        return step.program.inputs[0].ndim > 4
    return name == "as_strided_backward"


def test_a_number_takes_the_dtype_of_the_tensor() -> None:
    f = table["mul"]
    a = aval((), dtypes.float32)
    step = alone(f, a, [(a, np.float32(2.0).reshape(())), 0.1], ())
    assert check(step)


def test_a_factor_that_is_known_to_be_one_is_left_out() -> None:
    a = aval((3,), dtypes.float32)
    x = np.ones(3, np.float32)
    step = alone(table["add"], a, [(a, x), (a, x), 1], ())
    graph = lower(step.program, {0: 1})
    assert [n.op for n in graph.builder.nodes if n.op not in ("input", "const")] == ["add"]


@pytest.mark.parametrize("dt", [dtypes.float16, dtypes.bfloat16])
def test_numbers_beside_16_bit_floats_are_rounded_for_comparisons(dt: Any) -> None:
    a = aval((2,), dt)
    x = dtypes.narrow(np.array([0.1, 0.3], np.float32), dt)
    step = alone(table["eq"], aval((2,), dtypes.bool_), [(a, x), 0.1], ())
    assert check(step) and reference(step)[0].tolist() == [True, False]
