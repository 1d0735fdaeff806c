"""Transfer learning: a ResNet whose body is frozen gets a new head; or all of it is tuned."""

import argparse
import copy
import os
import time
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.optim as optim
from PIL import Image
from torch.optim import lr_scheduler
from torchvision import datasets, models, transforms


def make_pictures(root, per_class, size=40):
    """Folders train and val with pictures of ants (dark dots) and bees (yellow stripes)."""
    chance = np.random.RandomState(0)
    for part, count in (("train", per_class), ("val", max(per_class // 2, 2))):
        for name in ("ants", "bees"):
            folder = os.path.join(root, part, name)
            os.makedirs(folder, exist_ok=True)
            for number in range(count):
                picture = chance.randint(100, 160, (size, size, 3))
                if name == "ants":
                    for _ in range(6):
                        y, x = chance.randint(0, size - 4, 2)
                        picture[y : y + 4, x : x + 4] = 20
                else:
                    picture[chance.randint(0, 3) :: 6] = (230, 200, 30)
                Image.fromarray(picture.astype("uint8")).save(
                    os.path.join(folder, f"{number:03d}.png")
                )


def make_loaders(folder, size, batch_size):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    data_transforms = {
        "train": transforms.Compose([
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]),
        "val": transforms.Compose([
            transforms.Resize(size + size // 8),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]),
    }  # fmt: skip
    image_datasets = {
        x: datasets.ImageFolder(os.path.join(folder, x), data_transforms[x])
        for x in ["train", "val"]
    }
    dataloaders = {
        x: torch.utils.data.DataLoader(image_datasets[x], batch_size=batch_size, shuffle=True)
        for x in ["train", "val"]
    }
    return dataloaders, image_datasets["train"].classes


def train_model(model, dataloaders, criterion, optimizer, scheduler, device, num_epochs):
    """Train, and give back the weights that did best in validation."""
    since = time.time()
    best_acc, best_epoch = -1.0, copy.deepcopy(model.state_dict())
    with TemporaryDirectory() as tempdir:
        best_path = os.path.join(tempdir, "best_model_params.pt")
        torch.save(best_epoch, best_path)
        for epoch in range(num_epochs):
            print(f"Epoch {epoch}/{num_epochs - 1}")
            for phase in ["train", "val"]:
                model.train(phase == "train")
                running_loss, running_corrects, seen = 0.0, 0, 0
                for inputs, labels in dataloaders[phase]:
                    inputs, labels = inputs.to(device), labels.to(device)
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        outputs = model(inputs)
                        _, preds = torch.max(outputs, 1)
                        loss = criterion(outputs, labels)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
                    running_loss += loss.item() * inputs.size(0)
                    running_corrects += torch.sum(preds == labels.data)
                    seen += inputs.size(0)
                if phase == "train":
                    scheduler.step()
                epoch_loss = running_loss / seen
                epoch_acc = running_corrects.double() / seen
                print(f"{phase} Loss: {epoch_loss:.4f} Acc: {epoch_acc:.4f}")
                if phase == "val" and epoch_acc > best_acc:
                    best_acc = epoch_acc
                    torch.save(model.state_dict(), best_path)
        assert time.time() >= since
        print(f"Best val Acc: {best_acc:4f}")
        model.load_state_dict(torch.load(best_path, weights_only=True))
    return model


def main():
    parser = argparse.ArgumentParser(description="Transfer learning")
    parser.add_argument("--data", default="", help="folder with train and val; made where empty")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--weights", default="", help="file of weights, or DEFAULT to download")
    parser.add_argument("--finetune", action="store_true", help="train all layers, not the head only")
    parser.add_argument("--per-class", type=int, default=30, help="made pictures of each class")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cudnn.benchmark = True
    torch.manual_seed(args.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    with TemporaryDirectory() as made:
        if not args.data:
            make_pictures(made, args.per_class)
        dataloaders, class_names = make_loaders(args.data or made, args.image_size, args.batch_size)
        print("classes:", class_names)

        build = getattr(models, args.arch)
        model = build(weights="DEFAULT") if args.weights == "DEFAULT" else build(weights=None)
        if args.weights and args.weights != "DEFAULT":
            model.load_state_dict(torch.load(args.weights, map_location="cpu"))
        if not args.finetune:
            for param in model.parameters():
                param.requires_grad = False
        model.fc = nn.Linear(model.fc.in_features, len(class_names))
        model = model.to(device)
        trained = [p for p in model.parameters() if p.requires_grad]
        print(f"{sum(p.numel() for p in trained)} parameters are trained")
        optimizer = optim.SGD(trained, lr=args.lr, momentum=0.9)
        scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
        criterion = nn.CrossEntropyLoss()
        train_model(model, dataloaders, criterion, optimizer, scheduler, device, args.epochs)


if __name__ == "__main__":
    main()
