"""An LSTM reads handwritten digits row by row."""

import argparse
import os

import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class RowReader(nn.Module):
    """28 rows of 28 pixels are 28 steps; the last hidden state says which digit it is."""

    def __init__(self, hidden=64, layers=2, bidirectional=False, dropout=0.1):
        super().__init__()
        self.norm = nn.BatchNorm1d(28)
        self.rnn = nn.LSTM(
            input_size=28, hidden_size=hidden, num_layers=layers, batch_first=True,
            bidirectional=bidirectional, dropout=dropout,
        )  # fmt: skip
        self.fc = nn.Linear(hidden * (2 if bidirectional else 1), 10)

    def forward(self, images):
        rows = self.norm(images.squeeze(1))  # (N, 28 steps, 28 pixels)
        output, (hidden, cell) = self.rnn(rows)
        return self.fc(output[:, -1, :])


def run_epoch(args, model, loader, criterion, device, optimizer=None):
    """Train where there is an optimizer, else evaluate; returns mean loss and accuracy."""
    model.train(optimizer is not None)
    total, right, seen = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for step, (images, labels) in enumerate(loader, start=1):
            images, labels = images.to(device), labels.to(device)
            logits = model(images)
            loss = criterion(logits, labels)
            if optimizer is not None:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), args.clip)
                optimizer.step()
                if step % args.log_interval == 0:
                    print(f"step {step}/{len(loader)}  loss {loss.item():.4f}")
            total += loss.item() * labels.size(0)
            right += (logits.max(1)[1] == labels).sum().item()
            seen += labels.size(0)
            if args.dry_run or (args.limit and step >= args.limit):
                break
    return total / seen, right / seen


def main():
    parser = argparse.ArgumentParser(description="MNIST row by row with an LSTM")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--bidirectional", action="store_true")
    parser.add_argument("--lr", type=float, default=1e-2)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--limit", type=int, default=0, help="batches an epoch, 0 for all")
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    to_tensor = transforms.ToTensor()
    train_set = datasets.MNIST(root=args.data, train=True, transform=to_tensor, download=True)
    test_set = datasets.MNIST(root=args.data, train=False, transform=to_tensor)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
    test_loader = DataLoader(test_set, batch_size=args.batch_size, shuffle=False)

    model = RowReader(args.hidden, args.layers, args.bidirectional).to(device)
    print(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for epoch in range(args.epochs):
        loss, accuracy = run_epoch(args, model, train_loader, criterion, device, optimizer)
        print(f"epoch {epoch + 1}: train loss {loss:.4f}, accuracy {accuracy:.4f}")
        loss, accuracy = run_epoch(args, model, test_loader, criterion, device)
        print(f"epoch {epoch + 1}: test loss {loss:.4f}, accuracy {accuracy:.4f}")
        scheduler.step(loss)


if __name__ == "__main__":
    main()
