"""A network is the derivative of a spiral; the adjoint method trains it (Chen et al., 2018)."""

import argparse

import torch
import torch.nn as nn


class Derivative(nn.Module):
    """dy/dt of y (N, 2)."""

    def __init__(self, hidden):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0, std=0.1)
                nn.init.constant_(m.bias, val=0)

    def forward(self, t, y):
        return self.net(y**3)


def rk4(f, y, t, dt):
    """One step of the classic Runge-Kutta method, for a tensor or a tuple of them."""
    single = isinstance(y, torch.Tensor)
    g = (lambda t, y: (f(t, y[0]),)) if single else f
    y = (y,) if single else y
    k1 = g(t, y)
    k2 = g(t + dt / 2, tuple(a + dt / 2 * k for a, k in zip(y, k1)))
    k3 = g(t + dt / 2, tuple(a + dt / 2 * k for a, k in zip(y, k2)))
    k4 = g(t + dt, tuple(a + dt * k for a, k in zip(y, k3)))
    out = tuple(
        a + dt / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(y, k1, k2, k3, k4)
    )
    return out[0] if single else out


class Adjoint(torch.autograd.Function):
    """The path at the times `t`; backward solves the adjoint equation back in time."""

    @staticmethod
    def forward(ctx, y0, t, func, *params):
        ctx.func = func
        with torch.no_grad():
            path = [y0]
            for a, b in zip(t[:-1], t[1:]):
                path.append(rk4(func, path[-1], a, b - a))
            path = torch.stack(path)
        ctx.save_for_backward(t, path, *params)
        return path

    @staticmethod
    def backward(ctx, grad_path):
        t, path, *params = ctx.saved_tensors
        func = ctx.func

        def augmented(time, state):
            y, a = state[0], state[1]
            with torch.enable_grad():
                y = y.detach().requires_grad_(True)
                out = func(time, y)
                grads = torch.autograd.grad(out, (y, *params), -a, allow_unused=True)
            grads = [torch.zeros_like(p) if g is None else g for g, p in zip(grads, (y, *params))]
            return (out.detach(), *grads)

        with torch.no_grad():
            a = grad_path[-1]
            totals = tuple(torch.zeros_like(p) for p in params)
            for i in range(len(t) - 1, 0, -1):
                state = (path[i], a, *totals)
                _, a, *totals = rk4(augmented, state, t[i], t[i - 1] - t[i])
                a = a + grad_path[i - 1]
        return (a, None, None, *totals)


def main():
    parser = argparse.ArgumentParser(description="Neural ODE")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--batch-time", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--adjoint", action="store_true", help="not through the solver's steps")
    parser.add_argument("--print-every", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    true_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    t = torch.linspace(0.0, 5.0, args.points)
    true_y = [torch.tensor([[2.0, 0.0]])]
    for a, b in zip(t[:-1], t[1:]):
        true_y.append(rk4(lambda _, y: torch.mm(y**3, true_A), true_y[-1], a, b - a))
    true_y = torch.stack(true_y)

    func = Derivative(args.hidden)
    optimizer = torch.optim.RMSprop(func.parameters(), lr=5e-3)
    for step in range(1, args.steps + 1):
        starts = torch.randperm(args.points - args.batch_time)[: args.batch_size]
        y0 = true_y[starts].squeeze(1)
        target = torch.stack([true_y[starts + i] for i in range(args.batch_time)]).squeeze(2)
        times = t[: args.batch_time]
        if args.adjoint:
            predicted = Adjoint.apply(y0, times, func, *func.parameters())
        else:
            path = [y0]
            for a, b in zip(times[:-1], times[1:]):
                path.append(rk4(func, path[-1], a, b - a))
            predicted = torch.stack(path)
        loss = torch.mean(torch.abs(predicted - target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % args.print_every == 0:
            print(f"step {step}: loss {loss.item():.6f}")


if __name__ == "__main__":
    main()
