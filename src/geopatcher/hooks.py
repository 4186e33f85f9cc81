"""What may hear of a run: the protocols a hook is made of."""

from geopatcher.engine.hooks import (
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

__all__ = [
    "HearsError",
    "HearsMergeEnd",
    "HearsMergeStart",
    "HearsPatchDone",
    "HearsPatchStart",
    "HearsSplitEnd",
    "HearsSplitStart",
    "Hooks",
    "PatcherHook",
]
