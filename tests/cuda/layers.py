"""`python -m tests.cuda.layers`: everything above the op table on a GPU, real or simulated, against the CPU.

A program is a function of a `Maker`, which makes its tensors on one device, the same numbers on each. What
it gives is compared, with the gradients of all that the maker made; all of it must be on the device.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import flambeau as torch
from tests.cuda.rows import tier
from tests.nn import support
from tests.nn.cases import FUNCTIONS, MODULES
from tests.ops.samples import leaves, replaced

Program = Callable[["Maker"], Any]
TOLERANCES = {torch.float64: 1e-9, torch.complex128: 1e-9, torch.float16: 1e-2, torch.bfloat16: 6e-2}
PROGRAMS: dict[str, Program] = {}


class Maker(support.Maker):
    """Makes inputs on a device. `dtype` is what floats get that nobody gives one."""

    def __init__(self, device: Any, dtype: str = "float32") -> None:
        super().__init__(torch)
        self.device = torch.device(device)
        self.dtype = dtype
        self.modules: list[Any] = []

    def f(self, *shape: int, grad: bool = True, dtype: str | None = None) -> Any:
        return super().f(*shape, grad=grad, dtype=dtype or self.dtype)

    def p(self, *shape: int, grad: bool = True, dtype: str | None = None) -> Any:
        return super().p(*shape, grad=grad, dtype=dtype or self.dtype)

    def module(self, made: Any) -> Any:
        """A module moved to the device; its parameters' gradients and its buffers are compared too."""
        self.modules.append(made.to(self.device))
        return self.modules[-1]

    def _tensor(self, array: Any, grad: bool) -> Any:
        made = torch.tensor(array).to(self.device)
        if grad and self.grad:
            made.requires_grad_(True)
        self.made.append(made)
        return made


def programs(*, of: str = "") -> Callable[[Program], Program]:
    """Put a program into the list, under its name or the group's and its name."""

    def put(program: Program) -> Program:
        name = f"{of} {program.__name__}".strip()
        assert name not in PROGRAMS, name
        PROGRAMS[name] = program
        return program

    return put


def module_case(case: str) -> Program:
    """A layer of tests/nn/cases.py, in float64."""

    def program(m: Maker) -> Any:
        torch.manual_seed(0)
        made, arguments = case.split(" | ")
        host = support.evaluate(torch, made.lstrip("~"), support.Maker(torch, grad=False))
        m.grad = not made.startswith("~")
        layer = m.module(host.double())
        return layer(*support.evaluate(torch, f"({arguments},)", m))

    return program


def function_case(case: str) -> Program:
    """A call of tests/nn/cases.py, in float64."""
    return lambda m: support.evaluate(torch, case, m)


def backward(outputs: list[Any]) -> None:
    """Backward from a weighted sum of all differentiable outputs."""
    total: Any = None
    for k, each in enumerate(outputs):
        if each.requires_grad and (each.is_floating_point() or each.is_complex()):
            each = torch.view_as_real(each) if each.is_complex() else each
            weights = np.cos(np.arange(max(each.numel(), 1)) + k)[: each.numel()]
            weight = torch.tensor(weights).to(each.device, each.dtype).reshape(tuple(each.shape))
            part = (each * weight).sum().double()
            total = part if total is None else total + part
    if total is not None:
        total.backward()


def run(program: Program, device: str, dtype: str = "float32") -> dict[str, Any]:
    """A program's results on a device, the gradients of what it made, and its modules' buffers."""
    torch.manual_seed(0)
    m = Maker(device, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = program(m)
        backward(leaves(found))
        parameters = [p for each in m.modules for p in each.parameters()]
        return {
            "result": found,
            "gradient": [each.grad for each in (*m.made, *parameters)],
            "buffer": [b for each in m.modules for b in each.buffers()],
        }


def _numbers(value: Any) -> list[Any]:
    """What a result has beside tensors: its structure, with tensors left out."""
    if isinstance(value, (list, tuple)):
        return [_numbers(each) for each in value]
    if isinstance(value, dict):
        return [[str(key), _numbers(each)] for key, each in value.items()]
    return [] if isinstance(value, torch.Tensor) else [value]


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_close(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, 1e-4, 1e-5, equal_nan=True))
    return type(a) is type(b) and bool(a == b)


def compare(expected: Any, found: Any, where: str) -> None:
    """Results, one by one: structure, numbers, and of tensors shape, dtype, device, content."""
    a, b = leaves(expected), leaves(found)
    plain = _numbers(expected), _numbers(found)
    assert _close(*plain), f"{where}: {plain[1]} instead of {plain[0]}"
    for x, y in zip(a, b, strict=True):
        assert y.is_cuda, f"{where}: {y._aval} on {y.device}"
        assert x.shape == y.shape and x.dtype is y.dtype, f"{where}: {y._aval} instead of {x._aval}"
        want, have = x.detach(), y.detach().cpu()
        if want.layout is torch.sparse_coo:
            want, have = want.to_dense(), have.to_dense()
        tolerance = TOLERANCES.get(want.dtype, 3e-4)
        if want.is_complex():
            want, have = torch.view_as_real(want.resolve_conj()), torch.view_as_real(have.resolve_conj())
        if want.dtype in (torch.float16, torch.bfloat16):
            want, have = want.float(), have.float()
        np.testing.assert_allclose(have.numpy(), want.numpy(), tolerance, tolerance, err_msg=where)


def check(name: str, program: Program, compiled: tuple[bool, ...] = (False, True)) -> None:
    """Run a program on the CPU and on the GPU, in both tiers. AssertionError where they differ."""
    dtype = "float64" if name.startswith(("nn.", "~nn.", "F.")) else "float32"
    drawn = name.startswith("~") or "rrelu(f(3, 4) * 1" in name
    expected = run(program, "cpu", dtype)
    for way in compiled:
        with tier(way):
            found = run(program, "cuda", dtype)
        kind = "compiled" if way else "operation by operation"
        if drawn:
            expected = found = replaced(found, [t for t in leaves(found)])
            expected = replaced(expected, [t.detach().cpu() for t in leaves(found)])
        for part, values in expected.items():
            compare(values, found[part], f"{name}, {kind}, {part}")


def everything() -> dict[str, Program]:
    """All programs by name: layers, functions, and those of the `layer_*` modules."""
    from tests.cuda import layer_programs, layer_tools, layer_vision  # noqa: F401

    found = {case: module_case(case) for case in MODULES}
    found |= {case: function_case(case) for case in FUNCTIONS}
    return found | PROGRAMS


@contextlib.contextmanager
def gpus(count: int = 2) -> Iterator[None]:
    """Real GPUs if there are any, simulated ones else. Products are in full precision."""
    with contextlib.ExitStack() as stack:
        if not torch.cuda.is_available():
            from tools.gpu import simulated

            stack.enter_context(simulated(count=count))
        stack.enter_context(torch.backends.cudnn.flags(allow_tf32=False))
        yield


def main() -> int:
    """Go through the programs; print those that differ. The exit status says whether any did."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.layers", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of programs (default: all)")
    parser.add_argument("--tier", choices=("operations", "compiled", "both"), default="both")
    parser.add_argument("--part", default="0/1", help="i/n: the i-th of n parts of the programs")
    parser.add_argument("--raise", dest="fail", action="store_true", help="stop at the first with its traceback")
    options = parser.parse_args()
    chosen = {k: v for k, v in everything().items() if not options.names or any(n in k for n in options.names)}
    part, parts = map(int, options.part.split("/"))
    names = list(chosen)[part::parts]
    tiers = {"operations": (False,), "compiled": (True,), "both": (False, True)}[options.tier]
    wrong = []
    with gpus():
        for name in names:
            try:
                check(name, chosen[name], tiers)
            except Exception as error:
                if options.fail:
                    raise
                text = f"{type(error).__name__}: {error}".strip()
                wrong.append(name)
                print(f"{name}: {' '.join(text.split())[:400]}", flush=True)
    print(f"{len(names)} programs, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    from tests.cuda import layers  # the module that programs put themselves into

    sys.exit(layers.main())
