"""The domain of a raster as JSON, and the arguments it is made of again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from affine import Affine

from geopatcher.core.config import plain
from geopatcher.core.json_values import (
    dtype_from_json,
    list_from_json,
    number_from_json,
    number_to_json,
    text_from_json,
    whole_from_json,
)
from geopatcher.core.leading_json import leading_from_json, leading_to_json
from geopatcher.core.metadata_json import metadata_from_json, metadata_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geopatcher.core.json_values import Json
    from geopatcher.core.leading import Leading
    from geopatcher.core.metadata import Metadata


@runtime_checkable
class SaysWkt(Protocol):
    """A CRS of pyproj or rasterio."""

    def to_wkt(self) -> str:
        """Return its WKT."""
        ...


class Raster(Protocol):
    """What a `geopatcher.RasterDomain` has."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Bands, if there are, height and width."""
        ...

    @property
    def transform(self) -> Affine:
        """From pixel corners to coordinates."""
        ...

    @property
    def crs(self) -> str | None:
        """As text."""
        ...

    @property
    def nodata(self) -> float | int | None:
        """One value for all bands."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    @property
    def band_names(self) -> tuple[str, ...]:
        """A text per band, or nothing."""
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """A text per band, or nothing."""
        ...

    @property
    def metadata(self) -> Metadata:
        """What it says of itself."""
        ...

    @property
    def leading(self) -> Leading:
        """What the bands are along."""
        ...


def crs_to_json(crs: object) -> Json:
    """Return what says which CRS it is: text and numbers as they are, WKT of a CRS of pyproj or rasterio.

    >>> crs_to_json("EPSG:32633"), crs_to_json(np.int64(4326)), crs_to_json(None)
    ('EPSG:32633', 4326, None)

    Raises
    ------
    TypeError
        It is something else.

    """
    return crs.to_wkt() if isinstance(crs, SaysWkt) else plain(crs)  # type: ignore[return-value]


def domain_to_json(domain: Raster) -> dict[str, Json]:
    """Return everything of a domain, by the names of its parameters."""
    return {
        "shape": list(map(int, domain.shape)),
        "transform": [number_to_json(float(value)) for value in domain.transform[:6]],
        "crs": crs_to_json(domain.crs),
        "nodata": number_to_json(_python_number(domain.nodata)),
        "dtype": domain.dtype.str,
        "band_names": list(domain.band_names),
        "units": list(domain.units),
        "metadata": metadata_to_json(domain.metadata),
        "leading": leading_to_json(domain.leading),
    }


def domain_arguments(record: Mapping[str, Json]) -> dict[str, object]:
    """Return what a domain is made with, of what `domain_to_json` gave or a part of it.

    Raises
    ------
    ValueError
        Something is of another kind.

    """
    return {name: _READERS[name](value) for name, value in record.items()}


def _python_number(value: float | int | None) -> float | int | None:
    return value.item() if isinstance(value, np.generic) else value


def _shape(value: Json) -> tuple[int, ...]:
    return tuple(whole_from_json(length, 1) for length in list_from_json(value))


def _transform(value: Json) -> Affine:
    numbers = [number_from_json(number) for number in list_from_json(value)]
    if len(numbers) != 6 or None in numbers:
        raise ValueError(f"{value!r:.80} is no transform: it has six numbers, a to f")
    return Affine(*(float(number) for number in numbers if number is not None))


def _crs(value: Json) -> str | None:
    return None if value is None else text_from_json(value)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(map(text_from_json, list_from_json(value)))


_READERS: Mapping[str, Callable[[Json], object]] = {
    "shape": _shape,
    "transform": _transform,
    "crs": _crs,
    "nodata": number_from_json,
    "dtype": dtype_from_json,
    "band_names": _texts,
    "units": _texts,
    "metadata": metadata_from_json,
    "leading": leading_from_json,
}
#: The parameters of a domain, in their order.
PARAMETERS = tuple(_READERS)
