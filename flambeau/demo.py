"""The main job: the tutorial's convolutional network learns real handwritten digits."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import flambeau as torch
import flambeau.nn as nn
import flambeau.optim as optim
from flambeau.utils.data import DataLoader, TensorDataset

CIFAR_CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Images(NamedTuple):
    """A data set in memory: normalised images (N, C, 32, 32) and labels, and names of classes."""

    train: TensorDataset
    test: TensorDataset
    channels: int
    classes: tuple[str, ...]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    p = argparse.ArgumentParser(prog="python -m flambeau demo", description=__doc__)
    p.add_argument("--data", choices=("digits", "mnist", "cifar10"), default="digits",
                   help="10,000 digits that ship with flambeau, all of MNIST, or CIFAR-10")  # fmt: skip
    p.add_argument("--root", default="./data", help="where MNIST and CIFAR-10 are or go")
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--optimizer", choices=("sgd", "adam", "adamw", "rmsprop"), default="adam")
    p.add_argument("--lr", type=float,
                   help="first learning rate, which falls to zero (SGD 0.02, the others 0.002)")  # fmt: skip
    p.add_argument("--device", help="cpu or cuda (default: cuda where there is a GPU)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--output", default="demo-output", help="folder for checkpoint and picture")
    p.add_argument("--no-picture", action="store_true", help="don't draw (no matplotlib needed)")
    return p


def _prepared(data: Any, targets: Any) -> TensorDataset:
    """uint8 images (N, H, W) or (N, H, W, C) → floats in [-1, 1], 32 x 32, channels first."""
    x = torch.as_tensor(data)
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    x = (x.float() / 255 - 0.5) / 0.5
    margin = (32 - x.shape[-1]) // 2
    if margin:
        x = nn.functional.pad(x, (margin,) * 4, value=-1.0)
    return TensorDataset(x.contiguous(), torch.as_tensor(targets, dtype=torch.int64))


def load(name: str, root: str) -> Images:
    """The data set called `name`, downloaded to `root` where it is not there yet."""
    from flambeau.vision import datasets

    if name == "digits":
        pair: Any = [datasets.Digits(train=flag) for flag in (True, False)]
    elif name == "mnist":
        pair = [datasets.MNIST(root, train=flag, download=True) for flag in (True, False)]
    else:
        pair = [datasets.CIFAR10(root, train=flag, download=True) for flag in (True, False)]
    train, test = (_prepared(d.data, d.targets) for d in pair)
    digits = tuple(map(str, range(10)))
    return Images(train, test, 3 if name == "cifar10" else 1,
                  CIFAR_CLASSES if name == "cifar10" else digits)  # fmt: skip


def progress(items: Iterable[Any], label: str) -> Any:
    """A tqdm bar over `items`, where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        print(f'{label} (for a progress bar: pip install "flambeau[progress]")')
        return items
    return tqdm(items, desc=label, unit="batch", leave=True)


def make_optimizer(name: str, parameters: Any, lr: float | None) -> Any:
    """The optimizer that the options name."""
    if name == "sgd":
        return optim.SGD(parameters, lr=0.02 if lr is None else lr, momentum=0.9)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}[name]
    return kind(parameters, lr=0.002 if lr is None else lr)


def train_epoch(
    net: Any, loader: Any, criterion: Any, optimizer: Any, scheduler: Any, label: str
) -> list[float]:
    """One pass over the data; returns the loss of each batch."""
    net.train()
    device = next(net.parameters()).device
    losses = []
    bar = progress(loader, label)
    for x, y in bar:
        optimizer.zero_grad()
        loss = criterion(net(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if hasattr(bar, "set_postfix_str"):
            bar.set_postfix_str(f"loss {sum(losses[-50:]) / len(losses[-50:]):.3f}", refresh=False)
    return losses


def predict(net: Any, data: TensorDataset) -> Any:
    """The class that the network gives each image."""
    net.eval()
    device = next(net.parameters()).device
    with torch.no_grad():
        return torch.cat([net(x.to(device)).argmax(1).cpu() for x, _ in DataLoader(data, batch_size=250)])


def picture(path: str, losses: list[float], steps: int, scores: list[float], images: Images,
            predicted: Any) -> None:  # fmt: skip
    """Learning curve and a grid of test images with their predictions, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    left, right = parts
    axis = left.subplots()
    smooth = [sum(losses[max(0, i - 25) : i + 1]) / (i + 1 - max(0, i - 25)) for i in range(len(losses))]
    axis.plot(range(1, len(losses) + 1), smooth, color="tab:orange", label="training loss")
    axis.set(xlabel="step", ylabel="loss (mean of 25 steps)", yscale="log", title="Learning curve")
    other = axis.twinx()
    other.plot([steps * (i + 1) for i in range(len(scores))], scores, "o-", color="tab:blue")
    other.set_ylabel("test accuracy (%)", color="tab:blue")
    cells = right.subplots(5, 8)
    right.suptitle("Test images, predicted class (wrong ones in red)")
    x, y = images.test.tensors
    wrong = [i for i in range(len(y)) if int(predicted[i]) != int(y[i])][:8]
    shown = wrong + [i for i in range(40) if i not in wrong]
    for cell, i in zip(cells.flat, shown, strict=False):
        image = (x[i].permute(1, 2, 0) * 0.5 + 0.5).clamp(0, 1).numpy()
        cell.imshow(image.squeeze(), cmap="gray_r" if images.channels == 1 else None)
        right_one = int(predicted[i]) == int(y[i])
        cell.set_title(images.classes[int(predicted[i])], fontsize=9, pad=2,
                       color="black" if right_one else "red")  # fmt: skip
        cell.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str]) -> int:
    """Train, report, save. The last line printed is the accuracy on the test images."""
    options = parser().parse_args(arguments)
    if not options.no_picture:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            print('the picture needs matplotlib: pip install "flambeau[demo]" (or --no-picture)')
            return 1
    torch.manual_seed(options.seed)
    images = load(options.data, options.root)
    from flambeau.vision.models.lenet import LeNet

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    net = LeNet(in_channels=images.channels).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = make_optimizer(options.optimizer, net.parameters(), options.lr)
    loader = DataLoader(images.train, batch_size=options.batch_size, shuffle=True)
    print(f"{len(images.train):,} training and {len(images.test):,} test images; {net}")
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs * len(loader))
    start = time.perf_counter()
    losses: list[float] = []
    scores: list[float] = []
    predicted: Any = None
    for epoch in range(options.epochs):
        label = f"epoch {epoch + 1}/{options.epochs}"
        losses += train_epoch(net, loader, criterion, optimizer, scheduler, label)
        predicted = predict(net, images.test)
        scores.append(100.0 * (predicted == images.test.tensors[1]).float().mean().item())
    os.makedirs(options.output, exist_ok=True)
    checkpoint = os.path.join(options.output, "checkpoint.pt")
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)
    print(f"trained {len(losses)} steps in {time.perf_counter() - start:.1f} s; saved {checkpoint}")
    if not options.no_picture:
        path = os.path.join(options.output, "demo.png")
        picture(path, losses, len(loader), scores, images, predicted)
        print(f"picture: {path}")
    print(f"test accuracy: {scores[-1]:.1f} %")
    return 0
