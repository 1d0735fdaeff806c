"""A graph attention network sorts the nodes of a graph (Veličković et al., 2017).

Attention in two ways: over the whole matrix, or over the list of edges with --sparse.
"""

import argparse

import graph
import torch
import torch.nn as nn
import torch.nn.functional as F


class GraphAttentionLayer(nn.Module):
    """`heads` attentions over the neighbours; their results side by side, or their mean."""

    def __init__(self, in_features, out_features, heads, concat=True, dropout=0.4, slope=0.2):
        super().__init__()
        self.heads, self.concat, self.dropout = heads, concat, dropout
        self.hidden = out_features // heads if concat else out_features
        self.W = nn.Parameter(torch.empty(size=(in_features, self.hidden * heads)))
        self.a = nn.Parameter(torch.empty(size=(heads, 2 * self.hidden, 1)))
        self.leakyrelu = nn.LeakyReLU(slope)
        self.softmax = nn.Softmax(dim=1)
        nn.init.xavier_normal_(self.W)
        nn.init.xavier_normal_(self.a)

    def scores(self, h):
        """What a node gives as receiver and as sender, (heads, N, 1) both."""
        receiver = torch.matmul(h, self.a[:, : self.hidden, :])
        sender = torch.matmul(h, self.a[:, self.hidden :, :])
        return receiver, sender

    def forward(self, x, adjacency):
        n = x.shape[0]
        h = torch.mm(x, self.W)
        h = F.dropout(h, self.dropout, training=self.training)
        h = h.view(n, self.heads, self.hidden).permute(1, 0, 2)
        receiver, sender = self.scores(h)
        e = self.leakyrelu(receiver + sender.mT)
        attention = torch.where(adjacency > 0, e, -9e16 * torch.ones_like(e))
        attention = F.softmax(attention, dim=-1)
        attention = F.dropout(attention, self.dropout, training=self.training)
        out = torch.matmul(attention, h)
        return self.joined(out, n)

    def joined(self, out, n):
        if self.concat:
            return out.permute(1, 0, 2).contiguous().view(n, self.heads * self.hidden)
        return out.mean(dim=0)


class EdgeAttentionLayer(GraphAttentionLayer):
    """The same over a list of edges (2, E), sender and receiver."""

    def forward(self, x, edges):
        n = x.shape[0]
        source, target = edges
        h = F.dropout(torch.mm(x, self.W), self.dropout, training=self.training)
        h = h.view(n, self.heads, self.hidden).permute(1, 0, 2)
        receiver, sender = (s.squeeze(-1) for s in self.scores(h))
        e = self.leakyrelu(receiver[:, target] + sender[:, source])  # (heads, E)
        # Softmax over the edges that come in at a node, shifted by the largest score there.
        index = target.expand_as(e)
        top = torch.full((self.heads, n), float("-inf")).scatter_reduce(1, index, e, "amax")
        weight = torch.exp(e - top.detach().gather(1, index))
        total = torch.zeros(self.heads, n).scatter_add(1, index, weight)
        weight = weight / (total.gather(1, index) + 1e-16)
        weight = F.dropout(weight, self.dropout, training=self.training)
        messages = h[:, source] * weight.unsqueeze(-1)
        out = torch.zeros(self.heads, n, self.hidden).index_add_(1, target, messages)
        return self.joined(out, n)


class GAT(nn.Module):
    def __init__(self, layer, in_features, hidden, heads, classes, dropout):
        super().__init__()
        self.gat1 = layer(in_features, hidden, heads, concat=True, dropout=dropout)
        self.gat2 = layer(hidden, classes, 1, concat=False, dropout=dropout)

    def forward(self, x, structure):
        x = F.elu(self.gat1(x, structure))
        return F.log_softmax(self.gat2(x, structure), dim=1)


def structure_of(edges, nodes, sparse):
    """The graph both ways with every node's link to itself: edges (2, E), or a matrix."""
    loops = torch.arange(nodes).repeat(2, 1)
    edges = torch.cat([edges, edges.flip(0), loops], dim=1)
    if sparse:
        return edges
    return torch.zeros(nodes, nodes).index_put((edges[1], edges[0]), torch.tensor(1.0))


def main():
    parser = argparse.ArgumentParser(description="Graph attention")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--nodes", type=int, default=120)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--l2", type=float, default=5e-4)
    parser.add_argument("--dropout-p", type=float, default=0.4)
    parser.add_argument("--hidden-dim", type=int, default=32)
    parser.add_argument("--num-heads", type=int, default=4)
    parser.add_argument("--sparse", action="store_true", help="work on the list of edges")
    parser.add_argument("--val-every", type=int, default=20)
    parser.add_argument("--seed", type=int, default=13)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    features, labels, edges = graph.make(args.nodes)
    structure = structure_of(edges, args.nodes, args.sparse)
    train, valid, test = graph.split(args.nodes)
    layer = EdgeAttentionLayer if args.sparse else GraphAttentionLayer
    classes = int(labels.max().item()) + 1
    net = GAT(layer, features.shape[1], args.hidden_dim, args.num_heads, classes, args.dropout_p)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr, weight_decay=args.l2)
    criterion = nn.NLLLoss()
    for epoch in range(1, args.epochs + 1):
        net.train()
        optimizer.zero_grad()
        loss = criterion(net(features, structure)[train], labels[train])
        loss.backward()
        optimizer.step()
        if epoch % args.val_every == 0:
            net.eval()
            with torch.no_grad():
                output = net(features, structure)
                right = (output.argmax(1) == labels)[valid].float().mean()
            print(f"epoch {epoch}: train loss {loss.item():.4f}, validation accuracy {right:.4f}")
    net.eval()
    with torch.no_grad():
        output = net(features, structure)[test]
    accuracy = (output.argmax(1) == labels[test]).double().mean().item()
    print(f"test: loss {criterion(output, labels[test]).item():.4f}, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
