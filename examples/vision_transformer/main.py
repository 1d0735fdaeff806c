"""A vision transformer on handwritten digits (Dosovitskiy et al., 2020)."""

import argparse
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class PatchEmbedding(nn.Module):
    """Cut (N, 1, 28, 28) into patches and make a vector of each, with a class token in front."""

    def __init__(self, patch, dim):
        super().__init__()
        self.project = nn.Conv2d(1, dim, kernel_size=patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, (28 // patch) ** 2 + 1, dim) * 0.02)
        nn.init.trunc_normal_(self.cls, std=0.02)

    def forward(self, x):
        x = self.project(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)
        return x + self.position


class Attention(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=False)
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.einsum("bhid,bhjd->bhij", q, k).mul(self.scale).softmax(dim=-1)
        mixed = torch.einsum("bhij,bhjd->bhid", weights, v)
        return self.out(mixed.transpose(1, 2).reshape(b, n, d))


class Residual(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.inner = inner

    def forward(self, x):
        return x + self.inner(self.norm(x))


class ViT(nn.Module):
    def __init__(self, patch=7, dim=48, depth=2, heads=4, dropout=0.1, classes=10):
        super().__init__()
        self.embed = PatchEmbedding(patch, dim)
        blocks = []
        for _ in range(depth):
            feed = nn.Sequential(
                nn.Linear(dim, dim * 2), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim * 2, dim)
            )
            blocks += [Residual(dim, Attention(dim, heads, dropout)), Residual(dim, feed)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, x):
        return self.head(self.blocks(self.embed(x))[:, 0])


def main():
    parser = argparse.ArgumentParser(description="Vision transformer on MNIST")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--train-size", type=int, default=10000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)])
    train_set = datasets.MNIST(args.data, train=True, download=True, transform=transform)
    train_set = Subset(train_set, range(min(args.train_size, len(train_set))))
    test_set = datasets.MNIST(args.data, train=False, transform=transform)
    train_loader = DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, 500)

    model = ViT().to(device)
    criterion = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.lr, epochs=args.epochs, steps_per_epoch=len(train_loader)
    )
    for epoch in range(args.epochs):
        model.train()
        total, steps = 0.0, 0
        for images, labels in train_loader:
            loss = criterion(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total, steps = total + loss.item(), steps + 1
            if args.dry_run:
                break
        model.eval()
        with torch.inference_mode():
            right = sum(
                (model(images.to(device)).argmax(-1).cpu() == labels).sum().item()
                for images, labels in test_loader
            )
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, lr {scheduler.get_last_lr()[0]:.6f}, "
              f"accuracy {right / len(test_set):.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
