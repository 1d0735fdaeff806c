"""A classifier as programs of 2017 and 2018 were written; PyTorch still runs it."""

from __future__ import print_function

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.utils.data as data_utils
from torch.autograd import Variable

parser = argparse.ArgumentParser(description='Two spirals')
parser.add_argument('--epochs', type=int, default=10)
parser.add_argument('--batch-size', type=int, default=32)
parser.add_argument('--no-cuda', action='store_true', default=False)
parser.add_argument('--seed', type=int, default=1)
args = parser.parse_args()
args.cuda = not args.no_cuda and torch.cuda.is_available()

torch.manual_seed(args.seed)
np.random.seed(args.seed)
if args.cuda:
    torch.cuda.manual_seed(args.seed)
    torch.cuda.manual_seed_all(args.seed)

n = 200
labels = np.arange(n) % 2
radius = np.random.rand(n) * 2 + 0.2
angle = radius * 2.5 + labels * np.pi
points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
train_set = data_utils.TensorDataset(torch.FloatTensor(points), torch.LongTensor(labels))
kwargs = {'num_workers': 1, 'pin_memory': True} if args.cuda else {}
train_loader = data_utils.DataLoader(train_set, batch_size=args.batch_size, shuffle=True, **kwargs)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(2, 32)
        self.bn1 = nn.BatchNorm1d(32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 2)
        nn.init.xavier_uniform_(self.fc2.weight)
        self.fc2.bias.data.zero_()

    def forward(self, x):
        x = F.relu(self.bn1(self.fc1(x)))
        x = F.tanh(self.fc2(x))
        x = F.dropout(x, p=0.1, training=self.training)
        return F.log_softmax(self.fc3(x), dim=1)


model = nn.DataParallel(Net())
if args.cuda:
    model.cuda()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        if args.cuda:
            data, target = data.cuda(), target.cuda()
        data, target = Variable(data), Variable(target)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
    print('Train Epoch: {} \tLoss: {:.6f}'.format(epoch, loss.data.item()))


def test():
    model.eval()
    correct = 0
    for data, target in train_loader:
        if args.cuda:
            data, target = data.cuda(), target.cuda()
        output = model(Variable(data))
        pred = output.data.max(1, keepdim=True)[1]
        correct += pred.eq(target.data.view_as(pred)).long().cpu().sum()
    print('Accuracy: {}/{} ({:.0f}%)'.format(correct, n, 100. * float(correct) / n))


for epoch in range(1, args.epochs + 1):
    train(epoch)
    if epoch == args.epochs // 2:
        for group in optimizer.param_groups:
            group['lr'] *= 0.1
test()
x = Variable(torch.ones(2, 2), requires_grad=True)
y = (x + 2).pow(2).mul(3)
y.backward(torch.Tensor([[1, 0.1], [0.01, 0.001]]))
print(x.grad.data, x.grad.data.numpy().sum().round(4), type(x.data) is torch.Tensor)
