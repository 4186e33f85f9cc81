from __future__ import annotations

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, TransposeCodec, ZstdCodec

from chunk_stores import by_zarr, custom, files, patterned
from geopatcher.core.box import Box
from geopatcher.targets.box_writer import BoxWriter
from geopatcher.targets.chunk_files import files_of
from geopatcher.targets.chunk_writer import encoder_of
from geopatcher.targets.digests import NO_FILE, files_in, record_of
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.zarr_store import ZarrSink

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
]

OTHER_WAYS = {
    "sharded": {"shards": (1, 16, 16), "chunks": (1, 8, 8)},
    "two checksums": {"compressors": [Crc32cCodec(), Crc32cCodec()]},
    "compressed with its checksum": {"compressors": [Crc32cCodec(), ZstdCodec()]},
    "twice": {"compressors": [ZstdCodec(), ZstdCodec()]},
    "transposed": {"filters": TransposeCodec(order=(0, 2, 1))},
    "transposed and plain": {"filters": TransposeCodec(order=(2, 1, 0)), "compressors": None},
    "blosc of other items": {"compressors": BloscCodec(cname="lz4", typesize=1, shuffle="shuffle")},
    "big-endian": {"serializer": BytesCodec(endian="big")},
    "big-endian and plain": {"serializer": BytesCodec(endian="big"), "compressors": None},
    "bands together": {"chunks": (2, 8, 8)},
}


@pytest.mark.parametrize("options", OTHER_WAYS.values(), ids=OTHER_WAYS)
@pytest.mark.parametrize(("dtype", "fill"), [("int16", 0), ("int16", -9), ("float32", np.nan)], ids=str)
def test_arrays_stored_in_other_ways_are_encoded_by_zarr_and_are_the_same_files(
    tmp_path, options, dtype, fill
):
    """Parts of them that are all 0 are no fill, unless 0 is."""
    for name in ("ours", "theirs"):
        array = custom(tmp_path / name, dtype, fill_value=fill, **options)
    assert encoder_of(array) is None
    values = patterned((2, 21, 29), dtype, fill)
    values[0, :16, :16] = 0
    values[0, 0, 0] = 5
    sink = ZarrSink(tmp_path / "ours")
    for row, stop in ((0, 16), (16, 21)):
        sink.write([(Box(row, stop, 0, 29), {"data": values[:, row:stop]})])
        known = sink.take(Box(row, stop, 0, 29))["data"]
        assert known.shape[0] == array.shape[0] // (array.shards or array.chunks)[0]
        for file, record in zip(
            files_of(tmp_path / "ours/data", array, Box(row, stop, 0, 29)), files_in(known), strict=True
        ):
            assert record == (record_of(file) if file.exists() else NO_FILE)
    by_zarr(tmp_path / "theirs", values)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "ours", mode="r")["data"][...], values)


def array_in(folder):
    group = zarr.create_group(folder)
    return group.create_array(
        "a", shape=(2, 40, 50), dtype="int16", chunks=(1, 8, 8), shards=(1, 16, 16), fill_value=0
    )


def put(writer, box, values):
    for task in writer.tasks(box, values):
        task()


def test_boxes_of_shards_are_read_back_by_zarr_and_their_files_known_once(tmp_path):
    array = array_in(tmp_path / "g")
    writer = BoxWriter(array, FolderFiles(tmp_path / "g" / "a"))
    cells = np.random.default_rng(0).integers(1, 99, (2, 40, 50)).astype("int16")
    for box in Box(0, 40, 0, 50).tiles((16, 50)):
        put(writer, box, cells[:, *box.slices()])
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "g", mode="r")["a"][...], cells)
    known = writer.take(Box(0, 16, 0, 50))
    assert known.shape == (2, 1, 4, 3)
    assert files_in(known)[0] == record_of(tmp_path / "g" / "a" / "c" / "0" / "0" / "0")
    assert files_in(writer.take(Box(0, 16, 0, 50))) == [NO_FILE] * 8


def test_bands_may_come_one_after_the_other(tmp_path):
    cells = np.random.default_rng(0).integers(0, 3, (2, 40, 50)).astype("int16")
    cells[1, :16, :16] = 0
    for name in ("whole", "apart"):
        writer = BoxWriter(array_in(tmp_path / name), FolderFiles(tmp_path / name / "a"))
        for box in Box(0, 40, 0, 50).tiles((16, 50)):
            if name == "whole":
                put(writer, box, cells[:, *box.slices()])
                continue
            for band in (1, 0):
                for task in writer.tasks(box, cells[band : band + 1, *box.slices()], band):
                    task()
        known = writer.take(Box(0, 16, 0, 50))
        assert [record == NO_FILE for record in files_in(known)] == [False] * 4 + [True] + [False] * 3
    assert files(tmp_path / "whole") == files(tmp_path / "apart")


def test_a_shard_of_fill_loses_its_file(tmp_path):
    writer = BoxWriter(array_in(tmp_path / "g"), FolderFiles(tmp_path / "g" / "a"))
    box = Box(0, 16, 0, 16)
    put(writer, box, np.ones((2, 16, 16), "int16"))
    assert (tmp_path / "g" / "a" / "c" / "1" / "0" / "0").exists()
    put(writer, box, np.zeros((2, 16, 16), "int16"))
    assert not (tmp_path / "g" / "a" / "c" / "1" / "0" / "0").exists()
    assert files_in(writer.take(box)) == [NO_FILE] * 2
    assert list(writer.tasks(Box(0, 0, 0, 16), np.zeros((2, 0, 16)))) == []


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    writer = BoxWriter(array_in(tmp_path / "g"), FolderFiles(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError):
        put(writer, Box(0, 16, 0, 16), np.ones((2, 16, 16), "int16"))
    assert not (tmp_path / "gone").exists()
