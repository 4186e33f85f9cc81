"""Patches in batches of one shape, for functions that are compiled for a shape, as those of JAX are.

The batches are NumPy arrays in tuples, which JAX takes as they are: JAX need not be installed.
"""

from geopatcher.api.fixed_batches import BatchedPatch, PatchBatches, batch_split, unbatch

__all__ = ["BatchedPatch", "PatchBatches", "batch_split", "unbatch"]
