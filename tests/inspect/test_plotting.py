"""Figures, looked at through their artists."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import RasterField
from geopatcher.operators.models.record import ModelClass

matplotlib = pytest.importorskip("matplotlib", reason="the extra `viz` is not installed")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def field(image, transform=None, crs=None, **record):
    transform = transform or Affine(10, 0, 500_000, 0, -10, 4_000_000)
    return RasterField(ArraySource.of(image, transform=transform, crs=crs, **record))


def patcher(size=32, step=16, window=None):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size),
        gp.SpatialRegularStride(step),
        window or gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
    )


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 60, 90), dtype="float32")


def test_a_plot_has_the_extent_and_the_units_of_the_crs(image):
    source = field(image, crs="EPSG:32610", band_names=("red", "nir"), units=("m", "W"))
    ax = gp.reconstruct(source, lambda x: x, size=32).plot(1)
    assert ax.get_images()[0].get_extent() == [500_000, 500_900, 3_999_400, 4_000_000]
    assert ax.get_title() == "nir"
    assert ax.get_xlabel() == "x [metre], EPSG:32610"
    assert ax.get_images()[0].colorbar.ax.get_ylabel() == "W"


def test_classes_are_drawn_in_their_colours_and_named_in_a_legend(tmp_path):
    class Model:
        def predict_proba(self, rows):
            high = (rows[:, 0] > 0.5).astype("float32")
            return np.stack([1 - high, high], axis=1)

    labels = [gp.ModelClass(3, "land", "1b9e6a"), gp.ModelClass(7, "water", "333366")]
    rows = np.linspace(0, 1, 40, dtype="float32")[:, None] * np.ones((1, 30), "float32")
    rows[0, 0] = np.nan
    for target in (None, tmp_path / "map.tif", tmp_path / "map.zarr"):
        result = gp.reconstruct(rows[None], gp.Model(Model(), classes=labels), target, size=16)
        ax = result.plot()
        assert [text.get_text() for text in ax.get_legend().get_texts()] == [
            "land",
            "water",
            "no data",
        ]
        (image,) = ax.get_images()
        drawn = image.to_rgba(image.get_array(), bytes=True)
        assert drawn[1, 0].tolist() == [0x1B, 0x9E, 0x6A, 255]
        assert drawn[-1, 0].tolist() == [0x33, 0x33, 0x66, 255]
        assert drawn[0, 0, 3] == 0, "nothing is drawn where there is no data"
        assert image.colorbar is None


def test_degrees_of_longitude_shrink_towards_the_poles(image):
    north = Affine(0.01, 0, 10, 0, -0.01, 60.3)
    ax = gp.reconstruct(field(image, north, "EPSG:4326"), lambda x: x, size=32).plot()
    assert ax.get_aspect() == pytest.approx(2.0, abs=0.01)  # 1 / cos 60 degrees
    assert ax.get_xlabel() == "longitude [degree], EPSG:4326"


@pytest.mark.parametrize("crs", [None, "EPSG:32610"])
def test_a_rotated_or_unplaced_raster_is_drawn_in_its_pixels(image, crs):
    turned = Affine(8, 5, 0, 5, -8, 0)
    ax = gp.reconstruct(field(image, turned, crs), lambda x: x, size=32).plot()
    assert ax.get_images()[0].get_extent() == [0, 90, 60, 0]
    assert ax.get_xlabel() == ("column" if crs is None else "column (the grid is rotated)")


def test_cells_without_data_are_left_out(image):
    holed = image.copy()
    holed[:, :20] = np.nan
    result = gp.reconstruct(holed, lambda x: x, size=32)
    assert np.ma.getmaskarray(result.plot().get_images()[0].get_array())[:20].all()


def test_layers_are_drawn_beside_the_result(image):
    result = gp.reconstruct(image, lambda x: x, size=32, layers=("weight", "count"))
    ax = result.plot(layers=("count", "weight"))
    titles = [each.get_title() for each in ax.figure.axes if each.get_title()]
    assert titles == ["result", "count", "weight"]
    with pytest.raises(ValueError, match="has no layers spread; it has weight, count"):
        result.plot(layers=("spread",))
    with pytest.raises(ValueError, match="leave out ax"):
        result.plot(ax=ax, layers=("count",))
    with pytest.raises(ValueError, match="band 2 is not one of 0 to 1"):
        result.plot(2)


def test_an_axes_that_is_given_is_drawn_into(image):
    _, ax = plt.subplots()
    assert gp.reconstruct(image, lambda x: x, size=32).plot(ax=ax) is ax


def test_classes_have_one_colour_each():
    classes = np.random.default_rng(0).integers(0, 3, (40, 40)).astype("uint8")
    ax = gp.reconstruct(classes, lambda x: x, size=16, dtype="uint8").plot()
    picture = ax.get_images()[0]
    assert picture.colorbar is None
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    colours = [np.round(np.array(patch.get_facecolor()) * 255) for patch in legend.get_patches()]
    for value, colour in enumerate(colours):
        np.testing.assert_array_equal((picture.get_array() == colour).all(axis=-1), classes == value)


class Land:
    """A model of three classes, with gaps where the image has some."""

    classes = (
        ModelClass(2, "open water", "1F6FB4"),
        ModelClass(5, "forest", "0F7A32"),
        ModelClass(9, "bare"),
    )

    def __call__(self, patch):
        low, high = patch[0] < 0.3, patch[0] >= 0.7
        return np.stack([low, ~low & ~high, high]) + 0 * patch[:1]


@pytest.mark.parametrize("suffix", [None, "zarr", "tif"])
def test_a_map_of_classes_has_their_colours_and_a_legend(image, suffix, tmp_path):
    holed = image[:1].copy()
    holed[0, :20, :20] = -1
    source = field(holed, crs="EPSG:32610", nodata=-1)
    target = None if suffix is None else tmp_path / f"map.{suffix}"
    result = gp.reconstruct(source, Land(), target, size=30, step=30, window="boxcar")
    ax = result.plot()
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["open water", "forest", "bare", "no data"]
    colours = [tuple(np.round(np.array(patch.get_facecolor()) * 255)) for patch in legend.get_patches()]
    assert colours[:2] == [(31, 111, 180, 255), (15, 122, 50, 255)]
    picture = ax.get_images()[0].get_array()
    classes = np.asarray(result.array[...])
    for value, colour in zip((2, 5, 9), colours, strict=False):
        np.testing.assert_array_equal((picture == colour).all(axis=-1), classes == value)
    assert not picture[:20, :20].any()
    assert ax.get_images()[0].colorbar is None
    assert ax.get_images()[0].get_extent() == [500_000, 500_900, 3_999_400, 4_000_000]


@pytest.mark.parametrize("suffix", [None, ".zarr", ".tif"])
def test_a_layer_of_classes_is_drawn_as_classes(image, suffix, tmp_path):
    target = None if suffix is None else tmp_path / f"land{suffix}"
    result = gp.reconstruct(
        image[:1], Land(), target, size=30, step=30, window="boxcar", outputs=("confidence", "class")
    )
    ax = result.plot(layers=("class",))
    (panel,) = (each for each in ax.figure.axes if each.get_title() == "class")
    assert [text.get_text() for text in panel.get_legend().get_texts()][:3] == [
        "open water",
        "forest",
        "bare",
    ]
    assert panel.get_images()[0].colorbar is None


def test_a_notebook_shows_the_legend_without_matplotlib(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = gp.reconstruct(image[:1], Land(), size=32)._repr_html_()
    assert "open water</div>" in text
    assert "background:#1f6fb4" in text
    assert "open water" not in gp.reconstruct(image[:1], np.copy, size=32)._repr_html_()


def test_every_patch_of_a_small_plan_is_drawn_and_depths_are_counted(image):
    figure = patcher().plot(image)
    boxes, depth = figure.axes[0], figure.axes[1]
    plan = patcher().plan(image)
    assert len(boxes.patches) == plan.n_patches + 2  # one is singled out, and the raster's edge
    expected = np.zeros((60, 90), int)
    for row, col in patcher().anchors(image):
        expected[row : row + 32, col : col + 32] += 1
    assert np.array_equal(depth.get_images()[0].get_array(), expected)
    assert f"{plan.n_patches} patches" in boxes.get_title(loc="left")


def test_shares_of_the_window_add_up_to_one(image):
    figure = patcher().plot(image)
    lines = next(ax for ax in figure.axes if "share" in ax.get_title(loc="left")).get_lines()
    total: dict[float, float] = {}
    for line in lines:
        for x, y in zip(*line.get_data(), strict=True):
            total[x] = total.get(x, 0.0) + y
    assert set(np.round(list(total.values()), 9)) == {1.0}


def test_the_four_axes_are_told(image):
    texts = [
        text.get_text() for ax in patcher(window=gp.SpatialTukey(0.3)).plot(image).axes for text in ax.texts
    ]
    for name in (
        "geometry",
        "sampler",
        "window",
        "aggregation",
        "SpatialTukey(alpha=0.3)",
        "SpatialOverlapAdd",
    ):
        assert name in texts


def test_of_a_huge_plan_one_corner_is_drawn_and_no_pixel_read():
    class Planet:
        shape, dtype = (4_000_000, 2_000_000), np.dtype("float32")

        def __getitem__(self, index):
            raise AssertionError("pixels were read")

    figure = patcher(256, 64).plot(RasterField(ArraySource.of(Planet())))
    boxes, depth = figure.axes[0], figure.axes[1].get_images()[0].get_array()
    assert len(boxes.patches) < 100
    assert "the corner of" in boxes.get_title(loc="left")
    # No pixel at the edge of the drawing may look shallower than it is.
    assert depth.max() == depth[-1, -1] == 16


def test_scattered_patches_are_drawn_too(image):
    scattered = gp.SpatialPatcher(
        gp.SpatialRectangular(16),
        gp.SpatialJitteredStride(16, seed=0),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
    )
    assert len(scattered.plot(image).axes[0].patches) == scattered.n_anchors(image) + 2


def test_a_domain_of_one_pixel_is_drawn():
    assert RasterDomain((1, 1)).grid_shape == (1, 1)
    assert patcher(4, 2).plot(np.ones((1, 1))).axes
