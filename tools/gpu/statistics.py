"""What a launch did: instructions, bytes, sectors."""

from __future__ import annotations

from dataclasses import dataclass, field

from .program import Program
from .ptx import SIZES, Instruction
from .segments import Segment


@dataclass
class Statistics:
    """Counts over all threads of a launch."""

    kernel: str = ""
    grid: tuple[int, int, int] = (1, 1, 1)
    block: tuple[int, int, int] = (1, 1, 1)
    shared: int = 0
    """Bytes of shared memory a block, static and dynamic."""
    registers: int = 0
    """Registers of PTX, which is not what ptxas takes."""
    instructions: int = 0
    """Executed, over all threads. Predicated ones count where the predicate does not hold, too."""
    steps: int = 0
    """Segments that were run, each for all threads that were there."""
    counts: dict[str, int] = field(default_factory=dict)
    """Executed, by opcode."""
    accesses: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """How many of ("ld" | "st" | "atom" | "red" | "cp", space, bytes of one access)."""
    barriers: int = 0
    """Barriers that a block went through, over all blocks."""
    sectors: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """With `measure`: of ("ld" | "st", "global") the (32-byte sectors, accesses of a warp); of "shared" the
    (passes over the banks, accesses of a warp)."""

    def bytes(self, opcode: str, space: str = "global") -> int:
        """Bytes that all accesses of a kind asked for."""
        return sum(
            size * n
            for (op, where, size), n in self.accesses.items()
            if op == opcode and where == space
        )

    def widest(self, opcode: str, space: str = "global") -> int:
        """Bytes of the widest access of a kind."""
        return max(
            (
                size
                for (op, where, size), n in self.accesses.items()
                if op == opcode and where == space and n
            ),
            default=0,
        )

    def share(self, opcode: str, nbytes: int, space: str = "global") -> float:
        """What part of the bytes of a kind of access came in accesses of so many bytes."""
        total = self.bytes(opcode, space)
        return nbytes * self.accesses.get((opcode, space, nbytes), 0) / total if total else 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.kernel}: grid {self.grid}, block {self.block}, {self.shared} bytes shared,"
            f" {self.instructions} instructions of threads, {self.steps} steps, {self.barriers} barriers"
        ]
        for (opcode, space, size), n in sorted(self.accesses.items()):
            lines.append(f"  {opcode}.{space or 'generic'} of {size} bytes: {n}")
        for (opcode, space), (parts, n) in sorted(self.sectors.items()):
            what = "sectors" if space == "global" else "passes"
            lines.append(f"  {opcode}.{space}: {parts / max(n, 1):.2f} {what} an access of a warp")
        most = sorted(self.counts.items(), key=lambda x: -x[1])
        lines.append("  " + ", ".join(f"{name} {n}" for name, n in most[:16]))
        return "\n".join(lines)


def access_of(i: Instruction) -> tuple[str, str, int] | None:
    """(opcode, space, bytes) of an instruction that touches memory."""
    from .accesses import space_of, vector_count

    if i.opcode in ("ld", "st", "atom", "red"):
        return i.opcode, space_of(i), SIZES.get(i.type, 0) * vector_count(i)
    if i.opcode == "cp" and len(i.operands) >= 3:
        return "cp", "global", int(getattr(i.operands[2], "bits", 0))
    return None


def narrowest(program: Program, space: str) -> int:
    """Bytes of the narrowest access to a space (of global or shared memory) in a kernel, 16 at most."""
    least = 16
    for s in program.segments:
        for i in [*s.instructions, *([s.end] if s.end else [])]:
            if i.opcode in ("ldmatrix", "stmatrix"):
                size, where = (2 if "trans" in i.modifiers else 4), "shared"
            elif i.opcode == "cp":
                size, where = (
                    int(getattr(i.operands[2], "bits", 16)) if len(i.operands) > 2 else 16,
                    "",
                )
            else:
                access = access_of(i)
                if access is None:
                    continue
                _, where, size = access
            if where in ("", space) or where == "const" and space == "global":
                least = min(least, size)
    return least


def _summary(s: Segment) -> tuple[int, dict[str, int], dict[tuple[str, str, int], int]]:
    """Of a segment: how many instructions, by name, and accesses. Made once."""
    if s.summary is None:
        counts: dict[str, int] = {}
        accesses: dict[tuple[str, str, int], int] = {}
        listed = [*s.instructions, *([s.end] if s.end else [])]
        for i in listed:
            name = i.opcode
            if name in ("mma", "fma", "shfl"):
                name = ".".join([name, *(m for m in i.modifiers if m not in ("sync", "aligned"))])
            counts[name] = counts.get(name, 0) + 1
            access = access_of(i)
            if access is not None:
                accesses[access] = accesses.get(access, 0) + 1
        s.summary = len(listed), counts, accesses
    return s.summary


def gather(program: Program, executed: list[int], into: Statistics) -> None:
    """Counts of instructions, of how often each segment was executed by a thread."""
    for s, n in zip(program.segments, executed):
        if n:
            length, counts, accesses = _summary(s)
            into.instructions += n * length
            for name, k in counts.items():
                into.counts[name] = into.counts.get(name, 0) + n * k
            for access, k in accesses.items():
                into.accesses[access] = into.accesses.get(access, 0) + n * k
