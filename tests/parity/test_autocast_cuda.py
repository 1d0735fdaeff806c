"""CUDA autocast's lists beside PyTorch's: which operators have a kernel for it is known without a GPU."""

from __future__ import annotations

import torch

from flambeau.frontend.autocasting import OPERATIONS
from flambeau.ops.table import table

KEY = "AutocastCUDA"
OTHERWISE = {
    "_addmm_activation": "an addmm here",
    "cross_entropy": "log_softmax and nll_loss in PyTorch, which are listed",
    "lstm_layer": "_thnn_fused_lstm_cell and cuDNN's in PyTorch",
    "gru_layer": "_thnn_fused_gru_cell and cuDNN's in PyTorch",
    "rnn_layer": "cuDNN's in PyTorch",
    "linalg_lu_solve": "kept", "linalg_solve_triangular": "kept", "lu_solve": "kept",
}  # fmt: skip


def listed() -> set[str]:
    """What PyTorch's CUDA autocast does something to."""
    found = set()
    for schema in torch._C._jit_get_all_schemas():
        name = f"{schema.name}.{schema.overload_name}".rstrip(".")
        if name.startswith("aten::"):
            try:
                if torch._C._dispatch_has_kernel_for_dispatch_key(name, KEY):
                    found.add(schema.name.removeprefix("aten::"))
            except RuntimeError:  # it is TorchScript's alone
                pass
    return found


def test_the_same_operations_are_listed() -> None:
    ours = {name for names in OPERATIONS["cuda"].values() for name in names.split()}
    theirs = listed()
    assert len(theirs) > 90
    assert ours - theirs == set(OTHERWISE)
    assert sorted((theirs - ours) & set(table)) == []

