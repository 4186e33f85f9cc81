"""Patches for PyTorch: data sets for its loaders. PyTorch is loaded when they are used."""

from geopatcher.training.datasets import IterablePatchDataset, PatchDataset, tensors_of
from geopatcher.training.shared_batches import SharedBatches

__all__ = ["IterablePatchDataset", "PatchDataset", "SharedBatches", "tensors_of"]
