"""A `ResultSpec` as JSON, and back: what a resumed run needs to go on without asking the operator first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.ledger.lines import number_from_json, number_to_json

if TYPE_CHECKING:
    from geopatcher.ledger.lines import Json, Record


def spec_to_json(spec: ResultSpec) -> Record:
    """Return everything of a spec."""
    domain = spec.domain
    return {
        "shape": list(domain.shape),
        "transform": [number_to_json(float(value)) for value in domain.transform[:6]],
        "crs": domain.crs,
        "nodata": number_to_json(domain.nodata),
        "dtype": domain.dtype.str,
        "band_names": list(domain.band_names),
        "units": list(domain.units),
        "chunks": list(spec.chunks),
        "fill": number_to_json(spec.fill),
        "layers": {
            name: [layer.dtype.str, number_to_json(layer.fill)] for name, layer in spec.layers.items()
        },
        "codec": spec.codec,
        "shards": None if spec.shards is None else list(spec.shards),
        "multiscales": spec.multiscales,
        "overview": spec.overview,
    }


def spec_from_json(record: Json) -> ResultSpec:
    """Return the spec `spec_to_json` was given.

    Raises
    ------
    ValueError
        Something is missing or of another kind.

    Examples
    --------
    >>> spec = ResultSpec(RasterDomain((2, 30, 40), crs="EPSG:4326"), chunks=(16, 16), fill=0)
    >>> spec_from_json(spec_to_json(spec)) == spec
    True

    """
    if not isinstance(record, dict):
        raise ValueError(f"the record of the result is damaged: {record!r:.80} is not an object")  # noqa: TRY004
    try:
        domain = RasterDomain(
            shape=tuple(map(int, record["shape"])),
            transform=Affine(*map(float, record["transform"])),
            crs=None if record["crs"] is None else str(record["crs"]),
            nodata=number_from_json(record["nodata"]),
            dtype=np.dtype(str(record["dtype"])),
            band_names=tuple(map(str, record["band_names"])),
            units=tuple(map(str, record["units"])),
        )
        return ResultSpec(
            domain=domain,
            chunks=_pair(record["chunks"]),
            fill=_number(record["fill"]),
            layers={
                str(name): LayerSpec(np.dtype(str(dtype)), _number(fill))
                for name, (dtype, fill) in record["layers"].items()
            },
            codec=str(record["codec"]),
            shards=None if record["shards"] is None else _pair(record["shards"]),
            multiscales=record["multiscales"] is True,
            overview=str(record["overview"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the record of the result is damaged: {type(error).__name__}: {error}") from error


def _number(value: Json) -> float | int:
    number = number_from_json(value)
    if number is None:
        raise ValueError("a number is missing")
    return number


def _pair(value: Json) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r} is not a pair of numbers")
    rows, cols = value
    if not (isinstance(rows, int) and isinstance(cols, int) and rows > 0 and cols > 0):
        raise ValueError(f"{value!r} is not a pair of positive whole numbers")
    return rows, cols
