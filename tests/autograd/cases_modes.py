"""Grad modes and inference tensors."""

from __future__ import annotations

from typing import Any

from .support import Cases, fails, message

CASES = Cases()


def _leaf(torch: Any) -> Any:
    return torch.tensor([1.0, 2.0], requires_grad=True)


@CASES
def context_managers(torch: Any) -> Any:
    x = _leaf(torch)
    seen = []

    def note() -> None:
        seen.append([torch.is_grad_enabled(), torch.is_inference_mode_enabled(), (x * 2).requires_grad])

    note()
    with torch.no_grad():
        note()
        with torch.enable_grad():
            note()
            with torch.set_grad_enabled(False):
                note()
            note()
        note()
        with torch.set_grad_enabled(True):
            note()
    note()
    with torch.inference_mode():
        note()
        with torch.enable_grad():
            note()
        with torch.inference_mode(False):
            note()
        note()
    with torch.inference_mode(mode=False):
        note()
    with torch.autograd.no_grad(), torch.autograd.enable_grad():
        note()
    note()
    return seen


@CASES
def inference_off_within_no_grad(torch: Any) -> Any:
    seen = []
    with torch.no_grad():
        with torch.inference_mode(False):
            seen.append(torch.is_grad_enabled())
        seen.append(torch.is_grad_enabled())
        with torch.inference_mode():
            with torch.inference_mode(False):
                seen.append(torch.is_grad_enabled())
    return seen


@CASES
def set_grad_enabled_as_a_call(torch: Any) -> Any:
    seen = [torch.is_grad_enabled()]
    torch.set_grad_enabled(False)
    seen.append(torch.is_grad_enabled())
    torch.set_grad_enabled(True)
    seen.append(torch.is_grad_enabled())
    manager = torch.set_grad_enabled(False)
    with manager:
        seen.append(torch.is_grad_enabled())
    seen.append(torch.is_grad_enabled())
    return seen


@CASES
def modes_come_back_after_errors(torch: Any) -> Any:
    seen = []
    for make in (torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)):
        try:
            with make():
                raise KeyError
        except KeyError:
            seen.append([torch.is_grad_enabled(), torch.is_inference_mode_enabled()])
    return seen


@CASES
def managers_used_again(torch: Any) -> Any:
    manager = torch.no_grad()
    seen = []
    for _ in range(2):
        with manager:
            seen.append(torch.is_grad_enabled())
            with torch.enable_grad():
                seen.append(torch.is_grad_enabled())
        seen.append(torch.is_grad_enabled())
    return seen


@CASES
def decorators(torch: Any) -> Any:
    @torch.no_grad()
    def off(a: int, b: int = 2) -> Any:
        """A docstring."""
        return a, b, torch.is_grad_enabled()

    @torch.no_grad
    def bare() -> bool:
        return torch.is_grad_enabled()

    @torch.enable_grad()
    def on() -> bool:
        return torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def switched() -> bool:
        return torch.is_grad_enabled()

    @torch.inference_mode()
    def inference() -> Any:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    @torch.inference_mode
    def bare_inference() -> Any:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    @torch.inference_mode(False)
    def no_inference() -> Any:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    class Box:
        @torch.no_grad()
        def method(self) -> bool:
            return torch.is_grad_enabled()

        @staticmethod
        @torch.no_grad()
        def static() -> bool:
            return torch.is_grad_enabled()

    seen = [torch.is_grad_enabled(), off(1, b=3), bare(), switched(), inference(),
            bare_inference(), no_inference(), Box().method(), Box.static(), off.__name__,
            off.__doc__, torch.is_grad_enabled()]  # fmt: skip
    with torch.no_grad():
        seen.append(on())
    with torch.inference_mode():
        seen.append(no_inference())
    return seen


@CASES
def recursive_decorated_functions(torch: Any) -> Any:
    seen = []

    @torch.no_grad()
    def down(n: int) -> None:
        seen.append(torch.is_grad_enabled())
        if n:
            with torch.enable_grad():
                down(n - 1)
                seen.append(torch.is_grad_enabled())

    down(2)
    return seen, torch.is_grad_enabled()


@CASES
def generators(torch: Any) -> Any:
    seen = []

    @torch.no_grad()
    def numbers(n: int) -> Any:
        got = []
        try:
            for i in range(n):
                seen.append(torch.is_grad_enabled())
                got.append((yield i))
        except ValueError:
            seen.append(["caught", torch.is_grad_enabled()])
            yield "after"
        finally:
            seen.append(["closed", torch.is_grad_enabled()])
        return got

    g = numbers(5)
    seen.append(next(g))
    seen.append(torch.is_grad_enabled())
    seen.append(g.send("x"))
    seen.append(torch.is_grad_enabled())
    seen.append(g.throw(ValueError()))
    seen.append(fails(lambda: next(g)))
    h = numbers(2)
    next(h)
    h.close()
    seen.append(torch.is_grad_enabled())

    def outer() -> Any:
        seen.append((yield from numbers(2)))

    seen.append(list(outer()))
    with torch.no_grad():
        k = numbers(1)
    list(k)
    seen.append(fails(lambda: numbers(1).throw(KeyError())))
    return seen


@CASES
def decorated_classes(torch: Any) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        @torch.no_grad()
        class Thing:
            def __init__(self) -> None:
                self.mode = torch.is_grad_enabled()

    return Thing().mode


@CASES
def results_under_no_grad(torch: Any) -> Any:
    x = _leaf(torch)
    with torch.no_grad():
        y = x * 2
        v = x.view(2, 1)
        made = torch.ones(2, requires_grad=True)
        same = x
    return [
        y.requires_grad, y.grad_fn, v.requires_grad, made.requires_grad, same.requires_grad,
        (made * y).requires_grad, fails(lambda: y.sum().backward()),
        y.requires_grad_().requires_grad,
    ]  # fmt: skip


@CASES
def backward_under_no_grad(torch: Any) -> Any:
    x = _leaf(torch)
    y = (x * x).sum()
    with torch.no_grad():
        y.backward()
    return x.grad


@CASES
def updates_under_no_grad(torch: Any) -> Any:
    x = _leaf(torch)
    for _ in range(3):
        (x * x).sum().backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
            x.grad.zero_()
    return x, x.requires_grad, x.is_leaf, x._version


@CASES
def inference_tensors(torch: Any) -> Any:
    x = _leaf(torch)
    with torch.inference_mode():
        made = torch.ones(2)
        y = x * 2
        z = torch.tensor([1.0])
        drawn = torch.rand(2)
        flags = [made.is_inference(), y.is_inference(), z.is_inference(), drawn.is_inference(),
                 x.is_inference(), y.requires_grad, x.requires_grad]  # fmt: skip
        made.add_(1)
        inside = made.view(2, 1)
        of_x = x.view(2, 1)
        flags += [inside.is_inference(), of_x.is_inference(), of_x.requires_grad]
    outside = made[:1]
    return [
        flags,
        fails(lambda: made.add_(1)),
        outside.is_inference(),
        (made * 2).is_inference(),
        made.clone().is_inference(),
        made.detach().is_inference(),
        message(lambda: x * made, "Inference tensors cannot be saved for backward"),
        fails(lambda: x + made),
        (x + made).requires_grad,
        fails(lambda: x * made.clone()),
        fails(lambda: made.requires_grad_()),
        fails(lambda: setattr(made, "requires_grad", True)),
        fails(lambda: made._version),
        fails(lambda: inside.add_(1)),
        fails(lambda: made.data.add_(1)),
        fails(lambda: made[0].mul_(2)),
        fails(lambda: made.copy_(x)),
        fails(lambda: setattr(made, "grad", None)),
        fails(lambda: made.numpy()),
    ]


@CASES
def normal_tensors_written_in_inference_mode(torch: Any) -> Any:
    x = _leaf(torch)
    y = torch.ones(2)
    h = x * 3
    saved = h.exp()
    with torch.inference_mode():
        y.add_(1)
        before = y._version
        written = fails(lambda: x.add_(1))
        h.mul_(2)
    return y, before, y.is_inference(), written, x, fails(lambda: saved.sum().backward())


@CASES
def inference_results_outside(torch: Any) -> Any:
    with torch.inference_mode():
        a = torch.ones(2)
        with torch.inference_mode(False):
            b = torch.ones(2)
            c = a * 2
    return b.is_inference(), c.is_inference(), fails(lambda: b.add_(1)), fails(lambda: c.add_(1))


@CASES
def inference_and_set_grad_enabled(torch: Any) -> Any:
    x = _leaf(torch)
    with torch.inference_mode():
        with torch.enable_grad():
            y = x * 2
            w = torch.ones(2, requires_grad=True) if False else torch.ones(2)
        flags = [y.requires_grad, y.is_inference(), w.is_inference()]
    return flags


@CASES
def old_volatile_variables(torch: Any) -> Any:
    """Today `volatile` is accepted and ignored but for a warning; flambeau keeps its meaning."""
    import warnings

    x = _leaf(torch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        v = torch.autograd.Variable(torch.ones(2))
    w = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    return [
        len(caught), v.requires_grad, w.requires_grad, w.is_leaf, isinstance(x, torch.autograd.Variable),
        isinstance(3, torch.autograd.Variable), w.data.requires_grad, (w * 2).requires_grad,
    ]  # fmt: skip
