"""English and French sentences of a tiny grammar, and words as numbers."""

import random
import re

import torch

PAD, SOS, EOS = 0, 1, 2

PEOPLE = [("i am", "je suis"), ("you are", "tu es"), ("he is", "il est"), ("she is", "elle est"),
          ("we are", "nous sommes"), ("they are", "ils sont")]  # fmt: skip
HOW = [("", ""), ("very", "très"), ("not", "pas"), ("always", "toujours"), ("often", "souvent")]
WHAT = [("calm", "calme"), ("sad", "triste"), ("rich", "riche"), ("young", "jeune"),
        ("sick", "malade"), ("free", "libre"), ("honest", "honnête")]  # fmt: skip
WHERE = [("", ""), ("today", "aujourd'hui"), ("here", "ici"), ("at home", "à la maison")]


def sentences(count, seed=0):
    """Pairs (English, French), the same for a seed."""
    chance = random.Random(seed)
    pairs = []
    for _ in range(count):
        chosen = [chance.choice(part) for part in (PEOPLE, HOW, WHAT, WHERE)]
        pairs.append(tuple(normalize(" ".join(words) + " .") for words in zip(*chosen)))
    return pairs


def normalize(text):
    """Lower case, one space between words and signs."""
    text = re.sub(r"([.!?])", r" \1", text.lower().strip())
    return re.sub(r"\s+", " ", text).strip()


class Lang:
    """The words of a language, numbered."""

    def __init__(self, name):
        self.name = name
        self.word2index = {}
        self.index2word = {PAD: "<pad>", SOS: "<sos>", EOS: "<eos>"}

    def add(self, sentence):
        for word in sentence.split(" "):
            if word not in self.word2index:
                self.word2index[word] = len(self.index2word)
                self.index2word[self.word2index[word]] = word

    def numbers(self, sentence):
        return [self.word2index[word] for word in sentence.split(" ")] + [EOS]

    def words(self, numbers):
        return " ".join(self.index2word[int(number)] for number in numbers)

    def __len__(self):
        return len(self.index2word)


class Pairs(torch.utils.data.Dataset):
    """The pairs as tensors of word numbers, and the two languages."""

    def __init__(self, count, seed=0):
        self.pairs = sentences(count, seed)
        self.source, self.target = Lang("eng"), Lang("fra")
        for english, french in self.pairs:
            self.source.add(english)
            self.target.add(french)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        english, french = self.pairs[index]
        return (
            torch.tensor(self.source.numbers(english)),
            torch.tensor(self.target.numbers(french)),
        )


def collate(batch):
    """Padded sources (longest first) with their lengths, and padded targets; batch first."""
    batch = sorted(batch, key=lambda pair: len(pair[0]), reverse=True)
    sources, targets = zip(*batch)
    lengths = torch.tensor([len(source) for source in sources])
    pad = torch.nn.utils.rnn.pad_sequence
    return (
        pad(sources, batch_first=True, padding_value=PAD),
        lengths,
        pad(targets, batch_first=True, padding_value=PAD),
    )
