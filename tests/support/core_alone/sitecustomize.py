"""Makes a Python, and those it starts, lack the modules named in ``LACKING``: as if they were not installed.

Python imports this by itself where this folder is on its path.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

LACKING = frozenset(filter(None, os.environ.get("LACKING", "").split(",")))


class _Finder(PathFinder):
    """Finds what is installed, and not lacking."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        """Return where a module is, ``None`` for one that is lacking."""
        if fullname.partition(".")[0] in LACKING:
            return None
        return super().find_spec(fullname, path, target)


if LACKING:
    sys.meta_path[:] = [_Finder if finder is PathFinder else finder for finder in sys.meta_path]
