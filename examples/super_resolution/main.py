"""Pictures four or nine times as large by sub-pixel convolution (Shi et al., 2016)."""

import argparse
from math import log10

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
import torch.optim as optim
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader, Dataset


class Shapes(Dataset):
    """Grey pictures of discs and boxes: the small picture and the one it was made from."""

    def __init__(self, count, size, factor, seed=0):
        chance = np.random.RandomState(seed)
        self.pairs = []
        for _ in range(count):
            picture = Image.new("L", (size, size), int(chance.randint(0, 80)))
            draw = ImageDraw.Draw(picture)
            for _ in range(4):
                x, y = (int(v) for v in chance.randint(0, size, 2))
                r, shade = int(chance.randint(3, size // 2)), int(chance.randint(80, 256))
                shape = draw.ellipse if chance.rand() < 0.5 else draw.rectangle
                shape((x - r, y - r, x + r, y + r), fill=shade)
            small = picture.resize((size // factor, size // factor), Image.BICUBIC)
            self.pairs.append((self.tensor(small), self.tensor(picture)))

    @staticmethod
    def tensor(picture):
        return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0).unsqueeze(0)

    def __getitem__(self, index):
        return self.pairs[index]

    def __len__(self):
        return len(self.pairs)


class Net(nn.Module):
    """(N, 1, H, W) to (N, 1, rH, rW): the last convolution makes r*r pixels of each."""

    def __init__(self, upscale_factor):
        super(Net, self).__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 64, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(64, 64, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(64, 32, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(32, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        for conv in (self.conv1, self.conv2, self.conv3):
            init.orthogonal_(conv.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


def main():
    parser = argparse.ArgumentParser(description="Super-resolution")
    parser.add_argument("--upscale_factor", type=int, default=2)
    parser.add_argument("--size", type=int, default=32, help="pixels of the large pictures")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--batchSize", type=int, default=8)
    parser.add_argument("--testBatchSize", type=int, default=20)
    parser.add_argument("--nEpochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--limit", type=int, default=0, help="batches an epoch, 0 for all")
    parser.add_argument("--checkpoints", action="store_true", help="save after every epoch")
    opt = parser.parse_args()

    torch.manual_seed(opt.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = opt.size - opt.size % opt.upscale_factor
    train_set = Shapes(opt.pictures, size, opt.upscale_factor, seed=0)
    test_set = Shapes(max(opt.pictures // 10, 1), size, opt.upscale_factor, seed=1)
    train_loader = DataLoader(train_set, batch_size=opt.batchSize, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=opt.testBatchSize, shuffle=False)

    model = Net(opt.upscale_factor).to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=opt.lr)
    for epoch in range(1, opt.nEpochs + 1):
        epoch_loss, steps = 0.0, 0
        for input, target in train_loader:
            input, target = input.to(device), target.to(device)
            optimizer.zero_grad()
            loss = criterion(model(input), target)
            epoch_loss, steps = epoch_loss + loss.item(), steps + 1
            loss.backward()
            optimizer.step()
            if opt.limit and steps >= opt.limit:
                break
        print(f"epoch {epoch}: average loss {epoch_loss / steps:.6f}")
        psnr, plain = 0.0, 0.0
        with torch.no_grad():
            for input, target in test_loader:
                input, target = input.to(device), target.to(device)
                psnr += 10 * log10(1 / criterion(model(input), target).item())
                bicubic = F.interpolate(
                    input, scale_factor=opt.upscale_factor, mode="bicubic", align_corners=False
                )
                plain += 10 * log10(1 / criterion(bicubic.clamp(0, 1), target).item())
        count = len(test_loader)
        print(f"===> average PSNR {psnr / count:.4f} dB (bicubic: {plain / count:.4f} dB)")
        if opt.checkpoints:
            path = f"model_epoch_{epoch}.pth"
            torch.save(model.state_dict(), path)
            print(f"checkpoint saved to {path}")


if __name__ == "__main__":
    main()
