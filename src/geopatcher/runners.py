"""Functions over streams of patches."""

from geopatcher.api.parallel import Journal
from geopatcher.api.runners import parallel_map

__all__ = ["Journal", "parallel_map"]
