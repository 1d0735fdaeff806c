"""Every code block of the tutorial, read from its file, in order, under both names."""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau import vision as torchvision
from tests import tutorial

BLOCKS = tutorial.blocks(tutorial.TEXT.read_text(encoding="utf-8"))

TRAINING = """
import itertools

class ColourNet(Net):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)

torch.manual_seed(0)
net = ColourNet()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
losses = []
for inputs, labels in itertools.islice(trainloader, STEPS):
    assert inputs.size() == torch.Size([4, 3, 32, 32]), inputs.size()
    assert inputs.min().item() >= -1 and inputs.max().item() <= 1
    optimizer.zero_grad()
    loss = criterion(net(inputs), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
images, labels = next(iter(testloader))
assert len(trainset) == 50000 and len(testset) == 10000
assert net(images).size() == torch.Size([4, 10])
print(len(losses), sum(losses[:50]) / len(losses[:50]), sum(losses[-50:]) / len(losses[-50:]))
"""
"""The tutorial ends with its data loaders: a few steps with them, on three channels."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CIFAR-10 in `data` and the file of resnet18's weights where both belong.

    The real CIFAR-10 where FLAMBEAU_DATA names a folder that holds it, else random pictures in
    files of the true form and size. The weights are random too.
    """
    folder = tmp_path_factory.mktemp("tutorial")
    real = os.environ.get("FLAMBEAU_DATA")
    if real:
        (folder / "data").symlink_to(Path(real).absolute())
    else:
        _write_cifar(folder / "data" / "cifar-10-batches-py")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    checkpoints = folder / "torch_home" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, checkpoints / weights.url.rsplit("/", 1)[-1])
    return folder


def _write_cifar(folder: Path) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {
            "batch_label": name,
            "labels": random.integers(0, 10, 10000).tolist(),
            "data": random.integers(0, 256, (10000, 3072), dtype=np.uint8),
            "filenames": [f"{i}.png" for i in range(10000)],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    meta = {"num_cases_per_batch": 10000, "label_names": names, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))


@pytest.mark.parametrize("name", ["torch", "flambeau"])
def test_every_block_runs_and_prints_what_it_claims(name: str, home: Path) -> None:
    """As `torch` the script is as PyTorch's users have it, and `flambeau run` runs it."""
    real = bool(os.environ.get("FLAMBEAU_DATA"))
    epilogue = TRAINING.replace("STEPS", "1000" if real else "10")
    script = home / f"{name}_tutorial.py"
    script.write_text(tutorial.script(BLOCKS, name, epilogue), encoding="utf-8")
    command = [sys.executable, *(["-m", "flambeau", "run"] if name == "torch" else []), script]
    root = Path(__file__).resolve().parent.parent
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "TORCH_HOME": str(home / "torch_home"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    run = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    printed = tutorial.outputs(run.stdout)
    for block in BLOCKS:
        tutorial.check(block, printed[str(block.number)])
    _check_graph(printed)
    steps, first, last = printed["end"].split()
    assert 0 < float(last) < 10
    if real:
        assert int(steps) == 1000
        assert float(last) < float(first)


def _check_graph(printed: dict[str, str]) -> None:
    """The names of the nodes behind the loss, which the tutorial gives in comments."""
    number = next(b.number for b in BLOCKS if "loss.grad_fn.next_functions" in b.code)
    loss, linear, _ = printed[str(number)].strip().split("\n")
    assert "MseLossBackward" in loss
    assert "AddmmBackward" in linear


def test_the_blocks_are_all_there() -> None:
    assert len(BLOCKS) == 25
    for block in BLOCKS:
        ast.parse(block.code)
        assert not any("输出" in line for line in block.code.split("\n"))
    assert sum(block.claim is not None for block in BLOCKS) == 8


def test_what_is_mended() -> None:
    text = "\n".join(block.code for block in BLOCKS)
    assert "    x + y\n" in text
    assert "\nimport torch\n" in text
    assert "    param.requires_grad = False\n" in text
    assert "print(repr(model(volatile_input).volatile))" in text
    claims = [block.claim for block in BLOCKS if block.claim]
    assert "10\ntorch.Size([6, 1, 5, 5])" in claims
    assert "False\nTrue" in claims
    assert "True\nFalse\nTrue\nTrue" in claims
    assert "torch.Size([4, 4]) torch.Size([16]) torch.Size([2, 8])" in claims


def test_a_wrong_claim_is_noticed() -> None:
    gradient = next(block for block in BLOCKS if block.claim and "4.5000" in block.claim)
    tutorial.check(gradient, "tensor([[4.5000, 4.5000],\n        [4.5000, 4.5000]])\n")
    with pytest.raises(AssertionError):
        tutorial.check(gradient, "tensor([[4.5000, 4.5000],\n        [4.5000, 4.4000]])\n")
    with pytest.raises(AssertionError):
        tutorial.check(gradient, "tensor([4.5000, 4.5000])\n")
    net = next(block for block in BLOCKS if block.claim and "Conv2d" in block.claim)
    assert net.claim is not None
    with pytest.raises(AssertionError):
        tutorial.check(net, net.claim.replace("400", "401"))
