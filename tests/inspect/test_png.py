"""Colours and PNG files; GDAL reads back what was written."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from geopatcher.inspect.png import (
    LABELS,
    PALETTE,
    RAMPS,
    coloured,
    data_uri,
    looks_like_labels,
    png_bytes,
    ramp_colours,
    value_range,
)


@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 9))
def test_a_png_holds_the_colours_it_was_made_of(height, width, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.uint8)
    with MemoryFile(png_bytes(picture)) as file, file.open() as dataset:
        assert dataset.driver == "PNG"
        assert np.array_equal(dataset.read(), picture.transpose(2, 0, 1))


@pytest.mark.parametrize("name", [*RAMPS, LABELS])
def test_ramps_begin_and_end_with_their_colours(name):
    colours = ramp_colours(name)
    assert (colours.shape, colours.dtype) == ((256, 3), np.uint8)
    ends = (PALETTE[0], PALETTE[255 % len(PALETTE)]) if name == LABELS else (RAMPS[name][0], RAMPS[name][-1])
    assert (tuple(colours[0]), tuple(colours[-1])) == ends


def test_an_unknown_ramp_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no colour ramp 'rainbow': choose one of viridis, .*labels"):
        ramp_colours("rainbow")


def test_values_outside_the_span_take_its_ends_and_nan_is_transparent():
    picture = coloured(np.array([[-9.0, 0.0, 5.0, 10.0, 99.0, np.nan, np.inf]]), (0.0, 10.0), "grey")[0]
    assert picture[:, 0].tolist() == [0, 0, 128, 255, 255, 0, 0]
    assert picture[:, 3].tolist() == [255] * 5 + [0, 0]


def test_labels_keep_their_colours_whatever_the_span():
    picture = coloured(np.array([[0.0, 3.0, 16.0]]), (0.0, 1.0), LABELS)[0]
    assert [tuple(cell[:3]) for cell in picture] == [PALETTE[0], PALETTE[3], PALETTE[0]]


@pytest.mark.parametrize(
    ("values", "span"),
    [
        ([], (0.0, 1.0)),
        ([np.nan, np.inf], (0.0, 1.0)),
        ([7.0, 7.0], (6.5, 7.5)),
        ([0.0] * 999 + [5.0], (0.0, 5.0)),  # nearly all the same: what differs is shown
    ],
)
def test_ranges_of_few_values(values, span):
    assert value_range(np.array(values)) == span


def test_a_range_leaves_out_the_extremes():
    values = np.concatenate([np.linspace(0, 1, 1000), [1e9, -1e9]])
    low, high = value_range(values)
    assert -0.1 < low < high < 1.1


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.array([0, 1, 2], "uint8"), True),
        (np.array([0.0, 1.0]), False),
        (np.array([-1, 1]), False),
        (np.arange(40), False),
        (np.array([], int), False),
    ],
)
def test_labels_are_a_handful_of_small_whole_numbers(values, labels):
    assert looks_like_labels(values) is labels


def test_a_data_uri_holds_the_bytes():
    kind, _, text = data_uri(b"\x00\xff", "image/png").partition(";base64,")
    assert (kind, base64.b64decode(text)) == ("data:image/png", b"\x00\xff")
