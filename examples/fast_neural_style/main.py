"""Fast style transfer: a network learns to paint any picture in the style of one."""

import argparse
import os
import re

import numpy as np
import torch
from PIL import Image
from torch.optim import Adam
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from transformer_net import TransformerNet
from vgg import Vgg16


def load_image(filename, size=None, scale=None):
    img = Image.open(filename).convert("RGB")
    if size is not None:
        img = img.resize((size, size), Image.LANCZOS)
    elif scale is not None:
        img = img.resize((int(img.size[0] / scale), int(img.size[1] / scale)), Image.LANCZOS)
    return img


def save_image(filename, data):
    img = data.clone().clamp(0, 255).numpy()
    Image.fromarray(img.transpose(1, 2, 0).astype("uint8")).save(filename)


def make_style(size):
    """A picture of stripes and rings, where none is given."""
    y, x = np.mgrid[:size, :size] / size
    red = np.sin(40 * x + 8 * np.sin(9 * y))
    green = np.sin(50 * np.hypot(x - 0.4, y - 0.6))
    blue = np.sin(30 * (x + y))
    picture = (np.stack([red, green, blue], -1) * 0.5 + 0.5) * 255
    return Image.fromarray(picture.astype("uint8"))


def gram_matrix(y):
    """How channels go together: (N, C, H, W) to (N, C, C)."""
    b, ch, h, w = y.size()
    features = y.view(b, ch, w * h)
    return features.bmm(features.transpose(1, 2)) / (ch * h * w)


def normalize_batch(batch):
    """Values up to 255 to what VGG was trained on."""
    mean = batch.new_tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    std = batch.new_tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    return (batch.div_(255.0) - mean) / std


def train(args, device):
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    transform = transforms.Compose([
        transforms.Resize(args.image_size),
        transforms.CenterCrop(args.image_size),
        transforms.ToTensor(),
        transforms.Lambda(lambda x: x.mul(255)),
    ])  # fmt: skip
    if args.dataset:
        train_dataset = datasets.ImageFolder(args.dataset, transform)
    else:
        train_dataset = datasets.FakeData(args.pictures, (3, 40, 40), transform=transform)
    train_loader = DataLoader(train_dataset, batch_size=args.batch_size)

    transformer = TransformerNet(args.width).to(device)
    optimizer = Adam(transformer.parameters(), args.lr)
    mse_loss = torch.nn.MSELoss()
    vgg = Vgg16(small=not args.vgg16, requires_grad=False).to(device)
    style = load_image(args.style_image, args.image_size) if args.style_image else make_style(args.image_size)  # fmt: skip
    style_transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Lambda(lambda x: x.mul(255))]
    )
    style = style_transform(style).repeat(args.batch_size, 1, 1, 1).to(device)
    gram_style = [gram_matrix(y) for y in vgg(normalize_batch(style))]

    for e in range(args.epochs):
        transformer.train()
        agg_content_loss, agg_style_loss, count = 0.0, 0.0, 0
        for batch_id, (x, _) in enumerate(train_loader):
            n_batch = len(x)
            count += n_batch
            optimizer.zero_grad()
            x = x.to(device)
            y = normalize_batch(transformer(x))
            x = normalize_batch(x)
            features_y, features_x = vgg(y), vgg(x)
            content_loss = args.content_weight * mse_loss(features_y.relu2_2, features_x.relu2_2)
            style_loss = 0.0
            for ft_y, gm_s in zip(features_y, gram_style):
                style_loss += mse_loss(gram_matrix(ft_y), gm_s[:n_batch, :, :])
            style_loss *= args.style_weight
            total_loss = content_loss + style_loss
            total_loss.backward()
            optimizer.step()
            agg_content_loss += content_loss.item()
            agg_style_loss += style_loss.item()
            if (batch_id + 1) % args.log_interval == 0:
                steps = batch_id + 1
                print(
                    f"epoch {e + 1}: [{count}/{len(train_dataset)}]"
                    f"  content {agg_content_loss / steps:.6f}  style {agg_style_loss / steps:.6f}"
                    f"  total {(agg_content_loss + agg_style_loss) / steps:.6f}"
                )
    transformer.eval().cpu()
    torch.save(transformer.state_dict(), args.model)
    print(f"trained model saved at {args.model}")


def stylize(args, device):
    content_transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Lambda(lambda x: x.mul(255))]
    )
    content_image = content_transform(load_image(args.content_image, scale=args.content_scale))
    content_image = content_image.unsqueeze(0).to(device)
    with torch.no_grad():
        style_model = TransformerNet(args.width)
        state_dict = torch.load(args.model)
        for k in list(state_dict.keys()):  # running statistics of old InstanceNorm layers
            if re.search(r"in\d+\.running_(mean|var)$", k):
                del state_dict[k]
        style_model.load_state_dict(state_dict)
        output = style_model.to(device)(content_image).cpu()
    save_image(args.output_image, output[0])
    print(f"painted {tuple(output.shape)}, mean {output.mean().item():.4f}")


def main():
    parser = argparse.ArgumentParser(description="Fast style transfer")
    parser.add_argument("command", nargs="?", default="train", choices=["train", "eval"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--dataset", default="", help="folder of folders of pictures")
    parser.add_argument("--pictures", type=int, default=64, help="made pictures, without a dataset")
    parser.add_argument("--style-image", default="")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=8, help="channels of the first layer")
    parser.add_argument("--vgg16", action="store_true", help="judge with the whole VGG-16")
    parser.add_argument("--content-weight", type=float, default=1e2)
    parser.add_argument("--style-weight", type=float, default=1e5)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--log-interval", type=int, default=4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--model", default="style.pth", help="file of the weights")
    parser.add_argument("--content-image", default="", help="the picture to paint anew")
    parser.add_argument("--content-scale", type=float, default=None)
    parser.add_argument("--output-image", default="painted.png")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    os.makedirs(os.path.dirname(args.model) or ".", exist_ok=True)
    if args.command == "train":
        train(args, device)
    if args.command == "eval" or args.content_image:
        stylize(args, device)


if __name__ == "__main__":
    main()
