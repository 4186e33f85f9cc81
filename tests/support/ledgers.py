"""Ledgers of a result that is not there, and what they say of its files."""

from __future__ import annotations

import math

import numpy as np
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.leading import Dimension
from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata
from geopatcher.core.scaling import Scaling
from geopatcher.runs.ledger.book import Header
from geopatcher.runs.ledger.files_json import files_to_json, grids_of
from geopatcher.runs.ledger.rows_json import Flaw

SPEC = ResultSpec(
    domain=RasterDomain(
        (2, 100, 70),
        Affine(10.0, 0.5, 3e5, -0.25, -10.0, 7e6),
        "EPSG:32725",
        -9999,
        np.dtype("int16"),
        ("rot", "grün"),
        ("1", "m"),
        Metadata(
            (
                BandMetadata(1e-4, -0.1, "palette", ((0, (1, 2, 3, 255)),), (("WAVELENGTH", 490.0),)),
                BandMetadata(color="nir"),
            ),
            (("ACQUIRED", "2024-05-01"), ("flag_values", (0, 1, (2, "x"))), ("good", True)),
            Ground(
                (ControlPoint(0, 10.5, 11, 47.25, 3, "1", "grün"),), "EPSG:4326", (("LINE_OFF", "3"),), True
            ),
        ),
        (Dimension("Zeit", 2, (19725, 19730), "<i8", (("units", "days since 1970-01-01"),)),),
    ),
    chunks=(16, 32),
    fill=-9999,
    layers={"weight": LayerSpec(np.dtype("float32"), math.inf), "count": LayerSpec(np.dtype("uint16"), 0)},
    codec="blosc-zstd-1",
    shards=(32, 64),
    multiscales=True,
    overview="mode",
    masked=True,
    checksum=True,
    scaling=Scaling(-0.5, 0.9, -32767, 32767, -32768),
)
HEADER = Header({"source.size": 12, "plan.step": "8x8"}, SPEC, 2, np.dtype("float32"), 3)
ROWS = [Box(row, min(row + 32, 100), 0, 70) for row in range(0, 100, 32)]
FLAWS = (Flaw((8, 16), "operator", "ValueError: naïve \ud800", 2), Flaw((8, 24), "read", "x"))


def digests(spec, box, seed=0):
    """Return made-up records of the files of a box, some of them of blocks without a file."""
    chance = np.random.default_rng(seed)
    made = {}
    for name, grid in grids_of(spec, box).items():
        sizes, crcs, times = (chance.integers(1, 2**32, grid) for _ in range(3))
        records = np.stack([sizes, crcs, times + 1_700_000_000_000_000_000], axis=-1)
        records[chance.random(grid) < 0.2] = 0
        made[name] = records
    return made


def row_line(spec, box):
    """Return the line of a row of blocks."""
    return {"row": [box.row0, box.row1, box.col0, box.col1], **files_to_json(digests(spec, box))}


def row(ledger, box, flaws=()):
    """Write a row down, with files that are made up."""
    ledger.row(box, digests(SPEC, box), flaws)
