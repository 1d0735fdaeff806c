"""Reads the tutorial that flambeau implements, and turns its code blocks into one script.

    python -m tests.tutorial                 # print the script, as it would run on PyTorch
    python -m tests.tutorial flambeau        # with flambeau's names

The tutorial (`data/pytorch-intro.md`) was written for PyTorch 0.3 and for readers, not for an
interpreter: outputs stand in the code blocks, a comment has lost its `#`, an import has a blank
before it. `blocks` mends exactly that, and keeps what the text claims to be printed. The script
prints a mark before each block, so that `outputs` can give every block what it printed, and
`check` compares that with the claim.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TEXT = Path(__file__).parent / "data" / "pytorch-intro.md"
MARK = "=== block"

PRELUDE = """\
import numpy as np
import torch
import torchvision
import torchvision.transforms as transforms
from torch import nn, optim
from torch.autograd import Variable
"""
"""What the blocks use and never import."""

PROBES = {
    "b = a.numpy()": "assert b.tolist() == [2.0] * 5, b",
    "b = torch.from_numpy(a)": "assert b.tolist() == [2.0] * 5, b",
    "print(x[:, 1])": "assert np.array_equal(x[:, 1].numpy(), x.numpy()[:, 1], equal_nan=True)",
    "y.add_(x)": "assert np.array_equal(y.numpy(), result.numpy(), equal_nan=True), (y, result)",
    "model.fc = nn.Linear": "assert [p.requires_grad for p in model.parameters()].count(True) == 2",
    "f.data.sub_": "assert all(f.grad is not None for f in net.parameters())",
}
"""What the text says in words, as assertions after the block in which the key stands."""

SLIPS = {"torch.Size([6, 3, 5, 5])": "torch.Size([6, 1, 5, 5])"}
"""The Net above it has one input channel, not three."""

# Uninitialised or random: only the shape of what is printed is claimed.
_ARBITRARY = re.compile(r"torch\.(Tensor|rand|randn)\(\d")
_HAN = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_OUTPUT = re.compile(r"^输出(?:为)?[：:]\s*")
_BARE_RESULT = re.compile(r"^(\d+|torch\.Size\(.*\))$")
_OLD_TENSOR = re.compile(r"\[torch\.\w+Tensor of size ([\dx]+)\]")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)")


class Block(NamedTuple):
    """One code block: what runs, and what the text says it prints (None where it says nothing)."""

    number: int
    code: str
    claim: str | None


def blocks(text: str) -> list[Block]:
    """The code blocks of the tutorial, mended."""
    found = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    kept = [body for body in found if not body.startswith("input ->")]  # a drawing
    return [_block(number, body) for number, body in enumerate(kept, 1)]


def _block(number: int, body: str) -> Block:
    if body.startswith(">>>"):
        code, claim = _from_session(body)
        return Block(number, code, claim)
    lines = body.rstrip().expandtabs(4).split("\n")
    if lines[0].startswith(" ") and not lines[1].startswith(" "):
        lines[0] = lines[0].lstrip()
    for place, line in enumerate(lines):
        if _OUTPUT.match(line):
            claim = "\n".join([_OUTPUT.sub("", line), *lines[place + 1 :]]).strip()
            return Block(number, _code(lines[:place]), _mended(claim))
    end = len(lines)
    while _BARE_RESULT.match(lines[end - 1]):
        end -= 1
    bare = "\n".join(lines[end:])
    return Block(number, _code(lines[:end]), _mended(bare) if bare else None)


def _mended(claim: str) -> str:
    for slip, right in SLIPS.items():
        claim = claim.replace(slip, right)
    return claim


def _code(lines: list[str]) -> str:
    """Cut what follows a statement in Chinese without being a comment."""
    result = []
    for line in lines:
        before, sign, comment = line.partition("#")
        prose = _HAN.search(before)
        if prose:
            before, sign, comment = before[: prose.start()].rstrip(), "", ""
        result.append((before + sign + comment).rstrip())
    return "\n".join(result).strip("\n") + "\n"


def _from_session(body: str) -> tuple[str, str]:
    """`>>> a` with its result below becomes `print(repr(a))`, and a line of the claim."""
    code, claims = [], []
    lines = body.rstrip().split("\n")
    for line, following in zip(lines, [*lines[1:], ">>>"], strict=True):
        if not line.startswith(">>> "):
            claims.append(line)
        elif following.startswith(">>>"):
            code.append(line[4:])
        else:
            code.append(f"print(repr({line[4:]}))")
    return "\n".join(code) + "\n", "\n".join(claims)


def script(parts: list[Block], name: str = "torch", epilogue: str = "") -> str:
    """All blocks as one program. With `name="flambeau"` the imports are changed, as a user would."""
    text = PRELUDE
    for block in parts:
        text += f'\nprint("{MARK} {block.number}", flush=True)\n{block.code}'
        text += "".join(f"{probe}\n" for key, probe in PROBES.items() if key in block.code)
    text += f'\nprint("{MARK} end", flush=True)\n{epilogue}'
    return text if name == "torch" else _renamed(text)


def _renamed(text: str) -> str:
    for old, new in (
        (r"^import torch$", "import flambeau as torch"),
        (r"^import torchvision$", "import flambeau.vision as torchvision"),
        (r"^(import|from) torchvision\.", r"\1 flambeau.vision."),
        (r"^from torch import", "from flambeau import"),
        (r"^(import|from) torch\.", r"\1 flambeau."),
    ):
        text = re.sub(old, new, text, flags=re.MULTILINE)
    return text


def outputs(printed: str) -> dict[str, str]:
    """What each block printed, by its number."""
    parts = re.split(rf"^{MARK} (\w+)\n", printed, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def check(block: Block, printed: str) -> None:
    """Raise AssertionError where a block didn't print what the tutorial claims."""
    if block.claim is None:
        return
    size = _OLD_TENSOR.search(block.claim)
    if size is None:
        assert _plain(printed) == _plain(block.claim), f"block {block.number}: {printed}"
        return
    claimed = list(_numbers(block.claim[: size.start()]))
    actual = list(_numbers(printed))
    count = math.prod(map(int, size.group(1).split("x")))
    assert len(claimed) == len(actual) == count, f"block {block.number}: {printed}"
    if not _ARBITRARY.search(block.code):
        assert actual == claimed, f"block {block.number}: {printed}"


def _numbers(text: str) -> Iterator[float]:
    text = re.sub(r"tensor|requires_grad=\w+|dtype=[\w.]+", "", text)
    return (float(number) for number in _NUMBER.findall(text))


def _plain(text: str) -> list[str]:
    """Lines without what has changed in the printing of layers since 0.3."""
    lines = [line.strip() for line in text.strip().split("\n")]
    return [re.sub(r" \(", "(", line.replace(", bias=True", "")) for line in lines]


if __name__ == "__main__":
    sys.stdout.write(script(blocks(TEXT.read_text(encoding="utf-8")), *sys.argv[1:2]))
