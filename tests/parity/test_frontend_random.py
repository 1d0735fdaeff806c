"""Random tensors beside PyTorch's: every function, form and dtype, bit for bit where it can be."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

FLOATS = ("float32", "float64", "float16", "bfloat16")

CREATION = """
    T.rand(3, 4)
    T.rand((3, 4))
    T.rand([3, 4])
    T.rand(size=(3, 4))
    T.rand(T.Size([2]))
    T.rand(20)
    T.rand(())
    T.rand(0, 3)
    T.rand(3, dtype=dt)
    T.rand(20, dtype=dt)
    T.rand(3, dtype=dt, requires_grad=True)
    T.rand(3, device='cpu')
    x = T.empty(3, dtype=dt); y = T.rand(3, out=x); [x, y]
    x = T.empty(0, dtype=dt); T.rand(2, 3, out=x)
    x = T.empty(4, 3, dtype=dt).t(); T.rand(3, 4, out=x)
    g = T.Generator(); g.manual_seed(5); [T.rand(3, generator=g), T.rand(3)]
    T.rand_like(a34)
    T.rand_like(a34, dtype=T.float64)
    T.rand_like(a34, requires_grad=True)
    T.rand_like(a34_t)
    T.randn(3, 4)
    T.randn((3, 4))
    T.randn(size=(3, 4))
    T.randn(15, dtype=dt)
    T.randn(16, dtype=dt)
    T.randn(17, dtype=dt)
    T.randn(3, 50, dtype=dt)
    [T.randn(3), T.randn(3), T.randn(3)]
    T.randn(())
    T.randn(0)
    x = T.empty(20, dtype=dt); T.randn(20, out=x)
    x = T.empty(40, dtype=dt)[::2]; T.randn(20, out=x)
    x = T.empty(5, 4, dtype=dt).t(); T.randn(4, 5, out=x)
    T.randn_like(a34)
    T.randn_like(a456)
    T.randn_like(a34_t)
    T.randn_like(a34, dtype=T.float64)
    T.randint(10, (3, 4))
    T.randint(3, 10, (3, 4))
    T.randint(-5, 5, (20,))
    T.randint(low=3, high=10, size=(3,))
    T.randint(high=10, size=(3,))
    T.randint(10, [3])
    T.randint(10, ())
    T.randint(10, (3,), dtype=dt)
    T.randint(0, 2, (3,), dtype=dt)
    T.randint(2**40, (3,))
    T.randint(-2**63, 2**63 - 1, (3,))
    x = T.empty(3, dtype=dt); T.randint(10, (3,), out=x)
    T.randint_like(a34, 10)
    T.randint_like(a34, 3, 10)
    T.randint_like(a34, 10, dtype=T.int16)
    T.randperm(10)
    T.randperm(0)
    T.randperm(1)
    T.randperm(100, dtype=T.int32)
    T.randperm(10, dtype=dt)
    x = T.empty(5, dtype=T.int64); T.randperm(5, out=x)
    g = T.Generator().manual_seed(3); T.randperm(7, generator=g)
    T.normal(T.zeros(4), T.ones(4))
    T.normal(a34.detach(), p34.detach())
    T.normal(a34.detach(), 2.0)
    T.normal(a34.detach())
    T.normal(1.0, p34.detach())
    T.normal(1.0, 2.0, (3, 4))
    T.normal(1, 2, (30,))
    T.normal(mean=0.0, std=1.0, size=(2, 2))
    T.normal(2.0, 0.5, size=(20,), dtype=dt)
    T.normal(T.zeros(20).to(dt), T.ones(20).to(dt))
    T.normal(T.zeros(3, 1), T.ones(1, 4))
    x = T.empty(3); T.normal(0.0, 1.0, (3,), out=x)
    x = T.empty(3); T.normal(T.zeros(3), T.ones(3), out=x)
    x = T.empty(3); T.normal(T.zeros(3), 2.0, out=x)
    T.bernoulli(u34.detach())
    T.bernoulli(u34_t.detach())
    T.bernoulli(u34.detach().double())
    T.bernoulli(u34.detach(), 0.3)
    T.bernoulli(a34.detach(), p=0.3)
    u34.detach().bernoulli()
    u34.detach().bernoulli(0.3)
    x = T.empty(3, 4, dtype=dt); T.bernoulli(u34.detach(), out=x)
    T.multinomial(u5.detach(), 3)
    T.multinomial(u5.detach(), 30, True)
    T.multinomial(u5.detach(), 30, replacement=True)
    T.multinomial(u35.detach(), 2)
    T.multinomial(u35.detach(), 1)
    [T.multinomial(u35.detach(), 1, True), T.rand(3)]
    T.multinomial(u35.detach(), 4, True)
    T.multinomial(T.tensor([0, 1.0, 0]).to(dt), 1)
    u5.detach().multinomial(2)
    x = T.empty(2, dtype=T.int64); T.multinomial(u5.detach(), 2, out=x)
    T.poisson(p34.detach())
    T.poisson(p34.detach() * 20)
    T.poisson(T.zeros(3).to(dt))
    T.poisson(u34_t.detach())
    T.binomial(T.full((20,), 10.0).to(dt), T.full((20,), 0.3).to(dt))
    T.binomial(T.full((20,), 100.0).to(dt), T.full((20,), 0.7).to(dt))
    T._standard_gamma(p34.detach())
    T._standard_gamma(u34.detach())
"""

FILLS = """
    x = a34.detach(); y = x.uniform_(); [x, y]
    a34.detach().uniform_(2, 5)
    a34.detach().uniform_(**{'from': -1, 'to': 3})
    a34.detach().uniform_(to=0.5)
    a34_t.detach().uniform_()
    a345_t.detach().uniform_()
    x = T.zeros(8, 6).to(dt); x[::2, 1:].uniform_(); x
    x = T.zeros(8, 6).to(dt); x.t()[::2, 1:].uniform_(); x
    T.zeros(2, 3, 4).to(dt).permute(2, 0, 1).uniform_()
    T.zeros(2, 3, 4).to(dt).transpose(1, 2).normal_()
    a34.detach().normal_()
    a456.detach().normal_()
    a456.detach().normal_(2, 0.5)
    a456.detach().normal_(mean=2, std=0.5)
    a456.detach().normal_(std=0.5)
    a34_t.detach().normal_()
    x = T.zeros(8, 6).to(dt); x[::2, 1:].normal_(); x
    T.zeros(40).to(dt)[::2].normal_()
    T.zeros(40).to(dt)[10:30].normal_()
    a34.detach().exponential_()
    a34.detach().exponential_(3)
    a34.detach().exponential_(lambd=0.5)
    a34_t.detach().exponential_()
    a34.detach().geometric_(0.3)
    a34.detach().geometric_(p=0.7)
    a34.detach().cauchy_()
    a34.detach().cauchy_(1, 2)
    a34.detach().cauchy_(median=1, sigma=2)
    a34.detach().log_normal_()
    a34.detach().log_normal_(0.5, 0.2)
    a34.detach().log_normal_(mean=0, std=1)
    a34_t.detach().log_normal_()
    a34.detach().bernoulli_()
    a34.detach().bernoulli_(0.2)
    a34.detach().bernoulli_(p=0.9)
    a34.detach().bernoulli_(u34.detach())
    a34.detach().bernoulli_(u4.detach())
    a34_t.detach().bernoulli_()
    a34.detach().random_()
    a34.detach().random_(5)
    a34.detach().random_(0, 2)
    a34.detach().random_(2, 20)
    a34.detach().random_(**{'from': 2, 'to': 20})
    a34.detach().random_(to=20)
    a34_t.detach().random_(9)
    x = T.zeros(0).to(dt).uniform_(); [x, T.rand(2)]
    g = T.Generator().manual_seed(9); x = a34.detach().uniform_(generator=g); [x, T.rand(2)]
    T.tensor(1.0).to(dt).normal_()
    x = T.zeros(3).to(dt); T.nn.init.normal_(x, 1, 2); x
"""

WRONG = """
    T.rand(-1)
    T.rand('a')
    T.rand(2.5)
    T.rand(3, dtype=T.int64)
    T.rand(3, dtype=T.bool)
    T.rand(3, dtype='float32')
    T.rand(3, generator=5)
    T.rand(3, device='nowhere')
    T.randn(3, dtype=T.int32)
    T.randint(5)
    T.randint((3,))
    T.randint(5, 5, (3,))
    T.randint(6, 5, (3,))
    T.randint(0, (3,))
    T.randint(-1, (3,))
    T.randint(1.5, (3,))
    T.randint(5, 3)
    T.randint(300, (3,), dtype=T.uint8)
    T.randint(-1, 5, (3,), dtype=T.uint8)
    T.randint(10, (3,), dtype=T.complex64)
    T.randperm(-1)
    T.randperm(2.5)
    T.randperm(300, dtype=T.uint8)
    T.randperm(10, dtype=T.bool)
    T.randperm(10, dtype=T.complex64)
    T.normal(0.0, -1.0, (3,))
    T.normal(0.0, 1.0)
    T.normal(T.zeros(3), -T.ones(3))
    T.normal(T.zeros(3), T.ones(4))
    T.normal(T.zeros(3), -1.0)
    T.normal(0.0, 1.0, (3,), dtype=T.int64)
    T.bernoulli(T.tensor([1.5]))
    T.bernoulli(T.tensor([-0.5]))
    T.bernoulli(T.tensor([nan]))
    T.bernoulli(T.tensor([1]))
    T.bernoulli(T.tensor([0.5]), 1.5)
    T.bernoulli(0.5)
    T.multinomial(T.tensor([1.0, 2]), 3)
    T.multinomial(T.tensor([1.0, 2]), 0)
    T.multinomial(T.tensor([1.0, 2]), -1)
    T.multinomial(T.tensor([1.0, -2]), 1)
    T.multinomial(T.tensor([0.0, 0]), 1)
    T.multinomial(T.tensor([nan, 1]), 1)
    T.multinomial(T.tensor([inf, 1]), 1)
    T.multinomial(T.tensor([1, 2]), 1)
    T.multinomial(T.rand(2, 2, 2), 1)
    T.multinomial(T.tensor(1.0), 1)
    T.multinomial(T.zeros(0), 1)
    T.multinomial(T.tensor([1.0, 2]), 1.5)
    T.poisson(T.tensor([-1.0]))
    T.poisson(T.tensor([1]))
    T.poisson(2.0)
    T.zeros(3).uniform_(2, 1)
    T.zeros(3).uniform_(nan, 1)
    T.zeros(3).uniform_('a')
    T.zeros(3, dtype=T.int64).uniform_()
    T.zeros(3, dtype=T.bool).uniform_()
    T.zeros(3).normal_(0, -1)
    T.zeros(3, dtype=T.int64).normal_()
    T.zeros(3).exponential_(0)
    T.zeros(3).exponential_(-1)
    T.zeros(3, dtype=T.int64).exponential_()
    T.zeros(3).geometric_(0)
    T.zeros(3).geometric_(1)
    T.zeros(3).geometric_()
    T.zeros(3, dtype=T.bool).geometric_(0.5)
    T.zeros(3).cauchy_(0, 0)
    T.zeros(3, dtype=T.int64).cauchy_()
    T.zeros(3).log_normal_(0, 0)
    T.zeros(3, dtype=T.int64).log_normal_()
    T.zeros(3).bernoulli_(1.5)
    T.zeros(3).bernoulli_(-0.5)
    T.zeros(3).bernoulli_(T.tensor([1.5, 0, 0]))
    T.zeros(3).bernoulli_(T.tensor([1, 0, 0]))
    T.zeros(3).bernoulli_(T.tensor([0.5, 0.5]))
    T.zeros(3).random_(5, 5)
    T.zeros(3).random_(5, 2)
    T.zeros(3).random_(0)
    T.zeros(3, dtype=T.uint8).random_(300)
    T.zeros(3, dtype=T.uint8).random_(-5, 5)
    T.zeros(3).random_(1.5)
    T.zeros(1).expand(3).uniform_()
    x = T.zeros(3, requires_grad=True); x.uniform_()
    x = T.zeros(3, requires_grad=True); x[0].normal_()
    T.zeros(3).uniform_(wrong=1)
    T.zeros(3).normal_(0, 1, 2)
    T.manual_seed('a')
    T.manual_seed(1.5) and 0
    T.manual_seed(2**64)
    T.manual_seed(-2**63 - 1)
    T.Generator('nowhere')
    T.Generator().set_state(T.zeros(3))
    T.Generator().set_state(T.zeros(3, dtype=T.uint8))
    T.set_rng_state(T.zeros(3, dtype=T.uint8))
"""

GENERATOR = """
    T.manual_seed(0) is T.default_generator
    T.manual_seed(-1); [T.rand(3), T.initial_seed()]
    T.manual_seed(-2**63); [T.rand(3), T.initial_seed()]
    T.manual_seed(2**64 - 1); [T.rand(3), T.initial_seed()]
    T.manual_seed(True); T.rand(3)
    T.manual_seed(2**40); T.rand(3)
    T.manual_seed(12); T.initial_seed()
    T.get_rng_state()
    T.manual_seed(1); T.rand(3); T.get_rng_state()
    T.manual_seed(1); T.randn(3); T.get_rng_state()
    s = T.get_rng_state(); x = T.rand(5); T.set_rng_state(s); [x, T.rand(5)]
    s = T.random.get_rng_state(); x = T.randn(5); T.random.set_rng_state(s); [x, T.randn(5)]
    type(T.seed()).__name__
    type(T.random.seed()).__name__
    T.random.manual_seed(3); [T.rand(2), T.random.initial_seed()]
    T.random.default_generator is T.default_generator
    g = T.Generator(); [g.initial_seed(), str(g.device)]
    g = T.Generator('cpu'); g.manual_seed(4); T.rand(3, generator=g)
    g = T.Generator(device='cpu').manual_seed(-4); [T.rand(3, generator=g), g.initial_seed()]
    g = T.Generator().manual_seed(4); s = g.get_state(); x = T.rand(3, generator=g); g.set_state(s); [x, T.rand(3, generator=g), s]
    g = T.Generator().manual_seed(4); h = g.clone_state(); [T.rand(3, generator=g), T.rand(3, generator=h)]
    g = T.Generator(); s = g.seed(); s == g.initial_seed()
    g = T.Generator(); h = g.set_state(g.get_state()); h is g
    import pickle; g = T.Generator().manual_seed(6); T.rand(3, generator=g); h = pickle.loads(pickle.dumps(g)); [T.rand(3, generator=g), T.rand(3, generator=h)]
    T.manual_seed(2); c = T.random.fork_rng(devices=[]); c.__enter__(); T.rand(4); c.__exit__(None, None, None); T.rand(2)
    T.manual_seed(2); c = T.random.fork_rng(devices=[], enabled=False); c.__enter__(); T.rand(4); c.__exit__(None, None, None); T.rand(2)
"""


def _full(block: str) -> str:
    """Each line with a seed of its own, and a draw behind it that tells whether the states agree."""
    out = []
    for number, line in enumerate(block.splitlines()):
        if line.strip():
            *before, last = line.strip().split("; ")
            out.append("; ".join([f"T.manual_seed({number})", *before, f"[{last}, T.rand(3)]"]))
    return "\n".join(out)


def test_creation() -> None:
    assert differing(_full(CREATION), *FLOATS) == ""


def test_fills() -> None:
    assert differing(_full(FILLS), *FLOATS) == ""


def test_fills_of_other_dtypes() -> None:
    block = """
        T.zeros(3, 4, dtype=dt).random_()
        T.zeros(3, 4, dtype=dt).random_(5)
        T.zeros(3, 4, dtype=dt).random_(0, 2)
        T.zeros(3, 4, dtype=dt).random_(2, 20)
        T.zeros(3, 4, dtype=dt).random_(-5, 5)
        T.zeros(3, 4, dtype=dt).bernoulli_(0.3)
        T.zeros(3, 4, dtype=dt).bernoulli_(T.full((3, 4), 0.3))
        T.zeros(3, 4, dtype=dt).geometric_(0.3)
        T.zeros(3, 4, dtype=dt).uniform_()
        T.zeros(3, 4, dtype=dt).normal_()
        T.zeros(3, 4, dtype=dt).exponential_()
        T.zeros(3, 4, dtype=dt).log_normal_()
        T.zeros(3, 4, dtype=dt).cauchy_()
        T.rand(20, dtype=dt)
        T.randn(20, dtype=dt)
        T.randint(10, (20,), dtype=dt)
        T.randint_like(T.zeros(20, dtype=dt), 2)
        T.randperm(20, dtype=dt)
    """
    assert differing(_full(block), *ALL) == ""


@pytest.mark.parametrize("block", [WRONG, GENERATOR], ids=["wrong", "generator"])
def test_chosen(block: str) -> None:
    assert differing(_full(block) if block is WRONG else block, "float32") == ""


def test_draws_in_the_graph() -> None:
    block = """
        T.manual_seed(0); T.bernoulli(u34)
        T.manual_seed(0); T.normal(a34, p34)
        T.manual_seed(0); T.normal(a34, 2.0)
        T.manual_seed(0); T.normal(2.0, p34)
        T.manual_seed(0); T.poisson(p34)
        T.manual_seed(0); x = a34.clone(); x.uniform_(); x
        T.manual_seed(0); x = a34.clone(); x.normal_(); x
        T.manual_seed(0); x = a34.clone(); x.exponential_(); x
        T.manual_seed(0); x = a34.clone(); x.bernoulli_(0.5); x
        T.manual_seed(0); x = a34.clone(); x.random_(5); x
        T.manual_seed(0); x = a34.clone(); x.cauchy_(); x
        T.manual_seed(0); x = a34.clone(); x.log_normal_(); x
        T.manual_seed(0); x = a34.clone(); x.geometric_(0.5); x
        T.manual_seed(0); x = a34.clone(); y = x[0]; y.normal_(); x
    """
    assert differing(block, "float32", grad=True) == ""
