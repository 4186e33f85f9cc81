"""From one raster file to another: `export`, in bounded memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.casting import default_nodata, fits
from geopatcher.axis import pixel_pair
from geopatcher.box import Box
from geopatcher.domain import ResultSpec
from geopatcher.engine.pipeline import Behind
from geopatcher.errors import TargetExistsError
from geopatcher.fields.dispatch import as_field
from geopatcher.fields.handles import POOL
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.zarr_field import is_zarr, zarr_source
from geopatcher.picking import box_of_bounds, box_within, pick_bands
from geopatcher.planning.memory import parse_bytes
from geopatcher.progress import reporting
from geopatcher.sinks.codecs import check_codec
from geopatcher.sinks.disk import CogTarget, ZarrTarget
from geopatcher.sinks.folders import is_marked, make_work, remove_work
from geopatcher.sinks.geotiff import PALETTE_DTYPES, CogOptions, require_storable, write_cog
from geopatcher.sinks.multiscales import check_method
from geopatcher.sinks.targets import check_storage, target_for
from geopatcher.verbs import whole_shards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import EllipsisType

    from geopatcher.domain import RasterDomain
    from geopatcher.fields.dispatch import Source
    from geopatcher.progress import Advance
    from geopatcher.protocols import Array, PixelSource
    from geopatcher.sinks.zarr_store import ZarrSink
    from geopatcher.verbs import Size

#: Pixels are held as they are read, as they are written, and by the codecs.
COPIES = 6


def export(
    source: Source,
    target: str | os.PathLike[str],
    *,
    bands: Sequence[int] | None = None,
    region: Box | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    layer: str = "data",
    nodata: float | int | None = None,
    chunks: Size = 512,
    shards: Size | None = None,
    codec: str = "zstd",
    multiscales: bool = False,
    overview: str | None = None,
    cog: CogOptions | None = None,
    memory_limit: int | str = "256MiB",
    progress: bool | Advance | None = None,
    overwrite: bool = False,
) -> Path:
    """Copy a raster, or a part of it, into a ``.zarr`` store or a Cloud-Optimized GeoTIFF.

    Parameters
    ----------
    source
        A result (``.zarr`` or ``.tif``), any raster GDAL opens, or what else `reconstruct` takes.
    target
        Ends in ``.zarr`` or ``.tif``. It appears when it is complete.
    bands
        Counted from 1, in the order wanted; all by default.
    region, bounds
        The window to copy: as pixels, or as ``(left, bottom, right, top)`` in the raster's CRS.
    layer
        Which array of a ``.zarr``: ``"data"``, or a layer such as ``"weight"``.
    nodata
        What cells without data hold; the source's own value by default.
    chunks, shards, codec, multiscales, overview, cog
        As of `reconstruct`. The color table of a single band goes along into a ``.tif``.
    memory_limit
        Bytes of pixels to hold at once, or a text such as ``"256MiB"``.

    Raises
    ------
    ValueError
        The window or a band is not in the raster, or nodata does not fit.
    TargetExistsError
        Something is at ``target`` and ``overwrite`` is not set.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = geopatcher.export(np.eye(100), f"{folder}/eye.tif", region=geopatcher.Box(0, 10, 0, 20))
    ...     print(geopatcher.RasterField(path).domain.shape)
    (1, 10, 20)

    """
    check_method(overview)
    check_storage(target, shards=shards is not None, multiscales=multiscales, cog=cog)
    check_codec(codec)
    pieces = pixel_pair(chunks, "chunks")
    blocks = None if shards is None else whole_shards(pixel_pair(shards, "shards"), pieces)
    pixels = _opened(source, layer)
    if bands is not None:
        pixels = pick_bands(pixels, bands)
    if region is not None and bounds is not None:
        raise ValueError("region and bounds were both given: they are two ways to say which window")
    window = Box.of_shape(pixels.domain.grid_shape)
    if region is not None:
        window = box_within(pixels.domain, region)
    elif bounds is not None:
        window = box_of_bounds(pixels.domain, bounds)
    meanings = _meanings(pixels)
    copy = _Copy(pixels, window, _result_domain(pixels, window, nodata, alpha="alpha" in meanings))
    colored = _colored(pixels, meanings, cog or CogOptions())
    labels = colored.colormap is not None
    spec = ResultSpec(
        copy.domain,
        pieces,
        0 if copy.domain.nodata is None else copy.domain.nodata,
        codec=codec,
        shards=blocks,
        multiscales=multiscales,
        overview=overview or ("mode" if labels else "average"),
    )
    place = target_for(target, overwrite=overwrite, resume=False, cog=colored)
    if isinstance(place, ZarrTarget):
        _to_zarr(copy, spec, place, parse_bytes(memory_limit), progress)
    elif isinstance(place, CogTarget):
        _to_tiff(copy, spec, place)
    return Path(os.fspath(target))


def _opened(source: Source, layer: str) -> PixelSource:
    if isinstance(source, str | os.PathLike) and is_zarr(os.fspath(source)):
        return zarr_source(os.fspath(source), layer)
    if layer != "data":
        raise ValueError(f"layer {layer!r} is for a .zarr result, and the source is none: leave it out")
    return as_field(source).source


def _result_domain(
    source: PixelSource, window: Box, nodata: float | int | None, *, alpha: bool
) -> RasterDomain:
    """Return the domain of the copy; with ``alpha`` one of its bands says which pixels are missing.

    Raises
    ------
    ValueError
        Its values cannot be stored, or nothing says which are missing.

    """
    domain = source.domain.cut(window)
    dtype = {"b": np.dtype("uint8")}.get(domain.dtype.kind, domain.dtype)
    if dtype == np.float16:
        dtype = np.dtype("float32")
    if dtype.kind not in "iuf":
        raise ValueError(f"{source.name} holds {dtype} values; a result holds real numbers")
    if nodata is not None and not fits(dtype, nodata):
        raise ValueError(f"nodata={nodata} does not fit pixels of {dtype}: choose another value")
    known = default_nodata(dtype, domain.nodata if nodata is None else nodata)
    if known is None and source.has_nodata and not alpha:
        raise ValueError(
            f"{source.name} says which pixels are missing by a mask or an alpha band, and a copy does by a "
            f"value: name one with nodata= (--nodata)"
        )
    return replace(domain, dtype=dtype, nodata=known)


def _meanings(source: PixelSource) -> tuple[str, ...]:
    """Return what a file says its bands are: ``"red"``, ``"alpha"``, ``"palette"``, ..."""
    if not isinstance(source, RasterioSource):
        return ()
    with POOL.borrow(source.path) as dataset:
        return tuple(dataset.colorinterp[band - 1].name for band in source.indexes)


def _colored(source: PixelSource, meanings: tuple[str, ...], options: CogOptions) -> CogOptions:
    """Add the color table of a source's only band, and the meaning of its bands as colors."""
    palette = meanings == ("palette",) and source.domain.dtype.name in PALETTE_DTYPES
    if palette and options.colormap is None and isinstance(source, RasterioSource):
        with POOL.borrow(source.path) as dataset:
            return replace(options, colormap=dataset.colormap(source.indexes[0]))
    if options.colorinterp or not {"red", "green", "blue"} <= set(meanings):
        return options
    return replace(options, colorinterp=meanings)


@dataclass(frozen=True)
class _Copy:
    """The pixels of a window of a source as they are stored: missing ones as nodata."""

    source: PixelSource
    window: Box
    domain: RasterDomain

    def read(self, box: Box) -> Array:
        """Return ``(bands, h, w)`` of a box of the copy."""
        there = box.shift(self.window.row0, self.window.col0)
        pixels = self.source.read(there)
        valid = self.source.valid(there, pixels)
        stored = pixels.astype(self.domain.dtype, copy=False)
        nodata = self.domain.nodata
        if nodata is None:
            return stored
        if stored.dtype.kind == "f" and nodata == nodata:  # noqa: PLR0124 - NaN stays NaN
            gaps = np.isnan(stored)
            valid = ~gaps if valid is None else valid & ~gaps
        if valid is None or valid.all():
            return stored
        return np.where(valid, stored, stored.dtype.type(nodata))

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle."""
        rows, cols = (part for part in index if isinstance(part, slice))
        return self.read(Box(rows.start, rows.stop, cols.start, cols.stop))


def _claim(target: ZarrTarget | CogTarget) -> None:
    """Refuse a target that is taken, or that an interrupted run means to go on with."""
    target.check()
    if is_marked(target.work) and not target.overwrite:
        raise TargetExistsError(
            f"{target.work} holds what an interrupted run finished: run that again to go on, choose another "
            f"target, or pass overwrite=True (--overwrite)"
        )
    target.claim()


def _to_zarr(
    copy: _Copy, spec: ResultSpec, target: ZarrTarget, limit: int, progress: bool | Advance | None
) -> None:
    height, width = spec.shards or spec.chunks
    cell = spec.n_bands * spec.domain.dtype.itemsize
    across = max(1, limit // COPIES // (cell * height * width)) * width
    whole = Box.of_shape(spec.domain.grid_shape)
    pieces = -(-whole.height // height) * -(-whole.width // across)
    _claim(target)
    try:
        sink = target.create(spec)
        behind = Behind(pipelined=True)
        try:
            with reporting(progress, pieces, "pieces") as advance:
                for box in whole.tiles((height, across)):
                    behind.submit(partial(_write, sink, box, copy.read(box)))
                    advance(1)
            behind.finish()
        except BaseException:
            behind.settle()
            raise
        target.complete()
    except BaseException:
        target.discard()
        raise


def _write(sink: ZarrSink, box: Box, pixels: Array) -> None:
    sink.write([(box, {"data": pixels})])
    sink.sync(box)


def _to_tiff(copy: _Copy, spec: ResultSpec, target: CogTarget) -> None:
    options = replace(target.options, overview=target.options.overview or spec.overview)
    require_storable(spec.domain, options)
    _claim(target)
    try:
        make_work(target.work)
        write_cog(copy, spec.domain, target.product, target.work, options)
        target.publish()
        target.finished_ledger.unlink(missing_ok=True)  # whatever it told of is gone
        remove_work(target.work)
        target.release()
    except BaseException:
        target.discard()
        raise
