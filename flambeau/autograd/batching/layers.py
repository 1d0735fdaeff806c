"""Batching rules of normalization, pooling and padding: the batch is folded into the images' own, or
into the channels where these have statistics of their own."""

from __future__ import annotations

from typing import Any

from ...ops.table import call
from .calls import Arg, Call, rule, shaped
from .loop import sample_by_sample


def _folded(x: Any, count: int) -> Any:
    """The first `count` dimensions as one."""
    shape = x._aval.shape
    n = 1
    for s in shape[:count]:
        n *= s
    return x.reshape(n, *shape[count:])


@rule("max_pool2d_windows", "max_pool3d_windows", "max_pool_places", "max_pool_gather",
      "avg_pool2d_windows", "avg_pool3d_windows", "max_pool_backward")  # fmt: skip
def windows(c: Call) -> Any:
    """All dimensions before the windows' are one batch."""
    n = len(c.param("kernel_size"))
    return shaped(c, c.run(c.map(lambda x: _as_images(x.full(c.size), n))))


def _as_images(x: Any, n: int) -> Any:
    """(images, 1, the last n dimensions)."""
    return call.unsqueeze(_folded(x, x._aval.ndim - n), 1)


@rule("adaptive_avg_pool2d_tiles", "adaptive_avg_pool3d_tiles", "adaptive_max_pool2d_tiles",
      "adaptive_max_pool3d_tiles")  # fmt: skip
def tiles(c: Call) -> Any:
    n = len(c.param("size"))
    return shaped(c, c.run([_as_images(c.args[0].front(), n)]))


@rule("avg_pool_backward")
def avg_pool_backward(c: Call) -> Any:
    return _spread(c, len(c.param("kernel_size")))


@rule("adaptive_avg_pool_backward", "pool_scatter")
def by_dims(c: Call) -> Any:
    return _spread(c, c.param("dims"))


def _spread(c: Call, n: int) -> Any:
    """Gradients of pooling, whose parameter `shape` is that of the pooled."""
    inputs = [_as_images(x.full(c.size), n) for x in c.tensors]
    at = c.names.index("shape")
    shape = (inputs[0]._aval.shape[0], 1, *c.params[at][-n:])
    return shaped(c, c.run(inputs, (*c.params[:at], shape, *c.params[at + 1 :])))


@rule("pool_gather")
def pool_gather(c: Call) -> Any:
    n = c.param("dims")
    return shaped(c, c.run([_as_images(x.full(c.size), n) for x in c.tensors]))


@rule("edge_pad")
def edge_pad(c: Call) -> Any:
    n = len(c.param("pad")) // 2
    return shaped(c, c.run([_as_images(c.args[0].front(), n)]))


@rule("edge_pad_backward")
def edge_pad_backward(c: Call) -> Any:
    return _spread(c, len(c.param("pad")) // 2)


@rule("channel_shuffle")
def channel_shuffle(c: Call) -> Any:
    return shaped(c, c.run([_folded(c.args[0].front(), 2)]))


@rule("native_layer_norm")
def layer_norm(c: Call) -> Any:
    x, weight, bias = c.args
    if not any([isinstance(p, Arg) and p.batched for p in (weight, bias)]):
        found = c.run([x.front(), *[p.value if isinstance(p, Arg) else p for p in (weight, bias)]])
        return shaped(c, found)
    output, mean, rstd = c.run([x.full(c.size), None, None])
    return shaped(c, (_scaled(output, weight, bias, x.ndim), mean, rstd))


def _scaled(output: Any, weight: Any, bias: Any, ndim: int) -> Any:
    """Scale and shift by parameters that belong to a sample's last dimensions."""
    if weight is not None:
        output = output * weight.aligned(ndim)
    return output if bias is None else output + bias.aligned(ndim)


@rule("native_group_norm")
def group_norm(c: Call) -> Any:
    x, weight, bias = c.args
    if not any([isinstance(p, Arg) and p.batched for p in (weight, bias)]):
        images = _folded(x.front(), 2)
        return shaped(c, c.run([images, *[p.value if isinstance(p, Arg) else p for p in (weight, bias)]]))
    output, mean, rstd = c.run([_folded(x.full(c.size), 2), None, None])
    output = output.reshape(c.size, *x.shape)
    weight, bias = (_by_channel(p, x.ndim) for p in (weight, bias))
    return shaped(c, (_scaled(output, weight, bias, x.ndim), mean, rstd))


def _by_channel(p: Any, ndim: int) -> Any:
    """A parameter (channels) as one that broadcasts with (images, channels, ...)."""
    if p is None:
        return None
    shape = (*p.shape, *[1] * (ndim - 2))
    front = p.front()
    lead = (front._aval.shape[0],) if p.batched else ()
    return Arg(front.reshape(*lead, *shape), 0 if p.batched else None, shape)


@rule("native_batch_norm")
def batch_norm(c: Call) -> Any:
    """Samples become channels of their own."""
    x, *channels = c.args
    if x.ndim < 2:
        return sample_by_sample(c)
    front = call.transpose(x.full(c.size), 0, 1)
    images, size, n, *rest = front._aval.shape
    folded = front.reshape(images, size * n, *rest)
    others = [p.full(c.size).reshape(size * n) if isinstance(p, Arg) else p for p in channels]
    output, *statistics = c.run([folded, *others])
    output = call.transpose(output.reshape(images, size, n, *rest), 0, 1)
    return shaped(c, (output, *[s.reshape(size, -1) for s in statistics]))


@rule("native_batch_norm_backward")
def batch_norm_backward(c: Call) -> Any:
    outer, x, weight, mean, var = c.args
    size = c.size

    def images(t: Arg) -> Any:
        front = call.transpose(t.full(size), 0, 1)
        return front.reshape(front._aval.shape[0], -1, *t.shape[2:])

    def channels(t: Any) -> Any:
        return t.full(size).reshape(-1) if isinstance(t, Arg) else t

    inputs = [images(outer), images(x), *[channels(t) for t in (weight, mean, var)]]
    by_input, *others = c.run(inputs)
    n = x.shape[0]
    by_input = call.transpose(by_input.reshape(n, size, *x.shape[1:]), 0, 1)
    return shaped(c, (by_input, *[g.reshape(size, -1) for g in others]))


@rule("nll_loss_total", "nll_loss2d_total")
def nll_loss(c: Call) -> Any:
    """Losses of single elements, then sums over each sample."""
    x, target, weight = c.args
    ignored, reduction = c.params
    if x.ndim < 2 or (isinstance(weight, Arg) and weight.batched):
        return sample_by_sample(c)
    scores, classes = _folded(x.full(c.size), 2), _folded(target.full(c.size), 2)
    w = weight.value if isinstance(weight, Arg) else None
    losses, _ = c.run([scores, classes, w], (ignored, "none"))
    losses = losses.reshape(c.size, *target.shape)
    counted = (classes != ignored).reshape(losses._aval.shape)
    shares = counted.to(losses._aval.dtype)
    if w is not None:
        shares = shares * call.take(w, call.masked_fill(classes, classes == ignored, 0)).reshape(
            shares._aval.shape
        )
    dims = tuple(range(1, losses._aval.ndim))
    total = shares.sum(dims)
    if reduction == "none":
        return shaped(c, (losses, call.zero(total)))
    summed = losses.sum(dims)
    return shaped(c, (summed / total if reduction == "mean" else summed, total))


@rule("nll_loss_backward")
def nll_loss_backward(c: Call) -> Any:
    """As the gradient of single losses, each of which gets its share of the sample's."""
    outer, target, weight, total = c.args
    shape, ignored, reduction = c.params
    if len(shape) < 2 or (isinstance(weight, Arg) and weight.batched):
        return sample_by_sample(c)
    share = outer.full(c.size)
    if reduction == "mean":
        share = share / total.full(c.size)
    if reduction != "none":
        share = share.reshape(c.size, *[1] * target.ndim)
        share = call.expand(share, c.size, *target.shape)
    w = weight.value if isinstance(weight, Arg) else None
    folded = ((c.size * shape[0], *shape[1:]), ignored, "none")
    one = call.constant(1, (), share._aval.dtype, share._aval.device)
    return shaped(c, c.run([_folded(share, 2), _folded(target.full(c.size), 2), w, one], folded))


@rule("native_layer_norm_backward")
def layer_norm_backward(c: Call) -> Any:
    """The parameters' gradients are sums over each sample."""
    outer, x, weight, mean, rstd = c.args
    n = len(c.params[0])
    g, given, m, r = (t.full(c.size) for t in (outer, x, mean, rstd))
    scaled = g if weight is None else g * weight.aligned(x.ndim)
    by_input = c.run([scaled, given, None, m, r])[0]
    lead = tuple(range(1, x.ndim - n + 1))
    normal = (given - m) * r
    by_weight, by_bias = g * normal, g
    if lead:
        by_weight, by_bias = by_weight.sum(lead), by_bias.sum(lead)
    return shaped(c, (by_input, by_weight, by_bias))


@rule("native_group_norm_backward")
def group_norm_backward(c: Call) -> Any:
    outer, x, weight, mean, rstd = c.args
    groups = c.params[0]
    g, given, m, r = (t.full(c.size) for t in (outer, x, mean, rstd))
    by_channel = _by_channel(weight, x.ndim)
    scaled = g if weight is None else g * by_channel.aligned(x.ndim)
    by_input = c.run([_folded(scaled, 2), _folded(given, 2), None, _folded(m, 2), _folded(r, 2)])[0]
    grouped = given.reshape(c.size, x.shape[0], groups, -1)
    normal = (grouped - m.reshape(c.size, -1, groups, 1)) * r.reshape(c.size, -1, groups, 1)
    axes = (1, *range(3, x.ndim + 1))
    by_weight = (g * normal.reshape(given._aval.shape)).sum(axes)
    return shaped(c, (by_input, by_weight, g.sum(axes)))
