"""A recurrent network writes names of a language, letter by letter."""

import argparse
import random
import string

import names
import torch
import torch.nn as nn

ALL_LETTERS = string.ascii_letters + " .,;'-"
N_LETTERS = len(ALL_LETTERS) + 1  # and the end of the name
END = N_LETTERS - 1


class RNN(nn.Module):
    """Language, letter and state give the next letter and the next state."""

    def __init__(self, n_categories, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        joint = n_categories + N_LETTERS + hidden_size
        self.i2h = nn.Linear(joint, hidden_size)
        self.i2o = nn.Linear(joint, N_LETTERS)
        self.o2o = nn.Linear(hidden_size + N_LETTERS, N_LETTERS)
        self.dropout = nn.Dropout(0.1)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, category, input, hidden):
        joint = torch.cat((category, input, hidden), 1)
        hidden = self.i2h(joint)
        output = self.o2o(torch.cat((hidden, self.i2o(joint)), 1))
        return self.softmax(self.dropout(output)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


def one_hot(index, size):
    tensor = torch.zeros(1, size)
    tensor[0][index] = 1
    return tensor


def letters_of(line):
    """One-hot vectors, (length, 1, letters)."""
    tensor = torch.zeros(len(line), 1, N_LETTERS)
    for position, letter in enumerate(line):
        tensor[position][0][ALL_LETTERS.find(letter)] = 1
    return tensor


def targets_of(line):
    """The letters from the second on, and the end."""
    return torch.LongTensor([ALL_LETTERS.find(letter) for letter in line[1:]] + [END])


def train(rnn, criterion, category, line, lr):
    target = targets_of(line).unsqueeze_(-1)
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    loss = torch.Tensor([0])
    inputs = letters_of(line)
    for i in range(inputs.size(0)):
        output, hidden = rnn(category, inputs[i], hidden)
        loss += criterion(output, target[i])
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-lr)
    return loss.item() / inputs.size(0)


@torch.no_grad()
def sample(rnn, category, start, max_length=20):
    """The name that the network finds likeliest after `start`."""
    rnn.eval()
    hidden = rnn.init_hidden()
    input = letters_of(start)
    name = start
    for _ in range(max_length):
        output, hidden = rnn(category, input[0], hidden)
        topv, topi = output.topk(1)
        index = topi[0][0]
        if index == END:
            break
        name += ALL_LETTERS[index]
        input = letters_of(name[-1])
    rnn.train()
    return name


def main():
    parser = argparse.ArgumentParser(description="Names of a language")
    parser.add_argument("--iters", type=int, default=2000)
    parser.add_argument("--print-every", type=int, default=200)
    parser.add_argument("--per-language", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    random.seed(args.seed)
    lines = names.make(args.per_language)
    categories = list(lines)
    rnn = RNN(len(categories), args.hidden)
    criterion = nn.NLLLoss()
    total = 0
    for step in range(1, args.iters + 1):
        category = random.choice(categories)
        vector = one_hot(categories.index(category), len(categories))
        total += train(rnn, criterion, vector, random.choice(lines[category]), args.lr)
        if step % args.print_every == 0:
            print(f"{step:6d} ({100 * step / args.iters:.0f}%) loss {total / args.print_every:.4f}")
            total = 0
    for category in categories:
        vector = one_hot(categories.index(category), len(categories))
        print(category, *(sample(rnn, vector, letter) for letter in "KST"))


if __name__ == "__main__":
    main()
