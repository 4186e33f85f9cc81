"""What `reconstruct` gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.api.labelling import labelled_array, opened_array
from geopatcher.core.gaps import VALID
from geopatcher.core.html_cards import card, facts_of, legend, thumbnail
from geopatcher.inspect.arrays import RESULT, rasters_of
from geopatcher.inspect.classes import css_colors
from geopatcher.inspect.levels import statistics_of
from geopatcher.inspect.meaning import all_meant, meant
from geopatcher.inspect.plotting import draw_result
from geopatcher.inspect.png import data_uri, png_bytes
from geopatcher.inspect.styles import seen, style_of
from geopatcher.inspect.thumbnail import overview
from geopatcher.planning.memory import format_bytes
from geopatcher.targets.validity import Validity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import matplotlib.axes
    import xarray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import Metadata
    from geopatcher.core.protocols import Array
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.stats import RunStats
    from geopatcher.inspect.levels import Raster
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.run import Outcome
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import ResultArray

#: Longest side of a picture drawn from a result.
PICTURE_PX = 1024
#: Longest side of the picture beside a result in a notebook.
THUMBNAIL_PX = 256


@dataclass(frozen=True)
class Reconstruction:
    """A finished result, as `geopatcher.reconstruct` returns it; ``print`` it for a summary of the run.

    Parameters
    ----------
    array
        ``(height, width)`` or ``(bands, height, width)``, or with all leading dimensions, of the dtype of
        ``domain``: an ndarray or, on disk, something that slices like one and is read when it is. Where
        ``mask`` says which cells are missing, those hold a number that means nothing: see `valid`.
    path
        The file or store, ``None`` in memory; of a store in a bucket its address, which is text.
    plan
        What was planned, with what was learnt of the operator since: ``plan.memory_bytes``.
    stats
        Counts, bytes and seconds of the run.
    domain
        The result's grid, CRS, dtype, nodata, names of bands, and leading dimensions.
    errors
        The patches that failed under an error policy that carries on; none by default.
    layers
        The arrays beside the result by name, ``(height, width)`` each; none by default.
    mask
        uint8 of the shape of ``array``, not 0 where it holds data; ``None`` (by default) where nodata alone
        says so. `valid` says it for every result.
    described
        What is said of layers by their name, such as the classes of one; none by default.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> result = geopatcher.reconstruct(np.ones((3, 40, 50), "uint8"), np.copy, size=16, layers=["count"])
    >>> result
    Reconstruction(in memory, 3 x uint8, 40 x 50 pixels)
    >>> result.layers["count"].shape, bool(result.valid[...].all())
    ((40, 50), True)

    """

    array: ResultArray
    path: Spot | None
    plan: Plan
    stats: RunStats
    domain: RasterDomain
    errors: list[PatchErrorRecord] = field(default_factory=list)
    layers: Mapping[str, ResultArray] = field(default_factory=dict)
    mask: ResultArray | None = None
    described: Mapping[str, Metadata] = field(default_factory=dict)

    @property
    def valid(self) -> ResultArray:
        """Where ``array`` holds data: booleans of its shape, worked out for the part that is sliced.

        >>> import numpy as np, geopatcher
        >>> image = np.ma.masked_equal(np.array([[3, 0], [1, 2]], "uint8"), 0)
        >>> result = geopatcher.reconstruct(image, lambda x: x - 1, size=2)
        >>> result.array[1, 0], result.valid[...].tolist()
        (np.uint8(0), [[True, False], [True, True]])
        """
        return Validity(self.array, self.domain.nodata, self.mask)

    def to_xarray(self) -> xarray.DataArray:
        """Return the result as a DataArray with coordinates and CRS; needs the extra ``xarray``.

        A result on disk in zarr is opened lazily. Cells without data are NaN or have the nodata value
        that rioxarray finds; where a mask says which they are, it is the coordinate ``valid``:
        ``array.where(array.valid)`` leaves only those that hold data.

        Returns
        -------
        xarray.DataArray
            ``(band, y, x)`` or ``(y, x)``, or with the leading dimensions of the result, their coordinates
            and dates; in the dtype of the result.

        Raises
        ------
        MissingExtraError
            xarray or rioxarray is not installed.

        """
        if self.path is not None and self.path.suffix == ".zarr":
            lazy: xarray.DataArray = opened_array(self.path).rio.write_nodata(self.domain.nodata)
            return lazy
        valid = None if self.mask is None else self.valid[...]
        return labelled_array(np.asarray(self.array[...]), self.domain, valid)

    def rasters(self) -> dict[str, Raster]:
        """Return the result (``"result"``) and its layers as rasters that are read at any scale.

        Returns
        -------
        dict
            Rasters by name.

        """
        return rasters_of(self.path, self.array, self.layers, self.domain, self.mask, self.described)

    def quicklook(self, band: int = 0) -> Array:
        """Return one band thinned to at most `PICTURE_PX` cells a side.

        Parameters
        ----------
        band
            Counted from 0.

        Returns
        -------
        numpy.ndarray
            ``(h, w)`` floats, NaN where there is no data.

        """
        return overview(self.rasters()[RESULT], band, PICTURE_PX)

    def plot(
        self, band: int = 0, ax: matplotlib.axes.Axes | None = None, *, layers: Sequence[str] = ()
    ) -> matplotlib.axes.Axes:
        """Draw a band in coordinates of its CRS, with its colours explained; needs the extra ``viz``.

        A map of classes has their own colours, and a legend of their names; of a result with a scale and an
        offset the quantities are drawn. Cells without data are grey.
        ``result.plot().figure.savefig("map.png")`` makes a file of it.

        Parameters
        ----------
        band
            Counted from 0.
        ax
            Where to draw; a new figure by default.
        layers
            Names of layers to draw beside it, with the same zoom. They need a figure of their own, so there
            is no ``ax`` then.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.

        Raises
        ------
        ValueError
            There is no such band or layer.

        """
        return draw_result(all_meant(self.rasters()), band, ax, layers)

    def __repr__(self) -> str:
        height, width = self.domain.grid_shape
        place = "in memory" if self.path is None else self.path
        what = f"{_by(self.domain)} x {self.domain.dtype}"
        return f"Reconstruction({place}, {what}, {height:,} x {width:,} pixels)"

    def _repr_html_(self) -> str:
        raster = meant(self.rasters()[RESULT])
        cells = seen(raster, 0)
        style = style_of(raster, 0, cells)
        thin = -(-max(cells.shape) // THUMBNAIL_PX)
        cells = cells[::thin, ::thin]
        shown = thumbnail(data_uri(png_bytes(style.painted(cells))), "the first band")
        shown += legend(css_colors(style.classes))
        known = statistics_of(raster, 0)
        values = [] if known is None else [("values", str(known))]
        return card("Reconstruction", [*facts_of(str(self)), *values], shown)

    def __str__(self) -> str:
        stats = self.stats
        rate = stats.patches / stats.elapsed if stats.elapsed else 0.0
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stats.seconds.items())
        height, width = self.domain.grid_shape
        what = f"{_by(self.domain)} x {self.domain.dtype}"
        counts = [f"{stats.patches:,}"]
        counts += [f"{stats.skipped:,} empty ones left out"] if stats.skipped else []
        counts += [f"{stats.failed:,} failed"] if stats.failed else []
        whose, planned = self.plan.footprint.whose, format_bytes(self.plan.memory_bytes)
        read, written = format_bytes(stats.bytes_read), format_bytes(stats.bytes_written)
        lines = [
            f"pixels     {height * width:,} ({height:,} x {width:,}), {what}",
            f"patches    {', '.join(counts)}, overlap {self.plan.overlap:.0%}, {rate:,.0f}/s",
            f"seconds    {stats.elapsed:.2f} ({stages}; stages overlap)",
            f"memory     peak {format_bytes(stats.peak_bytes)} of {whose}, planned {planned}",
            f"read       {read}, {stats.read_amplification:.2f} times the raster",
            *_network(stats),
            f"written    {written}, {stats.write_amplification:.2f} times the result",
            f"result     {'in memory' if self.path is None else self.path}",
            *(f"note       {note}" for note in stats.notes),
        ]
        return "\n".join(lines)


def _network(stats: RunStats) -> list[str]:
    """Return a line on what was asked of servers, if anything was."""
    if not stats.requests:
        return []
    fetched = format_bytes(stats.bytes_fetched)
    return [f"network    {stats.requests:,} requests, {fetched}, {stats.retries:,} of them tried again"]


def result_of(outcome: Outcome) -> Reconstruction:
    """Return what a run gave back, its arrays sorted."""
    arrays = dict(outcome.arrays)
    data, mask = arrays.pop("data"), arrays.pop(VALID, None)
    return Reconstruction(
        array=data,
        mask=mask,
        path=outcome.path,
        plan=outcome.job.plan,
        stats=outcome.stats,
        domain=outcome.domain,
        errors=outcome.errors,
        layers=arrays,
        described={name: each.metadata for name, each in outcome.job.aggregation.beside.items()},
    )


def _by(domain: RasterDomain) -> str:
    """Return how many bands there are along each leading dimension."""
    return " x ".join(map(str, domain.lengths)) or "1"
