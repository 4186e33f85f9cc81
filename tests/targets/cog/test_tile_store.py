"""The folder of encoded tiles."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.gaps import VALID, codes
from geopatcher.errors import TargetError
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.levels import Levels, TileFolder
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_store import RECORD, TileStore, create_tiles

CODEC = TileCodec("ZSTD", 1, 2)
BOX = Box(0, 16, 0, 16)


def array_of(n_bands, *, masked=False):
    return TileArray((32, 32), n_bands, np.dtype("uint8"), 0, (16, 16), True, CODEC, None, 0, masked)


def test_it_pickles_as_its_path(tmp_path):
    store = create_tiles(tmp_path / "tiles", {"data": array_of(1)})
    copied = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own, as workers get it
    assert copied.path == store.path
    assert copied.arrays == store.arrays
    assert copied.write([(BOX, {"data": np.ones((1, 16, 16), "uint8")})]) == 256
    assert copied.take(BOX)["data"].any()
    assert not store.take(BOX)["data"].any()


def test_a_mask_is_in_the_files_of_the_data_and_has_its_own_for_several_bands(tmp_path):
    for n_bands in (1, 2):
        arrays = {"data": array_of(n_bands, masked=True)}
        if n_bands > 1:
            arrays[VALID] = array_of(n_bands)
        store = create_tiles(tmp_path / f"{n_bands}", arrays)
        values = np.ones((n_bands, 16, 16), "uint8")
        store.write([(BOX, {"data": values, VALID: codes(values, None, 0)})])
        assert (store.path / VALID / "c/0/0/0").exists() == (n_bands > 1)
        with PackageReader(store.path / "data/c/0/0/0") as reader:
            assert reader.footer.mask > 0


def grown(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.glob("levels/*/c/0/*/*"))


def test_levels_grow_with_what_this_store_writes_and_no_copy_of_it(tmp_path):
    array = TileArray((64, 32), 1, np.dtype("uint8"), 0, (16, 16), True, CODEC, "average", 0)
    store = create_tiles(tmp_path / "tiles", {"data": array, "weight": array})
    spec = ResultSpec(RasterDomain((64, 32), nodata=0, dtype=np.dtype("uint8")), (16, 16), 0)
    levels = Levels(TileFolder(array, store.path / "data"), tmp_path / "levels", spec)
    store.growing({"data": levels})
    copied = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own, as workers get it
    rows = [(Box(row, row + 16, 0, 32), {"data": np.ones((1, 16, 32), "uint8")}) for row in range(0, 64, 16)]
    assert copied.write(rows) == 64 * 32
    assert grown(tmp_path) == []
    assert store.write(rows[:3]) == 48 * 32
    assert grown(tmp_path) == ["levels/1/c/0/0/0"]
    store.write(rows[3:])
    assert grown(tmp_path) == ["levels/1/c/0/0/0", "levels/1/c/0/1/0", "levels/2/c/0/0/0"]


def test_a_level_that_cannot_be_made_is_an_error_that_names_it(tmp_path):
    array = TileArray((32, 32), 1, np.dtype("uint8"), 0, (16, 16), True, CODEC, "average", 0)
    store = create_tiles(tmp_path / "tiles", {"data": array})
    spec = ResultSpec(RasterDomain((32, 32), nodata=0, dtype=np.dtype("uint8")), (16, 16), 0)
    (tmp_path / "levels").touch()  # where a folder should be
    levels = Levels(TileFolder(array, store.path / "data"), tmp_path / "levels", spec)
    store.growing({"data": levels})
    with pytest.raises(TargetError, match=r"cannot write overview levels of .*data: .*Not a directory"):
        store.write([(Box.of_shape((32, 32)), {"data": np.ones((1, 32, 32), "uint8")})])
    assert (store.path / "data/c/0/1/1").exists()


def test_what_cannot_be_made_or_opened_is_an_error(tmp_path):
    with pytest.raises(TargetError, match="cannot create"):
        create_tiles(tmp_path / "no" / "where", {"data": array_of(1)})
    with pytest.raises(FileNotFoundError):
        TileStore(tmp_path / "nowhere")
    create_tiles(tmp_path / "x", {"data": array_of(1)})
    (tmp_path / "x" / RECORD).write_text("{")
    with pytest.raises(ValueError, match="JSON|Expecting"):
        TileStore(tmp_path / "x")


def test_litter_and_blocks_that_are_not_kept_are_swept(tmp_path):
    store = create_tiles(tmp_path / "x", {"data": array_of(1)})
    store.write([(Box.of_shape((32, 32)), {"data": np.ones((1, 32, 32), "uint8")})])
    (store.path / "data/c/0/0/0.abc.partial").touch()
    assert store.sweep(lambda box: box.row0 == 0) == 3
    assert sorted(path.name for path in (store.path / "data/c/0").rglob("?")) == ["0", "0", "1", "1"]
    assert (store.path / RECORD).exists()
