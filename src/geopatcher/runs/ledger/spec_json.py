"""A `ResultSpec` as JSON, and back: what a resumed run needs to go on without asking the operator first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.accumulators.casting import fits
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.domain_json import domain_arguments, domain_to_json
from geopatcher.core.json_values import (
    dtype_from_json,
    list_from_json,
    number_to_json,
    required_number,
    text_from_json,
    whole_from_json,
)
from geopatcher.core.metadata_json import metadata_from_json, metadata_to_json
from geopatcher.core.scaling import Scaling
from geopatcher.targets.codecs import check_codec

if TYPE_CHECKING:
    from geopatcher.core.json_values import Json, Record

#: What each ledger says of the domain.
DOMAIN = ("shape", "transform", "crs", "nodata", "dtype", "band_names", "units")


def spec_to_json(spec: ResultSpec) -> Record:
    """Return everything of a spec."""
    return {
        **domain_to_json(spec.domain),
        "chunks": list(spec.chunks),
        "fill": number_to_json(spec.fill),
        "layers": {
            name: [layer.dtype.str, number_to_json(layer.fill), layer.bands, metadata_to_json(layer.metadata)]
            for name, layer in spec.layers.items()
        },
        "codec": spec.codec,
        "shards": None if spec.shards is None else list(spec.shards),
        "multiscales": spec.multiscales,
        "overview": spec.overview,
        "masked": spec.masked,
        "checksum": spec.checksum,
        "scaling": None if spec.scaling is None else _scaling_to_json(spec.scaling),
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
        told = {name: record[name] for name in DOMAIN}
        told |= {name: record[name] for name in ("metadata", "leading") if name in record}  # of earlier ones
        domain = RasterDomain(**domain_arguments(told))  # type: ignore[arg-type] # each is of its kind
        spec = ResultSpec(
            domain=domain,
            chunks=_pair(record["chunks"]),
            fill=required_number(record["fill"]),
            layers={str(name): _layer(*list_from_json(known)) for name, known in record["layers"].items()},
            codec=text_from_json(record["codec"]),
            shards=None if record["shards"] is None else _pair(record["shards"]),
            multiscales=record["multiscales"] is True,
            overview=text_from_json(record["overview"]),
            masked=_flag(record["masked"]),
            checksum=_flag(record["checksum"]),
            scaling=_scaling(record.get("scaling")),  # earlier ones had none
        )
        _check(spec)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the record of the result is damaged: {type(error).__name__}: {error}") from error
    return spec


def _layer(dtype: Json, fill: Json, *more: Json) -> LayerSpec:
    """Return a layer; those of earlier ledgers have neither bands nor metadata."""
    bands, metadata = more or (0, {})
    return LayerSpec(
        dtype_from_json(dtype), required_number(fill), whole_from_json(bands, 0), metadata_from_json(metadata)
    )


def _scaling_to_json(scaling: Scaling) -> Json:
    ends: list[Json] = [number_to_json(scaling.low), number_to_json(scaling.high)]
    return [*ends, scaling.first, scaling.last, scaling.nodata]


def _scaling(record: Json) -> Scaling | None:
    if record is None:
        return None
    low, high, *numbers = list_from_json(record)
    first, last, nodata = (whole_from_json(number, -(2**31)) for number in numbers)
    found = Scaling(float(required_number(low)), float(required_number(high)), first, last, nodata)
    if not (found.low < found.high and first < last):
        raise ValueError(f"the record of the result is damaged: {record!r:.80} is no range")
    return found


def _check(spec: ResultSpec) -> None:
    """Refuse a codec that is not known, and values that their dtype cannot hold."""
    check_codec(spec.codec)
    values = [(dtype, fill) for _, dtype, fill in spec.arrays().values()]
    if spec.domain.nodata is not None:
        values.append((spec.domain.dtype, spec.domain.nodata))
    for dtype, value in values:
        if dtype.kind in "iuf" and not fits(dtype, value):
            raise ValueError(f"the record of the result is damaged: {value!r:.40} is no {dtype}")


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - the file is wrong
    return value


def _pair(value: Json) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r:.80} is not a pair of numbers")
    return whole_from_json(value[0], 1), whole_from_json(value[1], 1)
