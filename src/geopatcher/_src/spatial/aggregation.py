"""A re-export for published notebooks that import this private path.

The helper lives in `geopatcher.accumulators.strict` under a public name.
"""

from __future__ import annotations

from geopatcher.accumulators.strict import warn_if_unsafe_streaming as _warn_if_unsafe_streaming

__all__ = ["_warn_if_unsafe_streaming"]
