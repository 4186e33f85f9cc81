"""Damaged, lying and hostile input: a plain error that names file and window, or the right pixels."""

from __future__ import annotations

import collections
import json
import os
import resource
import subprocess
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio

import geopatcher
import hostile
from doubling import begun_ledger
from geopatcher.errors import MemoryLimitError, SourceError, TargetError
from geopatcher.fields.raster import RasterField
from geopatcher.fields.zarr_field import zarr_source

MUTATIONS = 240
IMAGE = np.random.default_rng(3).random((3, 300, 310), dtype="float32") + 1


# -- damaged GeoTIFFs -----------------------------------------------------------------------------


def test_damaged_geotiffs_give_the_right_pixels_or_a_plain_error():
    """In a child: it would show as a signal if one of them took the interpreter down, or hung it."""
    outcomes, first = {}, 0
    while first < MUTATIONS:
        child = subprocess.run(
            [sys.executable, hostile.__file__, str(first), str(MUTATIONS)],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        outcomes |= {line["seed"]: line for line in lines if "seed" in line}
        if child.returncode == 0:
            break
        first = lines[-1]["begin"] if lines else MUTATIONS
        outcomes[first] = {
            "seed": first,
            "outcome": f"the process ended with {child.returncode}: {child.stderr}",
        }
        first += 1
    assert len(outcomes) == MUTATIONS
    counts = collections.Counter(line["outcome"] for line in outcomes.values())
    wrong = [
        line for line in outcomes.values() if line["outcome"] not in ("right", "part", "refused", "large")
    ]
    assert wrong == []
    assert (
        min(counts["right"], counts["part"], counts["refused"]) > 20
    )  # the mutations do damage, and not only
    print(dict(counts))


@pytest.mark.parametrize(
    "content", [b"", b"II*\x00", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(50), bytes(1000)]
)
def test_what_is_no_raster_is_refused_by_name(tmp_path, content):
    path = tmp_path / "näme with space.tif"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot open .*näme with space.tif as a raster"):
        geopatcher.reconstruct(path, np.copy, size=16)


@pytest.mark.parametrize("where", ["x.zarr", "x.tif", None])
def test_a_file_that_ends_early_leaves_no_half_written_target(tmp_path, where):
    path = tmp_path / "a.tif"
    good = hostile.base(tmp_path, "plain floats")
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(SourceError, match=r"cannot read .*a.tif, rows 0:96, columns 0:96"):
        geopatcher.reconstruct(path, np.copy, where and tmp_path / where, size=32)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "base.tif"]


# -- headers that lie -----------------------------------------------------------------------------


def vrt(path, width, height, transform="500000, 10, 0, 5000000, 0, -10"):
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><GeoTransform>{transform}</GeoTransform>'
        f'<VRTRasterBand dataType="Float32" band="1"><NoDataValue>-1</NoDataValue></VRTRasterBand>'
        f"</VRTDataset>"
    )
    return path


@pytest.mark.parametrize("where", ["x.zarr", "x.tif", None])
def test_a_header_that_promises_a_billion_by_a_billion_pixels(tmp_path, where):
    path = vrt(tmp_path / "huge.vrt", 10**9, 10**9)
    error = MemoryLimitError if where is None else TargetError
    with pytest.raises(
        error, match=r"a result of 1,000,000,000 x 1,000,000,000 pixels, as large as .*huge.vrt"
    ):
        geopatcher.reconstruct(path, np.copy, where and tmp_path / where)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["huge.vrt"]
    assert geopatcher.plan(path).n_patches > 10**13


def test_a_bomb_of_a_tile_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.tif"
    side = 8192
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=1,
        dtype="uint16",
        compress="DEFLATE",
        tiled=True,
        blockxsize=side,
        blockysize=side,
        transform=rasterio.Affine(1, 0, 0, 0, -1, 9),
    ) as file:
        file.write(np.ones((1, 16, 16), "uint16"), window=((0, 16), (0, 16)))
    assert path.stat().st_size < 300_000
    with pytest.raises(
        MemoryLimitError,
        match=r"bomb.tif is stored in blocks of 8192x8192 pixels, which take 128.0 MiB to decode",
    ):
        geopatcher.reconstruct(path, np.copy, tmp_path / "x.zarr", memory_limit="100MiB")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_transform_that_is_not_finite_is_refused_by_name(tmp_path, value):
    path = vrt(tmp_path / "odd.vrt", 64, 64, f"{value}, 10, 0, 5000000, 0, -10")
    with pytest.raises(
        SourceError, match=r"odd.vrt cannot be used: the transform has values that are not finite"
    ):
        geopatcher.reconstruct(path, np.copy, size=16)


def test_a_transform_that_maps_all_to_one_point_is_only_a_transform(tmp_path):
    path = vrt(tmp_path / "flat.vrt", 64, 64, "0, 0, 0, 0, 0, 0")
    result = geopatcher.reconstruct(path, np.copy, tmp_path / "x.zarr", size=16)
    assert not result.valid[...].any()


# -- zarr stores ----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    result = geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "größe 1.zarr", size=64, chunks=128)
    return result.path


def chunks_of(store):
    return sorted(path for path in (store / "data" / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "noise"])
def test_a_damaged_chunk_names_store_and_window(store, damage):
    chunk = chunks_of(store)[4]
    content = bytearray(chunk.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "flip":
        content[5] ^= 255
    elif damage == "empty":
        content.clear()
    else:
        content[:] = os.urandom(len(content))
    chunk.write_bytes(content)
    field = RasterField(zarr_source(store))
    with pytest.raises(
        SourceError, match=r"cannot read .*größe 1.zarr, rows 0:.*, columns 0:310: a chunk is damaged"
    ):
        geopatcher.reconstruct(field, np.copy, size=64)
    result = geopatcher.reconstruct(field, np.copy, size=64, step=64, window="boxcar", on_error="skip")
    lost = np.isnan(result.array)
    assert 0 < lost.sum() < lost.size
    assert np.allclose(result.array[~lost], IMAGE[~lost], rtol=1e-6)


def test_a_missing_chunk_of_a_result_is_nodata(store):
    chunks_of(store)[4].unlink()
    result = geopatcher.reconstruct(
        RasterField(zarr_source(store)), np.copy, size=64, step=64, window="boxcar"
    )
    lost = np.isnan(result.array)
    assert lost.sum() == 128 * 128
    assert np.allclose(result.array[~lost], IMAGE[~lost], rtol=1e-6)


# -- disks that are full --------------------------------------------------------------------------


@contextmanager
def no_file_larger_than(n_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Counting:
    """Changes nothing, and counts; what it counts is no part of what it is."""

    def __init__(self, calls):
        self.calls = calls

    def fingerprint(self):
        return "as it is"

    def __call__(self, patch):
        self.calls.append(1)
        return patch


def run(target, calls=None):
    operator = Counting([] if calls is None else calls)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return geopatcher.reconstruct(IMAGE, operator, target, size=64, step=64, window="boxcar", chunks=64)


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_full_disk_keeps_what_is_finished_and_the_run_goes_on_after_space_is_made(tmp_path, name):
    target = tmp_path / name
    for limit in (500, 2_000, 12_000):
        with no_file_larger_than(limit), pytest.raises(TargetError, match=str(target)) as caught:
            run(target)
        assert "File too large" in str(caught.value)
        assert not target.exists()
        if begun_ledger(target).exists():
            assert "kept in" in str(caught.value)
    result = run(target)
    assert np.allclose(np.asarray(result.array[...]), IMAGE, rtol=1e-6)


def test_a_disk_that_fills_while_rows_are_written(tmp_path):
    """The ledger is what grows: at some row it no longer can."""
    run(tmp_path / "probe.zarr")
    smooth = np.ones_like(IMAGE)
    sizes = {"size": 64, "step": 64, "window": "boxcar", "chunks": 64}
    geopatcher.reconstruct(smooth, np.copy, tmp_path / "smooth.zarr", **sizes)
    whole = (tmp_path / "smooth.zarr.ledger.jsonl").read_bytes().splitlines(keepends=True)
    # Header, session, two rows, and half of the third: times have more digits in some rows than in others.
    limit = sum(map(len, whole[:4])) + len(whole[4]) // 2
    big_chunks = max(path.stat().st_size for path in chunks_of(tmp_path / "probe.zarr"))
    assert limit < big_chunks  # so the blocks must be small enough to pass: use a smooth image
    with (
        no_file_larger_than(limit),
        pytest.raises(
            TargetError,
            match=r"cannot write the ledger .*; 2 finished rows of blocks are kept in .*x.zarr.partial",
        ),
    ):
        geopatcher.reconstruct(
            smooth, np.copy, tmp_path / "x.zarr", size=64, step=64, window="boxcar", chunks=64
        )
    calls = []
    result = geopatcher.reconstruct(
        smooth, lambda x: (calls.append(1), x)[1], tmp_path / "y.zarr", size=64, step=64, chunks=64
    )
    assert np.allclose(result.array[...], 1)
    again = geopatcher.reconstruct(
        smooth, np.copy, tmp_path / "x.zarr", size=64, step=64, window="boxcar", chunks=64
    )
    assert again.stats.patches == 3 * 5
    assert np.allclose(again.array[...], 1)


def test_a_geotiff_that_cannot_be_assembled_for_want_of_space(tmp_path):
    """At every size of the disk up to what it needs: an error, or all pixels right."""
    run(tmp_path / "probe.tif")
    needed = (tmp_path / "probe.tif").stat().st_size
    target, refused, calls = tmp_path / "x.tif", [], []
    for limit in range(needed // 3, 6 * needed, needed // 8):  # from what a tile takes
        with no_file_larger_than(limit):
            try:
                result = run(target, calls)
            except TargetError as error:
                refused.append(str(error))
                continue
        assert np.allclose(np.asarray(result.array[...]), IMAGE, rtol=1e-6)
        break
    assert len(refused) > 2
    assert [
        one for one in refused if str(target) not in one or "5 finished rows of blocks are kept in" not in one
    ] == []
    assert len(calls) == 25  # computed once, however often it was assembled


def test_a_source_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(SourceError, match=r"pipe.tif is not a file"):
        geopatcher.reconstruct(tmp_path / "pipe.tif", np.copy, size=16)
