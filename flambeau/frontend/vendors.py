"""What `torch.backends` asks of the GPU and of its makers' libraries. Nothing is loaded before it asks."""

from __future__ import annotations


def has_gpu() -> bool:
    """Whether there is a GPU that flambeau can use."""
    from ..runtime import cuda

    return cuda.available()


def libraries() -> frozenset[str]:
    """Which of "cublaslt" and "cudnn" products and convolutions on a GPU may use."""
    from ..runtime import libraries

    return libraries.available() if has_gpu() else frozenset()


def cudnn_version() -> int | None:
    """cuDNN's version as one number."""
    from ..runtime import libraries

    return libraries.version("cudnn")
