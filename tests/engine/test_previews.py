from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.engine.previews import PREVIEW_BANDS, PREVIEW_PX, preview_of, thinned_shape


@pytest.mark.parametrize("grid", [(1, 1), (40, 700), (1025, 3), (3000, 2100)])
@pytest.mark.parametrize("block", [64, 100, 4000])
def test_blocks_together_are_every_few_cells_of_the_whole(grid, block):
    whole = np.arange(grid[0] * grid[1], dtype="int32").reshape(1, *grid)
    step = max(1, -(-max(grid) // PREVIEW_PX))
    seen = np.full(thinned_shape(grid, step), -1.0)
    assert max(seen.shape) <= PREVIEW_PX
    for row in range(0, grid[0], block):
        for col in range(0, grid[1], block):
            box = Box(row, min(row + block, grid[0]), col, min(col + block, grid[1]))
            preview = preview_of(box, whole[:, box.row0 : box.row1, box.col0 : box.col1], None, grid)
            assert preview.step == step
            assert (seen[preview.places] == -1).all()
            seen[preview.places] = preview.cells[0]
    np.testing.assert_array_equal(seen, whole[0, step // 2 :: step, step // 2 :: step].astype("float32"))


@pytest.mark.parametrize("of_bands", [True, False])
def test_what_is_not_known_is_nan(of_bands):
    cells = np.ones((5, 40, 30), "uint8")
    known = np.ones((5, 40, 30) if of_bands else (40, 30), bool)
    known[..., :10, :] = False
    shown = preview_of(Box(0, 40, 0, 30), cells, known, (40, 30)).cells
    assert len(shown) == PREVIEW_BANDS
    assert np.isnan(shown[:, :10]).all()
    assert (shown[:, 10:] == 1).all()


class Seen:
    def __init__(self):
        self.cells = np.full((2, 150, 130), -1, "float32")
        self.n_pixels = 0

    def on_block_done(self, preview):
        assert (preview.grid, preview.step) == ((150, 130), 1)
        self.cells[:, *preview.places] = preview.cells
        self.n_pixels += preview.box.n_pixels


@pytest.mark.parametrize("workers", [None, 2])
def test_a_hook_sees_each_block_once_wherever_it_was_computed(tmp_path, workers):
    image = np.random.default_rng(0).random((2, 150, 130)).astype("float32")
    image[:, :20, :20] = np.nan
    seen = Seen()
    keywords = {"size": 32, "step": 32, "chunks": 64, "workers": workers}
    gp.reconstruct(image, np.copy, tmp_path / "r.zarr", hooks=seen, **keywords)
    assert seen.n_pixels == 150 * 130
    np.testing.assert_array_equal(seen.cells, image)
