"""Patches for PyTorch: data sets for its loaders. PyTorch is loaded when they are used."""

from geopatcher.training.datasets import IterablePatchDataset, PatchDataset, tensors_of

__all__ = ["IterablePatchDataset", "PatchDataset", "tensors_of"]
