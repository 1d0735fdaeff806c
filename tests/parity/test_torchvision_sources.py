"""torchvision's own model files, unchanged, run over flambeau as they do over PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import flambeau

from . import torchvision_oracle, torchvision_sources

torchvision = torchvision_oracle.load()


@pytest.fixture(scope="module")
def over_flambeau(tmp_path_factory):
    """What a process in which flambeau is `torch` got from the files."""
    folder = Path(torchvision.__file__).parent / "models"
    results = tmp_path_factory.mktemp("sources") / "results.npz"
    root = str(Path(flambeau.__file__).parents[1])
    subprocess.run(
        [sys.executable, torchvision_sources.__file__, str(folder), str(results)],
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    with np.load(results) as found:
        return dict(found)


@pytest.mark.parametrize("part", torchvision_sources.BUILDERS)
def test_the_file_runs(part, over_flambeau):
    name, options, side = torchvision_sources.BUILDERS[part]
    torch.manual_seed(0)
    model = getattr(import_module(f"torchvision.models.{part}"), name)(weights=None, **options)
    torch.manual_seed(1)
    out, total = torchvision_sources.trained(model, torch.randn(1, 3, side, side))
    assert over_flambeau[f"{name}.keys"].tolist() == list(model.state_dict())
    scale = max(1.0, float(out.abs().max()))
    assert np.abs(over_flambeau[f"{name}.out"] - out.numpy()).max() <= 1e-4 * scale
    np.testing.assert_allclose(over_flambeau[f"{name}.gradients"], total, rtol=1e-3)
