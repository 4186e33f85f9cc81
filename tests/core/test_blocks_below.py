"""Blocks of rasters below a part of a map, counted one by one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from geopatcher.core.blocks_below import BlocksBelow, blocks_below

TILE = 512


def lying(angle, scale, block):
    """Return how a raster lies below a map that is turned, and has pixels ``scale`` times as large."""
    across, down = math.sin(angle) * scale, math.cos(angle) * scale
    rows, cols = (abs(down), abs(across)), (abs(across), abs(down))
    return BlocksBelow(rows, cols, 4 * max(1, scale), (TILE, TILE), block, 1, 1 << 60), down, across


def counted(below, down, across, shape, corner):
    """Return the blocks that lie under the boxes around the tiles of a part of a map."""
    found = set()
    for row in range(0, shape[0], TILE):
        for col in range(0, shape[1], TILE):
            rows = np.array([row, min(row + TILE, shape[0])])[:, None]
            cols = np.array([col, min(col + TILE, shape[1])])
            boxes = []
            for first, places, side in (
                (corner[0], rows * down + cols * across, below.block[0]),
                (corner[1], cols * down - rows * across, below.block[1]),
            ):
                least, most = places.min() - below.reach + first, places.max() + below.reach + first
                boxes.append(range(math.floor(least / side), math.ceil(most / side)))
            found |= {(i, j) for i in boxes[0] for j in boxes[1]}
    return len(found)


@pytest.mark.parametrize("degrees", [0, 2, 10, 45, 90, 180])
@pytest.mark.parametrize("scale", [0.5, 1, 6])
@pytest.mark.parametrize("block", [(512, 512), (128, 128), (6, 4000)])
@pytest.mark.parametrize("shape", [(512, 3000), (2048, 9000)])
def test_as_many_as_are_touched_wherever_the_map_lies(degrees, scale, block, shape):
    below, down, across = lying(math.radians(degrees), scale, block)
    random = np.random.default_rng(degrees)
    touched = [counted(below, down, across, shape, random.uniform(0, 4000, 2)) for _ in range(5)]
    said = below.n_bytes(*shape) / math.prod(block)
    assert max(touched) <= 1.3 * said
    if block[0] == block[1]:
        assert said <= 2.6 * max(touched)


def test_no_more_than_the_raster_has_of_each_of_several():
    below, _, _ = lying(0.0, 1, (512, 512))
    some = replace(below, cell_bytes=6, most_bytes=1000)
    assert some.n_bytes(512, 3000) == 1000
    assert replace(some, layers=3).n_bytes(512, 3000) == 3000
    assert replace(below, cell_bytes=6).n_bytes(512, 3000) == 6 * below.n_bytes(512, 3000)


def test_what_warps_nothing_has_none():
    class Warps:
        blocks_below = (lying(0.0, 1, (512, 512))[0],)

    assert blocks_below(object()) == ()
    assert blocks_below(Warps()) == Warps.blocks_below
