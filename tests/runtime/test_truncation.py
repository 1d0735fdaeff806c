"""Files that get shorter while they are mapped into memory."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="elsewhere such a file ends the process",
)

BEGIN = """
import os, sys
import numpy as np
import flambeau as torch
from flambeau.engine import tiering
path = sys.argv[1]

def told(work):
    try:
        work()
        torch.ones(2).sum().item()  # where the last look was what touched the page
    except OSError as error:
        assert "was made shorter" in str(error) and path in str(error), error
        return
    raise AssertionError("no error")
"""
PROGRAMS = {
    "a checkpoint": """
torch.save({"a": torch.ones(300_000), "b": torch.ones(5)}, path)
found = torch.load(path, mmap=True)
os.truncate(path, 10)
told(lambda: found["a"].clone().sum().item())
assert found["a"].sum().item() == 0
torch.save(torch.ones(3000), path)
found = torch.load(path, mmap=True)
os.truncate(path, 10)
told(lambda: torch.save(found, path))
assert os.path.getsize(path) == 10
torch.save(torch.ones(3), path)
assert torch.load(path, mmap=True).tolist() == [1, 1, 1]
""",
    "compiled": """
torch.save({"a": torch.ones(300_000)}, path)
found = torch.load(path, mmap=True)["a"]
for _ in range(4):
    assert (found * 2).sum().item() == 600_000
    tiering.wait_for_compiler()
again = torch.load(path, mmap=True)["a"]
os.truncate(path, 10)
told(lambda: (again * 2).sum().item())
assert (again * 2).sum().item() == 0
""",
    "from_file": """
for shared in (False, True):
    np.ones(100_000, np.float32).tofile(path)
    x = torch.from_file(path, shared=shared, size=100_000)
    os.truncate(path, 0)
    told(lambda: x.sum().item())
    np.ones(100_000, np.float32).tofile(path)
    storage = torch.UntypedStorage.from_file(path, shared, 400_000)
    os.truncate(path, 0)
    told(lambda: storage[200_000])
""",
    "written": """
np.ones(100_000, np.float32).tofile(path)
x = torch.from_file(path, shared=True, size=100_000)
os.truncate(path, 4096)
told(lambda: x.fill_(2).sum().item())
assert x[0].item() == 2
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_process_lives_and_the_program_hears_of_it(name: str, tmp_path: Path) -> None:
    code = BEGIN + PROGRAMS[name]
    command = [sys.executable, "-c", code, str(tmp_path / "a.pt")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_other_bus_errors_end_the_process_as_before(tmp_path: Path) -> None:
    code = BEGIN + (
        "import mmap, signal\n"
        "torch.save(torch.ones(3), path); torch.load(path, mmap=True)\n"
        "file = open(path, 'rb'); mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "os.truncate(path, 0); mapped[0]"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.pt")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGBUS, done.stderr
