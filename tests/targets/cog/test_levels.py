"""Overview levels, against plain Python over the whole raster."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio

from cogs import halved, spec_of, written
from geopatcher.core.box import Box
from geopatcher.core.gaps import VALID, Gaps, codes
from geopatcher.targets import storage
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.levels import Levels, TileFolder
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.cog.tile_writer import TileWriter
from geopatcher.targets.cog.work import arrays_of
from geopatcher.targets.disk import CogTarget
from geopatcher.targets.multiscales import halve, known_cells
from geopatcher.targets.storage import CogStorage

TILES = CogStorage(blocksize=32)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("overview", ["average", "mode", "nearest"])
@pytest.mark.parametrize("nodata", [None, 3])
def test_overviews_are_the_levels_a_store_would_have(tmp_path, dtype, overview, nodata):
    image = np.random.default_rng(0).integers(0, 9, (2, 101, 215)).astype(dtype)
    image[:, :50, :90] = 3
    written(image, tmp_path, CogStorage(blocksize=32, overview=overview), nodata=nodata)
    fill = 0 if nodata is None else nodata
    wanted = image
    for level in range(3):
        bands = [halve(band, overview, known_cells(band, nodata), fill, nodata) for band in wanted]
        wanted = np.stack(bands)
        with rasterio.open(tmp_path / "x.tif", overview_level=level) as dataset:
            np.testing.assert_array_equal(dataset.read(), wanted)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.overviews(1) == [2, 4, 8]


@pytest.mark.parametrize("met", [False, True], ids=["a value says", "a mask says"])
@pytest.mark.parametrize("n_bands", [1, 2])
def test_cells_without_data_do_not_count_in_any_level(tmp_path, met, n_bands):
    random = np.random.default_rng(1)
    image = random.integers(0, 4, (n_bands, 70, 90)).astype("uint8")
    known = np.broadcast_to(random.random((70, 90)) > 0.5, image.shape).copy()
    known[:, 32:64, 32:64] = False
    if not met:
        image[image == 0] = 1
    image[~known] = 0
    written(image, tmp_path, TILES, codes(image, known, 0), nodata=0)
    cells, held = image, known
    for level in range(2):
        cells, held = halved(cells, held, "average", 0, None if met else 0)
        with rasterio.open(tmp_path / "x.tif", overview_level=level) as dataset:
            assert (dataset.nodata is None) == met
            np.testing.assert_array_equal(dataset.read(), cells)
            np.testing.assert_array_equal(dataset.read_masks() > 0, held)


@pytest.mark.parametrize("interleaved", [True, False])
def test_a_cell_that_is_missing_in_one_band_does_not_count_there(tmp_path, interleaved):
    """The one mask of a GeoTIFF calls it data; the average is of the cells that hold some all the same."""
    image = np.full((2, 64, 64), 8, "uint8")
    known = np.ones(image.shape, bool)
    known[0, ::2] = False
    image[0, 1::2] = 4
    image[:, 63, 63] = 0  # data that looks like none
    array = TileArray(
        (64, 64),
        2,
        np.dtype("uint8"),
        0,
        (32, 32),
        interleaved,
        TileCodec("NONE", None, 1),
        "average",
        None,
        True,
    )
    store = create_tiles(tmp_path / "tiles", {"data": array})
    said = codes(np.where(known, image, 0), known, 0)
    store.write([(Box(0, 64, 0, 64), {"data": np.where(known, image, 0).astype("uint8"), "valid": said})])
    tiles = TileFolder(array, store.path / "data")
    (_, level) = Levels(tiles, tmp_path / "levels", spec_of(image)).finish(tiles)
    with PackageReader(level.file(0, 0, 0)) as reader:
        tile = np.frombuffer(reader.tile()[4:-4], "uint8")
    first = tile.reshape(32, 32, -1)[..., 0]
    assert (first[:-1] == 4).all()


def test_where_there_is_nothing_there_is_no_tile(tmp_path):
    image = np.zeros((1, 200, 200), "float32")
    image[0, 150, 150] = 5
    written(image, tmp_path, TILES, nodata=0)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        there = [
            dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1)
            for row in range(7)
            for col in range(7)
        ]
        assert len([offset for offset in there if offset]) == 1
        np.testing.assert_array_equal(dataset.read(), image)


RANDOM = np.random.default_rng(2)
#: In which order rows of blocks come, by the number there are.
ORDERS = {
    "downwards": range,
    "upwards": lambda n: range(n)[::-1],
    "in any order": lambda n: np.random.default_rng(3).permutation(n).tolist(),
}


def write_rows(sink, spec, image, said, order):
    """Write an image, row by row of blocks and in pieces."""
    rows = list(Box.of_shape(spec.domain.grid_shape).tiles((spec.chunks[0], spec.domain.width)))
    for number in order(len(rows)):
        for box in rows[number].tiles((spec.chunks[0], 3 * spec.chunks[1])):
            where = (slice(None), *box.slices())
            masks = {} if said is None else {VALID: said[where]}
            sink.write([(box, {"data": image[where], **masks})])


def made(folder, image, options=TILES, said=None, *, order=range, grows=True, before=(), **record):
    """Return the files of an image, and how many tiles of levels were there before its end.

    Where they do not grow it is written by a store as a worker in another process has it. ``before`` are
    what was written before the image was.
    """
    folder.mkdir()
    spec = spec_of(image, options, said, **record)
    target = CogTarget(folder / "x.tif", options=options)
    try:
        sink = target.create(spec)
        sink = sink if grows else pickle.loads(pickle.dumps(sink))  # noqa: S301 - our own
        for earlier in before:
            write_rows(sink, spec, earlier, said, order)
        write_rows(sink, spec, image, said, order)
        n_early = sum(file.is_file() for file in folder.rglob("levels.data/*/c/*/*/*"))
        target.complete()
    finally:
        target.discard()
    names = sorted(path.name for path in folder.iterdir())
    assert set(names) <= {"x.tif", "x.valid.tif"}
    return {name: (folder / name).read_bytes() for name in names}, n_early


def grown(tmp_path, *args, **more):
    """Return how many tiles grew in each order; require the file that is made when they grow in none."""
    late, n_early = made(tmp_path / "late", *args, grows=False, **more)
    assert n_early == 0
    found = {name: made(tmp_path / name, *args, order=order, **more) for name, order in ORDERS.items()}
    for early, _ in found.values():
        assert early == late
    return {name: n_early for name, (_, n_early) in found.items()}


@pytest.mark.parametrize("shape", [(101, 215), (20, 300), (300, 20), (16, 17), (9, 9)])
@pytest.mark.parametrize("interleaved", [True, False])
def test_levels_grow_while_blocks_come(tmp_path, monkeypatch, shape, interleaved):
    """When every block is there nothing is left for the end, whatever came first."""
    monkeypatch.setattr(CogStorage, "interleaves", lambda self, domain, chunks: interleaved)
    monkeypatch.setattr(storage, "USUAL_SIDE", 16)
    image = RANDOM.integers(0, 200, (3, *shape)).astype("uint8")
    wanted, sides = 0, np.array(shape)
    while (sides > 16).any():
        sides = -(-sides // 2)
        wanted += int(np.prod(-(-sides // 16))) * (1 if interleaved else 3)
    n_early = grown(tmp_path, image, CogStorage("ZSTD", 1, blocksize=16))
    assert set(n_early.values()) == {wanted}


@pytest.mark.parametrize("place", [None, np.s_[:20, :20], np.s_[-20:, -20:]], ids=["no", "first", "last"])
@pytest.mark.parametrize("met", [None, np.s_[:20, -20:], np.s_[-20:, :20]], ids=["no", "first", "last"])
@pytest.mark.parametrize("uneven", [False, True])
def test_what_is_missing_may_be_found_late(tmp_path, place, met, uneven):
    """Levels that went by no gap, or by a value that says which cells are missing, are made again."""
    image = RANDOM.choice([1, 3], (2, 100, 150)).astype("uint8")  # of which a mean is often 2
    known = np.ones(image.shape, bool)
    if place is not None:
        known[(slice(0, 1) if uneven else slice(None), *place)] = False
    image[~known] = 2
    if met is not None:
        image[:, *met] = RANDOM.choice([2, 3], (2, 20, 20))
    n_early = grown(tmp_path, image, TILES, codes(image, known, 2), nodata=2)
    assert min(n_early.values()) > 0


def test_the_codec_may_be_another_in_the_end(tmp_path, monkeypatch):
    """Above the usual predictor is best, below there are few values, of which none is."""
    smooth = 900 + np.cumsum(RANDOM.normal(0, 1, (60, 300)), axis=1)
    few = RANDOM.integers(0, 12, (140, 300)) / 7
    image = np.concatenate([smooth, few])[None].astype("float32")
    ways, grow = [], Levels.grow

    def noting(self, boxes, gaps, way, n_threads):
        ways.append(way)
        grow(self, boxes, gaps, way, n_threads)

    monkeypatch.setattr(Levels, "grow", noting)
    for options in (CogStorage(blocksize=32), CogStorage("ZSTD", 1, blocksize=32)):
        ways.clear()
        (tmp_path / options.compress).mkdir()
        n_early = grown(tmp_path / options.compress, image, options)
        assert len(set(ways)) > 1
        assert min(n_early.values()) > 0


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_blocks_may_be_written_again(tmp_path, order):
    image = RANDOM.integers(1, 200, (2, 100, 150)).astype("uint8")
    image[:, :40, :40] = 0  # where no tile is left
    wanted, _ = made(tmp_path / "once", image, nodata=0)
    other = RANDOM.integers(1, 200, image.shape).astype("uint8")
    again, _ = made(tmp_path / "again", image, before=(other, image[:, ::-1]), order=order, nodata=0)
    assert again == wanted


def levels_of(tmp_path, image):
    """Return the levels of an image that is written, by someone else; there is one codec to choose."""
    options = CogStorage("ZSTD", 1, blocksize=32)
    spec = spec_of(image, options)
    arrays = arrays_of(spec, options)
    store = create_tiles(tmp_path / "tiles", arrays)
    store.write([(Box.of_shape(spec.domain.grid_shape), {"data": image})])
    return Levels(TileFolder(arrays["data"], store.path / "data"), tmp_path / "levels", spec)


def full(self, where, cells):
    raise OSError("the disk is full")


def test_what_could_not_be_made_is_made_when_it_can(tmp_path, monkeypatch):
    """With all it is a part of, though that was made before."""
    levels = levels_of(tmp_path, RANDOM.integers(1, 200, (1, 100, 150)).astype("uint8"))
    levels.grow([Box.of_shape((100, 150))], Gaps(), 0, 2)
    files = sorted(file for file in (tmp_path / "levels").rglob("*") if file.is_file())
    wanted = {file: file.read_bytes() for file in files}
    with monkeypatch.context() as patched:
        patched.setattr(TileWriter, "put", full)
        with pytest.raises(OSError, match="full"):
            levels.grow([Box(0, 32, 0, 32)], Gaps(), 0, 2)
    for number in (1, 2, 3):
        (tmp_path / f"levels/{number}/c/0/0/0").write_bytes(b"of before")
    levels.finish(levels.finest)
    assert {file: file.read_bytes() for file in files} == wanted
    with monkeypatch.context() as patched:
        patched.setattr(TileWriter, "put", full)
        levels.finish(levels.finest)  # there is nothing left


def test_where_the_folder_above_is_gone_no_level_is_made(tmp_path):
    levels = levels_of(tmp_path, np.ones((1, 100, 150), "uint8"))
    levels = Levels(levels.finest, tmp_path / "gone" / "levels", levels.spec)
    with pytest.raises(FileNotFoundError):
        levels.grow([Box.of_shape((100, 150))], Gaps(), 0, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]


def test_levels_are_removed_if_they_are_there(tmp_path):
    levels = levels_of(tmp_path, np.ones((1, 100, 150), "uint8"))
    levels.remove()
    levels.finish(levels.finest)
    assert (tmp_path / "levels/1/c/0/0/0").is_file()
    levels.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]
