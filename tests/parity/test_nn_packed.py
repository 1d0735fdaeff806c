"""Recurrent networks over packed sequences, with every option."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from tests.nn.support import array
from tests.parity.nn_pair import SIDES

OPTIONS = (
    {}, {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "dropout": 0.5, "bias": False},
    {"bidirectional": True, "proj_size": 2, "num_layers": 2}, {"nonlinearity": "relu"},
)  # fmt: skip
LENGTHS = (([5, 3, 3, 1], True), ([2, 5, 1, 4], False))


def run(
    lib: Any, kind: str, options: Any, lengths: list[int], ordered: bool, first: bool, state: bool
) -> list[Any]:
    """Everything that a forward and a backward pass make, packed and padded."""
    lib.manual_seed(0)
    rng = np.random.default_rng(0)
    m = getattr(lib.nn, kind)(3, 4, **options, batch_first=first).double()
    steps, batch = max(lengths), len(lengths)
    shape = (batch, steps, 3) if first else (steps, batch, 3)
    x = lib.from_numpy(rng.standard_normal(shape)).requires_grad_()
    rnn = lib.nn.utils.rnn
    packed = rnn.pack_padded_sequence(x, lib.tensor(lengths), first, ordered)
    given: list[Any] = []
    if state:
        count = (2 if options.get("bidirectional") else 1) * options.get("num_layers", 1)
        widths = [options.get("proj_size", 4), 4][: 2 if kind == "LSTM" else 1]
        given = [lib.from_numpy(rng.standard_normal((count, batch, w))).requires_grad_()
                 for w in widths]  # fmt: skip
    hx = None if not given else tuple(given) if kind == "LSTM" else given[0]
    lib.manual_seed(3)
    output, last = m(packed, hx)
    y, counts = rnn.pad_packed_sequence(output, first, -1.0, steps + 2)
    ends = list(last) if kind == "LSTM" else [last]
    loss = y.square().sum() + sum((end * end * end).sum() for end in ends)
    loss.backward()
    grads = [each.grad for each in (x, *given, *m.parameters())]
    order = [] if ordered else [packed.sorted_indices, packed.unsorted_indices]
    return [packed.data, packed.batch_sizes, *order, output.data, y, counts, *ends, *grads,
            m(x, hx)[0]]  # fmt: skip


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_same(kind: str, number: int) -> None:
    options = OPTIONS[number]
    if "proj_size" in options and kind != "LSTM" or "nonlinearity" in options and kind != "RNN":
        return
    for lengths, ordered in LENGTHS:
        for first, state in ((False, True), (True, False)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs, ours = (
                    run(lib, kind, options, lengths, ordered, first, state) for lib in SIDES
                )
            assert len(ours) == len(theirs)
            for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
                assert array(a).dtype == array(b).dtype, i
                np.testing.assert_allclose(array(b), array(a), atol=1e-9, err_msg=str(i))
