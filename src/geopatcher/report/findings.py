"""What a report tells about a result, found out in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.inspect.arrays import RESULT
from geopatcher.inspect.png import (
    LABELS,
    PALETTE,
    USUAL,
    coloured,
    data_uri,
    looks_like_labels,
    png_bytes,
    value_range,
)
from geopatcher.inspect.thumbnail import overview
from geopatcher.report.borders import borders_of
from geopatcher.report.results import Opened, input_raster, open_result
from geopatcher.report.seams import MAX_SEGMENTS, Seams, measure, surely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.inspect.levels import Raster
    from geopatcher.report.borders import Borders
    from geopatcher.report.results import Pixels, Result

#: Longest side of the picture of a band, in its pixels.
LOOK_PX = 900
#: Bands looked at; of more, the first ones.
MAX_BANDS = 4
#: Bars of a histogram.
BINS = 64
#: Sides of the detail around a border, in pixels of the raster.
DETAIL_PX = 160


@dataclass(frozen=True)
class Look:
    """A band seen from afar.

    ``span`` is the range of the colours, ``counts`` a histogram over it (``edges``, one more), ``valid`` the
    share of cells with a value, ``mean`` and ``deviation`` theirs; ``sampled`` is how many cells this is
    known from, ``step`` their distance in pixels.
    """

    title: str
    uri: str
    shape: tuple[int, int]
    ramp: str
    span: tuple[float, float]
    counts: NDArray[np.int64]
    edges: NDArray[np.floating]
    valid: float
    mean: float
    deviation: float
    sampled: int
    step: int


@dataclass(frozen=True)
class Detail:
    """A piece of the result at full resolution, where borders of patches cross."""

    uri: str
    box: Box
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """Everything a report says."""

    opened: Opened
    looks: Sequence[Look]
    layers: Sequence[Look]
    seams: Sequence[Seams]
    control: Seams | None
    detail: Detail | None

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
) -> list[Seams]:
    """Measure how visible the borders of patches are in a result, band by band.

    The jump between neighbouring cells across the borders of patches is compared with the jumps beside
    them: a ratio of 1 means that borders cannot be told from their surroundings.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result.
    size, step
        Where patches lie, in pixels, when the result itself does not say (there is no ledger beside it).
    bands
        Bands from 1; the first four by default.
    labels
        Whether values are names, such as classes: then a jump is a change. By default decided by
        looking at them.
    limit
        Most pieces of borders that are read for each axis.

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
    return [_seams(opened.result, band, borders, labels, limit) for band in chosen]


def look_into(
    result: Result, source: Source | None = None, size: Pixels | None = None, step: Pixels | None = None
) -> Findings:
    """Find out what a report says; ``source`` is the raster the result was made from, if it is at hand."""
    opened = open_result(result, size, step)
    raster = opened.result
    looks = [look(raster, band, name_of(raster.domain, band)) for band in band_numbers(raster.domain, None)]
    beside = [(name, layer) for name, layer in opened.rasters.items() if name != RESULT]
    layers = [look(layer, 0, name, labels=False) for name, layer in beside]
    seams: list[Seams] = []
    control, detail = None, None
    if opened.anchors is not None:
        borders = borders_of(opened.anchors, raster.domain.grid_shape)
        seams = [
            _seams(raster, band, borders, each.ramp == LABELS, MAX_SEGMENTS)
            for band, each in enumerate(looks)
        ]
        detail = _detail(raster, borders, looks[0])
        if source is not None:
            control = _seams(input_raster(source, raster.domain), 0, borders, None, MAX_SEGMENTS)
    return Findings(opened, looks, layers, seams, control, detail)


def look(raster: Raster, band: int, title: str, *, labels: bool | None = None) -> Look:
    """Return a band seen from afar; ``labels`` is whether values are names, ``None`` to decide by looking."""
    cells = overview(raster, band, LOOK_PX)
    known = cells[np.isfinite(cells)]
    labels = is_labels(raster.domain, known) if labels is None else labels
    span = (0.0, 255.0) if labels else value_range(known)
    ramp = LABELS if labels else "grey" if not known.size else USUAL
    if labels:
        counts = np.bincount(known.astype(np.int64), minlength=1)
        edges = np.arange(len(counts) + 1) - 0.5
    else:
        margin = (span[1] - span[0]) * 0.05
        counts, edges = np.histogram(known, BINS, (span[0] - margin, span[1] + margin))
    height, width = raster.domain.grid_shape
    return Look(
        title=title,
        uri=data_uri(png_bytes(coloured(cells, span, ramp))),
        shape=(cells.shape[0], cells.shape[1]),
        ramp=ramp,
        span=span,
        counts=counts,
        edges=edges,
        valid=known.size / cells.size,
        mean=float(known.mean(dtype=float)) if known.size else float("nan"),
        deviation=float(known.std(dtype=float)) if known.size else float("nan"),
        sampled=cells.size,
        step=round(max(height / cells.shape[0], width / cells.shape[1])),
    )


def is_labels(domain: RasterDomain, known: Array) -> bool:
    """Whether a band holds names rather than quantities, going by a sample of its cells."""
    if domain.dtype.kind not in "iub" or not known.size:
        return False
    return looks_like_labels(known.astype(np.int64)) and float(known.max()) < len(PALETTE)


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


def _seams(raster: Raster, band: int, borders: Borders, labels: bool | None, limit: int) -> Seams:
    if labels is None:
        labels = is_labels(raster.domain, _known_sample(raster, band))
    return measure(
        lambda box: raster.read(box, [band])[0],
        borders,
        raster.domain.grid_shape,
        band=name_of(raster.domain, band),
        labels=labels,
        limit=limit,
    )


def _known_sample(raster: Raster, band: int) -> Array:
    if raster.domain.dtype.kind not in "iub":
        return np.empty(0)
    cells = overview(raster, band, LOOK_PX)
    return cells[np.isfinite(cells)]


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
    span = first.span if first.ramp == LABELS else value_range(cells)
    return Detail(
        uri=data_uri(png_bytes(coloured(cells, span, first.ramp))),
        box=box,
        rows=_inside(borders, 0, box.row0, box.row1),
        columns=_inside(borders, 1, box.col0, box.col1),
    )


def _inside(borders: Borders, axis: int, lo: int, hi: int) -> tuple[int, ...]:
    """Return the borders inside a span, counted from its first cell."""
    known = borders.lines(axis)
    return tuple(int(at) - lo for at in known[(known > lo) & (known < hi)])
