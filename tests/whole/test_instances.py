"""Objects across seams: against the connected parts of the whole raster, whatever is run and killed."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from scipy import ndimage

import geopatcher as gp
from geopatcher.errors import OperatorError, TargetError, TargetExistsError

EXACT = gp.SpatialInstances(0.0)


def blobs(seed, shape, sigma=2.0, share=0.5):
    """A mask of objects that are some ``sigma`` wide."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    return (noise > np.quantile(noise, 1 - share)).astype(np.uint8)


def label(pixels):
    return ndimage.label(pixels)[0]


def label_round(pixels):
    """Connected parts, those at corners too, numbered anyhow."""
    found, n = ndimage.label(pixels[0] > 0.5, np.ones((3, 3)))
    names = np.random.default_rng(n).permutation(np.arange(1, 2 * n + 1))
    return np.concatenate([[0], names])[found]


def is_one_to_one(got, wanted):
    """Return whether two label rasters have the same objects, numbered 1 to n by where they begin."""
    pairs = np.unique(np.stack([got.ravel(), wanted.ravel()]), axis=1)
    firsts = [np.flatnonzero(got == number)[0] for number in range(1, int(got.max()) + 1)]
    return (
        len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
        and np.array_equal(got == 0, wanted == 0)
        and firsts == sorted(firsts)
    )


@how(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 90)),
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    steps=st.tuples(st.floats(0.3, 0.99), st.floats(0.3, 0.99)),
    boundary=st.sampled_from(["cover", "pad", "shrink", "reflect"]),
    sigma=st.sampled_from([0.0, 1.0, 4.0, 12.0]),
    chunks=st.sampled_from([8, 16, 33, 512]),
    holes=st.sampled_from([0.0, 0.1]),
    margin=st.sampled_from([0, 0, 3]),
)
def test_the_connected_parts_of_the_whole(
    *, seed, shape, size, steps, boundary, sigma, chunks, holes, margin
):
    size = tuple(map(min, size, shape))
    step = tuple(max(1, min(edge - 1, round(edge * share))) for edge, share in zip(size, steps, strict=True))
    image = blobs(seed, (1, *shape), (0, sigma, sigma)).astype("float32")
    image[np.random.default_rng(seed).random(image.shape) < holes] = np.nan
    options = {"size": size, "step": step, "boundary": boundary, "chunks": chunks, "margin": margin}
    got = gp.reconstruct(image, label_round, aggregation=EXACT, **options).array
    assert got.dtype == np.uint32
    assert is_one_to_one(got, ndimage.label(image[0] > 0.5, np.ones((3, 3)))[0])


@how(max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    size=st.integers(8, 24),
    chunks=st.sampled_from([16, 33]),
)
def test_boxes_that_touch_stay_apart_with_half_the_union(*, seed, shape, size, chunks):
    """A segmenter that tells touching cells of a grid apart, as wide as half a patch and more."""
    rng = np.random.default_rng(seed)
    edges = [np.cumsum(rng.integers(size // 2, 3 * size, 40)) for _ in shape]
    rows, cols = (np.searchsorted(edge, np.arange(length)) for edge, length in zip(edges, shape, strict=True))
    whole = (rows[:, None] * 40 + cols).astype("int32") + 5  # no background at all

    def shuffled(patch):
        names, found = np.unique(patch, return_inverse=True)
        return (1 + np.random.default_rng(int(patch[0, 0])).permutation(len(names)))[found].reshape(
            patch.shape
        )

    got = gp.reconstruct(whole, shuffled, size=size, chunks=chunks, aggregation="instances").array
    assert is_one_to_one(got, whole)


class TestImperfect:
    """A segmenter that sees nothing within some pixels of the border of what it is shown."""

    def eroded(self, pixels):
        found = label(pixels)
        found[:2], found[-2:], found[:, :2], found[:, -2:] = 0, 0, 0, 0
        return found

    def image(self):
        image = np.zeros((160, 200), np.uint8)
        image[10:30, 20:180] = 1  # longer than a patch
        image[40:150, 60:75] = 1
        image[60:75, 100:115] = 1  # smaller than one
        return image

    def test_objects_are_whole_but_at_the_edge_of_the_raster(self):
        image = self.image()
        got = gp.reconstruct(image, self.eroded, size=64, aggregation="instances", chunks=64).array
        np.testing.assert_array_equal(got, label(image))

    def test_a_margin_shows_it_what_it_needs(self):
        image = self.image()
        got = gp.reconstruct(image, self.eroded, size=32, step=28, margin=4, aggregation="instances").array
        np.testing.assert_array_equal(got, label(image))

    def test_overlap_that_is_lost_at_both_borders_joins_nothing(self):
        """Of 8 columns in common each patch loses two: half of the union is left, which is not more."""
        image = np.ones((1, 128), np.uint8)

        def cut(pixels):
            found = label(pixels)
            found[:, :2], found[:, -2:] = 0, 0
            return found

        options = {"size": (1, 32), "step": (1, 24)}
        got = gp.reconstruct(image, cut, aggregation="instances", **options).array
        assert got.max() == gp.plan(image, **options).n_patches
        joined = gp.reconstruct(image, cut, aggregation=gp.SpatialInstances(0.49), **options).array
        assert joined.max() == 1

    def test_slivers_at_borders_get_no_number(self):
        """What one patch sees as two columns at its border is what its neighbour sees whole."""
        image = np.zeros((32, 100), np.uint8)
        image[4:28, 29:50] = 1

        def whole_only(pixels):
            found, _ = ndimage.label(pixels)
            for number, (rows, cols) in enumerate(ndimage.find_objects(found), start=1):
                if cols.stop - cols.start < 5:
                    found[rows, cols][found[rows, cols] == number] = 0
            return found

        got = gp.reconstruct(image, whole_only, size=32, aggregation="instances").array
        np.testing.assert_array_equal(got, label(image))

    def test_parts_that_a_patch_cannot_connect(self):
        """A comb: its teeth are apart in patches that do not see the back."""
        image = np.zeros((96, 64), np.uint8)
        image[:8] = 1
        image[:, 4:10] = image[:, 30:50] = 1
        options = {"size": 48, "step": 24, "chunks": 64}
        exact = gp.reconstruct(image, label, aggregation=EXACT, **options).array
        np.testing.assert_array_equal(exact, label(image))
        half = gp.reconstruct(image, label, aggregation="instances", **options).array
        assert half.max() >= 1


SCENE = blobs(3, (300, 420), 5)
WHOLE = label(SCENE)
OPTIONS = {"size": 64, "chunks": 128, "aggregation": EXACT}


class TestResults:
    @pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
    def test_on_disk(self, tmp_path, name):
        result = gp.reconstruct(SCENE, label, tmp_path / name, **OPTIONS)
        np.testing.assert_array_equal(result.array[...], WHOLE)
        assert result.domain.nodata == 0
        assert result.stats.patches == gp.plan(SCENE, size=64).n_patches == result.plan.n_patches
        assert f"{WHOLE.max()} objects" in result.stats.notes
        assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.ledger.jsonl"]
        again = gp.reconstruct(SCENE, label, tmp_path / name, **OPTIONS)
        assert "nothing was computed" in again.stats.notes[0]

    def test_a_geotiff_has_overviews_of_labels(self, tmp_path):
        gp.reconstruct(SCENE, label, tmp_path / "x.tif", **OPTIONS)
        with rasterio.open(tmp_path / "x.tif") as dataset:
            assert (dataset.nodata, dataset.dtypes[0]) == (0, "uint32")
            coarse = dataset.read(1, out_shape=(150, 210))
        assert set(np.unique(coarse)) <= set(np.unique(WHOLE))

    def test_no_data_is_told_from_background_by_a_value(self):
        image = np.ma.masked_array(SCENE, mask=np.zeros(SCENE.shape, bool))
        image.mask[100:200, 50:300] = True

        def seen(pixels):
            return label(pixels)

        got = gp.reconstruct(image, seen, **OPTIONS, nodata=4_000_000_000)
        assert (got.array[image.mask] == 4_000_000_000).all()
        assert got.array[~image.mask].max() < 4_000_000_000
        assert (got.valid[...] == ~image.mask).all()
        plain = gp.reconstruct(image, seen, **OPTIONS)
        assert (plain.array[image.mask] == 0).all()
        np.testing.assert_array_equal(plain.array[~image.mask], got.array[~image.mask])

    def test_a_part(self, tmp_path):
        box = gp.Box(100, 260, 130, 390)
        got = gp.reconstruct(SCENE, label, tmp_path / "x.tif", **OPTIONS, region=box, crop=True)
        found, whole = got.array[...], WHOLE[100:260, 130:390]
        assert np.array_equal(found > 0, whole > 0)
        # What is joined outside of the part only may be several objects in it, and no two are ever one.
        assert len(np.unique(np.stack([found.ravel(), whole.ravel()]), axis=1).T) == found.max() + 1
        joined = np.unique(np.stack([label(SCENE[100:260, 130:390]).ravel(), found.ravel()]), axis=1)
        assert len(np.unique(joined[0])) == joined.shape[1]

    def test_bands_of_a_source_and_patches_with_a_band(self):
        image = np.stack([SCENE, SCENE[::-1]])
        got = gp.reconstruct(image, lambda x: label(x[0])[np.newaxis].astype("float32"), **OPTIONS)
        np.testing.assert_array_equal(got.array, WHOLE)

    def test_booleans_and_a_small_dtype(self):
        got = gp.reconstruct(SCENE, lambda x: x > 0, **OPTIONS, dtype="uint16")
        assert got.array.dtype == np.uint16
        np.testing.assert_array_equal(got.array > 0, WHOLE > 0)

    def test_one_patch(self):
        got = gp.reconstruct(SCENE, label, size=512, boundary="pad", aggregation="instances")
        np.testing.assert_array_equal(got.array, WHOLE)

    def test_nothing_at_all(self, tmp_path):
        got = gp.reconstruct(np.zeros((100, 80), "uint8"), label, tmp_path / "x.zarr", **OPTIONS)
        assert (got.array[...] == 0).all()
        masked = np.ma.masked_all((100, 80), "uint8")
        assert (gp.reconstruct(masked, label, **OPTIONS).array == 0).all()

    def test_patches_that_fail_are_left_out(self):
        def fails(pixels):
            if pixels[0, 0] == 9:
                raise ArithmeticError("told to")
            return label(pixels > 0)

        image = SCENE.copy()
        image[0, 0] = 9
        got = gp.reconstruct(image, fails, **OPTIONS, on_error="skip")
        assert [error.anchor for error in got.errors] == [(0, 0)]
        assert (got.array[:32, :32] == 0).all()
        np.testing.assert_array_equal(got.array[32:] > 0, WHOLE[32:] > 0)


class TestRefused:
    def test_layers(self):
        with pytest.raises(ValueError, match=r"makes no layers \(count\): leave layers out"):
            gp.reconstruct(SCENE, label, **OPTIONS, layers=["count"])

    @pytest.mark.parametrize("step", [64, (64, 32), (32, 64)])
    def test_patches_that_do_not_overlap(self, step):
        with pytest.raises(ValueError, match="joins objects where patches overlap, and these do not"):
            gp.reconstruct(SCENE, label, **OPTIONS, step=step)

    @pytest.mark.parametrize(
        ("made", "said"),
        [
            (
                lambda x: label(x) + 0.5,
                r"label 0.5 in the patch at rows \[0, 64\), columns \[0, 64\) is no whole",
            ),
            (lambda x: label(x) - 1, "label -1 in the patch at rows"),
            (lambda x: label(x).astype("int64") << 31, "label 2147483648 in the patch at rows"),
            (lambda x: np.where(x > 0, np.inf, 0.0), "label inf in the patch at rows"),
            (lambda x: np.stack([x, x]), "patches have 2 bands: aggregation='instances' wants label images"),
        ],
    )
    def test_what_is_no_label(self, made, said):
        with pytest.raises(OperatorError, match=said):
            gp.reconstruct(SCENE, made, **OPTIONS)

    def test_a_dtype_that_holds_no_names(self):
        with pytest.raises(ValueError, match="a result of float32 cannot hold the numbers of objects"):
            gp.reconstruct(SCENE, label, **OPTIONS, dtype="float32")

    def test_a_dtype_that_is_too_small(self):
        points = np.zeros((80, 80), "uint8")
        points[::2, ::2] = 1
        with pytest.raises(OperatorError, match="a result of uint8"):
            gp.reconstruct(points, label, **OPTIONS, dtype="uint8")

    def test_the_source_is_not_written_over(self, tmp_path):
        with rasterio.open(tmp_path / "a.tif", "w", "GTiff", 420, 300, 1, dtype="uint8") as dataset:
            dataset.write(SCENE, 1)
        before = (tmp_path / "a.tif").read_bytes()
        with pytest.raises(TargetError, match="would be written over"):
            gp.reconstruct(tmp_path / "a.tif", label, tmp_path / "a.tif", **OPTIONS, overwrite=True)
        assert (tmp_path / "a.tif").read_bytes() == before

    def test_a_folder_of_somebody_else(self, tmp_path):
        (tmp_path / "x.tif.instances").mkdir()
        (tmp_path / "x.tif.instances" / "mine").write_text("of value")
        with pytest.raises(
            TargetExistsError, match=r"x\.tif\.instances, where labels go .* holds other things"
        ):
            gp.reconstruct(SCENE, label, tmp_path / "x.tif", **OPTIONS)
        assert (tmp_path / "x.tif.instances" / "mine").read_text() == "of value"

    def test_another_run_is_told_by_what_differs(self, tmp_path):
        gp.reconstruct(SCENE, label, tmp_path / "x.zarr", **OPTIONS)
        with pytest.raises(TargetExistsError, match=r"labels\.iou was 0\.0 and is 0\.5"):
            gp.reconstruct(SCENE, label, tmp_path / "x.zarr", **(OPTIONS | {"aggregation": "instances"}))
        with pytest.raises(TargetExistsError, match=r"labels\.plan\.size was 64x64 and is 32x32"):
            gp.reconstruct(SCENE, label, tmp_path / "x.zarr", **(OPTIONS | {"size": 32}))
        with pytest.raises(TargetExistsError, match=r"operator"):
            gp.reconstruct(SCENE, label_round, tmp_path / "x.zarr", **OPTIONS)
