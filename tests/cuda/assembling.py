"""ptxas, where it is installed: whether a kernel is code for a GPU, and what it takes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from flambeau.codegen.cuda.kernel import GpuKernel, target
from flambeau.runtime import native


class Assembled(NamedTuple):
    """What ptxas says of a kernel."""

    registers: int
    spilled: int
    """Bytes that registers were too few for."""
    shared: int
    """Bytes of static shared memory."""


@cache
def ptxas() -> str | None:
    """Where ptxas is: in the wheel nvidia-cuda-nvcc (-cu12), or on PATH."""
    try:
        found = importlib.util.find_spec("nvidia")
    except (ImportError, ValueError):
        found = None
    for root in (found.submodule_search_locations or ()) if found else ():
        for path in Path(root).glob("*/bin/ptxas*"):
            if os.access(path, os.X_OK):
                return str(path)
    return shutil.which("ptxas")


needs_ptxas = pytest.mark.skipif(ptxas() is None, reason="needs ptxas (nvidia-cuda-nvcc-cu12)")


def assemble(ptx: str, arch: int) -> Assembled:
    """Assemble PTX for a compute capability (75, 80, 90). Raises AssertionError with what ptxas says."""
    program = ptxas()
    assert program is not None, "there is no ptxas"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        done = subprocess.run(
            [program, f"-arch=sm_{arch}", "-v", str(source), "-o", str(Path(folder, "kernel.cubin"))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    told = done.stderr + done.stdout
    assert done.returncode == 0, told

    def most(pattern: str) -> int:
        return max(map(int, re.findall(pattern, told)), default=0)

    return Assembled(
        most(r"Used (\d+) registers"), most(r"(\d+) bytes spill stores"), most(r"(\d+) bytes smem")
    )


def ptx_of(kernel: GpuKernel, arch: int) -> str:
    """A kernel's PTX; the kernel is called `kernel_under_test`."""
    to = target(arch)
    return native.assembly(kernel.emit(to, "kernel_under_test"), to)
