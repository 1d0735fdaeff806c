"""Kernels of PTX written by hand, for tests of the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.gpu import Statistics, run_kernel

HEAD = ".version 8.0\n.target sm_{capability}\n.address_size 64\n"
REGISTERS = """
  .reg .pred %p<20>; .reg .b16 %h<40>; .reg .b32 %r<80>; .reg .b64 %rd<60>; .reg .b32 %f<60>; .reg .b64 %fd<40>;
"""


def module(parameters: str, body: str, capability: int = 90, before: str = "") -> str:
    """A module with one kernel `k`; `parameters` as "u64 a, u32 n"."""
    listed = ", ".join(
        f".param .{p.strip().split()[0]} {p.strip().split()[1]}"
        for p in parameters.split(",")
        if p.strip()
    )
    head = HEAD.format(capability=capability)
    return f"{head}{before}\n.visible .entry k({listed})\n{{\n{REGISTERS}\n{body}\n  ret;\n}}\n"


def run(
    parameters: str,
    body: str,
    args: list[Any],
    grid: Any = 1,
    block: Any = 32,
    capability: int = 90,
    before: str = "",
    **more: Any,
) -> Statistics:
    """Run the kernel of a body."""
    return run_kernel(module(parameters, body, capability, before), "k", grid, block, args, **more)


_REGISTER = {1: "%h", 2: "%h", 4: "%r", 8: "%rd"}


def apply(instruction: str, *inputs: Any, out: Any, capability: int = 90) -> Any:
    """What an instruction makes of arrays: `instruction` names operands {0} (the result), {1}, {2}, ...

    One thread an element, 16-bit and narrower elements in 16-bit registers.
    """
    out = np.dtype(out)
    arrays = [np.ascontiguousarray(x) for x in inputs]
    n = len(arrays[0])
    body = ["mov.u32 %r70, %ctaid.x; mov.u32 %r71, %ntid.x; mov.u32 %r72, %tid.x; mad.lo.u32 %r73, %r70, %r71, %r72;",
            f"setp.ge.u32 %p1, %r73, {n}; @%p1 bra END; cvt.u64.u32 %rd50, %r73;"]  # fmt: skip
    names = []
    for k, x in enumerate(arrays):
        size = x.dtype.itemsize
        name = f"{_REGISTER[size]}{k + 1}"
        names.append(name)
        body.append(
            f"ld.param.u64 %rd51, [in{k}]; mad.lo.u64 %rd51, %rd50, {size}, %rd51; ld.global.b{8 * size} {name}, [%rd51];"
        )
    result = f"{_REGISTER[out.itemsize]}10"
    body.append(instruction.format(result, *names) + ";")
    body.append(
        f"ld.param.u64 %rd52, [out]; mad.lo.u64 %rd52, %rd50, {out.itemsize}, %rd52; st.global.b{8 * out.itemsize} [%rd52], {result};"
    )
    body.append("END:")
    made = np.zeros(n, out)
    parameters = ", ".join([f"u64 in{k}" for k in range(len(arrays))] + ["u64 out"])
    run(
        parameters,
        "\n".join(body),
        [*arrays, made],
        grid=(n + 127) // 128,
        block=128,
        capability=capability,
    )
    return made


def predicate(instruction: str, *inputs: Any) -> Any:
    """As `apply`, of an instruction whose result is the predicate {0}."""
    return apply(
        instruction.replace("{0}", "%p2") + "; selp.u32 {0}, 1, 0, %p2", *inputs, out="u4"
    ).astype(bool)
