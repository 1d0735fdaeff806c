"""A variational autoencoder on handwritten digits (Kingma and Welling, 2013)."""

import argparse
import os

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F
from torchvision import datasets, transforms
from torchvision.utils import save_image

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class VAE(nn.Module):
    """784 pixels to `latent` means and log-variances and back to 784 probabilities."""

    def __init__(self, hidden=200, latent=20):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(784, hidden)
        self.fc_mean = nn.Linear(hidden, latent)
        self.fc_logvar = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, 784)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc_mean(h), self.fc_logvar(h)

    def reparameterize(self, mean, logvar):
        std = torch.exp(0.5 * logvar)
        return mean + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mean, logvar = self.encode(x.view(-1, 784))
        return self.decode(self.reparameterize(mean, logvar)), mean, logvar


def loss_function(reconstruction, x, mean, logvar):
    """Minus the evidence lower bound, summed over the batch (appendix B of the paper)."""
    bce = F.binary_cross_entropy(reconstruction, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    return bce + kld


def train(args, model, loader, optimizer, epoch, device):
    model.train()
    total, seen = 0.0, 0
    for batch, (data, _) in enumerate(loader):
        data = data.to(device)
        optimizer.zero_grad()
        reconstruction, mean, logvar = model(data)
        loss = loss_function(reconstruction, data, mean, logvar)
        loss.backward()
        total, seen = total + loss.item(), seen + len(data)
        optimizer.step()
        if batch % args.log_interval == 0:
            print(f"epoch {epoch} batch {batch}/{len(loader)}  loss {loss.item() / len(data):.4f}")
        if args.dry_run or (args.limit and batch + 1 >= args.limit):
            break
    print(f"====> epoch {epoch}: average loss {total / seen:.4f}")


def test(args, model, loader, epoch, device):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for i, (data, _) in enumerate(loader):
            data = data.to(device)
            reconstruction, mean, logvar = model(data)
            total += loss_function(reconstruction, data, mean, logvar).item()
            if i == 0:
                n = min(data.size(0), 8)
                shown = reconstruction.view(len(data), 1, 28, 28)[:n]
                comparison = torch.cat([data[:n], shown])
                path = os.path.join(args.results, f"reconstruction_{epoch}.png")
                save_image(comparison.cpu(), path, nrow=n)
    print(f"====> test set loss {total / len(loader.dataset):.4f}")


def main():
    parser = argparse.ArgumentParser(description="VAE on MNIST")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--results", default="results", help="folder for the pictures")
    parser.add_argument("--batch-size", type=int, default=128, metavar="N")
    parser.add_argument("--epochs", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--log-interval", type=int, default=10, metavar="N")
    parser.add_argument("--limit", type=int, default=0, help="batches an epoch, 0 for all")
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    os.makedirs(args.results, exist_ok=True)
    train_set = datasets.MNIST(
        args.data, train=True, download=True, transform=transforms.ToTensor()
    )
    test_set = datasets.MNIST(args.data, train=False, transform=transforms.ToTensor())
    train_loader = torch.utils.data.DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, args.batch_size, shuffle=False)

    model = VAE().to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, args.epochs + 1):
        train(args, model, train_loader, optimizer, epoch, device)
        test(args, model, test_loader, epoch, device)
        with torch.no_grad():
            z = torch.randn(64, 20, device=device)
            sample = model.decode(z).cpu()
            save_image(
                sample.view(64, 1, 28, 28), os.path.join(args.results, f"sample_{epoch}.png")
            )


if __name__ == "__main__":
    main()
