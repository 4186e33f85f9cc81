"""Arrays of a zarr store with their dimension names, coordinates and attributes, as xarray reads them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.errors import SourceError
from geopatcher.fields.stored_values import taken_for
from geopatcher.fields.zarr_places import BESIDE, dims_of
from geopatcher.formats.chunk_guard import read_cells

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    import zarr

    from geopatcher.core.protocols import Array
    from geopatcher.fields.georeference import Attributes
    from geopatcher.fields.zarr_places import Place

#: What codecs and parsers raise for bytes they cannot make sense of.
CORRUPT = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    AttributeError,
    ArithmeticError,
    zlib.error,
)
#: What attributes that say where an array lies begin with.
PLACES = ("proj:", "spatial:")
#: Ways to say one and the same thing.
SYSTEMS = ("proj:code", "proj:wkt2", "proj:projjson", "proj:epsg")
GRIDS = ("spatial:transform", "spatial:bbox", "spatial:shape", "proj:transform", "proj:shape")


@dataclass(frozen=True, eq=False)
class StoredLabels:
    """A zarr array as `geopatcher.fields.labelled_grid.Labels`; its cells are read by `numpy.asarray`.

    ``array`` is what is stored, ``attrs`` what holds for it: of its groups, and its own.
    """

    array: zarr.Array
    dims: tuple[Hashable, ...]
    attrs: Attributes
    coords: Mapping[Hashable, StoredLabels] = field(default_factory=dict)
    encoding: Attributes = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions."""
        return tuple(map(int, self.array.shape))

    @cached_property
    def dtype(self) -> np.dtype:
        """Of the cells, signed or not as ``_Unsigned`` says."""
        return taken_for(self.attrs, np.dtype(self.array.dtype))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Read everything.

        Raises
        ------
        ValueError
            A chunk cannot be decoded.

        """
        _ = copy
        try:
            cells = read_cells(self.array, (...,))
        except CORRUPT as error:
            raise ValueError(f"the array {self.array.name} is damaged: {error}") from error
        if cells.dtype.kind in "iu":  # signed or not as the attributes say
            cells = cells.view(self.dtype)
        return cells.astype(dtype or self.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Opened:
    """A group of a store, or the one an array is in.

    ``above`` are the attributes of the groups it is in, nearest first, with its path in each.
    """

    arrays: Mapping[str, zarr.Array]
    place: Place
    attributes: Attributes = field(default_factory=dict)
    above: Sequence[tuple[Attributes, str]] = ()
    groups: Sequence[str] = ()

    @cached_property
    def rasters(self) -> list[str]:
        """Names of arrays that may be rasters: they have rows and columns, and belong to no other one."""
        said = [self.attributes, *(dict(array.attrs) for array in self.arrays.values())]
        beside = {name for attributes in said for name in _named(attributes)}
        flat = [name for name, array in self.arrays.items() if len(array.shape) >= 2]
        return sorted(name for name in flat if name not in beside and name not in dims_of(self.arrays[name]))

    @property
    def finest(self) -> str | None:
        """Path of the level the others are made of, where the convention ``multiscales`` is used."""
        layout = _layout(self.attributes)
        first = [entry for entry in layout if "derived_from" not in entry] or layout
        return str(first[0].get("asset")) if first else None

    def labelled(self, name: str) -> StoredLabels:
        """Return an array with all that holds for it."""
        array = self.place.renewed(self.arrays[name])
        dims, own = dims_of(array), dict(array.attrs)
        coords: dict[Hashable, StoredLabels] = {
            key: StoredLabels(each, dims_of(each), dict(each.attrs))
            for key, each in self.arrays.items()
            if key != name and len(each.shape) <= 2 and set(dims_of(each)) <= set(dims)
        }
        known = _over(self._inherited(name), own) | _fill(array)
        if known.get("grid_mapping", "spatial_ref") not in coords:
            mappings = [key for key, each in coords.items() if _is_mapping(each)]
            known |= {"grid_mapping": mappings[0]} if len(mappings) == 1 else {}
        return StoredLabels(array, dims, known, coords)

    def _inherited(self, name: str) -> dict[Hashable, object]:
        """Return what groups say of an array in them: the one it is in, and those whose levels these are."""
        known: dict[Hashable, object] = {}
        for attributes, path in reversed(self.above):
            for entry in _layout(attributes):
                if entry.get("asset") in (path, f"{path}/{name}"):
                    said = _placing(attributes, ("proj:", "spatial:dimensions", "spatial:registration"))
                    known = _over(_over(known, said), _placing(entry, PLACES))
        known = _over(known, self.attributes)
        for entry in _layout(self.attributes):
            if entry.get("asset") == name:
                known = _over(known, _placing(entry, PLACES))
        return known


def open_node(place: Place, wanted: str) -> tuple[Opened, str | None]:
    """Open a place in a store: a group, or the one an array is in and the name of that array.

    ``wanted`` is the array of a group that is asked for.

    Raises
    ------
    SourceError
        It is neither a group nor an array, or cannot be read.

    """
    whole = place.resolved()
    try:
        node = whole.node()
        if isinstance(node, load("zarr").Group):
            return _opened(whole, wanted), None
        above = whole.parents
        if above:
            return _opened(above[0], whole.name), whole.name
        return Opened(_sound({whole.name: node}), whole), whole.name
    except SourceError:
        raise
    except (*CORRUPT, load("zarr.errors").BaseZarrError) as error:
        raise SourceError(f"cannot open {place} as a zarr store: {type(error).__name__}: {error}") from error


def _opened(place: Place, wanted: str) -> Opened:
    above: list[tuple[Attributes, str]] = []
    path = place.name
    for parent in place.parents:
        above.append((dict(parent.group().attrs), path))
        path = f"{parent.name}/{path}"
    attributes, arrays = dict(place.group().attrs), _sound(dict(place.arrays(wanted)))
    return Opened(arrays, place, attributes, above, place.groups())


def _sound(arrays: dict[str, zarr.Array]) -> dict[str, zarr.Array]:
    """Refuse arrays whose attributes are no JSON object, which zarr takes as they are."""
    for name, array in arrays.items():
        if not isinstance(array.metadata.attributes, Mapping):
            raise TypeError(f"the attributes of {name} are no object: {array.metadata.attributes!r:.40}")
    return arrays


def _fill(array: zarr.Array) -> dict[Hashable, object]:
    """Return what zarr v2 fills with, which stands for missing there, and in v3 does not."""
    if array.metadata.zarr_format != 2 or array.fill_value is None or array.dtype.kind not in "iuf":
        return {}
    return {"_FillValue": np.asarray(array.fill_value).item()}


def _is_mapping(array: StoredLabels) -> bool:
    keys = ("grid_mapping_name", "crs_wkt", "spatial_ref", "GeoTransform")
    return not array.shape and not array.attrs.keys().isdisjoint(keys)


def _layout(attributes: Attributes) -> list[Mapping[str, object]]:
    """Return what the convention ``multiscales`` says of levels; nothing where it is not used."""
    said = attributes.get("multiscales")
    layout = said.get("layout") if isinstance(said, Mapping) else None
    return [entry for entry in layout if isinstance(entry, Mapping)] if isinstance(layout, list) else []


def _placing(
    attributes: Mapping[str, object] | Attributes, prefixes: tuple[str, ...]
) -> dict[Hashable, object]:
    return {name: value for name, value in attributes.items() if str(name).startswith(prefixes)}


def _over(base: Attributes, top: Attributes) -> dict[Hashable, object]:
    """Return attributes with others above them: a CRS, or a place, stands above any way to say another."""
    hidden = {name for ways in (SYSTEMS, GRIDS) if not top.keys().isdisjoint(ways) for name in ways}
    return {name: value for name, value in base.items() if name not in hidden} | dict(top)


def _named(attributes: Attributes) -> Iterator[str]:
    """Yield the names of arrays that attributes call something beside another one."""
    for key in BESIDE:
        said = attributes.get(key)
        if isinstance(said, str):
            yield from (name.strip(":") for name in said.split())
