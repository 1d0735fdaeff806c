"""Model families beside torchvision's, each built in either library by the same lines.

`FAMILIES` maps a name to a function of a library that gives a model and its loss, a function of
no arguments. Nothing in them is random but the initial parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def data(library: Any, *shape: int, seed: int = 1) -> Any:
    """Normal numbers, the same in both libraries."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return library.from_numpy(values)


def whole_numbers(library: Any, high: int, *shape: int) -> Any:
    return library.from_numpy(np.random.default_rng(2).integers(0, high, shape))


def mean_square(found: Any) -> Any:
    return found.pow(2).mean()


def sequential(*shape: int) -> Callable[..., Any]:
    """A family from a function of the library that gives layers for an input of a shape."""

    def family(layers: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def build(library: Any) -> Any:
            model = library.nn.Sequential(*layers(library))
            return model, lambda: mean_square(model(data(library, *shape)))

        return build

    return family


def recurrent(kind: str, **options: Any) -> Callable[[Any], Any]:
    def build(library: Any) -> Any:
        model = getattr(library.nn, kind)(4, 5, num_layers=2, batch_first=True, **options)
        return model, lambda: mean_square(model(data(library, 2, 3, 4))[0])

    return build


def transformer(library: Any) -> Any:
    model = library.nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)
    source, target = data(library, 2, 3, 8), data(library, 2, 4, 8, seed=3)
    return model, lambda: mean_square(model(source, target))


def encoder(library: Any) -> Any:
    layer = library.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, norm_first=True)
    model = library.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return model, lambda: mean_square(model(data(library, 3, 2, 8)))


def gpt(library: Any) -> Any:
    """A language model whose output weights are its embedding's: one tensor under two names."""
    nn = library.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
            self.norm, self.attention = (
                nn.LayerNorm(8),
                nn.MultiheadAttention(8, 2, batch_first=True),
            )
            self.register_buffer("mask", library.ones(6, 6, dtype=library.bool).triu(1))
            self.feed = nn.Sequential(
                nn.LayerNorm(8), nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8)
            )
            self.head = nn.Linear(8, 11, bias=False)
            self.head.weight = self.tokens.weight

        def forward(self, ids: Any) -> Any:
            x = self.tokens(ids) + self.places(library.arange(ids.shape[1]))
            y = self.norm(x)
            x = x + self.attention(y, y, y, attn_mask=self.mask, need_weights=False)[0]
            return self.head(x + self.feed(x))

    model, ids = Model(), whole_numbers(library, 11, 2, 6)
    cross = library.nn.functional.cross_entropy
    return model, lambda: cross(model(ids).flatten(0, 1), ids.flatten())


def embeddings(library: Any) -> Any:
    nn = library.nn
    model = nn.ModuleDict(
        {"bag": nn.EmbeddingBag(7, 4, mode="mean"), "bilinear": nn.Bilinear(4, 4, 2)}
    )
    ids = whole_numbers(library, 7, 3, 2)
    return model, lambda: mean_square(model["bilinear"](model["bag"](ids), data(library, 3, 4)))


def collections_of_parameters(library: Any) -> Any:
    nn = library.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.many = nn.ParameterList([nn.Parameter(library.ones(2, 3)) for _ in range(3)])
            self.named = nn.ParameterDict({"scale": nn.Parameter(library.ones(3))})
            self.register_buffer("passing", library.zeros(3), persistent=False)
            self.steps = nn.Buffer(library.zeros((), dtype=library.int64))

        def forward(self, x: Any) -> Any:
            self.steps += 1
            return sum(x * w for w in self.many) * self.named["scale"]

    model = Model()
    return model, lambda: mean_square(model(data(library, 2, 3)))


def averaged(library: Any) -> Any:
    """A model beside the moving average of its parameters, as one state dict."""
    nn, averages = library.nn, library.optim.swa_utils
    inner = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    average = averages.AveragedModel(
        inner, multi_avg_fn=averages.get_ema_multi_avg_fn(0.9), use_buffers=True
    )

    def loss() -> Any:
        average.update_parameters(inner)
        return mean_square(inner(data(library, 5, 4)))

    return nn.ModuleList([inner, average]), loss


def parametrized(way: str) -> Callable[[Any], Any]:
    def layers(library: Any) -> Any:
        nn = library.nn
        wrap = getattr(nn.utils.parametrizations, way)
        return [wrap(nn.Linear(4, 3)), nn.Tanh(), wrap(nn.Linear(3, 2))]

    return sequential(5, 4)(layers)


def reparametrized(way: str) -> Callable[[Any], Any]:
    return sequential(5, 4)(
        lambda library: [getattr(library.nn.utils, way)(library.nn.Linear(4, 3))]
    )


@sequential(4, 6, 5, 5)
def norms(library: Any) -> Any:
    nn = library.nn
    return [
        nn.BatchNorm2d(6), nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
        nn.LayerNorm((5, 5)), nn.RMSNorm(5), nn.PReLU(6),
    ]  # fmt: skip


@sequential(2, 3, 8, 8)
def convolutions(library: Any) -> Any:
    nn = library.nn
    down, up = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 3, 4, 2, 1)
    return [down, nn.BatchNorm2d(4, momentum=None), nn.LeakyReLU(), up]


@sequential(5, 4)
def lazy(library: Any) -> Any:
    """Lazy layers: loading gives them their shapes."""
    return [library.nn.LazyLinear(3), library.nn.LazyBatchNorm1d(), library.nn.LazyLinear(2)]


@sequential(5, 4)
def narrow(library: Any) -> Any:
    """A layer in bfloat16 that is not trained, in front of one that is."""
    nn = library.nn

    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 3, dtype=library.bfloat16).requires_grad_(False)
            self.codes = nn.Buffer(library.arange(4).to(library.float8_e4m3fn))

        def forward(self, x: Any) -> Any:
            return self.inner((x + self.codes.float()).bfloat16()).float()

    return [Narrow(), nn.Linear(3, 2)]


FAMILIES: dict[str, Callable[[Any], Any]] = {
    "rnn": recurrent("RNN"),
    "lstm": recurrent("LSTM", bidirectional=True, proj_size=2),
    "gru": recurrent("GRU", bias=False),
    "transformer": transformer,
    "encoder": encoder,
    "gpt": gpt,
    "norms": norms,
    "convolutions": convolutions,
    "embeddings": embeddings,
    "parameter lists": collections_of_parameters,
    "averaged": averaged,
    "weight norm": parametrized("weight_norm"),
    "spectral norm": parametrized("spectral_norm"),
    "orthogonal": parametrized("orthogonal"),
    "old weight norm": reparametrized("weight_norm"),
    "old spectral norm": reparametrized("spectral_norm"),
    "lazy": lazy,
    "narrow": narrow,
}
