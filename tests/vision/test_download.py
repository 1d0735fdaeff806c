"""Downloads and archives, from this machine's own files and a server on it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from small_files import SmallCIFAR, write_cifar

from flambeau.vision import datasets
from flambeau.vision.datasets import utils

CONTENT = b"handwritten digits" * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `/whole`, and `/cut`, which ends early."""

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:100])

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_download_and_checksums(server, tmp_path):
    utils.download_url(f"{server}/whole", tmp_path / "deep", "file", MD5)
    path = tmp_path / "deep" / "file"
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file"]
    assert utils.calculate_md5(path, 7) == MD5
    assert utils.check_md5(path, MD5)
    assert utils.check_integrity(path, MD5)
    assert utils.check_integrity(path)
    assert not utils.check_integrity(path, "0" * 32)
    assert not utils.check_integrity(tmp_path / "none")
    utils.download_url("http://127.0.0.1:1/whole", tmp_path / "deep", "file", MD5)


def test_mirrors_are_tried_in_turn(server, tmp_path):
    urls = [f"{server}/missing", f"{server}/cut", f"{server}/whole"]
    utils.download_from_mirrors(urls, tmp_path, "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_failed_download_says_what_was_tried(server, tmp_path):
    urls = [f"{server}/missing", f"{server}/cut", "http://127.0.0.1:1/refused"]
    with pytest.raises(RuntimeError) as caught:
        utils.download_from_mirrors(urls, tmp_path, "file", MD5)
    text = str(caught.value)
    assert all(url in text for url in urls)
    assert "404" in text
    assert f"after 100 of {len(CONTENT)} bytes" in text
    assert f"put the file (md5 {MD5}) into {tmp_path} by hand" in text
    assert os.listdir(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(RuntimeError, match="its md5 is"):
        utils.download_url(f"{server}/whole", tmp_path, "file", "0" * 32)
    assert os.listdir(tmp_path) == []


def archive_of(tmp_path, kind, members):
    path = tmp_path / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz"])
def test_archives(tmp_path, kind):
    path = archive_of(tmp_path, kind, {"one/two.txt": b"2", "three.txt": b"3"})
    utils.extract_archive(path, tmp_path / "out", remove_finished=True)
    assert (tmp_path / "out" / "one" / "two.txt").read_bytes() == b"2"
    assert (tmp_path / "out" / "three.txt").read_bytes() == b"3"
    assert not path.exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_archives_stay_in_their_folder(tmp_path, kind, name):
    path = archive_of(tmp_path, kind, {"good": b"1", name: b"2"})
    with pytest.raises(RuntimeError, match="leads out of the folder"):
        utils.extract_archive(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archives_with_links_are_refused(tmp_path):
    path = tmp_path / "archive.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    with pytest.raises(RuntimeError, match="no plain file"):
        utils.extract_archive(path, tmp_path / "out")


def test_a_single_compressed_file(tmp_path):
    (tmp_path / "values.gz").write_bytes(gzip.compress(CONTENT))
    assert utils.extract_archive(tmp_path / "values.gz") == str(tmp_path / "values")
    assert (tmp_path / "values").read_bytes() == CONTENT
    (tmp_path / "broken.gz").write_bytes(gzip.compress(CONTENT)[:-9])
    with pytest.raises(RuntimeError, match="damaged"):
        utils.extract_archive(tmp_path / "broken.gz")
    assert not (tmp_path / "broken").exists()
    with pytest.raises(RuntimeError, match="no archive"):
        utils.extract_archive(tmp_path / "values")


def test_mnist_downloads_what_is_missing(mnist_folder):
    raw = mnist_folder / "MNIST" / "raw"
    origin = mnist_folder / "origin"
    origin.mkdir()
    resources = []
    for name, _ in datasets.MNIST.resources:
        plain = raw / name.removesuffix(".gz")
        packed = gzip.compress(plain.read_bytes()) if plain.exists() else (raw / name).read_bytes()
        (origin / name).write_bytes(packed)
        resources.append((name, hashlib.md5(packed).hexdigest()))

    class LocalMNIST(datasets.MNIST):
        """MNIST from two folders of this machine, the first of which is not there."""

    LocalMNIST.mirrors = ["file:///nowhere/", origin.as_uri() + "/"]
    LocalMNIST.resources = resources
    target = mnist_folder / "fresh"
    train = LocalMNIST(target, download=True)
    assert len(train) == 20
    assert sorted(os.listdir(target / "LocalMNIST" / "raw")) == sorted(
        [name for name, _ in resources] + [name.removesuffix(".gz") for name, _ in resources]
    )
    LocalMNIST.mirrors = []
    assert len(LocalMNIST(target, train=False, download=True)) == 10


def test_cifar_downloads_its_archive(tmp_path):
    write_cifar(tmp_path)
    archive = tmp_path / "small.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")

    class LocalCIFAR(SmallCIFAR):
        url, filename = archive.as_uri(), "small.tar.gz"
        tgz_md5 = utils.calculate_md5(archive)

    with pytest.warns(UserWarning, match="differ"):
        assert len(LocalCIFAR(tmp_path / "fresh", download=True)) == 20
