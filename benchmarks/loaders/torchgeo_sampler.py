"""`RasterDataset` and `RandomGeoSampler` of torchgeo."""

from __future__ import annotations

import torch
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import RandomGeoSampler

from benchmarks import catalog


def arguments(path: str, count: int) -> dict[str, object]:
    """Return what a loader takes."""
    dataset = RasterDataset(paths=path)
    generator = torch.Generator().manual_seed(1)
    sampler = RandomGeoSampler(dataset, catalog.SIZE, count, generator=generator)
    return {"dataset": dataset, "sampler": sampler, "collate_fn": stack_samples}
