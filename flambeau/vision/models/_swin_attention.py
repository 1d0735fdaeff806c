"""Attention within windows of a picture, which every other layer shifts by half a window."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F


def relative_position_index(height: int, width: int) -> torch.Tensor:
    """For each pair of pixels of a window, the row of the table that holds its bias.

    Returns (height * width, height * width); a row stands for one offset, of which there are
    (2 height - 1) * (2 width - 1).
    """
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    down = rows[:, None] - rows[None, :] + height - 1
    right = columns[:, None] - columns[None, :] + width - 1
    return down * (2 * width - 1) + right


def _bias_of(table: torch.Tensor, index: torch.Tensor, window: list[int]) -> torch.Tensor:
    """The biases (1, heads, pixels, pixels) from a table (offsets, heads)."""
    pixels = window[0] * window[1]
    return table[index].view(pixels, pixels, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


def _into_windows(x: torch.Tensor, window: list[int]) -> torch.Tensor:
    """(N, H, W, C) to (N * windows, pixels of a window, C)."""
    batch, height, width, channels = x.shape
    rows, columns = height // window[0], width // window[1]
    x = x.view(batch, rows, window[0], columns, window[1], channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(batch * rows * columns, window[0] * window[1], channels)


def _out_of_windows(
    x: torch.Tensor, window: list[int], batch: int, height: int, width: int
) -> torch.Tensor:
    """The way back from `_into_windows`."""
    rows, columns = height // window[0], width // window[1]
    x = x.view(batch, rows, columns, window[0], window[1], -1).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height, width, -1)


def _mask(
    like: torch.Tensor, height: int, width: int, window: list[int], shift: list[int]
) -> torch.Tensor:
    """(windows, pixels, pixels): -100 for pixels that only the roll brought into one window."""
    regions = like.new_zeros((height, width))
    count = 0
    for top, bottom in ((0, -window[0]), (-window[0], -shift[0]), (-shift[0], None)):
        for left, right in ((0, -window[1]), (-window[1], -shift[1]), (-shift[1], None)):
            regions[top:bottom, left:right] = count
            count += 1
    regions = _into_windows(regions[None, :, :, None], window).squeeze(-1)
    apart = regions.unsqueeze(1) != regions.unsqueeze(2)
    return like.new_zeros(apart.shape).masked_fill(apart, -100.0)


def shifted_window_attention(
    input: torch.Tensor,
    qkv_weight: torch.Tensor,
    proj_weight: torch.Tensor,
    relative_position_bias: torch.Tensor,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: torch.Tensor | None = None,
    proj_bias: torch.Tensor | None = None,
    logit_scale: torch.Tensor | None = None,
    training: bool = True,
) -> torch.Tensor:
    """Attention of the pixels of each window to one another.

    Args:
        input: (N, H, W, C); padded with zeros to whole windows.
        qkv_weight: (3 C, C), the linear layer of queries, keys and values.
        proj_weight: (C, C), the linear layer behind.
        relative_position_bias: (1, heads, pixels, pixels), added to the scores.
        window_size: height and width of a window.
        num_heads: heads.
        shift_size: how far the windows are shifted; not at all along a side that is one window.
        attention_dropout: share of the attention that is dropped.
        dropout: share of the outputs that is dropped.
        qkv_bias: (3 C).
        proj_bias: (C).
        logit_scale: (heads, 1, 1), makes the scores cosines times exp of it, at most 100.
        training: whether anything is dropped.

    Returns:
        (N, H, W, C).
    """
    batch, height, width, channels = input.shape
    right, bottom = -width % window_size[1], -height % window_size[0]
    x = F.pad(input, (0, 0, 0, right, 0, bottom))
    full_height, full_width = height + bottom, width + right
    shift = [
        0 if window >= full else step
        for window, full, step in zip(
            window_size, (full_height, full_width), shift_size, strict=True
        )
    ]
    if any(shift):
        x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    x = _into_windows(x, window_size)
    windows, pixels = x.shape[:2]
    if logit_scale is not None and qkv_bias is not None:
        # Cosines of keys have no use for a bias.
        third = qkv_bias.numel() // 3
        qkv_bias = qkv_bias.clone()
        qkv_bias[third : 2 * third].zero_()
    qkv = F.linear(x, qkv_weight, qkv_bias)
    qkv = qkv.reshape(windows, pixels, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4)
    query, key, value = qkv[0], qkv[1], qkv[2]
    if logit_scale is None:
        scores = (query * (channels // num_heads) ** -0.5).matmul(key.transpose(-2, -1))
    else:
        cosines = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).transpose(-2, -1)
        scores = cosines * torch.clamp(logit_scale, max=math.log(100.0)).exp()
    scores = scores + relative_position_bias
    if any(shift):
        mask = _mask(x, full_height, full_width, window_size, shift)
        scores = scores.view(windows // len(mask), len(mask), num_heads, pixels, pixels)
        scores = (scores + mask.unsqueeze(1).unsqueeze(0)).view(-1, num_heads, pixels, pixels)
    attention = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    x = attention.matmul(value).transpose(1, 2).reshape(windows, pixels, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = _out_of_windows(x, window_size, batch, full_height, full_width)
    if any(shift):
        x = torch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x[:, :height, :width, :].contiguous()


class ShiftedWindowAttention(nn.Module):
    """See `shifted_window_attention`; `dim` is the number of channels."""

    relative_position_bias_table: torch.Tensor
    relative_position_index: torch.Tensor

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """Makes the table of biases, (offsets, heads)."""
        height, width = self.window_size
        offsets = (2 * height - 1) * (2 * width - 1)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(offsets, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Makes the index into the table, one entry for each pair of pixels."""
        index = relative_position_index(*self.window_size).flatten()
        self.register_buffer("relative_position_index", index)

    def get_relative_position_bias(self) -> torch.Tensor:
        """Returns the biases (1, heads, pixels, pixels)."""
        table = self.relative_position_bias_table
        return _bias_of(table, self.relative_position_index, self.window_size)

    def _logit_scale(self) -> Any:
        return None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, H, W, dim)."""
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            self.get_relative_position_bias(),
            self.window_size,
            self.num_heads,
            shift_size=self.shift_size,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            logit_scale=self._logit_scale(),
            training=self.training,
        )


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """The second version's: cosines, and biases that a small network makes of the offsets."""

    relative_coords_table: torch.Tensor

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        biases, shares = (qkv_bias, proj_bias), (attention_dropout, dropout)
        super().__init__(dim, window_size, shift_size, num_heads, *biases, *shares)
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True),
            nn.ReLU(inplace=True),
            nn.Linear(512, num_heads, bias=False),
        )
        if qkv_bias:
            bias: Any = self.qkv.bias
            third = bias.numel() // 3
            with torch.no_grad():
                bias[third : 2 * third].zero_()

    def define_relative_position_bias_table(self) -> None:
        """Makes the table of offsets, on a scale of logarithms from -1 to 1 (equation 4)."""
        axes = [
            torch.arange(1 - size, size, dtype=torch.float32) / (size - 1) * 8
            for size in self.window_size
        ]
        table = torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1).unsqueeze(0)
        table = torch.sign(table) * torch.log2(torch.abs(table) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self) -> torch.Tensor:
        """Returns the biases (1, heads, pixels, pixels), each from 0 to 16."""
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        bias = _bias_of(table, self.relative_position_index, self.window_size)
        return 16 * torch.sigmoid(bias)

    def _logit_scale(self) -> Any:
        return self.logit_scale
