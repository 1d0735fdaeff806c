"""Optimizers and learning-rate schedulers, with PyTorch's interface.

Gradients come from `backward()`; `step()` moves the parameters and ends the iteration's recorded
program; `zero_grad()` clears the gradients.
"""

from __future__ import annotations

from typing import Any

from flambeau.errors import no_attribute

from . import lr_scheduler
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .asgd import ASGD
from .lbfgs import LBFGS
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]


def __getattr__(name: str) -> Any:
    # Needs nn, which not every user of an optimizer has imported.
    if name == "swa_utils":
        from importlib import import_module

        return import_module(".swa_utils", __name__)
    raise no_attribute(__name__, name)
