"""Text as numbers: a dictionary of words, and a corpus of three files or of made sentences."""

import os
import random

import torch


class Dictionary:
    """Words by number and numbers by word, in order of first appearance."""

    def __init__(self):
        self.word2idx = {}
        self.idx2word = []

    def add_word(self, word):
        if word not in self.word2idx:
            self.word2idx[word] = len(self.idx2word)
            self.idx2word.append(word)
        return self.word2idx[word]

    def __len__(self):
        return len(self.idx2word)


SUBJECTS = "the cat,the old dog,a child,my neighbour,the small bird,nobody,the teacher".split(",")
VERBS = "sees,likes,follows,draws,forgets,finds".split(",")
OBJECTS = "the moon,a red ball,the river,some bread,an old house,the cat".split(",")
ENDS = "in the morning,every day,at night,with care,".split(",")


def made_lines(count, seed):
    """Sentences of a tiny grammar, the same for a seed."""
    chance = random.Random(seed)
    for _ in range(count):
        parts = [chance.choice(words) for words in (SUBJECTS, VERBS, OBJECTS, ENDS)]
        yield " ".join(part for part in parts if part) + " ."


class Corpus:
    """`train`, `valid` and `test`: each one long tensor of word numbers.

    Args:
        path: folder with train.txt, valid.txt and test.txt; made sentences where it is empty.
        size: number of made sentences to train on.
    """

    def __init__(self, path="", size=400):
        self.dictionary = Dictionary()
        for part, share, seed in (("train", 1.0, 0), ("valid", 0.1, 1), ("test", 0.1, 2)):
            if path:
                with open(os.path.join(path, part + ".txt"), encoding="utf8") as file:
                    tokens = self.tokenize(file)
            else:
                tokens = self.tokenize(made_lines(int(size * share), seed))
            setattr(self, part, tokens)

    def tokenize(self, lines):
        pieces = []
        for line in lines:
            words = line.split() + ["<eos>"]
            numbers = [self.dictionary.add_word(word) for word in words]
            pieces.append(torch.tensor(numbers).type(torch.int64))
        return torch.cat(pieces)
