"""Node names and `next_functions` of ordinary expressions and networks."""

from __future__ import annotations

from typing import Any

from .support import Cases, chain

CASES = Cases()

EXPRESSIONS = """
x + x
x + 1
1 + x
x - w
3 - x
x * w
x * 2
x / w
2 / x
x % 3
-x
x ** 2
x ** w
2 ** x
x @ w.t()
v @ v
m @ v
m.mm(m.t())
torch.addmm(v[:3], m, m.t())
b.bmm(b)
x.abs()
x.exp()
x.log()
x.sqrt()
x.sin()
x.tanh()
x.sigmoid()
x.relu()
x.clamp(0.2, 0.5)
x.clamp(min=0)
x.sum()
x.sum(0)
x.sum((0, 1))
x.sum(dtype=torch.float64)
x.mean()
x.mean(1)
x.mean((0, 1))
x.prod()
x.prod(0)
x.var()
x.var(0)
x.std()
x.std(1)
x.norm()
x.norm(dim=1)
x.norm(p=1)
x.max()
x.max(0)[0]
x.min()
x.min(1)[0]
x.amax(0)
x.median()
x.max(w)
torch.maximum(x, w)
x.logsumexp(0)
x.softmax(1)
x.log_softmax(1)
x.cumsum(0)
x.view(-1)
x.reshape(6)
x.t()
x.transpose(0, 1)
x.permute(1, 0)
x.T
x.squeeze()
x.unsqueeze(0)
x.squeeze(0)
x.expand(2, 2, 3)
x.repeat(2, 1)
x.flatten()
b.flatten(1)
x.contiguous()
x.t().contiguous()
x.clone()
x.detach().requires_grad_().clone()
x.double()
x.to(torch.float64)
x.float() + 0
x.half()
x[0]
x[0, 1]
x[:, 1]
x[:1]
x[None]
x[..., 0]
x[torch.tensor([0, 1])]
x[x > 0.5]
x[0, torch.tensor([0, 1])]
x.narrow(1, 0, 2)
x.select(0, 1)
x.index_select(0, torch.tensor([0]))
x.gather(1, torch.tensor([[0], [1]]))
x.scatter(1, torch.tensor([[0], [1]]), 2.0)
x.scatter_add(1, torch.tensor([[0], [1]]), x)
x.index_add(0, torch.tensor([0]), x[:1])
x.masked_fill(x > 0.5, 0.0)
x.masked_select(x > 0.5)
torch.where(x > 0.5, x, w)
torch.cat([x, w])
torch.cat([x, torch.ones(1, 3)])
torch.stack([x, w])
x.split(1)[1]
x.chunk(2)[0]
x.unbind()[1]
x.flip(0)
x.roll(1)
x.sort()[0]
x.topk(2)[0]
x.tril()
m.diagonal()
m.trace()
v.dot(v)
x.floor()
x.sign()
x.round()
x.pow(3)
x.square()
x.reciprocal()
x.rsqrt()
x.erf()
x.atan2(w)
torch.lerp(x, w, 0.5)
torch.addcmul(x, w, w)
torch.addcdiv(x, w, w)
x.fmod(2)
x.remainder(2)
F.linear(x, w)
F.linear(x, w, v[:2])
F.relu(x)
F.leaky_relu(x)
F.elu(x)
F.gelu(x)
F.silu(x)
F.softplus(x)
F.hardtanh(x)
F.relu6(x)
F.log_softmax(x, 1)
F.softmax(x, 1)
F.sigmoid(x)
F.logsigmoid(x)
F.mse_loss(x, w)
F.l1_loss(x, w)
F.smooth_l1_loss(x, w)
F.kl_div(x, w.detach(), reduction="sum")
F.cross_entropy(x, torch.tensor([0, 1]))
F.nll_loss(x, torch.tensor([0, 1]))
F.binary_cross_entropy(x.sigmoid(), w.detach())
F.binary_cross_entropy_with_logits(x, w.detach())
F.conv2d(i, k)
F.conv2d(i, k, v[:2])
F.conv1d(b, b[:, :, :2])
F.max_pool2d(i, 2)
F.avg_pool2d(i, 2)
F.adaptive_avg_pool2d(i, 2)
F.adaptive_avg_pool2d(i, 1)
F.batch_norm(i, None, None, training=True)
F.layer_norm(x, (3,))
F.layer_norm(x, (3,), w[0], w[1])
F.dropout(x, 0.5)
F.dropout(x, 0.5, training=False)
F.embedding(torch.tensor([0, 1]), x)
F.pad(x, (1, 1))
F.one_hot(torch.tensor([0, 1])) * x[:, :2]
nn.BatchNorm2d(2)(i)
nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))(x)
nn.Conv2d(2, 3, 3)(i).relu()
nn.CrossEntropyLoss()(nn.Linear(3, 2)(x), torch.tensor([0, 1]))
(x * 1).add_(w)
(x * 1).mul_(2)
(x * 1).relu_()
(x * 1).zero_()
(x * 1).copy_(w)
(x * 1).requires_grad_().exp_()
F.relu(x * 1, inplace=True)
torch.complex(x, w)
x.to(torch.complex64).abs()
torch.view_as_real(x.to(torch.complex64))
x.to(torch.complex64).conj() * 1
""".strip().splitlines()


def _scope(torch: Any) -> dict[str, Any]:
    def numbers(*shape: int) -> Any:
        n = 1
        for size in shape:
            n *= size
        return (torch.arange(float(n)).reshape(shape) / n + 0.1).requires_grad_()

    return {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "x": numbers(2, 3),
        "w": numbers(2, 3), "v": numbers(3), "m": numbers(3, 3), "b": numbers(2, 3, 3),
        "i": numbers(2, 2, 6, 6), "k": numbers(3, 2, 3, 3)[:2].detach().requires_grad_(),
    }  # fmt: skip


def chain_of(torch: Any, expression: str) -> Any:
    """The graph of an expression's value; "missing" where the library has no such name."""
    found = eval(expression, _scope(torch))
    return chain(found.grad_fn)


@CASES
def convolutional_network(torch: Any) -> Any:
    nn = torch.nn
    F = nn.functional
    torch.manual_seed(0)
    conv1, conv2 = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)
    fc1, fc2 = nn.Linear(2, 4), nn.Linear(4, 3)
    x = torch.ones(2, 1, 10, 10)
    h = F.max_pool2d(F.relu(conv1(x)), 2)
    h = F.max_pool2d(F.relu(conv2(h)), 2)
    h = F.relu(fc1(h.view(-1, 2)))
    loss = F.cross_entropy(fc2(h), torch.tensor([0, 1]))
    return chain(loss.grad_fn)


@CASES
def residual_block_with_norms(torch: Any) -> Any:
    nn = torch.nn
    conv, norm = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
    x = torch.ones(2, 2, 4, 4, requires_grad=True)
    y = torch.relu(norm(conv(x)) + x)
    y += x
    y = nn.functional.adaptive_avg_pool2d(y, 2)
    return chain(nn.MSELoss()(torch.flatten(y, 1), torch.ones(2, 8)).grad_fn)


@CASES
def recurrence_written_by_hand(torch: Any) -> Any:
    nn = torch.nn
    step, out = nn.Linear(5, 3), nn.Linear(3, 2)
    h = torch.zeros(2, 3)
    losses = []
    for _ in range(2):
        h = torch.tanh(step(torch.cat([torch.ones(2, 2), h], 1)))
        losses.append((out(h) ** 2).mean())
    return chain((sum(losses) / torch.stack(losses).max()).grad_fn)


@CASES
def attributes_of_nodes(torch: Any) -> Any:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    node = y.grad_fn
    leaf = node.next_functions[0][0]
    return [
        node.name(), type(node).__name__, leaf.name(), leaf.variable is x, leaf.next_functions,
        isinstance(node.metadata, dict), callable(node), y.grad_fn is y.grad_fn,
        (x + 1).grad_fn.next_functions[0][0] is leaf, leaf is node, node == node,
        isinstance(hash(node), int),
    ]  # fmt: skip
