"""The public aggregations: arithmetic from `geopatcher.accumulators`, `merge` from the engine."""
