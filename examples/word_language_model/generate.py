"""Writes words drawn from a model that main.py has saved."""

import argparse

import data
import torch

parser = argparse.ArgumentParser(description="Text from a language model")
parser.add_argument("--data", default="", help="folder with train.txt, valid.txt, test.txt")
parser.add_argument("--size", type=int, default=400, help="made sentences, as in training")
parser.add_argument("--checkpoint", default="./model.pt", help="what main.py has saved")
parser.add_argument("--outf", default="generated.txt", help="file for the text")
parser.add_argument("--words", type=int, default=100)
parser.add_argument("--temperature", type=float, default=1.0, help="higher is more varied")
parser.add_argument("--seed", type=int, default=1111)
args = parser.parse_args()

torch.manual_seed(args.seed)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if args.temperature < 1e-3:
    parser.error("--temperature has to be 1e-3 or more")

with open(args.checkpoint, "rb") as f:
    model = torch.load(f, map_location=device, weights_only=False)
model.eval()

corpus = data.Corpus(args.data, args.size)
ntokens = len(corpus.dictionary)
is_transformer = hasattr(model, "model_type") and model.model_type == "Transformer"
if not is_transformer:
    hidden = model.init_hidden(1)
input = torch.randint(ntokens, (1, 1), dtype=torch.long).to(device)

with open(args.outf, "w", encoding="utf8") as outf, torch.no_grad():
    for i in range(args.words):
        if is_transformer:
            output = model(input, False)
            weights = output[-1].squeeze().div(args.temperature).exp().cpu()
            word_idx = torch.multinomial(weights, 1)[0]
            input = torch.cat([input, torch.Tensor([[word_idx]]).long().to(device)], 0)
        else:
            output, hidden = model(input, hidden)
            weights = output.squeeze().div(args.temperature).exp().cpu()
            word_idx = torch.multinomial(weights, 1)[0]
            input.fill_(word_idx)
        word = corpus.dictionary.idx2word[word_idx]
        outf.write(word + ("\n" if i % 20 == 19 else " "))

with open(args.outf, encoding="utf8") as outf:
    print(outf.read())
