"""A program for PyTorch 0.3, with what PyTorch itself no longer runs: volatile, loss.data[0].

flambeau runs it, and warns of each old form with what to write today.
"""

from __future__ import print_function

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable

parser = argparse.ArgumentParser(description='PyTorch 0.3')
parser.add_argument('--steps', type=int, default=40)
parser.add_argument('--seed', type=int, default=1)
args = parser.parse_args()

torch.manual_seed(args.seed)
x = torch.rand(64, 3)
y = (x.sum(1) > 1.5).long()


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.hidden = nn.Linear(3, 16)
        self.out = nn.Linear(16, 2)
        nn.init.xavier_uniform(self.hidden.weight)
        nn.init.constant(self.hidden.bias, 0.01)

    def forward(self, x):
        return F.log_softmax(self.out(F.sigmoid(self.hidden(x))))


net = Net()
if torch.cuda.is_available():
    net.cuda()
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
total_loss = 0
for step in range(args.steps):
    inputs, targets = Variable(x), Variable(y)
    optimizer.zero_grad()
    loss = F.nll_loss(net(inputs), targets, size_average=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm(net.parameters(), 1.0)
    optimizer.step()
    total_loss += loss.data[0]
    if step % 10 == 9:
        print('step {:3d} loss {:.6f}'.format(step + 1, total_loss / 10))
        total_loss = 0

inputs = Variable(x, volatile=True)
_, predicted = torch.max(net(inputs).data, 1)
print('Accuracy {:.4f}'.format(float((predicted == y).sum()) / y.size(0)))
