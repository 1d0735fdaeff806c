"""Repositories of models: their `hubconf.py`, in a folder or downloaded from GitHub.

What is loaded is a program by others. It runs here as under `python -m flambeau run`: its `import
torch` is flambeau. A repository from GitHub runs only where `trust_repo` says so, or the user does
when asked ("check": once for each repository).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from flambeau import hub
from flambeau.errors import shown

_CONFIG = "hubconf.py"
_NEEDS = "dependencies"


def config_of(where: str, source: str, trust: bool | str | None, again: bool, verbose: bool) -> ModuleType:
    """The module `hubconf` of a repository.

    Args:
        where: `owner/name[:branch or tag]`, or with source "local" a folder.
        source: "github" or "local".
        trust: True: run it; "check": ask once; False: ask each time; None: warn.
        again: download it though it is there.

    Raises:
        ValueError: `source` is another word, or `where` is no name of a repository.
        FileNotFoundError: there is no `hubconf.py`.
        RuntimeError: a package that it names is not installed.
    """
    if source not in ("github", "local"):
        raise ValueError(
            f'Unknown source: "{source}". Allowed values: "github" | "local".'
        )
    folder = where if source == "local" else _download(where, trust, again, verbose)
    path = os.path.join(folder, _CONFIG)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is not there: a repository for the hub has it at its top")
    return _imported(path, folder)


def entries(config: ModuleType) -> list[str]:
    """The names of the functions that a `hubconf` offers."""
    return [n for n, f in vars(config).items() if callable(f) and not n.startswith("_")]


def entry_of(config: ModuleType, name: str) -> Callable[..., Any]:
    """One of them. Raises ValueError where the name is no string, RuntimeError where it is none."""
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    _check_needs(config)
    found = getattr(config, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf: it has {entries(config)}")
    return found  # type: ignore[no-any-return]


def _check_needs(config: ModuleType) -> None:
    missing = [p for p in getattr(config, _NEEDS, None) or () if not _installed(p)]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")


def _installed(package: str) -> bool:
    return package in ("torch", "torchvision") or importlib.util.find_spec(package) is not None


def _imported(path: str, folder: str) -> ModuleType:
    """The module at `path`, whose own modules are found beside it and whose torch is flambeau."""
    from importlib import import_module

    import_module("flambeau.compat.names").install()
    sys.path.insert(0, os.path.abspath(folder))
    try:
        spec = importlib.util.spec_from_file_location("hubconf", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(os.path.abspath(folder))


# --- GitHub -------------------------------------------------------------------------------------


def parse(where: str) -> tuple[str, str, str]:
    """`owner/name:ref` in parts; without a ref it is "main"."""
    place, _, ref = where.partition(":")
    owner, slash, name = place.partition("/")
    if not slash or not owner or not name or "/" in name or ".." in where:
        raise ValueError(
            f"{shown(where)} is no repository: write 'owner/name' or 'owner/name:branch'"
        )
    return owner, name, ref or "main"


def _download(where: str, trust: bool | str | None, again: bool, verbose: bool) -> str:
    """The folder of a repository, downloaded unless it is there."""
    owner, name, ref = parse(where)
    home = hub.get_dir()
    os.makedirs(home, exist_ok=True)
    folder = os.path.join(home, "_".join((owner, name, ref.replace("/", "_"))))
    _check_trust(home, owner, name, trust)
    if os.path.exists(folder) and not again:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    packed = os.path.join(home, f"{ref.replace('/', '_')}.zip")
    url = f"https://github.com/{owner}/{name}/zipball/{ref}"
    sys.stderr.write(f'Downloading: "{url}" to {packed}\n')
    hub.download_url_to_file(url, packed, progress=False)
    _unpack(packed, folder)
    os.remove(packed)
    return folder


def _unpack(packed: str, folder: str) -> None:
    """Put an archive's one folder at `folder`. Names that lead out of it are an error."""
    from flambeau.utils._archives import extract

    partial = folder + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        extract(packed, partial)
        tops = os.listdir(partial)
        if len(tops) != 1:
            raise RuntimeError(f"{packed} is no repository: it holds {sorted(tops)[:10]}, not one folder")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(os.path.join(partial, tops[0]), folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_trust(home: str, owner: str, name: str, trust: bool | str | None) -> None:
    """Ask whether a repository may run, where that is not known."""
    if trust not in (True, False, None, "check"):
        raise ValueError("trust_repo has to be True, False, None or 'check'")
    path, repository = os.path.join(home, "trusted_list"), f"{owner}_{name}"
    known: list[str] = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            known = [line.strip() for line in file]
    trusted = repository in known or owner == "pytorch"
    if trust is None:
        if not trusted:
            import warnings

            warnings.warn(f"code of {owner}/{name} is about to run, which nobody has said to trust: "
                          "write trust_repo=True or 'check'", stacklevel=4)  # fmt: skip
        return
    if trust is False or (trust == "check" and not trusted):
        answer = input(f"The repository {owner}/{name} is code that will run. Do you trust it (y/N)? ")
        if answer.strip().lower() not in ("y", "yes"):
            raise Exception("Untrusted repository.")
    if repository not in known:
        with open(path, "a", encoding="utf-8") as file:
            file.write(repository + "\n")
