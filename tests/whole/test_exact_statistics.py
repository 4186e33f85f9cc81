"""What is known of all cells of a result: the same numbers however it came to be, wherever it is shown."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner

import geopatcher as gp
import killed
from doubling import IMAGE, Double, begun, run, run_folder
from geopatcher.cli import main
from geopatcher.core.statistics import Statistics
from geopatcher.formats.statistics import in_attributes, in_tags
from geopatcher.inspect.info import describe
from geopatcher.report.findings import look_into
from geopatcher.report.session import Session
from geopatcher.runs.ledger.lines import decode, encode

TARGETS = pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
RANDOM = np.random.default_rng(11)


def same(patch):
    return patch


def stored(path):
    """Return the statistics of each band as they are stored, by readers that are not ours."""
    if path.suffix == ".zarr":
        attributes = dict(zarr.open_group(path, mode="r")["data"].attrs)
        shape = zarr.open_group(path, mode="r")["data"].shape
        return in_attributes(attributes, int(np.prod(shape[:-2])))
    with rasterio.open(path) as dataset:
        return tuple(in_tags(dataset.tags(band)) for band in dataset.indexes)


def wanted(cells, known):
    held = cells[known]
    if not held.size:
        return None
    exact = held.astype("f8")
    count = held.size
    low, high = held.min().item(), held.max().item()
    return Statistics(low, high, exact.mean(), exact.std(), 100 * count / cells.size, count)


def check(found, cells, known, digits=1e-11):
    assert len(found) == len(cells)
    for one, band, held in zip(found, cells, known, strict=True):
        exact = wanted(band, held)
        if exact is None:
            assert one is None
            continue
        assert (one.minimum, one.maximum, one.valid_count) == (
            exact.minimum,
            exact.maximum,
            exact.valid_count,
        )
        near = {"rtol": digits, "atol": digits * exact.deviation}
        np.testing.assert_allclose([one.mean, one.deviation], [exact.mean, exact.deviation], **near)
        assert one.valid_percent == pytest.approx(exact.valid_percent, rel=1e-3)


def image_of(dtype, shape=(2, 150, 170)):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(0.3, 0.2, shape).astype(kind)
    return RANDOM.integers(1, 120, shape).astype(kind)


@TARGETS
@pytest.mark.parametrize(
    "dtype", [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"]
)
def test_they_are_exact_for_every_dtype(tmp_path, name, dtype):
    image = image_of(dtype)
    if np.dtype(dtype).kind in "iu":
        ends = np.iinfo(dtype)
        image[0, 3, 4:6] = ends.min + 1, ends.max - 1
    gp.reconstruct(image, same, tmp_path / name, size=64, step=64, chunks=64)
    check(stored(tmp_path / name), image, np.ones(image.shape, bool), digits=1e-9)


@TARGETS
@pytest.mark.parametrize("kind", ["nan", "nodata", "mask", "some bands", "all", "fill is data"])
def test_what_is_missing_does_not_count(tmp_path, name, kind):
    """Also where a band, or a block, holds nothing; and values that stand for missing elsewhere are data."""
    image = image_of("float32" if kind == "nan" else "int16")
    known = RANDOM.random(image.shape[1:])[None] > np.array([0.2, 0.2])[:, None, None]
    known[:, :64, :64] = False
    if kind == "some bands":
        known[1] |= True
    if kind == "all":
        known[0] = False
    options = {}
    if kind == "nan":
        source = np.where(known, image, np.nan)
    elif kind == "fill is data":
        known |= True
        image[:, :70, :70] = 0
        image[:, 100:, 100:] = 255
        source = image.astype("uint8")
    else:
        source = np.ma.MaskedArray(image, ~known)
        if kind == "nodata":
            options["nodata"] = -7
    (tmp_path / "in").mkdir()
    if kind not in {"nan", "fill is data"}:
        profile = {"driver": "GTiff", "count": 2, "height": 150, "width": 170, "dtype": "int16", "nodata": -7}
        with rasterio.open(tmp_path / "in/x.tif", "w", **profile) as out:
            out.write(np.where(known, image, -7).astype("int16"))
        source = tmp_path / "in/x.tif"
    gp.reconstruct(source, same, tmp_path / name, size=64, step=64, chunks=64, **options)
    check(stored(tmp_path / name), image, known, digits=1e-9)


@TARGETS
def test_a_window_that_is_copied_has_its_own(tmp_path, name):
    """Of a raster without nodata, blocks of 0 hold data, and have no file."""
    image = image_of("uint8", (1, 200, 200))
    image[:, :100, :140] = 0
    gp.export(image, tmp_path / name, chunks=64)
    check(stored(tmp_path / name), image, np.ones(image.shape, bool))


@TARGETS
def test_they_do_not_depend_on_workers(tmp_path, name):
    again = {}
    for case, options in {
        "here": {},
        "two": {"workers": 2},
        "shards": {"storage": gp.ZarrStorage(shards=128)},
    }.items():
        if case == "shards" and name == "x.tif":
            continue
        (tmp_path / case).mkdir()
        gp.reconstruct(
            killed.image(300, 260), same, tmp_path / case / name, size=32, step=16, chunks=64, **options
        )
        again[case] = stored(tmp_path / case / name)
    assert again["two"] == again["here"]
    if "shards" in again:
        np.testing.assert_allclose(
            [each.mean for each in again["shards"]], [each.mean for each in again["here"]], rtol=1e-9
        )
        assert [each.maximum for each in again["shards"]] == [each.maximum for each in again["here"]]


@TARGETS
def test_a_run_that_was_killed_goes_on_without_reading_what_is_done(tmp_path, name):
    whole = stored(run(tmp_path / ("whole-" + name)).path)
    begun(tmp_path / name)
    go_on = Double()
    again = stored(run(tmp_path / name, go_on).path)
    assert 0 < go_on.calls < 150  # the rest only
    assert again == whole
    assert None not in again


@TARGETS
def test_after_kill_9_they_are_the_same(tmp_path, name):
    server = killed.Server()
    try:
        request = {"shape": [300, 260], "calls": str(tmp_path / "calls")}
        report = tmp_path / "steps"
        (tmp_path / "whole").mkdir()
        whole = str(tmp_path / "whole" / name)
        assert server(**request, target=whole, kill_before_step=10**9, report=str(report)) == 0
        half = int(report.read_text()) // 2
        assert server(**request, target=str(tmp_path / name), kill_before_step=half) == -signal.SIGKILL
        assert server(**request, target=str(tmp_path / name)) == 0
    finally:
        server.close()
    assert stored(tmp_path / name) == stored(tmp_path / "whole" / name)
    assert None not in stored(tmp_path / name)


def test_what_an_earlier_version_had_begun_has_none_and_opens(tmp_path):
    begun(tmp_path / "x.zarr")
    ledger = run_folder(tmp_path / "x.zarr") / "ledger.jsonl"
    lines = [decode(line) for line in ledger.read_bytes().splitlines(keepends=True)]
    assert sum("moments" in line for line in lines) > 0
    for line in lines:
        line.pop("moments", None)
    ledger.write_bytes(b"".join(map(encode, lines)))
    result = run(tmp_path / "x.zarr")
    assert stored(result.path) == ()
    assert describe(result.path).statistics == ()
    assert look_into(result.path).looks[0].statistics.maximum == pytest.approx(result.array[...][0].max())


@pytest.mark.parametrize("damage", ["!", "AAAA", 7, ""], ids=str)
def test_a_ledger_with_other_moments_is_refused(tmp_path, damage):
    begun(tmp_path / "x.zarr")
    ledger = run_folder(tmp_path / "x.zarr") / "ledger.jsonl"
    lines = [decode(line) for line in ledger.read_bytes().splitlines(keepends=True)]
    for line in lines:
        if "moments" in line:
            line["moments"] = {"data": damage}
    ledger.write_bytes(b"".join(map(encode, lines)))
    with pytest.raises(gp.errors.TargetError, match="what is known of the cells of 'data' is damaged"):
        run(tmp_path / "x.zarr")


@TARGETS
def test_one_outlier_is_seen_wherever_the_result_is_shown(tmp_path, name):
    image = RANDOM.normal(0.3, 0.1, (2200, 2100)).astype("float32")
    image[1, 1] = 1000000.5  # at no place that is looked at from afar
    result = gp.reconstruct(image, same, tmp_path / name, size=512, step=512, chunks=512)
    path = result.path
    (known,) = stored(path)
    assert known.maximum == 1000000.5
    (look,) = look_into(path).looks
    assert look.exact
    assert look.statistics == known
    session = Session.of(path)
    try:
        told = json.loads(session.answer("/histogram/0?band=1").content)
        (layer, *_) = session.describe()["layers"]
    finally:
        session.close()
    assert told["whole"] == [known.minimum, 1000000.5]
    assert name == "x.tif" or told["ends"][1] < 2  # where overviews are means, it is in those
    assert layer["spans"][0] == pytest.approx(look.style.span)
    assert look.style.span[1] < 1  # an outlier does not make a look
    assert "to 1e+06" in str(describe(path))
    assert str(known) in result._repr_html_()
    answer = CliRunner().invoke(main, ["info", "--json", str(path)])
    (said,) = json.loads(answer.output)["statistics"]
    assert said["maximum"] == 1000000.5
    assert said["valid_count"] == image.size


def test_they_are_told_as_quantities_where_numbers_stand_for_some(tmp_path):
    image = RANDOM.random((90, 80))
    path = gp.reconstruct(
        image, same, tmp_path / "x.zarr", size=32, step=32, scale_to=gp.ScaleTo("uint8", (0, 1))
    ).path
    assert zarr.open_group(path, mode="r")["data"].attrs["actual_range"] == pytest.approx(
        [image.min(), image.max()], abs=0.005
    )
    assert look_into(path).looks[0].statistics.maximum == pytest.approx(image.max(), abs=0.005)


def test_levels_and_layers_have_none_of_the_result(tmp_path):
    path = gp.reconstruct(
        IMAGE,
        same,
        tmp_path / "x.zarr",
        size=32,
        step=16,
        chunks=64,
        storage=gp.ZarrStorage(multiscales=True),
        layers=("count",),
    ).path
    group = zarr.open_group(path, mode="r")
    assert "STATISTICS_MEAN" in group["data"].attrs
    assert "STATISTICS_MEAN" not in group["1/data"].attrs
    assert "STATISTICS_MEAN" not in group["count"].attrs
