"""Writes in place inside the graph: on bases, views, leaves, saved values."""

from __future__ import annotations

from typing import Any

from .support import Cases, chain, fails, message

CASES = Cases()


def _leaf(torch: Any, *shape: int) -> Any:
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(float(n)).reshape(shape) / 4 + 0.5).requires_grad_()


@CASES
def a_result_written(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x * 2
    z = y.mul_(3).add_(x)
    seen = [z is y, y.grad_fn.name(), y._version, y.requires_grad]
    y.sum().backward()
    return seen, x.grad


@CASES
def a_plain_tensor_becomes_part_of_the_graph(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = torch.ones(3)
    y.mul_(x)
    y[1] = 0.0
    y[2:] += x[2:]
    y.sum().backward()
    return y.requires_grad, y.is_leaf, y.grad_fn.name(), x.grad


@CASES
def leaves_are_not_written(torch: Any) -> Any:
    x = _leaf(torch, 3)
    words = "a leaf Variable that requires grad"
    results = [
        message(lambda: x.add_(1), words), message(lambda: x.zero_(), words),
        message(lambda: x.copy_(torch.ones(3)), words), fails(lambda: x.__setitem__(0, 1.0)),
        fails(lambda: x.view(3).mul_(2)), message(lambda: x[:2].mul_(2), "a view of a leaf"),
        fails(lambda: x.detach().mul_(1)), fails(lambda: x.data.mul_(1)),
        fails(lambda: x.unbind()[0].mul_(2)), fails(lambda: x.index_fill_(0, torch.tensor([0]), 1.0)),
        fails(lambda: x.fill_(1)), fails(lambda: x.resize_(2)), fails(lambda: x.requires_grad_()),
        fails(lambda: torch.add(x, 1, out=x)), fails(lambda: x.__iadd__(1)),
    ]  # fmt: skip
    return results, x._version


@CASES
def leaves_under_no_grad(torch: Any) -> Any:
    x = _leaf(torch, 3)
    with torch.no_grad():
        x.add_(1)
        x[0] = 9
        x.view(3).mul_(2)
    (x * x).sum().backward()
    return x, x.is_leaf, x.grad, x._version


@CASES
def out_arguments(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x * 1
    out = torch.zeros(3)
    return [
        fails(lambda: torch.add(x, 1, out=out)),
        fails(lambda: torch.add(torch.ones(3), 1, out=y)),
        fails(lambda: torch.add(torch.ones(3), 1, out=x)),
        out,
    ]


@CASES
def saved_inputs_written(torch: Any) -> Any:
    x = _leaf(torch, 3)
    results = []
    for use in (
        lambda y: y * y, lambda y: y.exp(), lambda y: y + 1, lambda y: y.sin(), lambda y: y.relu(),
        lambda y: y.sum(), lambda y: y * 2, lambda y: y.pow(2), lambda y: y.view(3, 1),
        lambda y: y.log(), lambda y: y.clone(), lambda y: y / 2, lambda y: 2 / y, lambda y: y.abs(),
        lambda y: y.max(), lambda y: y.prod(), lambda y: y @ y, lambda y: y.tanh(),
        lambda y: y.softmax(0), lambda y: y.clamp(0.6), lambda y: torch.cat([y, y]),
        lambda y: y.norm(), lambda y: y.mean(), lambda y: y[1:], lambda y: y[torch.tensor([0, 2])],
        lambda y: torch.where(y > 0, y, 2 * y), lambda y: y.cumsum(0), lambda y: y.sqrt(),
    ):  # fmt: skip
        y = x * 1
        z = use(y)
        y.add_(1)
        results.append(fails(lambda: z.sum().backward()))
    return results


@CASES
def saved_results_written(torch: Any) -> Any:
    x = _leaf(torch, 3)
    results = []
    for use in (
        lambda y: y.exp(), lambda y: y.sigmoid(), lambda y: y.tanh(), lambda y: y.relu(),
        lambda y: y.sqrt(), lambda y: y.softmax(0), lambda y: y * 2, lambda y: y.reciprocal(),
        lambda y: y.log_softmax(0), lambda y: y.clone(), lambda y: y / 3, lambda y: y.rsqrt(),
        lambda y: y.cumsum(0), lambda y: y.abs(), lambda y: y.pow(3), lambda y: y.clamp(0.6),
    ):  # fmt: skip
        z = use(x * 1)
        z.add_(1)
        results.append(fails(lambda: z.sum().backward()))
    return results


@CASES
def the_error_of_saved_values(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x * 1
    z = y * y
    y.add_(1)
    y.add_(1)
    return message(
        lambda: z.sum().backward(), "modified by an inplace operation", "is at version 2",
        "expected version 0", "[3]", "FloatTensor",
    )  # fmt: skip


@CASES
def saved_values_written_through_views(torch: Any) -> Any:
    x = _leaf(torch, 4)
    results = []
    for write in (
        lambda y: y[0].add_(1), lambda y: y.view(2, 2)[1].zero_(), lambda y: y.detach().add_(1),
        lambda y: y.data.add_(1), lambda y: y.t().add_(1), lambda y: y.numpy if False else None,
        lambda y: y.__setitem__(0, 1.0),
    ):  # fmt: skip
        y = x * 1
        z = y.exp() * y.sin()
        write(y)
        results.append(fails(lambda: z.sum().backward()))
    return results


@CASES
def writes_that_their_operations_allow(torch: Any) -> Any:
    results = []
    for write in (
        lambda y: y.exp_(), lambda y: y.relu_(), lambda y: y.sigmoid_(), lambda y: y.tanh_(),
        lambda y: y.mul_(y), lambda y: y.mul_(2), lambda y: y.pow_(2), lambda y: y.sqrt_(),
        lambda y: y.sin_(), lambda y: y.log_(), lambda y: y.abs_(), lambda y: y.neg_(),
        lambda y: y.zero_(), lambda y: y.fill_(3), lambda y: y.clamp_(0.6, 1.0),
        lambda y: y.div_(3), lambda y: y.div_(y), lambda y: y.reciprocal_(), lambda y: y.add_(y),
        lambda y: y.sub_(y, alpha=2), lambda y: y.copy_(y.detach() * 2), lambda y: y.t_(),
        lambda y: y.masked_fill_(y > 1, 0.0), lambda y: y.rsqrt_(), lambda y: y.addcmul_(y, y),
        lambda y: y.square_(), lambda y: y.floor_(), lambda y: y.lerp_(torch.ones(4), 0.5),
        lambda y: y.index_add_(0, torch.tensor([1]), torch.ones(1)), lambda y: y.cumsum_(0),
        lambda y: y.index_fill_(0, torch.tensor([1]), 2.0), lambda y: y.cos_(), lambda y: y.erf_(),
        lambda y: y.scatter_(0, torch.tensor([1]), 2.0), lambda y: y.unsqueeze_(0),
        lambda y: y.squeeze_(), lambda y: y.round_(), lambda y: y.detach().uniform_(),
    ):  # fmt: skip
        x = _leaf(torch, 4)
        y = x * 1
        failed = fails(lambda: write(y))
        ran = fails(lambda: (y * torch.arange(1.0, 5.0)).sum().backward())
        results.append([failed, y.requires_grad, y._version, ran, x.grad])
    return results


@CASES
def a_view_written(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 2
    v = y[:2]
    v.mul_(10)
    seen = [y.grad_fn.name(), v.grad_fn.name(), y._version, v._version, y]
    (y * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    return seen, x.grad


@CASES
def the_view_used_after_it_was_written(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 2
    v = y[:2]
    v.mul_(10)
    (v * v).sum().backward()
    return x.grad


@CASES
def the_base_written_after_a_view(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 2
    v = y[1:3]
    w = y.view(2, 2)
    before = v.grad_fn.name()
    y.mul_(3)
    after = [before, v.grad_fn.name(), w.grad_fn.name(), v.requires_grad]
    ((v * v).sum() + (w * w).sum()).backward()
    return after, v, x.grad


@CASES
def views_of_views(torch: Any) -> Any:
    x = _leaf(torch, 2, 6)
    y = x * 1
    a = y.view(3, 4)
    b = a[1:]
    c = b.t()
    d = c[::2]
    d.mul_(3)
    names = [t.grad_fn.name() for t in (y, a, b, c, d)]
    (b * torch.arange(8.0).view(2, 4)).sum().backward(retain_graph=True)
    first = x.grad.clone()
    y.exp().sum().backward()
    return names, first, x.grad, y, d._base is y


@CASES
def two_views_written_in_turn(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    a, b = y[:3], y[1:]
    a.mul_(2)
    b.mul_(5)
    a.add_(b.clone())
    y.mul_(7)
    (a * torch.tensor([1.0, 2.0, 3.0]) * b).sum().backward()
    return y, x.grad


@CASES
def a_plain_base_with_a_written_view(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = torch.zeros(4)
    v = y[1:3]
    v.copy_(x)
    before = [y.requires_grad, v.requires_grad, y.grad_fn.name(), y.is_leaf, v.is_leaf]
    (y * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    return before, x.grad


@CASES
def other_views_of_a_plain_base(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = torch.zeros(4)
    v, w = y[1:3], y[2:]
    v.copy_(x)
    seen = [w.requires_grad, w.grad_fn.name() if w.grad_fn else None, w.is_leaf]
    (w * 3).sum().backward()
    return seen, x.grad


@CASES
def assignments_by_index(torch: Any) -> Any:
    x = _leaf(torch, 6)
    w = _leaf(torch, 2)
    y = x * 2
    y[1] = 5.0
    y[2:4] = w
    y[torch.tensor([0, 5])] = w * 3
    y[torch.tensor([False, False, False, False, True, False])] = w[0]
    name = y.grad_fn.name()
    (y * torch.arange(1.0, 7.0)).sum().backward()
    return name, y, x.grad, w.grad


@CASES
def masked_writes(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 2
    y[y > 2] = 0
    y[y < 1.5] *= 3
    (y * torch.arange(1.0, 5.0)).sum().backward()
    return y, x.grad


@CASES
def augmented_assignments(torch: Any) -> Any:
    x, w = _leaf(torch, 4), _leaf(torch, 2)
    y = x * 2
    y[:2] += w
    y[2:] *= w
    y -= 1
    y /= 2
    y **= 2
    y.sum().backward()
    return y, x.grad, w.grad


@CASES
def several_views_at_once(torch: Any) -> Any:
    x = _leaf(torch, 4)
    results = []
    for make in (
        lambda y: y.split(2), lambda y: y.chunk(2), lambda y: y.unbind(), lambda y: y.view(2, 2).unbind(1),
        lambda y: list(y), lambda y: y.split([1, 3]),
    ):  # fmt: skip
        y = x * 1
        parts = make(y)
        results.append([
            message(lambda: parts[0].mul_(2), "is a view and is being modified inplace"),
            parts[0].grad_fn.name(), parts[1].output_nr, parts[0]._is_view(),
            fails(lambda: y.mul_(2)), fails(lambda: (parts[0] * 2).sum().backward()),
        ])  # fmt: skip
    return results


@CASES
def several_views_without_a_graph(torch: Any) -> Any:
    y = torch.arange(4.0)
    a, b = y.split(2)
    a.mul_(2)
    results = [y]
    x = _leaf(torch, 2)
    results.append(fails(lambda: b.mul_(x)))
    with torch.no_grad():
        z = _leaf(torch, 4) * 1
        c, _ = z.split(2)
        c.mul_(2)
    results += [z, fails(lambda: c.mul_(x))]
    w = _leaf(torch, 4) * 1
    d, _ = w.split(2)
    with torch.no_grad():
        d.mul_(3)
    return [*results, w, fails(lambda: d.sum().backward())]


@CASES
def views_of_one_of_several(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    a, _ = y.split(2)
    return fails(lambda: a[:1].mul_(2)), fails(lambda: a.view(2, 1).mul_(2))


@CASES
def views_made_without_a_graph(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    with torch.no_grad():
        v = y[:2]
    results = [v.requires_grad, v.grad_fn, v._is_view(), message(lambda: v.mul_(2), "no_grad")]
    with torch.no_grad():
        w = x[:2]
        w.mul_(2)
    results += [x, fails(lambda: w.grad_fn), fails(lambda: w.sum().backward())]
    return results


@CASES
def views_made_without_a_graph_of_a_base_written_since(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    with torch.no_grad():
        v = y[:2]
    y.mul_(2)
    return v, fails(lambda: v.grad_fn), v.requires_grad


@CASES
def views_written_under_no_grad(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    v = y[:2]
    with torch.no_grad():
        v.mul_(2)
    name = v.grad_fn.name(), y.grad_fn.name()
    (y * y).sum().backward()
    return name, x.grad, y


@CASES
def detached_views_share_versions(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    d = y.detach()
    d[0] = 9
    v = y[2:]
    v.zero_()
    e = y.data
    e.add_(1)
    return y, d, y._version, d._version, v._version, e._version, y.grad_fn.name()


@CASES
def writing_a_detached_tensor_with_a_graph(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    d = y.detach()
    d.mul_(x)
    flags = [d.requires_grad, y.requires_grad, y.grad_fn.name(), d.grad_fn.name()]
    y.sum().backward()
    return flags, x.grad, y


@CASES
def expanded_targets(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = (x * 1).expand(2, 3)
    return [
        fails(lambda: y.add_(1)), fails(lambda: y.zero_()), fails(lambda: y.fill_(2)),
        fails(lambda: y.copy_(torch.ones(2, 3))), fails(lambda: y[0].add_(1)),
    ]  # fmt: skip


@CASES
def shapes_and_dtypes_that_do_not_fit(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x * 1
    n = torch.arange(3)
    return [
        fails(lambda: y.add_(torch.ones(2, 3))), fails(lambda: n.add_(1.5)), fails(lambda: n.mul_(x)),
        fails(lambda: y.add_(torch.ones(2))), fails(lambda: n.div_(2)), y._version, n._version,
        y.grad_fn.name(), fails(lambda: y.add_(1j)), fails(lambda: y.add_(torch.ones(3).double())),
        fails(lambda: n.copy_(x)), n,
    ]  # fmt: skip


@CASES
def copies_with_casts(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = torch.zeros(2, 3, dtype=torch.float64)
    y.copy_(x)
    name = y.grad_fn.name()
    (y * torch.arange(6.0).view(2, 3)).sum().backward()
    half = torch.zeros(3, dtype=torch.float16)
    half.copy_(x)
    half.sum().backward()
    return name, x.grad, str(x.grad.dtype), half.grad_fn.name()


@CASES
def copies_over_a_graph(torch: Any) -> Any:
    x, w = _leaf(torch, 3), _leaf(torch, 3)
    y = x * 2
    y.copy_(w)
    y.sum().backward()
    z = x * 2
    z.copy_(torch.ones(3))
    flags = [z.requires_grad, z.grad_fn.name()]
    z.sum().backward()
    return x.grad, w.grad, flags


@CASES
def a_loop_of_writes(torch: Any) -> Any:
    x, w = _leaf(torch, 3), _leaf(torch, 3)
    state = torch.zeros(5, 3)
    h = x * 1
    for t in range(5):
        h = (h * w).tanh()
        state[t] = h
    (state * torch.arange(15.0).view(5, 3)).sum().backward()
    return state, x.grad, w.grad


@CASES
def a_base_kept_alive_by_its_view(torch: Any) -> Any:
    x = _leaf(torch, 4)
    v = (x * 2)[1:]
    v.mul_(3)
    v[0] = 0
    v.sum().backward()
    return x.grad, v._base.grad_fn.name()


@CASES
def second_derivatives_of_writes(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x**2
    y[1:3] *= x[:2]
    y.view(2, 2)[0].exp_()
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return g, h


@CASES
def nodes_of_written_views(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 2
    v = y[:2]
    v.mul_(3)
    return chain(y.grad_fn), chain(v.grad_fn)


@CASES
def versions(torch: Any) -> Any:
    x = torch.zeros(4)
    counts = [x._version]
    v = x[:2]
    for act in (
        lambda: x.add_(1), lambda: v.add_(1), lambda: x.__setitem__(0, 1), lambda: x.zero_(),
        lambda: x.detach().add_(1), lambda: x.data.add_(1), lambda: x.copy_(torch.ones(4)),
        lambda: x.copy_(x), lambda: torch.add(x, 1, out=x), lambda: x.view(2, 2).fill_(0),
        lambda: x.requires_grad_(), lambda: x.detach_(), lambda: x.uniform_(), lambda: x.set_ and None,
    ):  # fmt: skip
        act()
        counts.append([x._version, v._version])
    return counts


@CASES
def views_by_dtype_and_strides(torch: Any) -> Any:
    x = _leaf(torch, 6)
    y = x * 1
    v = y.as_strided((2, 2), (2, 1), 1)
    v.mul_(10)
    (y * torch.arange(6.0)).sum().backward()
    w = _leaf(torch, 6)
    (w.as_strided((3, 3), (1, 1)) * torch.arange(9.0).view(3, 3)).sum().backward()
    return y, x.grad, w.grad


@CASES
def bases_that_are_not_row_major(torch: Any) -> Any:
    w = _leaf(torch, 2)
    d = torch.arange(6.0).view(2, 3).t().detach()
    d[1] = w
    d[:, 1].mul_(w.sum())
    (d * torch.arange(6.0).view(3, 2)).sum().backward()
    seen = [d.grad_fn.name(), d, w.grad]
    f = torch.arange(8.0)[1:7].detach().requires_grad_()
    v = f.view(2, 3)
    with torch.no_grad():
        f.mul_(2)
    (v * torch.arange(6.0).view(2, 3)).sum().backward()
    (f.as_strided((2, 2), (1, 1), 2) * torch.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()
    return seen, f.grad


@CASES
def overlapping_sources(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    return [
        fails(lambda: y[1:].copy_(y[:-1])), fails(lambda: y[1:].add_(y[:-1])),
        fails(lambda: y.add_(y)), fails(lambda: y.add_(y[:1])), fails(lambda: y[:2].add_(y[2:])),
    ]  # fmt: skip


@CASES
def retained_gradients_of_written_views(torch: Any) -> Any:
    x = _leaf(torch, 4)
    y = x * 1
    v = y[:2]
    v.retain_grad()
    y.retain_grad()
    v.mul_(3)
    (v * v).sum().backward()
    return v.grad, y.grad, x.grad
