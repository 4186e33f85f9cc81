"""One call of an operator: what it is given of a batch of patches, and what it may return."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.engine.results import NoArrayError, as_array, described
from geopatcher.errors import OperatorError
from geopatcher.operators.positioning import Position
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.packing import Packing
    from geopatcher.core.protocols import Array
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.lateness import Limit


@dataclass
class Calls:
    """How an operator is called, and what its results must be.

    Of several rasters, which lie in pixels by a ``packing``, it is given a dict with an array of each.
    With ``batched`` it is given ``(n, bands, h, w)``, always. ``lengths`` are those of the leading dimensions
    of a patch, which it sees as they are: none of one that is ``(h, w)``, ``None`` of one of bands.
    ``masked`` says that it is given masked arrays; with a ``grid`` it is told
    where on it the patch lies, or each patch of the batch; ``again`` says that a call that failed may be
    tried again, with the pixels of before.

    ``reading`` says how many rows and columns it is shown around each patch, what it makes of which is left
    out, and how much finer its results are. With a margin they may be smaller by a ``border`` on each side
    than what is made of all that was shown, as those of valid convolutions are, pixels of the result; how
    much that is shows at the first.
    """

    operator: Callable[..., object]
    name: str
    source_name: str
    batched: bool = False
    lengths: tuple[int, ...] | None = None
    masked: bool = False
    grid: RasterDomain | None = None
    corner: tuple[int, int] = (0, 0)
    again: bool = False
    limit: Limit | None = None
    reading: Reading = field(default=Reading())
    packing: Packing | None = None
    border: int | None = field(default=None, init=False)

    def call(self, batch: Sequence[Cut]) -> object:
        """Return what the operator returns, whatever that is; with a ``limit``, in time."""
        if self.limit is None:
            return self._call(batch)
        with self.limit([cut.anchor for cut in batch]):
            return self._call(batch)

    def _call(self, batch: Sequence[Cut]) -> object:
        if self.border:  # of what was moved in at the raster's edge there would be no result
            batch = [cut.surrounded(self.reading.margin) for cut in batch]
        given = self._given_of(batch) if self.packing is None else self._arrays_of(batch, self.packing)
        if self.grid is None:
            return self.operator(given)
        positions = tuple(Position.of(self.grid, cut.shown.shift(*self.corner)) for cut in batch)
        return self.operator(given, positions if self.batched else positions[0])

    def _given_of(self, batch: Sequence[Cut]) -> Array:
        """Return what the operator sees of patches of one raster."""
        patches = [self._given(cut) for cut in batch]
        if not self.batched:
            return patches[0]
        return np.ma.stack(patches) if self.masked else np.stack(patches)

    def _arrays_of(self, batch: Sequence[Cut], packing: Packing) -> Mapping[str, Array]:
        """Return what it sees of patches of several rasters: an array of each."""
        pixels = [cut.pixels for cut in batch]
        if not self.batched:
            return packing.unpacked(pixels[0], masked=self.masked)
        return packing.batch(pixels, masked=self.masked)

    def _given(self, cut: Cut) -> Array:
        """Return what the operator sees of a patch: always memory of its own, which it may write into."""
        pixels = cut.pixels
        if self.again or (cut.inner is not None and self.border is None):
            pixels = pixels.copy()  # there may be another call, and this one may write into them
        if self.masked:
            pixels = np.ma.array(pixels, mask=False if cut.valid is None else ~cut.valid)
        return pixels if self.lengths is None else pixels.reshape(*self.lengths, *pixels.shape[-2:])

    def discovers_border(self, batch: Sequence[Cut], returned: object) -> bool:
        """Look for a border at the first result; whether there is one that takes another call.

        That is where the patches were moved in at the raster's edge: then their margins are mirrored there.
        """
        if batch[0].inner is None or self.border is not None:
            return False
        try:
            border = self._border_of(batch[0], as_array(returned))
        except NoArrayError:
            return False  # which `results` refuses
        if border is None or border > self._widest:
            return False
        self.border = border
        return border > 0 and any(cut.surrounded(self.reading.margin) is not cut for cut in batch)

    @property
    def _widest(self) -> int:
        """The widest border that leaves all of a patch."""
        return min(self.reading.made(self.reading.margin))

    def _border_of(self, shown: Cut, result: Array) -> int | None:
        return _border(self.reading.made(shown.pixels.shape[-2:]), result.shape[-2:])

    def results(self, batch: Sequence[Cut], returned: object) -> Sequence[Array]:
        """Return the result of each patch, as large as its box, ``(h, w)`` or with any leading dimensions.

        Raises
        ------
        OperatorError
            What the operator returned is no such array; says what it is.

        """
        first = batch[0]
        try:
            made = as_array(returned)
        except NoArrayError as error:
            which = f"a batch of {len(batch)} patches" if self.batched else "the patch"
            raise OperatorError(
                f"{self.name} returned {error.what} for {which} {self._at(first)}: {error.advice}"
            ) from error
        if self.batched and made.shape[:1] != (len(batch),):
            raise OperatorError(
                f"{self.name} returned {described(returned, made)} for a batch of {len(batch)} patches "
                f"{self._at(first)}: its first axis must be the batch, as in what it was given"
            )
        results = list(made) if self.batched else [made]
        shown = first.surrounded(self.reading.margin) if self.border else first
        # Several arrays in a tuple are no array of one more dimension.
        several = isinstance(returned, tuple | list) and results[0].ndim > 3
        if results[0].ndim < 2 or several or not self._fits(shown, results[0]):
            what = described(results[0] if self.batched else returned, results[0])
            raise OperatorError(f"{self.name} returned {what} for {self._misfit(shown, results[0])}")
        if first.inner is None:
            return results
        return [self._core(cut, result) for cut, result in zip(batch, results, strict=True)]

    def _fits(self, shown: Cut, result: Array) -> bool:
        if shown.inner is None:  # neither margin nor scale: quickly, as this is asked for every patch
            return result.shape[-2:] == shown.pixels.shape[-2:]
        return self._border_of(shown, result) == (self.border or 0)

    def _misfit(self, shown: Cut, result: Array) -> str:
        """Return what to say of a result that is not as large as what is made of what was shown."""
        pixels = shown.pixels.shape[-2:]
        height, width = self.reading.made(pixels)
        border = self._border_of(shown, result) if result.ndim >= 2 else None
        margin = f" with a margin of {_by(self.reading.margin)}" if any(self.reading.margin) else ""
        wanted = "(h, w) or (bands, h, w) of the same height and width"
        if self.border:
            wanted = f"height and width smaller by {self.border} on each side, as before"
        elif self.reading.scale != 1:
            wanted = f"(h, w) or (bands, h, w), {height}x{width} for output_scale={self.reading.scale}"
        if border and not self.border:
            needed = math.ceil(border / self.reading.scale)
            wanted += (
                f", or have margin={needed} (--margin {needed}) of pixels read around each patch, as its "
                f"results are smaller by {border} on each side"
            )
        scale = _scale(pixels, result.shape[-2:]) if result.ndim >= 2 else None
        if scale is not None and self.reading.scale == 1:
            wanted += f", or have output_scale={str(scale) if scale >= 1 else repr(str(scale))}"
        return (
            f"the patch of {pixels[0]}x{pixels[1]} pixels{margin} {self._at(shown)}: it must return {wanted}"
        )

    def _core(self, cut: Cut, result: Array) -> Array:
        """Return what a result has of the patch itself."""
        if cut.inner is None:
            return result
        rows, cols = cut.inner
        first = self.reading.margin if self.border else (rows.start, cols.start)
        row, col = (start - (self.border or 0) for start in self.reading.made(first))
        core: Array = result[..., row : row + cut.box.height, col : col + cut.box.width]
        return core

    def _at(self, cut: Cut) -> str:
        return f"at {cut.box} of {self.source_name}"


def _border(shown: tuple[int, ...], made: tuple[int, ...]) -> int | None:
    """Return by how much a result is smaller on each side than what it was made from.

    ``None`` when it is not by the same on all of them.

    >>> _border((10, 12), (10, 12)), _border((10, 12), (6, 8)), _border((10, 12), (6, 9))
    (0, 2, None)
    """
    if len(made) != 2:
        return None
    less = [before - after for before, after in zip(shown, made, strict=True)]
    return less[0] // 2 if less[0] == less[1] >= 0 and less[0] % 2 == 0 and min(made) > 0 else None


def _scale(shown: tuple[int, ...], made: tuple[int, ...]) -> Fraction | None:
    """Return how much finer a result is than what it was made from, ``None`` when it is neither.

    >>> _scale((8, 12), (16, 24)), _scale((8, 12), (2, 3)), _scale((8, 12), (8, 11))
    (Fraction(2, 1), Fraction(1, 4), None)
    """
    rows, cols = (Fraction(after, before) for before, after in zip(shown, made, strict=True))
    return rows if rows == cols and rows not in (0, 1) and 1 in (rows.numerator, rows.denominator) else None


def _by(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
