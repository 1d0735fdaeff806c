"""`python -m tests.cuda.rows`: all samples of the op table on a GPU, real or simulated, against the CPU."""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from flambeau.ops.table import Row, table
from tests.ops.samples import Maker, function, leaves, replaced
from tests.ops.samples import rows as with_samples

TOLERANCES = {torch.float64: 1e-9, torch.float32: 2e-4, torch.float16: 4e-3, torch.bfloat16: 3e-2}
_NARROW = {torch.float64: torch.float32, torch.complex128: torch.complex64}

DRAWS = frozenset(
    "rrelu dropout native_dropout alpha_dropout feature_dropout feature_alpha_dropout bernoulli "
    "multinomial poisson binomial normal rand_like randn_like randint_like empty_like".split()
)
"""Rows whose results are drawn: on a GPU from another stream."""


def rows() -> list[Row]:
    """The rows that have samples and whose results can be compared."""
    return [r for r in with_samples() if r.name not in DRAWS]


def on_gpu(args: Any, kwargs: Any, kind: Any = None) -> tuple[Any, Any]:
    """A sample with its tensors on the GPU, floats narrowed to float32 if asked."""
    made = []
    for t in leaves([args, kwargs]):
        t = t.detach() if kind is None else t.detach().to(_NARROW.get(t.dtype, t.dtype))
        made.append(t.cuda())
    moved, named = replaced([args, kwargs], made)
    return moved, named


@contextlib.contextmanager
def tier(compiled: bool) -> Iterator[None]:
    """Programs run operation by operation, or are compiled before they run the first time."""
    before = config.compile
    config.compile = "sync" if compiled else "off"
    tiering.forget()
    try:
        yield
    finally:
        config.compile = before


def compare(expected: Any, found: Any, where: str) -> None:
    """Tensors of results, one by one: shape, dtype, device, content."""
    a, b = leaves(expected), leaves(found)
    assert len(a) == len(b), where
    for x, y in zip(a, b, strict=True):
        assert y.is_cuda, f"{where}: the result is on {y.device}"
        assert x.shape == y.shape and x.dtype is y.dtype, f"{where}: {y._aval} instead of {x._aval}"
        tolerance = TOLERANCES.get(x.dtype, TOLERANCES[torch.float32] if x.dtype is torch.complex64 else 1e-9)
        want, have = (torch.view_as_real(t) if t.is_complex() else t for t in (x.detach(), y.detach().cpu()))
        if want.dtype in (torch.float16, torch.bfloat16):
            want, have = want.float(), have.float()
        np.testing.assert_allclose(have.numpy(), want.numpy(), tolerance, tolerance, err_msg=where)


def check(row: Row, samples: int | None = None, compiled: tuple[bool, ...] = (False, True), narrow: bool = False) -> int:
    """A row's samples on the GPU in both tiers; how many there were. AssertionError where they differ."""
    count = 0
    found = row.samples(Maker())[:samples]
    for number, (args, kwargs) in enumerate(found):
        given = args, kwargs
        if narrow:
            cut = [t.detach().to(_NARROW.get(t.dtype, t.dtype)) for t in leaves([args, kwargs])]
            given = replaced([args, kwargs], cut)
            if any(x is torch.float64 for x in given[0]):
                continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = function(row)(*given[0], **given[1])
            for x in leaves(expected):
                x.detach().tolist()
            for way in compiled:
                moved, named = on_gpu(*given)
                if not leaves([moved, named]):
                    continue
                with tier(way):
                    result = function(row)(*moved, **named)
                    kind = "compiled" if way else "operation by operation"
                    compare(expected, result, f"{row.name}, sample {number}, {kind}")
                    count += 1
    return count


def gradients(row: Row, samples: int | None = None) -> None:
    """gradcheck of a row's samples on the GPU."""
    for number, (args, kwargs) in enumerate(row.samples(Maker(grad=True))[:samples]):
        given = leaves([args, kwargs])
        there = [t.detach().cuda().requires_grad_(t.requires_grad) for t in given]
        chosen = [t for t in there if t.requires_grad]
        if not chosen or sum(t.numel() for t in chosen) > 40:
            continue

        def call(*tensors: Any, there: Any = there, args: Any = args, kwargs: Any = kwargs) -> Any:
            queue = list(tensors)
            a, k = replaced([args, kwargs], [queue.pop(0) if t.requires_grad else t for t in there])
            out = function(row)(*a, **k)
            return tuple(t for t in leaves(out) if t.is_floating_point() or t.is_complex())

        if not any(o.requires_grad for o in call(*chosen)):
            continue
        assert torch.autograd.gradcheck(call, chosen, fast_mode=True), f"{row.name}, sample {number}"


def main() -> int:
    """Go through the rows; print those that differ. The exit status says whether any did."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.rows", description=__doc__)
    parser.add_argument("names", nargs="*", help="rows (default: all)")
    parser.add_argument("--samples", type=int, help="of each row, at most")
    parser.add_argument("--gradcheck", action="store_true", help="derivatives too")
    parser.add_argument("--narrow", action="store_true", help="in float32 instead of float64")
    parser.add_argument("--part", default="0/1", help="i/n: the i-th of n parts of the rows")
    options = parser.parse_args()
    chosen = [table[n] for n in options.names] or rows()
    part, parts = map(int, options.part.split("/"))
    chosen = chosen[part::parts]
    try:
        from tqdm import tqdm
    except ImportError:
        print('progress needs tqdm: pip install "flambeau[progress]"', file=sys.stderr)

        def tqdm(found: Any, **_: object) -> Any:
            return found

    with contextlib.ExitStack() as stack:
        if not torch.cuda.is_available():
            from tools.gpu import simulated

            stack.enter_context(simulated())
        count, wrong = 0, []
        for row in tqdm(chosen, unit=" rows", mininterval=5):
            try:
                count += check(row, options.samples, narrow=options.narrow)
                if options.gradcheck and not row.not_differentiable:
                    gradients(row, options.samples)
            except Exception as error:
                text = f"{type(error).__name__}: {error}".strip()
                wrong.append(row.name)
                print(f"{row.name}: {' '.join(text.split())[:300]}", flush=True)
    print(f"{len(chosen)} rows, {count} runs, {len(wrong)} differ: {' '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
