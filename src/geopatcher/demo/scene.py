"""A scene like one of Sentinel-2: fields, a forest, a river, clouds and their shadows, and a nodata corner.

Everything follows from the seed and is made a strip of rows at a time, so that a scene of any size takes
the memory of a strip.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from affine import Affine

from geopatcher.demo.noise import Noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geopatcher.core.protocols import Array

#: Rows made at once, and side of the file's tiles.
STRIP = 256
BANDS = ("B02 blue", "B03 green", "B04 red", "B08 near infrared")
#: Digital numbers per unit of reflectance, as in Sentinel-2 products.
SCALE = 10_000
NODATA = 0
#: The corner without data is where x + 0.55 y is above this, x and y from 0 to 1.
NODATA_FROM = 1.43
#: From a cloud's shadow to the cloud, as a fraction of the scene: rows, columns.
SHADOW = (0.020, 0.026)

#: Kinds of parcels that differ; one kind is watered by a pivot, in a circle.
N_PARCELS = 4093
ROUND = 3

#: Reflectance in blue, green, red and near infrared.
SOIL = (0.068, 0.103, 0.138, 0.225)
CROP = (0.026, 0.062, 0.030, 0.470)
FOREST = (0.019, 0.036, 0.021, 0.270)
WATER = (0.042, 0.058, 0.034, 0.016)
SAND = (0.135, 0.180, 0.215, 0.290)
CLOUD = (0.620, 0.610, 0.605, 0.600)


def smooth(low: float, high: float, value: Array) -> Array:
    """Return 0 below ``low``, 1 above ``high``, and a smooth step between.

    >>> smooth(0, 2, np.array([-1.0, 1.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Ground:
    """What is seen from above, laid from the top down; each cover hides its share of what is below."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._seen: Array = np.ones(shape, np.float32)
        self._shares: list[Array] = []
        self._spectra: list[tuple[float, ...]] = []

    def cover(self, spectrum: tuple[float, ...], share: Array | float, light: Array | float = 1.0) -> None:
        """Lay a cover: ``share`` (0 to 1) of what can still be seen, lit with ``light``."""
        here = self._seen * share
        self._seen = self._seen - here
        self._shares.append(np.asarray(here * light, np.float32))
        self._spectra.append(spectrum)

    def shade(self, light: Array) -> None:
        """Darken everything below."""
        self._seen = self._seen * light

    def reflectance(self) -> Array:
        """Return float32 ``(bands, rows, columns)``."""
        spectra = np.asarray(self._spectra, np.float32).T
        total: Array = np.tensordot(spectra, np.stack(self._shares), axes=1)
        return total


@dataclass(frozen=True)
class Scene:
    """A scene of ``pixels`` x ``pixels``, four bands of 10 m, uint16; 0 is nodata.

    >>> Scene(pixels=64).rows(0, 16).shape
    (4, 16, 64)
    """

    pixels: int = 4096
    seed: int = 7

    @cached_property
    def _noise(self) -> dict[str, Noise]:
        width, seed = self.pixels, self.seed
        return {
            "bend": Noise(seed, 2, 2, width),
            "relief": Noise(seed + 1, 5, 6, width, gain=0.55),
            "wild": Noise(seed + 2, 3, 6, width),
            "cloud": Noise(seed + 3, 9, 6, width, gain=0.6),
            "shadow": Noise(seed + 3, 9, 6, width, gain=0.6, shift=SHADOW),
            "weather": Noise(seed + 4, 2, 2, width),
            "grain": Noise(seed + 5, 220, 2, width, gain=0.8),
        }

    def rows(self, row0: int, row1: int) -> Array:
        """Return rows of the scene: uint16 ``(4, row1 - row0, pixels)``."""
        y = (np.arange(row0, row1) / self.pixels)[:, np.newaxis].astype(np.float32)
        x = (np.arange(self.pixels) / self.pixels).astype(np.float32)
        surfaces = {name: noise.rows(y[:, 0]) for name, noise in self._noise.items()}
        ground = Ground((row1 - row0, self.pixels))
        ground.cover(CLOUD, _clouds(surfaces["cloud"], surfaces["weather"]))
        ground.shade(1 - 0.6 * _clouds(surfaces["shadow"], surfaces["weather"]))
        _river(ground, x, y, surfaces)
        _forest(ground, x, y, surfaces)
        _fields(ground, x, y, surfaces, np.random.default_rng(self.seed + 10))
        numbers: Array = np.rint(np.clip(ground.reflectance() * SCALE, 20, 15_000)).astype(np.uint16)
        speckle = np.random.default_rng([self.seed, row0]).integers(0, 12, numbers.shape, np.uint16)
        numbers += speckle
        numbers[:, x + 0.55 * y > NODATA_FROM] = NODATA
        return numbers

    def strips(self) -> Iterator[tuple[int, Array]]:
        """Yield the scene from the top: first row, and the strip."""
        for row in range(0, self.pixels, STRIP):
            yield row, self.rows(row, min(row + STRIP, self.pixels))

    def write(self, path: Path) -> None:
        """Write the scene as a tiled GeoTIFF with CRS, nodata and band names."""
        profile = {
            "driver": "GTiff",
            "height": self.pixels,
            "width": self.pixels,
            "count": len(BANDS),
            "dtype": "uint16",
            "crs": "EPSG:32633",
            "transform": Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_200_000.0),
            "nodata": NODATA,
            "tiled": True,
            "blockxsize": STRIP,
            "blockysize": STRIP,
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 1,
            "num_threads": "all_cpus",
        }
        with rasterio.Env(GDAL_CACHEMAX=64 << 20), rasterio.open(path, "w", **profile) as dataset:
            dataset.descriptions = BANDS
            for row, strip in self.strips():
                dataset.write(strip, window=((row, row + strip.shape[1]), (0, self.pixels)))


def _clouds(surface: Array, weather: Array) -> Array:
    """Return how much of the ground clouds hide, 0 to 1."""
    return 0.96 * smooth(1.15, 2.1, surface + 0.8 * weather)


def _river(ground: Ground, x: Array, y: Array, surfaces: dict[str, Array]) -> None:
    """Lay a river, its sandy banks, and trees along it."""
    turns = ((0.085, 8.5, 0.4), (0.030, 24.0, 1.0), (0.010, 61.0, 2.0))
    middle = 0.60 + sum(size * np.sin(rate * y + phase) for size, rate, phase in turns)
    slope = sum(size * rate * np.cos(rate * y + phase) for size, rate, phase in turns)
    beyond = np.abs(x - middle) / np.sqrt(1 + slope**2) - (0.0075 + 0.003 * np.sin(13 * y))
    beyond += 0.0012 * surfaces["relief"]
    ground.cover(WATER, 1 - smooth(-0.0012, 0.0006, beyond))
    ground.cover(SAND, 0.7 * (1 - smooth(0.0012, 0.0030, beyond)))
    trees = 1 - smooth(0.007, 0.017, beyond + 0.006 * surfaces["grain"] + 0.006 * surfaces["wild"])
    ground.cover(FOREST, 0.9 * trees, 1 + 0.2 * surfaces["grain"])


def _forest(ground: Ground, x: Array, y: Array, surfaces: dict[str, Array]) -> None:
    """Lay a forest over the hills in one corner, lit from the left."""
    height = surfaces["wild"] + 2.6 * (0.52 - x - 0.9 * y)
    relief = surfaces["relief"]
    slope = np.diff(relief, axis=-1, prepend=relief[:, :1]) * relief.shape[-1]
    shade = np.clip(1 + 0.03 * slope + 0.12 * surfaces["grain"], 0.45, 1.7)
    ground.cover(FOREST, smooth(0.0, 0.06, height + 0.05 * surfaces["grain"]), shade)


def _fields(
    ground: Ground, x: Array, y: Array, surfaces: dict[str, Array], random: np.random.Generator
) -> None:
    """Lay fields over the rest: strips of parcels, each with its crop and soil, some of them round."""
    across = (x * 0.96 + y * 0.28 + 0.02 * surfaces["bend"]) * 34 + 40
    along = (y * 0.96 - x * 0.28 + 0.02 * surfaces["bend"]) * 22 + 40
    strip = across.astype(np.int16)
    length = random.uniform(0.7, 1.5, 128).astype(np.float32)[strip]
    along = along * length + random.uniform(0, 1, 128).astype(np.float32)[strip]
    parcel = along.astype(np.int16)
    key = (strip.astype(np.int32) * 131 + parcel.astype(np.int32) * 977) % N_PARCELS
    u, v = across - strip, along - parcel

    kind = random.choice(4, N_PARCELS, p=[0.24, 0.2, 0.42, 0.14])
    crops = np.choose(kind, [0.08, 0.42, 0.85, 0.95]) + random.uniform(-0.07, 0.07, N_PARCELS)
    bright = random.uniform(0.75, 1.3, N_PARCELS).astype(np.float32)[key]
    furrows = random.choice([60, 90, 140], N_PARCELS).astype(np.float32)[key]
    vigour = crops.astype(np.float32)[key]
    # A parcel is 1/34 wide and 1/(22 length) long; a pivot turns on the smaller of the two.
    side = np.minimum(1, 34 / (22 * length))
    outside = (u - 0.5) ** 2 + ((v - 0.5) * 34 / (22 * length)) ** 2 > (0.47 * side) ** 2
    vigour[(kind[key] == ROUND) & outside] = 0.12
    vigour += 0.03 * np.sin(v * furrows) + 0.05 * surfaces["grain"]
    nearest = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    ground.cover(SAND, 0.45 * (1 - smooth(0.012, 0.035, nearest)))
    ground.cover(CROP, np.clip(vigour, 0, 1))
    ground.cover(SOIL, 1.0, bright + 0.05 * surfaces["relief"])
