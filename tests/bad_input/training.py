"""Wrong calls around training: autograd, layers, optimizers, data, random numbers, devices."""

from __future__ import annotations

from tests.bad_input.case import case

AUTOGRAD = [
    case(
        "backward: a second time",
        """
x = torch.ones(3, requires_grad=True)
y = (x * x).sum()
y.backward()
y.backward()  #!
print(x.grad)
""",
        "RuntimeError",
        "second time",
        "retain_graph=True",
    ),
    case(
        "backward: several elements",
        "x = torch.ones(3, requires_grad=True)\n(x * 2).backward()  #!",
        "RuntimeError",
        "scalar",
    ),
    case("backward: nothing requires grad", "torch.ones(()).backward()", "RuntimeError", "grad"),
    case(
        "backward: the gradient's shape",
        "x = torch.ones(3, requires_grad=True)\n(x * 2).backward(torch.ones(2))  #!",
        "RuntimeError",
        "[2]",
        "[3]",
    ),
    case(
        "in place: on a leaf",
        "x = torch.ones(3, requires_grad=True)\nx.add_(1)  #!",
        "RuntimeError",
        "leaf",
        "in-place",
    ),
    case(
        "in place: on a view of a leaf",
        "x = torch.ones(3, requires_grad=True)\nx[0] = 2.0  #!",
        "RuntimeError",
        "leaf",
        "in-place",
    ),
    case(
        "in place: on one of several views",
        "x = torch.ones(4, requires_grad=True) * 1\na, b = x.split(2)\na.mul_(2)  #!",
        "RuntimeError",
        "view",
        "inplace",
    ),
    case(
        "version: a saved value changed",
        """
x = torch.ones(3, requires_grad=True)
y = x * 1
z = y * y
y.add_(1)
z.sum().backward()  #!
""",
        "RuntimeError",
        "modified by an inplace operation",
        "version 1",
        "version 0",
    ),
    case(
        "version: a saved result changed",
        """
x = torch.ones(3, requires_grad=True)
y = x.exp()
y[0] = 5.0
y.sum().backward()  #!
""",
        "RuntimeError",
        "modified by an inplace operation",
    ),
    case(
        "numpy: of what requires grad",
        "torch.ones(3, requires_grad=True).numpy()",
        "RuntimeError",
        "numpy()",
        "detach()",
    ),
    case(
        "out=: with a graph",
        "x = torch.ones(3, requires_grad=True)\ntorch.add(x, 1, out=torch.zeros(3))  #!",
        "RuntimeError",
        "out=",
        "add",
    ),
    case(
        "requires_grad = False inside a graph",
        "y = torch.ones(3, requires_grad=True) * 2\ny.requires_grad = False  #!",
        "RuntimeError",
        "leaf",
    ),
    case(
        "autograd.grad: not in the graph",
        """
x = torch.ones(3, requires_grad=True)
w = torch.ones(3, requires_grad=True)
torch.autograd.grad((x * 2).sum(), [x, w])  #!
""",
        "RuntimeError",
        "allow_unused",
    ),
    case(
        "grad: of another shape",
        "x = torch.ones(3, requires_grad=True)\nx.grad = torch.ones(2)  #!",
        "RuntimeError",
        "[3]",
        "[2]",
    ),
    case(
        "retain_grad: nothing requires grad",
        "torch.ones(3).retain_grad()",
        "RuntimeError",
        "requires_grad",
    ),
    case(
        "deepcopy: inside a graph",
        "import copy\ny = torch.ones(3, requires_grad=True) * 2\ncopy.deepcopy(y)  #!",
        "RuntimeError",
        "deepcopy",
    ),
    case(
        "overlap: written through a broadcast view",
        "torch.ones(1).expand(3).add_(1)",
        "RuntimeError",
        "add_",
        "single memory location",
    ),
    case(
        "overlap: written while it is read",
        "x = torch.arange(5)\nx[1:].add_(x[:-1])  #!\nprint(x)",
        "RuntimeError",
        "add_",
        "single memory location",
    ),
]

LAYERS = [
    case(
        "Linear: wrong features",
        "y = nn.Linear(3, 2)(torch.ones(4, 5))  #!\nprint(y)",
        "RuntimeError",
        "4x5",
        "3x2",
    ),
    case("Linear: a string", "nn.Linear('3', 2)", "TypeError", "str"),
    case("Linear: no size", "nn.Linear(3)", "TypeError", "out_features"),
    case(
        "Conv2d: wrong channels",
        "y = nn.Conv2d(3, 6, 5)(torch.ones(1, 1, 32, 32))  #!\nprint(y)",
        "RuntimeError",
        "conv",
        "[6, 3, 5, 5]",
        "[1, 1, 32, 32]",
    ),
    case(
        "Conv2d: two dimensions",
        "nn.Conv2d(3, 6, 5)(torch.ones(32, 32))",
        "RuntimeError",
        "conv2d",
        "[32, 32]",
    ),
    case(
        "Conv2d: kernel larger than the image",
        "nn.Conv2d(1, 6, 5)(torch.ones(1, 1, 4, 4))",
        "RuntimeError",
        "kernel",
    ),
    case("Conv2d: groups", "nn.Conv2d(3, 6, 5, groups=2)", "ValueError", "groups"),
    case("Conv2d: padding mode", "nn.Conv2d(3, 6, 5, padding_mode='x')", "ValueError", "padding"),
    case(
        "Conv2d: dtypes differ",
        "nn.Conv2d(1, 6, 5)(torch.ones(1, 1, 8, 8, dtype=torch.float64))",
        "RuntimeError",
        "float64",
        "float32",
    ),
    case(
        "max_pool2d: output too small",
        "F.max_pool2d(torch.ones(1, 1, 1, 1), 2)",
        "RuntimeError",
        "max_pool2d",
        "small",
    ),
    case("BatchNorm2d: two dimensions", "nn.BatchNorm2d(3)(torch.ones(2, 3))", "ValueError", "4D"),
    case(
        "BatchNorm2d: wrong channels",
        "nn.BatchNorm2d(3)(torch.ones(2, 4, 5, 5))",
        "RuntimeError",
        "3",
        "4",
    ),
    case(
        "BatchNorm1d: one value",
        "nn.BatchNorm1d(3)(torch.ones(1, 3))",
        "ValueError",
        "more than 1 value per channel",
        "[1, 3]",
    ),
    case(
        "LayerNorm: wrong shape",
        "nn.LayerNorm(3)(torch.ones(2, 4))",
        "RuntimeError",
        "[3]",
        "[2, 4]",
    ),
    case("Dropout: probability", "nn.Dropout(1.5)", "ValueError", "1.5"),
    case(
        "Embedding: padding", "nn.Embedding(3, 2, padding_idx=3)", "AssertionError", "padding_idx"
    ),
    case("Sequential: no module", "nn.Sequential(nn.ReLU(), 3)", "TypeError", "int", "Module"),
    case(
        "Module: a tensor as a parameter",
        "m = nn.Linear(2, 2)\nm.weight = torch.ones(2, 2)  #!",
        "TypeError",
        "weight",
        "Parameter",
    ),
    case(
        "Module: unknown attribute", "nn.Linear(2, 2).wieght", "AttributeError", "wieght", "Linear"
    ),
    case(
        "Module: no forward",
        "class Net(nn.Module):\n    pass\nNet()(1)  #!",
        "NotImplementedError",
        "forward",
        "Net",
    ),
    case(
        "Module: no super().__init__()",
        """
class Net(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(2, 2)  #!
Net()
""",
        "AttributeError",
        "__init__",
    ),
    case(
        "load_state_dict: a missing key",
        "nn.Linear(2, 2).load_state_dict({'weight': torch.ones(2, 2)})",
        "RuntimeError",
        "Linear",
        "missing",
        "bias",
    ),
    case(
        "load_state_dict: an unknown key",
        "m = nn.Linear(2, 2)\nm.load_state_dict({**m.state_dict(), 'more': torch.ones(1)})  #!",
        "RuntimeError",
        "Linear",
        "unexpected",
        "more",
    ),
    case(
        "load_state_dict: another shape",
        "nn.Linear(2, 2).load_state_dict(nn.Linear(3, 2).state_dict())",
        "RuntimeError",
        "weight",
        "[2, 3]",
        "[2, 2]",
    ),
    case(
        "load_state_dict: no dict", "nn.Linear(2, 2).load_state_dict(3)", "TypeError", "dict", "int"
    ),
    case(
        "cross_entropy: target out of range",
        "loss = F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3]))  #!\nprint(loss)",
        "IndexError",
        "target",
        "3",
    ),
    case(
        "cross_entropy: batches differ",
        "F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1, 2]))",
        "ValueError",
        "2",
        "3",
    ),
    case(
        "cross_entropy: floats as classes",
        "F.cross_entropy(torch.ones(2, 3), torch.tensor([0.0, 1.0]))",
        "RuntimeError",
        "float",
    ),
    case(
        "nll_loss: target out of range",
        "F.nll_loss(torch.ones(2, 3), torch.tensor([0, -1]))",
        "IndexError",
        "target",
        "-1",
    ),
    case(
        "binary_cross_entropy: shapes differ",
        "F.binary_cross_entropy(torch.ones(2), torch.ones(3))",
        "ValueError",
        "[2]",
        "[3]",
    ),
    case(
        "binary_cross_entropy_with_logits: shapes differ",
        "F.binary_cross_entropy_with_logits(torch.ones(2), torch.ones(3))",
        "ValueError",
        "[2]",
        "[3]",
    ),
    case(
        "mse_loss: reduction",
        "F.mse_loss(torch.ones(2), torch.ones(2), reduction='total')",
        "ValueError",
        "total",
    ),
    case(
        "mse_loss: shapes that don't broadcast",
        "F.mse_loss(torch.ones(2), torch.ones(3))",
        "RuntimeError",
        "2",
        "3",
    ),
]

TRAINING = [
    case("SGD: learning rate", "optim.SGD([torch.ones(1)], lr=-1.0)", "ValueError", "-1.0"),
    case("SGD: momentum", "optim.SGD([torch.ones(1)], lr=1.0, momentum=-1)", "ValueError", "-1"),
    case(
        "SGD: nesterov without momentum",
        "optim.SGD([torch.ones(1)], lr=1.0, nesterov=True)",
        "ValueError",
        "nesterov",
        "momentum",
    ),
    case("SGD: no parameters", "optim.SGD([], lr=1.0)", "ValueError", "empty"),
    case("SGD: one tensor", "optim.SGD(torch.ones(1), lr=1.0)", "TypeError", "params"),
    case("SGD: numbers", "optim.SGD([1.0], lr=1.0)", "TypeError", "float"),
    case(
        "SGD: no leaf",
        "optim.SGD([torch.ones(1, requires_grad=True) * 2], lr=1.0)",
        "ValueError",
        "leaf",
    ),
    case(
        "Adam: betas", "optim.Adam([torch.ones(1)], betas=(1.0, 0.9))", "ValueError", "beta", "1.0"
    ),
    case("Adam: eps", "optim.Adam([torch.ones(1)], eps=-1.0)", "ValueError", "eps", "-1.0"),
    case(
        "optimizer: another's state",
        """
a = optim.SGD([torch.ones(1)], lr=1.0)
b = optim.SGD([torch.ones(1), torch.ones(1)], lr=1.0)
a.load_state_dict(b.state_dict())  #!
""",
        "ValueError",
        "group",
    ),
    case("StepLR: no optimizer", "optim.lr_scheduler.StepLR(3, 1)", "TypeError", "int"),
    case(
        "clip_grad_norm_: not finite",
        """
p = torch.ones(1, requires_grad=True)
p.grad = torch.tensor([float('inf')])
nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)  #!
""",
        "RuntimeError",
        "finite",
    ),
    case(
        "DataLoader: batch size",
        "torch.utils.data.DataLoader([1, 2], batch_size=0)",
        "ValueError",
        "batch_size",
        "0",
    ),
    case(
        "DataLoader: workers",
        "torch.utils.data.DataLoader([1, 2], num_workers=-1)",
        "ValueError",
        "num_workers",
    ),
    case(
        "DataLoader: shuffle and sampler",
        "torch.utils.data.DataLoader([1, 2], shuffle=True, sampler=[0, 1])",
        "ValueError",
        "sampler",
        "shuffle",
    ),
    case(
        "DataLoader: shapes that don't stack",
        """
loader = torch.utils.data.DataLoader([torch.ones(2), torch.ones(3)], batch_size=2)
list(loader)  #!
""",
        "RuntimeError",
        "[2]",
        "[3]",
    ),
    case(
        "random_split: wrong lengths",
        "torch.utils.data.random_split([1, 2, 3], [1, 1])",
        "ValueError",
        "sum",
    ),
    case(
        "TensorDataset: sizes differ",
        "torch.utils.data.TensorDataset(torch.ones(2), torch.ones(3))",
        "AssertionError",
        "size",
    ),
    case("load: no such file", "torch.load('/does/not/exist.pt')", "FileNotFoundError", "exist.pt"),
]

RANDOM_AND_DEVICES = [
    case(
        "normal: negative deviation",
        "torch.normal(0.0, -1.0, (2,))",
        "RuntimeError",
        "normal",
        "-1",
    ),
    case("uniform_: wrong order", "torch.ones(2).uniform_(1, 0)", "RuntimeError", "uniform_", "0"),
    case("randint: wrong order", "torch.randint(5, 2, (3,))", "RuntimeError", "random_", "5", "2"),
    case(
        "bernoulli: no probability",
        "torch.bernoulli(torch.tensor([1.5]))",
        "RuntimeError",
        "1",
    ),
    case(
        "multinomial: too many",
        "torch.multinomial(torch.ones(2), 3)",
        "RuntimeError",
        "multinomial",
        "3",
    ),
    case("randperm: negative", "torch.randperm(-1)", "RuntimeError", "-1"),
    case("arange: no step", "torch.arange(0, 3, 0)", "RuntimeError", "step"),
    case("arange: wrong direction", "torch.arange(0, 3, -1)", "RuntimeError", "step"),
    case("linspace: negative steps", "torch.linspace(0, 1, -1)", "RuntimeError", "steps"),
    case("device: unknown", "torch.device('abacus')", "RuntimeError", "abacus"),
    case("ones: unknown device", "torch.ones(2, device='abacus')", "RuntimeError", "abacus"),
    case("cuda: on this machine", "torch.ones(2).cuda()", "AssertionError", "CUDA"),
    case("to: cuda on this machine", "torch.ones(2).to('cuda')", "AssertionError", "CUDA"),
    case("ones: cuda on this machine", "torch.ones(2, device='cuda')", "AssertionError", "CUDA"),
]
