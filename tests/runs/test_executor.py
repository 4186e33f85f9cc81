"""A run from its first look at the target to its outcome."""

from __future__ import annotations

import numpy as np
import pytest

import far
import geopatcher as gp
from geopatcher.errors import MemoryLimitError, OperatorError, TargetError
from geopatcher.fields.array_source import ArraySource

IMAGE = np.random.default_rng(0).random((64, 96)).astype("float32")
SIZES = {"size": 16, "step": 8, "chunks": 32}


def test_a_source_in_blocks_too_large_to_decode_is_refused():
    class Striped(ArraySource):
        block_shape = (64, 96 << 20)

    source = Striped(IMAGE, ArraySource.of(IMAGE).domain)
    with pytest.raises(
        MemoryLimitError, match="stored in blocks of 64x100663296 pixels, which take .* to decode"
    ):
        gp.reconstruct(source, np.copy, memory_limit="1GiB", **SIZES)


def test_what_was_finished_before_an_error_is_said_with_it(tmp_path):
    with pytest.raises(OperatorError, match="not here") as caught:
        gp.reconstruct(IMAGE, far.Fails(IMAGE[60, 90]), tmp_path / "x.zarr", **SIZES)
    assert "1 finished rows of blocks are kept in" in caught.value.__notes__[-1]
    with pytest.raises(OperatorError) as caught:
        gp.reconstruct(IMAGE, far.Fails(IMAGE[0, 0]), tmp_path / "y.zarr", **SIZES)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("y")) in (
        [],
        ["y.zarr.lock"],
    )
    with pytest.raises(OperatorError) as caught:
        gp.reconstruct(IMAGE, far.Fails(IMAGE[60, 90]), **SIZES)
    assert not getattr(caught.value, "__notes__", [])


def test_a_run_of_which_every_patch_fails_is_an_error_under_any_policy():
    with pytest.raises(OperatorError, match=r"77 .*patches"):
        gp.reconstruct(IMAGE, far.Fails(*IMAGE[::8, ::8].ravel()), on_error="skip", **SIZES)


def test_its_numbers_are_those_of_the_plan(tmp_path):
    heard = []

    class Hook:
        def on_split_start(self, n_patches):
            heard.append(("start", n_patches))

        def on_split_end(self):
            heard.append(("end",))

        def on_merge_end(self, nbytes):
            heard.append(("merged", nbytes))

    result = gp.reconstruct(IMAGE, lambda x: x, tmp_path / "x.zarr", hooks=Hook(), **SIZES)
    assert heard == [("start", 77), ("end",), ("merged", IMAGE.nbytes)]
    stats = result.stats
    assert (stats.patches, stats.blocks, stats.source_bytes, stats.target_bytes) == (
        77,
        2,
        IMAGE.nbytes,
        IMAGE.nbytes,
    )
    assert stats.peak_bytes > IMAGE.nbytes


def test_a_target_may_not_be_where_the_pixels_come_from(tmp_path):
    gp.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", **SIZES)
    with pytest.raises(TargetError, match=r"x\.zarr"):
        gp.reconstruct(tmp_path / "x.zarr", np.copy, tmp_path / "x.zarr", overwrite=True, **SIZES)
