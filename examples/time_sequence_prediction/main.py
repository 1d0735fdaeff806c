"""Two LSTM cells learn sine waves with L-BFGS and go on with them by themselves."""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


def make_waves(count, length, period=20, seed=2):
    """Sine waves of one period, each shifted by chance: (count, length), double precision."""
    np.random.seed(seed)
    shifts = np.random.randint(-4 * period, 4 * period, count).reshape(count, 1)
    positions = np.arange(length) + shifts
    return np.sin(positions / 1.0 / period).astype("float64")


class Sequence(nn.Module):
    """One value at a time through two cells; afterwards its own values, `future` of them."""

    def __init__(self, hidden=51):
        super(Sequence, self).__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input, future=0):
        outputs = []
        n = input.size(0)
        h_t = torch.zeros(n, self.hidden, dtype=torch.double)
        c_t = torch.zeros(n, self.hidden, dtype=torch.double)
        h_t2 = torch.zeros(n, self.hidden, dtype=torch.double)
        c_t2 = torch.zeros(n, self.hidden, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sine waves with LSTM cells")
    parser.add_argument("--steps", type=int, default=5, help="steps of the optimizer")
    parser.add_argument("--max-iter", type=int, default=20, help="iterations in a step")
    parser.add_argument("--waves", type=int, default=20)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=51)
    parser.add_argument("--future", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.8)
    parser.add_argument("--line-search", default=None, choices=["strong_wolfe"])
    opt = parser.parse_args()

    np.random.seed(0)
    torch.manual_seed(0)
    data = make_waves(opt.waves, opt.length)
    input = torch.from_numpy(data[3:, :-1])
    target = torch.from_numpy(data[3:, 1:])
    test_input = torch.from_numpy(data[:3, :-1])
    test_target = torch.from_numpy(data[:3, 1:])

    seq = Sequence(opt.hidden)
    seq.double()
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(
        seq.parameters(), lr=opt.lr, max_iter=opt.max_iter, line_search_fn=opt.line_search
    )
    for i in range(opt.steps):
        print("STEP:", i)

        def closure():
            optimizer.zero_grad()
            loss = criterion(seq(input), target)
            print("loss:", round(loss.item(), 8))
            loss.backward()
            return loss

        optimizer.step(closure)
        with torch.no_grad():
            pred = seq(test_input, future=opt.future)
            loss = criterion(pred[:, : -opt.future or None], test_target)
            print("test loss:", round(loss.item(), 8))
            y = pred.detach().numpy()
            print("goes on with", np.round(y[0, test_input.size(1) :][:4], 4))
