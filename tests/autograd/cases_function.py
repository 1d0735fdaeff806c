"""`autograd.Function`: all that a context offers."""

from __future__ import annotations

from typing import Any

from .support import Cases, fails, message

CASES = Cases()


def _leaf(torch: Any, n: int = 2) -> Any:
    return torch.arange(1.0, n + 1).requires_grad_()


def _function(torch: Any, forward: Any, backward: Any = None, setup: Any = None, **names: Any) -> Any:
    """A subclass of Function called Mine, of the given functions."""
    parts = {"forward": staticmethod(forward), **names}
    if backward is not None:
        parts["backward"] = staticmethod(backward)
    if setup is not None:
        parts["setup_context"] = staticmethod(setup)
    return type("Mine", (torch.autograd.Function,), parts)


@CASES
def an_exponential(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y

    f = _function(torch, forward, backward)
    x = _leaf(torch)
    y = f.apply(x)
    name = y.grad_fn.name(), type(y.grad_fn).__name__, y.requires_grad, y.is_leaf
    y.sum().backward(retain_graph=True)
    again = fails(lambda: y.sum().backward())
    (g,) = torch.autograd.grad(f.apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return name, x.grad, again, fails(lambda: y.sum().backward()), g, h


@CASES
def setup_context(torch: Any) -> Any:
    def forward(x: Any, w: Any, scale: float) -> Any:
        return x * w * scale, x + w

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        x, w, scale = inputs
        ctx.scale = scale
        ctx.count = len(output)
        ctx.save_for_backward(x, w)

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        x, w = ctx.saved_tensors
        return g * w * ctx.scale + h, g * x * ctx.scale + h, None

    f = _function(torch, forward, backward, setup)
    x, w = _leaf(torch), _leaf(torch)
    a, b = f.apply(x, w, 3.0)
    (a + b * 2).sum().backward()
    return x.grad, w.grad, a.grad_fn is b.grad_fn, a.output_nr, b.output_nr


@CASES
def needs_input_grad(torch: Any) -> Any:
    seen = []

    def forward(ctx: Any, a: Any, n: Any, b: Any, c: Any) -> Any:
        seen.append(list(ctx.needs_input_grad))
        return a + b + c

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(list(ctx.needs_input_grad))
        return g if ctx.needs_input_grad[0] else None, None, g, None

    f = _function(torch, forward, backward)
    x, w = _leaf(torch), _leaf(torch)
    f.apply(x, 3, torch.ones(2), w).sum().backward()
    f.apply(torch.ones(2), "text", torch.ones(2), None or torch.ones(2))
    with torch.no_grad():
        f.apply(x, None, w, w)
    torch.autograd.grad(f.apply(x, None, w, w).sum(), [w])
    return seen, x.grad, w.grad


@CASES
def numbers_of_gradients(torch: Any) -> Any:
    x, w = _leaf(torch), _leaf(torch)
    results = []
    for returned in (
        lambda g: g, lambda g: (g,), lambda g: (g, g), lambda g: (g, g, None), lambda g: (g, g, g),
        lambda g: (g, g, None, None), lambda g: None, lambda g: (None, None), lambda g: (g, None),
        lambda g: [g, g], lambda g: (g, 3.0), lambda g: ("a", g), lambda g: (g[:1], g),
        lambda g: (g.double(), g), lambda g: (torch.ones(3), g), lambda g: (torch.ones(3, 2), g),
        lambda g: (g, g.unsqueeze(0)), lambda g: (torch.ones(()), g), lambda g: (g.long(), g),
    ):  # fmt: skip
        f = _function(torch, lambda ctx, a, b: a + b, lambda ctx, g, r=returned: r(g))
        x.grad = w.grad = None
        results.append([fails(lambda: f.apply(x, w).sum().backward()), x.grad, w.grad])
    return results


@CASES
def gradients_of_inputs_that_need_none(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a, n, b: a * 2, lambda ctx, g: (g * 2, g, g))
    x = _leaf(torch)
    found = fails(lambda: f.apply(x, 3, torch.ones(2)).sum().backward())
    f = _function(torch, lambda ctx, a, n: a * 2, lambda ctx, g: (g * 2, g))
    return found, x.grad, fails(lambda: f.apply(x, 3).sum().backward()), x.grad


@CASES
def materialized_gradients(torch: Any) -> Any:
    results = []
    for flag in (True, False):
        seen = []

        def forward(ctx: Any, x: Any, flag: bool = flag) -> Any:
            ctx.set_materialize_grads(flag)
            return x * 1, x * 2

        def backward(ctx: Any, g: Any, h: Any, seen: Any = seen) -> Any:
            seen.append([g, h])
            return h * 2 if g is None else g + h * 2

        x = _leaf(torch)
        _, b = _function(torch, forward, backward).apply(x)
        b.sum().backward()
        results.append([seen, x.grad])
    return results


@CASES
def integer_outputs(torch: Any) -> Any:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        values, positions = x.sort(descending=True)
        ctx.mark_non_differentiable(positions)
        ctx.save_for_backward(positions)
        return values, positions, 5

    def backward(ctx: Any, g: Any, h: Any, n: Any) -> Any:
        seen.append([g, h, n])
        (positions,) = ctx.saved_tensors
        return torch.zeros(2).index_add(0, positions, g)

    x = _leaf(torch)
    values, positions, five = _function(torch, forward, backward).apply(x)
    (values * torch.tensor([1.0, 10.0])).sum().backward()
    return values, positions.requires_grad, positions.grad_fn, five, seen, x.grad


@CASES
def non_differentiable_floats(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        a, b = x * 2, x * 3
        ctx.mark_non_differentiable(b)
        return a, b

    x = _leaf(torch)
    a, b = _function(torch, forward, lambda ctx, g, h: g * 2).apply(x)
    a.sum().backward()
    return a.requires_grad, b.requires_grad, b.grad_fn, b.is_leaf, x.grad


@CASES
def dirty_inputs(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    f = _function(torch, forward, lambda ctx, g: g * 2)
    x = _leaf(torch)
    y = x * 1
    z = f.apply(y)
    seen = [z is y, y.grad_fn.name(), y._version]
    (z * z).sum().backward()
    plain = torch.ones(2)
    out = f.apply(plain)
    return [
        seen, x.grad, out is plain, plain, plain.requires_grad,
        message(lambda: f.apply(x), "leaf"), x,
    ]  # fmt: skip


@CASES
def dirty_inputs_beside_others(torch: Any) -> Any:
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        x.add_(w)
        ctx.mark_dirty(x)
        return x, w * 2

    f = _function(torch, forward, lambda ctx, g, h: (g, g + 2 * h))
    w = _leaf(torch)
    plain = torch.ones(2)
    a, b = f.apply(plain, w)
    (a * 3 + b).sum().backward()
    return a is plain, plain.requires_grad, w.grad


@CASES
def dirty_views(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(5)
        ctx.mark_dirty(x)
        return x

    f = _function(torch, forward, lambda ctx, g: g * 5)
    x = _leaf(torch, 4)
    base = x * 1
    view = base[:2]
    out = f.apply(view)
    base.sum().backward()
    return out is view, base, base.grad_fn.name(), x.grad


@CASES
def dirty_inputs_that_are_not_returned(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x * 1

    f = _function(torch, forward, lambda ctx, g: g * 2)
    return fails(lambda: f.apply(_leaf(torch) * 1))


@CASES
def inputs_returned_as_they_are(torch: Any) -> Any:
    f = _function(torch, lambda ctx, x: x, lambda ctx, g: g * 10)
    x = _leaf(torch)
    y = f.apply(x)
    y.sum().backward()
    plain = torch.ones(2)
    other = f.apply(plain)
    return [
        y is x, y.grad_fn.name(), x.grad, y.data_ptr() == x.data_ptr(), other is plain,
        other.requires_grad, x.requires_grad, x.is_leaf, y._is_view(),
    ]  # fmt: skip


@CASES
def writing_to_returned_inputs(torch: Any) -> Any:
    f = _function(torch, lambda ctx, x: x, lambda ctx, g: g * 10)
    x = _leaf(torch)
    y = f.apply(x * 1)
    return fails(lambda: y.mul_(2)), y


@CASES
def views_as_outputs(torch: Any) -> Any:
    f = _function(torch, lambda ctx, x: x.view(2, 1), lambda ctx, g: g.view(2) * 3)
    x = _leaf(torch)
    y = f.apply(x * 1)
    y.sum().backward()
    return y.grad_fn.name(), x.grad, fails(lambda: f.apply(x * 1).mul_(2))


@CASES
def chunks_as_outputs(torch: Any) -> Any:
    f = _function(torch, lambda ctx, x: x.chunk(2), lambda ctx, g, h: torch.cat([g, h]) * 3)
    x = _leaf(torch, 4)
    a, b = f.apply(x * 1)
    (a + 2 * b).sum().backward()
    return x.grad, fails(lambda: f.apply(x * 1)[0].mul_(2))


@CASES
def saving(torch: Any) -> Any:
    x = _leaf(torch)
    kinds = []
    for save in (
        lambda ctx, x, y: ctx.save_for_backward(x, None, y),
        lambda ctx, x, y: ctx.save_for_backward(x, 3),
        lambda ctx, x, y: ctx.save_for_backward("text"),
        lambda ctx, x, y: ctx.save_for_backward(),
        lambda ctx, x, y: (ctx.save_for_backward(x), ctx.save_for_backward(y)),
        lambda ctx, x, y: ctx.save_for_backward(torch.ones(3), x.detach() * 2),
    ):

        def forward(ctx: Any, x: Any, save: Any = save) -> Any:
            y = x * 2
            save(ctx, x, y)
            return y

        def backward(ctx: Any, g: Any) -> Any:
            kinds.append([s if s is None else s.clone() for s in ctx.saved_tensors])
            return g * 2

        kinds.append(fails(lambda: _function(torch, forward, backward).apply(x).sum().backward()))
    return kinds


@CASES
def saved_values_changed_since(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]

    f = _function(torch, forward, backward)
    x = _leaf(torch)
    y = x * 1
    z = f.apply(y)
    y.add_(1)
    results = [message(lambda: z.sum().backward(), "modified by an inplace operation")]

    def forward_result(ctx: Any, x: Any) -> Any:
        y = x * 2
        ctx.save_for_backward(y)
        return y

    f = _function(torch, forward_result, backward)
    z = f.apply(x)
    z.add_(1)
    results.append(fails(lambda: z.sum().backward()))
    return results


@CASES
def the_context_outside_of_backward(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.note = "mine"
        return x * 2

    f = _function(torch, forward, lambda ctx, g: g * 2)
    x = _leaf(torch)
    y = f.apply(x)
    node = y.grad_fn
    seen = [node.note, node.saved_tensors[0], list(node.needs_input_grad)]
    y.sum().backward()
    return seen, fails(lambda: node.saved_tensors), node.note


@CASES
def used_up_contexts(torch: Any) -> Any:
    f = _function(torch, lambda ctx, x: x * 2, lambda ctx, g: g * 2)
    x = _leaf(torch)
    y = f.apply(x)
    y.sum().backward()
    return fails(lambda: y.sum().backward()), x.grad


@CASES
def once_differentiable(torch: Any) -> Any:
    from importlib import import_module

    once = import_module(torch.__name__ + ".autograd.function").once_differentiable

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @once
    def backward(ctx: Any, g: Any) -> Any:
        modes.append(torch.is_grad_enabled())
        return g * ctx.saved_tensors[0] * 2

    modes: list[bool] = []
    f = _function(torch, forward, backward)
    x = _leaf(torch)
    f.apply(x).sum().backward()
    (g,) = torch.autograd.grad(f.apply(x).sum(), x, create_graph=True)
    fine = [g, g.requires_grad]
    # The derivative depends on the gradient given only where that requires grad.
    w = _leaf(torch)
    (h,) = torch.autograd.grad((f.apply(x) * w).sum(), x, create_graph=True)
    return [
        x.grad, fine, h.requires_grad, message(lambda: h.sum().backward(), "once_differentiable"),
        modes,
    ]  # fmt: skip


@CASES
def double_backward_through_functions(torch: Any) -> Any:
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        ctx.save_for_backward(x, w)
        return x * x * w

    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        modes.append(torch.is_grad_enabled())
        return 2 * x * w * g, x * x * g

    modes: list[bool] = []
    f = _function(torch, forward, backward)
    x, w = _leaf(torch), _leaf(torch)
    y = f.apply(x, w).sum()
    g, h = torch.autograd.grad(y, [x, w], create_graph=True)
    second = torch.autograd.grad((g * h).sum(), [x, w])
    f.apply(x, w).sum().backward()
    return g, h, second, modes


@CASES
def forward_modes(torch: Any) -> Any:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        seen.append([torch.is_grad_enabled(), x.requires_grad, (x * 2).requires_grad])
        return x * 2

    f = _function(torch, forward, lambda ctx, g: g * 2)
    x = _leaf(torch)
    y = f.apply(x)
    with torch.no_grad():
        z = f.apply(x)
    return seen, y.requires_grad, z.requires_grad, f.apply(torch.ones(2)).requires_grad


@CASES
def graphs_inside_forward(torch: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.y = ctx.x**3
        return ctx.y.detach()

    def backward(ctx: Any, g: Any) -> Any:
        return torch.autograd.grad(ctx.y, ctx.x, g)[0]

    x = _leaf(torch)
    _function(torch, forward, backward).apply(x).sum().backward()
    return x.grad


@CASES
def functions_that_lack_parts(torch: Any) -> Any:
    x = _leaf(torch)

    class Bare(torch.autograd.Function):
        pass

    no_backward = _function(torch, lambda ctx, x: x * 2)
    return [
        fails(lambda: Bare.apply(x)),
        fails(lambda: no_backward.apply(x).sum().backward()),
        no_backward.apply(torch.ones(2)),
        fails(lambda: Bare()),
        fails(lambda: no_backward.apply()),
        fails(lambda: _function(torch, lambda ctx, x: "text", lambda ctx, g: g).apply(x)),
        fails(lambda: _function(torch, lambda ctx, x: None, lambda ctx, g: g).apply(x)),
        fails(lambda: _function(torch, lambda ctx, x: [x * 2], lambda ctx, g: g).apply(x)),
        fails(lambda: _function(torch, lambda ctx, x: (x * 2, None), lambda ctx, g, n: g).apply(x)),
    ]


@CASES
def functions_without_tensors(torch: Any) -> Any:
    f = _function(torch, lambda ctx, n: torch.ones(2) * n, lambda ctx, g: None)
    y = f.apply(3)
    nested = _function(torch, lambda ctx, xs: xs[0] + xs[1], lambda ctx, g: None)
    x = _leaf(torch)
    return y, y.requires_grad, nested.apply([x, x]).requires_grad


@CASES
def one_input_in_several_places(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a, b: a * 2 + b, lambda ctx, g: (g * 2, g))
    x = _leaf(torch)
    f.apply(x, x).sum().backward()
    return x.grad


@CASES
def chains_of_nodes(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a, n, b: a + b, lambda ctx, g: (g, None, g))
    x, w = _leaf(torch), _leaf(torch)
    node = f.apply(x * 2, 5, w).grad_fn
    other = f.apply(x, 5, torch.ones(2)).grad_fn
    return (
        [(each and each.name(), n) for each, n in node.next_functions],
        [(each and each.name(), n) for each, n in other.next_functions],
    )


@CASES
def keyword_arguments(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a, b=2: a * b, lambda ctx, g: (g * 2, None))
    return fails(lambda: f.apply(_leaf(torch), b=3)), fails(lambda: f.apply(a=_leaf(torch)))


@CASES
def vjp_in_place_of_backward(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a: a * 2, vjp=staticmethod(lambda ctx, g: g * 7))
    x = _leaf(torch)
    f.apply(x).sum().backward()
    both = _function(
        torch, lambda ctx, a: a * 2, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g * 7)
    )
    return x.grad, fails(lambda: both.apply(x).sum().backward())


@CASES
def inherited_functions(torch: Any) -> Any:
    base = _function(torch, lambda ctx, a: a * 2, lambda ctx, g: g * 2)
    child = type("Child", (base,), {"backward": staticmethod(lambda ctx, g: g * 9)})
    x = _leaf(torch)
    y = child.apply(x)
    y.sum().backward()
    return y.grad_fn.name(), x.grad


@CASES
def hooks_on_functions(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a: a * 2, lambda ctx, g: g * 2)
    x = _leaf(torch)
    y = f.apply(x)
    seen = []
    y.register_hook(lambda g: g * 3)
    y.grad_fn.register_hook(lambda gi, go: seen.append([gi, go]))
    y.sum().backward()
    return seen, x.grad, y.grad_fn.metadata


@CASES
def errors_in_backward(torch: Any) -> Any:
    def backward(ctx: Any, g: Any) -> Any:
        raise KeyError("mine")

    f = _function(torch, lambda ctx, a: a * 2, backward)
    x = _leaf(torch)
    return fails(lambda: f.apply(x).sum().backward()), torch.is_grad_enabled()


@CASES
def nested_functions(torch: Any) -> Any:
    inner = _function(torch, lambda ctx, a: a * 2, lambda ctx, g: g * 2)
    outer = _function(torch, lambda ctx, a: inner.apply(a) + 1, lambda ctx, g: inner.apply(g))
    x = _leaf(torch)
    y = outer.apply(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return y, g, g.requires_grad


@CASES
def complex_gradients_of_real_inputs(torch: Any) -> Any:
    f = _function(torch, lambda ctx, a: a * (1 + 2j), lambda ctx, g: g * (1 - 2j))
    x = _leaf(torch)
    return fails(lambda: f.apply(x).abs().sum().backward()), x.grad
