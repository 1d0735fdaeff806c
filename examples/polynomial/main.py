"""y = sin(x) by a polynomial of degree three, in seven ways from bare tensors to a module."""

import argparse
import math
import random

import torch

WAYS = {}


def way(function):
    """List a way under its function's name."""
    WAYS[function.__name__] = function
    return function


def report(steps, t, loss):
    if t % max(steps // 4, 1) == max(steps // 4, 1) - 1:
        print(t, f"{loss:.4f}")


@way
def tensors(x, y, steps):
    """Gradients by hand."""
    dtype = torch.float
    a, b, c, d = (torch.randn((), dtype=dtype) for _ in range(4))
    learning_rate = 1e-6
    for t in range(steps):
        y_pred = a + b * x + c * x**2 + d * x**3
        report(steps, t, (y_pred - y).pow(2).sum().item())
        grad_y_pred = 2.0 * (y_pred - y)
        a -= learning_rate * grad_y_pred.sum()
        b -= learning_rate * (grad_y_pred * x).sum()
        c -= learning_rate * (grad_y_pred * x**2).sum()
        d -= learning_rate * (grad_y_pred * x**3).sum()
    return a.item(), b.item(), c.item(), d.item()


@way
def autograd(x, y, steps):
    a = torch.randn((), dtype=torch.float, requires_grad=True)
    b = torch.randn((), dtype=torch.float, requires_grad=True)
    c = torch.randn((), dtype=torch.float, requires_grad=True)
    d = torch.randn((), dtype=torch.float, requires_grad=True)
    learning_rate = 1e-6
    for t in range(steps):
        y_pred = a + b * x + c * x**2 + d * x**3
        loss = (y_pred - y).pow(2).sum()
        report(steps, t, loss.item())
        loss.backward()
        with torch.no_grad():
            a -= learning_rate * a.grad
            b -= learning_rate * b.grad
            c -= learning_rate * c.grad
            d -= learning_rate * d.grad
            a.grad = b.grad = c.grad = d.grad = None
    return a.item(), b.item(), c.item(), d.item()


class LegendrePolynomial3(torch.autograd.Function):
    """P3(x) = (5 x^3 - 3 x) / 2, with its derivative."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


@way
def custom_function(x, y, steps):
    a, b, c, d = (
        torch.full((), value, requires_grad=True) for value in (0.0, -1.0, 0.0, 0.3)
    )
    for t in range(steps):
        P3 = LegendrePolynomial3.apply
        loss = (a + b * P3(c + d * x) - y).pow(2).sum()
        report(steps, t, loss.item())
        loss.backward()
        with torch.no_grad():
            for p in (a, b, c, d):
                p -= 5e-6 * p.grad
                p.grad = None
    return a.item(), b.item(), c.item(), d.item()


def powers(x):
    return x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))


@way
def nn_module(x, y, steps):
    xx = powers(x)
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
    loss_fn = torch.nn.MSELoss(reduction="sum")
    for t in range(steps):
        loss = loss_fn(model(xx), y)
        report(steps, t, loss.item())
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for param in model.parameters():
                param -= 1e-6 * param.grad
    linear_layer = model[0]
    return (linear_layer.bias.item(), *(linear_layer.weight[:, i].item() for i in range(3)))


@way
def optimizer(x, y, steps):
    xx = powers(x)
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for t in range(steps):
        loss = loss_fn(model(xx), y)
        report(steps, t, loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (model[0].bias.item(), *(model[0].weight[:, i].item() for i in range(3)))


class Polynomial3(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.randn(()))
        self.b = torch.nn.Parameter(torch.randn(()))
        self.c = torch.nn.Parameter(torch.randn(()))
        self.d = torch.nn.Parameter(torch.randn(()))

    def forward(self, x):
        return self.a + self.b * x + self.c * x**2 + self.d * x**3

    def string(self):
        return f"y = {self.a.item():.4f} + {self.b.item():.4f} x + {self.c.item():.4f} x^2 + {self.d.item():.4f} x^3"  # fmt: skip


@way
def own_module(x, y, steps):
    model = Polynomial3()
    criterion = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for t in range(steps):
        loss = criterion(model(x), y)
        report(steps, t, loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(model.string())
    return model.a.item(), model.b.item(), model.c.item(), model.d.item()


class DynamicNet(torch.nn.Module):
    """Of degree three, four or five, as chance will have it, with one coefficient for the last."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d, self.e = (
            torch.nn.Parameter(torch.randn(())) for _ in range(5)
        )

    def forward(self, x):
        y = self.a + self.b * x + self.c * x**2 + self.d * x**3
        for exp in range(4, random.randint(4, 6)):
            y = y + self.e * x**exp
        return y


@way
def dynamic_net(x, y, steps):
    model = DynamicNet()
    criterion = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-8, momentum=0.9)
    for t in range(steps):
        loss = criterion(model(x), y)
        report(steps, t, loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.a.item(), model.b.item(), model.c.item(), model.d.item()


def main():
    parser = argparse.ArgumentParser(description="A polynomial in seven ways")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    for name in args.ways:
        print(f"-- {name}")
        torch.manual_seed(0)
        random.seed(0)
        x = torch.linspace(-math.pi, math.pi, 500)
        y = torch.sin(x)
        result = WAYS[name](x, y, args.steps)
        print("Result:", " ".join(f"{v:.4f}" for v in result))


if __name__ == "__main__":
    main()
