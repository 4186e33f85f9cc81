"""Makes the scenes: ``python -m benchmarks.scenes FOLDER WIDTH HEIGHT [NAME ...]``.

Smooth ground on many scales plus sensor noise, with the statistics of real 10 m bands (mean about 1300, one
pixel to the next about 45): uint16 deflates to about 1/1.5, scaled to float32 zstd takes it to about 1/2.3.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks import catalog, tiff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIFFERENT = 6  # the ground repeats after so many tiles each way
DIFFERENT_A_DATE = 2  # the same in each raster of a series
DEFLATE_LEVEL = 6  # GDAL's default
NODATA = 0

Tile = NDArray[np.uint16]  # (rows, columns, bands)


def stretch(n: int, knots: int) -> NDArray[np.float32]:
    """Return the ``(n, knots)`` matrix that interpolates ``knots`` values linearly at ``n`` places."""
    at = np.linspace(0, knots - 1, n)
    left = np.minimum(at.astype(int), knots - 2)
    matrix = np.zeros((n, knots), np.float32)
    matrix[np.arange(n), left] = 1 - (at - left)
    matrix[np.arange(n), left + 1] = at - left
    return matrix


def ground(height: int, width: int, seed: int) -> NDArray[np.uint16]:
    """Return ``(height, width)`` of imagery-like texture; never `NODATA`."""
    rng = np.random.default_rng(seed)
    field = np.full((height, width), 1300, np.float32)
    for spacing, amplitude in ((512, 120.0), (128, 90.0), (32, 70.0), (8, 45.0)):
        rows, cols = height // spacing + 2, width // spacing + 2
        coarse = rng.standard_normal((rows, cols), dtype=np.float32)
        field += amplitude * (stretch(height, rows) @ coarse @ stretch(width, cols).T)
    field += 30 * rng.standard_normal((height, width), dtype=np.float32)
    return np.clip(np.rint(field), 1, 10_000).astype(np.uint16)


def valid_columns(scene: catalog.Scene, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how many columns hold data in each row: a slanted edge, like that of an orbit's swath."""
    if scene.valid >= 1:
        return np.full(rows.shape, float(scene.width))
    return scene.width * (scene.valid + 0.2 * (0.5 - rows / scene.height))


def repeated_tiles(scene: catalog.Scene, date: int = 0) -> dict[str, Tile]:
    """Return the different tiles by name, ``"row,column"``."""
    side = catalog.CHUNK
    different = DIFFERENT if scene.dates == 1 else DIFFERENT_A_DATE
    down = min(different, -(-scene.height // side))
    across = min(different, -(-scene.width // side))
    seeds = range(date * scene.bands, (date + 1) * scene.bands)
    whole = np.stack([ground(down * side, across * side, seed) for seed in seeds], axis=-1)
    return {
        f"{i},{j}": whole[i * side : (i + 1) * side, j * side : (j + 1) * side]
        for i in range(down)
        for j in range(across)
    }


def place_tiles(scene: catalog.Scene, date: int = 0) -> tuple[dict[str, Tile], list[str]]:
    """Return the tiles of the whole scene by name, and the name at each place, row by row.

    Tiles on the edge of the nodata are cut and kept under names of their own.
    """
    side = catalog.CHUNK
    tiles = repeated_tiles(scene, date)
    down, across = (1 + max(int(name.split(",")[axis]) for name in tiles) for axis in (0, 1))
    tiles["empty"] = np.full((side, side, scene.bands), NODATA, np.uint16)
    grid: list[str] = []
    for i in range(-(-scene.height // side)):
        edge = valid_columns(scene, np.arange(i * side, (i + 1) * side))
        for j in range(-(-scene.width // side)):
            name = f"{i % down},{j % across}"
            if j * side >= edge.max():
                name = "empty"
            elif scene.valid < 1 and (j + 1) * side > edge.min():
                cut = tiles[name].copy()
                cut[np.arange(j * side, (j + 1) * side) >= edge[:, None]] = NODATA
                name = f"edge {i},{j}"
                tiles[name] = cut
            grid.append(name)
    return {name: tile for name, tile in tiles.items() if name in set(grid)}, grid


def make(scene: catalog.Scene, folder: Path) -> None:
    """Write the scene, and its float32 twin where a method copies that; what is there already stays."""
    twin = any(catalog.BY_NAME[name].needs_float_twin for name in scene.methods)
    if scene.path(folder).exists() and (not twin or scene.float_path(folder).exists()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    if scene.dates > 1:
        make_series(scene, scene.path(folder))
        return
    tiles, grid = place_tiles(scene)
    nodata = NODATA if scene.valid < 1 else None
    layout = tiff.Layout(scene.width, scene.height, scene.bands, 16, tiff.DEFLATE, catalog.CHUNK, nodata)
    packed = {
        name: zlib.compress(tile.astype("<u2").tobytes(), DEFLATE_LEVEL) for name, tile in tiles.items()
    }
    if scene.in_parts:
        make_parts(layout, packed, grid, parts_of(scene.path(folder)))
    tiff.write(scene.path(folder), layout, packed, grid)
    if twin:
        layout = tiff.Layout(
            scene.width, scene.height, scene.bands, 32, tiff.UNCOMPRESSED, catalog.CHUNK, nodata
        )
        scaled = {
            name: (tile * np.float32(catalog.SCALE)).astype("<f4").tobytes() for name, tile in tiles.items()
        }
        tiff.write(scene.float_path(folder), layout, scaled, grid)


def parts_of(scene: Path) -> Path:
    """Return the folder of the rasters that a scene is cut into: ``ROW-COLUMN.tif`` for each tile."""
    return scene.with_suffix("")


def make_parts(layout: tiff.Layout, packed: Mapping[str, bytes], grid: Sequence[str], folder: Path) -> None:
    """Write each tile as a raster of its own."""
    folder.mkdir(exist_ok=True)
    side, (west, north) = layout.tile, layout.origin_m
    for number, name in enumerate(grid):
        row, col = divmod(number, layout.tiles_across)
        origin = (west + col * side * layout.pixel_m, north - row * side * layout.pixel_m)
        alone = replace(layout, width=side, height=side, origin_m=origin)
        tiff.write(folder / f"{row:02}-{col:02}.tif", alone, {name: packed[name]}, [name])


def make_series(scene: catalog.Scene, folder: Path) -> None:
    """Write a raster for each date; the folder appears when all are there."""
    part = folder.with_suffix(".part")
    part.mkdir(exist_ok=True)
    layout = tiff.Layout(scene.width, scene.height, scene.bands, 16, tiff.DEFLATE, catalog.CHUNK)
    for date in range(scene.dates):
        tiles, grid = place_tiles(scene, date)
        packed = {
            name: zlib.compress(tile.astype("<u2").tobytes(), DEFLATE_LEVEL) for name, tile in tiles.items()
        }
        tiff.write(part / f"{date:02}.tif", layout, packed, grid)
    part.rename(folder)


def main(arguments: list[str]) -> None:
    """Make the named scenes, or all, of the given size."""
    folder, width, height, *names = arguments
    for scene in catalog.pick_scenes(catalog.scenes(int(width), int(height)), names):
        make(scene, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
