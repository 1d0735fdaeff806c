"""Nested containers as leaves and a structure: what `torch.utils._pytree` is made of."""
