"""Tiles of a raster in its own pixels: no map projection, so every raster can be shown as it is.

Zoom levels halve: at the last one a tile is 256 by 256 pixels of the raster, and at level 0 the shorter
side fits into one tile. Tile arithmetic, reading of files and encoding are rio-tiler's.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.gdal_environment import opening
from geopatcher.inspect.arrays import RESULT
from geopatcher.inspect.levels import FileRaster, as_float, decoded_bytes, statistics_of, thinned
from geopatcher.inspect.png import LABELS, USUAL, png_bytes, ramp_colours
from geopatcher.inspect.styles import OF_LAYERS, SEEN_PX, BandStyle, is_seen_soon, seen, style_of
from geopatcher.inspect.thumbnail import Sampled
from geopatcher.report.findings import name_of
from geopatcher.report.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.inspect.levels import Raster

#: What the raster a result was made from is called among the layers.
INPUT = "input"
#: The ramp of differences.
DIFFERENCE = "diverging"
#: Pixels of a tile, a side.
TILE_PX = 256
#: Most bytes a tile decodes; what would take more comes from a sample of the whole band.
READ_BYTES = 64 << 20
#: Most bytes decoded for the look of a band, at once; of more, a few spots are looked at.
SOON_BYTES = 256 << 20
#: Bands that can be shown: beyond, a raster is a data cube and not a picture.
MAX_BANDS = 256
#: Bands that are looked at.
LOOKED_AT = 3
#: Where the first look goes: this many spots of so many pixels a side.
SPOTS, SPOT_PX = 24, 96
#: rio-tiler changes the filters of warnings for a moment, and they belong to the process.
_FILTERS = threading.Lock()


class TileGrid(Protocol):
    """What is used of rio-tiler's ``LocalTileMatrixSet``."""

    @property
    def maxzoom(self) -> int:
        """The zoom level of single pixels."""
        ...

    def xy_bounds(self, *tile: int) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of tile x, y, z in pixels; rows grow downwards."""
        ...


@dataclass(frozen=True)
class Style:
    """How a tile looks: one band through a ramp, or three as red, green and blue.

    ``bands`` are 0-based; ``spans`` has the lowest and highest value for each. Of a map of ``classes`` those
    that are ``hidden`` are transparent.
    """

    bands: tuple[int, ...]
    spans: tuple[tuple[float, float], ...]
    ramp: str = USUAL
    classes: BandStyle | None = None
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Layer:
    """A raster that is shown. Any thread may ask for tiles.

    ``first`` is how each band looks when it is opened: as in the report, where that takes little to find out,
    and else by a few spots. Once all of a band has been read it looks as in the report, see `styles`.
    """

    name: str
    raster: Raster
    first: tuple[BandStyle, ...]
    labels: bool | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _samples: dict[int, Sampled] = field(default_factory=dict)
    _histograms: dict[int, Histogram] = field(default_factory=dict)
    _settled: dict[int, BandStyle] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, name: str, raster: Raster, labels: bool | None = None) -> Layer:
        """Take a first look at a raster; ``labels`` is whether values are names, where that is known."""
        count = min(raster.domain.n_bands, MAX_BANDS)
        given = labels if name in (RESULT, INPUT) else raster.domain.metadata.has_labels
        styles = [
            style_of(raster, band, _look(raster, band), labels=given, ramp=_usual_ramp(name))
            for band in range(min(count, LOOKED_AT))
        ]
        rest = BandStyle(styles[0].ramp, _joined([style.span for style in styles]), styles[0].classes)
        return cls(name, raster, (*styles, *[rest] * (count - len(styles))), given)

    @property
    def styles(self) -> tuple[BandStyle, ...]:
        """How each band looks until somebody chooses otherwise."""
        return tuple(self._settled.get(band, style) for band, style in enumerate(self.first))

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """The range of each band."""
        return tuple(style.span for style in self.styles)

    @property
    def max_zoom(self) -> int:
        """The zoom level of single pixels."""
        return int(self._grid().maxzoom)

    @property
    def band_names(self) -> list[str]:
        """What bands are called."""
        return [name_of(self.raster.domain, band) for band in range(len(self.first))]

    @property
    def share(self) -> float:
        """How much of the samples in use has been read, 0 to 1."""
        shares = [sample.share for sample in self._samples.values()]
        return min(shares, default=1.0)

    @property
    def n_settled(self) -> int:
        """How many bands have been read from end to end."""
        return len(self._settled)

    def tile(self, zoom: int, x: int, y: int, style: Style) -> bytes | None:
        """Return a tile as PNG, cut off at the raster's edge; ``None`` for a tile outside of it."""
        cells = self.cells(zoom, x, y, style.bands)
        return None if cells is None else render(cells, style)

    def histogram(self, band: int) -> Histogram:
        """Return how the values of a band are spread, among those its look is decided by."""
        found = self._histograms.get(band)
        if found is None:
            found = self._histograms[band] = Histogram.of(
                _look(self.raster, band), statistics_of(self.raster, band)
            )
        return found

    def histogram_less(self, bands: tuple[int, ...], other: Layer, other_bands: tuple[int, ...]) -> Histogram:
        """Return how bands less those of another layer are spread, all in one, at the same places.

        Of large rasters at some spots of single pixels: overviews may be made in different ways.
        """
        look = seen if max(self.raster.domain.grid_shape) <= SEEN_PX else _at_spots
        found = [
            _less(look(self.raster, one), look(other.raster, two)).ravel()
            for one, two in zip(bands, other_bands, strict=True)
        ]
        return Histogram.of(np.concatenate(found))

    def cells(self, zoom: int, x: int, y: int, bands: tuple[int, ...]) -> Array | None:
        """Return the cells of a tile, ``(bands, h, w)``, NaN where missing; ``None`` for one outside."""
        box, step = self.box(zoom, x, y)
        return self._read(box, bands, step) if box.n_pixels else None

    def pixels(self, zoom: int, x: int, y: int, bands: tuple[int, ...]) -> Array:
        """Return single pixels of a tile that has some, of each ``step`` the middle one, as `cells` are."""
        box, step = self.box(zoom, x, y)
        return self.raster.read(box, bands)[:, thinned(0, box.height, step), thinned(0, box.width, step)]

    def has_pixels(self, zoom: int, x: int, y: int, n_bands: int) -> bool:
        """Whether all pixels of a tile are few enough to be decoded."""
        whole = decoded_bytes(self.raster, self.box(zoom, x, y)[0], n_bands, 1)
        return 0 < whole <= SOON_BYTES

    def box(self, zoom: int, x: int, y: int) -> tuple[Box, int]:
        """Return what a tile shows, without pixels where it is outside, and how many pixels are one."""
        grid = self._grid()
        if not 0 <= zoom <= grid.maxzoom:
            return Box(0, 0, 0, 0), 1
        left, bottom, right, top = grid.xy_bounds(x, y, zoom)
        box = Box(int(top), int(bottom), int(left), int(right))
        return box.intersect(Box.of_shape(self.raster.domain.grid_shape)), 1 << (grid.maxzoom - zoom)

    def _read(self, box: Box, bands: tuple[int, ...], step: int) -> Array:
        if decoded_bytes(self.raster, box, len(bands), step) > READ_BYTES:
            return np.stack([self._sample(band).read(box, step) for band in bands])
        if isinstance(self.raster, FileRaster) and self._is_by_itself(self.raster):
            return _from_file(self.raster, box, bands, step)
        return self.raster.read(box, bands, step)

    @staticmethod
    def _is_by_itself(raster: FileRaster) -> bool:
        """Whether it is a whole file, which says by itself what is missing: rio-tiler reads such."""
        return raster.source.window is None and raster.source.beside is None

    def _sample(self, band: int) -> Sampled:
        """Return the sample of a band; the first who asks starts its reading."""
        with self._lock:
            sample = self._samples.get(band)
            if sample is None:
                sample = self._samples[band] = Sampled(self.raster, band)
                threading.Thread(target=self._settle, args=(band, sample), daemon=True).start()
        return sample

    def _settle(self, band: int, sample: Sampled) -> None:
        """Read all of a band, by which it looks from then on."""
        sample.fill(self.stop)
        if not self.stop.is_set():
            few = -(-max(sample.cells.shape) // SEEN_PX)  # as many as the report goes by
            cells, ramp = sample.cells[::few, ::few], _usual_ramp(self.name)
            style = style_of(self.raster, band, cells, labels=self.labels, ramp=ramp)
            self._histograms[band] = Histogram.of(cells, statistics_of(self.raster, band))
            self._settled[band] = style

    def _grid(self) -> TileGrid:
        height, width = self.raster.domain.grid_shape
        grid: TileGrid = load("rio_tiler.io.rasterio").LocalTileMatrixSet(width, height, TILE_PX)
        return grid


def difference(
    layers: tuple[Layer, Layer],
    bands: tuple[tuple[int, ...], tuple[int, ...]],
    tile: tuple[int, int, int],
    span: tuple[float, float],
) -> bytes | None:
    """Return a tile, zoom, x and y, of bands less others as PNG; ``None`` for a tile outside.

    Of one band by a ramp; of three as red, green and blue, in the middle where they are the same. Where they
    are few enough, single pixels are compared: one raster may have overviews of means, another one none.
    """
    both = list(zip(layers, bands, strict=True))
    first: Array | None
    second: Array | None
    if all(layer.has_pixels(*tile, len(own)) for layer, own in both):
        first, second = (layer.pixels(*tile, own) for layer, own in both)
    else:
        first, second = (layer.cells(*tile, own) for layer, own in both)
    if first is None or second is None:
        return None
    return render(_less(first, second), Style(bands[0], (span,) * len(bands[0]), DIFFERENCE))


def _less(cells: Array, others: Array) -> Array:
    """Return cells less others as float64: float32 cancels, and unsigned ones would wrap."""
    apart: Array = cells.astype(np.float64) - others
    return apart


def render(cells: Array, style: Style) -> bytes:
    """Return cells, ``(bands, h, w)``, as PNG; NaN is transparent.

    >>> render(np.full((1, 2, 2), 0.5), Style((0,), ((0.0, 1.0),)))[1:4]
    b'PNG'
    """
    if style.classes is not None:
        shown = [one for one in style.classes.classes if one.value not in style.hidden]
        gone = np.isin(cells[0], sorted(style.hidden))
        return png_bytes(
            replace(style.classes, classes=tuple(shown)).painted(np.where(gone, np.nan, cells[0]))
        )
    missing = ~np.isfinite(cells)
    values = np.ma.MaskedArray(
        np.where(missing, 0.0, cells), np.broadcast_to(missing.any(axis=0), cells.shape)
    )
    image = load("rio_tiler.models").ImageData(values)
    if style.ramp == LABELS:
        image.array = np.ma.mod(values, 256).astype(np.uint8)
    else:
        image.rescale(in_range=style.spans)
    colours = None
    if len(style.bands) == 1:
        colours = {index: (*rgb, 255) for index, rgb in enumerate(ramp_colours(style.ramp).tolist())}
    with _FILTERS:
        encoded: bytes = image.render(img_format="PNG", colormap=colours, zlevel=1)
    return encoded


def _from_file(raster: FileRaster, box: Box, bands: Sequence[int], step: int) -> Array:
    """Read a piece of a file by rio-tiler, from the overview that suits."""
    io = load("rio_tiler.io")
    doing = f"cannot read {raster.source.name}, {box}"
    with opening(), POOL.borrow(raster.source.path, doing) as dataset:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing overviews and georeference: neither matters here
            reader = io.ImageReader(raster.source.path, dataset=dataset)
        image = reader.part(
            (box.col0, box.row1, box.col1, box.row0),
            indexes=[raster.source.indexes[band] for band in bands],
            height=-(-box.height // step),
            width=-(-box.width // step),
        )
    return as_float(image.array.data, None, np.ma.getmaskarray(image.array))


def _usual_ramp(name: str) -> str:
    return USUAL if name in (RESULT, INPUT) else OF_LAYERS


def _look(raster: Raster, band: int) -> Array:
    """Return cells of a band to decide its look by."""
    if is_seen_soon(raster, SOON_BYTES):
        return seen(raster, band)
    return _at_spots(raster, band)


def _at_spots(raster: Raster, band: int) -> Array:
    spots = _spots(raster.domain.grid_shape)
    return np.concatenate([raster.read(spot, [band])[0].ravel() for spot in spots])


def _spots(grid: tuple[int, int]) -> list[Box]:
    """Return spots spread over a raster, as the fractional parts of multiples of two irrational numbers."""
    height, width = grid
    tall, wide = min(SPOT_PX, height), min(SPOT_PX, width)
    spots = []
    for index in range(SPOTS):
        row = int((0.5 + index * 0.7548776662) % 1.0 * (height - tall + 1))
        col = int((0.5 + index * 0.5698402910) % 1.0 * (width - wide + 1))
        spots.append(Box(row, row + tall, col, col + wide))
    return spots


def _joined(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return (min(low for low, _ in spans), max(high for _, high in spans))
