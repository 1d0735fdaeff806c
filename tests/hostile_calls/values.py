"""Hostile values, as source text, by what they stand in for."""

from __future__ import annotations

import random

NUMBERS = """
-1  0  1  2  3  7  -2  64  65  1000  2**31  -2**31  2**31 - 1  2**40  -2**40  2**62  2**63  -2**63
2**63 - 1  2**64  2**64 - 1  10**30  -10**30  10**400  True  False
""".replace("\n", "  ").split("  ")
FLOATS = "nan inf -inf 1.5 -0.0 1e30 -1e30 5e-324 1e308 0.1 -0.5 2.0".split()
NUMBERS = [each for each in NUMBERS if each]

OTHERS = [
    "None", "'abc'", "''", "b'x'", "object()", "1j", "complex(nan, inf)", "[]", "()", "[[1, 2], [3]]",
    "{}", "{'a': 1}", "set()", "{1, 2}", "range(3)", "slice(None)", "...", "int", "float", "torch.Tensor",
    "lambda *a: 1", "(lambda a: a.append(a) or a)([])", "np.ones((2, 3))", "np.int64(2)", "np.float32(1.5)",
    "np.bool_(True)", "np.array('x')", "np.array([None])", "np.datetime64('2020-01-01')", "np.zeros(0)",
    "np.array(2)", "np.uint64(2**63)", "torch.float32", "torch.int64", "torch.bool", "torch.complex64",
    "torch.strided", "torch.device('cpu')", "torch.Generator()", "nn.Linear(2, 2)", "torch.Size([2])",
    "torch", "NotImplemented", "iter([1])", "'cuda'", "'meta'", "'nonsense'", "bytearray(b'x')", "print",
    "[None]", "['a', 'b']", "[1, 'a']", "(1, None)", "[nan]", "[2**64]", "[True, False]", "(0, 0)", "(-1, -1)",
    "(1, 1, 1, 1, 1, 1, 1)", "(2**31, 2**31)", "(2**62, 4)", "[-1]", "[0]", "[torch.tensor(1)]",
    "[torch.ones(2), torch.ones(3)]", "(torch.ones(2),)", "[torch.ones(2), None]", "torch.tensor(1)",
    "torch.tensor(2.5)", "torch.tensor([1, 2])", "torch.tensor([[0.5, 1.0], [2.0, 3.0]])", "__import__('fractions').Fraction(1, 2)",
    "__import__('decimal').Decimal('1.5')", "[[]]", "[[[1]]]", "'sum'", "'none'", "'reflect'", "(1, 2, 3)",
    "__import__('functools').reduce(lambda a, _: [a], range(200), 1)",
    "__import__('functools').reduce(lambda a, _: [a], range(50000), 1)", "frozenset({1})", "type", "5",
    "'\\ud800'", "'a\\0b'", "'d' * 10000", "[0] * 70", "(1,) * 65", "[slice(0, 1)]",
]  # fmt: skip

DTYPES = """float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 uint16 uint32 uint64 bool complex32
complex64 complex128 float8_e4m3fn float8_e5m2""".split()

MADE_FROM = [
    "({x})[..., None]", "({x}).reshape(-1)", "({x})[:0]", "({x}).mT", "({x}).unsqueeze(0)", "({x}).sum()",
    "({x}).detach()", "({x}).expand(2, *({x}).shape)", "torch.stack([({x}), ({x})], -1)[..., 0]", "({x}) * nan",
    "({x}) * inf", "({x}) * 1e30", "({x}) * 0", "-({x})", "({x}).requires_grad_()", "({x}).detach().requires_grad_() * 1",
    "({x}).flip(0)", "torch.cat([({x}), ({x})])", "({x})[1:]", "({x})[0]", "nn.Parameter(({x}))", "({x}).numpy()",
    "({x}).detach().numpy()", "({x}).tolist()", "({x}).to('cuda')", "({x}).to('meta')", "({x}).to_sparse()", "({x}).conj()",
    "torch.full_like(({x}), -1)", "torch.full_like(({x}), 2**40)", "torch.full_like(({x}), 2**62)",
    "torch.full_like(({x}), -2**63)", "torch.full_like(({x}), nan)", "torch.zeros_like(({x})).long() + 2**62",
    "torch.zeros_like(({x})).long() - 2**63", "torch.zeros_like(({x})).long() + 100", "torch.zeros_like(({x})).bool()",
    "torch.zeros_like(({x})).int() - 1", "({x}).squeeze()",
]  # fmt: skip

TENSORS = [
    "torch.empty(0)", "torch.zeros(())", "torch.zeros((1,) * 64)", "torch.zeros((1,) * 65)", "torch.zeros(2, 0, 3)",
    "torch.zeros(0, 3)", "torch.ones(2, 3)", "torch.ones(2, 3, 4)", "torch.arange(6.0).as_strided((3, 2), (1, 1))",
    "torch.eye(2).to_sparse()", "torch.zeros(1).expand(2**40)", "torch.zeros(1).expand(2**31, 2**31)",
    "torch.zeros(2**31, 0)", "torch.ones(2, dtype=torch.complex64).conj()", "torch.tensor(2**62)", "torch.tensor(-1)",
    "torch.tensor(nan)", "torch.tensor([True, False])", "torch.tensor([nan, inf, -inf])", "torch.tensor([-1, 2**62])",
    "torch.tensor([], dtype=torch.int64)", "torch.ones(1, 1, 1, 1, 1, 1)", "torch.zeros(1, 0, 0)",
    "torch.from_numpy(np.frombuffer(b'12345678', np.int32))", "torch.ones(3)[::2]", "torch.ones(4, 4).t()[1:, ::2]",
    "torch.ones(5).to(torch.float8_e4m3fn)", "torch.ones(2, 2).imag", "torch.randn(3).requires_grad_()",
]  # fmt: skip

KEYWORDS = [
    ("dtype", DTYPES), ("device", ["'cuda'", "'meta'", "'nonsense'", "5", "'cpu'", "None"]), ("out", TENSORS),
    ("dim", NUMBERS), ("axis", NUMBERS), ("keepdim", OTHERS), ("generator", OTHERS), ("requires_grad", OTHERS),
    ("layout", ["torch.sparse_coo", "None", "5"]), ("reduction", OTHERS), ("nonsense", ["1"]), ("size", OTHERS),
    ("inplace", ["True", "None", "'x'"]), ("alpha", FLOATS), ("names", ["('a',)"]), ("pin_memory", ["True"]),
    ("memory_format", ["torch.channels_last", "3"]),
]  # fmt: skip
"""Keywords that a call may not have, with values for them."""


def number(rng: random.Random) -> str:
    return rng.choice(NUMBERS if rng.random() < 0.7 else FLOATS)


def numbers(rng: random.Random) -> str:
    """A list or a tuple of numbers."""
    items = [number(rng) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 5, 7)))]
    if rng.random() < 0.3 and items:
        items = [items[0]] * len(items)
    return (
        f"[{', '.join(items)}]" if rng.random() < 0.5 else f"({''.join(i + ', ' for i in items)})"
    )


def tensor(rng: random.Random, x: str | None) -> str:
    """A tensor for a tensor `x` (an expression), or for none."""
    if x is not None and rng.random() < 0.75:
        if rng.random() < 0.35:
            return f"({x}).to(torch.{rng.choice(DTYPES)})"
        return rng.choice(MADE_FROM).replace("{x}", x)
    return rng.choice(TENSORS)


def keyword(rng: random.Random) -> tuple[str, str]:
    name, choices = rng.choice(KEYWORDS)
    value = rng.choice(choices)
    return name, f"torch.{value}" if name == "dtype" else value
