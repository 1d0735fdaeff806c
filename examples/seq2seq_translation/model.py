"""Encoder over packed sequences, and a decoder that looks back at it (Bahdanau et al., 2014)."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from data import PAD, SOS
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Encoder(nn.Module):
    """(N, S) words to (N, S, H) states, both directions summed, and the last state (1, N, H)."""

    def __init__(self, vocabulary, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words, lengths):
        embedded = self.dropout(self.embedding(words))
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True)
        packed, state = self.gru(packed)
        outputs, _ = pad_packed_sequence(packed, batch_first=True)
        forward, backward = outputs.chunk(2, dim=2)
        return forward + backward, state.sum(0, keepdim=True)


class Attention(nn.Module):
    """Additive attention: weights over the source's positions, and their mean."""

    def __init__(self, hidden):
        super().__init__()
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, state, keys, mask):
        scores = self.score(torch.tanh(self.query(state) + self.key(keys))).squeeze(2)
        scores = scores.masked_fill(mask, float("-inf"))
        weights = F.softmax(scores, dim=-1).unsqueeze(1)
        return torch.bmm(weights, keys), weights


class Decoder(nn.Module):
    """Word after word, each from the word before, the state and what attention brings."""

    def __init__(self, vocabulary, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=PAD)
        self.attention = Attention(hidden)
        self.gru = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def step(self, words, state, keys, mask):
        embedded = self.dropout(self.embedding(words))
        context, weights = self.attention(state.permute(1, 0, 2), keys, mask)
        output, state = self.gru(torch.cat((embedded, context), dim=2), state)
        return self.out(output), state, weights

    def forward(self, keys, mask, state, length, target=None, teacher_forcing=1.0):
        """Logits (N, length, vocabulary) and attention (N, length, S)."""
        word = torch.empty(keys.size(0), 1, dtype=torch.long, device=keys.device).fill_(SOS)
        outputs, attention = [], []
        for t in range(length):
            output, state, weights = self.step(word, state, keys, mask)
            outputs.append(output)
            attention.append(weights)
            if target is not None and random.random() < teacher_forcing:
                word = target[:, t].unsqueeze(1)
            else:
                _, best = output.topk(1)
                word = best.squeeze(-1).detach()
        return torch.cat(outputs, dim=1), torch.cat(attention, dim=1)


class Translator(nn.Module):
    def __init__(self, source, target, hidden=64, dropout=0.1):
        super().__init__()
        self.encoder = Encoder(source, hidden, dropout)
        self.decoder = Decoder(target, hidden, dropout)

    def forward(self, words, lengths, length, target=None, teacher_forcing=1.0):
        keys, state = self.encoder(words, lengths)
        mask = words.eq(PAD)
        return self.decoder(keys, mask, state, length, target, teacher_forcing)
