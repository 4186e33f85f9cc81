"""Labels are names: averages of them, and places where they disagree, are told of."""

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
from geopatcher.accumulators.labels import Disagreement
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile
from geopatcher.api.runners import parallel_map
from geopatcher.patching.samplers.explicit import SpatialExplicit

SMOOTH = np.random.default_rng(0).random((1, 131, 97), "f4")
AVERAGING = ("overlap-add", "mean", "median")
KEEPING = ("mode", "hard-vote:5", "max", "min", "sum", "weighted-sum", "variance")


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
