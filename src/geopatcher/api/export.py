"""From one raster file to another: `export`, in bounded memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.casting import default_nodata, fits
from geopatcher.api.subset import box_of_bounds, box_within, pick_bands
from geopatcher.core.axis import pixel_pair
from geopatcher.core.box import Box
from geopatcher.core.domain import ResultSpec
from geopatcher.core.gaps import VALID, codes
from geopatcher.core.metadata import usual_method
from geopatcher.engine.pipeline import BackgroundWriter
from geopatcher.engine.prepare import warn_of_ground
from geopatcher.engine.progress import reporting
from geopatcher.fields.open import as_field
from geopatcher.fields.zarr_field import is_zarr, zarr_source
from geopatcher.fields.zarr_places import is_store_elsewhere
from geopatcher.planning.memory import parse_bytes
from geopatcher.runs.recovery import remove_former_layers
from geopatcher.runs.source_watch import unchanged
from geopatcher.targets.open import storage_for, target_for
from geopatcher.targets.places import Spot, bucket_url
from geopatcher.targets.preflight import check_chunk
from geopatcher.targets.protocol import BlockStore, Claimable, KnowsAlpha, Placed, Replacing
from geopatcher.targets.replacing import require_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.api.axes import Size
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource, Sink
    from geopatcher.engine.progress import Advance
    from geopatcher.fields.open import Source
    from geopatcher.targets.protocol import Storage, Target
    from geopatcher.targets.storage import CogStorage, ZarrStorage

#: Pixels are held as they are read, as they are written, and by the codecs.
COPIES = 6


def export(
    source: Source,
    target: str | os.PathLike[str],
    *,
    bands: Sequence[int | str] | None = None,
    region: Box | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    layer: str = "data",
    nodata: float | int | None = None,
    chunks: Size = 512,
    storage: ZarrStorage | CogStorage | None = None,
    memory_limit: int | str = "256MiB",
    progress: bool | Advance | None = None,
    overwrite: bool = False,
) -> Spot:
    """Copy a raster, or a part of it, into a ``.zarr`` store or a Cloud-Optimized GeoTIFF.

    Values are copied as they are stored, but what several bands of a GeoTIFF hold under a mask. Scales and
    offsets, units, tags, colors, control points and coefficients (GCPs, RPCs) go along; statistics do not,
    for a part has others.

    Parameters
    ----------
    source
        A result (``.zarr`` or ``.tif``), any raster GDAL opens, or what else `reconstruct` takes.
    target
        Ends in ``.zarr`` or ``.tif``. It appears when it is complete.
    bands
        By number, from 1, or by name, in the order wanted; all by default.
    region
        The window to copy, a `Box` of pixels; the whole raster by default.
    bounds
        The same as ``(left, bottom, right, top)`` in units of the raster's CRS: give one or the other.
    layer
        Which array of a ``.zarr``: ``"data"`` (by default), or a layer such as ``"weight"``.
    nodata
        What cells without data hold; the source's own value by default. Where the source says by a mask
        which they are, or a pixel that holds data has this value, so does the copy.
    chunks
        ``(rows, columns)`` in pixels of a chunk of a ``.zarr``, or of a tile of a ``.tif``, or one number for
        both; 512 by default.
    storage
        A `ZarrStorage` for a ``.zarr``, a `CogStorage` for a ``.tif``; the usual one by default.
    memory_limit
        Bytes of pixels to hold at once, or a text such as ``"256MiB"``, the default.
    progress
        ``True`` draws a bar on stderr, ``False`` none, ``None`` (by default) one where stderr is a terminal;
        a function hears how many pieces were done since its last call.
    overwrite
        Replace what is at ``target``, or an interrupted run to it; by default that is refused.

    Returns
    -------
    pathlib.Path
        ``target``.

    Raises
    ------
    ValueError
        The window or a band is not in the raster, or nodata does not fit.
    TargetExistsError
        Something is at ``target`` and ``overwrite`` is not set, or it is a folder of other things.
    TargetError
        The pixels come from there, or it cannot be written.
    SourceError
        The source cannot be read, or changes meanwhile.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = geopatcher.export(np.eye(100), f"{folder}/eye.tif", region=geopatcher.Box(0, 10, 0, 20))
    ...     print(geopatcher.RasterField(path).domain.shape)
    (1, 10, 20)

    """
    stored = storage_for(target, storage)
    pieces, limit = pixel_pair(chunks, "chunks"), parse_bytes(memory_limit)
    blocks = stored.blocks(pieces)
    pixels = _opened(source, layer)
    check_chunk(blocks, pixels.domain.dtype)
    if bands is not None:
        pixels = pick_bands(pixels, bands)
    window = _window(pixels.domain, region, bounds)
    if pixels.domain.metadata.ground.arrays:  # the others go along
        warn_of_ground(pixels, stacklevel=2)
    place = target_for(target, overwrite=overwrite, resume=False, storage=storage)
    # In a GeoTIFF a band of alpha says what is missing, or one mask; in zarr each band has its own.
    is_tiff = isinstance(place, KnowsAlpha) and place.knows_alpha
    copy = _Copy(pixels, window, _result_domain(pixels, window, nodata), is_tiff)
    spec = copy.spec(stored, pieces)
    if isinstance(place, Placed):
        require_apart(pixels, place.places(()))
    _in_blocks(copy, spec, place, limit, progress)
    return bucket_url(target) or Path(os.fspath(target))


def _window(
    domain: RasterDomain, region: Box | None, bounds: tuple[float, float, float, float] | None
) -> Box:
    """Return the window to copy.

    Raises
    ------
    ValueError
        Both are given, or it is not in the raster.

    """
    if region is not None and bounds is not None:
        raise ValueError("region and bounds were both given: they are two ways to say which window")
    if region is not None:
        return box_within(domain, region)
    return Box.of_shape(domain.grid_shape) if bounds is None else box_of_bounds(domain, bounds)


def _opened(source: Source, layer: str) -> PixelSource:
    if isinstance(source, str | os.PathLike) and (is_zarr(source) or is_store_elsewhere(source)):
        return zarr_source(os.fspath(source), layer)
    if layer != "data":
        raise ValueError(f"layer {layer!r} is for a .zarr result, and the source is none: leave it out")
    return as_field(source).source


def _result_domain(source: PixelSource, window: Box, nodata: float | int | None) -> RasterDomain:
    """Return the domain of the copy.

    Raises
    ------
    ValueError
        Its values, or nodata, cannot be stored.

    """
    domain = source.domain.cut(window)
    dtype = {"b": np.dtype("uint8")}.get(domain.dtype.kind, domain.dtype)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype("float32" if dtype.itemsize < 4 else "float64")
    if dtype.kind not in "iuf":
        raise ValueError(f"{source.name} holds {dtype} values; a result holds real numbers")
    if nodata is not None and not fits(dtype, nodata):
        raise ValueError(f"nodata={nodata} does not fit pixels of {dtype}: choose another value")
    known = default_nodata(dtype, domain.nodata if nodata is None else nodata)
    return replace(domain, dtype=dtype, nodata=known)


@dataclass(frozen=True)
class _Copy:
    """The pixels of a window of a source as they are stored: missing ones as nodata.

    Where bands have ``one_mask``, and may be missing in places of their own, what they hold there may come to
    be nodata: then all of them hold the same.
    """

    source: PixelSource
    window: Box
    domain: RasterDomain
    one_mask: bool = False

    @property
    def masked(self) -> bool:
        """Whether a value may not say by itself what is missing: the source has another one, or a mask."""
        nodata, dtype = self.domain.nodata, self.domain.dtype
        if dtype.kind == "f" and nodata is not None and np.isnan(nodata):
            return False
        return self.source.has_nodata if nodata is None else nodata != self.source.domain.nodata

    @property
    def has_alpha(self) -> bool:
        """Whether a band of alpha says what is missing: a nodata value would stand above it.

        GDAL looks at the last one, of two or four bands.
        """
        colors = self.domain.metadata.colors
        is_last = colors.count("alpha") == 1 and colors[-1] == "alpha" and len(colors) in (2, 4)
        return self.one_mask and is_last and self.source.domain.nodata is None

    @property
    def fill(self) -> float | int | None:
        """What missing cells hold; ``None`` for what the source has there."""
        nodata = self.domain.nodata
        if nodata is not None and nodata != nodata:  # noqa: PLR0124 - NaN stays NaN
            return None
        together = self.one_mask and self.domain.n_bands > 1 and not self.has_alpha
        return 0 if nodata is None and together else nodata

    def spec(self, storage: Storage, chunks: tuple[int, int]) -> ResultSpec:
        """Return what the copy is as a result."""
        domain, nodata = self.domain, self.domain.nodata
        if self.has_alpha:
            domain = replace(domain, nodata=None)
        elif self.one_mask:  # whatever else is called alpha hides nothing
            domain = replace(domain, metadata=domain.metadata.of_result())
        spec = ResultSpec(
            domain,
            chunks,
            0 if nodata is None else nodata,
            masked=self.masked and not self.has_alpha,
            overview=usual_method(labels=self.domain.metadata.has_labels),
        )
        return storage.applied(spec)

    def read(self, box: Box) -> tuple[Array, Array | None]:
        """Return ``(bands, h, w)`` of a box of the copy, and where they hold data; ``None`` is everywhere."""
        there = box.shift(self.window.row0, self.window.col0)
        pixels = self.source.read(there)
        valid = self.source.valid(there, pixels)
        stored = pixels.astype(self.domain.dtype, copy=False)
        if stored.dtype.kind == "f":
            gaps = np.isnan(stored)
            valid = ~gaps if valid is None else valid & ~gaps
        if valid is None or valid.all():
            return stored, None
        fill = self.fill
        return stored if fill is None else np.where(valid, stored, stored.dtype.type(fill)), valid


def _in_blocks(
    copy: _Copy, spec: ResultSpec, target: Target, limit: int, progress: bool | Advance | None
) -> None:
    height, width = spec.shards or spec.chunks
    cell = spec.n_bands * spec.domain.dtype.itemsize
    across = max(1, limit // COPIES // (cell * height * width)) * width
    whole = Box.of_shape(spec.domain.grid_shape)
    pieces = -(-whole.height // height) * -(-whole.width // across)
    if isinstance(target, Claimable):
        target.claim_afresh()
    else:
        target.check()
    try:
        sink = target.create(spec)
        behind = BackgroundWriter(pipelined=True)
        try:
            with unchanged(copy.source, "copied"), reporting(progress, pieces, "pieces") as advance:
                for box in whole.tiles((height, across)):
                    behind.submit(partial(_write, sink, spec, box, *copy.read(box)))
                    advance(1)
            behind.finish()
        except BaseException:
            behind.settle()
            raise
        if isinstance(target, Replacing):
            target.complete_then(remove_former_layers)
        else:
            target.complete()
    except BaseException:
        target.discard()
        raise


def _write(sink: Sink, spec: ResultSpec, box: Box, pixels: Array, valid: Array | None) -> None:
    said = {VALID: codes(pixels, valid, spec.fill)} if spec.masked else {}
    sink.write([(box, {"data": pixels} | said)])
    if isinstance(sink, BlockStore):
        sink.sync(box)
