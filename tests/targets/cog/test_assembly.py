"""Cloud-Optimized GeoTIFFs put together from tiles, judged by GDAL and rio-cogeo."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from cogs import spec_of, written
from geopatcher.core.box import Box
from geopatcher.core.gaps import VALID, codes
from geopatcher.targets.cog import assembly, ifd
from geopatcher.targets.cog.assembly import write_cog
from geopatcher.targets.cog.levels import Levels, TileFolder
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.cog.work import arrays_of
from geopatcher.targets.digests import tiff_record_of
from geopatcher.targets.storage import CogStorage
from geopatcher.targets.tiff_records import Records

TILES = CogStorage("ZSTD", 1, blocksize=32)


def image_of(n_bands=2, dtype="uint8", shape=(150, 230)):
    return np.random.default_rng(0).integers(1, 200, (n_bands, *shape)).astype(dtype)


def masked(n_bands):
    image = image_of(n_bands)
    known = np.random.default_rng(1).random(image.shape[1:]) > 0.3
    known[:64, :64] = False  # tiles without anything
    whole = np.broadcast_to(known, image.shape)
    image[~whole] = 0
    image[:, 100, 100] = 0  # data that looks like none, if it is any
    return image, whole


@pytest.mark.parametrize("most", [ifd.MOST_CLASSIC, 1000], ids=["classic", "big"])
@pytest.mark.parametrize("n_bands", [1, 3, 700])
@pytest.mark.parametrize("gaps", [False, True])
def test_files_are_valid_and_hold_what_was_written(tmp_path, monkeypatch, most, n_bands, gaps):
    cogeo = pytest.importorskip("rio_cogeo")
    lay_out = ifd.lay_out
    monkeypatch.setattr(
        assembly, "lay_out", lambda levels, *, ghost: lay_out(levels, ghost=ghost, most_classic=most)
    )
    options = CogStorage("ZSTD", 1, blocksize=64)
    image, known = masked(n_bands) if gaps else (image_of(n_bands), None)
    if n_bands == 700:  # bands lie apart
        options = CogStorage("ZSTD", 1, blocksize=128)
    said = codes(image, known, 0) if gaps else None
    product = written(image, tmp_path, options, said, **({"nodata": 0} if gaps else {}))
    valid, errors, warnings = cogeo.cog_validate(tmp_path / "x.tif", strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    np.testing.assert_array_equal(np.asarray(product.arrays["data"]), image)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["INTERLEAVE"] == ("PIXEL" if n_bands == 3 else "BAND")
        if gaps:
            where = known | (image == 0) & (known.any(axis=0))
            np.testing.assert_array_equal(dataset.read_masks() > 0, where)
            assert dataset.nodata is None
    assert (tmp_path / "x.tif").read_bytes()[2] == (43 if most == 1000 else 42)


def test_it_is_the_same_whoever_wrote_which_block_when(tmp_path):
    image, known = masked(2)
    said = codes(image, known, 0)
    contents = set()
    for number, order in enumerate([1, -1]):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        spec = spec_of(image, TILES, said, nodata=0)
        arrays = arrays_of(spec, TILES)
        store = create_tiles(folder / "tiles", arrays)
        boxes = list(Box.of_shape(spec.domain.grid_shape).tiles((32, 64)))
        for box in boxes[::order]:
            where = (slice(None), *box.slices())
            store.write([(box, {"data": image[where], VALID: said[where]})])
        levels = Levels(TileFolder(arrays["data"], folder / "tiles/data"), folder / "levels", spec)
        made = write_cog(levels, "data", folder / "x.tif", folder, Records({}))
        contents.add((folder / "x.tif").read_bytes())
        assert made.record == tiff_record_of(folder / "x.tif")
        assert made.gaps.missing == (~known).sum()
        assert made.gaps.met == 2
    assert len(contents) == 1


def test_statistics_are_those_that_gdal_would_count(tmp_path):
    image, known = masked(2)
    image = image.astype("float32") / 7
    image[~known] = -1
    written(image, tmp_path, TILES, nodata=-1)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        for band in (1, 2):
            tags = dataset.tags(band)
            held = image[band - 1][known[0]].astype("float64")
            wanted = [held.min(), held.max(), held.mean(), held.std(), 100 * known[0].mean()]
            names = ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV", "VALID_PERCENT")
            found = [float(tags[f"STATISTICS_{name}"]) for name in names]
            np.testing.assert_allclose(found[:4], wanted[:4], rtol=1e-12)
            assert found[4] == pytest.approx(wanted[4], rel=1e-3)
    assert not list(tmp_path.glob("*.xml"))


def test_holes_that_would_be_read_as_something_else_are_filled(tmp_path):
    """Fill of 9 where nothing says that it is missing: a hole would be read as 0."""
    image = np.full((1, 100, 100), 9, "uint8")
    image[0, 80:, 80:] = 4
    written(image, tmp_path, TILES, fill=9)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
        assert dataset.read_masks().all()


def test_a_mask_that_differs_between_bands_lies_beside(tmp_path):
    image, known = masked(2)
    known = known.copy()
    known[0, 70:90] = False
    image[~known] = 0
    product = written(image, tmp_path, TILES, codes(image, known, 0), nodata=0)
    np.testing.assert_array_equal(np.asarray(product.arrays[VALID]) > 0, known)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tif", "x.valid.tif"]
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read_masks(1) > 0, known.any(axis=0))


def test_a_file_of_five_gigabytes(tmp_path):
    """Sparse on disk, and read by GDAL at its very end."""
    sizes = np.zeros((9, 1), np.int64)
    sizes[:] = 2**29 + 2**26
    image = image_of(1, shape=(32, 288))
    spec = spec_of(image, TILES)
    array = arrays_of(spec, CogStorage("NONE", blocksize=32))["data"]
    first = assembly.directory_of(array, spec.domain, Records({}), [{}])
    sizes[-1] = 32 * 32
    layout = ifd.lay_out([ifd.Level(ifd.Image(first, sizes))], ghost=False)
    path = tmp_path / "x.tif"
    with path.open("wb") as opened:
        opened.write(layout.header)
        opened.truncate(layout.n_bytes)
        opened.seek(layout.n_bytes - ifd.FRAME_BYTES - 32 * 32)
        opened.write(image[0, :, 256:].tobytes())
    assert path.stat().st_size > 2**32
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1, window=((0, 32), (256, 288))), image[0, :, 256:])


def dark_and_bright(n_bands):
    """Return smooth bands that touch 0, and where they hold data: no lossy compression keeps those apart."""
    rows, cols = np.indices((150, 230))
    image = np.stack([np.abs(np.sin(rows / (9 + band)) * np.cos(cols / 11)) * 250 for band in range(n_bands)])
    known = np.broadcast_to((rows // 13 + cols // 17) % 3 > 0, image.shape)
    return np.where(known, image, 0).astype("uint8"), known


@pytest.mark.parametrize(("compress", "n_bands"), [("JPEG", 1), ("JPEG", 3), ("JPEG", 5), ("WEBP", 3)])
def test_what_is_missing_is_known_to_the_cell_where_compression_changes_values(tmp_path, compress, n_bands):
    """As a value, 0 would come back as 1, and 1 as 0."""
    options = CogStorage(compress, blocksize=64)
    image, known = dark_and_bright(n_bands)
    product = written(image, tmp_path, options, codes(image, known, None), nodata=0)
    assert product.spec.domain.nodata is None
    np.testing.assert_array_equal(np.asarray(product.arrays[VALID]) > 0, known)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.nodata is None
        np.testing.assert_array_equal(dataset.read_masks() > 0, known)
        found = dataset.read()
        assert (found != image).any()
        assert np.abs(found.astype(int) - image)[known].mean() < 12
    with rasterio.open(tmp_path / "x.tif", overview_level=0) as dataset:
        half = known[:, ::2, ::2] | known[:, 1::2, ::2] | known[:, ::2, 1::2] | known[:, 1::2, 1::2]
        np.testing.assert_array_equal(dataset.read_masks() > 0, half)


def test_what_is_missing_in_some_bands_only_is_not_compressed_with_loss(tmp_path):
    image, known = dark_and_bright(3)
    known = known.copy()
    known[0, 70:90] = ~known[0, 70:90]
    image[~known] = 0
    product = written(image, tmp_path, CogStorage("JPEG", blocksize=64), codes(image, known, None), nodata=0)
    np.testing.assert_array_equal(np.asarray(product.arrays[VALID]) > 0, known)
    with rasterio.open(tmp_path / "x.valid.tif") as dataset:
        assert dataset.compression.name == "deflate"
