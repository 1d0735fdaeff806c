"""What a process that was spawned by a program under `run` imports as its main module."""

from __future__ import annotations

from flambeau.compat import runner as _runner

if __name__ == "__mp_main__":
    _runner.run_again(globals())
