"""The loop language to be read.

loop(par 1, red 1, vectors along red; in0: float32/1; out0: float32/1)
  full:
    %0: float32 = load in0
    %1: float32 = reduce max %0
  ...
"""

from __future__ import annotations

from .loop import Loop, Operand, Statement


def show(loop: Loop) -> str:
    """A loop as text."""
    ins = [_operand(f"in{k}", o, k in loop.gathers) for k, o in enumerate(loop.inputs)]
    outs = [_operand(f"out{k}", o, False) for k, o in enumerate(loop.outputs)]
    numbers = [f"n{k}: {t}" for k, t in enumerate(loop.numbers)]
    head = f"par {loop.par}, red {loop.red}, vectors along {loop.vector}"
    if loop.dense:
        head += ", in blocks"
    lines = [f"loop({'; '.join([head, *ins, *outs, *numbers])})"]
    k = 0
    for stage in loop.stages:
        lines.append(f"  {stage.level}:")
        for s in stage.body:
            lines.append("    " + _statement(k, s))
            k += 1
    return "\n".join(lines)


def _operand(name: str, o: Operand, gathered: bool) -> str:
    stride = "?" if o.inner is None else o.inner
    return f"{name}: {o.dtype}/{stride}{' gathered' if gathered else ''}"


def _statement(k: int, s: Statement) -> str:
    args = ", ".join(f"%{a}" for a in s.args)
    if s.op == "store":
        return f"store out{s.attr} {args}"
    what = {
        "load": f"load in{s.attr}{f'[{args}]' if args else ''}",
        "number": f"n{s.attr}",
        "const": repr(s.attr),
        "index": f"index {s.attr}",
        "reduce": f"reduce {s.attr} {args}",
    }.get(s.op, f"{s.op} {args}")
    return f"%{k}: {s.dtype} = {what}"
