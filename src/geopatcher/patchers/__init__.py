"""Patchers over time, over space and time, and over several sources at once."""
