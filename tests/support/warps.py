"""Rasters warped whole by a WarpedVRT of rasterio, each band from a dataset of its own."""

from __future__ import annotations

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from geopatcher.core.box import Box
from geopatcher.fields.grids import outline
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.under_tile import even_scale


def warped_whole(path, grid, method, scale=None):
    """Return all bands of a file on a grid, and where they hold data.

    ``scale`` is how many pixels of the grid lie along one of the file, across and down.
    """
    domain = RasterioSource(str(path)).domain
    if scale is None:
        scale = even_scale(grid, outline(domain, grid, "it").intersect(Box.of_shape(grid.grid_shape)), domain)
    both = [_one(f"vrt://{path}?bands={band + 1}", grid, method, scale) for band in range(domain.n_bands)]
    return np.stack([cells for cells, _ in both]), np.stack([held for _, held in both])


def or_nan(cells, held):
    """Return pixels as floats, NaN where they hold no data."""
    return np.where(held, cells.astype(float), np.nan)


def _one(address, grid, method, scale):
    with rasterio.open(address) as dataset:
        is_float, nodata = dataset.dtypes[0].startswith("f"), dataset.nodata
        masked = rasterio.enums.MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        options = {"add_alpha": True}
        if nodata is not None or (is_float and not masked):
            options = {"src_nodata": np.nan if nodata is None else nodata}
            options["nodata"] = np.nan if is_float else nodata
        with (
            rasterio.Env(GDAL_VRT_WARP_USE_DATASET_RASTERIO="NO"),
            WarpedVRT(
                dataset,
                crs=grid.crs,
                transform=grid.transform,
                width=grid.width,
                height=grid.height,
                resampling=Resampling[method],
                tolerance=1e-3,
                XSCALE=str(scale[0]),
                YSCALE=str(scale[1]),
                **options,
            ) as warped,
        ):
            cells = warped.read(1)
            if "add_alpha" in options:
                return cells, warped.read(2) > 0
    return cells, ~np.isnan(cells) if is_float else cells != nodata
