"""Leading dimensions in a ledger: all of them come back, and what is damaged is a plain error."""

import json

import numpy as np
import pytest

from geopatcher.core.leading import Dimension
from geopatcher.core.leading_json import leading_from_json, leading_to_json

LEADING = (
    Dimension.of(
        "time", np.array(["2024-01-03", "2024-01-08T10:20"], "M8[ns]"), (("standard_name", "time"),)
    ),
    Dimension.of("level", np.array([850.5, np.inf], "f4")),
    Dimension.of("good", np.array([True, False])),
    Dimension("band", 2, ("B04", "grün"), "str"),
    Dimension("member", 3),
)


def test_all_comes_back():
    text = json.dumps(leading_to_json(LEADING), allow_nan=False)
    assert leading_from_json(json.loads(text)) == LEADING
    assert leading_from_json([]) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"length": 0},
        {"length": "2"},
        {"length": 3},
        {"values": [1, "x"]},
        {"values": None},
        {"values": [None, 2]},
        {"dtype": "rubbish"},
        {"dtype": "O"},
        {"name": None},
        {"attributes": 3},
    ],
)
def test_what_is_damaged_is_refused(change):
    record = json.loads(json.dumps(leading_to_json(LEADING)))
    record[0] |= change
    with pytest.raises(ValueError, match="is|could not"):
        leading_from_json(record)
    with pytest.raises(ValueError, match="no list of dimensions"):
        leading_from_json({})
