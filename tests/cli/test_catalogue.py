"""Flags of a search: what they come to, without a search."""

from __future__ import annotations

import click
import pytest

from geopatcher.cli.catalogue import CATALOGUE, UNCHANGED, Masking, Question, Wanted, catalogue, unchanged
from geopatcher.cli.lazy import import_reference
from geopatcher.cli.options import options
from geopatcher.fields.grids import Grid
from geostack import NoItemsError

BBOX = (10.0, 50.0, 11.0, 51.0)


def taken(*arguments):
    """Return what flags come to, and the keywords that are left."""

    @click.command()
    @options(CATALOGUE)
    @click.option("--bands")
    def command(**keywords):
        return Wanted.taken_from(keywords, scale_offset=True), keywords

    return command.main(list(arguments), standalone_mode=False)


def test_all_flags():
    wanted, left = taken(
        *(
            "--stac",
            "s2",
            "--bbox",
            "10,50,11,51",
            "--datetime",
            "2024-06",
            "--cloud",
            "20",
            "--tile",
            "33UVP",
        ),
        *("--api", "http://127.0.0.1:1", "--mask", "SCL:3,8", "--bands", "B04"),
        *("--source-nodata", "0"),
    )
    question = Question("s2", BBOX, "2024-06", 20.0, "33UVP", "http://127.0.0.1:1")
    assert wanted == Wanted(question, Masking("SCL", (3, 8), ()), scale_offset=True, nodata=0)
    assert left == {"bands": "B04"}


def test_none_of_them():
    assert taken("--bands", "B04") == (None, {"bands": "B04"})


@pytest.mark.parametrize(
    "flag",
    [
        ("--bbox", "10,50,11,51"),
        ("--datetime", "2024"),
        ("--mask", "SCL:3"),
        ("--source-nodata", "0"),
    ],
)
def test_one_alone_is_refused(flag):
    with pytest.raises(click.UsageError, match=f"{flag[0]} is for --stac"):
        taken(*flag)


@pytest.mark.parametrize(
    ("text", "classes", "bits"), [("QA:3,4", (3, 4), ()), ("QA:bits=3, 4", (), (3, 4)), ("a:b:0", (0,), ())]
)
def test_masks(text, classes, bits):
    wanted, _ = taken("--stac", "s2", "--bbox", "10,50,11,51", "--datetime", "2024", "--mask", text)
    assert (wanted.mask.classes, wanted.mask.bits) == (classes, bits)


@pytest.mark.parametrize("text", ["SCL", "SCL:", "SCL:x", ":3", "SCL:bits=", "SCL:3,"])
def test_masks_that_are_none(text):
    with pytest.raises(click.BadParameter, match="is not an asset and its classes"):
        taken("--stac", "s2", "--mask", text)


class TestCompleted:
    nothing = dict.fromkeys(("bounds", "bounds_crs", "aoi", "like", "operator", "expr", "model")) | {
        "crop": False
    }

    def completed(self, bbox=BBOX, **given):
        keywords = self.nothing | given
        Wanted(Question("s2", bbox, "2024")).complete(keywords)
        return {name: value for name, value in keywords.items() if value != (self.nothing | given)[name]}

    def test_the_box_is_the_place_and_pixels_stay_as_they_are(self):
        place = {"bounds": BBOX, "bounds_crs": "EPSG:4326", "crop": True}
        assert self.completed() == place | {"operator": UNCHANGED}
        assert self.completed(expr="b1*2") == place

    @pytest.mark.parametrize("other", ["bounds", "aoi", "like"])
    def test_what_is_told_stays(self, other):
        assert self.completed(**{other: "x"}, operator="m:f") == {}

    def test_a_box_over_the_date_line_is_no_rectangle(self):
        assert self.completed((170.0, -20.0, -170.0, -10.0), model="m.onnx") == {}


def test_what_is_run_where_nothing_is_told_can_be_imported():
    assert import_reference(UNCHANGED) is unchanged
    assert unchanged("pixels") == "pixels"


def test_errors_of_a_search_are_those_of_a_command():
    with pytest.raises(click.ClickException, match="nothing is there"), catalogue():
        raise NoItemsError("nothing is there")


def test_bands_are_named():
    wanted = Wanted(Question("s2", BBOX, "2024"))
    for bands in (None, (), (4,), ("B04", 4)):
        with pytest.raises(click.UsageError, match="--stac needs --bands by the names of their assets"):
            wanted.source(bands, Grid(), "first", None)
