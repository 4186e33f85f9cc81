"""The public aggregations: arithmetic from `geopatcher.aggregation`, `merge` from the engine."""
