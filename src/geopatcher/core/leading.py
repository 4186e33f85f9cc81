"""Leading dimensions: what the bands of a raster are along, such as times and wavelengths.

Inside, all bands of a raster are one axis, the last leading dimension running fastest. Here is what that axis
is made of: names, lengths and coordinates, which travel with the domain from a source to its result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.core.arrays import Array
    from geopatcher.core.metadata import Tags

#: A label, as JSON and zarr hold it.
Label: TypeAlias = "str | int | float | bool"
#: Names of leading dimensions, or names with labels, ``None`` for those of the source.
OutputDims: TypeAlias = "Iterable[str] | Mapping[str, Sequence[object] | None]"
#: What the only leading dimension of a raster is called where nobody says it, or the last one.
BAND = "band"
#: Names that rows and columns of a result have.
PLANE = ("y", "x")
#: CF units of time, the coarsest first, in nanoseconds.
TICKS_NS = {
    "days": 86_400_000_000_000,
    "hours": 3_600_000_000_000,
    "minutes": 60_000_000_000,
    "seconds": 1_000_000_000,
    "milliseconds": 1_000_000,
    "microseconds": 1_000,
    "nanoseconds": 1,
}


@dataclass(frozen=True, slots=True)
class Dimension:
    """A leading dimension: its name, its length, and the labels along it, if there are any.

    ``values`` are labels as CF stores them: dates are numbers, and ``attributes`` have their units.
    """

    name: str
    length: int
    values: tuple[Label, ...] = ()
    dtype: str = ""
    attributes: Tags = ()

    def __post_init__(self) -> None:
        if self.values and len(self.values) != self.length:
            raise ValueError(
                f"the dimension {self.name!r} is {self.length} long and has {len(self.values)} labels: "
                f"give one for each, or none"
            )

    @classmethod
    def of(cls, name: str, labels: Array, attributes: Tags = ()) -> Dimension:
        """Return a dimension with labels of any dtype; dates of NumPy become numbers with units.

        Raises
        ------
        TypeError
            Labels are neither numbers, nor texts, nor dates.

        Examples
        --------
        >>> time = Dimension.of("time", np.array(["2024-01-03", "2024-01-08"], "M8[ns]"))
        >>> time.values, dict(time.attributes)["units"]
        ((19725, 19730), 'days since 1970-01-01')

        """
        labels = np.asarray(labels)
        if labels.dtype.kind in "Mm":
            labels, attributes = _counted(labels, attributes)
        elif labels.dtype.kind not in "biuf":
            if not all(isinstance(label, str) for label in labels.tolist()):
                raise TypeError(
                    f"labels of the dimension {name!r} are {labels.dtype}: take numbers, texts or dates"
                )
            return cls(name, len(labels), tuple(map(str, labels.tolist())), "str", attributes)
        return cls(name, len(labels), tuple(labels.tolist()), labels.dtype.newbyteorder("=").str, attributes)

    def labels(self) -> Array | None:
        """Return the labels as they are stored, ``None`` where there are none."""
        if not self.values:
            return None
        return np.array(self.values, np.dtypes.ObjectDType() if self.dtype == "str" else self.dtype)

    def picked(self, places: Sequence[int]) -> Dimension:
        """Return the dimension of some places along it."""
        values = tuple(self.values[place] for place in places) if self.values else ()
        return Dimension(self.name, len(places), values, self.dtype, self.attributes)


#: All that a raster has, the slowest first.
Leading: TypeAlias = tuple[Dimension, ...]


def lengths_of(leading: Leading) -> tuple[int, ...]:
    """Return the lengths of leading dimensions."""
    return tuple(dimension.length for dimension in leading)


def text_of(leading: Leading) -> str:
    """Return names and lengths for people.

    >>> text_of((Dimension("time", 12), Dimension("band", 4)))
    'time: 12, band: 4'
    """
    return ", ".join(f"{dimension.name}: {dimension.length}" for dimension in leading)


def check_leading(leading: Leading, n_bands: int) -> None:
    """Refuse dimensions that do not make up so many bands, or of which two have one name.

    Raises
    ------
    ValueError
        Names them.

    """
    names = [dimension.name for dimension in leading]
    if math.prod(lengths_of(leading)) != n_bands:
        raise ValueError(f"leading dimensions ({text_of(leading)}) do not make up {n_bands} band(s)")
    if len({*names, *PLANE}) < len(names) + len(PLANE):
        raise ValueError(
            f"leading dimensions are called {', '.join(names)}: each needs a name of its own, and "
            f"{' and '.join(PLANE)} are those of rows and columns"
        )


def at_each_place(leading: Leading, picked: Sequence[int]) -> tuple[int, ...]:
    """Return which bands are meant, counted from 0, by numbers along the last leading dimension.

    >>> at_each_place((Dimension("time", 3), Dimension("band", 4)), [3, 1])
    (3, 1, 7, 5, 11, 9)
    """
    inner = leading[-1].length
    outer = math.prod(lengths_of(leading[:-1]))
    return tuple(place * inner + band for place in range(outer) for band in picked)


def leading_of_picked(leading: Leading, picked: Sequence[int]) -> Leading:
    """Return the dimensions of some bands: none where these are not the same at each place.

    >>> both = (Dimension("time", 2), Dimension("band", 3))
    >>> text_of(leading_of_picked(both, (2, 0, 5, 3))), leading_of_picked(both, (0, 1, 2))
    ('time: 2, band: 2', ())
    """
    if not leading:
        return ()
    own = tuple(picked[: len(picked) // math.prod(lengths_of(leading[:-1]))])
    if not own or max(own) >= leading[-1].length or at_each_place(leading, own) != tuple(picked):
        return ()
    return (*leading[:-1], leading[-1].picked(own))


def unnamed(lengths: Sequence[int]) -> Leading:
    """Return dimensions of an array without names; the last one has the bands. None where there is but one.

    >>> [dimension.name for dimension in unnamed((12, 2, 4))], unnamed((4,))
    (['dim_0', 'dim_1', 'band'], ())
    """
    if len(lengths) < 2:
        return ()
    names = [*(f"dim_{axis}" for axis in range(len(lengths) - 1)), BAND]
    return tuple(map(Dimension, names, lengths))


def plain(leading: Leading) -> Leading:
    """Return no dimensions in place of one of bands that says nothing of them."""
    return () if len(leading) == 1 and leading[0] == Dimension(BAND, leading[0].length) else leading


def named_by(said: OutputDims) -> Leading:
    """Return what a user calls leading dimensions: names, or names with labels. Lengths not told are 0.

    Raises
    ------
    TypeError, ValueError
        They are no names, or two are the same.

    Examples
    --------
    >>> [dimension.name for dimension in named_by(("time", "class"))]
    ['time', 'class']
    >>> named_by({"class": ["water", "forest"]})[0].values
    ('water', 'forest')

    """
    labels: Mapping[str, object] = said if isinstance(said, Mapping) else {}
    names = [said] if isinstance(said, str) else list(said)
    if not all(isinstance(name, str) and name for name in names):
        raise TypeError(f'output_dims are names of dimensions, such as ("time", "class"), not {said!r:.80}')
    if len({*names, *PLANE}) < len(names) + len(PLANE):
        raise ValueError(
            f"output_dims are the leading dimensions of what an operator returns, those before rows and "
            f"columns, each with a name of its own: not {names}"
        )
    found = []
    for name in names:
        given = labels.get(name)
        found.append(Dimension(name, 0) if given is None else Dimension.of(name, np.asarray(given)))
    return tuple(found)


def leading_of_result(source: Leading, lengths: tuple[int, ...], said: Leading | None) -> Leading:
    """Return the dimensions of what an operator returns, ``lengths`` long, for a source with others.

    What is ``said`` stands above all. Else as many of the same lengths are the same; one that became 1 keeps
    its name; those that are left where some are gone are found by their lengths; and one that is another
    altogether has the bands.

    Raises
    ------
    ValueError
        It cannot be known which they are, or what is said is not what there is.

    Examples
    --------
    >>> source = (Dimension("time", 12), Dimension("band", 4))
    >>> [text_of(leading_of_result(source, lengths, None)) for lengths in ((12, 4), (4,), (1, 4), (7,))]
    ['time: 12, band: 4', 'band: 4', 'time: 1, band: 4', 'band: 7']
    >>> text_of(leading_of_result(source, (12, 9), named_by(("time", "class"))))
    'time: 12, class: 9'

    """
    if said is not None:
        return _as_said(source, lengths, said)
    if lengths == lengths_of(source):
        return source
    if len(lengths) == len(source) > 1:
        pairs = list(zip(source, lengths, strict=True))
        if all(length in (1, one.length) for one, length in pairs) and set(lengths) != {1}:
            return tuple(
                one if length == one.length else Dimension(one.name, length) for one, length in pairs
            )
    fitting = [some for some in itertools.combinations(source, len(lengths)) if lengths_of(some) == lengths]
    if len(fitting) == 1:
        return fitting[0]
    if len(lengths) == 1 and not fitting:
        return (Dimension(BAND, lengths[0]),)
    names = ", ".join(f"({text_of(some)})" for some in fitting) or "none of them"
    what = "leading dimension" if len(lengths) == 1 else f"{len(lengths)} leading dimensions"
    raise ValueError(
        f"{what} of {'x'.join(map(str, lengths))}; of the source's ({text_of(source)}) that may be {names}: "
        f'say what they are by output_dims, such as output_dims=("time", "class") (--output-dims time,class)'
    )


def _as_said(source: Leading, lengths: tuple[int, ...], said: Leading) -> Leading:
    if len(said) != len(lengths):
        raise ValueError(
            f"{len(lengths)} leading dimension(s) of {'x'.join(map(str, lengths)) or 'none'}, and "
            f"output_dims name {len(said)}: {', '.join(one.name for one in said)}"
        )
    known = {one.name: one for one in source}
    found = []
    for one, length in zip(said, lengths, strict=True):
        if one.values and one.length != length:
            raise ValueError(
                f"the dimension {one.name!r} is {length} long, and output_dims give {one.length} labels"
            )
        same = known.get(one.name)
        kept = same is not None and same.length == length and not one.values
        found.append(
            same if kept and same is not None else one if one.values else Dimension(one.name, length)
        )
    return tuple(found)


def _in_nanoseconds(dates: Array, kind: str) -> Array | None:
    """Return dates or durations in nanoseconds; ``None`` where NumPy refuses to, as newer releases do."""
    try:
        fine: Array = dates.astype(kind)
    except OverflowError:
        return None
    return fine


def _counted(dates: Array, attributes: Tags) -> tuple[Array, Tags]:
    """Return dates or durations as numbers, and the attributes that say so: exact, in the coarsest unit.

    Missing ones make floats of all.
    """
    absolute = dates.dtype.kind == "M"
    missing = np.isnat(dates)
    fine = _in_nanoseconds(dates, "M8[ns]" if absolute else "m8[ns]")
    if fine is None or (fine.astype(dates.dtype) != dates)[~missing].any():
        raise ValueError(
            f"dates of {dates.dtype} do not fit into nanoseconds since 1970: give numbers or texts"
        )
    ticks = fine.astype(np.int64)
    held = ticks[~missing]
    unit = next(name for name, length in TICKS_NS.items() if not (held % length).any())
    count = ticks // TICKS_NS[unit]
    own = [(name, value) for name, value in attributes if name not in ("units", "calendar", "dtype")]
    own.append(("units", f"{unit} since 1970-01-01" if absolute else unit))
    own.append(("calendar", "proleptic_gregorian") if absolute else ("dtype", "timedelta64[ns]"))
    return (np.where(missing, np.nan, count) if missing.any() else count), tuple(own)
