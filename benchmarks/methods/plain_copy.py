"""The plain copy: read strips of 512 rows, work, write float32 zarr in 512 x 512 chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zarr
from zarr.codecs import BloscCodec

from benchmarks import catalog
from benchmarks.methods import common
from benchmarks.works import WORKS

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSORS = {
    "zstd": "auto",  # zarr's default
    "blosc-zstd-1": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
}


def run(scene: Path, out: Path, codec: str, work: str = "scale") -> None:
    bands, height, width = common.shape_of(scene)
    target = zarr.create_array(
        out,
        shape=(WORKS[work].out_bands(bands), height, width),
        chunks=(1, catalog.CHUNK, catalog.CHUNK),
        dtype="float32",
        compressors=COMPRESSORS[codec],
    )
    for top, pixels in common.strips(scene):
        target[:, top : top + pixels.shape[1]] = WORKS[work].operator(pixels)
