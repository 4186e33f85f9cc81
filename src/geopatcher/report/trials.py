"""Trials: pieces of a raster, what an operator makes of them, and how visible their seams are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.api.reconstruct import reconstruct
from geopatcher.core.box import Box
from geopatcher.fields.held_part import held_part
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.inspect.styles import is_labels
from geopatcher.operators.wrappers import wants_mask, wants_position
from geopatcher.planning.reading import Reading
from geopatcher.report.borders import borders_of
from geopatcher.report.seams import summarise, surely
from geopatcher.report.segments import Control, Samples, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.api.result import Reconstruction
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.raster import RasterField
    from geopatcher.report.seams import Seams

#: A sample is so many patches a side.
PATCHES = 3
#: Bands whose seams are measured.
BANDS = 4
#: Places looked at for one sample that holds data.
TRIES = 8
#: Bytes of an operator's results that are kept, to be stitched with the next window.
KEPT_BYTES = 256 << 20


class Remembered:
    """An operator that keeps its results, to give them again for the same patch.

    Windows change how results are stitched, not what they are. A model in it is asked for no classes.

    >>> calls = []
    >>> double = Remembered(lambda x: (calls.append(1), x * 2)[1])
    >>> double(np.ones(3)), double(np.ones(3)), len(calls)
    (array([2., 2., 2.]), array([2., 2., 2.]), 1)
    """

    def __init__(self, operator: Callable[..., Array]) -> None:
        self._operator = operator
        self._kept: dict[bytes, Array] = {}
        self._bytes = 0
        self.wants_mask = wants_mask(operator)
        self.wants_position = wants_position(operator)

    def __call__(self, data: Array | dict[str, Array], *position: object) -> Array:
        """Operate, or remember."""
        digest = hashlib.blake2b(str(position).encode(), digest_size=16)
        for array in data.values() if isinstance(data, dict) else (data,):
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(np.ma.getdata(array).tobytes())
            digest.update(np.ma.getmaskarray(array).tobytes() if self.wants_mask else b"")
        key = digest.digest()
        known = self._kept.get(key)
        if known is not None:
            return known.copy()
        result = self._operator(data, *position)
        if isinstance(result, np.ndarray) and self._bytes + result.nbytes <= KEPT_BYTES:
            self._kept[key] = result.copy()
            self._bytes += result.nbytes
        return result


@dataclass(frozen=True)
class Manner:
    """What all trials have in common: how large patches are, what is read for them, and how they are run."""

    size: tuple[int, int]
    reading: Reading = field(default=Reading())
    aggregation: str = "overlap-add"
    batch_size: int = 1

    def run(
        self, area: RasterField, operator: Callable[..., Array], step: tuple[int, int] | None, window: str
    ) -> Reconstruction:
        """Run an operator over a piece of a raster."""
        return reconstruct(
            area,
            operator,
            size=self.size,
            step=step,
            margin=self.reading.margin,
            output_scale=self.reading.scale,
            window=window,
            aggregation=self.aggregation,
            batch_size=self.batch_size,
            progress=False,
        )


@dataclass
class Measured:
    """What was measured of one choice, over all samples.

    Of labels it is counted how many cells were ``compared`` with the reference, and how many are
    ``differing``; ``labels`` is whether values are such names, `None` to decide by looking.
    """

    labels: bool | None = None
    compared: int = 0
    differing: int = 0
    samples: dict[int, list[tuple[Samples, Samples]]] = field(default_factory=dict)
    operate_s: float = 0.0
    stitch_s: float = 0.0
    patches: int = 0

    def take(self, result: Reconstruction, reference: Array) -> None:
        """Measure the seams of a result against a reference ``(bands, h, w)``, and note what it cost."""
        grid = result.domain.grid_shape
        raster = ArrayRaster(result.array, result.domain, grid)
        borders = borders_of(result.plan.anchors, grid)
        whole = Box.of_shape(grid)
        for band in range(min(result.domain.n_bands, BANDS)):
            cells = raster.read(whole, [band])[0]
            known = np.isfinite(cells) & np.isfinite(reference[band])
            labels = is_labels(result.domain, cells[known], band) if self.labels is None else self.labels
            if labels:
                self.compared += int(np.count_nonzero(known))
                self.differing += int(np.count_nonzero(known & (cells != reference[band])))
            control = Control(_reader(reference[band]), labels)
            rows, cols = (
                sample(_reader(cells), borders, axis, grid, labels=labels, control=control) for axis in (0, 1)
            )
            self.samples.setdefault(band, []).append((rows, cols))
        seconds = result.stats.seconds
        self.operate_s += seconds.get("operate", 0.0)
        self.stitch_s += seconds.get("accumulate", 0.0) + seconds.get("finalise", 0.0)
        self.patches += result.stats.patches

    @property
    def disagreement(self) -> float:
        """The share of cells whose label is another one than in the reference; NaN of quantities."""
        return self.differing / self.compared if self.compared else float("nan")

    def seams(self) -> Seams:
        """Return the seams of the band that shows them most."""
        bands = []
        for band, pairs in self.samples.items():
            rows, cols = (_joined([pair[axis] for pair in pairs]) for axis in (0, 1))
            bands.append(summarise(rows, cols, f"band {band + 1}"))
        return max(bands, key=lambda each: surely(each.strongest))


def areas_of(
    source: PixelSource, extent: tuple[int, int], samples: int, unit: int = 1
) -> Iterator[RasterField]:
    """Yield pieces of a raster, of a height and width, that hold data, spread over it.

    Where the raster is smaller they are as large as multiples of ``unit`` may be.
    """
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, not {samples}")
    height, width = source.domain.grid_shape
    tall, wide = (
        min(length, max(unit, length // unit * unit), side)
        for length, side in zip((height, width), extent, strict=True)
    )
    seen: set[Box] = set()
    for index in range(samples * TRIES):
        row = int((0.5 + index * 0.7548776662) % 1.0 * (height - tall + 1))
        col = int((0.5 + index * 0.5698402910) % 1.0 * (width - wide + 1))
        box = Box(row, row + tall, col, col + wide)
        if box in seen:
            continue
        seen.add(box)
        pixels = source.read(box)
        valid = source.valid(box, pixels)
        known = np.isfinite(pixels) if valid is None and pixels.dtype.kind != "V" else valid
        if known is None or known.any():
            yield held_part(source, pixels, box)
            samples -= 1
        if not samples:
            return


def reference_of(area: RasterField, operator: Callable[..., Array], manner: Manner) -> Array:
    """Return what the operator makes of an area in patches that begin an eighth of a patch further in.

    Their borders meet none of those of steps of a half, a quarter or the whole of a patch. Shaped
    ``(bands, h, w)`` like the result over all of the area, NaN where the reference does not reach.
    """
    shape, unit = area.domain.grid_shape, manner.reading.scale.denominator
    eighths = [max(1, side // (8 * unit)) * unit for side in manner.size]
    first = [min(eighth, length - unit) for eighth, length in zip(eighths, shape, strict=True)]
    inner = Box(first[0], shape[0], first[1], shape[1])
    part = held_part(area.source, area.source.read(inner), inner)
    result = manner.run(part, operator, None, "hann")
    made = result.domain.grid_shape
    raster = ArrayRaster(result.array, result.domain, made)
    cells = np.full((result.domain.n_bands, *manner.reading.made(shape)), np.nan)
    cells[:, -made[0] :, -made[1] :] = raster.read(Box.of_shape(made), range(result.domain.n_bands))
    # What lies beyond its first row and column is not what lies there in the area: none of it is compared.
    rows, cols = manner.reading.made(
        tuple(start + wide for start, wide in zip(first, manner.reading.margin, strict=True))
    )
    cells[:, :rows] = cells[:, :, :cols] = np.nan
    return cells


def _reader(cells: Array) -> Callable[[Box], Array]:
    return lambda box: cells[box.slices()]


def _joined(parts: Sequence[Samples]) -> Samples:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.join(part, whole.axis)
    return whole
