"""What `reconstruct` gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.planning.memory import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import matplotlib.axes
    import xarray

    from geopatcher.domain import RasterDomain
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import PatchErrorRecord
    from geopatcher.protocols import Array
    from geopatcher.sinks.targets import ResultArray

#: Longest side of a picture drawn from a result.
PICTURE_PX = 1024


@dataclass(frozen=True)
class Reconstruction:
    """A finished result.

    ``array`` is an ndarray or, on disk, something that slices like one; ``layers`` are the arrays
    beside it; ``errors`` the patches that failed under an error policy that carries on.
    """

    array: ResultArray
    path: Path | None
    plan: Plan
    stats: RunStats
    domain: RasterDomain
    errors: list[PatchErrorRecord] = field(default_factory=list)
    layers: Mapping[str, ResultArray] = field(default_factory=dict)

    def to_xarray(self) -> xarray.DataArray:
        """Return the result as a DataArray with coordinates and CRS; needs the extra ``xarray``.

        A result on disk in zarr is opened lazily.
        """
        xr = load("xarray")
        load("rioxarray")
        if self.path is not None and self.path.suffix == ".zarr":
            dataset = xr.open_zarr(self.path, consolidated=False, chunks=None, mask_and_scale=False)
            lazy: xarray.DataArray = dataset["data"].rio.write_nodata(self.domain.nodata)
            return lazy
        values = np.asarray(self.array[...])
        dims = ("band", "y", "x")[-values.ndim :]
        array: xarray.DataArray = xr.DataArray(values, dims=dims, name="data")
        if values.ndim == 3:
            array = array.assign_coords(band=np.arange(1, values.shape[0] + 1))
            array.attrs["long_name"] = tuple(self.domain.band_names)
        array = array.rio.write_transform(self.domain.transform)
        array = array.assign_coords(_coordinates(self.domain))
        if self.domain.crs is not None:
            array = array.rio.write_crs(self.domain.crs)
        array = array.rio.write_nodata(self.domain.nodata)
        return array

    def quicklook(self, band: int = 0) -> Array:
        """Return one band thinned to at most `PICTURE_PX` pixels a side."""
        height, width = self.domain.grid_shape
        step = max(1, -(-max(height, width) // PICTURE_PX))
        if len(self.array.shape) == 2:
            return np.asarray(self.array[::step, ::step])
        return np.asarray(self.array[band, ::step, ::step])

    def plot(self, band: int = 0, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw a band; needs the extra ``viz``."""
        if ax is None:
            ax = load("matplotlib.pyplot").figure().add_subplot()
        left, bottom, right, top = self.domain.bounds
        picture = self.quicklook(band)
        image = ax.imshow(picture, extent=(left, right, bottom, top), interpolation="nearest")
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
        names = self.domain.band_names
        ax.set_title(names[band] if band < len(names) else "result")
        return ax

    def __str__(self) -> str:
        stats = self.stats
        rate = stats.patches / stats.elapsed if stats.elapsed else 0.0
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stats.seconds.items())
        height, width = self.domain.grid_shape
        where = self.path if self.path is not None else "in memory"
        failed = f", {stats.failed:,} failed" if stats.failed else ""
        lines = [
            f"pixels     {height * width:,} ({height:,} x {width:,}), {self.domain.n_bands} band(s), {self.domain.dtype}",
            f"patches    {stats.patches:,} ({stats.skipped:,} empty{failed}), overlap {self.plan.overlap:.0%}, {rate:,.0f}/s",
            f"seconds    {stats.elapsed:.2f} ({stages}; stages overlap)",
            f"memory     peak {format_bytes(stats.peak_bytes)}",
            f"read       {format_bytes(stats.bytes_read)}, {stats.read_amplification:.2f} times the raster",
            f"written    {format_bytes(stats.bytes_written)}, {stats.write_amplification:.2f} times the result",
            f"result     {where}",
        ]
        return "\n".join(lines)


def _coordinates(domain: RasterDomain) -> dict[str, tuple[str, Array]]:
    """Return pixel centres of a grid that is not rotated."""
    transform = domain.transform
    if transform.b != 0 or transform.d != 0:
        return {}
    x = transform.c + transform.a * (np.arange(domain.width) + 0.5)
    y = transform.f + transform.e * (np.arange(domain.height) + 0.5)
    return {"x": ("x", x), "y": ("y", y)}
