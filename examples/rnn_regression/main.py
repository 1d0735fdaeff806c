"""A plain RNN turns sines into cosines; its state goes on from piece to piece."""

import argparse

import numpy as np
import torch
from torch import nn


class RNN(nn.Module):
    """(N, T, 1) to (N, T, 1), one linear layer applied at every step."""

    def __init__(self, hidden, nonlinearity):
        super(RNN, self).__init__()
        self.rnn = nn.RNN(
            input_size=1, hidden_size=hidden, num_layers=1, batch_first=True,
            nonlinearity=nonlinearity,
        )  # fmt: skip
        self.out = nn.Linear(hidden, 1)

    def forward(self, x, h_state):
        r_out, h_state = self.rnn(x, h_state)
        outs = []
        for time_step in range(r_out.size(1)):
            outs.append(self.out(r_out[:, time_step, :]))
        return torch.stack(outs, dim=1), h_state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="From sine to cosine")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--time-step", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--nonlinearity", default="tanh", choices=["tanh", "relu"])
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    rnn = RNN(args.hidden, args.nonlinearity)
    print(rnn)
    optimizer = torch.optim.Adam(rnn.parameters(), lr=args.lr)
    loss_func = nn.MSELoss()
    h_state = None
    for step in range(args.steps):
        start, end = step * np.pi, (step + 1) * np.pi
        steps = np.linspace(start, end, args.time_step, dtype=np.float32, endpoint=False)
        x = torch.from_numpy(np.sin(steps)[np.newaxis, :, np.newaxis])
        y = torch.from_numpy(np.cos(steps)[np.newaxis, :, np.newaxis])
        prediction, h_state = rnn(x, h_state)
        h_state = h_state.data
        loss = loss_func(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 9 or step == args.steps - 1:
            print(f"step {step + 1:3d}  loss {loss.item():.6f}")
    print("last:", prediction.data.numpy().flatten()[:3].round(3))
