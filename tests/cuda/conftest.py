"""What a test leaves behind must not reach the next one: switches, and programs of GPUs that are gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flambeau import config
from flambeau.engine import tiering
from flambeau.frontend import precision


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = precision.state()
    switches = config.compile, config.profile, config.debug, config.verify
    yield
    precision.restore(before)
    config.compile, config.profile, config.debug, config.verify = switches


@pytest.fixture(scope="module", autouse=True)
def nothing_compiled() -> Iterator[None]:
    yield
    tiering.wait_for_compiler()
    tiering.forget()
