"""Statistics put together from tiles, against those of NumPy over everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.targets.cog.statistics import moments_of, tags_of, together


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.booleans())
def test_parts_are_as_good_as_the_whole(seed, n_parts, missing):
    random = np.random.default_rng(seed)
    whole = random.normal(1e3, 1, (1, 12 * n_parts, 7))
    known = random.random(whole.shape) > 0.3 if missing else np.ones(whole.shape, bool)
    parts = [
        moments_of(whole[:, rows], known[:, rows] if missing else None)[0]
        for rows in (slice(12 * n, 12 * n + 12) for n in range(n_parts))
    ]
    count, least, most, mean, squares = together(np.array(parts))
    held = whole[known]
    assert (count, least, most) == (held.size, held.min(), held.max())
    np.testing.assert_allclose([mean, np.sqrt(squares / count)], [held.mean(), held.std()], rtol=1e-9)


def test_nan_does_not_count():
    cells = np.array([[[1.0, np.nan, 3.0]]])
    assert moments_of(cells, None)[0].tolist() == [2, 1, 3, 2, 2]


@pytest.mark.parametrize("moments", [[0.0, 0, 0, 0, 0], [2, 0, np.inf, np.inf, np.nan]])
def test_of_nothing_and_of_infinity_nothing_is_said(moments):
    assert tags_of(np.array(moments), 9) == {}


def test_they_are_written_as_gdal_writes_them():
    assert tags_of(np.array([3, -1.5, 2.25, 0.1, 0.75]), 9) == {
        "STATISTICS_MAXIMUM": "2.25",
        "STATISTICS_MEAN": "0.1",
        "STATISTICS_MINIMUM": "-1.5",
        "STATISTICS_STDDEV": "0.5",
        "STATISTICS_VALID_PERCENT": "33.33",
    }
