"""Several rasters over one place in one array: each pixel of the first is a record of all of them.

NumPy's structured arrays are what slices several arrays alike. So all that is done to pixels of one raster on
their way to an operator (cutting, mirroring, joining rows) is done to those of several by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.leading import lengths_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from geopatcher.core.arrays import Array
    from geopatcher.core.leading import Leading

    #: Where a plane of a raster lies in its records, and in its own pixels.
    Plane: TypeAlias = "tuple[tuple[int, int, int], tuple[slice, slice]]"


#: What the field of a raster's pixels is called, before its number.
_PIXELS = "pixels "


@dataclass(frozen=True)
class Member:
    """One of several rasters, as it lies in records.

    Parameters
    ----------
    name
        What the operator is given it by.
    bands
        How many it has.
    dtype
        Of its pixels.
    finer
        ``(rows, columns)`` of its pixels in one of the first raster.
    coarser
        ``(rows, columns)`` of pixels of the first in one of its own, each of which holds it.
    marked
        Whether something beside NaN says which pixels are missing.
    band_names
        A name for each band, or none.
    leading
        Dimensions that make up the bands, where it has several: an operator is given it with them.

    """

    name: str
    bands: int
    dtype: np.dtype
    finer: tuple[int, int] = (1, 1)
    coarser: tuple[int, int] = (1, 1)
    marked: bool = False
    band_names: tuple[str, ...] = ()
    leading: Leading = ()

    @property
    def has_gaps(self) -> bool:
        """Whether pixels may be missing."""
        return self.marked or self.dtype.kind == "f"

    @property
    def pixel_bytes(self) -> int:
        """What an operator is given of it for a pixel of the first raster, at most."""
        return self.bands * self.finer[0] * self.finer[1] * self.dtype.itemsize

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return ``(bands, h, w)`` of its own pixels over ``(h, w)`` of the first's."""
        rows, cols = (
            length * fine // coarse
            for length, fine, coarse in zip(shape[-2:], self.finer, self.coarser, strict=True)
        )
        return (self.bands, rows, cols)

    def given(self, pixels: Array) -> Array:
        """Return ``(..., bands, h, w)`` with its leading dimensions in the place of bands."""
        return pixels.reshape(
            *pixels.shape[:-3], *(lengths_of(self.leading) or (self.bands,)), *pixels.shape[-2:]
        )

    def planes(self) -> Iterator[Plane]:
        """Yield each band, and of a finer raster each place within a pixel of the first."""
        rows, cols = self.finer
        for band in range(self.bands):
            for row in range(rows):
                for col in range(cols):
                    yield (band, row, col), (slice(row, None, rows), slice(col, None, cols))


@dataclass(frozen=True)
class Packing:
    """How several rasters lie in one array of records.

    Examples
    --------
    >>> both = Packing((Member("s2", 2, np.dtype("u2")), Member("dem", 1, np.dtype("f4"), finer=(2, 2))))
    >>> records = np.zeros((1, 3, 5), both.dtype)
    >>> both.put(records, 1, np.ones((1, 6, 10), "f4"), None)
    >>> {name: array.shape for name, array in both.unpacked(records).items()}
    {'s2': (2, 3, 5), 'dem': (1, 6, 10)}

    """

    members: tuple[Member, ...]

    @cached_property
    def dtype(self) -> np.dtype:
        """Of a record: the pixels of each raster, and which of them are there where they do not say so."""
        fields: list[tuple[str, np.dtype, tuple[int, ...]]] = []
        for number, member in enumerate(self.members):
            shape = (member.bands, *member.finer)
            fields.append((_pixels(number), member.dtype, shape))
            if member.marked:
                fields.append((_marks(number), np.dtype(np.bool_), shape))
        return np.dtype(fields, align=True)

    @property
    def leading(self) -> Leading:
        """Dimensions of the first raster that has several, which those of a result may be; else none."""
        return next((member.leading for member in self.members if member.leading), ())

    @property
    def given_bytes(self) -> int:
        """What an operator is given for a pixel of the first raster."""
        return sum(member.pixel_bytes for member in self.members)

    @property
    def has_gaps(self) -> bool:
        """Whether pixels may be missing."""
        return any(member.has_gaps for member in self.members)

    def put(self, records: Array, number: int, pixels: Array, known: NDArray[np.bool_] | None) -> None:
        """Write the pixels of one raster into records.

        Parameters
        ----------
        records
            ``(1, h, w)``.
        number
            Which raster.
        pixels
            ``(bands, h, w)`` on the grid of the first, or as many times finer as the raster is.
        known
            Where they hold data; ``None`` is everywhere.

        """
        member = self.members[number]
        for plane, (rows, cols) in member.planes():
            records[_pixels(number)][(0, ..., *plane)] = pixels[plane[0], rows, cols]
            if member.marked:
                marks = True if known is None else known[plane[0], rows, cols]
                records[_marks(number)][(0, ..., *plane)] = marks

    def known(self, records: Array, *, either: bool) -> NDArray[np.bool_] | None:
        """Return where records hold data, ``(1, h, w)``: in all bands of all rasters, or in any of them.

        ``None`` is everywhere.
        """
        if not self.has_gaps or (either and not all(member.has_gaps for member in self.members)):
            return None
        found = np.full(records.shape, not either)
        combine = np.logical_or if either else np.logical_and
        for number, member in enumerate(self.members):
            for plane, _ in member.planes() if member.has_gaps else ():
                combine(found, self._known(records, number, plane), out=found)
        return None if found.all() else found

    def _known(self, records: Array, number: int, plane: tuple[int, int, int]) -> NDArray[np.bool_]:
        member, where = self.members[number], (..., *plane)
        known: NDArray[np.bool_] | None = records[_marks(number)][where] if member.marked else None
        if member.dtype.kind == "f":
            numbers = ~np.isnan(records[_pixels(number)][where])
            known = numbers if known is None else known & numbers
        return np.ones(records.shape, np.bool_) if known is None else known

    def unpacked(self, records: Array, *, masked: bool = False) -> dict[str, Array]:
        """Return the pixels of each raster by its name, copied.

        Parameters
        ----------
        records
            ``(1, h, w)``, which begins where pixels of coarser rasters do.
        masked
            Whether they are masked arrays, masked where a pixel is missing.

        Returns
        -------
        dict
            ``(bands, h, w)`` each, or ``(time, bands, h, w)`` and alike; of finer and coarser rasters as many
            rows and columns as they have there.

        """
        return {name: arrays[0] for name, arrays in self.batch([records], masked=masked).items()}

    def blank(self, shape: tuple[int, int]) -> dict[str, Array]:
        """Return NaN for each raster in a patch of ``(h, w)``; integers become floats for it."""
        return {
            member.name: member.given(
                np.full(member.shape(shape), np.nan, np.result_type(member.dtype, np.float32))
            )
            for member in self.members
        }

    def batch(self, patches: Sequence[Array], *, masked: bool = False) -> dict[str, Array]:
        """Return the pixels of several patches of one shape, ``(n, bands, h, w)`` of each raster."""
        return {
            member.name: self._batch(number, patches, masked=masked)
            for number, member in enumerate(self.members)
        }

    def _batch(self, number: int, patches: Sequence[Array], *, masked: bool) -> Array:
        member = self.members[number]
        made = np.empty((len(patches), *member.shape(patches[0].shape)), member.dtype)
        missing = np.zeros(made.shape, np.bool_) if masked else None
        first = tuple(slice(None, None, step) for step in member.coarser)
        for patch, pixels in enumerate(patches):
            records = pixels[:, *first]
            for plane, (rows, cols) in member.planes():
                part = (patch, plane[0], rows, cols)
                made[part] = records[_pixels(number)][(0, ..., *plane)]
                if missing is not None and member.has_gaps:
                    missing[part] = ~self._known(records, number, plane)[0]
        return member.given(made if missing is None else np.ma.array(made, mask=missing))

    def check(
        self,
        shape: tuple[int, int],
        size: tuple[int, int],
        step: tuple[int, int] | None,
        margin: tuple[int, int],
        boundary: str,
    ) -> None:
        """Refuse patches that begin or end within a pixel of a coarser raster, all in pixels of the first.

        Raises
        ------
        ValueError
            Names the raster, and what its pixels take.

        """
        for member in self.members:
            units = member.coarser
            if units == (1, 1):
                continue
            what = {"size": size, "step": step or (1, 1), "margin": margin}
            if boundary in ("cover", "shrink"):
                what["the raster's height and width"] = shape
            wrong = [
                f"{name} {lengths[0]}x{lengths[1]}"
                for name, lengths in what.items()
                if any(length % unit for length, unit in zip(lengths, units, strict=True))
            ]
            if wrong:
                raise ValueError(
                    f"a pixel of {member.name} is {units[0]}x{units[1]} of {self.members[0].name}, and "
                    f"patches have to begin and end with one, for native={member.name!r}: {', '.join(wrong)} "
                    f"is no multiple of it. Choose others, or leave it out of native to have it on the grid "
                    f"of {self.members[0].name}"
                )


def padded_records(records: Array, widths: Sequence[tuple[int, int]], value: float | int) -> Array:
    """Return records with more around them, of pixels of ``value`` that are marked as missing."""
    shape = tuple(length + sum(more) for length, more in zip(records.shape, widths, strict=True))
    made = np.zeros(shape, records.dtype)
    for name in records.dtype.names or ():
        if name.startswith(_PIXELS):
            made[name] = value
    where = tuple(slice(before, before + n) for n, (before, _) in zip(records.shape, widths, strict=True))
    made[where] = records
    return made


def turned_records(records: Array, rows: NDArray[np.bool_], cols: NDArray[np.bool_]) -> Array:
    """Turn, in rows and columns that are mirrored, what a finer raster has in a pixel; in place."""
    for name in records.dtype.names or ():
        field = records[name]
        if field.shape[-2] > 1 and rows.any():
            field[:, rows] = field[:, rows][..., ::-1, :].copy()
        if field.shape[-1] > 1 and cols.any():
            field[:, :, cols] = field[:, :, cols][..., ::-1].copy()
    return records


def _pixels(number: int) -> str:
    return f"{_PIXELS}{number}"


def _marks(number: int) -> str:
    return f"marks {number}"
