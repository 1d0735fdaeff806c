"""Recurrent networks: RNN, LSTM and GRU, over sequences and step by step."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

import flambeau as torch

from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

Tensor = torch.Tensor

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


# --- one step -------------------------------------------------------------------------------


def _lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The next h and c, from the sum of both linear maps (N, 4 * hidden)."""
    i, f, g, o = gates.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru_step(from_input: Tensor, from_hidden: Tensor, h: Tensor) -> Tensor:
    """The next h, from the two linear maps (N, 3 * hidden)."""
    input_r, input_z, input_n = from_input.chunk(3, -1)
    hidden_r, hidden_z, hidden_n = from_hidden.chunk(3, -1)
    r = torch.sigmoid(input_r + hidden_r)
    z = torch.sigmoid(input_z + hidden_z)
    n = torch.tanh(input_n + r * hidden_n)
    return n + z * (h - n)


def _projected_layer(
    gates: Tensor, from_hidden: Tensor, projection: Tensor, start: tuple[Tensor, ...],
    sizes: Tensor, backward: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """A layer of an LSTM whose h is projected, step by step."""
    counts = sizes.tolist()
    parts = gates.split(counts)
    outputs: list[Any] = [None] * len(counts)
    h, c = start
    for t in range(len(counts) - 1, -1, -1) if backward else range(len(counts)):
        b = counts[t]
        new, at_c = _lstm_step(parts[t] + F.linear(h[:b], from_hidden), c[:b])
        outputs[t] = new = F.linear(new, projection)
        h, c = torch.cat([new, h[b:]]), torch.cat([at_c, c[b:]])
    return torch.cat(outputs), (h, c)


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """Deprecated: write `tensor.index_select(dim, permutation)`."""
    warnings.warn(
        "`apply_permutation` is deprecated, please use "
        "`tensor.index_select(dim, permutation)` instead",
        FutureWarning,
        stacklevel=2,
    )
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` share: parameters, layers, directions and batches.

    Parameters are named as PyTorch's: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`,
    `bias_hh_l0`, with `_reverse` for the second direction; all begin uniform over
    +-1 / sqrt(hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(
                    f"{mode}: {name} should be of type bool, got: {type(flag).__name__}"
                )
        operator.index(input_size)
        if input_size <= 0:
            raise ValueError(f"{mode}: input_size must be greater than zero, got {input_size}")
        _check_sizes(mode, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            for direction in range(directions):
                names = self._add_layer(layer, direction, directions, device, dtype)
                self._all_weights.append(names)
                self._flat_weights_names.extend(names)
        self.reset_parameters()

    def _add_layer(
        self, layer: int, direction: int, directions: int, device: Any, dtype: Any
    ) -> list[str]:
        gates = _GATES[self.mode] * self.hidden_size
        state = self.proj_size or self.hidden_size
        width = self.input_size if layer == 0 else state * directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, width),
            "weight_hh": (gates, state),
        }
        if self.bias:
            shapes["bias_ih"] = shapes["bias_hh"] = (gates,)
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        suffix = "_reverse" if direction else ""
        names = []
        for kind, shape in shapes.items():
            name = f"{kind}_l{layer}{suffix}"
            setattr(self, name, Parameter(torch.empty(shape, device=device, dtype=dtype)))
            names.append(name)
        return names

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Nothing to do here: PyTorch needs it on a GPU."""

    def reset_parameters(self) -> None:
        """Draw new values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # --- checks -----------------------------------------------------------------------------

    def _state_count(self) -> int:
        return self.num_layers * (2 if self.bidirectional else 1)

    def check_input(self, input: Tensor, batch_sizes: Any = None) -> None:
        """Raise `RuntimeError` or `ValueError` unless `input` fits."""
        weight = self.weight_ih_l0
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def check_hidden_size(
        self,
        hx: Tensor,
        expected: tuple[int, ...],
        message: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise `RuntimeError` unless the state `hx` has the expected shape."""
        if tuple(hx.shape) != expected:
            raise RuntimeError(message.format(expected, list(hx.shape)))

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        for name, usual in (("bias", True), ("batch_first", False), ("dropout", 0)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    # --- running ----------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The outputs of the last layer, and the last state of every layer.

        `input` is (L, N, in), (N, L, in) with `batch_first`, (L, in), or a `PackedSequence`.
        The state is (layers * directions, N, hidden), for an LSTM the pair (h, c).
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D tensor "
                "instead"
            )
        batched = input.dim() == 3
        self.check_input(input)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = self._batched_state(hx)
        steps = input.transpose(0, 1) if self.batch_first else input
        states = self._states(hx, steps.size(1), steps, batched)
        length, batch = steps.shape[:2]
        if not length:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        sizes = torch.full((length,), batch, dtype=torch.int64, device=input.device)
        output, last = self._run(steps.reshape(length * batch, -1), states, sizes, length)
        output = output.view(length, batch, -1)
        if self.batch_first:
            output = output.transpose(0, 1)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            last = tuple(each.squeeze(1) for each in last)
        return output, last if self.mode == "LSTM" else last[0]

    def _batched_state(self, hx: Any) -> Any:
        if hx is None:
            return None
        parts = hx if self.mode == "LSTM" else (hx,)
        for part in parts:
            if part.dim() != 2:
                raise RuntimeError(
                    f"For unbatched 2-D input, hx should also be 2-D but got {part.dim()}-D tensor"
                )
        parts = tuple(part.unsqueeze(1) for part in parts)
        return parts if self.mode == "LSTM" else parts[0]

    def _states(
        self, hx: Any, batch: int, like: Tensor, batched: bool = True
    ) -> tuple[Tensor, ...]:
        """The initial state, one tensor or two; zeros by default."""
        widths = [self.proj_size or self.hidden_size]
        if self.mode == "LSTM":
            widths.append(self.hidden_size)
        shapes = [(self._state_count(), batch, width) for width in widths]
        if hx is None:
            return tuple(
                torch.zeros(shape, dtype=like.dtype, device=like.device) for shape in shapes
            )
        parts = tuple(hx) if self.mode == "LSTM" else (hx,)
        if batched and any(part.dim() != 3 for part in parts):
            found = "-D and ".join(str(part.dim()) for part in parts)
            raise RuntimeError(
                f"For batched 3-D input, hx should also be 3-D but got {found}-D tensor"
            )
        for i, (part, shape) in enumerate(zip(parts, shapes, strict=True)):
            name = f"hidden[{i}]" if self.mode == "LSTM" else "hidden"
            self.check_hidden_size(part, shape, f"Expected {name} size {{}}, got {{}}")
        return parts

    def _run(
        self, data: Tensor, states: tuple[Tensor, ...], sizes: Tensor, length: int = 0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers over packed rows, `sizes[t]` of them for step t: outputs and last states.
        `length` is the number of steps where all sequences have the same."""
        directions = 2 if self.bidirectional else 1
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            passes = []
            for direction in range(directions):
                at = layer * directions + direction
                start = tuple(state[at] for state in states)
                way = (sizes, direction == 1)
                output, end = self._run_layer(at, data, start, way, length)
                passes.append(output)
                ends.append(end)
            data = torch.cat(passes, -1) if directions == 2 else passes[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                data = F.dropout(data, self.dropout, True)
        return data, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))

    def _run_layer(
        self, at: int, data: Tensor, start: tuple[Tensor, ...], way: tuple[Tensor, bool], length: int
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer, over sizes and in a direction. The inputs' linear map is one product for all
        steps."""
        weights = [getattr(self, name) for name in self._all_weights[at]]
        from_input, from_hidden = weights[:2]
        bias = hidden_bias = None
        if self.bias:
            bias, hidden_bias = weights[2:4]
        if self.mode == "GRU":  # its bias goes through the reset gate
            gates = F.linear(data, from_input, bias)
            output, *end = torch._sequences.gru_layer(gates, from_hidden, hidden_bias, *start, *way, length)
            return output, tuple(end)
        gates = F.linear(data, from_input, None if bias is None else bias + hidden_bias)
        if self.proj_size:
            return _projected_layer(gates, from_hidden, weights[-1], start, *way)
        if self.mode == "LSTM":
            output, *end = torch._sequences.lstm_layer(gates, from_hidden, *start, *way, length)
        else:
            relu = self.mode == "RNN_RELU"
            output, *end = torch._sequences.rnn_layer(gates, from_hidden, *start, *way, relu, length)
        return output, tuple(end)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> Any:
        sizes = input.batch_sizes
        counts = sizes.tolist()
        self.check_input(input.data)
        if sum(counts) != input.data.size(0) or counts != sorted(counts, reverse=True):
            raise RuntimeError(
                f"{self._get_name()}: batch_sizes of a PackedSequence must not grow, and add up to its "
                f"{input.data.size(0)} rows, got {counts}"
            )
        if hx is not None and input.sorted_indices is not None:
            hx = self.permute_hidden(hx, input.sorted_indices)
        states = self._states(hx, counts[0], input.data)
        output, last = self._run(input.data, states, sizes.to(input.data.device))
        hidden: Any = last if self.mode == "LSTM" else last[0]
        if input.unsorted_indices is not None:
            hidden = self.permute_hidden(hidden, input.unsorted_indices)
        packed = PackedSequence(
            output, input.batch_sizes, input.sorted_indices, input.unsorted_indices
        )
        return packed, hidden

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its batch in another order."""
        if permutation is None:
            return hx
        if self.mode == "LSTM":
            return tuple(part.index_select(1, permutation) for part in hx)
        return hx.index_select(1, permutation)


MOST_LAYERS = 1 << 16
"""More would be made for hours."""


def _check_sizes(mode: str, hidden: int, layers: int, dropout: Any, projection: int) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an "
            f"element being zeroed, got {dropout}"
        )
    if not isinstance(hidden, int):
        raise TypeError(f"hidden_size should be of type int, got: {type(hidden).__name__}")
    if hidden <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if not 0 < operator.index(layers) <= MOST_LAYERS:
        raise ValueError(f"num_layers must be from 1 to {MOST_LAYERS}, got {layers}")
    if dropout > 0 and layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={layers}",
            stacklevel=4,
        )
    if projection < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if projection >= hidden:
        raise ValueError("proj_size has to be smaller than hidden_size")
    if projection and mode != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu.

    Arguments: input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True,
    batch_first=False, dropout=0.0, bidirectional=False, device=None, dtype=None.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        modes = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
        if self.nonlinearity not in modes:
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(modes[self.nonlinearity], *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997): state (h, c).

    Arguments: input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, proj_size=0, device=None, dtype=None. `proj_size` maps h to a smaller
    size (Sak et al., 2014).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """The gated recurrent unit (Cho et al., 2014).

    Arguments: input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, device=None, dtype=None.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


# --- cells ----------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share: four parameters, uniform over +-1 / sqrt(hidden_size)."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        options = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(torch.empty((gates, input_size), **options))
        self.weight_hh = Parameter(torch.empty((gates, hidden_size), **options))
        for name in ("bias_ih", "bias_hh"):
            vector = Parameter(torch.empty(gates, **options)) if bias else None
            self.register_parameter(name, vector)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _prepared(
        self, input: Tensor, states: Any, count: int
    ) -> tuple[Tensor, list[Tensor], bool]:
        """Input and states with a batch dimension, and whether they had one."""
        if input.dim() not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 1D or 2D, got {input.dim()}D instead"
            )
        parts = [] if states is None else list(states)
        for part in parts:
            if part.dim() not in (1, 2):
                raise ValueError(
                    f"{self._get_name()}: Expected hidden to be 1D or 2D, got {part.dim()}D instead"
                )
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            parts = [part.unsqueeze(0) for part in parts]
        if input.size(1) != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.size(1)} expected {self.input_size}"
            )
        for i, part in enumerate(parts):
            self._check_state(input, part, i)
        if not parts:
            shape = (input.size(0), self.hidden_size)
            parts = [torch.zeros(shape, dtype=input.dtype, device=input.device)] * count
        return input, parts, batched

    def _check_state(self, input: Tensor, state: Tensor, i: int) -> None:
        if state.size(0) != input.size(0):
            raise RuntimeError(
                f"Input batch size {input.size(0)} doesn't match hidden{i} batch size "
                f"{state.size(0)}"
            )
        if state.size(1) != self.hidden_size:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {state.size(1)}, expected "
                f"{self.hidden_size}"
            )


class RNNCell(RNNCellBase):
    """One step of an `RNN`: (N, in) and (N, hidden) to (N, hidden)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        activation = {"tanh": torch.tanh, "relu": torch.relu}.get(self.nonlinearity)
        if activation is None:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        input, (h,), batched = self._prepared(input, None if hx is None else (hx,), 1)
        h = activation(
            F.linear(input, self.weight_ih, self.bias_ih)
            + F.linear(h, self.weight_hh, self.bias_hh)
        )
        return h if batched else h.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`: (N, in) and two (N, hidden) to two (N, hidden)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        input, (h, c), batched = self._prepared(input, hx, 2)
        gates = F.linear(input, self.weight_ih, self.bias_ih)
        h, c = _lstm_step(gates + F.linear(h, self.weight_hh, self.bias_hh), c)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a `GRU`: (N, in) and (N, hidden) to (N, hidden)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        input, (h,), batched = self._prepared(input, None if hx is None else (hx,), 1)
        from_input = F.linear(input, self.weight_ih, self.bias_ih)
        h = _gru_step(from_input, F.linear(h, self.weight_hh, self.bias_hh), h)
        return h if batched else h.squeeze(0)
