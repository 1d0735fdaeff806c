"""Downloads from servers that hang, lie and lead astray: no file under its name that isn't whole."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from flambeau import hub
from flambeau.vision.datasets import utils

CONTENT = b"weights" * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA = hashlib.sha256(CONTENT).hexdigest()
_enough = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Each path misbehaves in its own way."""

    def do_GET(self) -> None:
        name = self.path[1:].partition("-")[0].partition(".")[0]
        if name == "whole":
            self._head(len(CONTENT))
            self.wfile.write(CONTENT)
        elif name == "silent":
            _enough.wait(20)
        elif name == "stalls":
            self._head(len(CONTENT))
            self.wfile.write(CONTENT[:100])
            self.wfile.flush()
            _enough.wait(20)
        elif name == "more":
            self._head(len(CONTENT))
            self.wfile.write(CONTENT + b"and more")
        elif name == "other":
            self._head(len(CONTENT))
            self.wfile.write(CONTENT[::-1])
        elif name == "unsized":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT[:-1])
        elif name == "negative":
            self._head(-5)
            self.wfile.write(CONTENT)
        elif name == "chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"10\r\nweights\r\nnonsense")
        elif name == "rubbish":
            self.wfile.write(b"\x00\xff" * 100)
        else:
            self.send_response(302)
            self.send_header("Location", {"local": "file:///etc/passwd", "loop": "/loop",
                                          "moved": "/whole", "odd": "gopher://x"}[name])  # fmt: skip
            self.end_headers()

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    _enough.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.daemon_threads = True
        served.block_on_close = False
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        _enough.set()
        served.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "_TIMEOUT", 0.3)
    monkeypatch.setattr(hub, "_TIMEOUT", 0.3)


BAD = ["silent", "stalls", "other", "unsized", "chunks", "rubbish", "local", "loop", "odd"]


@pytest.mark.parametrize("how", BAD)
def test_a_bad_mirror_is_named_and_the_next_is_tried(server: str, tmp_path: Path, how: str) -> None:
    start = time.monotonic()
    bad = f"{server}/{how}"
    with pytest.raises(RuntimeError) as caught:
        utils.download_from_mirrors([bad, "http://127.0.0.1:1/x"], tmp_path, "file", MD5)
    assert bad in str(caught.value) and "127.0.0.1:1" in str(caught.value)
    assert os.listdir(tmp_path) == []
    utils.download_from_mirrors([bad, f"{server}/whole"], tmp_path, "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT and os.listdir(tmp_path) == ["file"]
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("how", ["more", "negative", "moved"])
def test_servers_that_are_odd_but_give_the_file(server: str, tmp_path: Path, how: str) -> None:
    utils.download_url(f"{server}/{how}", tmp_path, "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("how", BAD)
def test_the_hub_keeps_what_was_there(server: str, tmp_path: Path, how: str) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"before")
    with pytest.raises((URLError, RuntimeError), match="127.0.0.1"):
        hub.download_url_to_file(f"{server}/{how}", target, SHA, progress=False)
    assert target.read_bytes() == b"before" and os.listdir(tmp_path) == ["file"]
    hub.download_url_to_file(f"{server}/whole", target, SHA, progress=False)
    assert target.read_bytes() == CONTENT


def test_a_second_run_mends_what_is_there(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:50])
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        utils.download_url(f"{server}/other", tmp_path, "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT[:50]
    utils.download_url(f"{server}/whole", tmp_path, "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["", "..", "."])
def test_addresses_without_a_name(server: str, tmp_path: Path, name: str) -> None:
    with pytest.raises((RuntimeError, ValueError), match="name|downloaded"):
        utils.download_url(f"{server}/{name}", tmp_path / "in")
    assert not (tmp_path / "in").exists() or os.listdir(tmp_path / "in") == []


def test_cached_rubbish_is_an_error_of_loading(tmp_path: Path) -> None:
    from pickle import UnpicklingError

    (tmp_path / "x.pth").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises((RuntimeError, UnpicklingError)):
        hub.load_state_dict_from_url("http://127.0.0.1:1/x.pth", tmp_path)
