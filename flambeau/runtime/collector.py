"""Python's cyclic garbage collector, which looks at everything that lives again and again.

A pending program is thousands of small objects that live until somebody looks, and that reference
counts free. At Python's default, a collection each 700 new objects, a step with second derivatives
spent more than half of its time in the collector (docs/decisions/0019-the-collector.md).
"""

from __future__ import annotations

import gc

DEFAULTS = (700, 2000)
"""Python's own first thresholds: 3.11 to 3.13, and 3.14."""
SELDOM = 20_000


def collect_seldom() -> None:
    """Let the collector come less often, unless the program has chosen how often itself."""
    first, *others = gc.get_threshold()
    if first in DEFAULTS:
        gc.set_threshold(SELDOM, *others)
