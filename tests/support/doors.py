"""A source and a target of a few lines, written from their protocols alone, and the pixels of the source."""

from __future__ import annotations

import numpy as np
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import TargetError
from geopatcher.targets.product import Product

SHAPE = (2, 61, 83)
WHOLE = Box(0, 61, 0, 83)
PLACE = Affine(10, 0, 500_000, 0, -10, 4_600_000)


# --- a source of twenty lines -----------------------------------------------------------------


class Coordinates:
    """Pixels that are made of their coordinates: band, row and column."""

    domain = RasterDomain(SHAPE, PLACE, "EPSG:32633", dtype=np.dtype("int32"))
    block_shape = (1, SHAPE[2])
    has_nodata = False
    name = "coordinates"

    def read(self, box):
        band, row, col = np.ogrid[: SHAPE[0], box.row0 : box.row1, box.col0 : box.col1]
        return (band * 1_000_000 + row * 1000 + col).astype("int32")

    def valid(self, box, pixels):
        return None

    def identity(self):
        return {"what": "coordinates"}


IMAGE = Coordinates().read(WHOLE)


# --- a target of twenty lines ------------------------------------------------------------------


class Tiles:
    """Keeps each piece of a result in a file of NumPy's, and puts them together when it is read."""

    def __init__(self, path):
        self.path = path

    def check(self):
        if self.path.exists():
            raise TargetError(f"{self.path} is there")

    def create(self, spec):
        self.spec = spec
        self.path.mkdir()
        return self

    def write(self, tiles):
        n_bytes = 0
        for box, arrays in tiles:
            for name, cells in arrays.items():
                np.save(self.path / f"{name}.{box.row0}.{box.col0}.npy", cells)
                n_bytes += cells.nbytes
        return n_bytes

    def complete(self):
        made = {name: np.full(shape, fill, kind) for name, (shape, kind, fill) in self.spec.arrays().items()}
        for file in self.path.iterdir():
            name, row, col, _ = file.name.split(".")
            cells, (row, col) = np.load(file), (int(row), int(col))
            made[name][..., row : row + cells.shape[1], col : col + cells.shape[2]] = (
                cells if made[name].ndim == 3 else cells[0]
            )
        return Product(self.spec, made)

    def discard(self):
        for file in self.path.glob("*.npy"):
            file.unlink()
