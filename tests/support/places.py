"""Folders of the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
#: Rasters and documents that lie beside the checkout.
SHARED = ROOT.parent / "shared"
#: `PYTHONPATH` of child processes that import what tests define.
CHILD_PATH = os.pathsep.join([str(ROOT), str(SUPPORT), *sys.path])
