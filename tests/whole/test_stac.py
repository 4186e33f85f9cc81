"""From a search in a catalogue to a result, with an API and a file server on loopback."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import sys

import numpy as np
import pystac_client
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.warp import transform_bounds

import geopatcher as gp
import geostack
from faulty import Faulty
from geopatcher.cli import main
from geopatcher.errors import OperatorError, SourceAccessError, SourceError
from geopatcher.executors.workers import region_task
from geopatcher.executors.workers.pickling import pack_parts
from geopatcher.fields.items_mosaic import mosaic_of_items
from geopatcher.formats.dataset_pool import POOL
from items import EAST, NORTH, asset, item
from loopback import Catalogue, serving

pytestmark = pytest.mark.timeout(120)

RNG = np.random.default_rng(10)
B04 = RNG.integers(1, 200, (3, 200, 160), dtype=np.uint16)
B11 = RNG.integers(1, 200, (3, 100, 80), dtype=np.uint16)
SCL = RNG.integers(1, 12, (3, 100, 80), dtype=np.uint8)
#: Meters east of the corner at which each item begins: two over each other, and one apart.
AT = (0, 0, 50_000)
NAMES = ("S2A_one", "S2B_two", "S2A_far")
MASK = geostack.Mask("SCL", (3, 8, 9))


def bbox(west, south, east, north):
    """Return degrees for meters east and south of the corner."""
    box = transform_bounds("EPSG:32633", "EPSG:4326", EAST + west, NORTH - south, EAST + east, NORTH - north)
    return ",".join(map(str, box))


NEAR = bbox(100, 1500, 1200, 200)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for number, name in enumerate(NAMES):
        place = folder / name
        place.mkdir()
        kinds = (("B04", B04, 10.0), ("B11", B11, 20.0), ("SCL", SCL, 20.0))
        assets = {
            key: asset(place, key, pixels[number], side=side, at=(AT[number], 0))
            for key, pixels, side in kinds
        }
        days = ("2024-06-10", "2024-06-20", "2024-06-15")
        made = item(place, name, assets, day=days[number], cloud=5.0 - number, **{"grid:code": "MGRS-33TWG"})
        (place / "item.json").write_text(json.dumps(made | {"bbox": place_of(number)}))
    with Faulty(folder) as server:
        yield server


def place_of(number):
    return list(map(float, bbox(AT[number], 2000, AT[number] + 1600, 0).split(",")))


@pytest.fixture
def server(files, monkeypatch, gdal_variables):
    POOL.close()
    files.fails()
    gdal_variables(GDAL_HTTP_RETRY_DELAY="0.05")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", geostack.API_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return files


def items_of(server):
    """Return items as an API sends them: their files are relative to where they are served."""
    found = [json.loads((server.folder / name / "item.json").read_text()) for name in NAMES]
    for one in found:
        one["links"] = [{"rel": "self", "href": f"{server.url}/{one['id']}/item.json"}]
    return found


@pytest.fixture
def api(server):
    usual = {"languages": ["query"], "obeys": True, "methods": ["GET", "POST"]}
    classes = ["core", "collections", "item-search"]
    with serving(
        Catalogue, items=items_of(server), refuses=[], failures=[], log=[], classes=classes, **usual
    ) as catalogue:
        yield catalogue


def shell(api, *arguments):
    POOL.close()
    return CliRunner().invoke(main, [*map(str, arguments), "--datetime", "2024-06", "--api", api.url])


def find(api, *more, box=NEAR):
    return shell(api, "find", "sentinel-2-l2a", "--bbox", box, *more)


def run(api, *more, box=NEAR):
    return shell(api, "run", "--stac", "sentinel-2-l2a", "--bbox", box, "--no-progress", *more)


def hidden(number):
    return np.isin(SCL[number], MASK.classes).repeat(2, 0).repeat(2, 1)


def picture(number):
    """Return both bands of an item in pixels of 10 m, NaN where its classes hide them."""
    whole = np.stack([B04[number], B11[number].repeat(2, 0).repeat(2, 1)]).astype(float)
    return np.where(hidden(number), np.nan, whole)


class TestFind:
    def test_a_line_for_each_least_clouds_first(self, api):
        found = find(api)
        assert found.exit_code == 0
        assert [line.split() for line in found.output.splitlines()] == [
            ["id", "date", "cloud", "tile"],
            ["S2B_two", "2024-06-20", "4", "%", "33TWG"],
            ["S2A_one", "2024-06-10", "5", "%", "33TWG"],
        ]

    def test_json(self, api):
        rows = json.loads(find(api, "--json", "--cloud", "4.5").output)
        assert rows == [
            {
                "id": "S2B_two",
                "datetime": "2024-06-20T18:49:21+00:00",
                "cloud_cover": 4.0,
                "tile": "33TWG",
                "assets": ["B04", "B11", "SCL"],
            }
        ]

    def test_no_file_is_asked(self, api, server):
        find(api)
        assert server.paths() == []


class TestRun:
    def test_the_median_of_a_box(self, api, tmp_path):
        target = tmp_path / "out.tif"
        done = run(api, "--bands", "B04,B11", "--mosaic", "median", "--mask", "SCL:3,8,9", target)
        assert done.exit_code == 0, done.output
        with rasterio.open(target) as result:
            found = result.read(masked=True).filled(0)
            row, col = round((NORTH - result.bounds.top) / 10), round((result.bounds.left - EAST) / 10)
            assert result.descriptions == ("B04", "B11")
        assert abs(row - 20) <= 3
        assert abs(col - 10) <= 3
        rows, cols = slice(row, row + found.shape[1]), slice(col, col + found.shape[2])
        both = np.stack([picture(0), picture(1)])[:, :, rows, cols]
        with np.errstate(all="ignore"):
            held = ~np.isnan(both)
            middle = np.rint(np.where(held, both, 0).sum(0) / np.maximum(1, held.sum(0)))
        np.testing.assert_array_equal(found, middle.astype("uint16"))

    def test_a_plan_of_it_is_that_of_the_run_and_reads_no_file(self, api, server, tmp_path):
        how = ("--stac", "sentinel-2-l2a", "--bbox", NEAR, "--bands", "B04,B11", "--json")
        planned = shell(api, "plan", *how, tmp_path / "out.tif")
        assert planned.exit_code == 0, planned.output
        assert {method for method, _ in server.asked("")} <= {"HEAD"}
        ready = shell(api, "run", *how, "--dry-run", tmp_path / "out.tif")
        assert ready.exit_code == 0, ready.output
        said, wanted = json.loads(planned.output), json.loads(ready.output)
        assert said | {"memory_bytes": 0} == wanted | {"memory_bytes": 0}  # it is of the process, too
        assert not (tmp_path / "out.tif").exists()
        assert shell(api, "plan", *how, "--workers", "2").exit_code == 0
        done = shell(api, "plan", *how, "scene.tif", "out.tif")
        assert "--stac finds the scenes: leave scene.tif out" in done.output

    def test_only_what_lies_in_the_box_is_read(self, api, server, tmp_path):
        everything = bbox(0, 2000, 60_000, 0)
        near = f"{EAST + 100},{NORTH - 1500},{EAST + 1200},{NORTH - 200}"
        arguments = ("--bands", "B04", "--expr", "b1*2", "--bounds", near, "--crop", tmp_path / "out.tif")
        assert run(api, *arguments, box=everything).exit_code == 0
        asked = server.asked("S2A_far")
        assert {method for method, _ in asked} == {"HEAD"}  # whether it has changed, and no pixel
        assert {method for method, _ in server.asked("S2B_two/B04")} == {"HEAD", "GET"}

    def test_an_expression_and_scales(self, api, tmp_path):
        for one in api.items:
            one["assets"]["B04"]["raster:bands"][0] |= {"scale": 0.5, "offset": 1}
        target = tmp_path / "out.tif"
        arguments = ("--bands", "B04", "--scale-offset", "--order", "newest", "--expr", "b1*2", target)
        assert run(api, *arguments).exit_code == 0
        with rasterio.open(target) as result:
            row, col = round((NORTH - result.bounds.top) / 10), round((result.bounds.left - EAST) / 10)
            rows, cols = slice(row, row + result.height), slice(col, col + result.width)
            np.testing.assert_allclose(result.read(1), B04[1][rows, cols] + 2.0)


class TestTrouble:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--bands", "B99"], "has no band 'B99': its assets are"),
            ([], "--stac needs --bands by the names of their assets"),
            (["--bands", "1,2"], "--stac needs --bands by the names of their assets"),
            (["--bands", "B04", "--mask", "SCL"], "'SCL' is not an asset and its classes"),
            (
                ["--bands", "B04", "--cloud", "1"],
                r"has no item of collection .*\(it sent 0 items\): try a wider bbox",
            ),
            (["--bands", "B04", "scene.tif"], "--stac finds the scenes: leave scene.tif out"),
        ],
    )
    def test_what_cannot_be_is_a_line(self, api, tmp_path, arguments, message):
        done = run(api, *arguments, tmp_path / "out.tif")
        assert done.exit_code in {1, 2}
        assert isinstance(done.exception, SystemExit)
        assert done.output.splitlines()[-1].startswith("Error: ")
        assert re.search(message, done.output)
        assert not (tmp_path / "out.tif").exists()

    def test_flags_of_a_search_are_for_a_search(self, tmp_path):
        done = CliRunner().invoke(main, ["run", "a.tif", "b.tif", "--cloud", "20", "--expr", "b1"])
        assert "--cloud is for --stac" in done.output
        done = CliRunner().invoke(main, ["run", "b.tif", "--stac", "c", "--bbox", NEAR])
        assert "--stac needs --bbox W,S,E,N and --datetime A/B" in done.output
        assert "give --bbox W,S,E,N and --datetime A/B" in CliRunner().invoke(main, ["find", "c"]).output
        assert "give the SOURCE" in CliRunner().invoke(main, ["run", "b.tif", "--expr", "b1"]).output

    def test_an_api_that_fails_is_named(self, api, monkeypatch):
        monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _: None)
        api.failures = [500]
        done = find(api)
        assert done.exit_code == 1
        assert done.output.startswith(f"Error: {api.url} failed with HTTP 500")

    def test_without_the_extra_the_command_says_how_to_get_it(self, api, monkeypatch):
        monkeypatch.setitem(sys.modules, pystac_client.__name__, None)
        done = find(api)
        assert done.exit_code == 1
        assert done.output.rstrip().endswith("pip install 'geopatcher[stac]'")

    @pytest.mark.parametrize("fault", ["404", "403"])
    def test_a_file_that_is_not_there_is_named_by_item_and_asset(self, server, tmp_path, fault):
        server.fails(fault, only="S2B_two/B11")
        source = geostack.from_stac(items_of(server), ["B04", "B11"], order="median", sign=signs("now"))
        with pytest.raises(SourceAccessError, match=r"item S2B_two, asset B11: .*B11\.tif") as caught:
            gp.reconstruct(source, lambda patch: patch, size=64)
        assert "hunter2" not in str(caught.value)

    def test_a_file_that_is_damaged_is_named_by_item_and_asset(self, server):
        server.fails("500", only="S2B_two/B11", least=20)
        source = geostack.from_stac(items_of(server), ["B11"], order="median")
        with pytest.raises(SourceError, match="item S2B_two, asset B11: "):
            gp.reconstruct(source, lambda patch: patch, size=64)


def signs(word):
    """Return a function that signs items."""

    def sign(made):
        for each in made.assets.values():
            each.href = f"{made.get_self_href().rpartition('/')[0]}/{each.href}?sig=hunter2-{word}"

    return sign


#: Where workers of a test find what they sign with.
SIGNATURE = "SIGNATURE_OF_A_TEST"


def sign_here(made):
    """Sign an item by what the environment of this process says."""
    for each in made.assets.values():
        each.href = f"{made.get_self_href().rpartition('/')[0]}/{each.href}?sig={os.environ[SIGNATURE]}"


class Stops:
    """Doubles pixels, and raises from a call on, once."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, patch):
        self.calls += 1
        if self.calls == self.at:
            raise ArithmeticError("enough")
        return patch * 2

    def fingerprint(self):
        return "doubles"


class TestSigned:
    def source(self, server, word):
        server.fails(need=f"sig=hunter2-{word}")
        near = gp.Grid(bounds=(EAST, NORTH - 2000, EAST + 1600, NORTH))
        return geostack.from_stac(
            items_of(server)[:2], ["B04", "B11"], grid=near, mask=MASK, sign=signs(word)
        )

    def test_a_run_goes_on_under_another_signature_and_nothing_tells_the_first(self, server, tmp_path):
        target, log = tmp_path / "out.zarr", tmp_path / "log.jsonl"
        settings = {"size": 32, "step": 32, "chunks": 32, "window": "boxcar", "log_json": log}
        first = Stops(20)
        with pytest.raises(OperatorError, match="enough"):
            gp.reconstruct(self.source(server, "one"), first, target, **settings)
        left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert len(left) > 1000
        assert b"hunter2" not in left
        POOL.close()
        second = Stops(0)
        result = gp.reconstruct(self.source(server, "two"), second, target, **settings)
        assert second.calls < result.plan.n_patches - 9
        expected = np.where(np.isnan(picture(0)), picture(1), picture(0))
        np.testing.assert_array_equal(result.array[:], np.nan_to_num(expected * 2))
        left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"hunter2" not in left

    def test_workers_read_the_same(self, server, tmp_path):
        source = self.source(server, "now")
        alone = gp.reconstruct(source, Stops(0), size=64).array[:]
        together = gp.reconstruct(source, Stops(0), tmp_path / "out.zarr", size=64, workers=2)
        np.testing.assert_array_equal(together.array[:], alone)

    def test_workers_sign_for_themselves_and_nothing_that_travels_or_stays_has_a_signature(
        self, server, tmp_path, monkeypatch, caplog
    ):
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv(SIGNATURE, "hunter2-here")
        server.fails(need="sig=hunter2-here")
        near = gp.Grid(bounds=(EAST, NORTH - 2000, EAST + 1600, NORTH))
        source = geostack.from_stac(
            items_of(server)[:2], ["B04", "B11"], grid=near, mask=MASK, sign=sign_here
        )
        alone = gp.reconstruct(source, Stops(0), size=64).array[:]  # this process has signed by now
        mosaic = mosaic_of_items(source)
        mosaic.read(gp.Box(0, 64, 0, 64))
        for travels in (source, mosaic):
            assert b"hunter2" not in pickle.dumps(travels)
        log = tmp_path / "log.jsonl"
        packed = []
        monkeypatch.setattr(
            region_task, "pack_parts", lambda *told: packed.append(pack_parts(*told)) or packed[-1]
        )
        done = gp.reconstruct(source, Stops(0), tmp_path / "out.zarr", size=64, workers=2, log_json=log)
        np.testing.assert_array_equal(done.array[:], alone)
        assert len(packed[0]) > 1000
        assert not any(b"hunter2" in one for one in packed)
        left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"hunter2" not in left
        assert "hunter2" not in caplog.text

    def test_a_signature_that_has_expired_is_renewed(self, server, monkeypatch):
        monkeypatch.setenv(SIGNATURE, "hunter2-old")
        source = mosaic_of_items(geostack.from_stac(items_of(server)[:1], "B04", sign=sign_here))
        box = gp.Box(0, 64, 0, 64)
        before = source.read(box)
        monkeypatch.setenv(SIGNATURE, "hunter2-new")
        server.fails(need="sig=hunter2-new")
        assert "unknown" not in source.identity()
        POOL.close()
        np.testing.assert_array_equal(source.read(box), before)

    def test_nothing_is_asked_before_pixels_are_read(self, server):
        source = self.source(server, "now")
        plan = gp.plan(source, size=64)
        assert plan.shape == (200, 160)
        assert server.paths() == []

    def test_items_are_asked_at_once_whether_they_have_changed(self, server):
        source = mosaic_of_items(geostack.from_stac(items_of(server), "B04"))
        server.fails(latency=0.1)
        assert "unknown" not in source.identity()
        assert server.most() == len(NAMES)
        assert {method for method, _ in server.asked("B04")} == {"HEAD"}
        assert len(server.paths()) == len(NAMES)
