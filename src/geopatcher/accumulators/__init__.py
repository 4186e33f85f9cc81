"""From local results to one field: each aggregation is a monoid over per-cell state."""
