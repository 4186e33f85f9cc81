# ruff: noqa: E501 - messages and markup on one line
"""Which files a raster is read from, and which versions of them."""

from __future__ import annotations

import os
import shutil
import zipfile

import numpy as np
import pytest
import rasterio

import geopatcher
from geopatcher.errors import SourceError
from geopatcher.fields.file_identity import SourceFiles, local_file
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL

SHAPE = (1, 40, 60)
KEYS = "it takes credentials of the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}


def raster(path, value=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    _, height, width = SHAPE
    kind = {
        "driver": "GTiff",
        "count": 1,
        "height": height,
        "width": width,
        "dtype": "uint8",
        **PLACE,
        **options,
    }
    with rasterio.open(path, "w", **kind) as file:
        file.write(np.full((file.count, *SHAPE[1:]), value, "uint8"))
    return path


def vrt(path, *names, relative=1):
    """Write a VRT of sources one beside the other."""
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="60" ySize="40"/><DstRect xOff="{60 * index}" yOff="0" xSize="60" ySize="40"/>'
        f"</SimpleSource>"
        for index, name in enumerate(names)
    )
    size = f'rasterXSize="{60 * len(names)}" rasterYSize="40"'
    path.write_text(
        f'<VRTDataset {size}><VRTRasterBand dataType="Byte" band="1">{sources}</VRTRasterBand></VRTDataset>'
    )
    return path


def states(path):
    """Return the identity and the version of a raster that is opened now."""
    source = RasterioSource(str(path))
    return dict(source.identity()), source.version()


@pytest.fixture
def tiles(tmp_path):
    raster(tmp_path / "a.tif")
    raster(tmp_path / "b.tif")
    vrt(tmp_path / "inner.vrt", "a.tif", "b.tif")
    return tmp_path


def edits(folder):
    """Changes of what is behind ``outer.vrt``, by name."""

    def keep_time(path):
        before = path.stat()
        raster(path, 2)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    return {
        "a tile": lambda: keep_time(folder / "a.tif"),
        "the other tile": lambda: keep_time(folder / "b.tif"),
        "a tile is gone": lambda: (folder / "a.tif").unlink(),  # noqa: PLW0108 - the folder may be none yet
        "the VRT within": lambda: vrt(folder / "inner.vrt", "b.tif", "a.tif"),
        "the time of a tile only": lambda: os.utime(folder / "a.tif", ns=(1, 1)),
        "an overview of a tile": lambda: raster(folder / "a.tif.ovr"),
        "a mask of a tile": lambda: raster(folder / "a.tif.msk"),
    }


@pytest.mark.parametrize("edit", edits(None))
def test_every_file_of_a_vrt_within_a_vrt_counts(tiles, edit):
    outer = vrt(tiles / "outer.vrt", "inner.vrt")
    before, version = states(outer)
    assert states(outer) == (before, version)
    assert "unknown" not in before
    source = RasterioSource(str(outer))
    assert source.version() == version
    edits(tiles)[edit]()
    try:
        after, later = states(outer)
    except SourceError:  # a tile that is gone may be noticed when it is opened, too
        assert edit == "a tile is gone"
        return
    assert after["files"] != before["files"]
    assert later != version
    assert source.version() != version


def test_a_tile_that_comes_later_counts(tmp_path):
    raster(tmp_path / "a.tif")
    mosaic = vrt(tmp_path / "m.vrt", "a.tif", "late.tif")
    before = SourceFiles((str(mosaic), str(tmp_path / "a.tif"), str(tmp_path / "late.tif")))
    first = before.identity(), before.version()
    raster(tmp_path / "late.tif")
    assert first[0] != before.identity()
    assert first[1] != before.version()


def test_a_mosaic_that_was_moved_with_its_tiles_is_the_same(tiles, tmp_path):
    outer = vrt(tiles / "outer.vrt", "inner.vrt")
    before, _ = states(outer)
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    shutil.copytree(tmp_path, moved)  # with the times of the files
    after, _ = states(moved / "outer.vrt")
    assert {**after, "path": ""} == {**before, "path": ""}


def test_what_lies_beside_a_raster_and_says_nothing_of_pixels_does_not_count(tmp_path):
    path = raster(tmp_path / "a.tif")
    before, _ = states(path)
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><Metadata><MDI key='X'>1</MDI></Metadata></PAMDataset>"
    )
    raster(tmp_path / "a.tif.ovr")
    after, _ = states(path)
    assert after == before
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.zeros(SHAPE[1:], bool))
    masked, _ = states(path)
    assert masked != before


def test_files_of_one_size_and_time_are_told_by_some_of_their_bytes(tmp_path):
    """Archives and mirrors give many files the same time, and formats without compression the same size."""
    names = [tmp_path / day / "B04.tif" for day in ("june", "july")]
    for value, path in enumerate(names):
        raster(path, value)
        os.utime(path, ns=(10**18, 10**18))
    one, other = (states(path)[0] for path in names)
    assert (one["size"], one["mtime_ns"]) == (other["size"], other["mtime_ns"])
    assert one["sample"] != other["sample"]


def test_tiles_of_one_size_and_time_are_told_by_some_of_their_bytes(tiles):
    outer = vrt(tiles / "outer.vrt", "inner.vrt")
    before, _ = states(outer)
    status = (tiles / "b.tif").stat()
    raster(tiles / "other.tif", 2)
    (tiles / "other.tif").replace(tiles / "b.tif")
    os.utime(tiles / "b.tif", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (tiles / "b.tif").stat().st_size == status.st_size
    after, _ = states(outer)
    assert after["files"] != before["files"]


def told(path, *bands):
    """Write beside a raster which value of each of its bands is missing."""
    text = "".join(
        f'<PAMRasterBand band="{band}"><NoDataValue>{value}</NoDataValue></PAMRasterBand>'
        for band, value in bands
    )
    path.with_name(f"{path.name}.aux.xml").write_text(f"<PAMDataset>{text}</PAMDataset>")


def test_what_is_said_beside_a_tile_of_its_missing_cells_counts_and_statistics_do_not(tiles):
    outer = vrt(tiles / "outer.vrt", "inner.vrt")
    found = [states(outer)]
    for value in (1, 2):
        told(tiles / "a.tif", (1, value))
        found.append(states(outer))
    assert len({known["files"] for known, _ in found}) == len({version for _, version in found}) == 3
    (tiles / "a.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata>'
        "<Histograms/></PAMRasterBand></PAMDataset>"
    )
    assert states(outer) == found[0]


def test_a_nodata_value_of_one_band_is_part_of_which_raster_it_is(tmp_path):
    path = raster(tmp_path / "a.tif", count=2)
    found = [dict(RasterioSource(str(path)).identity())]
    for value in (3, 4):
        told(path, (2, value))
        POOL.drop(str(path))
        found.append(dict(RasterioSource(str(path)).identity()))
    assert [known.get("missing") for known in found] == [None, "None,3", "None,4"]


def test_a_vrt_given_as_text_is_that_text(tmp_path):
    raster(tmp_path / "a.tif")
    raster(tmp_path / "b.tif")
    texts = [vrt(tmp_path / "x.vrt", tmp_path / name, relative=0).read_text() for name in ("a.tif", "b.tif")]
    texts.append(texts[0].replace('<SrcRect xOff="0"', '<SrcRect xOff="1"'))
    found = [RasterioSource(text).identity() for text in texts]
    assert len({one["text"] for one in found}) == 3
    assert all("unknown" not in one for one in found)
    raster(tmp_path / "a.tif", 3)
    assert RasterioSource(texts[0]).identity() != found[0]


@pytest.mark.parametrize("connection", ["vrt://{}?bands=1", "GTIFF_DIR:1:{}", "file://{}"])
def test_the_file_in_a_connection_string_counts(tmp_path, connection):
    path = raster(tmp_path / "a.tif")
    before, version = states(connection.format(path))
    raster(path, 2)
    after, later = states(connection.format(path))
    assert before != after
    assert version != later
    assert states(f"vrt://{path}?bands=1")[0] != states(f"vrt://{path}?bands=1,1")[0]


def test_the_file_in_a_connection_string_in_a_vrt_counts(tmp_path):
    path = raster(tmp_path / "a.tif")
    mosaic = vrt(tmp_path / "m.vrt", f"GTIFF_DIR:1:{path}", relative=0)
    before, _ = states(mosaic)
    raster(path, 2)
    assert states(mosaic)[0]["files"] != before["files"]


@pytest.mark.parametrize("name", ["/vsizip/{}/a.tif", "/vsizip/{{{}}}/a.tif", "zip://{}!/a.tif"])
def test_a_raster_in_an_archive_is_as_old_as_the_archive(tmp_path, name):
    archive = tmp_path / "a.zip"
    for value in (1, 2):
        with zipfile.ZipFile(archive, "w") as file:
            file.write(raster(tmp_path / "a.tif", value), "a.tif")
        os.utime(archive, ns=(value, value))
        path = name.format(archive)
        assert local_file(path) == archive
        found = states(path)[0]
        assert (found["mtime_ns"], found["size"]) == (value, archive.stat().st_size)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/vsimem/a.tif", "there is no quick way to ask what /vsimem has"),
        ("s3://bucket/a.tif", f"there is no quick way to ask what s3 has: {KEYS} AWS_NO_SIGN_REQUEST=YES"),
        ("/vsis3/b/a.tif", f"there is no quick way to ask what /vsis3 has: {KEYS} AWS_NO_SIGN_REQUEST=YES"),
        ("/vsioss/bucket/a.tif", "there is no quick way to ask what /vsioss has"),
        ("gone.tif", "there is no file of its name"),
    ],
)
def test_what_cannot_be_asked_is_said_to_be_unknown(name, why):
    assert SourceFiles((name,)).identity() == {"unknown": why}
    assert "unknown" in SourceFiles((__file__, name)).identity() or name == "gone.tif"


def test_a_description_of_what_others_have_is_unknown(tmp_path):
    path = raster(tmp_path / "a.tif")
    assert (
        "a WMS dataset describes what others have" in SourceFiles((str(path),), "WMS").identity()["unknown"]
    )
    assert SourceFiles(()).identity() == {"unknown": "GDAL names no file it is in"}


def test_a_raster_whose_header_changed_since_it_was_opened_is_refused(tmp_path):
    path = raster(tmp_path / "a.tif")
    field = geopatcher.RasterField(path)
    raster(path, nodata=0)
    with pytest.raises(SourceError, match=r"a.tif has changed since it was opened: open it again"):
        geopatcher.reconstruct(field, np.copy, tmp_path / "x.zarr", size=16)
    assert not (tmp_path / "x.zarr").exists()


def test_tiles_that_changed_are_not_read_from_handles_opened_before(tmp_path):
    """An open VRT keeps its tiles open: the next run of the same process would read the old ones."""
    raster(tmp_path / "a.tif", 1)
    mosaic = vrt(tmp_path / "m.vrt", "a.tif")
    assert set(np.unique(geopatcher.reconstruct(mosaic, np.copy, size=16).array)) == {1}
    fresh = raster(tmp_path / "new.tif", 2)
    fresh.replace(tmp_path / "a.tif")
    assert set(np.unique(geopatcher.reconstruct(mosaic, np.copy, size=16).array)) == {2}
    raster(tmp_path / "new.tif", 3).replace(tmp_path / "a.tif")
    assert set(np.unique(geopatcher.reconstruct(mosaic, np.copy, tmp_path / "x.zarr", size=16).array[:])) == {
        3
    }
