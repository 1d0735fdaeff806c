"""Programs for `tests.cuda.layers`: networks, optimizers, derivatives of all kinds."""

from __future__ import annotations

import copy
from typing import Any

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import func, nn
from flambeau.nn.utils import parametrizations, parametrize, prune, rnn
from tests.cuda.layers import Maker, programs
from tests.optim.scheduler_cases import CASES as SCHEDULERS

# --- layers -------------------------------------------------------------------------------------------


def _packed(kind: Any, lengths: Any, **options: Any) -> Any:
    def program(m: Maker) -> Any:
        net = m.module(kind(3, 4, **options))
        packed = rnn.pack_padded_sequence(m.f(5, 3, 3), lengths, enforce_sorted=False)
        assert packed.is_cuda == (m.device.type == "cuda") and not packed.batch_sizes.is_cuda
        out, state = net(packed)
        back, counts = rnn.pad_packed_sequence(out)
        assert not counts.is_cuda and counts.tolist() == list(lengths)
        return back, state, packed.sorted_indices, packed.to("cpu").data.tolist()

    program.__name__ = f"{kind.__name__} of {lengths} {options or ''}".strip()
    return program


for _kind in (nn.RNN, nn.LSTM, nn.GRU):
    programs(of="packed")(_packed(_kind, [2, 5, 3]))
    programs(of="packed")(_packed(_kind, [4, 4, 4], num_layers=2, bidirectional=True))
programs(of="packed")(_packed(nn.LSTM, [2, 5, 3], proj_size=2))


@programs(of="nn")
def sequences_padded(m: Maker) -> Any:
    parts = [m.f(n, 2) for n in (3, 1, 2)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    return rnn.pad_sequence(parts, True, 0.5), packed.data, rnn.unpack_sequence(packed)


@programs(of="nn")
def recurrent_second_derivative(m: Maker) -> Any:
    net, x = m.module(nn.GRU(2, 3)), m.f(3, 2, 2)
    (g,) = torch.autograd.grad(net(x)[0].square().sum(), x, create_graph=True)
    return g


@programs(of="nn")
def transformer_with_masks(m: Maker) -> Any:
    net = m.module(nn.Transformer(4, 2, 1, 1, 6, dropout=0.0, batch_first=True))
    mask = nn.Transformer.generate_square_subsequent_mask(3, device=m.device)
    padding = m.t([[False, False, True], [False] * 3])
    return net(m.f(2, 3, 4), m.f(2, 3, 4), tgt_mask=mask, src_key_padding_mask=padding,
               memory_key_padding_mask=padding, tgt_is_causal=True)  # fmt: skip


@programs(of="nn")
def encoder_in_evaluation(m: Maker) -> Any:
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    net = m.module(nn.TransformerEncoder(layer, 2)).eval()
    with torch.no_grad():
        return net(m.f(2, 3, 4), src_key_padding_mask=m.t([[False, False, True], [False] * 3]))


@programs(of="nn")
def attention(m: Maker) -> Any:
    net = m.module(nn.MultiheadAttention(4, 2, batch_first=True))
    x, causal = m.f(2, 3, 4), nn.Transformer.generate_square_subsequent_mask(3)
    whole = net(x, x, x, attn_mask=causal.to(m.device), is_causal=True, need_weights=False)[0]
    q, k, v = m.f(2, 2, 3, 4), m.f(2, 2, 5, 4), m.f(2, 2, 5, 4)
    masked = F.scaled_dot_product_attention(q, k, v, m.t([[True, False, True, True, False]] * 3))
    return whole, masked, F.scaled_dot_product_attention(q, k, v, is_causal=True)


@programs(of="nn")
def sampling(m: Maker) -> Any:
    theta = m.f(2, 2, 3)
    grid = F.affine_grid(theta, [2, 1, 3, 4], align_corners=False)
    x = m.f(2, 1, 4, 5)
    kinds = [("bilinear", "zeros"), ("nearest", "border"), ("bicubic", "reflection")]
    return grid, [F.grid_sample(x, grid, a, b, align_corners=False) for a, b in kinds]


@programs(of="nn")
def lazy_modules(m: Maker) -> Any:
    net = nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3))
    net = copy.deepcopy(net.to(m.device))
    x = m.f(2, 1, 4, 4)
    net(x)
    net[1].reset_running_stats()
    assert all(p.device.type == m.device.type for p in net.parameters())
    assert all(b.device.type == m.device.type for b in net.buffers())
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.linspace(-1, 1, p.numel()).reshape(p.shape))
    m.modules.append(net)
    return net(x)


@programs(of="nn")
def embeddings(m: Maker) -> Any:
    table = m.module(nn.Embedding(6, 3, padding_idx=0, max_norm=1.0))
    bag = m.module(nn.EmbeddingBag(6, 3, mode="sum", include_last_offset=True))
    sparse = m.module(nn.Embedding(6, 3, sparse=True))
    i = m.i(6, 7)
    sparse(i).sum().backward()
    got, sparse.weight.grad = sparse.weight.grad, None
    return table(i), bag(i, m.t([0, 3, 7]), per_sample_weights=m.f(7)), got.to_dense()


@programs(of="nn")
def weight_and_spectral_norm(m: Maker) -> Any:
    old = m.module(nn.utils.weight_norm(nn.Linear(3, 4)))
    new = m.module(parametrizations.weight_norm(nn.Linear(4, 4)))
    spectral = m.module(parametrizations.spectral_norm(nn.Linear(4, 3)))
    older = m.module(nn.utils.spectral_norm(nn.Linear(3, 3)))
    return older(spectral(new(old(m.f(2, 3)))))


@programs(of="nn")
def orthogonal(m: Maker) -> Any:
    net = m.module(nn.Linear(3, 3))
    return [parametrizations.orthogonal(copy.deepcopy(net), orthogonal_map=kind)(m.f(2, 3))
            for kind in ("matrix_exp", "cayley", "householder")]  # fmt: skip


@programs(of="nn")
def parametrized(m: Maker) -> Any:
    class Symmetric(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x: Any) -> Any:
            return x.triu()

    net = m.module(nn.Linear(3, 3))
    parametrize.register_parametrization(net, "weight", Symmetric())
    net.weight = torch.ones(3, 3, device=m.device)
    with parametrize.cached():
        return net(m.f(2, 3)), net.weight


@programs(of="nn")
def pruned(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)))
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.ln_structured(net[2], "weight", 1, 2, 0)
    prune.global_unstructured([(net[0], "weight"), (net[2], "weight")], prune.L1Unstructured, amount=3)
    x = m.f(2, 4)
    before = net(x)
    prune.remove(net[0], "weight")
    prune.random_unstructured(net[0], "bias", 0.5)
    assert net[0].bias_mask.device.type == m.device.type and net[0].bias_mask.sum().item() == 2
    prune.identity(net[0], "bias")
    net[0].bias_mask.fill_(1)
    return before, prune.is_pruned(net)


@programs(of="nn")
def utilities(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))
    net(m.f(5, 3)).square().sum().backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    nn.utils.clip_grad_norm_(net.parameters(), 0.05, float("inf"), foreach=True)
    nn.utils.clip_grad_value_(net.parameters(), 0.01)
    flat = nn.utils.parameters_to_vector(net.parameters())
    nn.utils.vector_to_parameters(flat.detach() * 2, net.parameters())
    total = nn.utils.get_total_norm([p.grad for p in net.parameters()])
    return norm, total, flat.detach(), [p.grad for p in net.parameters()]


@programs(of="nn")
def fused_conv_and_norm(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))).eval()
    fused = nn.utils.fuse_conv_bn_eval(net[0], net[1])
    skipped = nn.utils.skip_init(nn.Linear, 2, 2, device=m.device)
    assert skipped.weight.device.type == m.device.type
    return fused(m.f(1, 2, 4, 4))


@programs(of="nn")
def in_parallel(m: Maker) -> Any:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 2)).eval()
    m.module(net)
    x = m.f(4, 3, grad=False)
    if m.device.type == "cuda" and torch.cuda.device_count() > 1:
        both = nn.DataParallel(net, device_ids=[0, 1])
        net_out = both(x)
        again = nn.parallel.data_parallel(net, x, [0, 1])
        assert torch.equal(again, net_out)
        return net_out[:, 1:]
    return torch.cat([net(part) for part in x.chunk(2)])[:, 1:]


@programs(of="nn")
def channels_last_and_memory(m: Maker) -> Any:
    net = m.module(nn.Conv2d(2, 3, 3)).to(memory_format=torch.channels_last)
    out = net(m.f(2, 2, 5, 5).to(memory_format=torch.channels_last))
    return out, out.is_contiguous(memory_format=torch.channels_last)


@programs(of="nn")
def initialized_on_the_device(m: Maker) -> Any:
    kinds = (nn.init.xavier_uniform_, nn.init.kaiming_normal_, nn.init.trunc_normal_, nn.init.orthogonal_)
    found = [kind(torch.empty(4, 4, device=m.device)).isfinite().all() for kind in kinds]
    net = nn.Linear(4, 4, device=m.device)
    nn.init.dirac_(filters := torch.empty(2, 2, 3, device=m.device))
    nn.init.sparse_(torch.empty(4, 4, device=m.device), 0.5)
    return found, filters, nn.init.eye_(net.weight.detach())


@programs(of="nn")
def drawn_dropouts(m: Maker) -> Any:
    x = torch.ones(64, 8, 3, device=m.device)
    kept = [kind(0.5)(x).ne(0).double().mean() for kind in (nn.Dropout, nn.Dropout1d, nn.AlphaDropout)]
    hard = F.gumbel_softmax(m.f(3, 4), hard=True).sum(-1)
    return [(k - 0.5).abs() < 0.2 for k in kept[:2]], hard.detach().round()


@programs(of="nn")
def half_precision(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 2)))
    with torch.autocast(m.device.type, torch.bfloat16):
        out = net(m.f(3, 4))
    assert out.dtype is torch.bfloat16
    return copy.deepcopy(net).bfloat16()(m.f(3, 4, grad=False).bfloat16()).detach()


# --- optimizers ---------------------------------------------------------------------------------------

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "SGD fused": (torch.optim.SGD, {"fused": True}),
    "SGD maximizing": (torch.optim.SGD, {"maximize": True, "differentiable": False}),
    "Adam": (torch.optim.Adam, {}),
    "Adam amsgrad": (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    "Adam foreach": (torch.optim.Adam, {"foreach": True}),
    "Adam one by one": (torch.optim.Adam, {"foreach": False}),
    "Adam fused": (torch.optim.Adam, {"fused": True}),
    "Adam capturable": (torch.optim.Adam, {"capturable": True}),
    "AdamW": (torch.optim.AdamW, {}),
    "AdamW fused and capturable": (torch.optim.AdamW, {"fused": True, "capturable": True}),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.5, "centered": True}),
    "RMSprop capturable": (torch.optim.RMSprop, {"capturable": True}),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1}),
    "Adagrad fused": (torch.optim.Adagrad, {"initial_accumulator_value": 0.1}),
    "Adadelta": (torch.optim.Adadelta, {}),
    "Adadelta capturable": (torch.optim.Adadelta, {"capturable": True}),
    "Adamax": (torch.optim.Adamax, {}),
    "Adamax capturable": (torch.optim.Adamax, {"capturable": True}),
    "NAdam": (torch.optim.NAdam, {}),
    "NAdam capturable": (torch.optim.NAdam, {"capturable": True}),
    "RAdam": (torch.optim.RAdam, {}),
    "RAdam capturable": (torch.optim.RAdam, {"capturable": True}),
    "ASGD": (torch.optim.ASGD, {}),
    "ASGD capturable": (torch.optim.ASGD, {"capturable": True}),
    "Rprop": (torch.optim.Rprop, {}),
    "Rprop capturable": (torch.optim.Rprop, {"capturable": True}),
    "Adafactor": (torch.optim.Adafactor, {}),
    "LBFGS": (torch.optim.LBFGS, {"max_iter": 3}),
    "LBFGS with a line search": (torch.optim.LBFGS, {"max_iter": 3, "line_search_fn": "strong_wolfe"}),
}


def _steps(kind: Any, options: dict[str, Any], tensor_lr: bool = False) -> Any:
    def program(m: Maker) -> Any:
        net = m.module(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))
        given = dict(options)
        if m.device.type == "cpu":
            given.pop("capturable", None)
        if tensor_lr:
            given["lr"] = torch.tensor(0.01, device=m.device)
        optimizer = kind(net.parameters(), **given)
        x = m.f(5, 3, grad=False)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            return loss

        losses = []
        for step in range(4):
            losses.append(optimizer.step(closure).detach())
            if step == 1:
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = kind(net.parameters(), **given)
                optimizer.load_state_dict(state)
        return losses, [p.detach() for p in net.parameters()]

    return program


for _name, (_optimizer, _options) in OPTIMIZERS.items():
    _made = _steps(_optimizer, _options)
    _made.__name__ = _name
    programs(of="optim")(_made)
for _name in ("Adam", "AdamW", "SGD"):
    _given = {"foreach": False} if _name == "SGD" else {"capturable": True}
    _made = _steps(getattr(torch.optim, _name), _given, tensor_lr=True)
    _made.__name__ = f"{_name} with a tensor as learning rate"
    programs(of="optim")(_made)


@programs(of="optim")
def SparseAdam(m: Maker) -> Any:  # noqa: N802
    net = m.module(nn.Embedding(6, 3, sparse=True))
    optimizer = torch.optim.SparseAdam(net.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(m.i(6, 4)).square().sum().backward()
        optimizer.step()
    optimizer.zero_grad()
    return net.weight.detach()


@programs(of="optim")
def Muon(m: Maker) -> Any:  # noqa: N802
    net = m.module(nn.Linear(3, 4, bias=False))
    optimizer = torch.optim.Muon(net.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(m.f(5, 3, grad=False)).square().mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    return (net.weight.detach() * 10).bfloat16()


@programs(of="optim")
def schedulers(m: Maker) -> Any:
    found = {}
    for name, make in SCHEDULERS.items():
        weights = [torch.nn.Parameter(torch.ones(2, device=m.device)) for _ in range(2)]
        groups = [{"params": [w]} for w in weights]
        optimizer = torch.optim.SGD(groups, 0.1, momentum=0.9)
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        rates = []
        for _ in range(4):
            for w in weights:
                w.grad = torch.ones_like(w)
            optimizer.step()
            scheduler.step()
            rates.append([float(g["lr"]) for g in optimizer.param_groups])
        found[name] = rates, weights[0].detach()
    return found


@programs(of="optim")
def scheduler_by_a_tensor(m: Maker) -> Any:
    w = torch.nn.Parameter(torch.ones(2, device=m.device))
    optimizer = torch.optim.Adam([w], lr=torch.tensor(0.1, device=m.device), capturable=m.device.type == "cuda")
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    for loss in (1.0, 2.0, 3.0):
        w.grad = torch.ones_like(w)
        optimizer.step()
        scheduler.step(torch.tensor(loss, device=m.device))
    return w.detach(), float(optimizer.param_groups[0]["lr"])


@programs(of="optim")
def averages(m: Maker) -> Any:
    from flambeau.optim import swa_utils as swa

    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    mean = swa.AveragedModel(net)
    ema = swa.AveragedModel(net, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9), use_buffers=True)
    moved = swa.AveragedModel(net.cpu(), device=m.device)
    net.to(m.device)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    schedule = swa.SWALR(optimizer, 0.05, 2)
    data = [m.f(4, 3, grad=False) for _ in range(2)]
    for x in data:
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()
        schedule.step()
        for each in (mean, ema, moved):
            each.update_parameters(net)
    swa.update_bn(data, mean)
    swa.update_bn(data, moved, device=m.device)
    optimizer.zero_grad()
    return [[*each.parameters(), *each.module.buffers()] for each in (mean, ema, moved)]


# --- derivatives --------------------------------------------------------------------------------------


@programs(of="func")
def transforms(m: Maker) -> Any:
    x, y = m.f(3, 4, grad=False), m.f(4, grad=False)

    def loss(x: Any, y: Any) -> Any:
        return (x.sin() * y).pow(2).sum() + torch.logsumexp(x, -1).sum()

    return {
        "grad": func.grad(loss, (0, 1))(x, y),
        "value": func.grad_and_value(loss)(x, y),
        "per sample": func.vmap(func.grad(loss), (0, None))(x, y),
        "jacrev": func.jacrev(lambda x: x.tanh().cumsum(0))(y),
        "jacfwd": func.jacfwd(lambda x: x.tanh().cumsum(0))(y),
        "hessian": func.hessian(lambda y: loss(x, y))(y),
        "vjp": func.vjp(lambda y: x @ y, y)[1](m.f(3, grad=False)),
        "jvp": func.jvp(lambda y: x @ y.exp(), (y,), (m.f(4, grad=False),)),
        "linearize": func.linearize(lambda y: y.sin(), y)[1](m.f(4, grad=False)),
        "functionalize": func.functionalize(lambda x: x.clone().add_(1))(x),
        "chunks": func.vmap(lambda x: x.softmax(0), chunk_size=2)(x),
        "out": func.vmap(lambda x: (x.max(), x.sort()[0]), out_dims=(0, 1))(x),
        "nested": func.vmap(func.vmap(lambda a, b: a * b, (0, None)), (None, 0))(y, y),
    }


@programs(of="func")
def modules(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1)))
    params = {k: v.detach() for k, v in net.named_parameters()}
    x, y = m.f(5, 3, grad=False), m.f(5, 1, grad=False)

    def loss(params: Any, x: Any, y: Any) -> Any:
        return F.mse_loss(func.functional_call(net, params, x[None])[0], y)

    per_sample = func.vmap(func.grad(loss), (None, 0, 0))(params, x, y)
    nets = [m.module(nn.Linear(3, 2)) for _ in range(2)]
    stacked, buffers = func.stack_module_state(nets)
    both = func.vmap(lambda p, b: func.functional_call(nets[0], (p, b), x))(stacked, buffers)
    return per_sample, both


@programs(of="func")
def batched_random_and_norms(m: Maker) -> Any:
    x = m.f(4, 3, 2, grad=False)
    same = func.vmap(lambda x: x + torch.rand(2, device=x.device), randomness="same")(x)
    assert same.device == x.device
    net = m.module(nn.BatchNorm1d(2, track_running_stats=False))
    return func.vmap(net)(x), func.vmap(lambda x: F.conv1d(x[None], x[None]))(x)


@programs(of="autograd")
def functional(m: Maker) -> Any:
    from flambeau.autograd import functional as A  # noqa: N812

    x, v = m.f(3, grad=False), m.f(3, grad=False)
    cube = lambda x: (x**3).sum()  # noqa: E731
    return {
        "jacobian": A.jacobian(lambda x: x.exp() * x.sum(), x),
        "vectorized": A.jacobian(lambda x: x.exp() * x.sum(), x, vectorize=True),
        "forward": A.jacobian(lambda x: x.exp() * x.sum(), x, strategy="forward-mode", vectorize=True),
        "hessian": A.hessian(cube, x),
        "products": [A.vhp(cube, x, v), A.hvp(cube, x, v), A.vjp(torch.sin, x, v), A.jvp(torch.sin, x, v)],
    }


@programs(of="autograd")
def forward_mode(m: Maker) -> Any:
    import flambeau.autograd.forward_ad as fwAD  # noqa: N812

    x, t = m.f(3, 4), m.f(3, 4, grad=False)
    with fwAD.dual_level():
        dual = fwAD.make_dual(x, t)
        y = F.softmax(dual.sin(), -1) @ torch.ones(4, 2, device=m.device) * dual[:, :2]
        y = torch.cat([y, dual.max(1)[0][:, None]], 1)
        return tuple(fwAD.unpack_dual(y))


@programs(of="autograd")
def hooks(m: Maker) -> Any:
    seen: list[Any] = []
    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    net[1].register_forward_hook(lambda module, args, out: out * 2)
    net[0].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    net[2].register_full_backward_hook(lambda module, grad_in, grad_out: seen.append(grad_out[0]))
    x = m.f(2, 3)
    x.register_hook(lambda g: g * 3)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.clone()))
    y = net(x)
    y.grad_fn.register_prehook(lambda grads: seen.append(grads[0]))
    with torch.autograd.graph.save_on_cpu(pin_memory=m.device.type == "cuda"):
        z = (y.sin() * y).sum()
    z.backward()
    return seen, z.detach()


@programs(of="autograd")
def second_derivatives(m: Maker) -> Any:
    net, x = m.module(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus(), nn.Flatten(), nn.Linear(8, 1))), m.f(2, 1, 4, 4)
    (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    return (g.flatten(1).norm(dim=1) - 1).square().mean()


@programs(of="autograd")
def anomalies_and_modes(m: Maker) -> Any:
    x = m.f(3)
    with torch.autograd.detect_anomaly(check_nan=True):
        y = x.exp().sum()
        (g,) = torch.autograd.grad(y, x)
        try:
            torch.autograd.grad((x.detach().requires_grad_() * 0).sqrt().sum().log() * x.sum(), x)
            said = "nothing"
        except RuntimeError as error:
            said = type(error).__name__
    with torch.inference_mode():
        z = x * 2
    return g, said, z.is_inference(), z.clone()


@programs(of="autograd")
def checkpoints(m: Maker) -> Any:
    from flambeau.utils.checkpoint import checkpoint, checkpoint_sequential

    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.0), nn.Tanh(), nn.Linear(4, 3)))
    x = m.f(2, 3)
    a = checkpoint(net, x, use_reentrant=False)
    b = checkpoint(net, x, use_reentrant=True)
    return a, b, checkpoint_sequential(net, 2, x, use_reentrant=False)


@programs(of="autograd")
def checkpoints_keep_the_generator(m: Maker) -> Any:
    from flambeau.utils.checkpoint import checkpoint

    x = torch.ones(200, device=m.device, requires_grad=True)
    for reentrant in (False, True):
        x.grad = None
        y = checkpoint(lambda x: F.dropout(x, 0.5), x, use_reentrant=reentrant)
        y.sum().backward()
        assert torch.equal(y.detach(), x.grad)
    return torch.tensor(1.0, device=m.device)


@programs(of="autograd")
def custom_functions(m: Maker) -> Any:
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, k: float) -> Any:
            ctx.save_for_backward(x)
            ctx.k = k
            y = x * k
            ctx.mark_non_differentiable(found := y > 0)
            return y, found

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            (x,) = ctx.saved_tensors
            assert g.device == x.device
            return g * ctx.k, None

    x = m.f(3)
    y, _ = Scaled.apply(x, 2.0)
    unused, _ = Scaled.apply(m.f(3), 3.0)
    return y, unused


@programs(of="autograd")
def gradients_checked(m: Maker) -> Any:
    x = m.f(3, dtype="float64")
    assert torch.autograd.gradcheck(lambda x: (x.sin() * x).cumsum(0), x)
    assert torch.autograd.gradgradcheck(lambda x: x.sin() * x, x)
    assert torch.autograd.gradcheck(torch.exp, x, check_forward_ad=True, check_batched_grad=True)
    return x.detach()


@programs(of="autograd")
def in_place_and_views(m: Maker) -> Any:
    x = m.f(4, 4)
    y = x * 1
    y[1:, ::2] *= 2
    y.diagonal().add_(1)
    y[y > 1] = 0.5
    y.t()[0].sin_()
    z = torch.zeros(4, 4, device=m.device)
    z[:, 1] = y[2]
    z.index_put_((m.t([0, 1]), m.t([1, 1])), y[0, :2], accumulate=True)
    return y, z.scatter_add(0, m.t([[0, 1, 2, 0]]), y[:1])
