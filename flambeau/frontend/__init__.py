"""Tensors and the functions on them, made from the op table."""
