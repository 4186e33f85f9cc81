"""What is used of an array with named dimensions, whatever keeps it; xarray is not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy as np
    from affine import Affine

    from geopatcher.fields.georeference import Attributes

Indexers: TypeAlias = "Mapping[Hashable, slice | int]"


class Labels(Protocol):
    """What is known of an array with named dimensions; its values are not asked for, but of coordinates."""

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names of the dimensions, in order."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Their lengths."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    @property
    def coords(self) -> Mapping[Hashable, Labels]:
        """Coordinates by name."""
        ...

    @property
    def attrs(self) -> Attributes:
        """Attributes."""
        ...

    @property
    def encoding(self) -> Attributes:
        """How it was stored."""
        ...


@runtime_checkable
class LabelledArray(Labels, Protocol):
    """What is used of an `xarray.DataArray` (its values apart, which reading would load)."""

    @property
    def coords(self) -> Mapping[Hashable, LabelledArray]:
        """Coordinates by name."""
        ...

    @property
    def name(self) -> Hashable:
        """What it is called, or ``None``."""
        ...

    def isel(self, indexers: Indexers) -> LabelledArray:
        """Return a part, lazily."""
        ...

    def transpose(self, *dims: Hashable) -> LabelledArray:
        """Return it with its dimensions in another order, lazily."""
        ...

    def copy(self) -> LabelledArray:
        """Return an independent copy; lazy data stays lazy."""
        ...


class Rio(Protocol):
    """What is used of rioxarray's accessor."""

    @property
    def crs(self) -> object:
        """Coordinate reference system or ``None``."""
        ...

    @property
    def nodata(self) -> float | int | None:
        """Value of missing cells."""
        ...

    def write_crs(self, crs: str) -> HasRio:
        """Return it with a CRS."""
        ...

    def write_transform(self, transform: Affine) -> HasRio:
        """Return it with a transform."""
        ...


@runtime_checkable
class HasRio(Protocol):
    """A `DataArray` after rioxarray was imported."""

    @property
    def rio(self) -> Rio:
        """The accessor."""
        ...
