"""Loads flambeau's own vision code a second time, with PyTorch in flambeau's place.

There is no torchvision to compare with where these tests run. What can be compared is the same
code on the two frameworks: the same draws, the same parameters, the same pictures.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
import torch.utils._pytree
import torch.utils.checkpoint
import torch.utils.data

import flambeau.errors
import flambeau.vision

NAME = "flambeau_vision_on_torch"
STAND_INS = {
    "flambeau": torch,
    "flambeau.errors": flambeau.errors,
    "flambeau.nn": torch.nn,
    "flambeau.nn.functional": torch.nn.functional,
    "flambeau.utils": torch.utils,
    "flambeau.utils._pytree": torch.utils._pytree,
    "flambeau.utils.checkpoint": torch.utils.checkpoint,
    "flambeau.utils.data": torch.utils.data,
}


def load() -> ModuleType:
    """Returns the second `flambeau.vision`, made on first use."""
    if NAME in sys.modules:
        return sys.modules[NAME]
    own = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "flambeau"}
    for name in own:
        del sys.modules[name]
    sys.modules.update(STAND_INS)
    try:
        folder = Path(flambeau.vision.__file__).parent
        spec = importlib.util.spec_from_file_location(
            NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
        for part in ("transforms", "models", "datasets", "utils"):
            importlib.import_module(f"{NAME}.{part}")
        importlib.import_module(f"{NAME}.transforms.functional")
    finally:
        for name in STAND_INS:
            sys.modules.pop(name, None)
        sys.modules.update(own)
    return module
