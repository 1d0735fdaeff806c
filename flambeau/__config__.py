"""`torch.__config__`: what the library was built with, as text for people."""

from __future__ import annotations

import platform

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The versions of what computes: Python, NumPy, LLVM."""
    import numpy

    import flambeau

    try:
        from importlib.metadata import version

        llvm = f"llvmlite {version('llvmlite')}"
    except ImportError:
        llvm = "llvmlite of an unknown version"
    return (
        f"flambeau {flambeau.__version__}, with PyTorch's interface, compiled while it runs:\n"
        f"  - Python {platform.python_version()} on {platform.machine()}\n"
        f"  - NumPy {numpy.__version__}\n"
        f"  - {llvm}\n"
    )


def parallel_info() -> str:
    """How many threads compute."""
    import flambeau

    return (
        f"threads of an operation: {flambeau.get_num_threads()}\n"
        f"threads between operations: {flambeau.get_num_interop_threads()}\n"
    )
