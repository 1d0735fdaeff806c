"""`Module` itself against PyTorch's: small programs that must say the same on both sides."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import OrderedDict
from typing import Any

import pytest

from tests.parity.nn_pair import SIDES

PROGRAMS = []


def program(function: Any) -> Any:
    PROGRAMS.append(function)
    return function


def attempt(call: Any) -> Any:
    """What a call returns, or the type of its error."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def net(torch: Any, nn: Any) -> Any:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.norm = nn.BatchNorm1d(4)
            self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
            self.shared = self.first
            self.scale = nn.Parameter(torch.ones(2))
            self.register_buffer("steps", torch.zeros(1))
            self.register_buffer("hidden", torch.ones(1), persistent=False)
            self.register_parameter("none", None)

        def forward(self, x: Any) -> Any:
            return self.block(self.norm(self.first(x))) * self.scale

    return Net()


def numbers(tensor: Any) -> list[Any]:
    return [round(float(x), 5) for x in tensor.detach().reshape(-1).tolist()]


@program
def walking(torch: Any, nn: Any) -> Any:
    model = net(torch, nn)
    yield [name for name, _ in model.named_parameters()]
    yield [name for name, _ in model.named_parameters(prefix="p", recurse=False)]
    yield [name for name, _ in model.named_parameters(remove_duplicate=False)]
    yield [name for name, _ in model.named_buffers()]
    yield [name for name, _ in model.named_modules()]
    yield [name for name, _ in model.named_modules(prefix="m", remove_duplicate=False)]
    yield [name for name, _ in model.named_children()]
    yield [type(each).__name__ for each in model.modules()]
    yield len(list(model.children())), len(list(model.parameters())), len(list(model.buffers()))
    yield list(model.state_dict()), dict(model.state_dict()._metadata)
    yield list(model.state_dict(prefix="x."))
    yield repr(model)
    yield model.get_submodule("block.2") is model.block[2], model.get_submodule("") is model
    yield model.get_parameter("block.0.weight") is model.block[0].weight
    yield model.get_buffer("norm.running_mean") is model.norm.running_mean
    model.set_submodule("block.1", nn.Tanh())
    yield repr(model.block)
    yield [n for n in dir(model) if n in ("first", "scale", "steps", "none", "forward", "hidden")]
    yield sum(p.numel() for p in model.parameters())


@program
def attributes(torch: Any, nn: Any) -> Any:
    model = net(torch, nn)
    model.scale = None
    yield [name for name, _ in model.named_parameters(recurse=False)], model.scale
    model.scale = nn.Parameter(torch.zeros(2))
    yield [name for name, _ in model.named_parameters(recurse=False)]
    model.first = None
    yield [name for name, _ in model.named_children()], model.first
    model.first = nn.Linear(1, 1)
    model.block = nn.Parameter(torch.ones(3))
    yield sorted(model._parameters), sorted(model._modules), sorted(model._buffers)
    model.steps = nn.Linear(1, 1)
    yield sorted(model._parameters), sorted(model._modules), sorted(model._buffers)
    model.hidden = torch.zeros(4)
    yield numbers(model.hidden), list(model.state_dict())
    del model.hidden
    yield hasattr(model, "hidden"), attempt(lambda: model.hidden)
    model.plain = 3
    model.plain = nn.Parameter(torch.ones(1))
    yield [name for name, _ in model.named_parameters(recurse=False)]
    del model.plain
    yield hasattr(model, "plain")
    yield attempt(lambda: setattr(model, "scale", torch.ones(2)))
    yield attempt(lambda: setattr(model, "norm", 3))
    yield attempt(lambda: setattr(model, "scale", nn.ReLU()))
    model.extra = nn.Buffer(torch.ones(2), persistent=False)
    yield sorted(model._buffers), list(model.state_dict())
    model._parameters["scale"] = nn.Parameter(torch.full((2,), 7.0))
    yield numbers(model.scale)
    del model._parameters["scale"]
    yield attempt(lambda: model.scale)
    model._modules.pop("norm")
    yield attempt(lambda: model.norm)
    model._buffers.clear()
    yield attempt(lambda: model.extra)
    model._modules = OrderedDict(only=nn.ReLU())
    yield repr(model), attempt(lambda: model.first), repr(model.only)
    vars(model)["first"] = 5
    yield model.first


@program
def shadowing(torch: Any, nn: Any) -> Any:
    class Fancy(nn.Module):
        weight_of_class = "class"

        @property
        def double(self) -> Any:
            return 2 * self.value

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return f"made up {name}"

    module = Fancy()
    yield module.nonsense, attempt(lambda: module.double)
    plain = nn.Linear(2, 2)
    plain._modules["forward"] = nn.ReLU()
    yield tuple(plain(torch.ones(1, 2)).shape)
    yield attempt(lambda: nn.Linear(1, 1).register_parameter("forward", None))
    yield attempt(lambda: plain.register_buffer("weight", None))

    class Early(nn.Module):
        def __init__(self, what: str) -> None:
            value = {"p": nn.Parameter(torch.ones(1)), "m": nn.ReLU(), "n": 1}[what]
            self.early = value

    yield [attempt(lambda w=w: Early(w) and "fine") for w in "pmn"]
    yield attempt(lambda: Early("n")(1))

    class Both(nn.Module):
        call_super_init = True

        def __init__(self) -> None:
            super().__init__()

    yield repr(Both())


@program
def modes(torch: Any, nn: Any) -> Any:
    model = net(torch, nn)
    yield model.training, model.eval().training, [m.training for m in model.modules()]
    model.train()
    yield [m.training for m in model.modules()]
    model.requires_grad_(False)
    yield [p.requires_grad for p in model.parameters()]
    model.requires_grad_()
    model(torch.ones(5, 3)).sum().backward()
    yield [p.grad is None for p in model.parameters()]
    model.zero_grad(set_to_none=False)
    yield [float(p.grad.abs().sum()) for p in model.parameters()]
    model.zero_grad()
    yield [p.grad is None for p in model.parameters()]
    seen = []
    model.apply(lambda m: seen.append(type(m).__name__))
    yield seen
    weight = model.first.weight
    model.double()
    yield (
        str(model.first.weight.dtype)[-7:],
        model.first.weight is weight,
        str(model.steps.dtype)[-7:],
    )
    yield str(model.norm.num_batches_tracked.dtype)[-5:]
    model.to(torch.float32)
    yield {str(t.dtype).split(".")[1] for t in model.state_dict().values()}
    model.half()
    yield {str(t.dtype).split(".")[1] for t in model.state_dict().values()}
    model.bfloat16()
    yield {str(t.dtype).split(".")[1] for t in model.state_dict().values()}
    model.float().cpu().to("cpu").to(torch.ones(1)).to(device="cpu", dtype=torch.float64)
    yield {str(t.dtype).split(".")[1] for t in model.state_dict().values()}
    model.type(torch.float32)
    yield {str(t.dtype).split(".")[1] for t in model.state_dict().values()}
    yield {tuple(t.shape) for t in net(torch, nn).to_empty(device="cpu").state_dict().values()}
    yield model.compile(), model.double() is model, model.eval() is model


@program
def gradients_follow_a_cast(torch: Any, nn: Any) -> Any:
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    layer.double()
    yield str(layer.weight.grad.dtype).split(".")[1], numbers(layer.weight.grad)
    yield layer.weight.is_leaf, layer.weight.requires_grad


@program
def loading(torch: Any, nn: Any) -> Any:
    source, target = net(torch, nn), net(torch, nn)
    with torch.no_grad():
        for p in source.parameters():
            p.add_(1)
    state = source.state_dict()
    yield str(target.load_state_dict(state))
    yield [numbers(a) == numbers(b) for a, b in zip(source.parameters(), target.parameters())]
    part = OrderedDict((k, v) for k, v in state.items() if "block" not in k)
    part["new"] = torch.ones(1)
    part["first.new"] = torch.ones(1)
    part["nothing.new"] = torch.ones(1)
    found = target.load_state_dict(part, strict=False)
    yield found.missing_keys, found.unexpected_keys, str(found)
    try:
        target.load_state_dict(part)
    except RuntimeError as error:
        yield str(error)
    wrong = OrderedDict(state, scale=torch.ones(3))
    wrong["steps"] = "no tensor"
    try:
        target.load_state_dict(wrong, strict=False)
    except RuntimeError as error:
        yield str(error)
    before = target.first.weight
    target.load_state_dict(state, assign=True)
    yield target.first.weight is before, type(target.first.weight).__name__
    yield target.first.weight.requires_grad, target.first.weight.is_leaf
    state["steps"] = torch.tensor(0.0).reshape(1)
    yield str(target.load_state_dict(dict(state)))
    kept = source.state_dict(keep_vars=True)
    yield kept["scale"] is source.scale, source.state_dict()["scale"].requires_grad
    with torch.no_grad():
        source.scale.fill_(9)
    yield numbers(state["scale"])
    scalar = nn.Module()
    scalar.p = nn.Parameter(torch.tensor(1.0))
    scalar.load_state_dict({"p": torch.tensor([5.0])})
    yield float(scalar.p)
    yield attempt(lambda: net(torch, nn).load_state_dict(3))


@program
def state_hooks(torch: Any, nn: Any) -> Any:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(1, 1)
            self.note = "a"

        def get_extra_state(self) -> Any:
            return {"note": self.note}

        def set_extra_state(self, state: Any) -> None:
            self.note = state["note"]

    module = Own()
    yield list(module.state_dict()), module.state_dict()["_extra_state"]
    other = Own()
    other.note = "b"
    module.load_state_dict(other.state_dict())
    yield module.note
    yield module.load_state_dict({}, strict=False).missing_keys
    log = []
    handles = [
        module.register_state_dict_pre_hook(lambda m, p, k: log.append(("pre", p, k))),
        module.register_state_dict_post_hook(lambda m, d, p, l: log.append(("post", len(d), p))),
        module.register_load_state_dict_pre_hook(
            lambda m, d, p, l, s, mi, u, e: log.append(("load", len(d), p, s))
        ),
        module.register_load_state_dict_post_hook(
            lambda m, keys: log.append(("after", list(keys.missing_keys)))
        ),
    ]
    module.load_state_dict(module.state_dict(prefix="", keep_vars=True))
    yield log
    for handle in handles:
        handle.remove()
    module.state_dict()
    yield len(log)
    module._register_state_dict_hook(lambda m, d, p, l: {"replaced": 1})
    yield module.state_dict()
    forgiving = nn.Linear(1, 1)
    forgiving.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    yield str(forgiving.load_state_dict({}))
    bad = nn.Linear(1, 1)
    bad.register_load_state_dict_post_hook(lambda m, keys: 3)
    yield attempt(lambda: bad.load_state_dict(bad.state_dict()))
    bad.register_state_dict_post_hook(lambda m, d, p, l: d)
    yield attempt(lambda: bad.state_dict())

    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)
            self.checked = float(self.weight.sum())

    layer = Renamed(1, 1)
    layer.load_state_dict({"kernel": torch.full((1, 1), 3.0), "bias": torch.zeros(1)})
    yield layer.checked


@program
def forward_hooks(torch: Any, nn: Any) -> Any:
    layer = nn.Linear(2, 2)
    log: list[Any] = []
    x = torch.ones(1, 2)
    h1 = layer.register_forward_pre_hook(lambda m, args: log.append(("pre", len(args))))
    h2 = layer.register_forward_pre_hook(lambda m, args: (args[0] * 0,), prepend=True)
    h3 = layer.register_forward_hook(lambda m, args, out: log.append(("post", tuple(out.shape))))
    h4 = layer.register_forward_hook(lambda m, args, out: out * 0 + 5)
    yield numbers(layer(x)), log
    h4.remove()
    yield numbers(layer(x)) == numbers(layer.bias)
    for handle in (h1, h2, h3):
        handle.remove()
    log.clear()
    layer(x)
    yield log, len(layer._forward_hooks), len(layer._forward_pre_hooks)

    class Keyword(nn.Module):
        def forward(self, x: Any, factor: float = 1.0) -> Any:
            if factor < 0:
                raise ValueError("negative")
            return x * factor

    module = Keyword()
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"factor": kwargs.get("factor", 1.0) * 2}), with_kwargs=True
    )
    module.register_forward_hook(
        lambda m, args, kwargs, out: log.append((kwargs, numbers(out))), with_kwargs=True
    )
    yield numbers(module(x, factor=3.0)), log
    module.register_forward_hook(
        lambda m, a, out: log.append(("always", out is None)), always_call=True
    )
    yield attempt(lambda: module(x, factor=-1.0)), log[-1]
    with module.register_forward_hook(lambda m, a, out: out + 100):
        yield numbers(module(x))
    yield numbers(module(x))
    bad = Keyword()
    bad.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    yield attempt(lambda: bad(x))

    def broken(m: Any, a: Any, out: Any) -> None:
        raise KeyError("hook")

    failing = Keyword()
    failing.register_forward_hook(broken, always_call=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield attempt(lambda: failing(x, factor=-1.0)), len(caught)


@program
def backward_hooks(torch: Any, nn: Any) -> Any:
    torch.manual_seed(0)
    layer = nn.Linear(2, 3)
    log: list[Any] = []

    def shapes(grads: Any) -> Any:
        return [None if g is None else numbers(g) for g in grads]

    layer.register_full_backward_pre_hook(lambda m, go: log.append(("pre", shapes(go))))
    layer.register_full_backward_hook(
        lambda m, gi, go: log.append(("full", shapes(gi), shapes(go)))
    )
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    yield log, numbers(x.grad)
    log.clear()
    layer(torch.ones(1, 2)).sum().backward()
    yield log
    log.clear()
    with torch.no_grad():
        layer(x)
    yield log

    changed = nn.Linear(2, 2)
    changed.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    changed.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    y = torch.ones(1, 2, requires_grad=True)
    changed(y).sum().backward()
    yield numbers(y.grad), numbers(changed.weight.grad), numbers(changed.bias.grad)

    class Two(nn.Module):
        def forward(self, a: Any, b: Any, c: Any) -> Any:
            return a * b, a + b

    two = Two()
    two.register_full_backward_hook(lambda m, gi, go: log.append((shapes(gi), shapes(go))))
    a = torch.full((1,), 2.0, requires_grad=True)
    b = torch.full((1,), 3.0, requires_grad=True)
    product, _ = two(a, b, "text")
    product.sum().backward()
    yield log, numbers(a.grad), numbers(b.grad)
    yield attempt(lambda: layer.register_backward_hook(lambda *args: None))
    wrong = nn.Linear(2, 2)
    wrong.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    yield attempt(lambda: wrong(y).sum().backward())
    handle = changed.register_full_backward_hook(
        lambda m, gi, go: log.append("first"), prepend=True
    )
    log.clear()
    changed(y).sum().backward()
    handle.remove()
    changed(y).sum().backward()
    yield log


@program
def global_hooks(torch: Any, nn: Any) -> Any:
    hooks = nn.modules.module
    log: list[Any] = []
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, a: log.append("pre")),
        hooks.register_module_forward_hook(lambda m, a, o: log.append("post")),
        hooks.register_module_full_backward_pre_hook(lambda m, go: log.append("back pre")),
        hooks.register_module_full_backward_hook(lambda m, gi, go: log.append("back")),
        hooks.register_module_parameter_registration_hook(lambda m, n, p: log.append(n)),
        hooks.register_module_buffer_registration_hook(lambda m, n, b: log.append(n)),
        hooks.register_module_module_registration_hook(lambda m, n, s: log.append(n)),
    ]
    layer = nn.Sequential(nn.Linear(1, 1))
    layer[0].register_buffer("b", torch.ones(1))
    layer(torch.ones(1, 1, requires_grad=True)).sum().backward()
    for handle in handles:
        handle.remove()
    count = len(log)
    layer(torch.ones(1, 1))
    yield log, len(log) == count


@program
def copying(torch: Any, nn: Any) -> Any:
    model = net(torch, nn)
    for copied in (copy.deepcopy(model.block), pickle.loads(pickle.dumps(model.block))):
        yield [numbers(p) for p in copied.parameters()] == [
            numbers(p) for p in model.block.parameters()
        ]
        yield copied[0].weight is not model.block[0].weight, copied[0].weight.requires_grad
        with torch.no_grad():
            copied[0].weight.fill_(3)
        yield numbers(copied._parameters.get("x", copied[0]._parameters["weight"]))[:2]
        copied[0].weight = nn.Parameter(torch.zeros(4, 4))
        yield numbers(copied[0]._parameters["weight"])[:2], numbers(model.block[0].weight)[:2]
    shared = copy.deepcopy(model)
    yield shared.shared is shared.first, len(list(shared.parameters()))
    shallow = copy.copy(model.first)
    shallow.weight = nn.Parameter(torch.zeros(1, 1))
    yield numbers(model.first.weight), shallow._parameters is model.first._parameters
    alone = copy.deepcopy(dict(model.first._parameters))
    yield sorted(alone), alone["bias"] is model.first.bias
    p = nn.Parameter(torch.ones(2), requires_grad=False)
    yield copy.deepcopy(p).requires_grad, pickle.loads(pickle.dumps(p)).requires_grad
    yield repr(p), repr(nn.Parameter(torch.ones(2)))

    class Stateful(nn.Linear):
        def __getstate__(self) -> Any:
            return dict(self.__dict__)

        def __setstate__(self, state: Any) -> None:
            self.__dict__.update(state)

    layer = copy.deepcopy(Stateful(1, 1))
    layer.weight = nn.Parameter(torch.full((1, 1), 4.0))
    yield numbers(layer.weight), numbers(layer._parameters["weight"])


@program
def containers(torch: Any, nn: Any) -> Any:
    s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    yield len(s), repr(s[0:2]), repr(s[-1]), repr(s + nn.Sequential(nn.Tanh())), repr(s * 2)
    yield repr(s.pop(0)), repr(s), repr(s.insert(0, nn.Tanh())), repr(s.append(nn.Sigmoid()))
    del s[0]
    s[0] = nn.Softmax(1)
    yield repr(s), repr(s.extend([nn.ReLU()])), nn.ReLU() in s
    named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.ReLU()))
    yield repr(named), repr(named[1:]), list(named[1:]._modules)
    del named[0]
    yield repr(named)
    s += nn.Sequential(nn.ReLU())
    s *= 2
    yield len(s)
    modules = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
    yield repr(modules), repr(modules[0:1]), repr(modules + [nn.Tanh()]), repr(nn.ModuleList())
    modules.insert(1, nn.Tanh())
    yield repr(modules.pop(-1)), repr(modules), [n for n in dir(modules) if n.isdigit()]
    modules += [nn.ReLU()]
    modules[0] = nn.Identity()
    del modules[1:3]
    yield repr(modules), [type(m).__name__ for m in modules]
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    table.update({"c": nn.ReLU()})
    table.update([("d", nn.ReLU())])
    yield (
        repr(table),
        list(table),
        len(table),
        "a" in table,
        repr(table.pop("a")),
        list(table.keys()),
    )
    table["x"] = nn.Identity()
    del table["b"]
    yield [(k, type(v).__name__) for k, v in table.items()], len(list(table.values()))
    table.clear()
    yield len(table), repr(table)
    params = nn.ParameterList([nn.Parameter(torch.ones(2)), torch.ones(3), 3, "x"])
    yield repr(params), len(params), repr(params[0:2]), list(params.state_dict()), params[3]
    params.append(torch.zeros(1))
    params[0] = torch.zeros(4)
    params += [torch.ones(1)]
    yield repr(params), [type(p).__name__ for p in params]
    table2 = nn.ParameterDict({"b": torch.ones(1), "a": nn.Parameter(torch.ones(2, 2)), "c": 3})
    yield repr(table2), list(table2), table2.get("q", 5), list(reversed(table2))
    yield repr(table2 | {"z": torch.ones(2)}), table2.popitem()[0], repr(table2.copy())
    yield repr(table2.fromkeys(["m", "n"], torch.ones(1))), len(table2), "a" in table2
    yield sorted(table2.state_dict()), type(table2.setdefault("new", torch.ones(1))).__name__
    table2.update({"u": torch.ones(1)})
    del table2["a"]
    yield [k for k, _ in table2.items()], table2.pop("u").shape[0], len(list(table2.values()))


@program
def clipping(torch: Any, nn: Any) -> Any:
    def model() -> Any:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        (layer(torch.arange(6.0).reshape(2, 3)) ** 2).sum().backward()
        return layer

    for norm_type in (2, 1.0, float("inf"), 3):
        layer = model()
        total = nn.utils.clip_grad_norm_(layer.parameters(), 1.5, norm_type)
        yield numbers(total), [numbers(p.grad) for p in layer.parameters()]
    layer = model()
    yield numbers(nn.utils.clip_grad_norm_(layer.weight, 1e6)), numbers(layer.weight.grad)
    nn.utils.clip_grad_value_(layer.parameters(), 0.7)
    yield [numbers(p.grad) for p in layer.parameters()]
    grads = [p.grad for p in layer.parameters()]
    total = nn.utils.get_total_norm(grads)
    nn.utils.clip_grads_with_norm_(layer.parameters(), 0.1, total)
    yield numbers(total), [numbers(p.grad) for p in layer.parameters()]
    layer.weight.grad[0, 0] = float("inf")
    yield attempt(
        lambda: nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)
    )
    vector = nn.utils.parameters_to_vector(layer.parameters())
    yield tuple(vector.shape), vector.requires_grad
    nn.utils.vector_to_parameters(torch.arange(8.0), layer.parameters())
    yield [numbers(p) for p in layer.parameters()], layer.weight.requires_grad
    yield numbers(nn.utils.get_total_norm([]))
    torch.manual_seed(5)
    nn.utils.skip_init(nn.Linear, 2, 2)


@program
def packing(torch: Any, nn: Any) -> Any:
    rnn = nn.utils.rnn
    parts = [torch.arange(3.0), torch.arange(5.0) + 10, torch.arange(1.0) + 20]
    padded = rnn.pad_sequence(parts, batch_first=True, padding_value=-1.0)
    yield numbers(padded), tuple(rnn.pad_sequence(parts).shape)
    yield numbers(rnn.pad_sequence(parts, padding_side="left"))
    packed = rnn.pack_padded_sequence(padded, [3, 5, 1], batch_first=True, enforce_sorted=False)
    yield numbers(packed.data), packed.batch_sizes.tolist(), packed.sorted_indices.tolist()
    back, lengths = rnn.pad_packed_sequence(packed, batch_first=True, total_length=6)
    yield numbers(back), lengths.tolist()
    yield [numbers(each) for each in rnn.unpack_sequence(packed)]
    yield [numbers(each) for each in rnn.unpad_sequence(padded, lengths, batch_first=True)]
    yield rnn.pack_sequence(sorted(parts, key=len, reverse=True)).batch_sizes.tolist()
    for kind in ("RNN", "LSTM", "GRU"):
        torch.manual_seed(0)
        layer = getattr(nn, kind)(2, 3, num_layers=2, bidirectional=True)
        x = torch.arange(24.0).reshape(4, 3, 2) / 10
        sequence = rnn.pack_padded_sequence(x, torch.tensor([2, 4, 1]), enforce_sorted=False)
        output, state = layer(sequence)
        unpacked, _ = rnn.pad_packed_sequence(output)
        states = state if isinstance(state, tuple) else (state,)
        yield numbers(unpacked)
        yield [numbers(each) for each in states]


@program
def dropout_between_layers(torch: Any, nn: Any) -> Any:
    torch.manual_seed(0)
    layer = nn.GRU(2, 3, num_layers=2, dropout=0.5)
    output, _ = layer(torch.arange(8.0).reshape(2, 2, 2) / 10)
    yield numbers(output)


def alike(mine: Any, other: Any) -> bool:
    """Equal, floats nearly."""
    if isinstance(mine, (list, tuple)) and type(mine) is type(other):
        return len(mine) == len(other) and all(
            alike(a, b) for a, b in zip(mine, other, strict=True)
        )
    if isinstance(mine, float) and isinstance(other, float):
        return mine == pytest.approx(other, rel=1e-4, abs=1e-4, nan_ok=True)
    return mine == other


@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
def test_program(run: Any) -> None:
    """Every step yields the same."""
    results = []
    for library in SIDES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(list(run(library, library.nn)))
    theirs, ours = results
    assert len(ours) == len(theirs)
    for k, (mine, expected) in enumerate(zip(ours, theirs, strict=True)):
        assert alike(mine, expected), f"step {k}: {mine}, PyTorch has {expected}"


def test_public_methods() -> None:
    """Everything public that PyTorch's Module has, except for other makers' devices."""
    missing = set(dir(SIDES[0].nn.Module)) - set(dir(SIDES[1].nn.Module))
    assert {name for name in missing if not name.startswith("_")} <= {
        "xpu",
        "ipu",
        "mtia",
        "T_destination",
    }


def test_call_is_light() -> None:
    """`__call__` reads few things: a module without hooks reaches `forward` in one step."""
    nn = SIDES[1].nn
    frames: list[str] = []

    class Probe(nn.Module):  # type: ignore[name-defined,misc]
        def forward(self) -> None:
            import sys

            frame = sys._getframe(1)
            frames.extend((frame.f_code.co_name, frame.f_back.f_code.co_name))  # type: ignore[union-attr]

    Probe()()
    assert frames == ["__call__", "test_call_is_light"]
