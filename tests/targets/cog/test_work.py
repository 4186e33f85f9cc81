"""The folder in which tiles collect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.work import TileWorkStore, arrays_of, of_array
from geopatcher.targets.run_folder import RunFolder
from geopatcher.targets.storage import CogStorage

BYTES = np.dtype("uint8")
PLAIN = ResultSpec(RasterDomain((32, 32), dtype=BYTES), (16, 16), 0)


@pytest.fixture
def work(tmp_path):
    folder = RunFolder(tmp_path / "x.partial", tmp_path / "x.lock")
    folder.begin()
    yield folder
    folder.release()


def row(number, value):
    return Box(16 * number, 16 * number + 16, 0, 32), {"data": np.full((1, 16, 32), value, "uint8")}


def files(store):
    return sorted(str(path.relative_to(store.path)) for path in store.path.rglob("[01]") if path.is_file())


@pytest.mark.parametrize("went_down", [False, True])
def test_going_on_keeps_the_rows_that_are_recorded(tmp_path, work, went_down):
    store = TileWorkStore(tmp_path / "x.tif", work)
    store.create(PLAIN).write([row(0, 5), row(1, 6)])
    sink = store.reopen(PLAIN, [row(0, 0)[0]], went_down=went_down)
    # What was not synced cannot be relied on after the system went down.
    rows = (0,) if went_down else (0, 1)
    assert files(store) == [f"data/c/0/{number}/{col}" for number in rows for col in (0, 1)]
    sink.write([row(1, 7)])
    with PackageReader(store.path / "data/c/0/1/1") as reader:
        assert reader.moments(1)[0, 1] == 7
    assert [path.name for path in work.own.iterdir()] == ["tiles"]


@pytest.mark.parametrize("went_down", [False, True])
def test_levels_are_begun_anew_by_who_goes_on(tmp_path, work, went_down):
    """What they were made of may be gone, or damaged."""
    store = TileWorkStore(tmp_path / "x.tif", work)
    store.create(PLAIN).write([row(0, 5), row(1, 6)])
    assert (work.own / "levels.data/1/c/0/0/0").is_file()
    sink = store.reopen(PLAIN, [row(0, 0)[0]], went_down=went_down)
    assert [path.name for path in work.own.iterdir()] == ["tiles"]
    sink.write([row(1, 7)])
    assert [path.name for path in work.own.iterdir()] == ["tiles"]  # of the row before nobody has told
    (_, level) = store.levels_of("data").finish(store.levels_of("data").finest)
    with PackageReader(level.file(0, 0, 0)) as reader:
        assert reader.moments(1)[0, 1:3].tolist() == [5, 7]  # the lowest and the highest


def test_levels_of_tiles_that_are_gone_are_refused(tmp_path, work):
    store = TileWorkStore(tmp_path / "x.tif", work)
    store.create(PLAIN)
    store.path.rename(tmp_path / "elsewhere")
    with pytest.raises(TargetError, match=r"cannot open .*tiles"):
        store.levels_of("data")


def test_what_was_begun_after_the_system_went_down_is_done_again(tmp_path, work):
    store = TileWorkStore(tmp_path / "x.tif", work)
    store.create(PLAIN).write([row(0, 5), row(1, 6)])
    store.path.rename(work.own / "before")
    store.reopen(PLAIN, [row(1, 0)[0]], went_down=False)
    assert files(store) == ["data/c/0/1/0", "data/c/0/1/1"]


def test_tiles_of_another_result_are_refused(tmp_path, work):
    store = TileWorkStore(tmp_path / "x.tif", work)
    store.create(PLAIN)
    with pytest.raises(TargetError, match=r"does not hold the tiles its ledger tells of: it was replaced"):
        store.open(replace(PLAIN, fill=3))
    (store.path / "tiles.json").unlink()
    with pytest.raises(TargetError, match=r"cannot open .*tiles: .*pass overwrite=True"):
        store.open(PLAIN)


def test_blocks_that_are_no_tiles_are_refused():
    with pytest.raises(TargetError, match=r"blocks of \(20, 16\) pixels are no tiles of a GeoTIFF"):
        arrays_of(replace(PLAIN, chunks=(20, 16)), CogStorage())


def test_arrays_are_those_of_the_result():
    layers = {"spread": LayerSpec(np.dtype("float32"), float("nan"), bands=2)}
    spec = ResultSpec(RasterDomain((2, 32, 32), dtype=BYTES, nodata=0), (16, 16), 0, layers, masked=True)
    arrays = arrays_of(spec, CogStorage("ZSTD"))
    assert set(arrays) == {"data", VALID, "spread"}
    assert (arrays["data"].masked, arrays[VALID].masked) == (True, False)
    assert arrays["spread"].codec.predictor == 3
    assert [of_array(spec, name).n_bands for name in ("data", VALID, "spread")] == [2, 2, 2]
    assert (of_array(spec, "data").layers, of_array(spec, VALID).domain.nodata) == ({}, None)
    assert np.isnan(of_array(spec, "spread").fill)
    assert VALID not in arrays_of(replace(spec, domain=PLAIN.domain, layers={}), CogStorage())
