"""A recurrent network, written out by hand, reads a name letter by letter and says its language."""

import argparse
import random
import string
import unicodedata

import names
import torch
import torch.nn as nn

ALL_LETTERS = string.ascii_letters + " .,;'"


def unicode_to_ascii(text):
    """`text` without accents, and without what is no letter."""
    return "".join(
        c
        for c in unicodedata.normalize("NFD", text)
        if unicodedata.category(c) != "Mn" and c in ALL_LETTERS
    )


def line_to_tensor(line):
    """One-hot vectors of the letters, (length, 1, number of letters)."""
    tensor = torch.zeros(len(line), 1, len(ALL_LETTERS))
    for i, letter in enumerate(line):
        tensor[i][0][ALL_LETTERS.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    """One step: the letter and the state give the next state and what is thought so far."""

    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
        return self.softmax(self.h2o(hidden)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


def run(rnn, line):
    hidden = rnn.initHidden()
    for i in range(line.size()[0]):
        output, hidden = rnn(line[i], hidden)
    return output


def train(rnn, criterion, category, line, learning_rate):
    """A step of plain gradient descent on one name."""
    rnn.zero_grad()
    output = run(rnn, line)
    loss = criterion(output, category)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


def main():
    parser = argparse.ArgumentParser(description="Language of a name")
    parser.add_argument("--iters", type=int, default=2000)
    parser.add_argument("--print-every", type=int, default=200)
    parser.add_argument("--per-language", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file for the model")
    parser.add_argument("--predict", nargs="*", default=["Rossini", "Yamamoto", "Kowalski"])
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    random.seed(args.seed)
    lines = {k: [unicode_to_ascii(n) for n in v] for k, v in names.make(args.per_language).items()}
    categories = list(lines)
    rnn = RNN(len(ALL_LETTERS), args.hidden, len(categories))
    criterion = nn.NLLLoss()

    current, guesses = 0.0, 0
    for step in range(1, args.iters + 1):
        category = random.choice(categories)
        line = random.choice(lines[category])
        target = torch.tensor([categories.index(category)], dtype=torch.long)
        output, loss = train(rnn, criterion, target, line_to_tensor(line), args.lr)
        current += loss
        top_n, top_i = output.data.topk(1)
        guess = categories[top_i[0].item()]
        guesses += guess == category
        if step % args.print_every == 0:
            mark = "right" if guess == category else f"wrong ({category})"
            share = guesses / args.print_every
            print(f"{step:6d} mean loss {current / args.print_every:.4f} right {share:.4f}"
                  f"  {line} / {guess} {mark}")  # fmt: skip
            current, guesses = 0.0, 0

    confusion = torch.zeros(len(categories), len(categories))
    with torch.no_grad():
        for row, category in enumerate(categories):
            for line in lines[category][:10]:
                guess = run(rnn, line_to_tensor(line)).argmax().item()
                confusion[row][guess] += 1
        confusion /= confusion.sum(1, keepdim=True)
    print(confusion)

    for name in args.predict:
        print(f"> {name}")
        with torch.no_grad():
            topv, topi = run(rnn, line_to_tensor(unicode_to_ascii(name))).topk(2, 1, True)
        for i in range(2):
            print(f"({topv[0][i].item():.2f}) {categories[topi[0][i].item()]}")
    if args.save:
        torch.save(rnn, args.save)


if __name__ == "__main__":
    main()
