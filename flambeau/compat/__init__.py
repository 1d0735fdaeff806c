"""Running programs that were written for PyTorch."""
