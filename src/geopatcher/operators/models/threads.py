"""How many threads a library may start in this process."""

from __future__ import annotations

import os


def allowed_threads(n_cores: int) -> int:
    """Return the number of cores, or what ``OMP_NUM_THREADS`` leaves of them: workers share the cores by it.

    >>> allowed_threads(1)
    1
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(given), n_cores) if given.isdecimal() and int(given) > 0 else n_cores
