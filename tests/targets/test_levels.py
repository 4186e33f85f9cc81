"""Overview levels, whatever they are written into, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.gaps import VALID, codes
from geopatcher.targets.digests import files_in
from geopatcher.targets.levels import FIXED_BYTES, build_levels, create_levels, level_specs, levels_bytes
from geopatcher.targets.zarr_store import ZarrSink, documents_of

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def spec_of(shape=(2, 70, 53), dtype="uint8", **options):
    domain = RasterDomain(shape, TRANSFORM, "EPSG:32633", None, np.dtype(dtype))
    return ResultSpec(domain, (16, 16), 0, **{"multiscales": True, **options})


def begun(place, spec, arrays):
    """Return the blocks of a store that is written, and its levels, which are not."""
    made = documents_of(spec)
    create_levels(made.documents, made.group, spec)
    made.documents.make(place)
    sink = ZarrSink(place)
    sink.write([(Box.of_shape(spec.domain.grid_shape), arrays)])
    return sink, [ZarrSink(place / str(number + 1)) for number in range(len(level_specs(spec)))]


def test_levels_end_when_a_block_holds_all_and_there_may_be_none():
    assert [each.domain.grid_shape for each in level_specs(spec_of())] == [(35, 27), (18, 14), (9, 7)]
    assert not any(each.multiscales for each in level_specs(spec_of()))
    assert level_specs(spec_of(multiscales=False)) == []
    assert level_specs(spec_of((16, 16))) == []


@pytest.mark.parametrize("shards", [None, (32, 32)])
def test_what_is_known_of_the_files_is_what_reading_them_tells(tmp_path, shards):
    spec = spec_of(shards=shards, layers={"count": LayerSpec(np.dtype("uint16"), 0)})
    image = np.random.default_rng(0).integers(1, 200, spec.domain.shape).astype("uint8")
    image[:, :40, :40] = 0  # blocks of fill have no files
    image[1, :, :] = 0
    sink, levels = begun(tmp_path / "x.zarr", spec, {"data": image, "count": image[:1].astype("uint16")})
    rows = list(build_levels(sink, levels, spec))
    assert [row.level for row in rows] == sorted(row.level for row in rows)
    for number, each in enumerate(level_specs(spec), start=1):
        whole = Box.of_shape(each.domain.grid_shape)
        step = (shards or (16, 16))[0]
        assert [row.box for row in rows if row.level == number] == list(whole.tiles((step, whole.width)))
    for row in rows:
        told = levels[row.level - 1].read_records(row.box)
        assert set(told) == set(row.files) == {"data", "count"}
        for name, records in told.items():
            assert list(files_in(records)) == list(files_in(row.files[name]))


def test_masks_have_levels_band_by_band(tmp_path):
    spec = spec_of((2, 33, 40), masked=True)
    image = np.random.default_rng(0).integers(0, 9, spec.domain.shape).astype("uint8")
    known = np.random.default_rng(1).random(image.shape) > 0.6
    image[~known] = 0
    sink, levels = begun(tmp_path / "x.zarr", spec, {"data": image, VALID: codes(image, known, None)})
    list(build_levels(sink, levels, spec))
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    padded = np.pad(known, ((0, 0), (0, 1), (0, 0)))
    half = padded.reshape(2, 17, 2, 20, 2).any(axis=(2, 4))
    np.testing.assert_array_equal(group["1/valid"][...], half)
    values = np.pad(image.astype(float), ((0, 0), (0, 1), (0, 0))).reshape(2, 17, 2, 20, 2)
    # An edge row counts for itself: padding holds no data, and no cell that does counts twice.
    counts = padded.reshape(2, 17, 2, 20, 2).sum(axis=(2, 4))
    means = np.floor(values.sum(axis=(2, 4)) / np.maximum(counts, 1) + 0.5)
    np.testing.assert_array_equal(group["1/data"][...], np.where(half, means, 0))


def test_memory_is_that_of_a_block_and_its_parents():
    small, large, wide = spec_of(), spec_of(shards=(32, 32)), spec_of(dtype="float64")
    assert levels_bytes(large) - FIXED_BYTES == 4 * (levels_bytes(small) - FIXED_BYTES)
    assert levels_bytes(wide) > levels_bytes(small) > FIXED_BYTES
