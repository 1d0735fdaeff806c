"""Downloads, from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

import flambeau as torch
from flambeau import hub


def _checkpoint(value: float) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.tensor([value])}, buffer)
    return buffer.getvalue()


CONTENT = _checkpoint(1.0)
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f"net-{PREFIX}.pth"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/missing.pth":
            self.send_error(404)
            return
        self.send_response(200)
        length = len(CONTENT) + (100 if self.path == "/short.pth" else 0)
        if self.path != "/unsized.pth":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def url(server: HTTPServer) -> str:
    server.asked.clear()  # type: ignore[attr-defined]
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "_chosen_dir", None)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_folder(tmp_path: Path, monkeypatch: Any) -> None:
    assert hub.get_dir() == str(tmp_path / "hub")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert hub.get_dir() == str(tmp_path / "xdg" / "torch" / "hub")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub.get_dir() == str(tmp_path / ".cache" / "torch" / "hub")
    hub.set_dir(tmp_path / "mine")
    assert hub.get_dir() == str(tmp_path / "mine")


def test_a_download_is_kept(url: str, server: Any, tmp_path: Path) -> None:
    for _ in range(2):
        found = hub.load_state_dict_from_url(f"{url}/{NAME}?from=here", progress=False)
        assert found["weight"].tolist() == [1.0]
    assert server.asked == [f"/{NAME}?from=here"]
    assert (tmp_path / "hub" / "checkpoints" / NAME).read_bytes() == CONTENT


def test_folder_and_name_of_ones_own(url: str, tmp_path: Path) -> None:
    hub.load_state_dict_from_url(f"{url}/a.pth", tmp_path / "x", "cpu", False, file_name="b.pth")
    assert _files(tmp_path) == ["b.pth"]
    assert (tmp_path / "x" / "b.pth").exists()
    for name in ("../c.pth", "/c.pth"):
        with pytest.raises(ValueError, match="no name for a file"):
            hub.load_state_dict_from_url(f"{url}/a.pth", tmp_path / "x", file_name=name)
    with pytest.raises(ValueError, match="give file_name"):
        hub.load_state_dict_from_url(f"{url}/")


def test_a_download_that_is_not_what_its_name_says(url: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "deadbeef"'):
        hub.load_state_dict_from_url(f"{url}/net-deadbeef.pth", progress=False)
    assert _files(tmp_path) == []


def test_a_date_in_a_name_is_no_hash(url: str, tmp_path: Path) -> None:
    hub.load_state_dict_from_url(f"{url}/net-20240131.pth", progress=False)
    (tmp_path / "hub" / "checkpoints" / "net-20240131.pth").unlink()
    with pytest.raises(RuntimeError, match="invalid hash"):
        hub.load_state_dict_from_url(f"{url}/net-20240131.pth", progress=False, check_hash=True)


def test_a_cached_file_that_differs_is_used_with_a_warning(
    url: str, server: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(_checkpoint(2.0))
    with pytest.warns(UserWarning, match="delete it to download it again"):
        found = hub.load_state_dict_from_url(f"{url}/{NAME}")
    assert found["weight"].tolist() == [2.0]
    (folder / NAME).write_bytes(CONTENT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hub.load_state_dict_from_url(f"{url}/{NAME}")
    assert server.asked == []


def test_a_file(url: str, tmp_path: Path) -> None:
    hub.download_url_to_file(f"{url}/unsized.pth", tmp_path / "a", progress=False)
    hub.download_url_to_file(f"{url}/x", str(tmp_path / "b"), PREFIX)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT
    with pytest.raises(RuntimeError, match="Parent directory"):
        hub.download_url_to_file(f"{url}/x", tmp_path / "nowhere" / "a")


def test_failures_name_the_url_and_the_place(url: str, tmp_path: Path) -> None:
    target = tmp_path / "a.pth"
    target.write_bytes(b"before")
    with pytest.raises(HTTPError, match="missing.pth.*put it at .*a.pth") as refused:
        hub.download_url_to_file(f"{url}/missing.pth", target)
    assert refused.value.code == 404
    with pytest.raises(URLError, match="short.pth broke off.*put it at .*a.pth"):
        hub.download_url_to_file(f"{url}/short.pth", target, progress=False)
    # Port 1 belongs to nobody.
    with pytest.raises(URLError, match="127.0.0.1:1/x can't be reached.*put it at .*a.pth"):
        hub.download_url_to_file("http://127.0.0.1:1/x", target)
    assert target.read_bytes() == b"before"
    assert _files(tmp_path) == ["a.pth"]


def test_progress(url: str, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("tqdm")
    hub.download_url_to_file(f"{url}/x", tmp_path / "a")
    assert "100%" in capsys.readouterr().err
    hub.download_url_to_file(f"{url}/x", tmp_path / "a", progress=False)
    assert capsys.readouterr().err == ""


def test_without_tqdm(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tqdm", None)
    hub.download_url_to_file(f"{url}/x", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


HUBCONF = """
dependencies = ["torch", "numpy"]
import torch
from beside import width

def net(bias=True):
    "A net."
    return torch.nn.Linear(width, 2, bias=bias)

def _hidden():
    pass
"""


def test_a_local_repository(tmp_path: Path) -> None:
    from flambeau import _hub_repositories as repositories
    from flambeau.compat import names

    (tmp_path / "hubconf.py").write_text(HUBCONF)
    (tmp_path / "beside.py").write_text("width = 3")
    try:
        net = hub.load(str(tmp_path), "net", source="local", bias=False)
        assert net.in_features == 3 and net.bias is None
        config = repositories.config_of(str(tmp_path), "local", True, False, False)
        assert repositories.entries(config) == ["net"]
        assert repositories.entry_of(config, "net").__doc__ == "A net."
        with pytest.raises(RuntimeError, match="Cannot find callable other"):
            hub.load(str(tmp_path), "other", source="local")
        with pytest.raises(ValueError, match="Unknown source"):
            hub.load(str(tmp_path), "net", source="moon")
        with pytest.raises(FileNotFoundError, match="hubconf.py"):
            hub.load(str(tmp_path / "none"), "net", source="local")
    finally:
        names.remove()


def test_a_repository_from_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    from flambeau import _hub_repositories as repositories
    from flambeau.compat import names

    asked = []

    def download(url: str, dst: str, progress: bool) -> None:
        asked.append(url)
        with zipfile.ZipFile(dst, "w") as archive:
            archive.writestr("name-abc/hubconf.py", HUBCONF)
            archive.writestr("name-abc/beside.py", "width = 3")

    monkeypatch.setattr(hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(hub, "download_url_to_file", download)
    monkeypatch.setattr("builtins.input", lambda text: "n")
    try:
        with pytest.raises(Exception, match="Untrusted repository"):
            hub.list("owner/name")
        assert hub.list("owner/name:v1", trust_repo=True) == ["net"]
        assert hub.help("owner/name:v1", "net") == "A net."
        assert asked == ["https://github.com/owner/name/zipball/v1"]
    finally:
        names.remove()
    with pytest.raises(ValueError, match="is no repository"):
        repositories.parse("../x")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../evil", "")
    with pytest.raises(RuntimeError, match="leads out"):
        repositories._unpack(str(tmp_path / "bad.zip"), str(tmp_path / "bad"))
