"""`torch.lstm` and its kin: recurrent networks with the arguments that PyTorch's C++ gives them."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from . import functional as F
from .modules.module import Module
from .modules.rnn import RNNBase, _gru_step, _lstm_step

Tensor = torch.Tensor

_TAIL = ("params", "has_biases", "num_layers", "dropout", "train", "bidirectional")


class _Given(RNNBase):
    """A network of given weights: for each layer and direction w_ih, w_hh, the biases, and w_hr
    where the state is a projection."""

    def __init__(
        self, mode: str, params: Any, has_biases: bool, num_layers: int, dropout: float,
        train: bool, bidirectional: bool, projected: bool,
    ) -> None:  # fmt: skip
        Module.__init__(self)
        self.mode, self.bias, self.num_layers = mode, bool(has_biases), int(num_layers)
        self.dropout, self.bidirectional = float(dropout), bool(bidirectional)
        self.training = bool(train)
        self.proj_size = 1 if projected else 0
        each = (4 if has_biases else 2) + projected
        count = self.num_layers * (2 if bidirectional else 1)
        if len(params) != each * count:
            raise RuntimeError(
                f"{mode.lower()}(): expected {each} weights for each of {count} layers and "
                f"directions, got {len(params)} in all"
            )
        self._all_weights = [[f"w{at}_{i}" for i in range(each)] for at in range(count)]
        for i, weight in enumerate(params):
            self.__dict__[f"w{i // each}_{i % each}"] = weight


def _bound(name: str, packed: bool, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name. TypeError for wrong ones."""
    names = ("data", "batch_sizes", "hx", *_TAIL) if packed else ("input", "hx", *_TAIL, "batch_first")
    if len(args) > len(names):
        raise TypeError(f"{name}() takes {len(names)} arguments, got {len(args)}")
    found = dict(zip(names, args))
    for key, value in kwargs.items():
        if key not in names or key in found:
            raise TypeError(f"{name}() got an unexpected argument {key!r}; it takes {', '.join(names)}")
        found[key] = value
    missing = [n for n in names if n not in found]
    if missing:
        raise TypeError(f"{name}() is missing {', '.join(missing)}")
    return found


def _network(name: str, mode: str, args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    at = 1 if mode == "LSTM" else 2  # which argument tells a packed sequence from a plain one
    if len(args) > at:
        packed = isinstance(args[at], Tensor)
    else:
        packed = "batch_sizes" in kwargs
    given = _bound(name, packed, args, kwargs)
    states = tuple(given["hx"]) if mode == "LSTM" else (given["hx"],)
    projected = mode == "LSTM" and states[0].size(-1) != states[1].size(-1)
    net = _Given(mode, **{n: given[n] for n in _TAIL}, projected=projected)
    if packed:
        counts = given["batch_sizes"].tolist()
        if counts != sorted(counts, reverse=True) or sum(counts) != len(given["data"]) or not counts:
            raise RuntimeError(
                f"{name}(): batch_sizes must not grow, and add up to the {len(given['data'])} rows "
                f"of data, got {counts}"
            )
        _check_states(name, net, states, counts[0])
        output, last = net._run(given["data"], states, given["batch_sizes"].to(given["data"].device))
        return (output, *last)
    steps = given["input"].transpose(0, 1) if given["batch_first"] else given["input"]
    length, batch = steps.shape[:2]
    _check_states(name, net, states, batch)
    sizes = torch.full((length,), batch, dtype=torch.int64, device=steps.device)
    output, last = net._run(steps.reshape(length * batch, -1), states, sizes, length)
    output = output.view(length, batch, -1)
    return (output.transpose(0, 1) if given["batch_first"] else output, *last)


def _check_states(name: str, net: _Given, states: tuple[Tensor, ...], batch: int) -> None:
    """RuntimeError for first states that are not (layers * directions, batch, hidden)."""
    lead = (net._state_count(), batch)
    for state in states:
        if state.dim() != 3 or tuple(state.shape[:2]) != lead:
            raise RuntimeError(
                f"{name}(): expected a hidden state of {lead[0]} layers and directions and a batch "
                f"of {batch}, [{lead[0]}, {batch}, hidden], got {list(state.shape)}"
            )


def rnn_tanh(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    """rnn_tanh(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first) or, packed, (data, batch_sizes, hx, params, ..., bidirectional): outputs, h."""
    return _network("rnn_tanh", "RNN_TANH", args, kwargs)


def rnn_relu(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    """As rnn_tanh."""
    return _network("rnn_relu", "RNN_RELU", args, kwargs)


def gru(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    """As rnn_tanh."""
    return _network("gru", "GRU", args, kwargs)


def lstm(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    """As rnn_tanh, with hx = (h, c): outputs, h, c."""
    return _network("lstm", "LSTM", args, kwargs)


def _maps(
    input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> tuple[Tensor, Tensor]:
    return F.linear(input, w_ih, b_ih), F.linear(h, w_hh, b_hh)


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The next h of a simple network."""
    a, b = _maps(input, hx, w_ih, w_hh, b_ih, b_hh)
    return torch.tanh(a + b)  # type: ignore[no-any-return]


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The next h of a simple network."""
    a, b = _maps(input, hx, w_ih, w_hh, b_ih, b_hh)
    return torch.relu(a + b)  # type: ignore[no-any-return]


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The next h of a gated recurrent unit."""
    return _gru_step(*_maps(input, hx, w_ih, w_hh, b_ih, b_hh), hx)


def lstm_cell(
    input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The next h and c of a long short-term memory."""
    h, c = hx
    a, b = _maps(input, h, w_ih, w_hh, b_ih, b_hh)
    return _lstm_step(a + b, c)
