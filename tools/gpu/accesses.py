"""Instructions that touch memory: ld, st, atom, red, cp.async; addresses and their spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ptx import SIZES, Address, Immediate, Instruction, Register, Sink, Special, Symbol, Vector
from .rounding import add_odd, from_bf16, to_bf16, to_f16
from .values import DTYPES, UNSIGNED, Context, Get, Op, Registers, instruction, unsupported

U64 = np.dtype(np.uint64)
SPACES = ("global", "shared", "local", "param", "const")
SHARED_WINDOW = 0x0500_0000_0000
"""Where shared memory lies among generic addresses."""
LOCAL_WINDOW = 0x0510_0000_0000
PARAM_WINDOW = 0x0520_0000_0000
WINDOW = 1 << 32
_WINDOWS = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW, "param": PARAM_WINDOW}


def space_of(i: Instruction) -> str:
    """The state space that an access names; "" is generic."""
    for m in i.modifiers:
        head = m.split("::")[0]
        if head in SPACES:
            if m == "shared::cluster" and i.opcode != "cp":
                raise unsupported(i)
            return head
    return ""


def address(c: Context, o: Any) -> Get:
    """The address of an operand as uint64, of all threads or one for all."""
    if not isinstance(o, Address):
        raise TypeError(f"{o} is no address")
    offset = np.array(o.offset & ((1 << 64) - 1), U64)[()]
    base = o.base
    if base is None:
        return lambda L: offset
    if isinstance(base, Symbol) and base.name in c.symbols:
        total = np.uint64(c.symbols[base.name] + o.offset)
        return lambda L: total
    if isinstance(base, Symbol):
        number = c.register("&" + base.name)
        return lambda L: L[number] + offset
    assert isinstance(base, Register | Special)
    if c.kinds[base.name] == "b64":
        number = c.register(base.name)
        if o.offset == 0:
            return lambda L: L[number]
        return lambda L: L[number] + offset
    get = c.source(base, "u32")
    low = np.uint64(0xFFFFFFFF)
    return lambda L: (get(L).astype(U64) + offset) & low


def vector_count(i: Instruction) -> int:
    return next((int(m[1:]) for m in i.modifiers if m in ("v2", "v4", "v8")), 1)


def _items(o: Any) -> tuple[Any, ...]:
    return o.items if isinstance(o, Vector) else (o,)


@instruction("ld", "ldu")
def _ld(c: Context, i: Instruction) -> Op:
    space, kind, count = space_of(i), i.type, vector_count(i)
    where = address(c, i.operands[1])
    items = _items(i.operands[0])
    if len(items) != count:
        raise unsupported(i)
    puts = [c.target(o, kind) for o in items]
    dtype, size = DTYPES[kind], SIZES[kind]
    bits = UNSIGNED[size]
    if count == 1:
        (put,) = puts
        if dtype == bits:
            return lambda m, L: put(L, m.load(i, space, where(L), size, 1)[0])
        return lambda m, L: put(L, m.load(i, space, where(L), size, 1)[0].view(dtype))

    def op(m: Any, L: Registers) -> None:
        for put, value in zip(puts, m.load(i, space, where(L), size, count)):
            put(L, value.view(dtype))

    return op


@instruction("st")
def _st(c: Context, i: Instruction) -> Op:
    space, kind, count = space_of(i), i.type, vector_count(i)
    where = address(c, i.operands[0])
    size = SIZES[kind]
    gets = [c.source(o, f"b{8 * size}") for o in _items(i.operands[1])]
    if len(gets) != count:
        raise unsupported(i)
    return lambda m, L: m.store(i, space, where(L), [g(L) for g in gets], size)


# Atomics.


def _atomic_function(i: Instruction, operation: str) -> Callable[..., Any]:
    """(old, operands) → new, of arrays of the type's dtype (f16: float16; bf16: bits)."""
    kind = i.type
    if kind == "bf16":
        if operation != "add":
            raise unsupported(i)
        return lambda old, x: to_bf16(add_odd(from_bf16(old), from_bf16(x)))
    if kind in ("f16x2", "bf16x2"):
        if operation != "add":
            raise unsupported(i)

        def one(old: Any, x: Any) -> Any:
            if kind == "bf16x2":
                return to_bf16(add_odd(from_bf16(old), from_bf16(x)))
            return to_f16(add_odd(old.view(np.float16), x.view(np.float16))).view(np.uint16)

        def both(old: Any, x: Any) -> Any:
            u16, u32 = np.uint16, np.uint32
            low = one(old.astype(u16), x.astype(u16)).astype(u32)
            high = one((old >> u32(16)).astype(u16), (x >> u32(16)).astype(u16)).astype(u32)
            return low | (high << u32(16))

        return both
    functions: dict[str, Callable[..., Any]] = {
        "add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or,
        "xor": np.bitwise_xor, "exch": lambda old, x: x, "cas": lambda old, x, y: np.where(old == x, y, old),
        "inc": lambda old, x: np.where(old >= x, old.dtype.type(0), old + old.dtype.type(1)),
        "dec": lambda old, x: np.where((old == 0) | (old > x), x, old - old.dtype.type(1)),
    }  # fmt: skip
    if operation in ("min", "max") and kind[0] == "f":
        raise unsupported(i)
    return functions[operation]


@instruction("atom", "red")
def _atom(c: Context, i: Instruction) -> Op:
    space, kind = space_of(i), i.type
    operations = ("add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec")
    operation = next(m for m in i.modifiers if m in operations)
    if vector_count(i) != 1 or "async" in i.opcode:
        raise unsupported(i)
    operands = list(i.operands)
    put = None
    if i.opcode == "atom":
        result = operands.pop(0)
        put = None if isinstance(result, Sink) else c.target(result, kind)
        dead = isinstance(result, Register) and result.name in c.dead
        put = None if dead else put
    where = address(c, operands[0])
    gets = [c.source(o, kind) for o in operands[1 : 3 if operation == "cas" else 2]]
    f = _atomic_function(i, operation)
    dtype = DTYPES[kind]
    # What NumPy does element by element in the order of the threads.
    at = {"add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and,
          "or": np.bitwise_or, "xor": np.bitwise_xor}.get(operation)  # fmt: skip
    if kind in ("f16", "bf16", "f16x2", "bf16x2"):
        at = None

    def op(m: Any, L: Registers) -> None:
        old = m.atomic(i, space, where(L), [g(L) for g in gets], dtype, f, at, put is not None)
        if put is not None:
            put(L, old)

    return op


# Asynchronous copies.


@instruction("cp")
def _cp(c: Context, i: Instruction) -> Op:
    mods = i.modifiers
    c.requires(80, i)
    if mods[:1] != ("async",) or "bulk" in mods or "mbarrier" in mods:
        raise unsupported(i)
    if mods[1] == "commit_group":
        return lambda m, L: m.async_commit()
    if mods[1] == "wait_group":
        keep = i.operands[0]
        assert isinstance(keep, Immediate)
        count = keep.bits
        return lambda m, L: m.async_wait(count)
    if mods[1] == "wait_all":
        return lambda m, L: m.async_wait(0, True)
    target, source = address(c, i.operands[0]), address(c, i.operands[1])
    size = i.operands[2]
    assert isinstance(size, Immediate)
    nbytes = size.bits
    if nbytes not in (4, 8, 16) or ("cg" in mods and nbytes != 16):
        raise unsupported(i)
    used: Get | None = None
    if len(i.operands) > 3 and "L2::cache_hint" not in mods:
        used = c.source(i.operands[3], "u32")
    return lambda m, L: m.async_copy(
        i, target(L), source(L), nbytes, None if used is None else used(L)
    )


# Addresses.


@instruction("cvta")
def _cvta(c: Context, i: Instruction) -> Op:
    space = space_of(i)
    put = c.target(i.operands[0], i.type)
    source = i.operands[1]
    get = (
        address(c, Address(source, 0))
        if isinstance(source, Register | Symbol)
        else c.source(source, "u64")
    )
    window = np.uint64(_WINDOWS.get(space, 0))
    dtype = DTYPES[i.type]
    if "to" in i.modifiers:
        return lambda m, L: put(L, (get(L) - window).astype(dtype))
    return lambda m, L: put(L, (get(L) + window).astype(dtype))


@instruction("isspacep")
def _isspacep(c: Context, i: Instruction) -> Op:
    space = space_of(i)
    get = c.source(i.operands[1], "u64")
    put = c.target(i.operands[0], "pred")
    if space in _WINDOWS:
        window = np.uint64(_WINDOWS[space])
        return lambda m, L: put(L, (get(L) - window) < np.uint64(WINDOW))
    low, high = np.uint64(SHARED_WINDOW), np.uint64(PARAM_WINDOW + WINDOW)
    return lambda m, L: put(L, (get(L) < low) | (get(L) >= high))


@instruction("prefetch", "prefetchu", "membar", "fence", "nanosleep", "griddepcontrol", "discard", "applypriority",
             "pmevent", "setmaxnreg")  # fmt: skip
def _nothing(c: Context, i: Instruction) -> Op:
    return lambda m, L: None


@instruction("createpolicy")
def _policy(c: Context, i: Instruction) -> Op:
    put = c.target(i.operands[0], "b64")
    return lambda m, L: put(L, np.uint64(0x1000_0000_0000_0000))


@instruction("activemask")
def _activemask(c: Context, i: Instruction) -> Op:
    put = c.target(i.operands[0], "b32")
    return lambda m, L: put(L, m.active.masks())
