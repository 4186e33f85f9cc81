"""Overview levels of a store, against the levels of the whole array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets import disk, geotiff
from geopatcher.targets.multiscales import halve, known_cells
from geopatcher.targets.pyramid import finish_store
from geopatcher.targets.zarr_store import ZarrSink, create_store
from stored import tree

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def stored(place, image, boxes=None, **options):
    nodata = -9999.0 if image.dtype.kind == "f" else 255
    domain = RasterDomain(image.shape, TRANSFORM, "EPSG:32633", nodata, image.dtype)
    spec = ResultSpec(domain, (16, 16), nodata, multiscales=True, **options)
    create_store(place, spec)
    sink = ZarrSink(place)
    for box in boxes or [Box.of_shape(domain.grid_shape)]:
        arrays = {name: image[..., *box.slices()] for name in spec.arrays()}
        sink.write([(box, {name: cells.reshape(-1, *box.shape) for name, cells in arrays.items()})])
    return spec


def image_of(shape, dtype="float32"):
    image = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    image[..., 10:30, 5:40] = -9999 if image.dtype.kind == "f" else 255
    return image


@pytest.mark.parametrize("shape", [(2, 70, 53), (70, 53), (1, 16, 16), (1, 300, 3)])
@pytest.mark.parametrize(
    ("dtype", "overview"), [("float32", "average"), ("uint8", "mode"), ("uint8", "nearest")]
)
@pytest.mark.parametrize("shards", [None, (32, 32)])
def test_each_level_is_the_one_before_at_half_the_resolution(tmp_path, shape, dtype, overview, shards):
    image = image_of(shape, dtype)
    spec = stored(tmp_path / "x.zarr", image, overview=overview, shards=shards)
    finish_store(tmp_path / "x.zarr", spec)
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    layout = group.attrs["multiscales"]["layout"]
    nodata, finer = spec.domain.nodata, image.reshape(-1, *image.shape[-2:])
    for entry in layout[1:]:
        halved = [halve(band, overview, known_cells(band, nodata), nodata, nodata) for band in finer]
        finer = np.stack(halved)
        level = group[entry["asset"]]
        np.testing.assert_array_equal(level[...].reshape(finer.shape), finer)
        assert list(level.shape[-2:]) == entry["spatial:shape"]
    assert max(finer.shape[-2:]) <= 16
    assert len(layout) - 1 == len([name for name, _ in group.groups()])


def test_the_bytes_do_not_depend_on_how_blocks_came_or_on_a_first_try(tmp_path):
    image = image_of((1, 70, 53))
    whole = Box(0, 70, 0, 53)
    finish_store(tmp_path / "a.zarr", stored(tmp_path / "a.zarr", image))
    spec = stored(tmp_path / "b.zarr", image, boxes=reversed(list(whole.tiles((16, 32)))))
    finish_store(tmp_path / "b.zarr", spec)
    (tmp_path / "b.zarr" / "1" / "data" / "c" / "0" / "0" / "0").write_bytes(b"torn")
    finish_store(tmp_path / "b.zarr", spec)
    assert tree(tmp_path / "a.zarr") == tree(tmp_path / "b.zarr")


def test_layers_have_levels_too(tmp_path):
    image = np.full((40, 40), 3.0, "float32")
    layers = {"weight": LayerSpec(np.dtype("float32"), 0), "count": LayerSpec(np.dtype("uint16"), 0)}
    spec = stored(tmp_path / "x.zarr", image, layers=layers)
    finish_store(tmp_path / "x.zarr", spec)
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert (group["1/weight"][:] == 3).all()
    assert (group["2/count"][:] == 3).all()
    assert group["weight"].attrs["long_name"] == "sum of the weights of the patches"


def test_a_store_without_levels_is_consolidated_only(tmp_path):
    spec = replace(stored(tmp_path / "x.zarr", image_of((70, 53))), multiscales=False)
    finish_store(tmp_path / "x.zarr", spec)
    assert not (tmp_path / "x.zarr" / "1").exists()
    assert zarr.open_group(tmp_path / "x.zarr", mode="r").metadata.consolidated_metadata is not None


@pytest.mark.filterwarnings("error")
def test_consolidating_does_not_warn(tmp_path):
    finish_store(tmp_path / "x.zarr", stored(tmp_path / "x.zarr", image_of((70, 53))))


LEVELS = gp.ZarrStorage(multiscales=True)


def run(target, limit="1GiB", **options):
    image = np.random.default_rng(0).random((2, 200, 210)).astype("float32")
    return gp.reconstruct(
        image, lambda x: x, target, size=32, chunks=32, memory_limit=limit, storage=LEVELS, **options
    )


def test_a_run_in_regions_or_begun_anew_has_the_same_bytes(tmp_path):
    first = run(tmp_path / "a.zarr")
    small = int(first.plan.working_bytes * 0.97)
    second = run(tmp_path / "b.zarr", small)
    assert second.plan.n_regions > first.plan.n_regions
    assert tree(tmp_path / "a.zarr") == tree(tmp_path / "b.zarr")


def test_labels_have_the_mode_by_default(tmp_path):
    labels = np.random.default_rng(0).integers(0, 5, (1, 80, 80)).astype("uint8")
    options = {"size": 16, "chunks": 16, "storage": LEVELS, "window": "boxcar"}
    gp.reconstruct(labels, lambda x: x, tmp_path / "a.zarr", aggregation=gp.SpatialHardVote(5), **options)
    gp.reconstruct(labels, lambda x: x, tmp_path / "b.zarr", **options)
    methods = [
        zarr.open_group(tmp_path / name, mode="r").attrs["multiscales"]["resampling_method"]
        for name in ("a.zarr", "b.zarr")
    ]
    assert methods == ["mode", "average"]


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_run_that_fails_while_it_is_put_together_goes_on_from_there(tmp_path, monkeypatch, name):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    image = np.random.default_rng(0).random((1, 100, 110)).astype("float32")
    calls = []

    def operator(x):
        calls.append(1)
        return x

    def go(folder):
        folder.mkdir(exist_ok=True)
        return gp.reconstruct(
            image,
            operator,
            folder / name,
            size=32,
            chunks=32,
            storage=LEVELS if name == "x.zarr" else None,
            layers=["weight"],
            resume="always",
        )

    go(whole)
    with monkeypatch.context() as patched:
        patched.setattr(disk, "finish_store", fail_after_levels)
        patched.setattr(geotiff, "write_cog", fail_after_levels)
        with pytest.raises((OSError, TargetError), match="full"):
            go(broken)
    calls.clear()
    go(broken)
    assert calls == []  # every block was there
    if name == "x.zarr":
        assert tree(whole / name) == tree(broken / name)
    else:
        for file in ("x.tif", "x.weight.tif"):
            assert (whole / file).read_bytes() == (broken / file).read_bytes()
    assert not list(broken.glob("*.partial"))


def fail_after_levels(store, *rest):
    if len(rest) == 1:
        finish_store(store, *rest)
    raise OSError("the disk is full")
