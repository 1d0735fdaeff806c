"""Kills saving processes at random points: `python -m tests.saves_under_fire --points 200`.

Prints what was found, and ends with 1 at the first file that is neither the old one nor the new.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from flambeau.vision._extras import ProgressBar

from .killing import campaign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="a folder on the file system in question")
    parser.add_argument("--verbose", action="store_true", help="print each point")
    options = parser.parse_args()
    found: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        ProgressBar(options.points, "kills") as bar,
    ):
        for where, what in campaign(Path(folder), options.points, Random(options.seed)):
            found[what] += 1
            bar.update(1)
            if options.verbose:
                print(f"{where}: {what}", flush=True)
    print(f"{options.points} kills, every file whole: ", end="")
    print(", ".join(f"{count} {what}" for what, count in sorted(found.items())))


if __name__ == "__main__":
    main()
