"""What a caller wants of a result, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher import RasterDomain, ScaleTo, SpatialOverlapAdd, Style
from geopatcher.core.leading import Dimension
from geopatcher.engine.output import Output

SOURCE = RasterDomain((1, 20, 30), dtype=np.dtype("uint8"), nodata=0, units=("m",), band_names=("red",))


def spec_of(output, dtype="float32", **more):
    return output.spec(SOURCE, SpatialOverlapAdd(dtype=None), 1, np.dtype(dtype), (8, 8), flat=False, **more)


def test_scaled_numbers_keep_one_for_missing_and_say_what_they_stand_for():
    spec = spec_of(Output(np.dtype("uint8"), scale_to=ScaleTo("uint8", (10, 264))))
    assert (spec.fill, spec.domain.nodata, spec.masked) == (255, 255, False)
    (band,) = spec.domain.metadata.bands
    assert (band.scale, band.offset) == (1, 10)
    assert dict(band.tags)["display_range"] == "0.0 254.0"
    assert spec.domain.units == ()  # those of the source are of other values


def test_nodata_at_an_end_is_taken():
    spec = spec_of(Output(np.dtype("uint8"), nodata=0, scale_to=ScaleTo("uint8", (0, 1))))
    assert (spec.scaling.first, spec.scaling.last, spec.fill) == (1, 255, 0)
    with pytest.raises(ValueError, match="nodata=9 lies among"):
        spec_of(Output(np.dtype("uint8"), nodata=9, scale_to=ScaleTo("uint8", (0, 1))))


def test_the_range_of_a_style_is_told_in_stored_numbers():
    output = Output(np.dtype("int16"), style=Style(range=(0, 1)), scale_to=ScaleTo("int16", (-1, 1)))
    low, high = map(float, dict(spec_of(output).domain.metadata.bands[0].tags)["display_range"].split())
    assert (low, high) == pytest.approx((0, 32767), abs=1e-9)


def test_names_of_the_operator_stand_above_those_of_the_source():
    assert spec_of(Output(), "uint8").domain.band_names == ("red",)
    assert spec_of(Output(), "uint8", called=("ndvi",)).domain.band_names == ("ndvi",)
    assert spec_of(Output(), "uint8", called=("a", "b")).domain.band_names == ("red",)


def test_dimensions_of_another_raster_may_be_those_of_the_result():
    known = (Dimension("time", 2, ("a", "b"), "str"), Dimension("band", 3))
    spec = Output().spec(
        SOURCE, SpatialOverlapAdd(), 6, np.dtype("f4"), (8, 8), flat=False, lengths=(2, 3), known=known
    )
    assert spec.domain.leading == known
