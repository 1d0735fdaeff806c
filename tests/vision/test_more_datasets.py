"""The data sets beside MNIST and CIFAR, on small files of their forms."""

from __future__ import annotations

import bz2
import json

import numpy as np
import pytest
from small_files import idx_bytes, matlab_bytes

import flambeau as torch
from flambeau.vision import datasets, tv_tensors
from flambeau.vision.datasets.matlab import read_matlab
from flambeau.vision.transforms import v2

image_module = pytest.importorskip("PIL.Image")


def put(path, color="red", size=(6, 5), mode="RGB"):
    """Writes a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image_module.new(mode, size, color).save(path)


def color_of(image):
    return np.asarray(image)[0, 0].tolist()


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_files(tmp_path, compressed):
    arrays = {
        "X": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "f": np.array([[0.5, -1.0]]),
        "text": "né",
        "cell": ["ab", np.array([[1, 2]], np.int32)],
        "rows": [{"id": np.array([[3.0]]), "name": "c"}, {"id": np.array([[4.0]]), "name": "d"}],
    }
    (tmp_path / "a.mat").write_bytes(matlab_bytes(arrays, compressed))
    found = read_matlab(tmp_path / "a.mat")
    assert list(found) == list(arrays)
    assert (found["X"] == arrays["X"]).all()
    assert found["X"].dtype == np.uint8
    assert found["f"].tolist() == [[0.5, -1.0]]
    assert found["text"] == "né"
    assert found["cell"][0] == "ab"
    assert found["cell"][1].tolist() == [[1, 2]]
    assert [row["name"] for row in found["rows"]] == ["c", "d"]
    for content in (b"", b"x" * 200, matlab_bytes(arrays, compressed)[:150]):
        (tmp_path / "bad.mat").write_bytes(content)
        with pytest.raises(RuntimeError, match="MAT-file"):
            read_matlab(tmp_path / "bad.mat")


def test_svhn(tmp_path):
    data = np.arange(32 * 32 * 3 * 2, dtype=np.uint8).reshape(32, 32, 3, 2)
    content = matlab_bytes({"X": data, "y": np.array([[10], [3]], np.uint8)})
    (tmp_path / "test_32x32.mat").write_bytes(content)
    digits = datasets.SVHN(tmp_path, split="test")
    assert len(digits) == 2
    assert digits.labels.tolist() == [0, 3]
    picture, digit = digits[1]
    assert digit == 3
    assert (np.asarray(picture) == data[:, :, :, 1]).all()
    assert "Split: test" in repr(digits)
    with pytest.raises(RuntimeError, match=r"train_32x32\.mat"):
        datasets.SVHN(tmp_path)
    with pytest.raises(ValueError, match="Valid values"):
        datasets.SVHN(tmp_path, split="val")


def test_stl10(tmp_path):
    base = tmp_path / "stl10_binary"
    base.mkdir()
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
    for name in ("train", "test", "unlabeled"):
        pixels.tofile(base / f"{name}_X.bin")
    for name in ("train", "test"):
        np.array([1, 2, 10], np.uint8).tofile(base / f"{name}_y.bin")
    (base / "fold_indices.txt").write_text("0 2\n1\n")
    (base / "class_names.txt").write_text("airplane\nbird\n")
    both = datasets.STL10(tmp_path, split="train+unlabeled", folds=0)
    assert both.labels.tolist() == [0, 9, -1, -1, -1]
    assert both.classes == ["airplane", "bird"]
    picture, label = datasets.STL10(tmp_path, "test")[1]
    assert label == 1
    assert (np.asarray(picture) == pixels[1].transpose(2, 1, 0)).all()
    with pytest.raises(ValueError, match="folds"):
        datasets.STL10(tmp_path, folds=10)


def test_usps_and_semeion(tmp_path):
    values = " ".join(f"{index + 1}:{-1 + index / 127.5}" for index in range(256))
    with bz2.open(tmp_path / "usps.bz2", "wt") as file:
        file.write(f"7 {values}\n10 {values}\n")
    digits = datasets.USPS(tmp_path)
    assert digits.targets == [6, 9]
    picture, digit = digits[0]
    assert (picture.mode, picture.size, digit) == ("L", (16, 16), 6)
    assert np.asarray(picture)[0, 0] == 0
    row = ["1.0"] * 128 + ["0.0"] * 128 + ["0"] * 10
    row[256 + 4] = "1"
    (tmp_path / "semeion.data").write_text(" ".join(row) + "\n")
    written = datasets.SEMEION(tmp_path)
    assert written[0][1] == 4
    assert np.asarray(written[0][0])[:, 0].tolist() == [255] * 8 + [0] * 8
    with pytest.raises(RuntimeError, match="not found"):
        datasets.USPS(tmp_path, train=False)


def test_emnist_and_qmnist(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.zeros((2, 28, 28), np.uint8)
    (raw / "emnist-letters-train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    labels = np.array([1, 26], np.uint8)
    (raw / "emnist-letters-train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    letters = datasets.EMNIST(tmp_path, split="letters")
    assert letters[1][1] == 26
    assert letters.classes[26] == "z"
    assert len(datasets.EMNIST.classes_split_dict["balanced"]) == 47
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "qmnist-train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    facts = np.arange(16, dtype=">i4").reshape(2, 8)
    header = bytes([0, 0, 0x0C, 2, 0, 0, 0, 2, 0, 0, 0, 8])
    (raw / "qmnist-train-labels-idx2-int").write_bytes(header + facts.tobytes())
    assert datasets.QMNIST(tmp_path)[1][1] == 8
    known = datasets.QMNIST(tmp_path, what="train", compat=False)
    assert known[0][1].tolist() == list(range(8))
    assert "Split: train" in repr(known)


def test_listed_pictures(tmp_path):
    base = tmp_path / "dtd" / "dtd"
    put(base / "images" / "banded" / "a.png", "red")
    put(base / "images" / "blotchy" / "b.png", "blue")
    (base / "labels").mkdir()
    (base / "labels" / "val2.txt").write_text("blotchy/b.png\nbanded/a.png\n")
    textures = datasets.DTD(tmp_path, split="val", partition=2)
    assert textures.classes == ["banded", "blotchy"]
    assert [(color_of(image), label) for image, label in textures] == [
        ([0, 0, 255], 1), ([255, 0, 0], 0)
    ]  # fmt: skip
    base = tmp_path / "food-101"
    put(base / "images" / "pizza" / "1.jpg")
    (base / "meta").mkdir()
    (base / "meta" / "test.json").write_text(json.dumps({"pizza": ["pizza/1"], "apple": []}))
    food = datasets.Food101(tmp_path, split="test", target_transform=str)
    assert food[0][1] == "1"
    assert food.class_to_idx == {"apple": 0, "pizza": 1}
    base = tmp_path / "fgvc-aircraft-2013b" / "data"
    put(base / "images" / "7.jpg")
    (base / "families.txt").write_text("A300\nBoeing 707\n")
    (base / "images_family_train.txt").write_text("7 Boeing 707\n")
    aircraft = datasets.FGVCAircraft(tmp_path, "train", "family", transform=lambda p: p.size)
    assert aircraft[0] == ((6, 5), 1)
    base = tmp_path / "SUN397"
    put(base / "a" / "apse" / "indoor" / "sun_x.jpg")
    (base / "ClassName.txt").write_text("/a/abbey\n/a/apse/indoor\n")
    assert datasets.SUN397(tmp_path)[0][1] == 1
    put(tmp_path / "rendered-sst2" / "valid" / "positive" / "a.png")
    put(tmp_path / "rendered-sst2" / "valid" / "negative" / "b.png")
    sentences = datasets.RenderedSST2(tmp_path, "val")
    assert [label for _, label in sentences] == [0, 1]


def test_pictures_listed_by_matlab(tmp_path):
    base = tmp_path / "flowers-102"
    for number in (1, 2, 3):
        put(base / "jpg" / f"image_{number:05d}.jpg")
    sets = {"trnid": np.array([[3.0, 1.0]]), "valid": np.array([[2.0]]), "tstid": np.zeros((1, 0))}
    (base / "setid.mat").write_bytes(matlab_bytes(sets))
    labels = {"labels": np.array([[77, 1, 102]], np.uint8)}
    (base / "imagelabels.mat").write_bytes(matlab_bytes(labels))
    assert [label for _, label in datasets.Flowers102(tmp_path)] == [101, 76]
    base = tmp_path / "stanford_cars"
    put(base / "cars_train" / "00001.jpg")
    (base / "devkit").mkdir()
    names = {"class_names": ["Audi A4", "BMW M3"]}
    (base / "devkit" / "cars_meta.mat").write_bytes(matlab_bytes(names))
    notes = {"annotations": [{"class": np.array([[2.0]]), "fname": "00001.jpg"}]}
    (base / "devkit" / "cars_train_annos.mat").write_bytes(matlab_bytes(notes))
    cars = datasets.StanfordCars(tmp_path)
    assert cars.classes == ["Audi A4", "BMW M3"]
    assert cars[0][1] == 1
    with pytest.raises(RuntimeError, match="by hand"):
        datasets.StanfordCars(tmp_path / "nowhere", download=True)


def test_foldered_pictures(tmp_path):
    put(tmp_path / "eurosat" / "2750" / "Forest" / "a.jpg")
    assert datasets.EuroSAT(tmp_path).classes == ["Forest"]
    put(tmp_path / "country211" / "valid" / "AD" / "a.jpg")
    assert len(datasets.Country211(tmp_path, "valid")) == 1
    put(tmp_path / "gtsrb" / "GTSRB" / "Training" / "00004" / "a.ppm")
    assert datasets.GTSRB(tmp_path)[0][1] == 0
    put(tmp_path / "gtsrb" / "GTSRB" / "Final_Test" / "Images" / "00000.ppm")
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;16\n")
    assert datasets.GTSRB(tmp_path, "test")[0][1] == 16
    put(tmp_path / "imagenette2-160" / "val" / "n03028079" / "a.jpeg")
    ten = datasets.Imagenette(tmp_path, "val", "160px")
    assert ten.class_to_idx == {"church": 0, "church building": 0}
    for name in ("BACKGROUND_Google", "Faces", "ant"):
        put(tmp_path / "caltech101" / "101_ObjectCategories" / name / "image_0001.jpg")
    outline = matlab_bytes({"obj_contour": np.array([[1.0, 2.0], [3.0, 4.0]])})
    notes = tmp_path / "caltech101" / "Annotations" / "Faces_2"
    notes.mkdir(parents=True)
    (notes / "annotation_0001.mat").write_bytes(outline)
    both = datasets.Caltech101(tmp_path, ["category", "annotation"])
    assert both.categories == ["Faces", "ant"]
    assert both[0][1][1].tolist() == [[1, 2], [3, 4]]
    put(tmp_path / "caltech256" / "256_ObjectCategories" / "001.ak47" / "001_0001.jpg")
    assert datasets.Caltech256(tmp_path)[0][1] == 0
    for character in ("character01", "character02"):
        path = tmp_path / "omniglot-py" / "images_background" / "Latin" / character / "1.png"
        put(path, 255, mode="L")
    characters = datasets.Omniglot(tmp_path)
    assert [number for _, number in characters] == [0, 1]
    assert characters[0][0].mode == "L"


def test_imagenet(tmp_path):
    import tarfile

    devkit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    devkit.mkdir(parents=True)
    synsets = [
        {"ILSVRC2012_ID": np.array([[number]], np.int32), "WNID": wnid, "words": words,
         "num_children": np.array([[children]], np.int32)}
        for number, wnid, words, children in (
            (1, "n01", "tench, Tinca tinca", 0), (2, "n02", "goldfish", 0), (3, "n03", "fish", 2)
        )
    ]  # fmt: skip
    (devkit / "meta.mat").write_bytes(matlab_bytes({"synsets": synsets}, compressed=True))
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n")
    with tarfile.open(tmp_path / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        archive.add(devkit.parent, "ILSVRC2012_devkit_t12")
    for number in (1, 2):
        put(tmp_path / f"ILSVRC2012_val_{number}.JPEG")
    with tarfile.open(tmp_path / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in (1, 2):
            archive.add(tmp_path / f"ILSVRC2012_val_{number}.JPEG", f"ILSVRC2012_val_{number}.JPEG")
    pictures = datasets.ImageNet(tmp_path, "val")
    assert pictures.wnids == ["n01", "n02"]
    assert pictures.classes == [("tench", "Tinca tinca"), ("goldfish",)]
    assert [label for _, label in pictures.samples] == [0, 1]
    assert pictures.samples[0][0].endswith("ILSVRC2012_val_2.JPEG")
    assert len(datasets.ImageNet(tmp_path, "val")) == 2
    with pytest.raises(RuntimeError, match="ILSVRC2012_img_train"):
        datasets.ImageNet(tmp_path, "train")


def write_voc(root):
    base = root / "VOCdevkit" / "VOC2007"
    put(base / "JPEGImages" / "1.jpg", "blue")
    put(base / "SegmentationClass" / "1.png", 5, mode="L")
    for name in ("Main", "Segmentation"):
        (base / "ImageSets" / name).mkdir(parents=True)
        (base / "ImageSets" / name / "test.txt").write_text("1\n")
    (base / "Annotations").mkdir()
    (base / "Annotations" / "1.xml").write_text(
        "<annotation><filename>1.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin>"
        "<ymin>2</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></object></annotation>"
    )


def test_voc(tmp_path):
    write_voc(tmp_path)
    boxes = datasets.VOCDetection(tmp_path, year="2007", image_set="test")
    annotation = boxes[0][1]["annotation"]
    assert annotation["filename"] == "1.jpg"
    assert annotation["object"] == [
        {"name": "cat", "bndbox": {"xmin": "1", "ymin": "2", "xmax": "4", "ymax": "5"}}
    ]
    masks = datasets.VOCSegmentation(
        tmp_path, "2007", "test", transforms=lambda image, mask: (image.size, mask.mode)
    )
    assert masks[0] == ((6, 5), "L")
    with pytest.raises(ValueError, match="image_set"):
        datasets.VOCDetection(tmp_path, year="2012", image_set="test")
    with pytest.raises(RuntimeError, match="VOC2012"):
        datasets.VOCDetection(tmp_path)


def test_pets(tmp_path):
    base = tmp_path / "oxford-iiit-pet"
    put(base / "images" / "great_pyrenees_1.jpg")
    put(base / "annotations" / "trimaps" / "great_pyrenees_1.png", 1, mode="L")
    (base / "annotations" / "test.txt").write_text("great_pyrenees_1 3 2 1\n")
    kinds = ["category", "binary-category", "segmentation"]
    pets = datasets.OxfordIIITPet(tmp_path, "test", kinds)
    assert pets.classes == ["Great Pyrenees"]
    assert pets[0][1][:2] == (2, 1)
    assert pets[0][1][2].mode == "L"
    wrapped = datasets.wrap_dataset_for_transforms_v2(pets)
    assert type(wrapped[0][1][2]) is tv_tensors.Mask


def write_celeba(root):
    base = root / "celeba"
    for number in (1, 2):
        put(base / "img_align_celeba" / f"00000{number}.jpg")
    lists = {
        "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 2\n",
        "identity_CelebA.txt": "000001.jpg 7\n000002.jpg 9\n",
        "list_bbox_celeba.txt": "2\nimage_id x_1 y_1 width height\n000001.jpg 1 2 3 4\n"
        "000002.jpg    5  6 7 8\n",
        "list_landmarks_align_celeba.txt": "2\nlefteye_x lefteye_y\n000001.jpg 1 2\n"
        "000002.jpg 3 4\n",
        "list_attr_celeba.txt": "2\nBald Young\n000001.jpg -1  1\n000002.jpg  1 -1\n",
    }
    for name, text in lists.items():
        (base / name).write_text(text)


def test_celeba(tmp_path):
    write_celeba(tmp_path)
    faces = datasets.CelebA(tmp_path, "test", ["attr", "identity", "bbox", "landmarks"])
    assert faces.attr_names == ["Bald", "Young"]
    attributes, identity, box, landmarks = faces[0][1]
    assert attributes.tolist() == [1, 0]
    assert identity.item() == 9
    assert box.tolist() == [5, 6, 7, 8]
    assert landmarks.tolist() == [3, 4]
    assert len(datasets.CelebA(tmp_path, "all")) == 2
    assert datasets.CelebA(tmp_path, target_type=[])[0][1] is None
    with pytest.raises(RuntimeError, match="Google"):
        datasets.CelebA(tmp_path / "nowhere", download=True)
    wrapped = datasets.wrap_dataset_for_transforms_v2(datasets.CelebA(tmp_path, "all", "bbox"))
    assert wrapped[1][1].format.value == "XYWH"


def test_data_sets_for_the_second_generation(tmp_path):
    write_voc(tmp_path)
    plain = datasets.VOCDetection(
        tmp_path,
        "2007",
        "test",
        transforms=v2.Compose([v2.ToImage(), v2.RandomHorizontalFlip(1.0)]),
    )
    wrapped = datasets.wrap_dataset_for_transforms_v2(plain)
    assert isinstance(wrapped, datasets.VOCDetection)
    assert len(wrapped) == 1
    image, target = wrapped[0]
    assert type(image) is tv_tensors.Image
    assert sorted(target) == ["boxes", "labels"]
    assert target["boxes"].tolist() == [[2, 2, 5, 5]]
    assert target["labels"].tolist() == [8]
    everything = datasets.wrap_dataset_for_transforms_v2(plain, target_keys="all")[0][1]
    assert "annotation" in everything
    masks = datasets.wrap_dataset_for_transforms_v2(
        datasets.VOCSegmentation(tmp_path, "2007", "test")
    )
    assert torch.equal(masks[0][1], torch.full((1, 5, 6), 5, dtype=torch.uint8))
    fake = datasets.wrap_dataset_for_transforms_v2(datasets.FakeData(2, (3, 4, 4)))
    assert fake[1][0].size == (4, 4)
    with pytest.raises(TypeError, match="VisionDataset"):
        datasets.wrap_dataset_for_transforms_v2([1])
    with pytest.raises(ValueError, match="target_keys"):
        datasets.wrap_dataset_for_transforms_v2(plain, "boxes")


def test_coco_needs_its_package(tmp_path):
    try:
        import pycocotools  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pycocotools"):
            datasets.CocoDetection(tmp_path, "annotations.json")


@pytest.mark.parametrize(
    "name",
    ["DTD", "Food101", "FGVCAircraft", "SUN397", "RenderedSST2", "Flowers102", "EuroSAT", "GTSRB"]
    + ["Country211", "Imagenette", "Caltech101", "Caltech256", "Omniglot", "STL10", "OxfordIIITPet"]
    + ["CelebA", "VOCSegmentation", "USPS"],
)
def test_missing_files_are_named(name, tmp_path):
    with pytest.raises(RuntimeError, match="not found"):
        getattr(datasets, name)(tmp_path)
