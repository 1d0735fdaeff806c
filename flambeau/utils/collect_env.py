"""`python -m torch.utils.collect_env`: what a bug report should say of the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import NamedTuple

import flambeau as torch

_PACKAGES = ("numpy", "llvmlite", "pillow", "matplotlib", "safetensors", "tqdm")


class SystemEnv(NamedTuple):
    """What is known of the machine and what is installed."""

    torch_version: str
    python_version: str
    os: str
    cpu_info: str
    cpu_capability: str
    threads: int
    is_cuda_available: bool
    pip_packages: str


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        found = []
    return f"{found[0] if found else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _packages() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return " ".join(found)


def get_env_info() -> SystemEnv:
    """Look."""
    return SystemEnv(
        torch.__version__, sys.version.replace("\n", " "), platform.platform(), _cpu(),
        torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), torch.cuda.is_available(),
        _packages(),
    )  # fmt: skip


def pretty_str(envinfo: SystemEnv) -> str:
    """A line each."""
    titles = ("flambeau version", "Python version", "OS", "CPU", "Vectors", "Threads",
              "Is CUDA available", "Packages")  # fmt: skip
    return "\n".join(f"{title}: {value}" for title, value in zip(titles, envinfo))


def get_pretty_env_info() -> str:
    """All of it as text."""
    return pretty_str(get_env_info())


def main() -> None:
    """Print it."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
