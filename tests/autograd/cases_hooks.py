"""Hooks of tensors and nodes: when they run, what they see and change."""

from __future__ import annotations

from typing import Any

from .support import Cases, fails

CASES = Cases()


def _leaf(torch: Any, n: int = 2) -> Any:
    return torch.arange(1.0, n + 1).requires_grad_()


@CASES
def hooks_see_and_replace(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    seen = []
    x.register_hook(lambda g: seen.append(["x", g.clone()]))
    y.register_hook(lambda g: seen.append(["y", g.clone()]))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(["y again", g.clone()]))
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    return seen, x.grad


@CASES
def hooks_run_once_on_the_sum(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    seen = []
    x.register_hook(lambda g: seen.append(["x", g.clone()]))
    y.register_hook(lambda g: seen.append(["y", g.clone()]))
    (y * y + y.exp() + x).sum().backward()
    return seen


@CASES
def order_over_a_network(torch: Any) -> Any:
    x, w, b, v = (_leaf(torch) for _ in range(4))
    seen = []

    def note(t: Any, name: str) -> Any:
        t.register_hook(lambda g: seen.append(name))
        return t

    for t, name in ((x, "x"), (w, "w"), (b, "b"), (v, "v")):
        note(t, name)
    h = note(note(x * w, "product") + b, "sum")
    a = note(h.tanh(), "tanh")
    out = note(a * v, "out")
    side = note(h.exp(), "side")
    (out + side).sum().backward()
    return seen


@CASES
def order_when_a_leaf_is_used_twice(torch: Any) -> Any:
    x, w = _leaf(torch), _leaf(torch)
    seen = []
    for t, name in ((x, "x"), (w, "w")):
        t.register_hook(lambda g, name=name: seen.append(name))
        t.register_post_accumulate_grad_hook(lambda t, name=name: seen.append(name + " done"))
    a = x * w
    a.register_hook(lambda g: seen.append("a"))
    b = a * w
    b.register_hook(lambda g: seen.append("b"))
    c = b * x.detach() * 2
    c.register_hook(lambda g: seen.append("c"))
    c.sum().backward()
    return seen


@CASES
def removal(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    first = x.register_hook(lambda g: seen.append(1))
    second = x.register_hook(lambda g: seen.append(2))
    (x * 2).sum().backward()
    first.remove()
    first.remove()
    (x * 2).sum().backward()
    with second:
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    return seen


@CASES
def removing_while_running(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    handles = []
    handles.append(x.register_hook(lambda g: (seen.append(1), handles[1].remove()) and None))
    handles.append(x.register_hook(lambda g: seen.append(2)))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    return seen


@CASES
def hooks_under_grad_modes(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    x.register_hook(lambda g: seen.append([torch.is_grad_enabled(), g.requires_grad]))
    (x**2).sum().backward()
    (x**2).sum().backward(create_graph=True)
    x.grad = None
    return seen


@CASES
def hooks_and_grad(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    x.register_hook(lambda g: g * 3)
    y.register_hook(lambda g: g * 5)
    z = (y * y).sum()
    return [
        torch.autograd.grad(z, x, retain_graph=True), torch.autograd.grad(z, [y], retain_graph=True),
        torch.autograd.grad(z, [x, y]), x.grad,
    ]  # fmt: skip


@CASES
def hooks_and_retained_gradients(torch: Any) -> Any:
    results = []
    for first in ("hook", "retain"):
        x = _leaf(torch)
        y = x * 2
        if first == "retain":
            y.retain_grad()
        y.register_hook(lambda g: g * 10)
        if first == "hook":
            y.retain_grad()
        (y * y).sum().backward()
        results.append([y.grad, x.grad])
    return results


@CASES
def second_derivatives_through_hooks(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * x
    y.register_hook(lambda g: g * 3)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    return g, torch.autograd.grad(g.sum(), x)


@CASES
def wrong_hooks(torch: Any) -> Any:
    x = _leaf(torch)
    results = [fails(lambda: torch.ones(2).register_hook(print))]
    for bad in (
        lambda g: torch.ones(3), lambda g: "text", lambda g: 3.0, lambda g: (g,),
        lambda g: g.double(), lambda: None, lambda g: g[:1],
    ):  # fmt: skip
        y = x * 2
        y.register_hook(bad)
        results.append(fails(lambda: (y * 1).sum().backward()))
    return results


@CASES
def hook_of_a_scalar_root(torch: Any) -> Any:
    x = _leaf(torch)
    loss = (x * x).sum()
    seen = []
    loss.register_hook(lambda g: seen.append(g.clone()))
    loss.register_hook(lambda g: g * 4)
    loss.backward()
    return seen, x.grad


@CASES
def hooks_on_one_of_several_results(torch: Any) -> Any:
    x = _leaf(torch, 6)
    a, b, c = x.exp().chunk(3)
    seen = []
    a.register_hook(lambda g: seen.append(["a", g.clone()]))
    b.register_hook(lambda g: g * 0)
    c.register_hook(lambda g: seen.append("c"))
    (a * b).sum().backward()
    return seen, x.grad


@CASES
def hooks_and_writes(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(["before", g.clone()]))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(["after", g.clone()]))
    (y * y).sum().backward()
    return seen, x.grad


@CASES
def hooks_of_a_leaf_that_is_written(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    x.register_hook(lambda g: seen.append(g.clone()))
    with torch.no_grad():
        x.mul_(2)
    (x * x).sum().backward()
    return seen, x.grad


@CASES
def hooks_on_views(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    v = y[:1]
    seen = []
    v.register_hook(lambda g: seen.append(g.clone()))
    y.mul_(2)
    (v * 3).sum().backward()
    w = x.view(2)
    w.register_hook(lambda g: g * 7)
    (w * 1).sum().backward()
    return seen, x.grad


@CASES
def node_hooks(torch: Any) -> Any:
    x, w = _leaf(torch), _leaf(torch)
    y = x * w
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append([gi, go]))
    y.grad_fn.register_prehook(lambda go: seen.append(["pre", go]))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2, None))
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.sum().backward()
    return seen, x.grad, w.grad


@CASES
def node_hooks_run_after_tensor_hooks(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda go: seen.append("node before"))
    y.register_hook(lambda g: seen.append("tensor"))
    y.grad_fn.register_hook(lambda gi, go: seen.append("node after"))
    y.sum().backward()
    return seen


@CASES
def node_hooks_can_be_removed(torch: Any) -> Any:
    x = _leaf(torch)
    y = x.exp()
    seen = []
    a = y.grad_fn.register_hook(lambda gi, go: seen.append("after"))
    b = y.grad_fn.register_prehook(lambda go: seen.append("before"))
    y.sum().backward(retain_graph=True)
    a.remove()
    y.sum().backward(retain_graph=True)
    b.remove()
    y.sum().backward()
    return seen


@CASES
def wrong_node_hooks(torch: Any) -> Any:
    x = _leaf(torch)
    results = []
    for bad in (lambda gi, go: (gi[0], gi[0], gi[0]), lambda gi, go: 3, lambda gi: None):
        y = x.exp()
        y.grad_fn.register_hook(bad)
        results.append(fails(lambda: y.sum().backward()))
    for bad in (lambda go: (go[0], go[0]), lambda go: 3, lambda: None):
        y = x.exp()
        y.grad_fn.register_prehook(bad)
        results.append(fails(lambda: y.sum().backward()))
    return results


@CASES
def hooks_of_the_accumulating_node(torch: Any) -> Any:
    x = _leaf(torch)
    y = x * 2
    node = y.grad_fn.next_functions[0][0]
    seen = [node.name(), node.variable is x]
    node.register_hook(lambda gi, go: seen.append(["after", list(gi), go, x.grad.clone()]))
    node.register_prehook(lambda go: (go[0] * 3,))
    x.register_hook(lambda g: seen.append(["tensor", g.clone()]))
    y.sum().backward()
    again = (x * 2).grad_fn.next_functions[0][0] is node
    return seen, x.grad, again


@CASES
def hooks_after_accumulation(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append([t is x, t.grad.clone()]))
    x.register_post_accumulate_grad_hook(lambda t: setattr(t, "grad", None))
    x.register_hook(lambda g: seen.append("tensor"))
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    return [
        seen, x.grad, fails(lambda: (x * 2).register_post_accumulate_grad_hook(print)),
        fails(lambda: torch.ones(2).register_post_accumulate_grad_hook(print)),
    ]  # fmt: skip


@CASES
def an_optimizer_inside_backward(torch: Any) -> Any:
    x, w = _leaf(torch), _leaf(torch)

    def step(t: Any) -> None:
        with torch.no_grad():
            t.sub_(t.grad * 0.1)
        t.grad = None

    for t in (x, w):
        t.register_post_accumulate_grad_hook(step)
    (x.exp() + w.sin()).sum().backward()
    return x, w, x.grad, w.grad


@CASES
def hooks_after_accumulation_with_grad(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(1))
    found = torch.autograd.grad((x * 2).sum(), x)
    (x * 2).sum().backward(inputs=[x])
    return found, seen, x.grad


@CASES
def nodes_without_gradients(torch: Any) -> Any:
    """A part of the graph that only None arrives at."""
    x, w = _leaf(torch), _leaf(torch)
    seen = []

    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    class Last(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(["last", g])
            return g * 2

    b = w * 3
    b.register_hook(lambda g: seen.append(["b", g]))
    w.register_hook(lambda g: seen.append(["w", g]))
    b.grad_fn.register_hook(lambda gi, go: seen.append(["node", gi, go]))
    w.register_post_accumulate_grad_hook(lambda t: seen.append(["w done"]))
    Half.apply(x * 2, Last.apply(b)).sum().backward()
    return seen, x.grad, w.grad


@CASES
def a_none_in_front_of_plain_nodes(torch: Any) -> Any:
    x, w = _leaf(torch), _leaf(torch)
    seen = []

    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    b = w.exp()
    b.register_hook(lambda g: seen.append(["b", g]))
    w.register_hook(lambda g: seen.append(["w", g]))
    b.retain_grad()
    y = Half.apply(x * 2, b).sum()
    found = fails(lambda: torch.autograd.grad(y, [x, w], retain_graph=True))
    more = torch.autograd.grad(y, [x, w], retain_graph=True, allow_unused=True)
    y.backward()
    return found, more, seen, b.grad, w.grad, fails(lambda: b.sum().backward())


@CASES
def multi_grad_hooks(torch: Any) -> Any:
    from importlib import import_module

    graph = import_module(torch.__name__ + ".autograd.graph")
    x, w = _leaf(torch), _leaf(torch)
    seen = []
    graph.register_multi_grad_hook([x, w], lambda grads: seen.append(list(grads)))
    (x * 2).sum().backward()
    (x * w).sum().backward()
    handle = graph.register_multi_grad_hook([x, w], lambda g: seen.append(["any", g]), mode="any")
    (x * w).sum().backward()
    handle.remove()
    (x * w).sum().backward()
    return seen
