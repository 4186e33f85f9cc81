"""Labels are names: averages of them are told of, and none becomes another one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.labels import Disagreement, inexact, outside
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile
from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.api.runners import parallel_map
from geopatcher.errors import OperatorError
from geopatcher.patching.samplers.explicit import SpatialExplicit

SMOOTH = np.random.default_rng(0).random((1, 131, 97), "f4")
AVERAGING = ("overlap-add", "mean", "median")
KEEPING = ("mode", "hard-vote:5", "max", "min", "sum", "weighted-sum", "variance")
FLAT = gp.SpatialPatcher(
    gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
)


def predict(pixels):
    """Class 0 or 4 for a whole patch, so that neighbours disagree."""
    return np.full(pixels.shape, 0 if pixels.mean() < 0.5 else 4, "uint8")


def said(call):
    """What is warned of during a call, and what it returns."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = call()
    ours = [one for one in heard if one.category is RuntimeWarning]
    assert {one.filename for one in ours} <= {__file__}  # the line that asked for it
    return result, [str(one.message) for one in ours]


# Averages of integers


@pytest.mark.parametrize(
    ("target", "workers"), [(None, 1), ("x.zarr", 1), ("x.tif", 1), (None, 2), ("x.zarr", 2)]
)
def test_integers_that_are_averaged_are_told_of_once(tmp_path, target, workers):
    place = None if target is None else tmp_path / target
    options = {"size": 32, "chunks": 32, "workers": workers}
    result, heard = said(lambda: gp.reconstruct(SMOOTH, predict, place, **options))
    assert set(np.unique(result.array[...])) > {0, 4}
    assert len(heard) == 1
    for part in ("predict gave uint8", 'aggregation="mode"', "hard-vote", '.astype("float32")'):
        assert part in heard[0]
    assert sum("were averaged" in note for note in result.stats.notes) == 1
    if place is not None:  # a result that is there already is no better
        again, heard = said(lambda: gp.reconstruct(SMOOTH, predict, place, **options))
        assert any("complete since" in note for note in again.stats.notes)
        assert len(heard) == 1


@pytest.mark.parametrize("aggregation", AVERAGING)
@pytest.mark.parametrize("dtype", ["bool", *cells.INTEGERS])
def test_every_average_of_every_kind_of_integers(aggregation, dtype):
    def operator(pixels):
        return np.full(pixels.shape, pixels.mean() < 0.5, dtype)

    options = {"size": 32, "aggregation": aggregation}
    assert len(said(lambda: gp.reconstruct(SMOOTH, operator, **options))[1]) == 1
    assert said(lambda: gp.reconstruct(SMOOTH, lambda x: operator(x).astype("f4"), **options))[1] == []


@pytest.mark.parametrize("aggregation", KEEPING)
def test_what_averages_nothing_says_nothing(aggregation):
    heard = said(lambda: gp.reconstruct(SMOOTH, predict, size=32, aggregation=aggregation))[1]
    assert heard == []


def test_the_warning_comes_while_the_run_goes_on():
    seen = []

    def operator(pixels):
        seen.append(1)
        return predict(pixels)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="differ where patches overlap"):
            gp.reconstruct(np.tile(SMOOTH, (1, 8, 1)), operator, size=32, chunks=32)
    assert len(seen) < 100 < gp.plan(np.tile(SMOOTH, (1, 8, 1)), size=32).n_patches


def test_merging_tells_too():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    image = SMOOTH[0]

    def patches():
        return (patch.with_data(predict(patch.data)) for patch in patcher.split(image))

    for call in (
        lambda: patcher.merge(patches(), image),
        lambda: patcher.merge(list(patches())[::-1], image),
        lambda: patcher.two_pass(image, reduce_with=gp.SpatialMeanStd(), apply=lambda x, _: predict(x)),
        lambda: patcher.merge(parallel_map(patcher, image, predict, n_workers=2), image),
    ):
        heard = said(call)[1]
        assert len(heard) == 1
        assert re.match("the patches gave uint8 values that differ", heard[0])
    assert said(lambda: patcher.merge(patcher.split((image * 9).astype("int16")), image))[1] == []


def test_the_command_says_it_in_one_line(tmp_path):
    path, module = tmp_path / "s.tif", tmp_path / "mymodel.py"
    with rasterio.open(path, "w", driver="GTiff", count=1, height=131, width=97, dtype="float32") as out:
        out.write(SMOOTH)
    module.write_text(
        "import numpy as np\ndef predict(x): return np.full(x.shape, 4 * int(x.mean() > .5), 'uint8')\n"
    )
    command = (
        f"-m geopatcher run {path} {tmp_path / 'o.tif'} --operator mymodel:predict --size 32 --no-progress"
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    lines = [line for line in done.stderr.splitlines() if "NotGeoreferenced" not in line and line.strip()]
    assert len([line for line in lines if 'aggregation="mode"' in line]) == 1
    assert next(line for line in lines if "mode" in line).startswith("Warning: ")
    assert "lazy.py" not in done.stderr
    assert "averaged" in done.stdout


@st.composite
def scenes(draw):
    """Patches of a raster of integers; most agree, and some say something else of a cell, or of none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["bool", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]))
    bands, height, width = draw(st.integers(1, 2)), draw(st.integers(4, 20)), draw(st.integers(4, 20))
    if dtype == "bool":
        image = rng.random((bands, height, width)) < 0.5
    else:
        top = draw(st.sampled_from([3, 120, int(np.iinfo(dtype).max)]))
        image = np.dtype(dtype).type(top) - rng.integers(0, 3, (bands, height, width)).astype(dtype)
    size, step = draw(st.integers(2, 8)), draw(st.integers(1, 5))
    taper = draw(st.sampled_from(["flat", "hann", "holes"]))
    weights = {
        "flat": lambda: np.ones((size, size)),
        "hann": lambda: gp.SpatialHann().weights(gp.SpatialRectangular(size)),
        "holes": lambda: (rng.random((size, size)) < 0.6).astype(float),
    }[taper]()
    holes = draw(st.sampled_from([0.0, 0.0, 0.2]))
    patches = []
    for row in range(0, height, step):
        for col in range(0, width, step):
            data = np.zeros((bands, size, size), dtype)
            part = image[:, row : row + size, col : col + size]
            data[:, : part.shape[1], : part.shape[2]] = part
            mask = rng.random(data.shape) < holes
            patches.append(
                gp.Patch(np.ma.array(data, mask=mask) if holes else data, (row, col), None, weights)
            )
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        patch = patches[int(rng.integers(len(patches)))]
        cell = tuple(int(rng.integers(n)) for n in patch.data.shape)
        data = np.ma.getdata(patch.data)
        data[cell] = not data[cell] if dtype == "bool" else 1 if data[cell] != 1 else 2
    return image, patches


@how(max_examples=80)
@given(scenes(), st.sampled_from(["mean", "overlap-add"]), st.booleans(), st.booleans())
def test_a_disagreement_in_one_cell_is_found_and_none_is_made_up(scene, name, planned, narrow):
    image, patches = scene
    values = {}
    for patch in patches:
        mask = np.ma.getmaskarray(patch.data)
        for band, row, col in np.ndindex(patch.data.shape):
            where = (band, patch.anchor[0] + row, patch.anchor[1] + col)
            inside = where[1] < image.shape[1] and where[2] < image.shape[2]
            weighed = name == "mean" or patch.weights[row, col] > 0
            if inside and weighed and not mask[band, row, col]:
                values.setdefault(where, set()).add(np.ma.getdata(patch.data)[band, row, col].item())
    differ = any(len(found) > 1 for found in values.values())
    make = {"mean": gp.SpatialMean, "overlap-add": gp.SpatialOverlapAdd}[name]
    aggregation = make(chunks=(8, 8))
    if narrow:  # large integers and an accumulator that rounds them
        object.__setattr__(aggregation, "memory_dtype", lambda _: np.dtype("float32"))
        differ = any(len(set(map(np.float32, found))) > 1 for found in values.values())
    rows = sorted(patches, key=lambda patch: patch.anchor)
    if planned:
        anchors = SpatialExplicit([patch.anchor for patch in rows])
        patcher = gp.SpatialPatcher(
            gp.SpatialRectangular(rows[0].data.shape[-2:], boundary="pad"),
            anchors,
            gp.SpatialBoxcar(),
            make(),
        )
        rows = cells.Stream(cells.Scene(image.shape[1:], len(image), rows, patcher.plan(image[0]), (8, 8)))
    heard = said(lambda: aggregation.merge(rows, np.empty(image.shape[1:])))[1]
    if narrow and np.dtype(image.dtype).itemsize == 8:  # which are measured from their first value, exactly
        differ = any(len(found) > 1 for found in values.values())
    assert len(heard) == differ


@given(
    st.integers(0, 2**32), st.sampled_from(["bool", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
)
def test_looking_for_it_changes_no_bit(seed, dtype):
    rng = np.random.default_rng(seed)
    exact = np.dtype(rng.choice(["float32", "float64"]))
    high = 2 if dtype == "bool" else np.iinfo(dtype).max if rng.random() < 0.3 else 5
    truth = rng.integers(0, high, (2, 12, 12)).astype(dtype)
    results = []
    pieces = []
    for _ in range(6):
        row, col = rng.integers(0, 7, 2)
        data = truth[:, row : row + 6, col : col + 6].copy()
        if rng.random() < 0.3:
            data[0, 2, 2] = 1
        taper = Taper.of((rng.random((6, 6)) < 0.8) * rng.random((6, 6)), (6, 6), exact)
        valid = rng.random(data.shape) < 0.8 if rng.random() < 0.5 else None
        where = (slice(row, row + 6), slice(col, col + 6))
        whole = (slice(0, 6), slice(0, 6))
        pieces.append((where, whole, data, taper, valid, (int(row), int(col))))
    for found in (False, True):
        aggregation = gp.SpatialOverlapAdd()
        tile = Tile((2, 12, 12), np.dtype(dtype), exact, Coverings(), Disagreement(found))
        state = aggregation.zero(tile)
        for piece in pieces:
            state = aggregation.update(state, Piece(*piece))
        results.append(aggregation.finalise(state))
    for one, other in zip(*results, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.tobytes() == other.tobytes()


def test_states_that_disagree_are_found_when_they_are_joined():
    for value, found in ((3, False), (4, True)):
        aggregation = gp.SpatialOverlapAdd()
        states = []
        for cell in (3, value):
            tile = Tile((1, 2, 2), np.dtype("uint8"), np.dtype("float32"), Coverings())
            data = np.full((1, 2, 2), cell, "uint8")
            whole = (slice(0, 2), slice(0, 2))
            taper = Taper.of(None, (2, 2), np.dtype("float32"))
            states.append(
                aggregation.update(aggregation.zero(tile), Piece(whole, whole, data, taper, None, (0, 0)))
            )
        assert aggregation.merge_states(*states).tile.disagreement.found == found


# Values that were chosen


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_label_the_dtype_cannot_hold_is_refused(tmp_path, target, workers):
    place = None if target is None else tmp_path / target

    def operator(pixels):
        return np.full(pixels.shape, 290, "int16")

    with pytest.raises(OperatorError) as error:
        gp.reconstruct(SMOOTH, operator, place, size=32, aggregation="mode", dtype="uint8", workers=workers)
    text = str(error.value)
    assert text.startswith("SpatialMode chose 290 at row 0, column 0 (block rows 0:131, columns 0:97)")
    assert "uint8 (0 to 255)" in text
    assert "dtype='int16'" in text


@pytest.mark.parametrize("aggregation", ["mode", "median", "max", "min"])
@pytest.mark.parametrize(
    ("value", "of", "dtype", "roomy"),
    [
        (290, "int16", "uint8", "int16"),
        (-1, "int8", "uint8", "int16"),
        (-1, "int32", "uint16", "int32"),
        (40_000, "uint16", "int16", "int32"),
        (2**31, "int64", "int32", "int64"),
        (2**63, "uint64", "int64", "float64"),
        (-1, "int64", "uint64", "float64"),
        (255.6, "float32", "uint8", None),
        (-0.6, "float64", "uint8", None),
        (np.inf, "float32", "uint16", "float32"),
        (-np.inf, "float64", "int64", "float64"),
        (2.0**63, "float64", "int64", None),
        (2.0**64, "float32", "uint64", None),
        (65_504, "float16", "uint8", None),
    ],
)
def test_whatever_is_chosen_is_refused_beyond_the_range(aggregation, value, of, dtype, roomy):
    def operator(pixels):
        return np.full(pixels.shape, value, of)

    with pytest.raises(
        OperatorError, match=rf"chose {re.escape(str(np.dtype(of).type(value).item()))}"
    ) as error:
        gp.reconstruct(SMOOTH, operator, size=32, aggregation=aggregation, dtype=dtype)
    if roomy and aggregation != "median":
        assert f"dtype='{roomy}'" in str(error.value)


@pytest.mark.parametrize("aggregation", ["mode", "median", "max", "min"])
@pytest.mark.parametrize(
    ("value", "of", "dtype", "wanted"),
    [
        (255, "int16", "uint8", 255),
        (0, "int16", "uint8", 0),
        (-128, "int64", "int8", -128),
        (255.4, "float32", "uint8", 255),
        (-0.4, "float32", "uint8", 0),
        (np.nan, "float32", "int16", None),
        (2**63 - 1, "uint64", "int64", 2**63 - 1),
        (np.inf, "float64", "float32", np.inf),
    ],
)
def test_what_fits_is_kept(aggregation, value, of, dtype, wanted):
    result = gp.reconstruct(
        SMOOTH, lambda x: np.full(x.shape, value, of), size=32, aggregation=aggregation, dtype=dtype, nodata=9
    )
    assert (result.array == (9 if wanted is None else wanted)).all()


@pytest.mark.parametrize("aggregation", ["overlap-add", "mean"])
def test_averages_stay_at_the_limits(aggregation):
    def operator(pixels):
        return np.where(pixels < 0.5, 290, -7).astype("int16")

    result = gp.reconstruct(SMOOTH, operator, size=32, aggregation=aggregation, dtype="uint8")
    np.testing.assert_array_equal(result.array, np.where(SMOOTH < 0.5, 255, 0))


def test_cells_without_data_are_no_values():
    field = gp.RasterField.from_array(np.array([[-9999, 3], [4, -9999]], "int16"), nodata=-9999)
    for aggregation in ("mode", "max", "min", "median"):
        result = gp.reconstruct(
            field, lambda x: x, size=2, aggregation=aggregation, dtype="uint8", nodata=255
        )
        np.testing.assert_array_equal(result.array, [[255, 3], [4, 255]])


def test_a_value_that_is_not_chosen_may_be_any():
    patches = [gp.Patch(np.full((2, 2), value, "int16"), (0, 0), None) for value in (7, 290, 7)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = gp.SpatialMode().merge(patches, np.empty((2, 2)))
    np.testing.assert_array_equal(got, 7)


def test_labels_are_not_rounded_into_others_by_floats():
    def operator(pixels):
        return np.full(pixels.shape, 2**24 + 1, "int32")

    with pytest.raises(OperatorError, match="chose 16777217 .* float32 cannot hold it.*dtype='float64'"):
        gp.reconstruct(SMOOTH, operator, size=32, aggregation="mode", dtype="float32")
    assert (
        gp.reconstruct(SMOOTH, operator, size=32, aggregation="mode", dtype="float64").array[0, 0, 0]
        == 2**24 + 1
    )
    for values, of, dtype, wrong in (
        ([2**63 - 1], "int64", "float64", True),
        ([2**64 - 1], "uint64", "float32", True),
        ([-(2**63)], "int64", "float64", False),
        ([65_535], "uint16", "float16", True),
        ([2048, 0], "uint16", "float16", False),
    ):
        found = inexact(Finished(np.array([[values]], of), None), np.dtype(dtype))
        assert (found is not None) == wrong


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 70_000), min_size=1, max_size=5),
    st.sampled_from(cells.INTEGERS),
    st.data(),
)
def test_what_is_outside(values, dtype, data):
    limits = np.iinfo(dtype)
    covered = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    finished = Finished(np.array([[values]], "int64"), np.array([covered]))
    wrong = [
        value
        for value, here in zip(values, covered, strict=True)
        if here and not limits.min <= value <= limits.max
    ]
    found = outside(finished, np.dtype(dtype))
    assert (found and found.value) == (wrong[0] if wrong else None)
    floats = np.array([[values]], "float64")
    wrong = [
        value
        for value, here in zip(floats.ravel().tolist(), covered, strict=True)
        if here and not limits.min <= int(value) <= limits.max
    ]
    found = outside(Finished(floats, np.array([covered])), np.dtype(dtype))
    assert (found and found.value) == (wrong[0] if wrong else None)


@pytest.mark.parametrize("vote", [gp.SpatialHardVote, gp.SpatialSoftVote])
def test_more_classes_than_the_dtype_has_room_for_are_refused_before_the_run(vote, tmp_path):
    called = []

    def operator(pixels):
        called.append(1)
        return pixels

    message = "uint8 has no room for 300 classes: use dtype='uint16'"
    for nodata in (None, 0):
        with pytest.raises(ValueError, match=message):
            gp.reconstruct(SMOOTH, operator, size=32, aggregation=vote(300), dtype="uint8", nodata=nodata)
        with pytest.raises(ValueError, match=message):
            gp.plan(SMOOTH, size=32, aggregation=vote(300), dtype="uint8")
    with pytest.raises(ValueError, match=message):
        vote(300, dtype="uint8", streaming=True, target_path=tmp_path / "x.zarr").merge(
            (called.append(1) for _ in range(1)), SMOOTH[0]
        )
    with pytest.raises(ValueError, match=r"float16 has no room for 5000 classes: use dtype='uint16'"):
        gp.plan(SMOOTH, size=32, aggregation=vote(5000), dtype="float16")
    assert not called
    assert not list(tmp_path.iterdir())
    gp.plan(SMOOTH, size=32, aggregation=vote(256), dtype="uint8")


@pytest.mark.parametrize("make", [gp.SpatialMode, gp.SpatialMax, gp.SpatialMin, gp.SpatialMedian])
@pytest.mark.parametrize("writer", ["zarr", "cog"])
def test_merging_refuses_it_too(make, writer, tmp_path):
    target = tmp_path / ("x.zarr" if writer == "zarr" else "x.tif")
    patches = [
        gp.Patch(np.full((4, 4), value, "int16"), (0, 4 * col), None) for col, value in enumerate((7, 290))
    ]
    merging = make(streaming=True, target_path=target, dtype="uint8", writer=writer)
    with pytest.raises(OperatorError, match=r"chose 290(\.0)? at row 0, column 4"):
        merging.merge(patches, np.empty((4, 8)))
    assert not target.exists()


def test_patches_of_a_wider_dtype_do_not_become_that_of_the_first():
    patches = [
        gp.Patch(np.full((4, 4), value, of), (0, 0), None) for value, of in ((7, "uint8"), (290, "int16"))
    ]
    for make in (gp.SpatialMin, gp.SpatialMax, gp.SpatialSum, gp.SpatialMean):
        with pytest.raises(
            OperatorError,
            match=r"patch at \(0, 0\) holds int16 values and those before uint8.*astype\('int16'\)",
        ):
            make().merge(patches, np.empty((4, 4)))
    np.testing.assert_array_equal(gp.SpatialMax().merge(patches[::-1], np.empty((4, 4))), 290)


BOOLEANS = {
    "overlap-add": ("uint8", 1),
    "mean": ("uint8", 1),
    "sum": ("uint64", 4),
    "weighted-sum": ("float32", 4),
    "max": ("uint8", 1),
    "min": ("uint8", 1),
    "median": ("uint8", 1),
    "mode": ("uint8", 1),
    "variance": ("float32", 0),
    "hard-vote:2": ("uint8", 1),
}


@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans_become_zero_and_one(name):
    dtype, one = BOOLEANS[name]
    patcher = gp.SpatialPatcher(FLAT.geometry, FLAT.sampler, FLAT.window, aggregation_from_name(name))
    truth = np.random.default_rng(0).random((1, 20, 24)) < 0.5
    got = gp.reconstruct(truth, lambda x: x, patcher=patcher)
    assert got.array.dtype == dtype
    np.testing.assert_array_equal(got.array[0, 4:16, 4:20], truth[0, 4:16, 4:20] * one)
