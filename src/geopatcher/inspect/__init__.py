"""Rasters at any scale, and pictures of them; below the verbs, above the plan."""
