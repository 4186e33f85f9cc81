from __future__ import annotations

import json

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.runs.ledger.files_json import (
    MOST_PIECE,
    files_from_json,
    files_to_json,
    grids_of,
    others_from_json,
    others_to_json,
    tiff_from_json,
    tiff_to_json,
)
from geopatcher.targets.digests import FileRecord, TiffRecord
from ledgers import ROWS, SPEC, digests


def test_files_are_those_of_the_shards_a_box_touches():
    # Shards of 32 x 64 over 100 x 70 pixels; a mask of each of two bands beside them.
    assert grids_of(SPEC, Box(0, 100, 0, 70)) == {
        "data": (2, 4, 2),
        "weight": (1, 4, 2),
        "count": (1, 4, 2),
        "valid": (2, 4, 2),
    }
    assert grids_of(SPEC, Box(32, 64, 64, 70))["data"] == (2, 1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_files_come_back(seed):
    box = ROWS[seed % len(ROWS)]
    known = digests(SPEC, box, seed)
    record = json.loads(json.dumps(files_to_json(known)))
    back = files_from_json(record, grids_of(SPEC, box))
    assert back.keys() == known.keys()
    for name, array in known.items():
        np.testing.assert_array_equal(back[name], array)


def test_bands_may_lie_together_in_files_and_not_by_halves():
    grids = {"data": (4, 1, 2)}
    for n_files in (1, 4):
        known = {"data": np.arange(n_files * 6).reshape(n_files, 1, 2, 3) + 1}
        np.testing.assert_array_equal(files_from_json(files_to_json(known), grids)["data"], known["data"])
    with pytest.raises(ValueError, match="12 numbers are not of 4 x 1 x 2 files"):
        files_from_json(files_to_json({"data": np.ones((2, 1, 2, 3), int)}), grids)


def test_a_mask_may_not_be_there_and_nothing_else():
    box = ROWS[0]
    record = files_to_json(digests(SPEC, box))
    without = {name: numbers for name, numbers in record["files"].items() if name != "valid"}
    assert set(files_from_json({**record, "files": without}, grids_of(SPEC, box))) == {
        "data",
        "weight",
        "count",
    }
    del without["weight"]
    with pytest.raises(ValueError, match="what is known of its files is damaged"):
        files_from_json({**record, "files": without}, grids_of(SPEC, box))


@pytest.mark.parametrize("numbers", [[0, 7, 0], [0, 0, 7], [5, 1, 2**63 - 1]])
def test_a_file_that_is_not_there_says_nothing_and_no_time_is_beyond_the_last(numbers):
    with pytest.raises(ValueError, match="what is known of its files is damaged"):
        files_from_json({"at": 10, "files": {"data": numbers}}, {"data": (1, 1, 1)})


def test_a_geotiff_comes_back():
    known = TiffRecord(25, 77, 10, (1, 2, 3))
    record = json.loads(json.dumps(tiff_to_json(known)))
    assert record == {"bytes": 25, "mtime": 77, "piece": 10, "crcs": [1, 2, 3]}
    assert tiff_from_json(record) == known


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"piece": 0}, "pieces of 0 bytes"),
        ({"piece": MOST_PIECE + 1, "bytes": 1, "crcs": [1]}, "are not compared"),
        ({"crcs": [1, 2]}, "2 checksums are not those of 25 bytes"),
        ({"bytes": True}, "are not whole numbers"),
        ({"mtime": -1}, "are not whole numbers"),
        ({"crcs": None}, "are not whole numbers"),
    ],
)
def test_a_damaged_record_of_a_geotiff(change, words):
    with pytest.raises(ValueError, match=words):
        tiff_from_json({"bytes": 25, "mtime": 77, "piece": 10, "crcs": [1, 2, 3], **change})


def test_other_files_come_back_and_lead_nowhere_else():
    others = {"zarr.json": FileRecord(10, 20, 30), "x/c/0": FileRecord(1, 2, 3)}
    assert others_from_json(json.loads(json.dumps(others_to_json(others)))) == others
    for name in ("/etc/passwd", "../x", "a/../../x"):
        with pytest.raises(ValueError, match="is not a file of a store"):
            others_from_json({name: [1, 2, 3]})


@pytest.mark.parametrize(
    "name", ["a\0b", "\ud800", "x" * 256, "é" * 128, "a/" * 600 + "b", "", ".", "a//b", "a/./b", "a/"]
)
def test_names_that_no_file_can_have_are_refused_before_it_is_looked_for(name):
    with pytest.raises(ValueError, match="is not a file of a store"):
        others_from_json(json.loads(json.dumps({name: [1, 2, 3]})))


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "1/data/c/0/0/0", "a layer/zarr.json", "..x/.zattrs"])
def test_names_a_file_can_have_are_kept(tmp_path, name):
    assert list(others_from_json({name: [1, 2, 3]})) == [name]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("the file system takes it")
