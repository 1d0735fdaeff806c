"""Data sets of pictures, with torchvision's names, folders and attributes."""

from flambeau.errors import refusing

from .annotated import (
    CelebA,
    CocoCaptions,
    CocoDetection,
    OxfordIIITPet,
    VOCDetection,
    VOCSegmentation,
)
from .arrays import SEMEION, STL10, SVHN, USPS
from .cifar import CIFAR10, CIFAR100
from .classified import (
    DTD,
    GTSRB,
    SUN397,
    Country211,
    EuroSAT,
    FGVCAircraft,
    Flowers102,
    Food101,
    Imagenette,
    RenderedSST2,
    StanfordCars,
)
from .digits import Digits
from .fakedata import FakeData
from .folder import DatasetFolder, ImageFolder
from .foldered import Caltech101, Caltech256, ImageNet, Omniglot
from .mnist import KMNIST, MNIST, FashionMNIST
from .more_mnist import EMNIST, QMNIST
from .vision import VisionDataset
from .wrapper import wrap_dataset_for_transforms_v2

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Caltech101",
    "Caltech256",
    "CelebA",
    "CocoCaptions",
    "CocoDetection",
    "Country211",
    "DTD",
    "DatasetFolder",
    "Digits",
    "EMNIST",
    "EuroSAT",
    "FGVCAircraft",
    "FakeData",
    "FashionMNIST",
    "Flowers102",
    "Food101",
    "GTSRB",
    "ImageFolder",
    "ImageNet",
    "Imagenette",
    "KMNIST",
    "MNIST",
    "Omniglot",
    "OxfordIIITPet",
    "QMNIST",
    "RenderedSST2",
    "SEMEION",
    "STL10",
    "SUN397",
    "SVHN",
    "StanfordCars",
    "USPS",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
    "wrap_dataset_for_transforms_v2",
]

__getattr__ = refusing(__name__)
