from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.runs.ledger.spec_json import spec_from_json, spec_to_json
from ledgers import SPEC


def test_every_field_of_a_spec_is_written_down_and_comes_back():
    plain = ResultSpec(RasterDomain((4, 5)), (16, 16), 0)
    for field in dataclasses.fields(ResultSpec):
        assert getattr(SPEC, field.name) != getattr(plain, field.name), "the test must use another value"
    for field in dataclasses.fields(RasterDomain):
        assert getattr(SPEC.domain, field.name) != getattr(plain.domain, field.name)
    for spec in (SPEC, plain):
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec), allow_nan=False))) == spec


def test_nan_as_nodata_comes_back():
    domain = dataclasses.replace(SPEC.domain, nodata=math.nan, dtype=np.dtype("float64"))
    spec = dataclasses.replace(SPEC, domain=domain, fill=math.nan)
    back = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert math.isnan(back.fill)
    assert math.isnan(back.domain.nodata)


@pytest.mark.parametrize("key", list(spec_to_json(SPEC)))
@pytest.mark.parametrize("value", ["missing", None, [], {}, "rubbish", [1, "x"], {"a": 1}, -1])
def test_a_damaged_spec_is_a_plain_error(key, value):
    record = dict(spec_to_json(SPEC))
    if value == "missing":
        del record[key]
    else:
        record[key] = value
    try:
        back = spec_from_json(record)
    except ValueError:
        return
    assert back != SPEC  # another value that happens to mean something
