"""What may hear of a run: the protocols a hook is made of."""

from geopatcher.engine.hooks import (
    AnyHook,
    HearsBlockDone,
    HearsError,
    HearsMergeEnd,
    HearsMergeStart,
    HearsPatchDone,
    HearsPatchStart,
    HearsSplitEnd,
    HearsSplitStart,
    Hooks,
    PatcherHook,
)
from geopatcher.engine.previews import Preview

__all__ = [
    "AnyHook",
    "HearsBlockDone",
    "HearsError",
    "HearsMergeEnd",
    "HearsMergeStart",
    "HearsPatchDone",
    "HearsPatchStart",
    "HearsSplitEnd",
    "HearsSplitStart",
    "Hooks",
    "PatcherHook",
    "Preview",
]
