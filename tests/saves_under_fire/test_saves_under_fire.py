"""A sample of the campaign: processes killed while they save leave the old file or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from .killing import CASES, calls_of_a_save, campaign, save

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")


def test_a_killed_save_leaves_a_whole_file(tmp_path: Path) -> None:
    found = [what for _, what in campaign(tmp_path, 40, Random(5))]
    assert len(found) == 40
    assert {"old", "new"} <= {what.removesuffix(" + scratch") for what in found}


def test_the_calls_of_a_save_are_counted(tmp_path: Path) -> None:
    """What kills at the n-th call sees those that matter."""
    save(1, tmp_path, CASES[0])
    for case in CASES[:4]:
        names = calls_of_a_save(tmp_path, case)
        wanted = {"open", "fsync", "write", "close"}
        wanted |= {"link"} if case.unnamed else {"replace", "flock"}
        assert wanted <= set(names), (str(case), names)
