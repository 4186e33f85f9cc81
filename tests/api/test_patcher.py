"""The patcher: lazy streams that carry their plan, and what they hand out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

import geopatcher as gp
import oracle
from geopatcher import Box
from geopatcher.errors import IncompleteScanConfiguration
from kinds import IMAGE, KINDS, patcher_of, path, source_of, tensor

__all__ = ["path"]  # a fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # georeader multiplies affines by points
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

samplers = st.one_of(
    st.builds(gp.SpatialRegularStride, st.integers(1, 16)),
    st.builds(gp.SpatialJitteredStride, st.integers(4, 16), st.floats(0, 1), st.integers(0, 99)),
    st.builds(
        gp.samplers.SpatialExplicit,
        st.lists(st.tuples(st.integers(-15, 59), st.integers(-15, 69)), min_size=1, max_size=30),
    ),
)


@settings(max_examples=40)
@given(samplers, st.sampled_from(["pad", "reflect", "shrink"]))
def test_any_sampler_gives_the_pixels_around_its_anchors(sampler, boundary):
    image = IMAGE[:1]
    patcher = patcher_of(16, 16, boundary, sampler)
    big = oracle.around(image, 40, "pad" if boundary == "pad" else "reflect")
    anchors = sorted(sampler.anchors(gp.RasterDomain((1, 60, 70)), patcher.geometry))
    patches = list(patcher.split(image))
    assert len(patches) == len(anchors)
    for patch, (row, col) in zip(patches, anchors, strict=True):
        box = Box(row, row + 16, col, col + 16)
        if boundary == "shrink":
            box = box.intersect(Box(0, 60, 0, 70))
        assert patch.anchor == (box.row0, box.col0)
        np.testing.assert_array_equal(patch.data, big[:, *box.shift(40, 40).slices()])


@settings(max_examples=20)
@given(st.integers(0, 99), st.sampled_from(["cover", "pad", "reflect", "shrink"]), st.floats(0, 0.5))
def test_listed_anchors_reconstruct_what_a_lattice_does(seed, boundary, jitter):
    sampler = gp.SpatialJitteredStride(8, jitter, seed)
    patcher = patcher_of(16, 8, boundary, sampler)
    result = patcher.reconstruct(IMAGE, lambda x: x)
    assert oracle.ulps(result.array, IMAGE) <= 4
    assert oracle.ulps(patcher.merge(patcher.split(IMAGE), IMAGE), IMAGE.astype("float64")) <= 4


def test_samplers_that_leave_gaps_are_told_of():
    patcher = patcher_of(16, sampler=gp.samplers.SpatialExplicit([(0, 0), (20, 20)]))
    with pytest.raises(IncompleteScanConfiguration, match="3,688 of 4,200 pixels are left out"):
        patcher.reconstruct(IMAGE, lambda x: x)
    result = gp.reconstruct(IMAGE, lambda x: x, patcher=patcher, allow_gaps=True)
    assert np.isnan(result.array).sum() == 2 * 3688


@pytest.mark.parametrize("kind", KINDS)
def test_merging_what_was_split_gives_the_field_back(kind, path):
    source = source_of(kind, path)
    patcher = patcher_of(16, 8)
    for patches in (patcher.split(source), list(patcher.split(source))):
        merged = patcher.merge(patches, source if kind != "path" else IMAGE)
        assert merged.shape == IMAGE.shape
        np.testing.assert_allclose(merged, IMAGE, rtol=1e-6)


def test_two_dimensional_fields_give_two_dimensional_patches(path):
    image = IMAGE[0]
    for source in (image, tensor(image)):
        patcher = patcher_of(16, 8, "reflect")
        patches = list(patcher.split(source))
        assert {patch.data.shape for patch in patches} == {(16, 16)}
        np.testing.assert_allclose(patcher.merge(patches, source), image, rtol=1e-6)


def test_errors_of_policies_come_at_once():
    with pytest.raises(ValueError, match="on_error='ignore' is none of raise, skip, mask, retry"):
        patcher_of(on_error="ignore")
    with pytest.raises(ValueError, match="max_retries must be 0 or more, not -1"):
        patcher_of(max_retries=-1)


def test_the_policy_of_a_patcher_is_that_of_its_runs():
    def fail(patch):
        if patch[0, 0, 0] == IMAGE[0, 16, 16]:
            raise ValueError("bad")
        return patch

    patcher = patcher_of(on_error="skip")
    result = patcher.reconstruct(IMAGE, fail)
    assert [record.anchor for record in patcher.errors] == [(16, 16)]
    assert np.isnan(result.array[:, 16:32, 16:32]).all()
    assert np.isnan(result.array).sum() == 2 * 256


def test_patches_are_context_managers():
    closed = []

    class Resource:
        def close(self):
            closed.append(self)

    with gp.Patch(Resource(), (0, 0), Window(0, 0, 1, 1)) as patch:
        assert closed == []
    assert closed == [patch.data]
