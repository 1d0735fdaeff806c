"""One network sees two pictures and says whether they show the same digit."""

import argparse
import os
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class SiameseNetwork(nn.Module):
    """Both pictures go through one tower; a head looks at the two results side by side."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
            nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((3, 3)),
        )  # fmt: skip
        self.fc_in_features = 16 * 3 * 3
        self.fc = nn.Sequential(
            nn.Linear(self.fc_in_features * 2, 64), nn.ReLU(inplace=True), nn.Linear(64, 1)
        )
        self.sigmoid = nn.Sigmoid()
        self.tower.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        output = self.tower(x)
        return output.view(output.size()[0], -1)

    def forward(self, first, second):
        pair = torch.cat((self.forward_once(first), self.forward_once(second)), 1)
        return self.sigmoid(self.fc(pair))


class Matcher(Dataset):
    """Pairs of digits: even indices two of one class, odd ones two of different classes."""

    def __init__(self, root, train, size):
        dataset = datasets.MNIST(root, train=train, download=True)
        self.data = dataset.data.unsqueeze(1).clone()
        self.by_class = [torch.where(dataset.targets == i)[0].tolist() for i in range(10)]
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        chosen = random.randint(0, 9)
        first = random.choice(self.by_class[chosen])
        if index % 2 == 0:
            other, target = chosen, torch.tensor(1, dtype=torch.float)
        else:
            other = random.choice([c for c in range(10) if c != chosen])
            target = torch.tensor(0, dtype=torch.float)
        second = random.choice(self.by_class[other])
        return self.data[first].float() / 255, self.data[second].float() / 255, target


def train(args, model, device, loader, optimizer, epoch):
    model.train()
    criterion = nn.BCELoss()
    for batch, (first, second, targets) in enumerate(loader):
        first, second, targets = first.to(device), second.to(device), targets.to(device)
        optimizer.zero_grad()
        outputs = model(first, second).squeeze()
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        if batch % args.log_interval == 0:
            print(f"epoch {epoch} [{batch * len(first)}/{len(loader.dataset)}] loss {loss:.6f}")
        if args.dry_run:
            break


def test(model, device, loader):
    model.eval()
    test_loss, correct, distance = 0, 0, 0.0
    with torch.no_grad():
        for first, second, targets in loader:
            first, second, targets = first.to(device), second.to(device), targets.to(device)
            outputs = model(first, second).squeeze()
            test_loss += F.binary_cross_entropy(outputs, targets, reduction="sum").item()
            pred = torch.where(outputs > 0.5, 1, 0)
            correct += pred.eq(targets.view_as(pred)).sum().item()
            a, b = model.forward_once(first), model.forward_once(second)
            distance += F.pairwise_distance(a, b).sum().item()
    n = len(loader.dataset)
    print(f"test: loss {test_loss / n:.4f}, {correct}/{n} right, mean distance {distance / n:.4f}")


def main():
    parser = argparse.ArgumentParser(description="Siamese network on MNIST")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--pairs", type=int, default=4000, help="pairs an epoch")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    random.seed(args.seed)
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    train_loader = DataLoader(
        Matcher(args.data, True, args.pairs), batch_size=args.batch_size, shuffle=True
    )
    test_loader = DataLoader(Matcher(args.data, False, args.pairs // 10), batch_size=100)
    model = SiameseNetwork().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()


if __name__ == "__main__":
    main()
