"""A language model over words: LSTM, GRU, plain RNN or Transformer."""

import argparse
import math
import time

import data
import model as models
import torch
import torch.nn as nn

parser = argparse.ArgumentParser(description="Word language model")
parser.add_argument("--data", default="", help="folder with train.txt, valid.txt, test.txt")
parser.add_argument("--size", type=int, default=400, help="made sentences, where there is no data")
parser.add_argument(
    "--model", default="LSTM", help="RNN_TANH, RNN_RELU, LSTM, GRU or Transformer"
)
parser.add_argument("--emsize", type=int, default=64)
parser.add_argument("--nhid", type=int, default=64)
parser.add_argument("--nlayers", type=int, default=2)
parser.add_argument("--nhead", type=int, default=2)
parser.add_argument("--lr", type=float, default=20)
parser.add_argument("--clip", type=float, default=0.25)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch_size", type=int, default=10, metavar="N")
parser.add_argument("--bptt", type=int, default=20, help="length of a piece")
parser.add_argument("--dropout", type=float, default=0.2)
parser.add_argument("--tied", action="store_true", help="one weight for embedding and decoder")
parser.add_argument("--use-optimizer", action="store_true", help="AdamW in place of plain steps")
parser.add_argument("--seed", type=int, default=1111)
parser.add_argument("--log-interval", type=int, default=10, metavar="N")
parser.add_argument("--save", default="model.pt", help="file for the best model")
parser.add_argument("--limit", type=int, default=0, help="batches an epoch, 0 for all")
parser.add_argument("--dry-run", action="store_true", help="one batch an epoch")
args = parser.parse_args()

torch.manual_seed(args.seed)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
corpus = data.Corpus(args.data, args.size)
ntokens = len(corpus.dictionary)


def batchify(source, bsz):
    """One long column becomes `bsz` columns: (N,) to (N // bsz, bsz)."""
    nbatch = source.size(0) // bsz
    source = source.narrow(0, 0, nbatch * bsz)
    return source.view(bsz, -1).t().contiguous().to(device)


eval_batch_size = 5
train_data = batchify(corpus.train, args.batch_size)
val_data = batchify(corpus.valid, eval_batch_size)
test_data = batchify(corpus.test, eval_batch_size)

if args.model == "Transformer":
    model = models.TransformerModel(
        ntokens, args.emsize, args.nhead, args.nhid, args.nlayers, args.dropout
    ).to(device)
else:
    model = models.RNNModel(
        args.model, ntokens, args.emsize, args.nhid, args.nlayers, args.dropout, args.tied
    ).to(device)
criterion = nn.NLLLoss()
print(f"{ntokens} words, {sum(p.numel() for p in model.parameters())} parameters")


def repackage_hidden(h):
    """Cut the state off its history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def get_batch(source, i):
    """Words i to i + bptt, and the words that follow them, in one row."""
    seq_len = min(args.bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


def evaluate(data_source):
    model.eval()
    total_loss = 0.0
    if args.model != "Transformer":
        hidden = model.init_hidden(eval_batch_size)
    with torch.no_grad():
        for i in range(0, data_source.size(0) - 1, args.bptt):
            inputs, targets = get_batch(data_source, i)
            if args.model == "Transformer":
                output = model(inputs).view(-1, ntokens)
            else:
                output, hidden = model(inputs, hidden)
                hidden = repackage_hidden(hidden)
            total_loss += len(inputs) * criterion(output, targets).item()
    return total_loss / (len(data_source) - 1)


def train(epoch, lr, optimizer):
    model.train()
    total_loss = 0.0
    if args.model != "Transformer":
        hidden = model.init_hidden(args.batch_size)
    for batch, i in enumerate(range(0, train_data.size(0) - 1, args.bptt)):
        inputs, targets = get_batch(train_data, i)
        model.zero_grad()
        if args.model == "Transformer":
            output = model(inputs).view(-1, ntokens)
        else:
            hidden = repackage_hidden(hidden)
            output, hidden = model(inputs, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        if optimizer is not None:
            optimizer.step()
        else:
            for p in model.parameters():
                if p.grad is not None:
                    p.data.add_(p.grad, alpha=-lr)
        total_loss += loss.item()
        if batch % args.log_interval == 0 and batch > 0:
            mean = total_loss / args.log_interval
            print(
                f"| epoch {epoch:3d} | {batch:4d}/{len(train_data) // args.bptt} batches "
                f"| lr {lr:02.2f} | loss {mean:5.4f} | ppl {math.exp(mean):8.2f}"
            )
            total_loss = 0.0
        if args.dry_run or (args.limit and batch >= args.limit):
            break


def main():
    lr, best = args.lr, None
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3) if args.use_optimizer else None
    try:
        for epoch in range(1, args.epochs + 1):
            started = time.time()
            train(epoch, lr, optimizer)
            loss = evaluate(val_data)
            print("-" * 60)
            print(f"| end of epoch {epoch:3d} | valid loss {loss:5.4f} | ppl {math.exp(loss):8.2f}")
            print("-" * 60)
            assert time.time() >= started
            if not best or loss < best:
                with open(args.save, "wb") as f:
                    torch.save(model, f)
                best = loss
            else:
                lr /= 4.0
    except KeyboardInterrupt:
        print("stopped early")

    with open(args.save, "rb") as f:
        trained = torch.load(f, weights_only=False)
    if args.model in ["RNN_TANH", "RNN_RELU", "LSTM", "GRU"]:
        trained.rnn.flatten_parameters()
    model.load_state_dict(trained.state_dict())
    loss = evaluate(test_data)
    print(f"| end of training | test loss {loss:5.4f} | ppl {math.exp(loss):8.2f}")


main()
