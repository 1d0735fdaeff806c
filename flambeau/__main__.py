"""Commands: `python -m flambeau demo`, `... run SCRIPT`, `... explain SCRIPT`."""

from __future__ import annotations

import sys

USAGE = """usage: python -m flambeau COMMAND

  demo [OPTIONS]        train the tutorial's network on real handwritten digits
  run SCRIPT [ARGS]     run a program written for PyTorch, as it is
  run -m MODULE [ARGS]  the same for a module
  explain SCRIPT [ARGS] the same, and afterwards what was compiled, how fast it is, and why
"""


def main(arguments: list[str]) -> int:
    """Dispatch to a command; returns the exit status."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "run":
        from .compat.runner import run

        return run(rest)
    if command == "explain":
        from .compat.runner import run
        from .engine.explain import explain

        return explain(run, rest)
    if command == "demo":
        from .demo import main as demo

        return demo(rest)
    print(USAGE, end="", file=sys.stdout if command in ("", "-h", "--help") else sys.stderr)
    return 0 if command in ("", "-h", "--help") else 2


def script() -> None:
    """The `flambeau` command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    script()
