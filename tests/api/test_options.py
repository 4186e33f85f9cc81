"""The keywords of the verbs, which a patcher passes on: the same ones, and no others."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.options import PlanOptions, RunOptions, SourceOptions

IMAGE = np.random.default_rng(0).random((2, 40, 50)).astype("float32")
AXES = {"patcher", "size", "step", "window", "aggregation", "boundary"}


def patcher(**more):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(16),
        gp.SpatialRegularStride(8),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
        **more,
    )


@pytest.mark.parametrize(
    ("verb", "options", "positional"),
    [(gp.plan, PlanOptions, {"source"}), (gp.reconstruct, RunOptions, {"source", "operator", "target"})],
)
def test_the_typed_keywords_are_those_of_the_verb_but_for_the_patches(verb, options, positional):
    named = {*inspect.signature(verb).parameters} - {"opening"} | {*SourceOptions.__optional_keys__}
    assert named - AXES - positional == {*options.__optional_keys__}


@pytest.mark.parametrize("name", ["size", "patcher", "codec", "chunk"])
def test_an_unknown_keyword_is_named(name):
    with pytest.raises(
        TypeError,
        match=rf"SpatialPatcher.plan\(\) got .* '{name}': it takes all_touched, allow_gaps, bands, ",
    ):
        patcher().plan(IMAGE, **{name: 8})
    with pytest.raises(
        TypeError, match=rf"SpatialPatcher.reconstruct\(\) got .* '{name}': it takes all_touched, allow_gaps"
    ):
        patcher().reconstruct(IMAGE, np.copy, **{name: 8})


def test_a_patcher_passes_keywords_on(tmp_path):
    heard = []
    result = patcher().reconstruct(
        IMAGE,
        lambda x: x[:, :1],
        tmp_path / "x.zarr",
        batch_size=4,
        chunks=16,
        dtype="float64",
        storage=gp.ZarrStorage(shards=32),
        layers=["weight"],
        region=gp.Box(0, 8, 0, 8),
        progress=heard.append,
    )
    assert result.array.shards[-2:] == (32, 32)
    assert (result.array.dtype, list(result.layers)) == (np.float64, ["weight"])
    assert sum(heard) == result.plan.n_patches < patcher().n_anchors(IMAGE)
    plan = patcher().plan(
        IMAGE,
        target=tmp_path / "y.zarr",
        storage=gp.ZarrStorage(shards=32),
        chunks=16,
        region=gp.Box(0, 8, 0, 8),
    )
    assert (plan.chunks, plan.region, plan.n_patches) == ((32, 32), result.plan.region, result.plan.n_patches)


def test_its_own_policy_holds_where_none_is_given():
    def fails(patch):
        raise ValueError("no")

    with pytest.raises(gp.OperatorError, match="all 24 patches of"):
        patcher(on_error="skip").reconstruct(IMAGE, fails)
    with pytest.raises(gp.OperatorError, match="^fails failed"):
        patcher(on_error="skip").reconstruct(IMAGE, fails, on_error="raise")


def test_the_first_argument_of_every_method_is_field():
    methods = (
        *("split", "anchors", "n_anchors", "patch_at", "reduce", "two_pass", "plan", "reconstruct", "plot"),
        *("to_delayed", "to_dask_bag"),
    )
    firsts = {name: [*inspect.signature(getattr(gp.SpatialPatcher, name)).parameters][1] for name in methods}
    assert firsts == dict.fromkeys(methods, "field")
    assert patcher().n_anchors(field=IMAGE) == len(list(patcher().split(field=IMAGE)))


def test_each_is_shown_in_one_short_line(tmp_path):
    result = patcher().reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", chunks=16)
    found = gp.verify(result)
    field = gp.RasterField.from_array(IMAGE)
    shown = {
        repr(result): f"Reconstruction({tmp_path}/x.zarr, 2 x float32, 40 x 50 pixels)",
        repr(patcher()): "SpatialPatcher(SpatialRectangular 16x16, SpatialRegularStride, SpatialHann, "
        "SpatialOverlapAdd)",
        repr(found): f"Verification({tmp_path}/x.zarr, intact, {found.n_files} files, ",
        repr(field): f"RasterField({field.source.name}, 2 x float32, 40 x 50 pixels)",
        repr(patcher().plan(field)): f"Plan({field.source.name}, 40 x 50 pixels, 24 patches of 16x16)",
        repr(
            gp.IndexedPatchView(patcher(), field)
        ): f"IndexedPatchView({field.source.name}, 24 patches of 16x16)",
        repr(next(patcher().split(field))): "Patch(ndarray (2, 16, 16) at (0, 0))",
        repr(gp.Patch("text", (8, 0), None)): "Patch(str at (8, 0))",
        repr(result.stats): "RunStats(24 patches, ",
        repr(gp.measure_seams(result)[0]): "Seams('b1', ",
    }
    for line, wanted in shown.items():
        assert line.startswith(wanted)
        assert "\n" not in line
        assert len(line) < 200
    assert str(result.plan).startswith("source     ")
