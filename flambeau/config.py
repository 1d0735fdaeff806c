"""Every switch of flambeau. Each is an environment variable read once, at import; at the end those that
programs set while they run, through `torch.backends`."""

from __future__ import annotations

import os


def _int(name: str, default: int) -> int:
    """A whole number within 64 bits; the default where that is not what the variable says."""
    try:
        found = int(os.environ.get(name, ""))
    except ValueError:
        return default
    return max(min(found, 2**63 - 1), -(2**63))


def _cache_dir() -> str:
    """XDG's directory for caches, unless told otherwise; empty where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    default = os.path.join(base, "flambeau") if os.path.isabs(base) else ""
    return os.environ.get("FLAMBEAU_CACHE_DIR", default)


max_pending_nodes: int = _int("FLAMBEAU_MAX_PENDING", 8192)
"""FLAMBEAU_MAX_PENDING: how many operations are recorded at most before they run. 1 runs each
operation at its call."""

max_pending_bytes: int = _int("FLAMBEAU_MAX_PENDING_BYTES", 0)
"""FLAMBEAU_MAX_PENDING_BYTES: how many bytes of results (of 64 KiB and more) may be recorded before they
are computed, which bounds what laziness holds in memory; 0 for an eighth of what there is, 2 GiB at
most. Results on a GPU don't count (see `graph.trace.note_uploaded`)."""

memory_limit: int = max(_int("FLAMBEAU_MEMORY_LIMIT", 0), 0)
"""FLAMBEAU_MEMORY_LIMIT: bytes that the process may have in memory. What a result of 64 MiB and more
would take beyond that is refused with torch.OutOfMemoryError, as it is beyond what the machine or the
control group has; 0 for these alone."""

debug: int = max(_int("FLAMBEAU_DEBUG", 0), 0)
"""FLAMBEAU_DEBUG: prints what the engine does, more with each step. 1 each flush with its reason and
the user's line, 2 also each new program, 3 each kernel with its time, GFLOP/s and GB/s, 4 what was
fused and what was not and why, 5 the loops of new kernels, 6 their LLVM IR and assembly. For a part
of a program: `from flambeau.engine import debug`, then `with debug.level(3):`."""

compile: str = os.environ.get("FLAMBEAU_COMPILE", "background")
"""FLAMBEAU_COMPILE: background compiles what repeats while the interpreter goes on for a number of
runs that depends on the program (docs/decisions/0021), sync compiles everything at once and waits,
off interprets everything."""

fusion: bool = _int("FLAMBEAU_FUSION", 1) != 0
"""FLAMBEAU_FUSION=0: every operation of a compiled program runs in a loop of its own."""

verify: bool = _int("FLAMBEAU_VERIFY", 0) != 0
"""FLAMBEAU_VERIFY=1: compare every kernel with NumPy where it runs, and stop at the first that
differs."""

profile: bool = debug > 2
"""Whether compiled programs note the time of each of their kernels, and so run one at a time;
FLAMBEAU_DEBUG=3 and `python -m flambeau explain` set it."""

check: bool = _int("FLAMBEAU_CHECK", 0) != 0
"""FLAMBEAU_CHECK=1: verify the shape and dtype of every result of the interpreter."""

program_cache_size: int = _int("FLAMBEAU_PROGRAM_CACHE", 512)
"""FLAMBEAU_PROGRAM_CACHE: how many captured programs are kept, the least recently used go."""

num_threads: int = _int("FLAMBEAU_NUM_THREADS", 0)
"""FLAMBEAU_NUM_THREADS: how many threads compiled programs use; 0 for one a core."""

cache_dir: str = _cache_dir()
"""FLAMBEAU_CACHE_DIR: where compiled kernels are kept between processes (~/.cache/flambeau); empty
for nowhere."""

cuda_libraries: bool = _int("FLAMBEAU_CUDA_LIBRARIES", 1) != 0
"""FLAMBEAU_CUDA_LIBRARIES=0: cuBLASLt and cuDNN are not used though they are there; every product and
convolution on a GPU is flambeau's own."""

MAIN = "FLAMBEAU_MAIN"
"""FLAMBEAU_MAIN: set by `python -m flambeau run` for the processes that the program spawns; says
what the program is. Not for users."""

cuda_matmul_tf32: bool = False
"""Whether float32 products on a GPU may round their operands to TF32 (`frontend.precision` sets it)."""

cuda_conv_tf32: bool = True
"""The same of convolutions."""

cuda_float16_sums: bool = True
"""Whether the parts of a float16 product's sums may be rounded to float16 before they are added."""

cuda_bfloat16_sums: bool = True
"""The same of bfloat16."""

cuda_float16_splits: bool = True
"""Whether a float16 product's sums may be computed in parts at all."""

cuda_bfloat16_splits: bool = True
"""The same of bfloat16."""

cudnn_enabled: bool = True
"""Whether convolutions on a GPU may be cuDNN's."""

cudnn_benchmark: bool = False
"""Whether cuDNN may try out its ways to compute a convolution when the first of its kind is planned."""

cudnn_deterministic: bool = False
"""Whether cuDNN has to give the same bits in every run."""

cudnn_depthwise: bool = False
"""Whether cuDNN rather than flambeau's own kernels computes depthwise convolutions."""

deterministic: bool = False
"""Whether everything has to give the same bits in every run (`torch.use_deterministic_algorithms`)."""

cuda_generation: int = 0
"""The number of the present state of the switches above: 0 at first, and the same whenever they are the
same. What was planned under another number is planned anew."""

_cuda_states: dict[tuple[bool, ...], int] = {}


def _cuda_state() -> tuple[bool, ...]:
    names = [n for n in globals() if n.startswith(("cuda_", "cudnn_")) or n == "deterministic"]
    return tuple([globals()[n] for n in names if n not in ("cuda_generation", "cuda_libraries")])


def set_cuda(**switches: bool) -> None:
    """Set switches of CUDA's libraries, those from `cuda_matmul_tf32` on. Who calls it sees to it that
    what was recorded before has run (`frontend.precision.switch`)."""
    global cuda_generation
    globals().update(switches)
    cuda_generation = _cuda_states.setdefault(_cuda_state(), len(_cuda_states))


set_cuda()
