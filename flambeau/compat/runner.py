"""`python -m flambeau run SCRIPT`: a PyTorch program as it is."""

from __future__ import annotations

import os
import runpy
import sys

from . import names


def run(arguments: list[str]) -> int:
    """Run a script, or with -m a module, with PyTorch's names resolved to flambeau."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m flambeau run SCRIPT [ARGS]   or   run -m MODULE [ARGS]")
        return 0 if arguments else 2
    names.install()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print("run -m: which module?", file=sys.stderr)
            return 2
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.exists(script):
        print(f"python -m flambeau run: can't open file {script!r}", file=sys.stderr)
        return 2
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0
