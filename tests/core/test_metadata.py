"""Scales, tags, units, colors and ties to the ground on their way through `export` and `reconstruct`."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import rasterio.transform
from affine import Affine
from click.testing import CliRunner
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.core.metadata import ControlPoint, Ground
from geopatcher.inspect.info import describe

UP = Affine(10, 0, 5e5, 0, -10, 4.6e6)
IMAGE = np.random.default_rng(0).integers(1, 9000, (3, 90, 110)).astype("uint16")
POINTS = [
    GroundControlPoint(0, 0, 10.0, 50.0, 3.0, "a", "church"),
    GroundControlPoint(0, 110, 11.0, 50.2, 0.0, "b"),
    GroundControlPoint(90, 0, 10.1, 49.0, 0.0, "c"),
    GroundControlPoint(90, 110, 11.1, 49.2, 0.0, "d"),
]
SENSOR = RPC(
    err_bias=None,
    err_rand=None,
    height_off=100.0,
    height_scale=50.0,
    lat_off=45.0,
    lat_scale=0.1,
    long_off=10.0,
    long_scale=0.1,
    line_off=45.5,
    line_scale=45.0,
    samp_off=55.0,
    samp_scale=55.0,
    line_num_coeff=[0.1 * i for i in range(20)],
    line_den_coeff=[1.0] + [0.0] * 19,
    samp_num_coeff=[0.2 * i for i in range(20)],
    samp_den_coeff=[1.0] + [0.0] * 19,
)


def tiff(path, image=IMAGE, **profile):
    known = {"driver": "GTiff", "crs": "EPSG:32633", "transform": UP, "dtype": image.dtype.name}
    count, height, width = image.shape
    with rasterio.open(path, "w", height=height, width=width, count=count, **known | profile) as dataset:
        dataset.write(image)
    return path


@pytest.fixture
def scene(tmp_path):
    path = tiff(tmp_path / "scene.tif", nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (1e-4, 1e-4, 2.0), (-0.1, -0.1, 5.0)
        dataset.units, dataset.descriptions = ("1", "1", "K"), ("red", "nir", "heat")
        dataset.colorinterp = [ColorInterp.red, ColorInterp.nir, ColorInterp.tir]
        dataset.update_tags(ACQUIRED="2024-05-01", TIFFTAG_SOFTWARE="sat 3", AREA_OR_POINT="Point")
        dataset.update_tags(ns="MISSION", ORBIT="17")
        dataset.update_tags(2, WAVELENGTH="842")
        for band in (1, 2, 3):  # of another raster: they must not be believed
            dataset.update_tags(band, STATISTICS_MINIMUM="-5", STATISTICS_MAXIMUM="-3", STATISTICS_MEAN="-4")
    return path


def said(path):
    """What a file says of itself, as rasterio reads it."""
    with rasterio.open(path) as dataset:
        return {
            "grid": (dataset.transform, dataset.crs, dataset.shape, dataset.dtypes, dataset.nodata),
            "scales": (dataset.scales, dataset.offsets),
            "names": (dataset.descriptions, dataset.units),
            "colors": [color.name for color in dataset.colorinterp],
            "tags": dataset.tags(),
            "band tags": [
                {
                    name: value
                    for name, value in dataset.tags(band).items()
                    if not name.startswith("STATISTICS")
                }
                for band in dataset.indexes
            ],
        }


def statistics_hold(path):
    with rasterio.open(path) as dataset:
        for band in dataset.indexes:
            tags, cells = dataset.tags(band), dataset.read(band, masked=True)
            if "STATISTICS_MINIMUM" in tags:
                assert float(tags["STATISTICS_MINIMUM"]) == cells.min()
                assert float(tags["STATISTICS_MAXIMUM"]) == cells.max()


@pytest.mark.parametrize("way", ["tif", "zarr"])
def test_a_copy_says_all_that_its_source_says(tmp_path, scene, way):
    copied = gp.export(scene, tmp_path / f"copy.{way}")
    if way == "zarr":  # and back
        copied = gp.export(copied, tmp_path / "back.tif")
    wanted, got = said(scene), said(copied)
    assert got.pop("tags") == wanted.pop("tags") | {"MISSION#ORBIT": "17"}
    assert got == wanted
    statistics_hold(copied)


def test_of_some_bands_a_copy_says_what_holds_for_them(tmp_path, scene):
    for name in ("part.tif", "part.zarr"):
        part = gp.export(scene, tmp_path / name, bands=(3, 2), region=gp.Box(10, 50, 20, 60))
        domain = gp.RasterField(part).domain
        assert [(band.scale, band.offset) for band in domain.metadata.bands] == [(2.0, 5.0), (1e-4, -0.1)]
        assert domain.units == ("K", "1")
        assert domain.metadata.colors == ("tir", "nir")
        assert dict(domain.metadata.bands[1].tags)["WAVELENGTH"] == "842"
    statistics_hold(tmp_path / "part.tif")


@pytest.mark.parametrize("name", ["r.tif", "r.zarr"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_of_the_same_quantity_says_what_its_source_says(tmp_path, scene, name, workers):
    result = gp.reconstruct(scene, np.copy, tmp_path / name, size=32, workers=workers)
    back = result.path if name == "r.tif" else gp.export(result.path, tmp_path / "back.tif")
    wanted, got = said(scene), said(back)
    assert got.pop("tags") == wanted.pop("tags") | {"MISSION#ORBIT": "17"}
    assert got == wanted
    again = gp.reconstruct(scene, np.copy, tmp_path / name, size=32)  # found there
    assert again.domain == result.domain


@pytest.mark.parametrize(
    ("operator", "options"),
    [
        (lambda x: x.astype("float32") / 2, {}),
        (lambda x: x[:2], {}),
        (np.copy, {"dtype": "int32"}),
        (np.copy, {"aggregation": "sum"}),
    ],
    ids=["another dtype", "other bands", "asked for another dtype", "sums"],
)
@pytest.mark.parametrize("name", ["r.tif", "r.zarr"])
def test_another_quantity_inherits_nothing(tmp_path, scene, operator, options, name):
    result = gp.reconstruct(scene, operator, tmp_path / name, size=32, **options)
    assert result.domain.metadata == gp.RasterField(scene).domain.metadata.of_grid()
    assert result.domain.units == ()
    domain = gp.RasterField(result.path).domain
    assert not domain.metadata.scaled
    assert "ACQUIRED" not in dict(domain.metadata.tags)


def test_layers_are_quantities_of_their_own(tmp_path, scene):
    gp.reconstruct(scene, np.copy, tmp_path / "r.tif", size=32, layers=["weight"])
    got = said(tmp_path / "r.weight.tif")
    assert got["scales"] == ((1.0,), (0.0,))
    assert "ACQUIRED" not in got["tags"]


def test_xarray_decodes_what_is_stored(tmp_path):
    xarray = pytest.importorskip("xarray")
    path = tiff(tmp_path / "one.tif", IMAGE[:1], nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (1e-4,), (-0.1,)
    gp.export(path, tmp_path / "one.zarr")
    decoded = xarray.open_zarr(tmp_path / "one.zarr", consolidated=False)["data"]
    np.testing.assert_allclose(decoded[0], IMAGE[0] * 1e-4 - 0.1, rtol=1e-6)
    raw = gp.reconstruct(path, np.copy, tmp_path / "run.zarr", size=32).to_xarray()
    np.testing.assert_array_equal(raw[0], IMAGE[0])
    assert (raw.attrs["scale_factor"], raw.attrs["add_offset"]) == (1e-4, -0.1)
    memory = gp.reconstruct(path, np.copy, size=32).to_xarray()
    assert (memory.attrs["scale_factor"], memory.attrs["add_offset"]) == (1e-4, -0.1)


@pytest.mark.parametrize("copied_by", ["export", "run"])
def test_color_tables_of_labels(tmp_path, copied_by):
    colors = {value: (value, 255 - value, 7, 255) for value in range(256)}
    path = tiff(tmp_path / "labels.tif", (IMAGE[:1] % 5).astype("uint8"))
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, colors)
    for name in ("c.zarr", "c.tif"):
        if copied_by == "export":
            gp.export(path, tmp_path / name)
        else:
            gp.reconstruct(path, np.copy, tmp_path / name, size=32, aggregation="mode")
        back = tmp_path / name if name == "c.tif" else gp.export(tmp_path / name, tmp_path / "back.tif")
        with rasterio.open(back) as dataset:
            assert dataset.colormap(1) == colors
            assert dataset.colorinterp == (ColorInterp.palette,)


def test_alpha_that_an_operator_made_hides_nothing(tmp_path):
    image = np.stack([*(IMAGE % 200), np.full(IMAGE.shape[1:], 255)]).astype("uint8")
    path = tiff(tmp_path / "rgba.tif", image, photometric="RGB", alpha="YES")
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    gp.export(path, tmp_path / "copy.tif")
    assert said(tmp_path / "copy.tif")["colors"] == ["red", "green", "blue", "alpha"]
    result = gp.reconstruct(path, lambda x: 255 - x, tmp_path / "r.tif", size=32)
    assert said(result.path)["colors"][:3] == ["red", "green", "blue"]
    assert "alpha" not in said(result.path)["colors"]


def tied(path, *, points=True, rpcs=False, **profile):
    tiff(path, crs=None, transform=None, **profile)
    with rasterio.open(path, "r+") as dataset:
        if points:
            dataset.gcps = (POINTS, rasterio.CRS.from_epsg(4326))
        if rpcs:
            dataset.rpcs = SENSOR
    return path


def ties(path):
    with rasterio.open(path) as dataset:
        points, crs = dataset.gcps
        return [(p.row, p.col, p.x, p.y, p.z) for p in points], crs, dataset.rpcs


@pytest.mark.parametrize("way", ["tif", "zarr", "run tif", "run zarr"])
@pytest.mark.parametrize(("points", "rpcs"), [(True, False), (False, True), (True, True)])
def test_ties_to_the_ground_go_along(tmp_path, way, points, rpcs):
    path = tied(tmp_path / "a.tif", points=points, rpcs=rpcs)
    target = tmp_path / f"b.{way.split()[-1]}"
    if way.startswith("run"):
        with pytest.warns(UserWarning, match="and no transform: a result carries them, and has no georef"):
            gp.reconstruct(path, lambda x: x / 2, target, size=32)
    else:
        gp.export(path, target)
    if target.suffix == ".zarr":
        target = gp.export(target, tmp_path / "c.tif")
    wanted, got = ties(path), ties(target)
    assert got[:2] == wanted[:2]
    assert len(got[0]) == (4 if points else 0)
    assert (got[2] is None) == (not rpcs)
    if rpcs:
        assert got[2].to_dict() == wanted[2].to_dict()


def fitted(points):
    """The affine that fits points best, ``(x, y)`` of ``(row, col, 1)``."""
    given = np.array(points, dtype=float)
    places = np.column_stack([given[:, :2], np.ones(len(given))])
    return np.linalg.lstsq(places, given[:, 2:], rcond=None)[0].T


@pytest.mark.parametrize("way", ["tif", "zarr"])
def test_ties_of_a_window_are_those_of_the_same_ground(tmp_path, way):
    path = tied(tmp_path / "a.tif", rpcs=True)
    part = gp.export(path, tmp_path / f"b.{way}", region=gp.Box(20, 80, 30, 100))
    if way == "zarr":
        part = gp.export(part, tmp_path / "c.tif")
    points, _, rpcs = ties(part)
    whole = fitted([(p.row, p.col, p.x, p.y) for p in POINTS])
    cut = fitted([point[:4] for point in points])
    for row, col in [(0, 0), (59, 3), (31.5, 69)]:
        np.testing.assert_allclose(cut @ (row, col, 1), whole @ (row + 20, col + 30, 1), rtol=1e-12)
    assert (rpcs.line_off, rpcs.samp_off) == (25.5, 25.0)


def test_levels_have_no_ties_in_pixels_of_another_grid(tmp_path):
    zarr = pytest.importorskip("zarr")
    gp.export(
        tied(tmp_path / "a.tif"), tmp_path / "b.zarr", chunks=32, storage=gp.ZarrStorage(multiscales=True)
    )
    group = zarr.open_group(tmp_path / "b.zarr", mode="r")
    assert "gcps" in group["spatial_ref"].attrs
    assert "gcps" not in group["1/spatial_ref"].attrs


def test_rioxarray_finds_the_control_points(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    gp.export(tied(tmp_path / "a.tif"), tmp_path / "b.zarr")
    opened = xarray.open_zarr(tmp_path / "b.zarr", consolidated=False, decode_coords="all")["data"]
    found = [(p.row, p.col, p.x, p.y, p.z) for p in opened.rio.get_gcps()]
    assert found == [(p.row, p.col, p.x, p.y, p.z) for p in POINTS]
    assert opened.rio.crs is None  # its coordinates are pixels, not those of the points


def notices(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in caught if each.category is UserWarning]


@pytest.mark.parametrize(
    ("points", "rpcs", "named"),
    [
        (True, False, "4 ground control points (GCPs)"),
        (False, True, "rational polynomial coefficients (RPCs)"),
        (True, True, "4 ground control points (GCPs) and rational polynomial coefficients (RPCs)"),
    ],
)
def test_ties_are_named_once_by_run_plan_and_info(tmp_path, points, rpcs, named):
    path = tied(tmp_path / "a.tif", points=points, rpcs=rpcs)
    said = f"has {named} and no transform: a result carries them, and has no georeference of its own"
    for call in (
        lambda: gp.plan(path, size=32),
        lambda: gp.reconstruct(path, np.copy, size=32),
        lambda: gp.reconstruct(path, np.copy, tmp_path / "r.zarr", size=32, workers=2),
    ):
        (notice,) = notices(call)
        assert notice.startswith(f"{path} {said}")
        assert "gdalwarp" in notice
    assert notices(lambda: gp.export(path, tmp_path / "e.tif")) == []
    for file in (path, tmp_path / "r.zarr", tmp_path / "e.tif"):
        assert f"ground     {said}" in str(describe(file))
    ran = CliRunner().invoke(main, ["info", str(path)])
    assert named in ran.output


def test_coefficients_beside_a_transform_are_named_too(tmp_path):
    path = tiff(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as dataset:
        dataset.rpcs = SENSOR
    (notice,) = notices(lambda: gp.reconstruct(path, np.copy, tmp_path / "r.tif", size=32))
    assert "has rational polynomial coefficients (RPCs) beside its transform" in notice
    with rasterio.open(tmp_path / "r.tif") as dataset:
        assert dataset.transform == UP
    assert ties(tmp_path / "r.tif")[2].to_dict() == ties(path)[2].to_dict()


def test_a_plain_raster_is_not_spoken_of(tmp_path, scene):
    assert notices(lambda: gp.reconstruct(scene, np.copy, tmp_path / "r.tif", size=32)) == []
    assert "ground" not in str(describe(scene))
    assert "scale      1 0.0001 * value + -0.1, 2 0.0001" in str(describe(scene))


def test_alpha_becomes_a_mask_where_it_says_nothing(tmp_path):
    image = np.stack([*(IMAGE % 200), np.where(IMAGE[0] % 2, 255, 0)]).astype("uint8")
    path = tiff(tmp_path / "rgba.tif", image, photometric="RGB", alpha="YES")
    source = gp.RasterField(gp.export(path, tmp_path / "copy.zarr")).source
    whole = gp.Box(0, 90, 0, 110)
    np.testing.assert_array_equal(source.valid(whole, source.read(whole))[0], image[3] > 0)
    back = gp.export(tmp_path / "copy.zarr", tmp_path / "back.tif")
    with rasterio.open(back) as dataset:
        np.testing.assert_array_equal(dataset.dataset_mask() > 0, image[3] > 0)
        assert dataset.colorinterp[3] == ColorInterp.alpha


def test_a_palette_that_is_not_there_is_none(tmp_path):
    path = tiff(tmp_path / "a.tif", (IMAGE[:1] % 5).astype("uint8"))
    rasterio.shutil.copy(path, tmp_path / "a.vrt", driver="VRT")
    text = (tmp_path / "a.vrt").read_text()
    assert "<ColorInterp>Gray<" in text
    (tmp_path / "a.vrt").write_text(text.replace("<ColorInterp>Gray<", "<ColorInterp>Palette<"))
    gp.export(tmp_path / "a.vrt", tmp_path / "b.tif")
    assert said(tmp_path / "b.tif")["colors"] == ["gray"]


@pytest.mark.parametrize("times", [2, 4])
def test_ties_to_the_ground_of_finer_pixels_are_those_gdal_computes_with(times):
    """What a coefficient of a finer raster says of a place is as many times further from the corner."""
    rest = " 0" * 17  # a line follows from the latitude, a sample from the longitude
    slopes = {"LINE_NUM_COEFF": f"0 0.1 -1{rest}", "SAMP_NUM_COEFF": f"0 1 0.2{rest}"}
    known = SENSOR.to_gdal() | slopes
    rpcs = tuple((key, str(value)) for key, value in known.items() if value is not None)
    points = tuple(ControlPoint(point.row, point.col, point.x, point.y) for point in POINTS)
    finer = Ground(points, "EPSG:4326", rpcs).rescaled(Fraction(times))
    assert [point[:4] for point in finer.points] == [
        (point.row * times, point.col * times, point.x, point.y) for point in POINTS
    ]
    places = []
    for given in (rpcs, finer.rpcs):
        with rasterio.transform.RPCTransformer(RPC.from_gdal(dict(given))) as transformer:
            places.append(np.array(transformer.rowcol([9.97, 10.02], [44.98, 45.03], op=lambda x: x)))
    np.testing.assert_allclose(places[1], places[0] * times, rtol=1e-9)
