"""From patches to contributions: they are operated on in batches, and what comes back is checked."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from weakref import getweakrefcount

import numpy as np

from geopatcher.core.box import Box
from geopatcher.engine.patch_calls import PatchCalls
from geopatcher.engine.validity import both_count, is_masked_array, known_cells, shaped_like
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.engine.cuts import Cut


class Contribution(NamedTuple):
    """A patch's result and where it belongs.

    ``box`` is the patch's nominal rectangle, ``data`` ``(bands, h, w)`` of that size; the part
    that overhangs the raster is ignored. ``valid`` is shaped like ``data``, ``None`` when all counts;
    ``weights`` is the taper ``(h, w)``, ``None`` for ones. ``flat`` says the result was ``(h, w)``, and
    ``lengths`` are those of the leading dimensions of one that had several, which ``data`` has in one.
    ``present`` is shaped like ``data``, too, and says where the source holds data, ``None`` for
    everywhere: what another patch over the same cells says of them as well. It is ``valid`` itself
    where the cells that count are those.
    """

    box: Box
    data: Array
    valid: Array | None
    weights: Array | None = None
    flat: bool = False
    present: Array | None = None
    lengths: tuple[int, ...] = ()

    def kept(self) -> Contribution:
        """Return it with cells that stay: an operator may write its next result into those it gave.

        Cells that nobody holds any more, but for this, need no copy.
        """
        valid = None if self.valid is None else self.valid.copy()
        present = valid if self.present is self.valid else self.present
        alone = _holders(self) <= _of_one(is_view=self.data.base is not None)
        data = self.data if alone else self.data.copy()
        return self._replace(data=data, valid=valid, present=present)


def _holders(contribution: Contribution) -> int:
    """Return how many references there are to the array whose memory the cells are.

    That of a library, which may be written into without any, counts as held by many; so does one that
    somebody has a weak reference to, which is one for as long as the contribution is there.
    """
    data = contribution.data
    if data.base is None:
        return sys.getrefcount(data) if data.flags.owndata and not getweakrefcount(data) else sys.maxsize
    owner = data.base
    if isinstance(owner, np.ndarray) and owner.base is None and owner.flags.owndata:
        return sys.maxsize if getweakrefcount(owner) else sys.getrefcount(owner)
    return sys.maxsize


def _of_one(*, is_view: bool) -> int:
    """Return what `_holders` returns of a contribution that is the only one, now: debuggers hold, too."""
    if is_view:
        return _holders(Contribution(_CELL, np.zeros((1, 1)).reshape(1, 1, 1), None))
    return _holders(Contribution(_CELL, np.zeros((1, 1, 1)), None))


_CELL = Box(0, 1, 0, 1)


@dataclass
class Operate(PatchCalls["Array", Contribution]):
    """Calls an operator that returns arrays, see `PatchCalls`; cells outside the ``area`` do not count.

    Of an operator that is given masked arrays it alone decides which cells of its result count. ``own_bands``
    says that bands of results may be the source's own, each missing where that is.
    The number of bands and their dtype are fixed by the first result.
    """

    weights: Array | None = None
    own_bands: bool = True
    n_bands: int | None = None
    dtype: np.dtype | None = None
    _made: tuple[int, ...] | None = field(default=None, init=False, repr=False)
    _clipped: dict[tuple[int, int, int, int], Array] = field(default_factory=dict, init=False, repr=False)

    def results(self, batch: Sequence[Cut], returned: object) -> Sequence[Array]:
        """Return the result of each patch, as large as its box.

        Raises
        ------
        OperatorError
            What the operator returned is no such array; says what it is.

        """
        return self._calls.results(batch, returned)

    def kept(self, result: Array) -> Array:
        """Return a copy."""
        return result.copy()

    def n_bytes(self, result: Array) -> int:
        """Return the bytes of its cells."""
        return result.nbytes

    def _taper(self, crop: tuple[slice, slice] | None) -> Array | None:
        """Return the weights of a patch; one cut off at the raster's edge has them cut off alike."""
        if self.weights is None or crop is None:
            return self.weights
        rows, cols = crop
        key = (rows.start, rows.stop, cols.start, cols.stop)
        found = self._clipped.get(key)
        if found is None:
            found = self._clipped[key] = self.weights[crop]
        return found

    def yielded(self, cut: Cut, present: Array | None, result: Array) -> Contribution:
        """Return a patch's result; ``present`` is where its pixels held data before the call."""
        lengths = result.shape[:-2]
        self._require_same(cut, lengths)
        data = self._same_dtype(cut, result.reshape(math.prod(lengths), *result.shape[-2:]))
        valid = present
        if self.masked:
            valid = self._wanted(cut)  # in which the operator alone decides
        elif data.dtype.kind == cut.pixels.dtype.kind == "f":
            # NaN shows, unless the operator filled it; integers have none to show.
            valid = self._of_result(cut, cut.valid)
        plain = data.data if is_masked_array(data) else data
        own = self.own_bands
        counts = both_count(valid, known_cells(data), data.shape, own_bands=own)
        if counts is not None and not counts.any():
            self.stats.blank += present is None or bool(present.any())
        if present is not None:
            present = shaped_like(present, data.shape, own_bands=own)
            if counts is not None and (counts is present or np.array_equal(counts, present)):
                present = counts
        several = lengths if len(lengths) > 1 else ()
        return Contribution(cut.box, plain, counts, self._taper(cut.crop), not lengths, present, several)

    def _require_same(self, cut: Cut, lengths: tuple[int, ...]) -> None:
        """Refuse a result of other leading dimensions than those before."""
        bands = math.prod(lengths)
        if self.n_bands is None:
            self.n_bands = bands
        if self._made is None and self.n_bands == bands:
            self._made = lengths
        elif self.n_bands != bands or self._made != lengths:
            many, before = _counted(lengths), _counted(self._made or (self.n_bands,))
            raise OperatorError(
                f"{self.name} returned {many} for the patch at {cut.box} of {self.source_name} "
                f"and {before} for those before: the number of bands must not change midway"
            )

    def _same_dtype(self, cut: Cut, data: Array) -> Array:
        if self.dtype is not None and data.dtype == self.dtype:
            return data
        if self.dtype is None:
            if data.dtype.kind not in "biuf":
                raise OperatorError(
                    f"{self.name} returned {data.dtype} values for the patch at {cut.box} of "
                    f"{self.source_name}: it must return real numbers or booleans"
                )
            self.dtype = data.dtype
        elif not (np.can_cast(data.dtype, self.dtype) or data.dtype.kind == self.dtype.kind == "f"):
            raise OperatorError(
                f"{self.name} returned {data.dtype} values for the patch at {cut.box} of {self.source_name} "
                f"and {self.dtype} for those before: return the same dtype always, "
                f"for example with .astype({np.promote_types(data.dtype, self.dtype).name!r})"
            )
        return data.astype(self.dtype, copy=False)


def _counted(lengths: tuple[int, ...]) -> str:
    """Return how many bands there are along leading dimensions.

    >>> _counted((3,)), _counted(()), _counted((12, 4))
    ('3 bands', '1 bands', '12x4 bands')
    """
    return f"{'x'.join(map(str, lengths)) or 1} bands"
