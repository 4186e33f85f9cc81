"""Directories of TIFFs, read back by GDAL and by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.targets.cog import ifd
from geopatcher.targets.cog.ifd import Image, Level, Tag, lay_out, read_directory

TILE = 16


def tags(height, width, kind=None):
    """Return the tags of an image of bytes, as they are."""
    short = {
        ifd.WIDTH: width,
        ifd.HEIGHT: height,
        ifd.BITS: 8,
        ifd.COMPRESSION: 1,
        ifd.PHOTOMETRIC: 1,
        ifd.SAMPLES: 1,
        ifd.PLANAR: 1,
        ifd.TILE_WIDTH: TILE,
        ifd.TILE_HEIGHT: TILE,
        ifd.SAMPLE_FORMAT: 1,
    }
    known = {code: Tag.of(ifd.SHORT, [value]) for code, value in short.items()}
    return known if kind is None else known | {ifd.SUBFILE_TYPE: Tag.of(ifd.LONG, [kind])}


def level(places, length=TILE * TILE):
    return Level(Image(tags(TILE, TILE * places), np.full((places, 1), length, np.int64)))


@pytest.mark.parametrize("most", [ifd.MOST_CLASSIC, 100], ids=["classic", "big"])
@pytest.mark.parametrize("ghost", [False, True])
def test_a_file_of_a_layout_is_read_by_gdal(tmp_path, most, ghost):
    fine, coarse = np.random.default_rng(0).integers(0, 255, (2, 3, TILE, TILE), "uint8")
    levels = [level(3), Level(Image(tags(TILE, 2 * TILE, kind=1), np.full((2, 1), TILE * TILE, np.int64)))]
    layout = lay_out(levels, ghost=ghost, most_classic=most)
    frames = [
        struct.pack("<I", TILE * TILE) + tile.tobytes() + tile.tobytes()[-4:] for tile in (*coarse[:2], *fine)
    ]
    content = layout.header + b"".join(frames)
    assert len(content) == layout.n_bytes
    assert content[2] == (42 if most == ifd.MOST_CLASSIC else 43)
    path = tmp_path / "x.tif"
    path.write_bytes(content)
    with no_georeference_warning(), rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.hstack(list(fine)))
        assert dataset.overviews(1) == [2]
        assert ("LAYOUT" in dataset.tags(ns="IMAGE_STRUCTURE")) == ghost
    with no_georeference_warning(), rasterio.open(path, overview_level=0) as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.hstack(list(coarse[:2])))


def test_a_tile_that_is_not_there_is_a_hole(tmp_path):
    sizes = np.array([[0], [TILE * TILE]])
    layout = lay_out([Level(Image(tags(TILE, 2 * TILE), sizes))], ghost=True)
    tile = np.full((TILE, TILE), 7, "uint8").tobytes()
    (tmp_path / "x.tif").write_bytes(layout.header + struct.pack("<I", len(tile)) + tile + tile[-4:])
    with no_georeference_warning(), rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.read(1)[0].tolist() == [0] * TILE + [7] * TILE
        assert dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1) is None


def test_beyond_four_gigabytes_it_is_a_big_one():
    places = 9
    assert lay_out([level(places, 2**28)], ghost=True).header[2] == 42
    layout = lay_out([level(places, 2**29)], ghost=True)
    assert layout.header[2] == 43
    assert layout.n_bytes > places * 2**29
    found = read_directory(layout.header)
    offsets = np.frombuffer(found[ifd.OFFSETS].content, "<u8")
    assert (np.diff(offsets.astype(np.int64)) == 2**29 + 2 * ifd.FRAME_BYTES).all()
    assert offsets[0] == len(layout.header) + ifd.FRAME_BYTES


@pytest.mark.parametrize("big", ["YES", "NO"])
def test_what_gdal_wrote_is_read(big):
    with no_georeference_warning(), MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=20, width=70_000, count=3, dtype="uint16", BIGTIFF=big, nodata=5
        ):
            pass
        found = read_directory(bytes(memory.getbuffer()))
    assert found[ifd.WIDTH].numbers == [70_000]
    assert found[ifd.HEIGHT].numbers == [20]
    assert found[ifd.BITS].numbers == [16, 16, 16]
    assert found[ifd.NODATA].content == b"5\0"


def test_what_is_no_tiff_is_refused():
    with pytest.raises(ValueError, match="does not begin a little-endian TIFF"):
        read_directory(b"MM\0*" + bytes(20))
