"""Kernels for NVIDIA GPUs: the same groups and specials as on the CPU, as PTX through LLVM."""
