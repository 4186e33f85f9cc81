"""What may hear of a run: the protocols a hook is made of."""

from geopatcher.engine.hooks import (
    AnyHook,
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
    "AnyHook",
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
