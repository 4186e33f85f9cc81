"""Blocks written as tiles: what is in the files, and which are there."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from cogs import halved
from geopatcher.core.box import Box
from geopatcher.core.gaps import Gaps, codes
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_writer import TileWriter
from geopatcher.targets.digests import record_of

CODEC = TileCodec("DEFLATE", None, 1)


def array_of(*, interleaved=True, masked=False, n_bands=2, dtype="uint8", nodata=0):
    return TileArray(
        (40, 50), n_bands, np.dtype(dtype), 0, (16, 16), interleaved, CODEC, "average", nodata, masked
    )


def wrote(tmp_path, array, values, said=None, box=None):
    (tmp_path / "data").mkdir(exist_ok=True)
    writer = TileWriter(array, tmp_path / "data")
    for task in writer.tasks(box or Box(0, 40, 0, 50), values, said):
        task()
    return writer


def names(tmp_path):
    return sorted(
        str(path.relative_to(tmp_path / "data/c")) for path in tmp_path.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("interleaved", [True, False])
def test_tiles_hold_the_cells(tmp_path, interleaved):
    values = np.random.default_rng(0).integers(1, 9, (2, 40, 50)).astype("uint8")
    writer = wrote(tmp_path, array_of(interleaved=interleaved), values)
    assert len(names(tmp_path)) == 12 * (1 if interleaved else 2)
    with PackageReader(tmp_path / "data/c/0/2/3") as reader:  # the last, of 8 x 2 cells
        cells = np.frombuffer(zlib.decompress(reader.tile()[4:-4]), "uint8")
    cells = cells.reshape(16, 16, -1)[:8, :2]
    np.testing.assert_array_equal(np.moveaxis(cells, -1, 0), values[: cells.shape[-1], 32:, 48:])
    known = writer.take(Box(0, 40, 0, 50))
    assert known.shape == (1 if interleaved else 2, 3, 4, 3)
    assert tuple(known[0, 2, 3]) == record_of(tmp_path / "data/c/0/2/3")
    assert not writer.take(Box(0, 40, 0, 50)).any()  # told once


def test_blocks_of_fill_have_no_file(tmp_path):
    values = np.zeros((2, 40, 50), "uint8")
    values[1, 20, 20] = 7
    wrote(tmp_path, array_of(interleaved=False), values)
    assert names(tmp_path) == ["1/1/1"]
    wrote(tmp_path, array_of(interleaved=False), np.zeros_like(values))
    assert names(tmp_path) == []  # and one that is not needed any more goes


def test_minus_zero_is_not_zero(tmp_path):
    values = np.zeros((1, 40, 50), "float32")
    values[0, 1, 1] = -0.0
    wrote(tmp_path, array_of(n_bands=1, dtype="float32"), values)
    assert names(tmp_path) == ["0/0/0"]


def test_fill_that_is_data_is_kept(tmp_path):
    values, known = np.zeros((2, 40, 50), "uint8"), np.zeros((2, 40, 50), bool)
    known[1, 20, 20] = True
    wrote(tmp_path, array_of(interleaved=False, masked=True), values, codes(values, known, 0))
    # The mask of all bands is in the file of the first.
    assert names(tmp_path) == ["0/1/1", "1/1/1"]
    with PackageReader(tmp_path / "data/c/0/1/1") as reader:
        assert reader.tile() == b""
        bits = np.unpackbits(np.frombuffer(zlib.decompress(reader.mask()[4:-4]), "uint8")).reshape(16, 16)
        assert np.argwhere(bits).tolist() == [[4, 4]]
        assert reader.footer.gaps == (256, 0, 1)
    with PackageReader(tmp_path / "data/c/1/1/1") as reader:
        assert reader.footer.gaps == (255, 1, 0)
        assert zlib.decompress(reader.tile()[4:-4]) == bytes(256)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cells_at_half_the_resolution_wait_beside(tmp_path, masked, dtype):
    random = np.random.default_rng(0)
    values = random.integers(0, 3, (2, 40, 50)).astype(dtype)
    known = random.random(values.shape) > 0.4 if masked else values != 0
    values[~known] = 0
    said = codes(values, known, 0) if masked else None
    wrote(tmp_path, array_of(masked=masked, dtype=dtype), values, said)
    box = Box(16, 32, 32, 48)
    where = (slice(None), *box.slices())
    plain, held = halved(values[where], known[where], "average", 0, None)
    aside, _ = halved(values[where], known[where], "average", 0, 0)
    with PackageReader(tmp_path / "data/c/0/1/2") as reader:
        np.testing.assert_array_equal(reader.half(aside.shape, values.dtype, aside=True), aside)
        if masked:  # it is not known yet whether 0 says what is missing
            np.testing.assert_array_equal(reader.half(aside.shape, values.dtype, aside=False), plain)
            np.testing.assert_array_equal(reader.known(held.shape), held)


def test_what_was_found_so_far_is_known(tmp_path):
    values, known = np.ones((2, 40, 50), "uint8"), np.ones((2, 40, 50), bool)
    known[0, :16] = values[0, :16] = 0
    values[:, 39, 49] = 0
    writer = TileWriter(array_of(masked=True), tmp_path)
    assert (writer.gaps, writer.way) == (Gaps(), 0)
    for task in writer.tasks(Box(0, 40, 0, 50), values, codes(values, known, 0)):
        task()
    assert writer.gaps == Gaps(missing=800, met=2, uneven=800)


def test_where_the_folder_is_gone_nothing_is_written(tmp_path):
    writer = TileWriter(array_of(), tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        next(writer.tasks(Box(0, 16, 0, 16), np.ones((2, 16, 16), "uint8")))()
    assert list(tmp_path.iterdir()) == []
