"""Leading dimensions by themselves: against xarray's own reading of CF dates, and by hand."""

import itertools

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.leading import (
    Dimension,
    check_leading,
    leading_of_result,
    lengths_of,
    named_by,
    plain,
    text_of,
    unnamed,
)

TIME, BAND = Dimension("time", 12), Dimension("band", 4, ("B02", "B03", "B04", "B08"), "str")
SERIES = (TIME, BAND)


@given(
    st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=6),
    st.sampled_from(["ns", "us", "ms", "s", "m", "h", "D"]),
)
def test_dates_are_what_xarray_reads(counts, unit):
    scale = int(np.timedelta64(1, unit) / np.timedelta64(1, "ns"))
    dates = np.array([count // scale for count in counts], f"M8[{unit}]")
    found = Dimension.of("time", dates)
    coded = xarray.Dataset(coords={"time": ("time", found.labels(), dict(found.attributes))})
    np.testing.assert_array_equal(xarray.decode_cf(coded)["time"].values, dates.astype("M8[ns]"))


def test_durations_and_missing_dates_are_what_xarray_reads():
    lags = np.array([90, -30], "m8[m]")
    dates = np.array(["2024-01-03", "NaT"], "M8[ns]")
    for name, labels in (("lag", lags), ("time", dates)):
        found = Dimension.of(name, labels)
        coded = xarray.Dataset(coords={name: (name, found.labels(), dict(found.attributes))})
        np.testing.assert_array_equal(xarray.decode_cf(coded)[name].values, labels)


def test_the_coarsest_unit_that_is_exact_is_taken():
    units = {
        "2024-01-03": "days",
        "2024-01-03T05": "hours",
        "2024-01-03T05:00:01": "seconds",
        "2024-01-03T05:00:01.000000001": "nanoseconds",
    }
    for text, unit in units.items():
        said = dict(Dimension.of("time", np.array([text], "M8[ns]")).attributes)
        assert said == {"units": f"{unit} since 1970-01-01", "calendar": "proleptic_gregorian"}


def test_labels_of_other_kinds():
    assert Dimension.of("level", np.array([850.0, 500.0])).labels().tolist() == [850.0, 500.0]
    assert Dimension.of("member", np.arange(3, dtype="i2")).dtype == "<i2"
    assert Dimension.of("flag", np.array([True, False])).values == (True, False)
    assert Dimension.of("band", np.array(["a", "ä"], object)).labels().tolist() == ["a", "ä"]
    with pytest.raises(
        TypeError, match="labels of the dimension 'x' are object: take numbers, texts or dates"
    ):
        Dimension.of("x", np.array([{}, 1], object))
    with pytest.raises(ValueError, match="'time' is 3 long and has 2 labels"):
        Dimension("time", 3, (1, 2), "<i8")
    with pytest.raises(ValueError, match="do not fit into nanoseconds"):
        Dimension.of("time", np.array(["9000-01-01"], "M8[s]"))


@pytest.mark.parametrize(
    ("leading", "n_bands", "words"),
    [
        (SERIES, 47, r"\(time: 12, band: 4\) do not make up 47"),
        ((TIME, TIME), 144, "each needs a name of its own"),
        ((Dimension("y", 3),), 3, "y and x are those of rows and columns"),
    ],
)
def test_dimensions_that_make_no_raster(leading, n_bands, words):
    with pytest.raises(ValueError, match=words):
        check_leading(leading, n_bands)


def test_what_has_no_name():
    assert text_of(unnamed((12, 2, 4))) == "dim_0: 12, dim_1: 2, band: 4"
    assert unnamed((4,)) == plain((Dimension("band", 4),)) == ()
    assert plain((BAND,)) == (BAND,)


def test_results_keep_what_is_as_long():
    assert leading_of_result(SERIES, (12, 4), None) == SERIES
    assert leading_of_result(SERIES, (4,), None) == (BAND,)
    assert leading_of_result(SERIES, (12,), None) == (TIME,)
    assert leading_of_result(SERIES, (1, 4), None) == (Dimension("time", 1), BAND)
    assert leading_of_result(SERIES, (7,), None) == (Dimension("band", 7),)
    assert leading_of_result((TIME,), (5,), None) == (Dimension("band", 5),)


def dims(lengths):
    return tuple(Dimension(f"d{axis}", length) for axis, length in enumerate(lengths))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_dimensions_that_are_left_are_found_only_where_there_is_one_way(lengths, data):
    source = dims(lengths)
    kept = data.draw(st.lists(st.sampled_from(range(len(source))), unique=True, min_size=1).map(sorted))
    wanted = tuple(source[place] for place in kept)
    ways = [
        some for some in itertools.combinations(source, len(kept)) if lengths_of(some) == lengths_of(wanted)
    ]
    if len(kept) == len(source) or len(ways) == 1:
        assert leading_of_result(source, lengths_of(wanted), None) == wanted
    else:
        with pytest.raises(ValueError, match="output_dims"):
            leading_of_result(source, lengths_of(wanted), None)


@pytest.mark.parametrize("lengths", [(12, 5), (2, 12, 4), (4, 12), (1, 1, 7)])
def test_what_cannot_be_known_has_to_be_said(lengths):
    with pytest.raises(ValueError, match=r"none of them: say what they are by output_dims"):
        leading_of_result(SERIES, lengths, None)


def test_what_is_said_stands_above_all():
    assert leading_of_result(SERIES, (12, 5), named_by(("time", "class"))) == (TIME, Dimension("class", 5))
    assert leading_of_result(SERIES, (12, 4), named_by(("band", "time"))) == (
        Dimension("band", 12),
        Dimension("time", 4),
    )
    labelled = named_by({"band": ["a", "b", "c", "d"], "time": None})
    assert leading_of_result(SERIES, (4, 12), labelled) == (
        Dimension("band", 4, ("a", "b", "c", "d"), "str"),
        TIME,
    )
    with pytest.raises(
        ValueError, match=r"1 leading dimension\(s\) of 12, and output_dims name 2: time, class"
    ):
        leading_of_result(SERIES, (12,), named_by(("time", "class")))
    with pytest.raises(ValueError, match="'class' is 3 long, and output_dims give 2 labels"):
        leading_of_result(SERIES, (3,), named_by({"class": ["water", "land"]}))


@pytest.mark.parametrize(
    ("said", "error"),
    [(("time", "time"), ValueError), (("time", "y"), ValueError), ((3,), TypeError), (("",), TypeError)],
)
def test_what_are_no_names(said, error):
    with pytest.raises(error, match="output_dims"):
        named_by(said)
    assert named_by("time") == (Dimension("time", 0),)


def test_some_places_along_a_dimension():
    assert BAND.picked([3, 0]) == Dimension("band", 2, ("B08", "B02"), "str")
    assert TIME.picked([1]) == Dimension("time", 1)
