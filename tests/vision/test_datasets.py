"""The data sets, on small files made here."""

from __future__ import annotations

import gzip
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from small_files import SmallCIFAR, idx_bytes, write_cifar

import flambeau as torch
from flambeau.vision import datasets, transforms
from flambeau.vision.datasets.idx import read_idx


def test_mnist(mnist_folder):
    train = datasets.MNIST(mnist_folder, transform=transforms.ToTensor(), target_transform=str)
    assert len(train) == 20
    assert (tuple(train.data.shape), train.data.dtype) == ((20, 28, 28), torch.uint8)
    assert (train.targets.tolist(), train.targets.dtype) == ([*range(10)] * 2, torch.int64)
    sample, target = train[3]
    assert torch.equal(sample, train.data[3].unsqueeze(0) / 255)
    assert target == "3"
    assert train.classes[3] == "3 - three"
    assert train.class_to_idx["7 - seven"] == 7


def test_mnist_reads_the_compressed_files_too(mnist_folder):
    test = datasets.MNIST(mnist_folder, train=False)
    picture, target = test[9]
    assert (picture.mode, picture.size, target) == ("L", (28, 28), 9)
    np.testing.assert_array_equal(np.asarray(picture), test.data[9].numpy())
    assert len(test) == 10


def test_mnist_representation(mnist_folder):
    root = str(mnist_folder)
    transform = transforms.Compose([transforms.ToTensor()])
    assert repr(datasets.MNIST(root, transform=transform)) == "\n".join(
        [
            "Dataset MNIST",
            "    Number of datapoints: 20",
            f"    Root location: {root}",
            "    Split: Train",
            "    StandardTransform",
            "Transform: Compose(",
            "               ToTensor()",
            "           )",
        ]
    )


def test_mnist_with_replaced_data(mnist_folder):
    train = datasets.MNIST(mnist_folder)
    first = np.asarray(train[0][0])
    train.data, train.targets = train.data[5:7], train.targets[5:7]
    assert len(train) == 2
    assert train[0][1] == 5
    assert not np.array_equal(np.asarray(train[0][0]), first)
    train.data[0] = 9
    assert np.asarray(train[0][0]).min() == 9
    with pytest.raises(IndexError):
        train[2]


def test_mnist_in_a_loader_and_pickled(mnist_folder):
    train = datasets.MNIST(mnist_folder, transform=transforms.ToTensor())
    images, labels = next(iter(torch.utils.data.DataLoader(train, batch_size=4)))
    assert tuple(images.shape) == (4, 1, 28, 28)
    assert labels.tolist() == [0, 1, 2, 3]
    train[0]
    assert train._pixels.__reduce__() == (type(train._pixels), ())


def test_mnist_old_names_warn(mnist_folder):
    train = datasets.MNIST(mnist_folder)
    with pytest.warns(UserWarning, match="train_labels has been renamed targets"):
        assert train.train_labels is train.targets


def test_mnist_missing(tmp_path):
    with pytest.raises(RuntimeError, match="download=True") as caught:
        datasets.FashionMNIST(tmp_path)
    assert "train-images-idx3-ubyte" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("train-labels-idx1-ubyte", np.zeros(19, np.uint8)),
        ("train-labels-idx1-ubyte", np.full(20, 11, np.uint8)),
        ("train-images-idx3-ubyte", np.zeros((20, 784), np.uint8)),
    ],
)
def test_mnist_files_that_do_not_fit(mnist_folder, name, array):
    (mnist_folder / "MNIST" / "raw" / name).write_bytes(idx_bytes(array))
    with pytest.raises(RuntimeError, match=name):
        datasets.MNIST(mnist_folder)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dtype", [">u1", ">i1", ">i2", ">i4", ">f4", ">f8"])
def test_idx_types(tmp_path, ending, dtype):
    code = {">u1": 8, ">i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[dtype]
    array = np.arange(-3, 9).reshape(3, 4).astype(dtype)
    content = bytes([0, 0, code, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + array.tobytes()
    path = tmp_path / f"values{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    result = read_idx(path)
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(result, array)


GOOD = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
BAD_FILES = {
    "empty": b"",
    "cut in the header": GOOD[:6],
    "cut in the values": GOOD[:-1],
    "too long": GOOD + b"\0",
    "unknown type": GOOD[:2] + b"\x07" + GOOD[3:],
    "no dimensions": GOOD[:3] + b"\0" + GOOD[4:],
    "a terabyte announced": b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff" + GOOD[12:],
    "something else": b"<html>not found</html>",
}


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("fault", BAD_FILES)
def test_damaged_idx(tmp_path, fault, ending):
    path = tmp_path / f"values{ending}"
    content = BAD_FILES[fault]
    path.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(RuntimeError, match="is damaged"):
        read_idx(path)


def test_idx_that_is_no_gzip(tmp_path):
    path = tmp_path / "values.gz"
    path.write_bytes(GOOD)
    with pytest.raises(RuntimeError, match="is damaged"):
        read_idx(path)
    path.write_bytes(gzip.compress(GOOD * 3)[:-12])
    with pytest.raises(RuntimeError, match="is damaged"):
        read_idx(path)


def test_cifar(tmp_path):
    folder = write_cifar(tmp_path)
    with pytest.warns(UserWarning, match="differ from the published") as caught:
        train = SmallCIFAR(tmp_path)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = SmallCIFAR(tmp_path, train=False, transform=transforms.ToTensor())
    assert (train.data.shape, train.data.dtype) == ((20, 32, 32, 3), np.uint8)
    assert (len(train), len(test)) == (20, 3)
    assert train.targets == [4, 5, 6, 7] * 5
    assert train.classes[2] == "class 2"
    assert train.class_to_idx["class 9"] == 9
    raw = pickle.loads((folder / "data_batch_2").read_bytes())["data"][1]
    picture, target = train[5]
    assert (picture.mode, target) == ("RGB", 5)
    np.testing.assert_array_equal(np.asarray(picture), raw.reshape(3, 32, 32).transpose(1, 2, 0))
    sample, target = test[2]
    raw = pickle.loads((folder / "test_batch").read_bytes())["data"][2]
    np.testing.assert_array_equal(sample.numpy(), raw.reshape(3, 32, 32) / np.float32(255))
    assert "Split: Test" in repr(test)


@pytest.mark.filterwarnings("ignore:files in")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        pickle.dumps([1, 2], protocol=2),
        pickle.dumps({"labels": [1, 2, 3]}, protocol=2),
        pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2, 3]}, protocol=2),
        pickle.dumps({"data": np.zeros((3, 3072), np.int64), "labels": [1, 2, 3]}, protocol=2),
        pickle.dumps({"data": np.zeros((3, 3072), np.uint8), "labels": [1, 2]}, protocol=2),
        pickle.dumps({"data": np.zeros((3, 3072), np.uint8), "labels": [1, 2, 10]}, protocol=2),
    ],
)
def test_damaged_cifar(tmp_path, content):
    folder = write_cifar(tmp_path)
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(RuntimeError, match="test_batch"):
        SmallCIFAR(tmp_path, train=False)


class Bomb:
    """What a hostile pickle would do."""

    def __reduce__(self):
        return pytest.fail, ("the pickle was executed",)


@pytest.mark.filterwarnings("ignore:files in")
def test_cifar_executes_nothing(tmp_path):
    folder = write_cifar(tmp_path)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": Bomb()}, protocol=2))
    with pytest.raises(RuntimeError, match="test_batch"):
        SmallCIFAR(tmp_path, train=False)


def test_cifar_missing(tmp_path):
    folder = write_cifar(tmp_path)
    (folder / "data_batch_3").unlink()
    with pytest.raises(RuntimeError, match=r"misses data_batch_3 in .*cifar-10-batches-py"):
        SmallCIFAR(tmp_path)
    with pytest.raises(RuntimeError, match="misses train, meta"):
        datasets.CIFAR100(tmp_path)


@pytest.fixture
def picture_folder(tmp_path, image):
    for name in ("dog/b.png", "dog/deep/a.PNG", "cat/c.jpg", "cat/readme.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            image.save(path)
    return tmp_path


def test_image_folder(picture_folder, pixels):
    pictures = datasets.ImageFolder(picture_folder)
    assert pictures.classes == ["cat", "dog"]
    assert pictures.class_to_idx == {"cat": 0, "dog": 1}
    names = [path.removeprefix(f"{picture_folder}/") for path, _ in pictures.samples]
    assert names == ["cat/c.jpg", "dog/b.png", "dog/deep/a.PNG"]
    assert pictures.targets == [0, 1, 1]
    assert pictures.imgs is pictures.samples
    picture, target = pictures[1]
    assert (picture.mode, target) == ("RGB", 1)
    np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_dataset_folder(picture_folder):
    texts = datasets.DatasetFolder(
        picture_folder, lambda path: Path(path).read_text(), (".txt",), allow_empty=True
    )
    assert texts[0] == ("no picture", 0)
    assert len(texts) == 1
    chosen = datasets.ImageFolder(
        picture_folder, is_valid_file=lambda path: path.endswith(("c.jpg", "b.png"))
    )
    assert len(chosen) == 2


def test_folders_without_files(tmp_path, picture_folder):
    (picture_folder / "bird").mkdir()
    with pytest.raises(FileNotFoundError, match="bird"):
        datasets.ImageFolder(picture_folder)
    assert datasets.ImageFolder(picture_folder, allow_empty=True).classes == ["bird", "cat", "dog"]
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(picture_folder / "bird")
    with pytest.raises(ValueError, match="is_valid_file"):
        datasets.DatasetFolder(picture_folder, str, None)


def test_fake_data():
    pytest.importorskip("PIL")
    fake = datasets.FakeData(3, (3, 8, 8))
    # What PyTorch's generator gives for the seeds 0, 1 and 2.
    assert [(fake[i][1], fake[i][0].getpixel((2, 5))) for i in range(3)] == [
        (6, (183, 86, 226)),
        (9, (216, 230, 51)),
        (2, (210, 120, 54)),
    ]
    before = torch.get_rng_state()
    assert fake[1][1] == 9
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(IndexError):
        fake[3]


def test_digits():
    train, test = datasets.Digits(), datasets.Digits(train=False, transform=transforms.ToTensor())
    assert (tuple(train.data.shape), train.data.dtype) == ((10000, 28, 28), torch.uint8)
    assert (tuple(test.data.shape), test.targets.dtype) == ((2000, 28, 28), torch.int64)
    assert torch.bincount(train.targets).tolist() == [1000] * 10
    assert torch.bincount(test.targets).tolist() == [200] * 10
    picture, target = train[0]
    assert (picture.mode, picture.size) == ("L", (28, 28))
    assert target == train.targets[0].item()
    # Ink is rare in a digit, and its strokes are nearly white.
    assert 0.1 < train.data.float().mean().item() / 255 < 0.16
    assert tuple(test[7][0].shape) == (1, 28, 28)
    assert "Split: Train" in repr(train)


def test_both_kinds_of_transform_are_too_many():
    with pytest.raises(ValueError, match="Only transforms"):
        datasets.VisionDataset(".", transforms=print, transform=print)
    with pytest.raises(NotImplementedError):
        datasets.VisionDataset(".")[0]
