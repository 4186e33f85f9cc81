"""From the coordinates of pixel centres to a transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher.core.metadata import Ground
from geopatcher.fields.coordinate_units import unit_of
from geopatcher.formats.attributes import metadata_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.fields.georeference import Attributes
    from geopatcher.fields.labelled import Labels

#: Evenly spaced means: no coordinate is further than this from its place, in pixels.
EVEN_PX = 0.05
#: Coordinates whose dtype cannot say it better may be this far from it.
COARSE_PX = 0.5
#: A stored transform is kept where it meets the coordinates this closely, in pixels.
SAME_PX = 1e-3
#: Most values of a coordinate that are read: what holds them would otherwise be as large as a header says.
MAX_VALUES = 2**26


@dataclass(frozen=True)
class Centres:
    """Where the centres of pixels lie along an axis; ``noise`` is how exactly their dtype can say so."""

    name: Hashable
    values: Array
    noise: float

    def agrees(self, stored: tuple[float, float]) -> bool:
        """Whether they are those of a step and a start, which is the corner of the first pixel."""
        step, start = stored
        index = np.arange(len(self.values)) + 0.5
        off = float(np.abs(start + step * index - self.values).max())
        return off <= max(SAME_PX * abs(step), 2 * self.noise)

    def step(self, stored: tuple[float, float] | None) -> float | None:
        """Return the distance from pixel to pixel; ``None`` of one pixel of which nothing else is known.

        Raises
        ------
        ValueError
            There is no such distance.

        """
        values, count = self.values, len(self.values)
        if not np.isfinite(values).all():
            raise ValueError(
                f"the coordinate {self.name!r} has values that are not finite: drop it, or fill them in"
            )
        if count == 1 or (stored is not None and self.agrees(stored)):
            return None if stored is None or stored[0] == 0 else stored[0]
        step = float((values[-1] - values[0]) / (count - 1))
        off = float(np.abs(values[0] + step * np.arange(count) - values).max())
        if step == 0 or off > max(EVEN_PX * abs(step), min(2 * self.noise, COARSE_PX * abs(step))):
            raise ValueError(
                f"the coordinate {self.name!r} is not evenly spaced: one of its {count} values is "
                f"{off:g} away from a grid of {step:g}; resample to a regular grid, or drop the coordinate"
            )
        return step

    def corner(self, step: float, stored: tuple[float, float] | None) -> float:
        """Return where the first pixel begins."""
        if stored is not None and self.agrees(stored):
            return stored[1]
        return float(self.values[0]) - step / 2


def along(array: Labels, dim: Hashable) -> list[tuple[Hashable, Labels]]:
    """Return the coordinates of a dimension alone, the one of its name first."""
    own = [(dim, array.coords[dim])] if dim in array.coords else []
    return own + [(name, each) for name, each in array.coords.items() if name != dim and each.dims == (dim,)]


def values_along(array: Labels, dim: Hashable, name: Hashable) -> Array:
    """Return the values of a coordinate, which is read only if there is one for each place of its dimension.

    Raises
    ------
    ValueError
        It has other values than that, or more than are read.

    """
    coordinate, length = array.coords[name], array.shape[array.dims.index(dim)]
    if tuple(coordinate.shape) != (length,):
        raise ValueError(
            f"the coordinate {name!r} has the shape {tuple(coordinate.shape)}, and its dimension {dim!r} is "
            f"{length:,} long: write it again, or drop it"
        )
    if length > MAX_VALUES:
        raise ValueError(
            f"the coordinate {name!r} has {length:,} values, and more than {MAX_VALUES:,} are not read: give "
            f"the array a transform, and drop the coordinate"
        )
    return np.asarray(coordinate)


def centres_of(
    array: Labels, dim: Hashable, names: Sequence[str], mapping: Attributes, crs: str | None
) -> Centres | None:
    """Return the coordinate of a dimension, or one along it that has one of these names, in units of the CRS.

    Raises
    ------
    ValueError
        It is not as long as the dimension, or longer than is read, or its units are not those of anything.

    """
    for name, coordinate in along(array, dim):
        called = (str(name).lower(), str(coordinate.attrs.get("standard_name", "")).lower())
        if name == dim or not set(called).isdisjoint(names):
            values = values_along(array, dim, name)
            if values.dtype.kind in "iuf":
                found = _decoded(name, values, coordinate.attrs)
                unit = unit_of(coordinate.attrs, found.values, mapping, crs)
                return Centres(name, found.values * unit, found.noise * unit) if unit != 1 else found
    return None


def _decoded(name: Hashable, values: Array, attributes: Attributes) -> Centres:
    """Return centres that may be stored as integers with a scale and an offset."""
    said = metadata_of(attributes, 1, Ground()).bands
    scale, offset = (said[0].scale, said[0].offset) if said else (1.0, 0.0)
    plain = values.astype(float)
    noise = np.finfo(values.dtype).eps * np.abs(plain).max(initial=0.0) if values.dtype.kind == "f" else 0.0
    return Centres(name, plain * scale + offset, float(noise * abs(scale)))


def affine_of(xs: Centres, ys: Centres, stored: Affine | None) -> Affine:
    """Return the transform of coordinates; exactly the stored one where they agree.

    Of one row or column only the centre is known. Its size is that of the stored transform, or else its
    pixels are taken to be squares, north up.

    Raises
    ------
    ValueError
        The coordinates are not evenly spaced, or are those of a single pixel.

    """
    if stored is not None and (stored.b != 0 or stored.d != 0):
        return stored
    across = None if stored is None else (stored.a, stored.c)
    down = None if stored is None else (stored.e, stored.f)
    a, e = xs.step(across), ys.step(down)
    if a is None and e is None:
        raise ValueError(
            f"the coordinates {xs.name!r} and {ys.name!r} of a single pixel do not tell how large it is: "
            f"give the array a transform, for example with .rio.write_transform, or drop the coordinates"
        )
    width = abs(e or 0.0) if a is None else a
    height = -abs(width) if e is None else e
    return Affine(width, 0.0, xs.corner(width, across), 0.0, height, ys.corner(height, down))
