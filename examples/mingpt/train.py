"""A small GPT learns to write, character by character."""

import argparse
import math
import os
from contextlib import nullcontext

import numpy as np
import torch
from model import GPT, GPTConfig

RHYMES = (
    "One little boat upon the bay, two little boats that sail away, "
    "three little lights along the shore, four little waves that ask for more. "
    "The moon came up, the wind fell low, and home again the boats did go. "
)


def parse():
    parser = argparse.ArgumentParser(description="A small GPT over characters")
    parser.add_argument("--text", default="", help="file to learn from; rhymes where empty")
    parser.add_argument("--max-iters", type=int, default=300)
    parser.add_argument("--eval-interval", type=int, default=50)
    parser.add_argument("--eval-iters", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--gradient-accumulation-steps", type=int, default=2)
    parser.add_argument("--block-size", type=int, default=32)
    parser.add_argument("--n-layer", type=int, default=2)
    parser.add_argument("--n-head", type=int, default=2)
    parser.add_argument("--n-embd", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--warmup-iters", type=int, default=10)
    parser.add_argument("--weight-decay", type=float, default=1e-1)
    parser.add_argument("--grad-clip", type=float, default=1.0)
    parser.add_argument("--no-flash", action="store_true", help="attention written out")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--out", default="ckpt.pt", help="file of the checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--generate", type=int, default=120, help="characters to write at the end")
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1337)
    return parser.parse_args()


def load_text(path):
    """Numbers of the characters for training and validation, and the characters."""
    text = open(path, encoding="utf8").read() if path else RHYMES * 20
    chars = sorted(set(text))
    stoi = {ch: i for i, ch in enumerate(chars)}
    data = np.array([stoi[c] for c in text], dtype=np.uint16)
    n = int(0.9 * len(data))
    return data[:n], data[n:], chars


def get_batch(data, args, device):
    ix = torch.randint(len(data) - args.block_size, (args.batch_size,))
    x = [torch.from_numpy((data[i : i + args.block_size]).astype(np.int64)) for i in ix]
    y = [torch.from_numpy((data[i + 1 : i + 1 + args.block_size]).astype(np.int64)) for i in ix]
    return torch.stack(x).to(device), torch.stack(y).to(device)


def get_lr(it, args):
    """Linear warm-up, then half a cosine down to a tenth."""
    if it < args.warmup_iters:
        return args.learning_rate * (it + 1) / (args.warmup_iters + 1)
    ratio = (it - args.warmup_iters) / max(1, args.max_iters - args.warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * min(ratio, 1.0)))
    return args.learning_rate * (0.1 + 0.9 * coeff)


@torch.no_grad()
def estimate_loss(model, splits, args, device):
    out = {}
    model.eval()
    for split, data in splits.items():
        losses = torch.zeros(args.eval_iters)
        for k in range(args.eval_iters):
            _, loss = model(*get_batch(data, args, device))
            losses[k] = loss.item()
        out[split] = losses.mean()
    model.train()
    return out


def main():
    args = parse()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.matmul.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ctx = nullcontext() if device == "cpu" else torch.amp.autocast(device, dtype=torch.bfloat16)
    train_data, val_data, chars = load_text(args.text)

    model_args = dict(
        block_size=args.block_size, vocab_size=len(chars), n_layer=args.n_layer,
        n_head=args.n_head, n_embd=args.n_embd, dropout=args.dropout,
    )  # fmt: skip
    iter_num, checkpoint = 0, None
    if args.resume:
        checkpoint = torch.load(args.out, map_location=device)
        model_args, iter_num = checkpoint["model_args"], checkpoint["iter_num"]
    model = GPT(GPTConfig(**model_args), flash=not args.no_flash)
    if checkpoint:
        model.load_state_dict(checkpoint["model"])
    model.to(device)
    optimizer = model.configure_optimizers(args.weight_decay, args.learning_rate, (0.9, 0.95))
    if checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
    raw_model = model
    if args.compile:
        model = torch.compile(model)

    best = float("inf")
    scaler = torch.amp.GradScaler(device, enabled=False)
    while iter_num <= args.max_iters:
        lr = get_lr(iter_num, args)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr
        if iter_num % args.eval_interval == 0:
            losses = estimate_loss(model, {"train": train_data, "val": val_data}, args, device)
            print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")
            if losses["val"] < best:
                best = losses["val"]
                torch.save(
                    {
                        "model": raw_model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "model_args": model_args,
                        "iter_num": iter_num,
                    },
                    args.out,
                )
        for _ in range(args.gradient_accumulation_steps):
            X, Y = get_batch(train_data, args, device)
            with ctx:
                _, loss = model(X, Y)
                loss = loss / args.gradient_accumulation_steps
            scaler.scale(loss).backward()
        if args.grad_clip != 0.0:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        iter_num += 1
    print(f"iter {iter_num - 1}: loss {loss.item() * args.gradient_accumulation_steps:.4f}")
    print(f"checkpoint of {os.path.basename(args.out)} at step "
          f"{torch.load(args.out)['iter_num']}, val loss {best:.4f}")  # fmt: skip

    raw_model.eval()
    start = torch.tensor([[chars.index("T")]], dtype=torch.long, device=device)
    written = raw_model.generate(start, args.generate, args.temperature, top_k=args.top_k)
    print("".join(chars[i] for i in written[0].tolist()))


if __name__ == "__main__":
    main()
