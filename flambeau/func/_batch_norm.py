"""Batch normalization inside of vmap, which can't write running statistics that all samples share."""

from __future__ import annotations

from typing import Any

import flambeau as torch


def _stop_tracking(module: Any) -> None:
    if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
        module.running_mean = None
        module.running_var = None
        module.num_batches_tracked = None
        module.track_running_stats = False


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let all batch norms in `root` go without running statistics, in place: they use those of the
    batch in evaluation, too. Returns `root`."""
    for module in root.modules():
        _stop_tracking(module)
    return root
