"""`backward` and `grad`: what arrives where."""

from __future__ import annotations

import copy
import threading
from typing import Any

from .support import Cases, fails, message

CASES = Cases()


def _leaf(torch: Any, *shape: int) -> Any:
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(float(n)).reshape(shape) / 4 + 0.5).requires_grad_()


@CASES
def scalar_backward(torch: Any) -> Any:
    x = _leaf(torch, 3)
    (x * x).sum().backward()
    return x.grad, x.grad.requires_grad, x.grad.grad_fn, x.grad.is_leaf


@CASES
def one_element_of_any_rank_needs_no_gradient(torch: Any) -> Any:
    x = _leaf(torch, 1, 1)
    (x * 3).backward()
    return x.grad


@CASES
def several_elements_need_a_gradient(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x * 2
    return [
        message(y.backward, "grad can be implicitly created only for scalar outputs"),
        fails(lambda: y.backward(torch.ones(2))),
        fails(lambda: y.backward(torch.ones(3, 1))),
        fails(lambda: y.backward([1.0, 2.0, 3.0])),
        fails(lambda: y.backward(1.0)),
        y.backward(torch.tensor([1.0, 10.0, 100.0])),
        x.grad,
    ]


@CASES
def gradients_of_other_kinds(torch: Any) -> Any:
    x = _leaf(torch, 2)
    c = x.to(torch.complex64) * 2
    return [
        fails(lambda: c.sum().backward()),
        fails(lambda: (x * 2).backward(torch.ones(2, dtype=torch.complex64))),
        fails(lambda: (x * 2).backward(torch.ones(2, dtype=torch.float64))),
        fails(lambda: (x * 2).backward(torch.ones(2, dtype=torch.int64))),
        x.grad,
        fails(lambda: c.backward(torch.ones(2))),
        fails(lambda: c.backward(torch.tensor([1 + 1j, 2 - 1j]))),
        x.grad,
    ]


@CASES
def gradients_accumulate(torch: Any) -> Any:
    x = _leaf(torch, 2)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    seen = [x.grad.clone(), x.grad is first, first._version]
    x.grad.zero_()
    (x * 5).sum().backward()
    seen += [x.grad.clone(), x.grad is first]
    x.grad = None
    (x * 7).sum().backward()
    return [*seen, x.grad, x.grad is first]


@CASES
def a_kept_gradient_is_not_changed_with_create_graph(torch: Any) -> Any:
    x = _leaf(torch, 2)
    (x**2).sum().backward(create_graph=True)
    first = x.grad
    (x**3).sum().backward(create_graph=True)
    return x.grad, first, x.grad is first, x.grad.requires_grad, x.grad.grad_fn


@CASES
def the_gradient_given_is_not_the_one_kept(torch: Any) -> Any:
    x = _leaf(torch, 2)
    g = torch.ones(2)
    y = x.clone()
    y.backward(g)
    kept = x.grad is g
    x.grad.add_(5)
    return kept, g, x.grad


@CASES
def gradients_of_several_users_are_sums(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = x.exp()
    z = y * x + y.sin() + x
    (z.sum() + y.sum()).backward()
    return x.grad


@CASES
def one_tensor_twice_in_an_operation(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = torch.cat([x, x, x * 2]) * torch.stack([x, x, x]).view(9)
    y.sum().backward()
    return x.grad


@CASES
def a_used_graph_is_gone(torch: Any) -> Any:
    x = _leaf(torch, 2)
    results = []
    for make in (
        lambda: (x * x).sum(), lambda: (x + 1).sum(), lambda: (x * 2).sum(), lambda: x.exp().sum(),
        lambda: x.view(2, 1).t().sum(), lambda: x.relu().sum(), lambda: (x / 2).sum(),
        lambda: (2 / x).sum(), lambda: x.neg().sum(), lambda: x.mean(), lambda: (x - x).sum(),
        lambda: torch.cat([x, x]).sum(), lambda: (x**2).sum(), lambda: x.max(), lambda: x[0],
        lambda: x.clone().sum(), lambda: (x @ x), lambda: x.sigmoid().sum(), lambda: x.norm(),
        lambda: torch.where(x > 0.6, x, 2 * x).sum(), lambda: x.softmax(0)[0], lambda: x.abs().sum(),
        lambda: x.clamp(0.6, 2).sum(), lambda: x.prod(), lambda: x.std(), lambda: x.double().sum(),
        lambda: x.pow(3).sum(), lambda: (3**x).sum(), lambda: x.expand(3, 2).sum(),
        lambda: x.index_select(0, torch.tensor([0])).sum(), lambda: x.gather(0, torch.tensor([0]))[0],
        lambda: x.masked_fill(x > 0.6, 0.0).sum(), lambda: x.cumsum(0)[1], lambda: x.log().sum(),
        lambda: x.sqrt().sum(), lambda: x.tanh().sum(), lambda: x.logsumexp(0), lambda: x.var(),
        lambda: x.sort()[0].sum(), lambda: x.topk(1)[0].sum(), lambda: x.flip(0).sum(),
        lambda: torch.maximum(x, 2 * x).sum(), lambda: x.unsqueeze(0).mm(x.unsqueeze(1)).sum(),
        lambda: x.amax(), lambda: (x * torch.ones(2)).sum(), lambda: (torch.ones(2) * x).sum(),
    ):  # fmt: skip
        y = make()
        y.backward()
        results.append(fails(y.backward))
    return results


@CASES
def a_used_graph_says_so(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = (x * x).sum()
    y.backward()
    return message(y.backward, "backward through the graph a second time", "retain_graph=True")


@CASES
def a_part_of_the_graph_that_is_used_up(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x.exp()
    y.sum().backward()
    z = y * 2
    return [fails(lambda: z.sum().backward()), x.grad]


@CASES
def retain_graph(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    return x.grad, fails(y.backward)


@CASES
def second_derivatives(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = (x**3 + x.exp()).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    (t,) = torch.autograd.grad(h.sum(), x)
    return g, h, t, g.requires_grad, t.requires_grad


@CASES
def backward_of_a_gradient_penalty(torch: Any) -> Any:
    x, w = _leaf(torch, 4, 2), _leaf(torch, 2, 3)
    y = (x @ w).tanh().sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    loss = ((g.norm(dim=1) - 1) ** 2).mean() + y
    loss.backward()
    return x.grad, w.grad


@CASES
def create_graph_through_grad_attribute(torch: Any) -> Any:
    x = _leaf(torch, 2)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    return g, x.grad, x.grad.requires_grad


@CASES
def retain_follows_create_graph(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = (x * x).sum()
    y.backward(create_graph=True)
    again = fails(y.backward)
    z = (x * x).sum()
    z.backward(create_graph=True, retain_graph=False)
    return again, fails(z.backward)


@CASES
def linear_gradients_have_no_graph(torch: Any) -> Any:
    x = _leaf(torch, 2)
    (g,) = torch.autograd.grad((3 * x).sum(), x, create_graph=True)
    return g, g.requires_grad


@CASES
def grad_of_several(torch: Any) -> Any:
    x, w = _leaf(torch, 2), _leaf(torch, 2)
    y = x * w
    z = y.exp()
    found = torch.autograd.grad([z.sum(), y.sum()], [x, w, y])
    return found, type(found).__name__, x.grad, w.grad, [g.requires_grad for g in found]


@CASES
def grad_with_weights(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * x
    return [
        torch.autograd.grad(y, x, torch.tensor([1.0, 2.0]), retain_graph=True),
        torch.autograd.grad([y], [x], [torch.tensor([3.0, 4.0])], retain_graph=True),
        torch.autograd.grad((y, y.sum()), (x,), (torch.ones(2), None), retain_graph=True),
        fails(lambda: torch.autograd.grad(y, x)),
        fails(lambda: torch.autograd.grad(y, x, [torch.ones(2), torch.ones(2)])),
        fails(lambda: torch.autograd.grad([y, y], x, [torch.ones(2)])),
        fails(lambda: torch.autograd.grad(y, x, torch.ones(3))),
    ]


@CASES
def grad_of_unused_inputs(torch: Any) -> Any:
    x, w = _leaf(torch, 2), _leaf(torch, 2)
    y = (x * x).sum()
    fixed = torch.ones(2)
    grad = torch.autograd.grad
    return [
        message(lambda: grad(y, [x, w], retain_graph=True), "allow_unused"),
        grad(y, [x, w], retain_graph=True, allow_unused=True),
        grad(y, [x, w], retain_graph=True, materialize_grads=True),
        grad(y, [x, w], retain_graph=True, allow_unused=True, materialize_grads=True),
        fails(lambda: grad(y, [x, w], allow_unused=False, materialize_grads=True)),
        fails(lambda: grad(y, fixed, retain_graph=True)),
        fails(lambda: grad(y, fixed, retain_graph=True, allow_unused=True)),
        fails(lambda: grad(fixed.sum(), x)),
        fails(lambda: grad(y, [])),
        fails(lambda: grad([], [x])),
    ]


@CASES
def grad_runs_only_what_it_needs(torch: Any) -> Any:
    x, w = _leaf(torch, 2), _leaf(torch, 2)
    seen = []
    a = x.exp()
    b = w.sin()
    a.register_hook(lambda g: seen.append("a"))
    b.register_hook(lambda g: seen.append("b"))
    w.register_hook(lambda g: seen.append("w"))
    x.register_hook(lambda g: seen.append("x"))
    y = (a * b).sum()
    found = torch.autograd.grad(y, x)
    # The part that did not run was not freed either, but the product was.
    return found, seen, fails(lambda: b.sum().backward()), w.grad, fails(y.backward)


@CASES
def grad_at_a_tensor_inside(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    z = y.exp()
    out = z.sum()
    return [
        torch.autograd.grad(out, z, retain_graph=True),
        torch.autograd.grad(out, y, retain_graph=True),
        torch.autograd.grad(out, [x, y, z, out], retain_graph=True),
        torch.autograd.grad(y, y, torch.ones(2)),
        torch.autograd.grad(x, x, torch.ones(2)),
    ]


@CASES
def grad_at_one_of_several_results(torch: Any) -> Any:
    x = _leaf(torch, 4)
    a, b = x.exp().split(2)
    values, _ = x.exp().view(2, 2).max(0)
    out = (a * b).sum() + (values * a).sum()
    return torch.autograd.grad(out, [a, b, values, x])


@CASES
def the_same_input_twice(torch: Any) -> Any:
    x = _leaf(torch, 2)
    return torch.autograd.grad((x * x).sum(), [x, x])


@CASES
def grad_of_a_detached_alias(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = (x * 2).sum()
    return [
        fails(lambda: torch.autograd.grad(y, x.view(2), retain_graph=True)),
        torch.autograd.grad(y, x.view(2), allow_unused=True, retain_graph=True),
        fails(lambda: torch.autograd.grad(y, x.detach(), retain_graph=True)),
    ]


@CASES
def backward_into_chosen_inputs(torch: Any) -> Any:
    x, w = _leaf(torch, 2), _leaf(torch, 2)
    y = x * w
    y.sum().backward(inputs=[x], retain_graph=True)
    seen = [x.grad.clone(), w.grad]
    y.sum().backward(inputs=w, retain_graph=True)
    seen += [x.grad.clone(), w.grad.clone()]
    seen.append(fails(lambda: y.sum().backward(inputs=[], retain_graph=True)))
    seen.append(fails(lambda: y.sum().backward(inputs=[y], retain_graph=True)))
    seen.append(y.grad)
    return seen


@CASES
def backward_into_an_input_that_is_not_used(torch: Any) -> Any:
    x, w = _leaf(torch, 2), _leaf(torch, 2)
    return fails(lambda: (x * 2).sum().backward(inputs=[w])), x.grad, w.grad


@CASES
def backward_of_several_tensors(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x.exp()
    torch.autograd.backward([y.sum(), y], [None, torch.tensor([1.0, 10.0])])
    other = torch.autograd.backward
    return [
        x.grad,
        fails(lambda: other([x.sum(), x.sum()], [None])),
        fails(lambda: other([torch.ones(1)])),
        fails(lambda: other([])),
        fails(lambda: torch.ones(1).backward()),
        message(lambda: torch.ones(2).backward(), "does not require grad", "element 0 of tensors"),
    ]


@CASES
def backward_from_a_leaf(torch: Any) -> Any:
    x = torch.tensor(2.0, requires_grad=True)
    x.backward()
    x.backward(torch.tensor(3.0))
    return x.grad


@CASES
def backward_of_one_root_twice_in_a_call(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x.exp().sum()
    torch.autograd.backward([y, y])
    return x.grad


@CASES
def backward_from_inside_of_another_root(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x.exp()
    z = (y * y).sum()
    torch.autograd.backward([y, z], [torch.tensor([1.0, 2.0]), None])
    return x.grad


@CASES
def gradients_have_their_inputs_shape_and_dtype(torch: Any) -> Any:
    results = []
    for shape in ((), (1,), (3,), (2, 1), (2, 3), (1, 1, 3)):
        a = torch.ones(shape, requires_grad=True)
        b = torch.full((2, 3), 2.0, dtype=torch.float64, requires_grad=True)
        (a * b + a).sum().backward()
        results.append([a.grad, str(a.grad.dtype), b.grad, str(b.grad.dtype)])
    h = torch.ones(2, dtype=torch.float16, requires_grad=True)
    f = torch.ones((), requires_grad=True)
    (h * f).sum().backward()
    results.append([h.grad, str(h.grad.dtype), f.grad, str(f.grad.dtype)])
    c = torch.tensor([1 + 2j, 3j], requires_grad=True)
    r = torch.tensor([2.0, 5.0], requires_grad=True)
    (c * r).abs().sum().backward()
    results.append([c.grad, str(c.grad.dtype), r.grad, str(r.grad.dtype)])
    return results


@CASES
def gradients_of_layouts(torch: Any) -> Any:
    x = _leaf(torch, 2, 3)
    (x.t() * _leaf(torch, 3, 2)).sum().backward()
    return x.grad, x.grad.is_contiguous(), list(x.grad.shape)


@CASES
def assigning_grad(torch: Any) -> Any:
    x = _leaf(torch, 2)

    def put(value: Any) -> str:
        return fails(lambda: setattr(x, "grad", value))

    results = [
        put(torch.ones(2)), put(torch.ones(3)), put(torch.ones(2, dtype=torch.float64)),
        put(1.0), put(x), put(None), x.grad, put(torch.ones(2, 1)), put(torch.full((2,), 3.0)),
    ]  # fmt: skip
    (x * 2).sum().backward()
    results.append(x.grad.clone())
    del x.grad
    return [*results, x.grad]


@CASES
def accumulating_into_a_gradient_of_ones_own(torch: Any) -> Any:
    x = _leaf(torch, 2)
    mine = torch.full((2,), 3.0)
    x.grad = mine
    (x * 2).sum().backward()
    view = torch.zeros(3, 2)
    w = _leaf(torch, 2)
    w.grad = view[1]
    (w * 2).sum().backward()
    return x.grad is mine, mine, view


@CASES
def what_is_a_leaf(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    z = torch.ones(2)
    d = y.detach()
    return [
        [t.is_leaf, t.requires_grad, t.grad_fn, t.output_nr]
        for t in (x, y, z, d, z * 2, d.requires_grad_(), y.view(2, 1), z.view(2, 1), x.view(2))
    ]


@CASES
def changing_requires_grad(torch: Any) -> Any:
    x = torch.ones(2)
    y = x * 2
    x.requires_grad = True
    z = x * 2
    return [
        y.requires_grad,
        z.requires_grad,
        fails(lambda: setattr(z, "requires_grad", False)),
        fails(lambda: setattr(z, "requires_grad", True)),
        fails(lambda: setattr(x, "requires_grad", False)),
        fails(lambda: z.sum().backward()),
        x.grad,
        fails(lambda: torch.arange(3).requires_grad_()),
        fails(lambda: setattr(torch.arange(3), "requires_grad", False)),
        fails(lambda: torch.ones(2, dtype=torch.bool, requires_grad=True)),
    ]


@CASES
def grad_of_a_tensor_inside_warns(torch: Any) -> Any:
    import warnings

    y = _leaf(torch, 2) * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = y.grad
    return found, [each.category.__name__ for each in caught]


@CASES
def retained_gradients(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()
    z = y.exp()
    flags = [y.retains_grad, x.retains_grad, z.retains_grad]
    z.sum().backward(retain_graph=True)
    first = y.grad.clone()
    z.sum().backward()
    return flags, first, y.grad, x.grad, z.grad, fails(lambda: torch.ones(2).retain_grad())


@CASES
def retained_gradients_with_create_graph(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    y.retain_grad()
    (y**3).sum().backward(create_graph=True)
    return y.grad, y.grad.requires_grad, x.grad.requires_grad


@CASES
def retained_gradients_after_writes(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * y).sum().backward()
    return y.grad, x.grad


@CASES
def integers_and_booleans_have_no_graph(torch: Any) -> Any:
    x = _leaf(torch, 4)
    values, positions = x.max(0)
    return [
        values.requires_grad, positions.requires_grad, (x > 1).requires_grad,
        x.long().requires_grad, x.argmax().requires_grad, x.to(torch.complex64).requires_grad,
    ]  # fmt: skip


@CASES
def detached(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    d = y.detach()
    z = (y * d).sum()
    z.backward()
    same_memory = d.data_ptr() == y.data_ptr()
    return x.grad, d.requires_grad, same_memory, d.is_leaf, d._version, d._is_view()


@CASES
def detach_in_place(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2
    z = y * 3
    y.detach_()
    (y * 5).requires_grad_()
    z.sum().backward()
    return y.requires_grad, y.is_leaf, x.grad, fails(lambda: x.view(2).detach_())


@CASES
def deep_copies(torch: Any) -> Any:
    x = _leaf(torch, 2)
    (x * 2).sum().backward()
    c = copy.deepcopy(x)
    c.data[0] = 9.0
    y = x * 2
    flat = torch.ones(2, 3).t()
    pair = copy.deepcopy([x, x])
    return [
        c.requires_grad, c.is_leaf, c.grad, x, c, fails(lambda: copy.deepcopy(y)),
        copy.deepcopy(y.detach()), copy.deepcopy(flat).stride(), pair[0] is pair[1],
        copy.deepcopy(torch.arange(3)), copy.copy(x).requires_grad,
    ]  # fmt: skip


@CASES
def old_style_data(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * x
    x.data.add_(1)
    before = x._version
    y.sum().backward()
    x.data = torch.tensor([7.0, 8.0])
    (x * 2).sum().backward()
    return before, x.grad, x, x.data.requires_grad, x.data.is_leaf


@CASES
def threads_have_backwards_of_their_own(torch: Any) -> Any:
    x = _leaf(torch, 3)
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        w = torch.full((3,), float(k + 1), requires_grad=True)
        for _ in range(5):
            (w * w * x.detach()).sum().backward()
        found[k] = w.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return [found[k] for k in range(4)]


@CASES
def threads_share_a_graph(torch: Any) -> Any:
    x = _leaf(torch, 3)
    y = (x * x).exp().sum()
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        (found[k],) = torch.autograd.grad(y, x, retain_graph=True)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return [found[k] for k in range(4)]


@CASES
def backward_within_backward(torch: Any) -> Any:
    x = _leaf(torch, 2)

    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (a,) = ctx.saved_tensors
            with torch.enable_grad():
                b = a.detach().requires_grad_()
                (b**3).sum().backward()
            return g * b.grad

    Inner.apply(x * 1).sum().backward()
    return x.grad, torch.is_grad_enabled()


@CASES
def errors_inside_leave_the_mode_alone(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = x * 2

    def bad(g: Any) -> None:
        raise KeyError("mine")

    y.register_hook(bad)
    failed = fails(lambda: y.sum().backward())
    (x * 5).sum().backward()
    return failed, torch.is_grad_enabled(), x.grad


@CASES
def nan_and_infinity_pass_through(torch: Any) -> Any:
    x = torch.tensor([0.0, 1.0, -1.0], requires_grad=True)
    x.sqrt().sum().backward()
    return x.grad


@CASES
def empty_tensors(torch: Any) -> Any:
    x = torch.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    w = torch.zeros(3, requires_grad=True)
    (x.detach() * w).sum().backward()
    return list(x.grad.shape), w.grad


@CASES
def old_names_of_arguments(torch: Any) -> Any:
    x = _leaf(torch, 2)
    y = (x * x).sum()
    torch.autograd.backward([y], [None], True)
    torch.autograd.backward(tensors=[y], grad_tensors=[None], retain_graph=True)
    y.backward(gradient=torch.tensor(2.0))
    return x.grad
