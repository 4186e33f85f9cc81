"""The files of one item of a catalogue as one raster: bands of any pixel size, less what a mask hides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.errors import SourceError
from geopatcher.fields.composing import held_in
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.late_file import LateScene
from geopatcher.fields.noticed import NOTICED
from geopatcher.fields.warping import MANNER
from geopatcher.formats.local_files import is_elsewhere
from geopatcher.formats.side_by_side import READS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geopatcher.core.arrays import Array
    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.metadata import Tags
    from geopatcher.fields.late_file import LateFile
    from geopatcher.fields.warping import Cells

#: ``(rows, columns)`` that are warped in one go.
TILE = (512, 512)


@dataclass(frozen=True)
class Missing:
    """Which pixels are missing: where a file holds one of these classes, or has one of these bits set.

    Raises
    ------
    SourceError
        It is said to hold something else than whole numbers, or no pixel of it can have one of these.

    """

    file: LateFile
    classes: tuple[int, ...]
    bits: tuple[int, ...]

    def __post_init__(self) -> None:
        dtype = self.file.domain.dtype
        if dtype.kind not in "iu":
            raise SourceError(f"{self.file.name} holds {dtype}, and a mask holds whole numbers")
        limits = np.iinfo(dtype)
        classes = [value for value in self.classes if not limits.min <= value <= limits.max]
        bits = [bit for bit in self.bits if bit >= limits.bits]
        for what, wrong in (("class", classes), ("bit", bits)):
            if wrong:
                raise SourceError(
                    f"{self.file.name} holds {dtype}, whose pixels never have the {what} {wrong[0]} of the "
                    f"mask: take values {limits.min} to {limits.max}, or bits 0 to {limits.bits - 1}"
                )

    def of(self, pixels: Array, held: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return where pixels say "missing", or hold nothing."""
        said: NDArray[np.bool_] = np.isin(pixels, np.array(self.classes, pixels.dtype))
        if self.bits:
            plain = pixels.view(f"u{pixels.dtype.itemsize}")
            said |= (plain & plain.dtype.type(sum(1 << bit for bit in self.bits))) != 0
        known = held_in(pixels, held)
        return said if known is None else said | ~known


@dataclass(frozen=True)
class Meaning:
    """What values of a band mean: ``scale * value + offset``, worked out in double precision."""

    scale: float = 1.0
    offset: float = 0.0

    def of(self, pixels: Array, dtype: np.dtype) -> Array:
        """Return what pixels mean."""
        if (self.scale, self.offset) == (1.0, 0.0):
            return pixels
        meant: Array = pixels.astype(np.float64)
        meant *= self.scale
        meant += self.offset
        return meant.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False, repr=False)
class ItemSource:
    """Files of one item as a raster in the pixels of the finest of them.

    ``applied`` are the scales and offsets of bands that `read` applies; ``missing`` is what a mask says.
    """

    name: str
    files_of_bands: tuple[LateFile, ...]
    applied: tuple[Meaning, ...]
    missing: Missing | None
    domain: RasterDomain
    method: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        files: Sequence[LateFile],
        meanings: Sequence[Meaning],
        missing: Missing | None,
        *,
        scaled: bool,
        names: tuple[str, ...],
        units: tuple[str, ...],
        tags: Tags,
        method: str | None,
    ) -> ItemSource:
        """Put files on the grid of the finest."""
        finest = min((file.domain for file in files), key=lambda domain: abs(domain.transform.determinant))
        dtype = np.result_type(*(file.domain.dtype for file in files))
        values = {str(file.domain.nodata) for file in files}
        nodata = files[0].domain.nodata if len(values) == 1 else None
        if scaled:
            wide = dtype.itemsize > 4 or (dtype.kind in "iu" and dtype.itemsize > 2)
            dtype, nodata = np.dtype("float64" if wide else "float32"), np.nan
        applied = tuple(meanings) if scaled else tuple(Meaning() for _ in meanings)
        bands = () if scaled else tuple(BandMetadata(meant.scale, meant.offset) for meant in meanings)
        domain = replace(
            finest,
            shape=(len(files), *finest.grid_shape),
            nodata=np.nan if dtype.kind == "f" and nodata is None else nodata,
            dtype=dtype,
            band_names=names,
            units=units if any(units) else (),
            metadata=Metadata(bands, tags),
        )
        return cls(name, tuple(files), applied, missing, domain, method)

    @property
    def block_shape(self) -> tuple[int, int]:
        """What is warped in one go: those of the files are not known before they are opened."""
        return TILE

    @property
    def has_nodata(self) -> bool:
        """Yes: files are not asked for it before their pixels are read."""
        return True

    @property
    def reads_at_once(self) -> int:
        """Several where each waits for a server."""
        return READS_AT_ONCE if any(is_elsewhere(file.path) for file in self._all) else 1

    @property
    def reads_concurrently(self) -> bool:
        """Yes: handles are lent to one thread each."""
        return True

    def on(self, grid: RasterDomain) -> ItemScene:
        """Put it on the grid of a map, on which it may have no pixel.

        Raises
        ------
        SourceError
            It has no place there.

        """
        parts = tuple(LateScene.on(file, grid, self.method) for file in self.files_of_bands)
        mask = None if self.missing is None else LateScene.on(self.missing.file, grid, "nearest")
        boxes = [part.box for part in parts if not part.box.empty] or [Box(0, 0, 0, 0)]
        box = Box(
            min(each.row0 for each in boxes),
            max(each.row1 for each in boxes),
            min(each.col0 for each in boxes),
            max(each.col1 for each in boxes),
        )
        return ItemScene(self, box, parts, mask)

    def select_bands(self, bands: Sequence[int]) -> ItemSource:
        """Return a source of some of its bands, counted from 0."""
        picked = tuple(bands)
        return replace(
            self,
            files_of_bands=tuple(self.files_of_bands[band] for band in picked),
            applied=tuple(self.applied[band] for band in picked),
            domain=self.domain.of_bands(picked),
        )

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)`` on its own grid, NaN in floats where pixels are missing.

        Raises
        ------
        SourceError
            A file cannot be read, or is not what its item says; names it.

        """
        return self._alone.read(box, TILE)[0]

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where integers hold data."""
        return None if pixels.dtype.kind == "f" else self._alone.read(box, TILE)[1]

    def files(self) -> tuple[Path, ...]:
        """Return the local files."""
        return tuple(path for file in self._all for path in file.local_files())

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what is read of the item, and which version it is of every file; signatures are none of it.

        Raises
        ------
        SourceError
            A file that lists others cannot be opened.

        """
        known: dict[str, str | int | float] = {
            "item": self.name,
            "bands": ", ".join(f"{file.name}:{file.index}:{file.missing}" for file in self._all),
            "meaning": str([(meant.scale, meant.offset) for meant in self.applied]),
            "grid": digest_of(*(f"{file.domain.transform[:6]} {file.domain.shape}" for file in self._all)),
            "warped": MANNER,
        }
        if self.missing is not None:
            known["mask"] = f"{self.missing.classes} {self.missing.bits}"
        return known | self._behind.identity()

    def version(self) -> str:
        """Return a text that changes when one of the files does.

        Raises
        ------
        SourceError
            A server does not answer.

        """
        version = self._behind.version()
        NOTICED.take(self.name, self._behind, version)
        return version

    @property
    def _all(self) -> tuple[LateFile, ...]:
        return (*self.files_of_bands, *(() if self.missing is None else (self.missing.file,)))

    @cached_property
    def _behind(self) -> SourceFiles:
        return SourceFiles(tuple(dict.fromkeys(name for file in self._all for name in file.names())))

    @cached_property
    def _alone(self) -> ItemScene:
        return self.on(RasterDomain(self.domain.grid_shape, self.domain.transform, self.domain.crs))


@dataclass(frozen=True)
class ItemScene:
    """An `ItemSource` on the grid of a map: a scene for each band, and one for the mask."""

    source: ItemSource
    box: Box
    parts: tuple[LateScene, ...]
    mask: LateScene | None

    @property
    def density(self) -> float:
        """How many pixels of the finest band lie on one of the map."""
        return max(part.density for part in self.parts)

    @property
    def hides_nothing(self) -> bool:
        """No: files are not asked for it before their pixels are read."""
        return False

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return what blocks of its files lie below the map, as far as they are warped."""
        every = self.parts if self.mask is None else (*self.parts, self.mask)
        return tuple(below for part in every for below in part.blocks_below(tile))

    def select_bands(self, bands: Sequence[int]) -> ItemScene:
        """Return the same with some bands, counted from 0."""
        picked = self.source.select_bands(bands)
        return replace(self, source=picked, parts=tuple(self.parts[band] for band in bands))

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Return pixels ``(bands, h, w)`` of a rectangle of the map, and where they hold data.

        Raises
        ------
        SourceError
            A file cannot be read, or is not what its item says; names it.

        """
        dtype = self.source.domain.dtype
        pixels = empty((len(self.parts), *box.shape), dtype)
        held = np.zeros(pixels.shape, np.bool_)
        for band, (part, meaning) in enumerate(zip(self.parts, self.source.applied, strict=True)):
            inside = part.box.intersect(box)
            if inside != box:
                pixels[band] = 0
            if inside.empty:
                continue
            values, said = part.read(inside, tile)
            where = inside.slices(box)
            known = held_in(values, said)
            held[band][where] = True if known is None else known[0]
            pixels[band][where] = meaning.of(values[0], dtype)
        if self.mask is not None and self.source.missing is not None:
            inside = self.mask.box.intersect(box)
            clear = np.zeros(box.shape, np.bool_)
            if not inside.empty:
                clear[inside.slices(box)] = ~self.source.missing.of(*self.mask.read(inside, tile))[0]
            held &= clear
        if dtype.kind == "f":
            pixels[~held] = np.nan
            return pixels, None
        return pixels, held
