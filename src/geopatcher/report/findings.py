"""What a report tells about a result, found out in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.statistics import Statistics
from geopatcher.inspect.arrays import RESULT
from geopatcher.inspect.levels import statistics_of
from geopatcher.inspect.png import USUAL, data_uri, png_bytes, value_range
from geopatcher.inspect.styles import OF_LAYERS, BandStyle, seen, style_of
from geopatcher.report.borders import borders_of
from geopatcher.report.inputs import input_for
from geopatcher.report.results import Opened, open_result
from geopatcher.report.seams import Seams, measure, surely
from geopatcher.report.segments import MAX_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.inspect.levels import Raster
    from geopatcher.report.borders import Borders
    from geopatcher.report.inputs import Input
    from geopatcher.report.results import Pixels, Result

#: Bands looked at; of more, the first ones.
MAX_BANDS = 4
#: Bars of a histogram.
BINS = 64
#: Sides of the detail around a border, in pixels of the raster.
DETAIL_PX = 160


@dataclass(frozen=True)
class Look:
    """A band seen from afar.

    ``counts`` is a histogram over the range of the colours (``edges``, one more), or of classes the cells of
    each; ``sampled`` is how many cells this is known from, ``step`` their distance in pixels. ``statistics``
    are of all cells if ``exact``, else of these, `None` where none of them holds a value; so is ``valid``,
    the share of cells with a value; ``unit`` is that of the values.
    """

    title: str
    uri: str
    shape: tuple[int, int]
    style: BandStyle
    counts: NDArray[np.int64]
    edges: NDArray[np.floating]
    valid: float
    statistics: Statistics | None
    exact: bool
    sampled: int
    step: int
    unit: str = ""


@dataclass(frozen=True)
class Detail:
    """A piece of the result at full resolution, where borders of patches cross."""

    uri: str
    box: Box
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """Everything a report says.

    ``compared`` is what is known of the input that seams were compared with: a sentence on why there is none,
    or nothing.
    """

    opened: Opened
    looks: Sequence[Look]
    layers: Sequence[Look]
    seams: Sequence[Seams]
    control: Seams | None
    detail: Detail | None
    compared: str = ""

    @property
    def worst(self) -> Seams | None:
        """The band with the most visible seams; ``None`` where nothing was measured."""
        known = [each for each in self.seams if not np.isnan(each.strongest.ratio)]
        return max(known, key=lambda each: surely(each.strongest)) if known else None


def measure_seams(
    result: Result,
    *,
    size: Pixels | None = None,
    step: Pixels | None = None,
    bands: Sequence[int] | None = None,
    labels: bool | None = None,
    limit: int = MAX_SEGMENTS,
    source: Source | None = None,
) -> list[Seams]:
    """Measure how visible the borders of patches are in a result, band by band.

    The jump between neighbouring cells across the borders of patches is compared with the jumps beside
    them: a ratio of 1 means that borders cannot be told from their surroundings. What the raster it was made
    from shows at the same places is no seam, and a picture that repeats every few pixels is compared only
    with the places that lie as the borders do.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result.
    size, step
        Where patches lie, in pixels, when the result itself does not say (there is no ledger beside it).
    bands
        Bands from 1; the first four by default.
    labels
        Whether values are names, such as classes: then a jump is a change. By default known by the
        aggregation, by the names or colors of classes that the result has, or by its having few values.
    limit
        Most pieces of borders that are read for each axis.
    source
        The raster the result was made from; by default the one that its ledger names, if it is there.

    Returns
    -------
    list of Seams
        One for each band.

    Raises
    ------
    ValueError
        It is not known where the patches lie.

    Examples
    --------
    >>> import geopatcher
    >>> image = np.random.default_rng(0).random((512, 512), dtype="float32")
    >>> def shifted(patch):  # an operator that depends on its patch: what seams are made of
    ...     return patch + 10 * patch[0, 0]
    >>> result = geopatcher.reconstruct(image, shifted, size=64, step=64, window="boxcar")
    >>> print(measure_seams(result)[0].both.verdict)
    visible

    """
    opened = open_result(result, size, step)
    if opened.anchors is None:
        raise ValueError(
            f"where the patches of {opened.name} lie is not written beside it: pass size= and step= "
            f"(--size, --step), in pixels, as they were when it was made"
        )
    borders = borders_of(opened.anchors, opened.domain.grid_shape)
    chosen = band_numbers(opened.domain, bands)
    origin, _ = input_for(source, opened.origin, opened.domain)
    given = opened.labels if labels is None else labels
    styles = [(band, _style(opened.result, band, given)) for band in chosen]
    return [_seams(opened.result, band, borders, style, limit, origin) for band, style in styles]


def look_into(
    result: Result,
    source: Source | None = None,
    size: Pixels | None = None,
    step: Pixels | None = None,
    labels: bool | None = None,
) -> Findings:
    """Find out what a report says.

    ``source`` is the raster the result was made from, by default the one its ledger names; ``labels`` is
    whether values are names, by default as for `measure_seams`.
    """
    opened = open_result(result, size, step)
    raster = opened.result
    given = opened.labels if labels is None else labels
    looks = [
        look(raster, band, name_of(raster.domain, band), labels=given)
        for band in band_numbers(raster.domain, None)
    ]
    beside = [(name, layer) for name, layer in opened.rasters.items() if name != RESULT]
    layers = [
        look(layer, 0, name, labels=layer.domain.metadata.has_labels, ramp=OF_LAYERS)
        for name, layer in beside
    ]
    seams: list[Seams] = []
    control, detail = None, None
    origin, why = input_for(source, opened.origin, raster.domain)
    if opened.anchors is not None:
        borders = borders_of(opened.anchors, raster.domain.grid_shape)
        seams = [
            _seams(raster, band, borders, each.style, MAX_SEGMENTS, origin) for band, each in enumerate(looks)
        ]
        detail = _detail(raster, borders, looks[0])
        if origin is not None:
            of_input, first = origin.raster, origin.bands[0]
            control = _seams(of_input, first, borders, _style(of_input, first, None), MAX_SEGMENTS, None)
    return Findings(opened, looks, layers, seams, control, detail, why)


def look(raster: Raster, band: int, title: str, *, labels: bool | None = None, ramp: str = USUAL) -> Look:
    """Return a band seen from afar; ``labels`` is whether values are names, ``None`` to decide by looking."""
    cells, exact = seen(raster, band), statistics_of(raster, band)
    known = cells[np.isfinite(cells)]
    style = style_of(raster, band, cells, labels=labels, ramp=ramp)
    if style.classes:
        counts = np.array([np.count_nonzero(known == one.value) for one in style.classes], np.int64)
        edges = np.arange(len(counts) + 1) - 0.5
    else:
        margin = (style.span[1] - style.span[0]) * 0.05
        # In float32 there may be fewer numbers in the range than bars.
        within = (style.span[0] - margin, style.span[1] + margin)
        counts, edges = np.histogram(known.astype(float), BINS, within)
    height, width = raster.domain.grid_shape
    units = raster.domain.units
    return Look(
        title=title,
        uri=data_uri(png_bytes(style.painted(cells))),
        shape=(cells.shape[0], cells.shape[1]),
        style=style,
        counts=counts,
        edges=edges,
        valid=known.size / cells.size
        if exact is None or exact.valid_percent is None
        else exact.valid_percent / 100,
        statistics=exact or _counted(known),
        exact=exact is not None,
        sampled=cells.size,
        step=round(max(height / cells.shape[0], width / cells.shape[1])),
        unit=units[band] if band < len(units) else "",
    )


def _counted(known: Array) -> Statistics | None:
    """Return the statistics of cells that are seen; of how many of all, they do not say."""
    if not known.size:
        return None
    low, high = float(known.min()), float(known.max())
    return Statistics(low, high, float(known.mean(dtype=float)), float(known.std(dtype=float)))


def band_numbers(domain: RasterDomain, bands: Sequence[int] | None) -> list[int]:
    """Return 0-based bands for bands from 1; the first few for ``None``.

    Raises
    ------
    ValueError
        There is no such band.

    """
    if bands is None:
        return list(range(min(domain.n_bands, MAX_BANDS)))
    wrong = [band for band in bands if not 1 <= band <= domain.n_bands]
    if wrong or not bands:
        raise ValueError(f"bands go from 1 to {domain.n_bands}; asked for {wrong or 'none'}")
    return [band - 1 for band in bands]


def name_of(domain: RasterDomain, band: int) -> str:
    """Return a band's name, or its number."""
    return domain.band_names[band] if band < len(domain.band_names) else f"band {band + 1}"


def _style(raster: Raster, band: int, labels: bool | None) -> BandStyle:
    return style_of(raster, band, seen(raster, band), labels=labels)


def _seams(
    raster: Raster, band: int, borders: Borders, style: BandStyle, limit: int, origin: Input | None
) -> Seams:
    return measure(
        lambda box: raster.read(box, [band])[0],
        borders,
        raster.domain.grid_shape,
        band=name_of(raster.domain, band),
        labels=bool(style.classes),
        limit=limit,
        control=None if origin is None else origin.control(),
    )


def _detail(raster: Raster, borders: Borders, first: Look) -> Detail | None:
    """Return the surroundings of the crossing of borders nearest to the middle of the raster."""
    height, width = raster.domain.grid_shape
    lines = []
    for axis, length in enumerate((height, width)):
        known = borders.lines(axis)
        nearest = known[np.abs(known - length // 2).argmin()] if len(known) else length // 2
        lines.append(int(nearest))
    half = DETAIL_PX // 2
    row0 = max(0, min(lines[0] - half, height - DETAIL_PX))
    col0 = max(0, min(lines[1] - half, width - DETAIL_PX))
    box = Box(row0, min(row0 + DETAIL_PX, height), col0, min(col0 + DETAIL_PX, width))
    cells = raster.read(box, [0])[0]
    if not np.isfinite(cells).any():
        return None
    style = first.style
    if not style.classes:  # magnified, with the colours of what is there
        style = replace(style, span=value_range(cells))
    return Detail(
        uri=data_uri(png_bytes(style.painted(cells))),
        box=box,
        rows=_inside(borders, 0, box.row0, box.row1),
        columns=_inside(borders, 1, box.col0, box.col1),
    )


def _inside(borders: Borders, axis: int, lo: int, hi: int) -> tuple[int, ...]:
    """Return the borders inside a span, counted from its first cell."""
    known = borders.lines(axis)
    return tuple(int(at) - lo for at in known[(known > lo) & (known < hi)])
