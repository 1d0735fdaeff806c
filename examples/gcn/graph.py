"""A made graph in the manner of citation networks: groups that mostly know each other."""

import numpy as np
import torch


def make(nodes=120, classes=3, words=40, seed=0):
    """Features (N, words), labels (N,), edges (2, E); the same for a seed.

    Papers of one class use the same words more often, and cite each other more often.
    """
    chance = np.random.RandomState(seed)
    labels = np.arange(nodes) % classes
    favourite = chance.rand(classes, words) < 0.3
    features = (chance.rand(nodes, words) < np.where(favourite[labels], 0.25, 0.08)).astype("float32")
    same = labels[:, None] == labels[None, :]
    linked = np.triu(chance.rand(nodes, nodes) < np.where(same, 0.12, 0.01), 1)
    edges = np.stack(np.nonzero(linked))
    return (
        torch.from_numpy(features),
        torch.from_numpy(labels.astype("int64")),
        torch.from_numpy(edges.astype("int64")),
    )


def split(nodes, seed=0):
    """Numbers of the nodes to train on, validate with and test with."""
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(seed))
    train, valid = nodes // 6, nodes // 3
    return order[:train], order[train:valid], order[valid:]
