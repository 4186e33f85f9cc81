"""Names, modules and calls that code written for this family of tools uses."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import json
import pickle

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
import geotoolz
from geopatcher.fields.open import as_field
from geotoolz.patch_ops import ApplyToChips, Stitch

IMAGE = np.random.default_rng(1).random((20, 30))

ROOT = """
SpatialPatcher AsyncSpatialPatcher Patch Field AsyncField RasterDomain RasterField AsyncRasterField
ReprojectingRasterField XarrayField RioXarrayField DaskField
SpatialGeometry SpatialRectangular
SpatialSampler SpatialRegularStride SpatialJitteredStride SpatialRandom SpatialPoissonDisk SpatialExplicit
SpatialExplicitCoords SpatialAlongTrack
SpatialWindow SpatialBoxcar SpatialHann SpatialTukey SpatialGaussian SpatialCustom
SpatialAggregation GlobalAggregation SpatialOverlapAdd SpatialSum SpatialMean SpatialMax SpatialMin
SpatialVariance
SpatialWeightedSum SpatialInvVarWeightedMean SpatialHardVote SpatialSoftVote SpatialMedian SpatialMode
SpatialLearned SpatialByIndex SpatialMeanStd SpatialMinMax SpatialApproxQuantile SpatialApproxCardinality
SpatialApproxMode SpatialStreamingHistogram SpatialReservoir
IndexedPatchView stack_patches PatchCache PatchJournal PatcherHook PatchErrorRecord
IncompleteScanConfiguration get_strict set_strict reconstruct plan Reconstruction Plan
"""

MODULES = {
    "geopatcher.spatial": ["SpatialPatcher", "SpatialRandom", "SpatialMedian", "Patch"],
    "geopatcher.fields": ["RasterField", "AsyncRasterField", "XarrayField", "RioXarrayField", "DaskField"],
    "geopatcher.hooks": ["PatcherHook"],
    "geopatcher.runners": ["parallel_map"],
    "geopatcher.dask": ["to_delayed", "to_dask_bag"],
    "geopatcher.jax": ["batch_split", "unbatch", "BatchedPatch"],
}


def patcher(aggregation=None, **policy):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8),
        gp.SpatialRegularStride(4),
        gp.SpatialHann(),
        aggregation or gp.SpatialOverlapAdd(),
        **policy,
    )


@pytest.mark.parametrize("name", ROOT.split())
def test_names_are_at_the_root(name):
    assert name in gp.__all__
    assert getattr(gp, name) is not None


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_import_paths(module):
    found = importlib.import_module(module)
    assert set(MODULES[module]) <= set(found.__all__)
    for name in found.__all__:
        if name in gp.__all__:
            assert getattr(found, name) is getattr(gp, name)


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        (gp.SpatialPatcher.split, "field hooks prefetch journal cache max_in_flight max_in_flight_bytes"),
        (gp.SpatialPatcher.asplit, "field hooks journal max_in_flight max_in_flight_bytes"),
        (gp.SpatialPatcher.merge, "patches domain hooks"),
        (gp.SpatialPatcher.amerge, "patches domain hooks"),
        (gp.SpatialPatcher.merge_to_xarray, "patches field hooks"),
        (gp.SpatialPatcher.patch_at, "field anchor cache"),
        (gp.SpatialPatcher.anchors, "field"),
        (gp.SpatialPatcher.n_anchors, "field"),
        (gp.SpatialPatcher.reduce, "field aggregation agg"),
        (gp.SpatialPatcher.plan, "field options"),
        (gp.SpatialPatcher.plot, "field"),
        (gp.SpatialPatcher.to_dask_bag, "field"),
        (gp.stack_patches, "patches attr"),
        (gp.set_strict, "value"),
        (gp.PatchCache.get, "field_id config_id anchor"),
        (gp.PatchCache.put, "field_id config_id anchor patch"),
        (gp.PatchCache.field_id_for, "field"),
        (gp.PatchCache.config_id_for, "geometry window"),
        (gp.PatchCache.build_patch, "payload anchor indices"),
        (gp.IndexedPatchView, "patcher field cache preload cache_size tile_cache"),
        (gp.XarrayField, "da"),
        (gp.RioXarrayField, "da"),
        (gp.AsyncRasterField, "reader"),
    ],
)
def test_calls_have_their_parameters(call, parameters):
    assert [name for name in inspect.signature(call).parameters if name != "self"] == parameters.split()


def test_an_aggregation_to_reduce_with_has_two_names():
    made = patcher()
    wanted = made.reduce(IMAGE, gp.SpatialMinMax())
    assert wanted == {"min": IMAGE.min(), "max": IMAGE.max()}
    assert made.reduce(field=IMAGE, aggregation=gp.SpatialMinMax()) == wanted
    assert made.reduce(field=IMAGE, agg=gp.SpatialMinMax()) == wanted
    assert made.reduce({"one": IMAGE}, agg=gp.SpatialMinMax()) == {"one": wanted}
    for none_or_two in ({}, {"agg": gp.SpatialMinMax(), "aggregation": gp.SpatialMinMax()}):
        with pytest.raises(TypeError, match="reduce takes one aggregation"):
            made.reduce(IMAGE, **none_or_two)


@pytest.mark.parametrize(
    "made",
    [
        lambda: gp.SpatialRectangular(8, "pad", float("nan")),
        lambda: gp.SpatialOverlapAdd(fill_value=float("nan")),
        lambda: gp.SpatialMedian(fill_value=np.float32("nan")),
        lambda: gp.SpatialHardVote(n_classes=3, fill_value=float("nan")),
        lambda: gp.RasterDomain((4, 4), nodata=float("nan")),
        lambda: patcher(gp.SpatialMean(fill_value=float("nan"))),
    ],
)
def test_parts_with_nan_equal_their_copies(made):
    part = made()
    loaded = pickle.loads(pickle.dumps(part))  # noqa: S301 - of our own making
    for again in (made(), copy.deepcopy(part), loaded, dataclasses.replace(part)):
        assert again == part
        if part.__hash__ is not None:
            assert hash(again) == hash(part)
    assert type(part).from_config(json.loads(json.dumps(part.get_config()))) == part
    assert gp.SpatialOverlapAdd(fill_value=0) != gp.SpatialOverlapAdd(fill_value=float("nan"))
    assert gp.SpatialRectangular(8, "pad", 1.0) != gp.SpatialRectangular(8, "pad", float("nan"))


def test_bases_are_abstract():
    for base in (gp.SpatialAggregation, gp.GlobalAggregation, gp.SpatialGeometry, gp.SpatialSampler):
        with pytest.raises(TypeError, match=f"abstract class {base.__name__}"):
            base()

    class Total(gp.SpatialAggregation):
        def merge(self, patches, domain):
            return sum(patch.data.sum() for patch in patches)

    assert patcher(Total()).merge(patcher().split(np.ones((8, 8))), np.ones((8, 8))) == 64


class Two:
    """A field of two names."""

    domain = gp.RasterDomain(IMAGE.shape, dtype=IMAGE.dtype)

    def __init__(self, error=None):
        self.error = error

    def select(self, window):
        if self.error is not None and window.col_off >= 8:
            raise self.error
        rows, cols = window.toslices()
        return IMAGE[rows, cols]


def test_a_field_needs_a_domain_and_windows():
    made = patcher()
    np.testing.assert_allclose(made.merge(made.split(Two()), Two.domain), IMAGE)
    np.testing.assert_allclose(made.reconstruct(Two(), np.copy).array, IMAGE)
    with pytest.raises(TypeError, match=r"Two has no with_data\(array\)"):
        as_field(Two()).with_data(IMAGE)


@pytest.mark.parametrize("error", [KeyError("lost"), OSError(5, "gone"), ZeroDivisionError()])
def test_what_a_field_raises_is_raised_as_it_is(error):
    with pytest.raises(type(error)) as caught:
        list(patcher().split(Two(error)))
    assert caught.value is error
    assert caught.value.__notes__ == ["while reading rows 0:8, columns 8:16 of Two float64 (20, 30)"]
    del error.__notes__
    with pytest.raises(type(error)) as caught:
        patcher().patch_at(Two(error), (4, 9))
    assert caught.value is error
    assert caught.value.__notes__ == ["while reading rows 4:12, columns 9:17 of Two float64 (20, 30)"]


def test_an_operator_defines_call_or_apply():
    class Twice(geotoolz.Operator):
        def _apply(self, x):
            return 2 * x

    class Less(geotoolz.Operator):
        def __call__(self, x):
            return x - 1

    class Neither(geotoolz.Operator):
        pass

    assert (Twice() | Less())(4) == 7
    assert isinstance(json.dumps(Twice().get_config()), str)
    with pytest.raises(TypeError, match=r"Neither is abstract: define __call__\(self, x\) or _apply"):
        Neither()


def test_an_operator_is_applied_to_any_iterable_of_patches():
    made = patcher()
    wanted = [(patch.anchor, (2 * patch.data).tobytes()) for patch in made.split(IMAGE)]
    doubled = ApplyToChips(lambda data: 2 * data)

    def listed(patches):
        return [(patch.anchor, patch.data.tobytes()) for patch in patches]

    kept = list(made.split(IMAGE))
    for patches in (kept, tuple(kept), iter(kept), (patch for patch in kept), made.split(IMAGE)):
        assert listed(doubled(patches)) == wanted
    again = doubled(kept)
    assert listed(again) == listed(again) == wanted
    calls = []
    lazy = ApplyToChips(lambda data: calls.append(1) or data)(kept)
    assert not calls
    next(iter(lazy))
    assert len(calls) == 1
    stitched = (doubled | Stitch(gp.SpatialOverlapAdd(), IMAGE))(kept)
    np.testing.assert_allclose(stitched, 2 * IMAGE)


def test_classes_that_hold_a_function_say_so():
    holders = (gp.SpatialCustom, gp.SpatialWeightedSum, gp.SpatialLearned, geotoolz.Lambda)
    assert all(holder.forbid_in_yaml is True for holder in holders)
    others = (
        gp.SpatialHann,
        gp.SpatialRegularStride,
        gp.SpatialOverlapAdd,
        gp.SpatialPatcher,
        geotoolz.Identity,
    )
    assert all(other.forbid_in_yaml is False for other in others)


def test_a_dask_array_is_opened_from_zarr(tmp_path):
    pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE, chunks=(8, 8))
    field = gp.DaskField.from_zarr(str(tmp_path / "a.zarr"))
    assert field.array.chunksize == (8, 8)
    made = patcher()
    np.testing.assert_allclose(made.merge(made.split(field), field.domain), IMAGE)


def test_a_cog_is_written_by_its_name(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    target = tmp_path / "out.tif"
    made = patcher(gp.SpatialOverlapAdd(streaming=True, target_path=target, writer="cog", dtype="float64"))
    made.merge(made.split(IMAGE), IMAGE)
    with rasterio.open(target) as found:
        np.testing.assert_allclose(found.read(1), IMAGE)
    with pytest.raises(ValueError, match='neither "zarr" nor "cog"'):
        gp.SpatialOverlapAdd(writer="png")


def test_overlap_add_takes_the_parameters_its_name_stands_before_by_place():
    made = gp.SpatialOverlapAdd(True, "out", (8, 8), (16, 16), "zarr", None, False)
    assert made == gp.SpatialOverlapAdd(
        streaming=True, target_path="out", chunks=(8, 8), shard_shape=(16, 16), normalize_by_window=False
    )
    assert list(inspect.signature(gp.SpatialOverlapAdd).parameters)[6:] == [
        "normalize_by_window",
        "dtype",
        "memory_limit",
        "fill_value",
    ]
    with pytest.raises(TypeError, match="positional"):
        gp.SpatialHardVote(3, True)


class Centred(gp.SpatialGeometry):
    """A geometry of somebody's own, whose patches lie around their anchors: the two methods, and no more."""

    def __init__(self, as_slices=False):
        self.as_slices = as_slices

    def neighborhood(self, domain, anchor):
        row, col = anchor
        if self.as_slices:
            return (slice(row - 2, row + 3), slice(col - 3, col + 4))
        return Window(col - 3, row - 2, 7, 5)

    def extent(self, domain):
        return (5, 7)


@pytest.mark.parametrize("as_slices", [False, True])
@pytest.mark.parametrize("window", [gp.SpatialHann(), gp.SpatialCustom(lambda geometry: np.ones((5, 7)))])
def test_patches_of_a_geometry_of_ones_own_lie_where_it_says(as_slices, window):
    lattice = gp.SpatialExplicit([(row, col) for row in range(2, 20, 3) for col in range(3, 30, 5)])
    for aggregation in (gp.SpatialOverlapAdd(), gp.SpatialMax()):
        made = gp.SpatialPatcher(Centred(as_slices), lattice, window, aggregation)
        patches = list(made.split(IMAGE))
        assert {patch.weights.shape for patch in patches} == {(5, 7)}
        np.testing.assert_array_equal(patches[0].data, IMAGE[:5, :7])
        np.testing.assert_allclose(made.merge(patches, IMAGE), IMAGE)
    counted = made.reduce(IMAGE, gp.SpatialMeanStd())
    np.testing.assert_allclose([counted["mean"], counted["std"]], [IMAGE.mean(), IMAGE.std()])
    once = gp.SpatialPatcher(Centred(as_slices), gp.SpatialExplicit([(2, 3)]), window, gp.SpatialSum())
    total = once.merge(once.split(IMAGE), IMAGE)
    np.testing.assert_array_equal(total[:5, :7], IMAGE[:5, :7])
    assert not total[5:].any()
    assert not total[:, 7:].any()


def test_indices_of_a_patch_may_be_slices():
    made = patcher()
    patches = [
        gp.Patch(patch.data, patch.anchor, patch.indices.toslices(), patch.weights)
        for patch in made.split(IMAGE)
    ]
    np.testing.assert_allclose(made.merge(patches, IMAGE), IMAGE)
    assert made.merge(patches, IMAGE).shape == IMAGE.shape
