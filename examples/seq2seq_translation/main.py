"""Translation from English to French with attention, packed sequences and teacher forcing."""

import argparse
import random

import data
import torch
import torch.nn as nn
from model import Translator
from torch import optim
from torch.utils.data import DataLoader, random_split


def train_epoch(args, model, loader, criterion, optimizer):
    model.train()
    total = 0.0
    for step, (source, lengths, target) in enumerate(loader, 1):
        optimizer.zero_grad()
        logits, _ = model(source, lengths, target.size(1), target, args.teacher_forcing)
        loss = criterion(logits.view(-1, logits.size(-1)), target.view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=args.clip)
        optimizer.step()
        total += loss.item()
        if args.dry_run:
            break
    return total / step


@torch.no_grad()
def evaluate(model, loader, criterion):
    """Mean loss, and the share of words that are right when the model goes on from its own."""
    model.eval()
    total, right, words = 0.0, 0, 0
    for source, lengths, target in loader:
        logits, _ = model(source, lengths, target.size(1))
        total += criterion(logits.flatten(0, 1), target.flatten()).item()
        real = target != data.PAD
        right += ((logits.argmax(-1) == target) & real).sum().item()
        words += int(real.sum())
    return total / len(loader), right / words


@torch.no_grad()
def translate(model, pairs, sentence, max_length=12):
    model.eval()
    source = torch.tensor([pairs.source.numbers(data.normalize(sentence))])
    logits, attention = model(source, torch.tensor([source.size(1)]), max_length)
    numbers = logits.argmax(-1)[0].tolist()
    if data.EOS in numbers:
        numbers = numbers[: numbers.index(data.EOS)]
    return pairs.target.words(numbers), attention[0, : len(numbers)]


def main():
    parser = argparse.ArgumentParser(description="Translation with attention")
    parser.add_argument("--size", type=int, default=600, help="number of sentences")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--teacher-forcing", type=float, default=0.5, help="share of true words")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    pairs = data.Pairs(args.size)
    held_out = len(pairs) // 10
    train_set, test_set = random_split(pairs, [len(pairs) - held_out, held_out])
    train_loader = DataLoader(
        train_set, batch_size=args.batch_size, shuffle=True, collate_fn=data.collate
    )
    test_loader = DataLoader(test_set, batch_size=args.batch_size, collate_fn=data.collate)
    model = Translator(len(pairs.source), len(pairs.target), args.hidden, args.dropout)
    criterion = nn.CrossEntropyLoss(ignore_index=data.PAD)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(args, model, train_loader, criterion, optimizer)
        test_loss, right = evaluate(model, test_loader, criterion)
        print(f"epoch {epoch}: loss {loss:.4f}, test loss {test_loss:.4f}, words right {right:.4f}")
        scheduler.step()
    for sentence in ("she is very calm today .", "they are not rich .", "I am often at home ."):
        try:
            translation, attention = translate(model, pairs, sentence)
        except KeyError as missing:
            print(f"> {sentence}: no such word as {missing}")
            continue
        print(f"> {sentence}\n< {translation}")
        if len(attention):
            print(f"  looks at words {attention.argmax(1).tolist()}")


if __name__ == "__main__":
    main()
