"""`python -m fuzz.hostile_files FOLDER`: every known attack as a file; `--check` loads them all.

Beside the files lies `expected.tsv`: for each what the error says, or `loads`.
"""

from __future__ import annotations

import argparse
import importlib
import re
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError

from fuzz.guard import Executed, Guard
from fuzz.hostile import Attack

_PARTS = ("code", "values", "containers", "program")
_MAPPED = ("layout/", "storage/", "archive/", "code/way")
SECONDS = 5.0
"""Of processor time, for one file; the largest are not small, and a machine may be slow."""
MEMORY = 384 << 20
"""What loading a file may take beyond what the process has; the largest has a few megabytes."""


def attacks() -> Iterator[Attack]:
    """All of them."""
    for part in _PARTS:
        yield from importlib.import_module(f"fuzz.hostile.{part}").attacks()


def write(folder: Path) -> list[Attack]:
    """Write the files and what is expected of them."""
    found = list(attacks())
    lines = []
    for attack in found:
        path = folder / attack.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(attack.data)
        lines.append(
            f"{attack.name}\t{attack.refusal or 'loads'}\t{attack.refusal_of_whole or 'loads'}\n"
        )
    (folder / "expected.tsv").write_text("".join(lines))
    return found


def check(folder: Path, found: list[Attack]) -> list[str]:
    """What is not as expected: refused for the named reason, nothing run, quick, little memory."""
    import flambeau as torch

    warnings.simplefilter("ignore")
    guard = Guard()
    _prepare(torch, folder, found)
    wrong = []
    for attack in found:
        path = folder / attack.name
        ways: list[tuple[str, dict[str, object], str | None]] = [
            ("load", {}, attack.refusal),
            ("whole", {"weights_only": False}, attack.refusal_of_whole),
        ]
        if attack.data[:4] == b"PK\x03\x04" and attack.name.startswith(_MAPPED):
            ways.append(("mmap", {"mmap": True}, attack.refusal))
        for way, options, refusal in ways:
            print(f"{attack.name} ({way})", file=sys.stderr, flush=True)
            fault = _fault(torch, guard, path, options, refusal)
            if fault:
                wrong.append(f"{attack.name} ({way}): {fault}")
    return wrong


def _prepare(torch: object, folder: Path, found: list[Attack]) -> None:
    """Load what is imported late, and then limit the memory."""
    for attack in found[:: max(len(found) // 40, 1)]:
        for whole in (True, False):
            try:
                torch.load(folder / attack.name, weights_only=whole)  # type: ignore[attr-defined]
            except Exception:  # noqa: S110  it is only for the imports
                pass
    sys.path.insert(0, "")  # as in a session: no folder's files are the program's
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _fault(
    torch: object, guard: Guard, path: Path, options: dict[str, object], refusal: str | None
) -> str:
    for _ in range(3):  # a late import happens once, an attack each time
        start = time.process_time()
        message = None
        try:
            with guard:
                torch.load(path, **options)  # type: ignore[attr-defined]
        except Executed as error:
            return f"executed: {error}"
        except (UnpicklingError, RuntimeError, ValueError) as error:
            message = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        noted = [event for event in guard.events if str(path) not in event]
        if not noted:
            break
    else:
        return f"executed: {noted[:5]}"
    if seconds > SECONDS:
        return f"took {seconds:.1f} s ({message or 'loaded'!s:.100})"
    if refusal is None:
        return f"refused: {message:.300}" if message else ""
    if message is None:
        return "loaded"
    return "" if re.search(refusal, message, re.DOTALL) else f"refused as {message:.300}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.hostile_files", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="load them all; names what is wrong")
    options = parser.parse_args()
    found = write(options.folder)
    print(f"{len(found)} files, {sum(len(a.data) for a in found):,} bytes, in {options.folder}")
    if not options.check:
        return 0
    wrong = check(options.folder, found)
    print("\n".join(wrong) or "all are refused, or harmless, as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
