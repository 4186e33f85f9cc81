"""Executors: who runs the regions of a plan."""
