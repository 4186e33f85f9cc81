"""Queries of addresses, as values or refused."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.domain import RasterDomain
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.report.asked import asked_band, asked_bands, asked_spans, asked_style, asked_whole
from geopatcher.report.tiles import Layer


def layer_of(array):
    domain = RasterDomain(array.shape, dtype=array.dtype)
    return Layer.of("result", ArrayRaster(array, domain, domain.grid_shape))


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "٣", "1" * 13])
def test_only_whole_numbers_are(text):
    with pytest.raises(ValueError, match="row is a whole number"):
        asked_whole({"row": [text]}, "row")


def test_bands_count_from_one():
    layer = layer_of(np.zeros((2, 4, 4), "float32"))
    assert [asked_band(layer, {"band": [text]}) for text in ("1", "2")] == [0, 1]
    for text in ("0", "3"):
        with pytest.raises(ValueError, match="band is a number from 1 to 2"):
            asked_band(layer, {"band": [text]})


@pytest.mark.parametrize(("first", "second"), [("1,2", "1,2"), ("1", "1,2,3"), ("", "1"), ("4", "1")])
def test_one_band_is_compared_with_one_and_three_with_three(first, second):
    layers = [layer_of(np.zeros((3, 4, 4), "float32"))] * 2
    assert asked_bands(layers, {"first": ["3,2,1"], "second": ["1,2,3"]}) == ((2, 1, 0), (0, 1, 2))
    with pytest.raises(
        ValueError, match="first is a band|first and second|first is a number|first is a whole"
    ):
        asked_bands(layers, {"first": [first], "second": [second]})


@pytest.mark.parametrize("text", ["1,1", "2,1", "0,inf", "0,nan", "0,1,2", "0"])
def test_a_span_goes_up(text):
    with pytest.raises(ValueError, match="span is a lowest and a higher highest value"):
        asked_spans({"span": [text]}, 1)


def test_a_style_is_what_is_asked_or_the_layers_own():
    layer = layer_of(np.linspace(0, 1, 300).reshape(3, 10, 10))
    own = asked_style(layer, {})
    assert (own.bands, own.spans) == ((0,), layer.spans[:1])
    asked = asked_style(layer, {"bands": ["3,1,2"], "span": ["0,1,0,2,0,3"]})
    assert (asked.bands, asked.spans) == ((2, 0, 1), ((0, 1), (0, 2), (0, 3)))
    with pytest.raises(ValueError, match="hide are whole numbers"):
        asked_style(layer_of(np.eye(4, dtype="uint8")), {"hide": ["1;2"]})
