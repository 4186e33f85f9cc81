"""Several sources at once: patches of all of them at the same places and times."""

from geopatcher.patchers.matched_field import MatchedField
from geopatcher.patchers.matched_patches import (
    PRIMARY_KEY,
    MatchedPatch,
    MatchedSpatioTemporalPatch,
    MatchedTemporalPatch,
)
from geopatcher.patchers.matched_spatial import MatchedSpatialPatcher
from geopatcher.patchers.matched_spatiotemporal import MatchedSpatioTemporalPatcher
from geopatcher.patchers.matched_temporal import MatchedTemporalPatcher
from geopatcher.patchers.matched_view import MatchedPatchView

__all__ = [
    "PRIMARY_KEY",
    "MatchedField",
    "MatchedPatch",
    "MatchedPatchView",
    "MatchedSpatialPatcher",
    "MatchedSpatioTemporalPatch",
    "MatchedSpatioTemporalPatcher",
    "MatchedTemporalPatch",
    "MatchedTemporalPatcher",
]
