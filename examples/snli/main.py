"""Does one sentence follow from another? A bidirectional LSTM over both, and a classifier."""

import argparse
import random

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, IterableDataset

KINDS = {"dog": "animal", "cat": "animal", "rose": "plant", "oak": "plant"}
DOINGS = {"sleeps": "rests", "runs": "moves", "falls": "moves"}
LABELS = ["entailment", "contradiction", "neutral"]
WORDS = ["<pad>", "a", "no", *KINDS, "animal", "plant", *DOINGS, "rests", "moves", "today"]
INDEX = {word: i for i, word in enumerate(WORDS)}


class Pairs(IterableDataset):
    """Premises, hypotheses and labels, made as they are asked for."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __iter__(self):
        chance = random.Random(self.seed)
        for _ in range(self.count):
            who, does = chance.choice(list(KINDS)), chance.choice(list(DOINGS))
            label = chance.choice(LABELS)
            kind, doing = KINDS[who], DOINGS[does]
            if label == "entailment":
                hypothesis = chance.choice([f"a {kind} {does}", f"a {who} {doing}"])
            elif label == "contradiction":
                hypothesis = chance.choice([f"no {kind} {does}", f"no {who} {doing}"])
            else:
                hypothesis = f"a {kind} {chance.choice([doing, does])} today"
            yield numbers(f"a {who} {does}"), numbers(hypothesis), LABELS.index(label)


def numbers(sentence):
    return torch.tensor([INDEX[word] for word in sentence.split()])


def collate(batch):
    premises, hypotheses, labels = zip(*batch)
    return premises, hypotheses, torch.as_tensor(labels)


class Bottle(nn.Module):
    """Applies a linear layer to (N, T, D) as if it were (N * T, D)."""

    def __init__(self, *args):
        super().__init__()
        self.linear = nn.Linear(*args)

    def forward(self, input):
        if len(input.size()) <= 2:
            return self.linear(input)
        size = input.size()[:2]
        out = self.linear(input.view(size[0] * size[1], -1))
        return out.view(size[0], size[1], -1)


class Encoder(nn.Module):
    """Sentences of any lengths to the largest activity at each place, (N, 2H)."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), dim, padding_idx=0)
        self.projection = Bottle(dim, dim)
        self.rnn = nn.LSTM(dim, hidden, bidirectional=True, batch_first=True)

    def forward(self, sentences):
        packed = pack_sequence(sentences, enforce_sorted=False)
        data = torch.relu(self.projection(self.embed(packed.data)))
        packed = packed._replace(data=data)
        outputs, _ = self.rnn(packed)
        padded, lengths = pad_packed_sequence(outputs, batch_first=True, padding_value=-1e9)
        assert lengths.max() == padded.size(1)
        return padded.max(dim=1).values


class Classifier(nn.Module):
    def __init__(self, dim=16, hidden=24, dropout=0.1):
        super().__init__()
        self.encoder = Encoder(dim, hidden)
        self.out = nn.Sequential(
            nn.Linear(8 * hidden, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(p=dropout),
            nn.Linear(32, len(LABELS)),
        )  # fmt: skip

    def forward(self, premises, hypotheses):
        p, h = self.encoder(premises), self.encoder(hypotheses)
        return self.out(torch.cat([p, h, (p - h).abs(), p * h], 1))


def main():
    parser = argparse.ArgumentParser(description="Natural language inference")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=1234)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    train = DataLoader(Pairs(args.size, 0), batch_size=args.batch_size, collate_fn=collate)
    valid = DataLoader(Pairs(args.size // 5, 1), batch_size=args.batch_size, collate_fn=collate)
    model = Classifier()
    criterion = nn.CrossEntropyLoss(reduction="mean")
    opt = torch.optim.Adam(model.parameters(), lr=args.lr, amsgrad=True)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.8)
    for epoch in range(1, args.epochs + 1):
        model.train()
        total, right, seen = 0.0, 0, 0
        for premises, hypotheses, labels in train:
            opt.zero_grad()
            answer = model(premises, hypotheses)
            loss = criterion(answer, labels)
            loss.backward()
            opt.step()
            right += (torch.max(answer, 1)[1].view(labels.size()) == labels).sum().item()
            total, seen = total + loss.item() * len(labels), seen + len(labels)
        sched.step()
        model.eval()
        dev_right = dev_seen = 0
        with torch.no_grad():
            for premises, hypotheses, labels in valid:
                dev_right += model(premises, hypotheses).argmax(1).eq(labels).sum().item()
                dev_seen += len(labels)
        print(f"epoch {epoch}: loss {total / seen:.4f}, accuracy {right / seen:.4f}, "
              f"validation accuracy {dev_right / dev_seen:.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
