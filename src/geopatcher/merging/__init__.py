"""Patches merged in any order: collected, spilled to disk, reduced."""
