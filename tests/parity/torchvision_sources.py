"""Runs torchvision's own model files over flambeau: `torchvision_sources.py MODELS_FOLDER RESULTS`.

A process of its own, in which `torch` and `torchvision` are flambeau's. Each file is executed as it
is; of each family one builder is called, and its keys, its output and the sum of its gradients'
sizes are saved, with the seed of `INPUTS`.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path
from typing import Any

# A builder for each file of torchvision/models, its arguments, and the side of the picture.
BUILDERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "alexnet": ("alexnet", {"num_classes": 5}, 64),
    "vgg": ("vgg11_bn", {"num_classes": 5}, 32),
    "resnet": ("resnet18", {"num_classes": 5}, 48),
    "squeezenet": ("squeezenet1_1", {}, 48),
    "densenet": ("densenet121", {}, 48),
    "mobilenetv2": ("mobilenet_v2", {}, 48),
    "mobilenetv3": ("mobilenet_v3_small", {}, 48),
    "efficientnet": ("efficientnet_b0", {}, 48),
    "shufflenetv2": ("shufflenet_v2_x0_5", {}, 48),
    "googlenet": ("googlenet", {"init_weights": True, "aux_logits": False}, 48),
    "inception": ("inception_v3", {"init_weights": True, "aux_logits": False}, 80),
    "convnext": ("convnext_tiny", {}, 48),
    "vision_transformer": ("vit_b_32", {"image_size": 64}, 64),
    "swin_transformer": ("swin_v2_t", {}, 64),
    "regnet": ("regnet_y_400mf", {}, 48),
    "mnasnet": ("mnasnet0_5", {}, 48),
    "maxvit": ("maxvit_t", {}, 224),
    "segmentation.fcn": ("fcn_resnet50", {"weights_backbone": None}, 48),
    "segmentation.deeplabv3": ("deeplabv3_mobilenet_v3_large", {"weights_backbone": None}, 48),
    "segmentation.lraspp": ("lraspp_mobilenet_v3_large", {"weights_backbone": None}, 48),
}


def trained(model: Any, picture: Any) -> tuple[Any, float]:
    """The output in evaluation, and the size of all gradients of its squares' sum."""
    model.eval()
    out = model(picture)
    out = out["out"] if isinstance(out, dict) else out
    (out * out).sum().backward()
    total = sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None)
    return out.detach(), total


def main(folder: Path, results: Path) -> None:
    import numpy as np

    from flambeau.compat import names

    names.install()
    import torch
    from torchvision.models import _api

    found = {}
    # The files register their builders under the names that ours have.
    _api._BUILDERS.clear()
    for part, (name, options, side) in BUILDERS.items():
        full = (
            f"torchvision.models.theirs_{part}" if "." not in part else f"torchvision.models.{part}"
        )
        spec = importlib.util.spec_from_file_location(full, folder / f"{part.replace('.', '/')}.py")
        module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        sys.modules[full] = module
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        torch.manual_seed(0)
        model = getattr(module, name)(weights=None, **options)
        torch.manual_seed(1)
        out, total = trained(model, torch.randn(1, 3, side, side))
        found[f"{name}.keys"] = np.array(list(model.state_dict()))
        found[f"{name}.out"] = out.numpy()
        found[f"{name}.gradients"] = np.array(total)
    np.savez(results, **found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
