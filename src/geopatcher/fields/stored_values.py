"""What stored cells stand for, as the attributes of their array say: signed or not, and which mean "missing".

Of CF (https://cfconventions.org, section 2.5.1) and of the NetCDF User's Guide, whose ``_Unsigned`` and
``valid_range`` it takes over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.georeference import missing_of

if TYPE_CHECKING:
    from geopatcher.core.arrays import Array
    from geopatcher.fields.georeference import Attributes

Number: TypeAlias = "float | int"

#: A bound in units of scaled values is this near to one of stored integers.
NEAR = 1e-6


@dataclass(frozen=True)
class StoredValues:
    """How cells are to be taken.

    Parameters
    ----------
    kind
        The dtype that their bits are taken for, where that is not the stored one.
    missing
        Values that mean "missing": cells become the first of them.
    valid
        Lowest and highest value that is data, both included; all others are missing.

    Examples
    --------
    >>> said = {"_FillValue": 0, "missing_value": 9, "valid_range": [1, 5]}
    >>> values = StoredValues.of(said, np.dtype("int16"), ranged=True)
    >>> values.plain(np.array([0, 1, 5, 6, 9], "int16")).tolist()
    [0, 1, 5, 0, 0]

    """

    kind: np.dtype | None = None
    missing: tuple[Number, ...] = ()
    valid: tuple[Number, Number] | None = None

    @classmethod
    def of(cls, attributes: Attributes, stored: np.dtype, *, ranged: bool) -> StoredValues:
        """Return what attributes say of cells of a dtype; ``ranged`` is whether valid ranges are heeded.

        They are in units of what is stored, and nobody who computes with an array looks after them.
        """
        taken = taken_for(attributes, stored)
        if taken.kind not in "iuf":
            return cls()
        kind = None if taken == stored else taken.newbyteorder("=")
        known = [_viewed(value, stored, kind) for value in missing_of(attributes, stored)]
        possible = [value for value in known if exact_nodata(value, taken) is not None]
        missing = tuple(possible or known[:1])
        valid = _valid(attributes, stored, kind) if ranged else None
        if valid is not None and not possible:
            missing = (_beyond(valid, taken),)
        return cls(kind, missing, valid)

    def dtype(self, stored: np.dtype) -> np.dtype:
        """Return the dtype of cells that are taken so."""
        return stored if self.kind is None else self.kind

    def plain(self, cells: Array) -> Array:
        """Return cells as what they are taken for, all that is missing as one value."""
        if self.kind is not None:
            cells = cells.astype(cells.dtype.newbyteorder("="), copy=False).view(self.kind)
        out = np.zeros(cells.shape, np.bool_) if self.valid or len(self.missing) > 1 else None
        if out is None:
            return cells
        for value in self.missing[1:]:
            out |= cells == cells.dtype.type(value)
        if self.valid is not None:
            out |= (cells < self.valid[0]) | (cells > self.valid[1])  # NaN is neither, and stays
        made: Array = np.where(out, cells.dtype.type(self.missing[0]), cells) if out.any() else cells
        return made


#: Those of cells that stand for themselves.
PLAIN = StoredValues()


def taken_for(attributes: Attributes, stored: np.dtype) -> np.dtype:
    """Return the dtype of integers, signed or not as ``_Unsigned`` says.

    >>> taken_for({"_Unsigned": "true"}, np.dtype("int8")), taken_for({}, np.dtype("int8"))
    (dtype('uint8'), dtype('int8'))
    """
    said = str(attributes.get("_Unsigned", "")).lower()
    kind = {("i", "true"): "u", ("u", "false"): "i"}.get((stored.kind, said), stored.kind)
    return stored if kind == stored.kind else np.dtype(f"{stored.byteorder}{kind}{stored.itemsize}")


def _viewed(value: Number, stored: np.dtype, kind: np.dtype | None) -> Number:
    """Return what a stored value is where its bits are taken for another dtype."""
    if kind is None:
        return value
    limits = np.iinfo(stored)
    if not limits.min <= value <= limits.max:
        return value
    return int(np.asarray(value, stored.newbyteorder("=")).view(kind))


def _valid(attributes: Attributes, stored: np.dtype, kind: np.dtype | None) -> tuple[Number, Number] | None:
    """Return the lowest and highest value that is data; ``None`` where nothing sound is said of it.

    Of floats whole numbers say nothing: they are those of integers that once were unpacked into these.
    """
    both = _numbers(attributes.get("valid_range"))
    if len(both) != 2:
        both = [
            (_numbers(attributes.get(key)) or [end])[0]
            for key, end in (("valid_min", -math.inf), ("valid_max", math.inf))
        ]
    if stored.kind == "f":
        low, high = (float(value) for value in both)
        is_said = all(isinstance(value, float) for value in both) and (low, high) != (-math.inf, math.inf)
        return (low, high) if is_said and low <= high else None
    if all(isinstance(value, int) or math.isinf(value) for value in both):
        low, high = (value if math.isinf(value) else _viewed(value, stored, kind) for value in both)
    else:
        low, high = _packed(both, attributes)
    limits = np.iinfo(stored if kind is None else kind)
    if not low <= high:  # NaN, too
        return None
    low, high = max(low, limits.min), min(high, limits.max)
    return (
        None if (low, high) == (limits.min, limits.max) else (math.ceil(low - NEAR), math.floor(high + NEAR))
    )


def _packed(both: list[Number], attributes: Attributes) -> tuple[float, float]:
    """Return bounds of scaled values as stored integers: so floats are taken where there is a scale."""
    scale, offset = (
        (_numbers(attributes.get(key)) or [default])[0]
        for key, default in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    low, high = ((value - offset) / scale if scale else value for value in both)
    return (low, high) if scale >= 0 else (high, low)


def _numbers(value: object) -> list[Number]:
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    listed = plain if isinstance(plain, list | tuple) else [plain]
    return [each for each in listed if isinstance(each, int | float) and not isinstance(each, bool)]


def _beyond(valid: tuple[Number, Number], dtype: np.dtype) -> Number:
    """Return a value that is no data."""
    if dtype.kind == "f":
        return math.nan
    limits = np.iinfo(dtype)
    return int(limits.max) if valid[1] < limits.max else int(limits.min)
