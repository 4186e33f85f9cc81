import asyncio
import contextlib
import threading

import geopandas
import numpy as np
import pytest
import shapely
import xarray
from affine import Affine

from geopatcher import (
    GeoPandasField,
    Patch,
    PatchCache,
    RasterField,
    SourceError,
    SpatialBoxcar,
    SpatialByIndex,
    SpatialGeometry,
    SpatialHann,
    SpatialKNNGraph,
    SpatialMean,
    SpatialMeanStd,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialPolygonIntersection,
    SpatialRadiusGraph,
    SpatialRegularStride,
    SpatialSphericalCap,
    SpatialSum,
    reconstruct,
)
from geopatcher.fields import XarrayField
from globes import globe, stations


def capped(km=2500.0, step=2, window=None, aggregation=None, **others):
    sampler = SpatialRegularStride(step)
    return SpatialPatcher(
        SpatialSphericalCap(km),
        sampler,
        window or SpatialHann(),
        aggregation or SpatialOverlapAdd(),
        **others,
    )


@pytest.mark.parametrize("bands", [0, 3])
def test_caps_over_a_globe_stitch_to_the_globe(bands):
    field, patcher = globe(bands), capped()
    stream = patcher.split(field)
    assert len(stream) == patcher.n_anchors(field) == 9 * 18
    merged = patcher.merge(stream, field.domain)
    assert np.allclose(merged, field.source.array)
    assert merged.shape == field.source.array.shape


def test_a_patch_holds_the_pixels_its_window_says():
    field, patcher = globe(2), capped()
    for patch in patcher.split(field):
        window = patch.indices
        rows = np.arange(int(window.row_off), int(window.row_off + window.height))
        assert np.array_equal(patch.data, field.source.array[:, rows][:, :, window.columns()])
        assert ((patch.weights > 0) == window.inside).all()
    assert patch.anchor == (16, 34)


def test_a_smoothing_over_caps_is_that_of_brute_force():
    field = globe()
    patcher = capped(1500, 1, SpatialBoxcar(), SpatialByIndex())
    means = patcher.merge(
        (p.with_data(float(p.data[p.indices.inside].mean())) for p in patcher.split(field)), field.domain
    )
    from geopatcher.core.sphere import great_circle_km

    lon, lat = np.meshgrid(np.arange(-175, 180, 10.0), np.arange(85, -90, -10.0))
    for row, col in [(0, 0), (9, 35), (17, 5), (4, 18)]:
        near = great_circle_km(lon[row, col], lat[row, col], lon, lat) <= 1500
        assert np.isclose(means[(row, col)], field.source.array[near].mean())


def test_patch_at_anchors_and_reduce():
    field, patcher = globe(), capped(3000)
    assert list(patcher.anchors(field))[:3] == [(0, 0), (0, 2), (0, 4)]
    patch = patcher.patch_at(field, (9, 35))
    assert patch.indices.around == 36
    statistics = patcher.reduce(field, SpatialMeanStd())
    assert np.isclose(statistics["mean"], field.source.array.mean())
    assert np.isclose(statistics["std"], field.source.array.std())
    assert patcher.reduce(field, SpatialSum()).shape == (18, 36)


def test_what_is_written_into_a_patch_stays_there():
    field = RasterField.from_array(np.zeros((18, 36)), transform=globe().domain.transform, crs="EPSG:4326")
    for patch in capped().split(field):
        patch.data[:] = 7
    assert not field.source.array.any()


def test_data_arrays_stay_data_arrays():
    lat, lon = np.arange(85.0, -90, -10), np.arange(-175.0, 180, 10)
    array = xarray.DataArray(
        np.random.default_rng(0).random((18, 36)), {"lat": lat, "lon": lon}, ("lat", "lon")
    )
    patch = capped().patch_at(XarrayField(array), (9, 18))
    assert isinstance(patch.data, xarray.DataArray)
    assert np.array_equal(patch.data, array[7:12, 16:21])


def test_there_is_no_plan_of_it():
    field, patcher = globe(), capped()
    for ask in (
        lambda: patcher.plan(field),
        lambda: patcher.reconstruct(field, lambda x: x),
        lambda: reconstruct(field, lambda x: x, patcher=patcher),
        lambda: patcher.to_delayed(field),
    ):
        with pytest.raises(
            TypeError, match="of which there is no plan: split, work on the patches and merge"
        ):
            ask()
    with pytest.raises(TypeError, match="cache= is for rectangles"):
        patcher.split(field, cache=object())
    shown = "SpatialPatcher(SpatialSphericalCap varied, SpatialRegularStride, SpatialHann, SpatialOverlapAdd)"
    assert repr(patcher) == shown


@pytest.mark.parametrize(
    "geometry", [SpatialKNNGraph(5), SpatialRadiusGraph(20), SpatialKNNGraph(4, "haversine")]
)
def test_graphs_of_points(geometry):
    gdf = stations()
    if geometry == SpatialKNNGraph(4, "haversine"):
        gdf = gdf.set_crs("EPSG:4326", allow_override=True)
        gdf.geometry = shapely.transform(np.array(list(gdf.geometry)), lambda xy: xy * 0.8)
    field = GeoPandasField(gdf, as_points=True)
    patcher = SpatialPatcher(geometry, SpatialRegularStride(1), SpatialHann(), SpatialOverlapAdd())
    patches = list(patcher.split(field))
    assert [patch.anchor for patch in patches] == list(range(40))
    for patch in patches:
        assert np.array_equal(patch.data["t"], gdf["t"].to_numpy()[patch.indices])
        assert patch.indices[0] == patch.anchor
        assert (patch.weights > 0).all()
        assert patch.weights[0] == 1
    merged = patcher.merge((p.with_data(p.data["t"].to_numpy()) for p in patches), field)
    assert np.allclose(merged, gdf["t"])
    means = SpatialByIndex().merge((p.with_data(p.data["t"].mean()) for p in patches), field.domain)
    assert list(means) == list(range(40))


def test_polygons_over_a_raster_and_over_features():
    image = np.random.default_rng(0).random((3, 40, 50))
    field = RasterField.from_array(image, transform=Affine(1, 0, 0, 0, -1, 40))
    fields = [shapely.box(3, 4, 20, 30), shapely.Point(35, 20).buffer(9)]
    patcher = SpatialPatcher(
        SpatialPolygonIntersection(fields), SpatialRegularStride(1), SpatialBoxcar(), SpatialMean()
    )
    assert list(patcher.anchors(field)) == [0, 1]
    merged = patcher.merge(patcher.split(field), field.domain)
    inside = np.zeros((40, 50), bool)
    for row in range(40):
        for col in range(50):
            inside[row, col] = any(shape.covers(shapely.Point(col + 0.5, 39.5 - row)) for shape in fields)
    assert np.allclose(merged, np.where(inside, image, np.nan), equal_nan=True)
    parcels = GeoPandasField(
        geopandas.GeoDataFrame({"a": [1, 2, 3]}, geometry=[*fields, shapely.box(90, 90, 91, 91)])
    )
    patches = list(patcher.split(parcels))
    assert [patch.data["a"].tolist() for patch in patches] == [[1], [2]]


class Failing(GeoPandasField):
    def __init__(self, gdf, bad):
        super().__init__(gdf, as_points=True)
        self.bad = bad

    def select(self, indexer):
        if int(indexer[0]) in self.bad:
            raise OSError(f"no answer for {indexer[0]}")
        return super().select(indexer)["t"].to_numpy()


class Heard:
    def __init__(self):
        self.told = []

    def on_split_start(self, n):
        self.told.append(n)

    def on_patch_done(self, anchor, seconds, nbytes):
        self.told.append((anchor, nbytes))

    def on_error(self, anchor, exc):
        self.told.append((anchor, str(exc)))

    def on_split_end(self):
        self.told.append("end")


def graph(**policy):
    return SpatialPatcher(
        SpatialKNNGraph(2), SpatialRegularStride(1), SpatialBoxcar(), SpatialMean(), **policy
    )


def test_policies_and_hooks():
    field, heard = Failing(stations(5), {1}), Heard()
    with pytest.raises(OSError, match="no answer for 1"):
        list(graph().split(field))
    patcher = graph(on_error="skip")
    assert [p.anchor for p in patcher.split(field, heard)] == [0, 2, 3, 4]
    assert heard.told == [5, (0, 16), (1, "no answer for 1"), (2, 16), (3, 16), (4, 16), "end"]
    assert [record.anchor for record in patcher.errors] == [1]
    masked = list(graph(on_error="mask").split(field))
    assert np.isnan(masked[1].data).all()
    assert masked[1].data.shape == (2,)
    none = Failing(stations(5), set(range(5)))
    with pytest.warns(RuntimeWarning, match="all 5 patches"):
        assert list(graph(on_error="skip").split(none)) == []
    with pytest.warns(RuntimeWarning), pytest.raises(SourceError, match="all 5 patches"):
        graph(on_error="skip").reduce(none, SpatialMeanStd())


def test_a_journal_leaves_out_what_is_done():
    class Done:
        def has(self, anchor):
            return anchor in (0, 3)

    stream = graph().split(Failing(stations(5), set()), journal=Done())
    assert len(stream) == 3
    assert [patch.anchor for patch in stream] == [1, 2, 4]


def test_a_stream_can_be_closed():
    stream = graph().split(Failing(stations(5), set()))
    next(stream)
    stream.close()
    assert list(stream) == []


class Ring(SpatialGeometry):
    """A geometry of somebody's own."""

    def neighborhood(self, domain, anchor):
        n = domain.shape[0]
        return np.array([(anchor - 1) % n, anchor, (anchor + 1) % n])

    def extent(self, domain):
        return (3,)

    def get_config(self):
        return {"type": "Ring"}


class Ones:
    def weights(self, geometry):
        return np.ones(3)


def test_a_geometry_of_ones_own_needs_neighborhood_alone():
    field = Failing(stations(6), set())
    patcher = SpatialPatcher(Ring(), SpatialRegularStride(1), Ones(), SpatialMean())
    patches = list(patcher.split(field))
    assert isinstance(patches[0], Patch)
    assert patches[0].indices.tolist() == [5, 0, 1]
    assert np.allclose(patcher.merge(patches, field), field.gdf["t"])


@pytest.mark.parametrize("ahead", [{"prefetch": 3}, {"prefetch": 9, "max_in_flight": 2}])
def test_patches_are_read_ahead_by_a_thread(ahead):
    field, patcher = globe(), capped()
    reading = threading.active_count()
    with contextlib.closing(patcher.split(field, **ahead)) as stream:
        assert len(stream) == patcher.n_anchors(field)
        for patch, other in zip(stream, patcher.split(field), strict=True):
            assert patch.anchor == other.anchor
            assert np.array_equal(patch.data, other.data)
    with contextlib.closing(patcher.split(field, **ahead)) as stream:
        next(stream)
    assert threading.active_count() == reading


@pytest.mark.parametrize("kind", ["raster", "points"])
def test_patches_at_places_are_awaited(kind):
    patcher, field = (
        (capped(), globe())
        if kind == "raster"
        else (
            graph(),
            GeoPandasField(stations(), as_points=True),
        )
    )

    async def awaited():
        stream = patcher.asplit(field)
        assert len(stream) == patcher.n_anchors(field)
        return [patch async for patch in stream]

    async def merged():
        return await patcher.amerge(patcher.asplit(field), field.domain)

    async def left_early():
        async with contextlib.aclosing(patcher.asplit(field)) as stream:
            return (await anext(stream)).anchor

    wanted = list(patcher.split(field))
    assert [patch.anchor for patch in asyncio.run(awaited())] == [patch.anchor for patch in wanted]
    if kind == "raster":
        assert np.array_equal(asyncio.run(merged()), patcher.merge(wanted, field.domain), equal_nan=True)
    reading = threading.active_count()
    assert asyncio.run(left_early()) == wanted[0].anchor
    assert threading.active_count() == reading


def test_a_cache_is_for_rectangles(tmp_path):
    cache = PatchCache(tmp_path)
    with pytest.raises(TypeError, match="cache= is for rectangles"):
        capped().split(globe(), cache=cache)
    with pytest.raises(TypeError, match="cache= is for rectangles"):
        capped().patch_at(globe(), (0, 0), cache=cache)
