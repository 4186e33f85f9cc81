from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pytest
import rasterio
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher import (
    Patch,
    RasterDomain,
    RasterField,
    SpatialApproxQuantile,
    SpatialByIndex,
    SpatialHann,
    SpatialMax,
    SpatialMeanStd,
    SpatialMinMax,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    SpatialReservoir,
)
from geopatcher.api import two_pass
from geopatcher.api.two_pass import Applied, FieldReader
from geopatcher.core.box import Box
from geopatcher.errors import OperatorError, SourceError
from geopatcher.patching.samplers.explicit import SpatialExplicit


def patcher(size=8, step=4, boundary="cover", sampler=None, aggregation=None, **policy):
    return SpatialPatcher(
        SpatialRectangular(size, boundary),
        sampler or SpatialRegularStride(step),
        SpatialHann(),
        aggregation or SpatialOverlapAdd(),
        **policy,
    )


def covered(plan, shape):
    """Which pixels lie under a patch, painted patch by patch."""
    seen = np.zeros(shape, bool)
    for strip in plan.strips():
        for box in strip.boxes:
            seen[max(0, box.row0) : box.row1, max(0, box.col0) : box.col1] = True
    return seen


@dataclass(eq=False)
class Recorded:
    """A source that notes what is read of it, and fails where it is told to."""

    array: np.ndarray
    broken: Box | None = None
    boxes: list[Box] = field(default_factory=list)
    block_shape: tuple[int, int] = (16, 16)
    has_nodata: bool = False
    name: str = "recorded"

    @property
    def domain(self):
        return RasterDomain(self.array.shape, dtype=self.array.dtype)

    def read(self, box):
        if self.broken is not None and box.intersect(self.broken).n_pixels:
            raise OSError("bad tile")
        self.boxes.append(box)
        return self.array.reshape(-1, *self.array.shape[-2:])[(slice(None), *box.slices())]

    def valid(self, box, pixels):
        return None

    def identity(self):
        return {"name": self.name}


@dataclass(frozen=True, eq=False)
class RecordedField:
    source: Recorded
    gives_windows: bool = False

    @property
    def domain(self):
        return self.source.domain

    def select(self, indexer):
        raise NotImplementedError

    def with_data(self, array):
        raise NotImplementedError

    def dress(self, pixels, box):
        return pixels if len(self.domain.shape) == 3 else pixels[0]


# --- reduce -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    bands=st.integers(0, 3),
    lattice=st.tuples(
        st.integers(1, 12), st.integers(1, 15), st.sampled_from(["cover", "drop", "pad", "reflect", "shrink"])
    ),
    dtype=st.sampled_from(["uint8", "int32", "float32"]),
    seed=st.integers(0, 2**32),
)
def test_each_pixel_under_a_patch_counts_once(shape, bands, lattice, dtype, seed):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 50, (bands, *shape) if bands else shape).astype(dtype)
    missing = rng.random(data.shape) < 0.1
    data[missing] = np.nan if dtype == "float32" else 7
    missing |= data == 7 if dtype != "float32" else False
    source = RasterField.from_array(data, nodata=None if dtype == "float32" else 7)
    made = patcher(*lattice)
    counts = ~missing & covered(made.plan(source), shape)
    found = made.reduce(source, SpatialMinMax())
    mean = made.reduce(source, SpatialMeanStd())["mean"]
    sample = made.reduce(source, SpatialReservoir(k=10_000))
    for band in range(max(1, bands)):
        cells = (data[band] if bands else data)[counts[band] if bands else counts].astype(np.float64)
        low = found["min"][band] if bands else found["min"]
        average = mean[band] if bands else mean
        assert low == cells.min() if cells.size else np.isnan(low)
        np.testing.assert_allclose(average, cells.mean() if cells.size else np.nan, rtol=1e-12)
    assert len(sample) == np.count_nonzero(counts.all(axis=0) if bands else counts)


def test_anchors_of_a_list_are_counted_once_and_gaps_not_at_all():
    data = np.random.default_rng(0).normal(size=(700, 60))
    source = Recorded(data)
    made = patcher(10, sampler=SpatialExplicit([(0, 0), (3, 4), (3, 4), (600, 50), (640, 2)]))
    found = made.reduce(RecordedField(source), SpatialApproxQuantile([0.0, 0.3, 1.0]))
    cells = data[covered(made.plan(data), data.shape)]
    np.testing.assert_allclose(found, np.quantile(cells, [0.0, 0.3, 1.0]), rtol=1e-14)
    # What no patch is near is not even read.
    assert source.boxes == [Box(0, 13, 0, 14), Box(600, 650, 2, 60)]


@pytest.mark.parametrize(
    ("unit_bytes", "most"), [(32 << 20, 900 * 5000), (1 << 20, 256 * 1024), (1, 256 * 16)]
)
def test_whole_blocks_are_read_once_each_within_the_bytes_for_a_unit(monkeypatch, unit_bytes, most):
    monkeypatch.setattr(two_pass, "UNIT_BYTES", unit_bytes)
    data = np.random.default_rng(1).integers(0, 1000, (2, 900, 5000)).astype("uint16")
    source = Recorded(data)
    found = FieldReader(patcher(64, 32).plan(RecordedField(source)), source).reduce(SpatialMeanStd())
    assert max(box.n_pixels for box in source.boxes) <= most
    assert all(box.row0 % 16 == box.col0 % 16 == 0 for box in source.boxes)
    np.testing.assert_allclose(found["mean"], data.mean(axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(found["std"], data.std(axis=(1, 2)), rtol=1e-12)
    times = np.zeros(data.shape[1:], np.uint8)
    for box in source.boxes:
        times[box.slices()] += 1
    assert (times == 1).all()


def test_any_strips_give_the_same_sample():
    data = np.random.default_rng(2).normal(size=(600, 300))
    plan = patcher(64, 32).plan(data)
    whole = SpatialReservoir(k=20).merge([Patch(data, (0, 0), None)], data)
    reduced = FieldReader(plan, RasterField.from_array(data).source).reduce(SpatialReservoir(k=20))
    np.testing.assert_array_equal(reduced, whole)


def test_reducing_holds_no_field():
    class Endless(Recorded):
        def read(self, box):
            return np.full((1, *box.shape), float(box.row0 % 512 != 0), np.float32)

    rows = 20_000
    source = Endless(np.broadcast_to(np.float32(0), (1, rows, 2000)))  # 160 MB
    made = patcher(64, 32)
    tracemalloc.start()
    try:
        found = made.reduce(RecordedField(source), SpatialMeanStd())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["mean"][0] == pytest.approx(np.mean([float(r // 256 * 256 % 512 != 0) for r in range(rows)]))
    assert peak < 64e6


def test_a_file_counts_its_nodata_out(tmp_path):
    data = np.arange(600, dtype="int16").reshape(1, 20, 30)
    path = tmp_path / "dem.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=20, width=30, count=1, dtype="int16", nodata=599
    ) as dataset:
        dataset.write(data)
    assert patcher().reduce(path, SpatialMinMax())["max"].tolist() == [598]


def test_tiles_that_cannot_be_read_do_not_count_and_are_noted():
    data = np.ones((600, 40))
    data[300:310, 20:24] = 1e9
    made = patcher(64, 32, on_error="skip")
    source = Recorded(data, broken=Box(300, 310, 20, 24))
    found = made.reduce(RecordedField(source), SpatialReservoir(k=10**6))
    lost = [Box(288, 304, 16, 32), Box(304, 320, 16, 32)]
    assert found.max() == 1.0
    assert found.size == data.size - sum(box.n_pixels for box in lost)
    assert [(record.anchor, record.stage) for record in made.errors] == [
        ((288, 16), "read"),
        ((304, 16), "read"),
    ]
    with pytest.raises(SourceError, match=r"cannot read rows 256:512.*recorded.*bad tile"):
        patcher(64, 32).reduce(RecordedField(source), SpatialReservoir())


def test_other_aggregations_are_given_the_patches():
    data = np.random.default_rng(3).normal(size=(2, 20, 30))
    made = patcher()
    np.testing.assert_array_equal(made.reduce(data, SpatialMax()), data)
    assert made.reduce(data, SpatialByIndex()).keys() == set(made.anchors(data))
    assert (
        patcher(aggregation=SpatialMinMax()).merge(made.split(data), data)["max"].tolist()
        == data.max(axis=(1, 2)).tolist()
    )


# --- two passes ---------------------------------------------------------------------------------


def whole_standardised(data):
    axes = (-2, -1)
    return (data - np.nanmean(data, axes, keepdims=True)) / np.nanstd(data, axes, keepdims=True)


def by_band(data, found):
    return (data - found["mean"][:, None, None]) / found["std"][:, None, None]


def flat(data, found):
    return (data - found["mean"]) / found["std"]


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    bands=st.integers(0, 3),
    size=st.integers(2, 12),
    part=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_standardising_is_that_of_the_whole_array(shape, bands, size, part, seed):
    data = np.random.default_rng(seed).normal(3, 2, (bands, *shape) if bands else shape)
    data[..., 0, 0] = np.nan
    made = patcher(size, max(1, size // part))
    found = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=by_band if bands else flat)
    np.testing.assert_allclose(found, whole_standardised(data), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("aggregation", [SpatialOverlapAdd(), SpatialMax()], ids=["overlap-add", "max"])
def test_two_passes_are_reduce_apply_and_merge(aggregation):
    data = np.random.default_rng(4).normal(size=(2, 50, 60)).astype(np.float32)
    made = patcher(16, 8)
    statistics = made.reduce(data, SpatialMeanStd())
    by_hand = aggregation.merge(
        (patch.with_data(by_band(patch.data, statistics)) for patch in made.split(data)), data
    )
    found = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=by_band, aggregation=aggregation)
    np.testing.assert_array_equal(found, by_hand)


def test_the_field_is_read_twice():
    source = Recorded(np.random.default_rng(5).normal(size=(1, 600, 100)))
    patcher(64, 32).two_pass(RecordedField(source), reduce_with=SpatialMeanStd(), apply=by_band)
    times = np.zeros((600, 100), np.uint8)
    for box in source.boxes:
        times[box.slices()] += 1
    assert (times == 2).all()


def test_nodata_of_integers_is_nan_in_the_result():
    data = np.arange(1, 601, dtype="uint16").reshape(20, 30)
    data[5, 6] = 0
    source = RasterField.from_array(data, nodata=0)
    found = patcher().two_pass(source, reduce_with=SpatialMeanStd(), apply=flat)
    expected = np.where(data == 0, np.nan, data.astype(np.float64))
    np.testing.assert_allclose(found, whole_standardised(expected), rtol=1e-6, atol=1e-9)


def test_targets_hold_what_memory_holds(tmp_path):
    data = np.random.default_rng(6).normal(size=(2, 70, 90)).astype(np.float32)
    made = patcher(16, 8)
    passes = {"reduce_with": SpatialMeanStd(), "apply": by_band}
    memory = made.two_pass(data, **passes)
    stored = made.two_pass(data, **passes, target=tmp_path / "a.zarr")
    assert stored.dtype == np.float64  # what apply returned
    np.testing.assert_array_equal(stored[:], memory)
    np.testing.assert_array_equal(zarr.open(str(tmp_path / "a.zarr"))["data"][:], memory)
    made.two_pass(data, **passes, target=tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), memory)


def test_anything_can_be_the_statistics_and_the_second_aggregation():
    data = np.random.default_rng(7).normal(size=(40, 40))
    made = patcher()
    stretched = made.two_pass(
        data, reduce_with=SpatialApproxQuantile((0.02, 0.98)), apply=lambda x, q: np.clip(x, q[0], q[1])
    )
    np.testing.assert_allclose(stretched, np.clip(data, *np.quantile(data, (0.02, 0.98))), rtol=1e-12)
    apart = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=flat, aggregation=SpatialByIndex())
    assert apart.keys() == set(made.anchors(data))
    top = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=flat, aggregation=SpatialMinMax())
    assert top["max"] == flat(data, {"mean": data.mean(), "std": data.std()}).max()
    smoothed = made.two_pass(data, reduce_with=SpatialOverlapAdd(), apply=lambda x, whole: x * whole.sum())
    np.testing.assert_allclose(smoothed, data * data.sum(), rtol=1e-9)


def test_a_function_that_fails_is_named():
    def divide(data, found):
        raise ZeroDivisionError("no spread")

    data = np.ones((20, 30))
    with pytest.raises(OperatorError, match=r"divide failed on rows 0:8.*ZeroDivisionError: no spread"):
        patcher().two_pass(data, reduce_with=SpatialMeanStd(), apply=divide)
    skipping = patcher(on_error="skip")
    with pytest.raises(OperatorError, match=r"all \d+ patches of .* failed, the first: divide at \(0, 0\)"):
        skipping.two_pass(data, reduce_with=SpatialMeanStd(), apply=divide)
    assert {record.stage for record in skipping.errors} == {"operator"}
    assert len(skipping.errors) == skipping.n_anchors(data)


def test_a_target_needs_a_value_for_each_pixel(tmp_path):
    made = patcher(aggregation=SpatialByIndex())
    with pytest.raises(TypeError, match=r"SpatialByIndex makes no array .*a\.zarr: pass aggregation="):
        made.two_pass(np.ones((20, 30)), reduce_with=SpatialMeanStd(), apply=flat, target=tmp_path / "a.zarr")


class Scaled:
    """Statistics taken from each pixel, in a result that is finer or coarser."""

    wants_position = True

    def __init__(self, scale, margin=0):
        self.output_scale, self.margin = scale, margin

    def __call__(self, data, found, position):
        row, col = position.anchor
        assert (position.window.height, position.window.width) == data.shape
        assert position.transform[:6] == (1, 0, col, 0, 1, row), "of the source"
        data = data - found["mean"]
        if self.output_scale == 2:
            return data.repeat(2, axis=0).repeat(2, axis=1)
        height, width = data.shape
        return data.reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))


@pytest.mark.parametrize("scale", [2, "1/4"])
@pytest.mark.parametrize("margin", [0, 4])
def test_a_function_may_give_finer_and_coarser_results(scale, margin, tmp_path):
    data = np.random.default_rng(8).normal(size=(40, 48))
    apply = Scaled(scale, margin)
    centred = data - data.mean()
    expected = (
        centred.repeat(2, axis=0).repeat(2, axis=1)
        if scale == 2
        else centred.reshape(10, 4, 12, 4).mean(axis=(1, 3))
    )
    made = patcher()
    memory = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=apply)
    np.testing.assert_allclose(memory, expected, rtol=1e-9, atol=1e-12)
    stored = made.two_pass(data, reduce_with=SpatialMeanStd(), apply=apply, target=tmp_path / "a.zarr")
    np.testing.assert_allclose(stored[:], expected, rtol=1e-9, atol=1e-12)


def test_patches_that_become_no_whole_pixels_are_refused():
    with pytest.raises(ValueError, match="output_scale=1/4 makes whole pixels of multiples of 4 only"):
        patcher(size=6, step=4).two_pass(np.ones((40, 48)), reduce_with=SpatialMeanStd(), apply=Scaled("1/4"))


def test_a_function_may_ask_for_the_mask():
    class Fill:
        wants_mask = True

        def __call__(self, data, found):
            return data.filled(int(found["max"][0]))

    data = np.arange(600, dtype="uint16").reshape(1, 20, 30)
    source = RasterField.from_array(data, nodata=0)
    found = patcher().two_pass(source, reduce_with=SpatialMinMax(), apply=Fill())
    np.testing.assert_allclose(found, np.where(data == 0, 599, data), rtol=1e-14)
    assert not Applied(flat, {}).wants_mask


def test_an_applied_function_pickles():
    applied = pickle.loads(pickle.dumps(Applied(flat, {"mean": 1.0, "std": 2.0})))  # noqa: S301
    assert applied(np.array([3.0])).tolist() == [1.0]
    assert applied.__name__ == "flat"
