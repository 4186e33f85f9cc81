"""Mutated rasters against every way in, compared with what rasterio and zarr read themselves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
import zarr
from rasterio.errors import RasterioError

import geopatcher
from fuzzing.outcomes import RIGHT, Wrong, outcome_of
from geopatcher.fields.raster import RasterField
from geopatcher.inspect.info import describe

PATCH = 32
#: Of larger rasters, which a header may promise, only a corner is read, and the plan is asked for.
LARGE, CORNER = 200_000, 40
#: What the oracle reads with: no threads, in which errors get lost.
CAREFUL = {"GDAL_NUM_THREADS": "1", "VRT_NUM_THREADS": "1", "GDAL_PAM_ENABLED": "NO"}
#: What zarr may raise for a store it does not understand.
ZARR_ERRORS = (Exception,)


def check_source(path, folder, chance):
    """Try every way in with one raster; return the outcomes."""
    path = Path(path)
    names = (path.name, str(folder))
    found = [outcome_of("describe", lambda: str(describe(path)) and RIGHT, names)]
    found.append(outcome_of("plan", lambda: check_plan(path), names))
    pixels = {}
    found.append(outcome_of("read", lambda: check_read(path, pixels), names))
    for verb in (check_memory, check_export if chance.random() < 0.5 else check_disk):
        entry = verb.__name__.removeprefix("check_")
        found.append(outcome_of(entry, partial(verb, path, folder, pixels, chance), names))
    return found


def check_plan(path):
    """Ask for a plan, and for what it says."""
    plan = geopatcher.plan(path, size=PATCH, step=PATCH)
    str(plan)
    if plan.n_patches < 1:
        raise Wrong("a plan without patches")


def region_of(domain):
    """Return what of a raster is read: all of it, or a corner."""
    rows, cols = domain.grid_shape
    if domain.n_bands * rows * cols <= LARGE:
        return geopatcher.Box(0, rows, 0, cols)
    return geopatcher.Box(0, min(rows, CORNER), 0, min(cols, CORNER))


def check_read(path, known):
    """Read window by window and compare; leave what is right in ``known``."""
    source = RasterField(path).source
    known["box"] = box = region_of(source.domain)
    known["all"] = box.shape == source.domain.grid_shape
    known["dtype"] = "float64" if source.domain.dtype.kind in "biuf" else None
    if source.domain.n_bands * box.n_pixels > LARGE or source.domain.dtype.kind not in "biufc":
        return
    # Read directly only when it was read by us, and was no bomb.
    known["direct"] = cache(partial(oracle, path, source.domain, box))
    dtype = np.result_type(source.domain.dtype, "float64")
    got = np.full((source.domain.n_bands, *box.shape), np.nan, dtype)
    for row, col in itertools.product(range(0, box.row1, PATCH), range(0, box.col1, PATCH)):
        window = geopatcher.Box(row, min(row + PATCH, box.row1), col, min(col + PATCH, box.col1))
        pixels = source.read(window)
        valid = source.valid(window, pixels)
        part = pixels.astype(got.dtype)
        if valid is not None:
            part = np.where(valid, part, np.nan)
        got[:, window.row0 : window.row1, window.col0 : window.col1] = part
    compare(got, known)


def compare(got, known):
    """Refuse pixels that are not those rasterio or zarr read."""
    if "direct" not in known:
        return
    direct = known["direct"]()
    if not direct.whole:
        raise Wrong("read what cannot be read directly")
    got = got.reshape(-1, *got.shape[-2:])
    if got.shape != direct.candidates[0].shape:
        raise Wrong("another shape than is read directly", got.shape, direct.candidates[0].shape)
    for pixels in direct.candidates:
        with np.errstate(all="ignore"):
            same = np.isclose(got, pixels, rtol=1e-6, atol=0, equal_nan=True)
        same |= np.isnan(got) & direct.may_lack
        if same.all():
            return
    where = np.argwhere(~same)
    raise Wrong(
        "other pixels than are read directly", len(where), where[0], got[~same][:3], pixels[~same][:3]
    )


def check_memory(path, folder, known, chance):
    """Run an operator over it, into memory."""
    if not known.get("all", True):  # a result is as large as the raster
        return
    result = geopatcher.reconstruct(path, np.copy, dtype=known.get("dtype"), **JOB)
    compare(np.where(result.valid[...], result.array[...], np.nan), known)


def check_disk(path, folder, known, chance):
    """Run an operator over it, onto the disk."""
    box = known.get("box")
    target = Path(folder) / chance.choice(["out.zarr", "out.zarr", "out.tif"])
    result = geopatcher.reconstruct(path, np.copy, target, region=box, dtype=known.get("dtype"), **JOB)
    there = (...,) if box is None else (..., *box.slices())
    compare(np.where(result.valid[there], result.array[there], np.nan), known)


def check_export(path, folder, known, chance):
    """Copy it, and read the copy."""
    target = Path(folder) / chance.choice(["copy.zarr", "copy.zarr", "copy.tif"])
    geopatcher.export(path, target, region=known.get("box"), chunks=64)
    copy = RasterField(target).source
    whole = geopatcher.Box(0, copy.domain.height, 0, copy.domain.width)
    pixels = copy.read(whole)
    valid = copy.valid(whole, pixels)
    pixels = pixels.astype("float64")
    compare(pixels if valid is None else np.where(valid, pixels, np.nan), known)


JOB = {
    "size": PATCH,
    "step": PATCH,
    "window": "boxcar",
    "chunks": 64,
    "memory_limit": "256MB",
    "progress": False,
}


@dataclass(frozen=True)
class Direct:
    """What is read directly: the ``candidates``, one of which is right, NaN where a cell is missing.

    ``may_lack`` says which cells may be missing as well, ``whole`` whether all could be read.
    """

    candidates: list
    may_lack: np.ndarray
    whole: bool


def oracle(path, domain, box):
    """Return the pixels of a box as they are read directly."""
    if path.is_dir():
        return of_store(path, domain, box)
    pixels, whole = window_by_window(path, domain, box)
    return Direct([pixels], np.False_, whole)


def window_by_window(path, domain, box):
    """Return what GDAL reads patch by patch, NaN where it cannot, and whether it could everywhere."""
    dtype = np.result_type(domain.dtype, "float64")
    pixels = np.full((domain.n_bands, *box.shape), np.nan, dtype)
    whole = True
    for row, col in itertools.product(range(0, box.row1, PATCH), range(0, box.col1, PATCH)):
        window = rasterio.windows.Window(col, row, min(PATCH, box.col1 - col), min(PATCH, box.row1 - row))
        try:
            # Anew: the state of a dataset after an error is unknown.
            with rasterio.Env(**CAREFUL), rasterio.open(path) as file:
                part = file.read(window=window, masked=True).astype(dtype).filled(np.nan)
        except RasterioError:
            whole = False
            continue
        pixels[:, row : row + PATCH, col : col + PATCH] = part
    return pixels, whole


def of_store(path, domain, box):
    """Return what zarr reads of the array that has the shape, its axes in some order."""
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Group):
        node = zarr.open_group(path, mode="r", use_consolidated=False)
    known = {} if isinstance(node, zarr.Array) else dict(readable(node))
    arrays = [node] if isinstance(node, zarr.Array) else list(known.values())
    arrays.sort(key=lambda array: array.basename != "data")
    wanted = (domain.n_bands, *domain.grid_shape)
    for array in arrays:
        orders = orders_of(array, wanted)
        if orders:
            found = [cells_of(array, order, wanted, box) for order in orders]
            whole = all(cells is not None for cells in found)
            dtype = np.result_type(domain.dtype, "float64")
            blank = np.full((domain.n_bands, *box.shape), np.nan, dtype)
            candidates = [cells.astype(dtype) for cells in found] if whole else [blank]
            return Direct(candidates, may_lack(candidates[0], domain, known.get("valid"), box), whole)
    raise Wrong("a raster that zarr does not know", domain.shape)


def may_lack(pixels, domain, flag, box):
    """Return which cells may be missing: those that have the nodata value, or are flagged."""
    lacking = np.isnan(pixels)
    if domain.nodata is not None:
        lacking |= pixels == domain.nodata
    if flag is not None and flag.shape == domain.shape:
        cells = cells_of(flag, (0, 1, 2), flag.shape, box)
        lacking |= False if cells is None else cells == 0
    return lacking


def readable(group):
    """Yield the arrays of a group that zarr can open."""
    for name in group:
        try:
            node = group[name]
        except ZARR_ERRORS:
            continue
        if isinstance(node, zarr.Array):
            yield name, node


def orders_of(array, wanted):
    """Return the orders in which an array's axes are bands, rows and columns, as stored first.

    Another order than that only where the dimensions say so.
    """
    named = array.attrs.get("_ARRAY_DIMENSIONS")
    if array.metadata.zarr_format == 3:
        named = array.metadata.dimension_names
    stored = tuple(range(len(array.shape)))
    # Names that are none, or not one for each axis, say nothing.
    said = isinstance(named, list | tuple) and len(named) == len(stored)
    plain = not said or tuple(named) == ("band", "y", "x")[-len(stored) :]
    orders = [stored] if plain else itertools.permutations(stored)
    long = [length for length in wanted if length > 1]
    return [
        order for order in orders if [array.shape[axis] for axis in order if array.shape[axis] > 1] == long
    ]


def cells_of(array, order, wanted, box):
    """Return the cells of a box as bands, rows and columns; ``None`` where they cannot be read."""
    try:
        cells = np.asarray(array[...]) if array.size <= 2 * LARGE else None
        if cells is None:  # in the order it is stored, as large ones always are here
            cells = np.asarray(array[(..., *box.slices())])
            return cells.reshape(wanted[0], *box.shape)
    except ZARR_ERRORS:
        return None
    return cells.transpose(order).reshape(wanted)[(..., *box.slices())]
