"""Runs programs through `python -m flambeau run`, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def run(arguments: list[Any], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m flambeau run ARGUMENTS` in a folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "flambeau", "run", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def run_text(text: str, folder: Path, *arguments: Any, name: str = "script.py") -> Any:
    """The same for a script with this text, in its own folder."""
    script = folder / name
    script.write_text(text, encoding="utf-8")
    return run([script, *arguments], folder)
