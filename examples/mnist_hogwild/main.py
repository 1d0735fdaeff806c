"""Several processes train one network at the same time: its parameters lie in shared memory.

The method is Hogwild (Niu et al., 2011): nobody waits for anybody, and what is lost when two
processes write the same parameter does not matter.
"""

import argparse
import os

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn, optim
from torchvision import datasets, transforms

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5)
        self.fc1 = nn.Linear(8 * 12 * 12, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv(x), 2))
        x = x.view(-1, 8 * 12 * 12)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def digits(args, train):
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    return datasets.MNIST(args.data, train=train, transform=transform, download=train)


def train(rank, args, model):
    """What one process does: its own order of the data, its own optimizer, everybody's model."""
    torch.manual_seed(args.seed + rank)
    torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(
        digits(args, train=True), batch_size=args.batch_size, shuffle=True
    )
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    model.train()
    for epoch in range(1, args.epochs + 1):
        for batch, (data, target) in enumerate(loader):
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            if batch % args.log_interval == 0:
                print(f"process {rank}, epoch {epoch}, batch {batch}: loss {loss.item():.4f}")
            if args.dry_run or (args.limit and batch + 1 >= args.limit):
                break


def test(args, model):
    loader = torch.utils.data.DataLoader(digits(args, train=False), batch_size=500)
    model.eval()
    loss, right, seen = 0.0, 0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            right += output.max(1)[1].eq(target).sum().item()
            seen += len(target)
    print(f"test: loss {loss / seen:.4f}, accuracy {right / seen:.4f}")


def main():
    parser = argparse.ArgumentParser(description="MNIST with several training processes")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--log-interval", type=int, default=20)
    parser.add_argument("--limit", type=int, default=0, help="batches an epoch, 0 for all")
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    mp.set_start_method("spawn", force=True)
    model = Net()
    model.share_memory()
    test(args, model)
    processes = []
    for rank in range(args.num_processes):
        process = mp.Process(target=train, args=(rank, args, model))
        process.start()
        processes.append(process)
    for process in processes:
        process.join()
    test(args, model)


if __name__ == "__main__":
    main()
