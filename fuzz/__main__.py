"""`python -m fuzz`: fuzz one parser or all. The exit status says whether anything was found."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz import target
from fuzz.campaign import Campaign, guided, run_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--target", default="all", help="names with commas between them, or all")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target; 0: no limit")
    parser.add_argument("--seconds", type=float, default=0.0, help="time for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time")
    parser.add_argument("--findings", type=Path, help="folder for the inputs that show a fault")
    parser.add_argument("--corpus", type=Path, help="folder that keeps what coverage has led to")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--list", action="store_true", help="only name the targets")
    options = parser.parse_args()
    if options.list:
        print("\n".join(target.names()))
        return 0
    chosen = target.names() if options.target == "all" else options.target.split(",")
    unknown = sorted(set(chosen) - set(target.names()))
    if unknown:
        parser.error(f"no target named {', '.join(unknown)}: there are {', '.join(target.names())}")
    plain = options.plain or not guided()
    if plain and not options.plain:
        print("atheris is not installed: inputs are mutations of the seeds, without guidance")
    seconds = options.seconds if options.runs or options.seconds else 60.0
    findings = options.findings or Path(tempfile.mkdtemp(prefix="fuzz-findings-"))
    campaigns = [
        Campaign(name, options.runs, seconds, options.seed, findings, plain, options.corpus)
        for name in chosen
    ]
    results = run_all(campaigns, options.jobs)
    print(f"\n{sum(r.inputs for r in results):,} inputs over {len(results)} targets")
    print("\n".join(map(str, results)))
    found = sum(result.findings for result in results)
    print(f"{found} findings in {findings}" if found else "nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
