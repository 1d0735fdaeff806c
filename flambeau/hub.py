"""Downloads of state dicts into PyTorch's cache folder, where earlier downloads are found."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url",
           "set_dir"]  # fmt: skip

_CHUNK = 1 << 17
_TIMEOUT = 60
# `resnet18-f37072fd.pth`: the first digits of the content's SHA-256.
_HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,64})\.")
_chosen_dir: str | None = None


def get_dir() -> str:
    """The folder for downloads: what `set_dir` was given, else `hub` in `$TORCH_HOME`,
    `$XDG_CACHE_HOME/torch` or `~/.cache/torch`."""
    if _chosen_dir is not None:
        return _chosen_dir
    return os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Choose the folder for downloads."""
    global _chosen_dir
    _chosen_dir = os.path.expanduser(os.fspath(d))


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """Download a checkpoint, unless it is in the cache already, and load it.

    Where the file's name has the form `name-<sha256>.ext`, with the first eight or more digits of
    the content's SHA-256, a download is checked against it; a file that is in the cache already
    and differs is loaded with a warning.

    Args:
        model_dir: the folder for the file; `checkpoints` in `get_dir()` where it is left out.
        map_location, weights_only: as for `torch.load`.
        progress: whether to show a progress bar.
        check_hash: check a name whose eight digits are all decimal too, which may be a date.
        file_name: the file's name; the URL's where it is left out.

    Raises:
        RuntimeError: the download's content is not what its name says.
        urllib.error.URLError: the download failed.
    """
    from urllib.parse import urlparse

    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.fspath(model_dir)
    name = file_name or os.path.basename(urlparse(url).path)
    if not name or os.path.basename(name) != name:
        raise ValueError(f"{name!r} is no name for a file: give file_name for {url}")
    path = os.path.join(os.path.expanduser(folder), name)
    expected = _hash_in(name, check_hash)
    if os.path.exists(path):
        _warn_if_different(path, expected, url)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        download_url_to_file(url, path, expected, progress)
    loaded: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=weights_only)
    return loaded


def download_url_to_file(
    url: str,
    dst: str | os.PathLike[str],
    hash_prefix: str | None = None,
    progress: bool = True,
) -> None:
    """Download a file. It appears under `dst` only when it is complete and checked.

    Args:
        dst: the file's path; its folder exists.
        hash_prefix: the first digits of the content's SHA-256, where they are known.
        progress: whether to show a progress bar (with tqdm, where that is installed).

    Raises:
        urllib.error.URLError: the server can't be reached, or broke off; `HTTPError` where it
            refused.
        RuntimeError: the content is not what `hash_prefix` says.
    """
    from hashlib import sha256

    from flambeau.serialization.files import atomic_file

    dst = os.path.expanduser(os.fspath(dst))
    digest = sha256()
    with atomic_file(dst) as file:
        for chunk in _receive(url, dst, progress):
            digest.update(chunk)
            file.write(chunk)
        found = digest.hexdigest()
        if hash_prefix and not found.startswith(hash_prefix):
            raise RuntimeError(
                f'invalid hash value (expected "{hash_prefix}", got "{found}"): what {url} gave '
                "is damaged or another file, and was thrown away"
            )


def _receive(url: str, dst: str, progress: bool) -> Iterator[bytes]:
    """The content of a URL, chunk by chunk."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    by_hand = f"Download it in another way and put it at {dst}, where it is then found."
    try:
        with urlopen(Request(url, headers={"User-Agent": "flambeau"}), timeout=_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            received = 0
            advance, finish = _progress_bar(total, progress)
            try:
                while chunk := answer.read(_CHUNK):
                    received += len(chunk)
                    advance(len(chunk))
                    yield chunk
            finally:
                finish()
            if total is not None and received != total:
                raise ConnectionError(f"{received} of {total} bytes came")
    except HTTPError as error:
        reason = f"{error.reason}: {url} can't be downloaded. {by_hand}"
        raise HTTPError(url, error.code, reason, error.headers, None) from error
    except URLError as error:
        raise URLError(f"{url} can't be reached ({error.reason}). {by_hand}") from error
    except (HTTPException, OSError) as error:
        what = str(error) or type(error).__name__
        raise URLError(f"the download of {url} broke off ({what}). {by_hand}") from error


def _progress_bar(
    total: int | None, progress: bool
) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    """What to call for each piece, and at the end. Without tqdm nothing is shown."""
    if progress:
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            bar = tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024)
            return bar.update, bar.close
    return (lambda _count: None), (lambda: None)


def _hash_in(name: str, check_hash: bool) -> str | None:
    match = _HASH_IN_NAME.search(name)
    if match is None or (match[1].isdigit() and not check_hash):
        return None
    return match[1]


def _warn_if_different(path: str, expected: str | None, url: str) -> None:
    if expected is None:
        return
    import hashlib

    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(expected):
        warnings.warn(
            f"{path} is not the file that its name says: its SHA-256 begins with "
            f"{found[: len(expected)]}. It is loaded nevertheless; delete it to download it "
            f"again from {url}",
            UserWarning,
            stacklevel=3,
        )


def load(repo_or_dir: str, model: str, *args: Any, source: str = "github",
         trust_repo: bool | str | None = "check", force_reload: bool = False, verbose: bool = True,
         skip_validation: bool = False, **kwargs: Any) -> Any:  # fmt: skip
    """Call the entry point `model(*args, **kwargs)` of a repository's `hubconf.py`.

    See `flambeau._hub_repositories` for what the arguments say and which errors are raised.
    """
    from flambeau import _hub_repositories as repositories

    config = repositories.config_of(repo_or_dir, source, trust_repo, force_reload, verbose)
    return repositories.entry_of(config, model)(*args, **kwargs)


def list(github: str, force_reload: bool = False, skip_validation: bool = False,  # noqa: A001
         trust_repo: bool | str | None = "check", verbose: bool = True) -> Any:  # fmt: skip
    """The names of a repository's entry points."""
    from flambeau import _hub_repositories as repositories

    config = repositories.config_of(github, "github", trust_repo, force_reload, verbose)
    return repositories.entries(config)


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False,  # noqa: A001
         trust_repo: bool | str | None = "check") -> str | None:  # fmt: skip
    """The docstring of an entry point."""
    from flambeau import _hub_repositories as repositories

    config = repositories.config_of(github, "github", trust_repo, force_reload, True)
    found = repositories.entry_of(config, model).__doc__
    return found if found is None else str(found)


def _get_torch_home() -> str:
    """PyTorch's cache folder, that of `get_dir()` is in where nothing else was chosen."""
    home = os.environ.get("TORCH_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch"
    )
    return os.path.expanduser(home)


HASH_REGEX = _HASH_IN_NAME

__getattr__ = refusing(__name__)
