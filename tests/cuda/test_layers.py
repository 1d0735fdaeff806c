"""What is above the op table, on a GPU against the CPU: a part of the programs, operation by operation.

`python -m tests.cuda.layers` runs all of them, in both tiers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flambeau as torch
from flambeau.core import device as devices
from tests.cuda.layers import PROGRAMS, check, everything, gpus

ALL = everything()
CASES = [name for name in ALL if name not in PROGRAMS]
SLOW = ("optim schedulers", "files tensorboard", "vision transforms", "utils loaders", "func transforms",
        "autograd gradients_checked", "model ShuffleNet", "model SwinTransformer", "model DenseNet", "model ResNet",
        "model MobileNetV2", "vision regions", "optim Muon", "nn recurrent_second_derivative",
        'distribution Binomial(t([6.0, 7.0, 3.0], "float32"), p(3))')  # fmt: skip
"""Programs that take seconds; the command runs them."""


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[None]:
    with gpus():
        yield
    devices.others = False


@pytest.mark.parametrize("name", CASES[::16])
def test_layers_and_functions(name: str) -> None:
    check(name, ALL[name], compiled=(False,))


@pytest.mark.parametrize("name", [n for n in list(PROGRAMS)[::5] if n not in SLOW])
def test_programs(name: str) -> None:
    check(name, ALL[name], compiled=(False,))


@pytest.mark.parametrize("name", [*CASES[4::90], *list(PROGRAMS)[1::70]])
def test_compiled(name: str) -> None:
    if name not in SLOW:
        check(name, ALL[name], compiled=(True,))


def test_streams_need_an_accelerator() -> None:
    with pytest.raises(RuntimeError, match="only GPUs have streams"):
        torch.Stream(device="cpu")
    assert torch.Stream(priority=-1).device == torch.device("cuda", 0)
    assert torch.Event(enable_timing=True).query()
