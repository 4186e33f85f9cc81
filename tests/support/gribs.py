"""Small GRIB files."""

from __future__ import annotations

import numpy as np
import pytest


def write_grib(path):
    """Write temperatures at 2 m, some of them missing, and wind at 10 m, of two days; return the fields."""
    eccodes, rng = pytest.importorskip("eccodes"), np.random.default_rng(3)
    fields = {
        (name, day): rng.normal(280, 9, (30, 40)) for name in ("2t", "10u") for day in (20240101, 20240102)
    }
    fields["2t", 20240101][:5, :6] = 9999
    with path.open("wb") as file:
        for (name, day), values in fields.items():
            message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
            said = {
                "Ni": 40,
                "Nj": 30,
                "latitudeOfFirstGridPointInDegrees": 50.0,
                "latitudeOfLastGridPointInDegrees": 47.1,
                "longitudeOfFirstGridPointInDegrees": 5.0,
                "longitudeOfLastGridPointInDegrees": 8.9,
                "iDirectionIncrementInDegrees": 0.1,
                "jDirectionIncrementInDegrees": 0.1,
                "dataDate": day,
                "dataTime": 0,
                "typeOfLevel": "heightAboveGround",
                "level": 2 if name == "2t" else 10,
                "shortName": name,
                "bitsPerValue": 24,
                "bitmapPresent": 1,
                "missingValue": 9999,
            }
            for key, value in said.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, values.ravel())
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)
    return fields
