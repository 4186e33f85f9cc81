"""Groups of zarr that are open: what is read of them is what xarray reads; Icechunk where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr
from affine import Affine
from zarr.storage import MemoryStore

import geopatcher as gp
from geopatcher.errors import SourceError
from geopatcher.fields.choices import Choices
from geopatcher.fields.zarr_group import is_described, place_of_node, snapshot_of
from geopatcher.fields.zarr_places import Folder

STEPS = np.random.default_rng(0).integers(0, 900, (3, 100, 120)).astype("uint16")
DAYS = np.array(["2024-01-01", "2024-01-02", "2024-01-05"], "M8[ns]")
HOW = {"size": 32, "step": 32, "window": "boxcar"}


def written(store, **where):
    coords = {"time": DAYS, "y": 5e6 - 10 * np.arange(100) - 5.0, "x": 5e5 + 10 * np.arange(120) + 5.0}
    dataset = xr.Dataset({"red": (("time", "y", "x"), STEPS)}, coords)
    how = {"zarr_format": 3, "consolidated": False, "encoding": {"red": {"chunks": (1, 50, 50)}}}
    dataset.to_zarr(store, **how, **where)


def check(result):
    np.testing.assert_array_equal(result.array, STEPS)
    assert result.domain.transform[:6] == (10, 0, 5e5, 0, -10, 5e6)
    np.testing.assert_array_equal(result.to_xarray()["time"].values, DAYS)


def test_a_group_in_memory_by_the_name_of_its_array_and_in_other_groups():
    store = MemoryStore()
    written(store, group="deep/inside")
    group = zarr.open_group(store, path="deep/inside", mode="r")
    check(gp.reconstruct(group, np.copy, **HOW))
    check(gp.reconstruct(group, np.copy, variable="red", **HOW))
    both = gp.reconstruct({"a": group, "b": group}, lambda patch: patch["a"] + patch["b"], **HOW)
    np.testing.assert_array_equal(both.array, 2 * STEPS)
    with pytest.raises(SourceError, match=r"zarr://MemoryStore/deep/inside has no array 'sst'"):
        gp.plan(group, variable="sst", **HOW)
    known = Choices().source(group).identity()
    assert known["unknown"] == "a MemoryStore may hold something else by now"


def test_a_group_in_a_folder_is_that_folder(tmp_path):
    written(tmp_path / "a.zarr", group="inner")
    group = zarr.open_group(tmp_path / "a.zarr", path="inner", mode="r")
    assert place_of_node(group) == Folder(tmp_path / "a.zarr" / "inner")
    result = gp.reconstruct(group, np.copy, tmp_path / "out.zarr", workers=2, chunks=64, **HOW)
    check(result)
    assert Choices().source(group).identity() == Choices().source(tmp_path / "a.zarr" / "inner").identity()
    with pytest.raises(gp.errors.GeopatcherError, match=r"a\.zarr"):
        gp.reconstruct(group, np.copy, tmp_path / "a.zarr", overwrite=True, **HOW)


@pytest.fixture
def session(tmp_path):
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repository")))
    writable = repository.writable_session("main")
    written(writable.store)
    writable.commit("three dates")
    return repository.readonly_session("main")


KINDS = {
    "group": lambda store: zarr.open_group(store, mode="r"),
    "lazy": lambda store: xr.open_zarr(store, consolidated=False, chunks=None)["red"],
    "dask": lambda store: xr.open_zarr(store, consolidated=False)["red"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [None, 2])
def test_of_an_icechunk_session(session, tmp_path, kind, workers):
    source = KINDS[kind](session.store)
    check(gp.reconstruct(source, np.copy, workers=workers, **HOW))
    known = Choices().source(source).identity()
    if kind == "dask":
        assert "unknown" in known
        return
    assert session.snapshot_id in str(known)
    for _ in range(2):  # the second time it is known to be the same
        check(gp.reconstruct(source, np.copy, tmp_path / "out.zarr", workers=workers, chunks=64, **HOW))


@pytest.mark.parametrize("workers", [None, 2])
def test_a_bare_array_of_an_icechunk_session_is_one_without_a_place(session, workers):
    array = zarr.open_group(session.store, mode="r")["red"]
    result = gp.reconstruct(array, np.copy, workers=workers, **HOW)
    np.testing.assert_array_equal(result.array, STEPS)
    assert result.domain.crs is None
    assert snapshot_of(array) == session.snapshot_id == Choices().source(array).identity()["snapshot"]


def test_a_session_itself_is_refused_and_says_how(session):
    for given in (session, session.store):
        with pytest.raises(TypeError, match=r"of an Icechunk session a source is zarr.open_group"):
            gp.plan(given, **HOW)


def test_of_a_session_that_may_be_written_to_no_snapshot_is_known(session, tmp_path):
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "repository")))
    group = zarr.open_group(repository.writable_session("main").store, mode="r")
    assert snapshot_of(group) == ""
    assert "unknown" in Choices().source(group).identity()
    check(gp.reconstruct(group, np.copy, **HOW))


def test_an_array_of_a_result_keeps_its_gaps_and_its_place(tmp_path):
    """An array says by its attributes what of its cells is missing, or which array beside it does."""
    cells = np.arange(2 * 40 * 50, dtype="uint16").reshape(2, 40, 50) % 300
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    masked = gp.RasterField.from_array(np.ma.array(cells, mask=cells % 7 == 0), **place)
    valued = gp.RasterField.from_array(cells, nodata=5, **place)
    for source, held in ((masked, cells % 7 != 0), (valued, cells != 5)):
        first = gp.reconstruct(source, np.copy, tmp_path / "a.zarr", size=32, overwrite=True)
        assert is_described(first.array)
        second = gp.reconstruct(first.array, np.copy, size=32)
        np.testing.assert_array_equal(second.valid[...], held)
        np.testing.assert_array_equal(np.asarray(second.array[...])[held], cells[held])
        assert (second.domain.transform, second.domain.crs is None) == (place["transform"], False)


def test_an_array_of_which_nothing_is_said_has_no_place():
    array = zarr.create_array(store=MemoryStore(), data=np.zeros((4, 5)), chunks=(2, 2))
    assert not is_described(array)
    assert gp.reconstruct(array, np.copy, size=4).domain.crs is None
