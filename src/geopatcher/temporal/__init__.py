"""Axes over time: stencils, windows of steps, samplers, tapers, aggregations, and the patches they make."""
