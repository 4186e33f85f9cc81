"""Tiles encoded anew."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.targets.cog.assembly import scan
from geopatcher.targets.cog.choosing import Trials
from geopatcher.targets.cog.encoders import TileCodec, decoded
from geopatcher.targets.cog.levels import TileFolder
from geopatcher.targets.cog.packages import FRAME, PackageReader
from geopatcher.targets.cog.recoding import recoded
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_store import create_tiles

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("compress", ["DEFLATE", "ZSTD"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32", "float64"])
@pytest.mark.parametrize("n_bands", [1, 3])
def test_tiles_are_decoded_to_their_cells(compress, dtype, n_bands):
    cells = RANDOM.integers(0, 256, (n_bands, 20, 30 * np.dtype(dtype).itemsize), "uint8").view(dtype)
    for predictor in (1, 2, 3) if cells.dtype.kind == "f" else (1, 2):
        codec = TileCodec(compress, 1, predictor)
        tile = bytes(codec.encoder(cells.dtype, cells.shape)(cells))
        assert decoded(tile, codec, cells.dtype, cells.shape).tobytes() == cells.tobytes()


@pytest.mark.parametrize("interleaved", [True, False])
def test_tiles_of_another_codec_are_encoded_anew_beside(tmp_path, monkeypatch, interleaved):
    """Every other tile was encoded by the usual codec, before the right one was known."""
    codec = TileCodec.of("DEFLATE", None, np.dtype("float32"), labels=False)
    array = TileArray((90, 70), 2, np.dtype("float32"), 0, (32, 32), interleaved, codec, "average", 0)
    image = (RANDOM.integers(0, 9, (2, 90, 70)) / 7).astype("float32")
    image[:, :32, :32] = 0  # no file at all
    monkeypatch.setattr(
        Trials, "choose", lambda self, place, values: (5 * (sum(place) % 2), np.zeros(6, np.int64))
    )
    store = create_tiles(tmp_path / "tiles", {"data": array})
    store.write([(Box.of_shape(array.grid), {"data": image})])
    level = TileFolder(array, store.path / "data")
    before = scan(level)
    tiles = before.tiles.copy()
    made = recoded(level, tiles, before.ways, 5, tmp_path / "anew")
    after = scan(made)
    np.testing.assert_array_equal(after.tiles, tiles)
    np.testing.assert_array_equal(after.moments, before.moments)
    assert set(after.ways[after.tiles > 0].tolist()) == {5}
    assert (before.ways[before.tiles > 0] == 0).any()
    for number in range(array.n_files):
        for row, col in np.ndindex(*array.places):
            if (row, col) == (0, 0):
                continue
            whole = np.zeros((array.bands_per_file, 32, 32), "float32")
            held = image[(array.bands_of(number), *array.box(row, col).slices())]
            whole[:, : held.shape[1], : held.shape[2]] = held
            with PackageReader(made.file(number, row, col)) as reader:
                assert reader.tile()[FRAME:-FRAME] == bytes(array.encoders[5](whole))
    kept = scan(level)  # what the ledger tells of is as it was
    np.testing.assert_array_equal(kept.tiles, before.tiles)
    assert recoded(made, after.tiles, after.ways, 5, tmp_path / "none") is made
    assert not (tmp_path / "none").exists()
