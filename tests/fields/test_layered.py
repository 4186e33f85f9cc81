"""Scenes over each other as one source; what they come to is tested with `Mosaic`."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.layered import Layered
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.scenes import AlignedScene
from geotiffs import write_geotiff

BOX = Box(0, 4, 0, 4)


class Counted:
    """A source of bytes that counts how often it is read, and says that a corner is missing."""

    block_shape = (2, 4)
    has_nodata = True
    name = "counted"

    def __init__(self, value, missing=()):
        self.domain = gp.RasterDomain((1, 4, 4), dtype=np.dtype("uint8"))
        self.value, self.missing, self.reads = value, missing, []

    def read(self, box):
        self.reads.append(box)
        return np.full((1, *box.shape), self.value, "uint8")

    def valid(self, box, pixels):
        held = np.ones((1, 4, 4), bool)
        for row, col in self.missing:
            held[0, row, col] = False
        return held[:, *box.slices()]

    def identity(self):
        return {"what": self.value}


def layered(*sources, order="first"):
    scenes = tuple(AlignedScene(source, BOX, 0, 0) for source in sources)
    return Layered(scenes, sources[0].domain, order, "nearest", (256, 512))


def test_what_lies_below_is_read_only_where_something_is_missing():
    top, middle, low = Counted(1, [(1, 2), (2, 2)]), Counted(2), Counted(3)
    source = layered(top, middle, low)
    pixels = source.read(BOX)
    assert pixels[0, 1, 2] == pixels[0, 2, 2] == 2
    assert (pixels == 1).sum() == 14
    assert (middle.reads, low.reads) == ([Box(1, 3, 2, 3)], [])
    assert source.valid(BOX, pixels) is None


def test_where_data_is_is_known_from_reading():
    one = Counted(1, [(0, 0)])
    source = layered(one)
    pixels = source.read(BOX)
    assert not source.valid(BOX, pixels)[0, 0, 0]
    assert len(one.reads) == 1, "pixels are not read again"
    other = pixels.copy()
    assert source.valid(BOX, other).sum() == 15
    assert len(one.reads) == 2
    source.read(Box(1, 2, 1, 2))
    assert source.valid(BOX, pixels).sum() == 15, "that of the window, not of the one read last"


def test_it_is_known_by_its_scenes_and_by_what_is_unknown_of_them():
    source = layered(Counted(1), Counted(2))
    known = source.identity()
    assert known["scene 1"] != known["scene 2"]
    assert layered(Counted(2), Counted(1)).identity()["scene 1"] == known["scene 2"]

    class Unknown(Counted):
        def identity(self):
            return {"unknown": "nobody knows"}

    assert layered(Counted(1), Unknown(1)).identity()["unknown"] == "counted: nobody knows (1 of 2 scenes)"
    assert source.files() == ()
    assert source.version() == layered(Counted(5)).version()


def test_it_says_what_it_is():
    source = layered(Counted(1), Counted(2))
    assert repr(source) == "Layered(2 scenes, 1 bands, 4 x 4 pixels)"
    assert source.name == "a mosaic of 2 scene(s), counted first"
    assert not source.reads_concurrently
    assert source.block_shape == (2, 4)
    with pytest.raises(ValueError, match="bands cannot be chosen from counted"):
        source.select_bands([0])
    assert pickle.loads(pickle.dumps(source)).read(BOX).sum() == 16  # noqa: S301 - our own bytes


def test_the_identity_says_how_pixels_are_warped_and_only_where_they_are(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.ones((1, 20, 30), "uint8"))
    own = Mosaic([path])
    assert "warped" not in own.identity()
    grid = RasterDomain((20, 30), own.domain.transform @ Affine.translation(0.5, 0), own.domain.crs)
    assert (
        Mosaic([path], grid).identity()["warped"]
        == "each band by itself, to 0.001 pixels, all around the globe"
    )
