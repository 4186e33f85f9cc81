"""What a run makes of operators and sources that fail: what is lost, named, and when nothing is left."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import geopatcher
from geopatcher.api.runners import parallel_map
from geopatcher.errors import OperatorError, SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import RasterField

IMAGE = np.random.default_rng(5).integers(1, 200, (2, 96, 80), dtype=np.uint8)


# -- operators ------------------------------------------------------------------------------------

BAD = (32, 40)


def touches(box_row, box_col, size):
    """Return the pixels of a patch, as a mask over the image."""
    mask = np.zeros(IMAGE.shape[1:], bool)
    mask[box_row : box_row + size, box_col : box_col + size] = True
    return mask


def bad_where(value):
    """Return an operator that fails on the patch whose first pixel has this value in band 1."""

    def operator(patch):
        if (patch[..., 0, 0, 0] == value).any():
            raise ArithmeticError("bad patch")
        return patch.astype("float32")

    return operator


def marked(row, col):
    image = IMAGE.astype("int16")
    image[0, row, col] = 777
    return image


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_only_the_bad_patch_is_lost_whatever_the_batch(on_error, batch_size):
    image = marked(*BAD)
    result = geopatcher.reconstruct(
        image, bad_where(777), size=8, step=8, window="boxcar", batch_size=batch_size, on_error=on_error
    )
    lost = touches(*BAD, 8)
    assert np.isnan(result.array[:, lost]).all()
    assert np.allclose(result.array[:, ~lost], image[:, ~lost], rtol=1e-6)
    assert [(e.anchor, e.stage, e.message) for e in result.errors] == [
        (BAD, "operator", "ArithmeticError: bad patch")
    ]
    assert 'raise ArithmeticError("bad patch")' in result.errors[0].traceback
    assert result.stats.failed == 1


def test_overlapping_patches_stand_in_for_the_one_that_is_skipped():
    image = marked(*BAD)
    result = geopatcher.reconstruct(image, bad_where(777), size=16, step=8, on_error="skip")
    # every pixel lies under other patches too
    assert np.allclose(result.array, image, rtol=1e-6)
    assert len(result.errors) == 1


@pytest.mark.parametrize("workers", [None, 2])
def test_a_part_that_is_cropped_says_where_its_patches_are_counted_from(workers):
    image = marked(*BAD)
    options = {"size": 8, "step": 8, "region": geopatcher.Box(24, 80, 16, 80), "crop": True}
    # BAD is at row 32 and column 40 of the image
    where = r"rows 8:16, columns 24:32 of the part at row 24, column 16 of ndarray int16 \(2, 96, 80\)"
    with pytest.raises(OperatorError, match=f"operator failed on {where}: .*bad patch"):
        geopatcher.reconstruct(image, bad_where(777), workers=workers, **options)
    with pytest.raises(
        OperatorError, match=r"returned an array of .* the part at row 24, column 16 of ndarray"
    ):
        geopatcher.reconstruct(image, lambda patch: patch[:, :3], **options)
    with pytest.raises(OperatorError, match=r"all 56 patches of the part at row 24, column 16 of ndarray"):
        geopatcher.reconstruct(image, lambda _: 1 // 0, on_error="skip", **options)
    with pytest.raises(
        SourceError, match=r"cannot read rows 0:56, .* of the part at row 24, column 16 of br"
    ):
        geopatcher.reconstruct(broken([(3, 3)])[0], np.copy, **options)


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_weights_are_not_asked_of_a_patch_that_failed(on_error):
    """There are no cells to make them of: those of a made-up patch were NaN, and refused."""
    image = marked(*BAD)
    result = geopatcher.reconstruct(
        image,
        bad_where(777),
        size=8,
        step=8,
        aggregation=geopatcher.SpatialWeightedSum(np.max),
        on_error=on_error,
    )
    lost = touches(*BAD, 8)
    highest = np.repeat(np.repeat(image.reshape(2, 12, 8, 10, 8).max(axis=(0, 2, 4)), 8, 0), 8, 1)
    assert np.isnan(result.array[:, lost]).all()
    np.testing.assert_array_equal(result.array[:, ~lost], (highest * image.astype("float32"))[:, ~lost])


def test_a_failing_operator_names_itself_the_window_and_the_source():
    image = marked(*BAD)
    with pytest.raises(
        OperatorError, match=r"operator failed on rows 32:40, columns 40:48 of ndarray int16 .*bad patch"
    ):
        geopatcher.reconstruct(image, bad_where(777), size=8, step=8)
    with pytest.raises(OperatorError, match=r"a batch of 5 patches, the first at rows 32:40, columns 40:48"):
        geopatcher.reconstruct(image, bad_where(777), size=8, step=8, batch_size=5)


def test_a_skipped_first_patch_does_not_decide_what_the_result_is():
    image = marked(0, 0)
    result = geopatcher.reconstruct(image, bad_where(777), size=8, step=8, on_error="mask")
    assert result.array.dtype == np.float32
    assert result.array.shape == image.shape


# -- reads ----------------------------------------------------------------------------------------


class BrokenSource(ArraySource):
    """An array with tiles of 16x16, some of which cannot be read, for some time."""

    def breaks(self, holes, times=10**9, error=OSError):
        object.__setattr__(self, "holes", dict.fromkeys(holes, times))
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "reads", [])
        return self

    def read(self, box):
        self.reads.append(box)
        for (row, col), left in self.holes.items():
            hole = geopatcher.Box(row * 16, row * 16 + 16, col * 16, col * 16 + 16)
            if left and hole.intersect(box).n_pixels:
                self.holes[row, col] = left - 1
                raise self.error(f"tile {row},{col} is damaged")
        return super().read(box)


def broken(holes, **how):
    field = RasterField(
        BrokenSource(IMAGE, geopatcher.RasterDomain(IMAGE.shape, dtype=IMAGE.dtype), "broken", (16, 16))
    )
    return field, field.source.breaks(holes, **how)


def test_a_read_that_fails_names_source_and_rows():
    field, _ = broken([(1, 1)])
    with pytest.raises(
        SourceError, match=r"cannot read rows 0:96, columns 0:80 of broken: OSError: tile 1,1"
    ):
        geopatcher.reconstruct(field, np.copy, size=16, step=16)


def test_a_read_is_tried_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    field, source = broken([(1, 1)], times=2)
    result = geopatcher.reconstruct(field, np.copy, size=16, step=16, on_error="retry", max_retries=2)
    assert np.array_equal(result.array, IMAGE)
    assert len(source.reads) == 3
    assert result.errors == []


def test_a_read_is_not_tried_again_for_errors_not_named():
    field, source = broken([(1, 1)], times=2, error=RuntimeError)
    with pytest.raises(SourceError, match="RuntimeError: tile 1,1"):
        geopatcher.reconstruct(field, np.copy, size=16, step=16, on_error="retry", max_retries=2)
    assert len(source.reads) == 1


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("target", [None, "x.zarr"])
def test_one_bad_tile_costs_the_patches_over_it_and_no_more(tmp_path, on_error, target):
    field, source = broken([(1, 1), (4, 3)])
    result = geopatcher.reconstruct(
        field, np.copy, target and tmp_path / target, size=8, step=8, on_error=on_error, dtype="float32"
    )
    lost = touches(16, 16, 16) | touches(64, 48, 16)
    values = np.asarray(result.array[...])
    assert np.isnan(values[:, lost]).all()
    assert np.allclose(values[:, ~lost], IMAGE[:, ~lost], rtol=1e-6)
    assert {e.stage for e in result.errors} == {"read"}
    assert {e.anchor for e in result.errors} == {
        (r, c) for r, c in [(16, 16), (16, 24), (24, 16), (24, 24), (64, 48), (64, 56), (72, 48), (72, 56)]
    }
    n_tiles = 6 * 5
    assert len(source.reads) < n_tiles  # halved, not tried one by one


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_a_source_that_is_wholly_broken_is_an_error_whatever_the_policy(tmp_path, on_error, target):
    holes = [(row, col) for row in range(6) for col in range(5)]
    field, source = broken(holes)
    n_patches = geopatcher.plan(field, size=16, step=8).n_patches
    with pytest.raises(
        SourceError,
        match=rf"all {n_patches} patches of broken failed, the first: reading at \(0, 0\) with OSError: tile",
    ):
        geopatcher.reconstruct(
            field, np.copy, target and tmp_path / target, size=16, step=8, on_error=on_error, dtype="float32"
        )
    assert len(source.reads) <= 2 * 30
    assert list(tmp_path.iterdir()) == []


def test_integers_without_nodata_get_a_mask_when_patches_are_left_out():
    field, _ = broken([(0, 0)])
    result = geopatcher.reconstruct(field, np.copy, size=16, step=16, on_error="skip")
    assert result.array.dtype == np.uint8
    assert result.domain.nodata is None
    held = np.ones(result.array.shape, bool)
    held[:, :16, :16] = False
    np.testing.assert_array_equal(result.valid[...], held)


def test_the_patcher_passes_its_policy_on():
    field, _ = broken([(0, 0)])
    patcher = geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(16),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
        on_error="skip",
    )
    result = patcher.reconstruct(field, np.copy)
    assert [e.anchor for e in result.errors] == [(0, 0)]
    assert [e.anchor for e in patcher.errors] == [(0, 0)]


# -- nothing is left ------------------------------------------------------------------------------


def always(patch):
    raise KeyError("b9")


def patcher_with(on_error):
    return geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(16),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
        on_error=on_error,
    )


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_operator_that_always_fails_gives_no_result(tmp_path, on_error, target, workers):
    with pytest.raises(
        OperatorError, match=r"all 30 patches of .* failed, the first: always at \(0, 0\) with KeyError: 'b9'"
    ):
        geopatcher.reconstruct(
            IMAGE, always, target and tmp_path / target, size=16, step=16, chunks=32, on_error=on_error,
            workers=workers,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_was_there_stays_when_every_patch_of_the_next_one_fails(tmp_path):
    geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", size=16, step=16)
    with pytest.raises(OperatorError, match="all 30 patches"):
        geopatcher.reconstruct(
            IMAGE, always, tmp_path / "x.zarr", size=16, step=16, on_error="skip", overwrite=True
        )
    again = geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", size=16, step=16)
    assert again.stats.notes[0].startswith("complete since")


def test_patches_without_data_are_no_success():
    image = np.ones((64, 64), "float32")
    image[:, :32] = np.nan
    with pytest.raises(OperatorError, match="all 8 patches"):
        geopatcher.reconstruct(image, always, size=16, step=16, on_error="skip", skip_empty=True)


def test_the_only_patch():
    with pytest.raises(OperatorError, match=r"the only patch of .* failed: always at \(0, 0\)"):
        geopatcher.reconstruct(IMAGE, always, size=(96, 80), on_error="skip")


def test_one_patch_that_works_is_a_result():
    def once(patch):
        if patch[0, 0, 0] != IMAGE[0, 0, 0]:
            raise KeyError("b9")
        return patch

    result = geopatcher.reconstruct(IMAGE, once, size=16, step=16, on_error="skip", dtype="float32")
    assert np.array_equal(result.array[:, :16, :16], IMAGE[:, :16, :16])
    assert result.stats.failed == len(result.errors) >= 29 - 1


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_a_split_of_which_nothing_can_be_read_ends_with_a_warning(on_error, prefetch):
    field, _ = broken([(row, col) for row in range(6) for col in range(5)])
    patcher = patcher_with(on_error)
    with pytest.warns(RuntimeWarning, match="all 30 patches of broken failed"):
        patches = list(patcher.split(field, prefetch=prefetch))
    assert len(patches) == (30 if on_error == "mask" else 0)
    assert all(np.ma.getmaskarray(patch.data).all() or np.isnan(patch.data).all() for patch in patches)
    assert len(patcher.errors) == 30
    with pytest.warns(RuntimeWarning, match="all 30 patches of broken failed"):
        merged = patcher.merge(patcher.split(field), field.domain)
    assert np.isnan(merged).all()


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_patches_that_are_awaited_end_with_a_warning_too(on_error):
    class Broken:
        domain = geopatcher.RasterDomain((32, 32))

        async def aselect(self, window):
            raise OSError("tile")

    async def awaited(patcher):
        return [patch async for patch in patcher.asplit(Broken())]

    made = geopatcher.AsyncSpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(16),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
        on_error,
    )
    with pytest.warns(RuntimeWarning, match="all 4 patches"):
        patches = asyncio.run(awaited(made))
    assert len(patches) == (4 if on_error == "mask" else 0)
    assert [(record.kind, record.message) for record in made.errors] == 4 * [("OSError", "OSError: tile")]
    assert {record.stage for record in made.errors} == {"read"}


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("backend", ["thread", "process"])
def test_a_map_of_which_nothing_works_ends_with_a_warning(on_error, backend):
    patcher = patcher_with("raise")
    stream = parallel_map(patcher, IMAGE, always, n_workers=2, on_error=on_error, backend=backend)
    with pytest.warns(RuntimeWarning, match=r"all 30 patches of .* failed, the first: always at \(0, 0\)"):
        merged = patcher.merge(stream, IMAGE)
    assert np.isnan(merged).all()
    assert len(patcher.errors) == 30


def test_a_map_of_what_a_journal_has_left_may_fail_wholly(tmp_path):
    patcher, journal = patcher_with("raise"), geopatcher.PatchJournal(tmp_path / "journal")
    for anchor in list(patcher.anchors(IMAGE))[:-1]:
        journal.commit(anchor, status="done", runtime_s=0.0)
    assert list(parallel_map(patcher, IMAGE, always, n_workers=1, on_error="skip", journal=journal)) == []
    assert len(patcher.errors) == 1


def test_two_passes_of_which_one_has_nothing_end_with_an_error():
    patcher = patcher_with("skip")
    with pytest.raises(OperatorError, match="all 30 patches"):
        patcher.two_pass(
            IMAGE, reduce_with=geopatcher.SpatialMeanStd(), apply=lambda data, found: always(data)
        )
    field, _ = broken([(row, col) for row in range(6) for col in range(5)])
    with pytest.raises(SourceError, match="of broken failed"):
        patcher.reduce(field, geopatcher.SpatialMeanStd())
    with pytest.warns(RuntimeWarning), pytest.raises(SourceError, match="of broken failed"):
        patcher.reduce(field, geopatcher.SpatialMax())
