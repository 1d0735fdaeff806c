"""A graph convolutional network sorts the nodes of a graph (Kipf and Welling, 2016)."""

import argparse
import time

import graph
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam


def normalized_adjacency(edges, nodes):
    """D^-1/2 (A + I) D^-1/2, a matrix (N, N)."""
    adjacency = torch.zeros(nodes, nodes)
    adjacency[edges[0], edges[1]] = 1.0
    adjacency = torch.maximum(adjacency, adjacency.t()) + torch.eye(nodes)
    scale = adjacency.sum(1).pow(-0.5)
    scale[torch.isinf(scale)] = 0.0
    return scale.unsqueeze(1) * adjacency * scale.unsqueeze(0)


class GraphConv(nn.Module):
    """Each node's features become the weighted mean of its neighbours', times a matrix."""

    def __init__(self, input_dim, output_dim, use_bias=False):
        super(GraphConv, self).__init__()
        self.kernel = nn.Parameter(torch.Tensor(input_dim, output_dim))
        nn.init.xavier_normal_(self.kernel)
        if use_bias:
            self.bias = nn.Parameter(torch.zeros(output_dim))
        else:
            self.register_parameter("bias", None)

    def forward(self, features, adjacency):
        output = torch.mm(adjacency, torch.mm(features, self.kernel))
        return output if self.bias is None else output + self.bias


class GCN(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim, use_bias=True, dropout=0.1):
        super(GCN, self).__init__()
        self.gc1 = GraphConv(input_dim, hidden_dim, use_bias=use_bias)
        self.gc2 = GraphConv(hidden_dim, output_dim, use_bias=use_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features, adjacency):
        x = F.relu(self.gc1(features, adjacency))
        return F.log_softmax(self.gc2(self.dropout(x), adjacency), dim=1)


def evaluate(model, criterion, inputs, target, mask):
    model.eval()
    with torch.no_grad():
        output = model(*inputs)[mask]
        loss = criterion(output, target[mask])
        accuracy = (output.argmax(dim=1) == target[mask]).float().mean()
    return loss.item(), accuracy.item()


def main():
    parser = argparse.ArgumentParser(description="Graph convolution")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=120)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--l2", type=float, default=5e-4)
    parser.add_argument("--dropout-p", type=float, default=0.5)
    parser.add_argument("--hidden-dim", type=int, default=16)
    parser.add_argument("--sparse", action="store_true", help="sparse features and adjacency")
    parser.add_argument("--val-every", type=int, default=20)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    features, labels, edges = graph.make(args.nodes)
    inputs = features / features.sum(1, keepdim=True).clamp(min=1), normalized_adjacency(
        edges, args.nodes
    )
    if args.sparse:
        inputs = tuple(matrix.to_sparse() for matrix in inputs)
    train, valid, test = graph.split(args.nodes)
    model = GCN(features.shape[1], args.hidden_dim, int(labels.max()) + 1, dropout=args.dropout_p)
    optimizer = Adam(model.parameters(), lr=args.lr, weight_decay=args.l2)
    criterion = nn.NLLLoss()
    begun = time.perf_counter()
    for epoch in range(args.epochs):
        model.train()
        optimizer.zero_grad()
        output = model(*inputs)
        loss = criterion(output[train], labels[train])
        loss.backward()
        optimizer.step()
        if (epoch + 1) % args.val_every == 0:
            val_loss, val_acc = evaluate(model, criterion, inputs, labels, valid)
            print(f"epoch {epoch + 1:04d}: loss {loss.item():.4f}, validation loss {val_loss:.4f}, "
                  f"accuracy {val_acc:.4f}")  # fmt: skip
    assert time.perf_counter() > begun
    loss, accuracy = evaluate(model, criterion, inputs, labels, test)
    print(f"test: loss {loss:.4f}, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
