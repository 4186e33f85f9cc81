"""GeoTIFFs in buckets as sources: which version was read is known, so runs go on, and no two are mixed."""

from __future__ import annotations

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio

import buckets
import geopatcher as gp
from bucket_cases import all_told, killed_again_and_again
from bucket_faults import Fault, apart
from bucket_run import SIZES, Double, image, run
from clouds import ACCOUNT, BUCKET, KEY, objects
from gappy import gappy
from geopatcher.errors import OperatorError, SourceError, TargetExistsError
from geopatcher.fields import url_identity
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.noticed import AskedAhead
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.buckets import Bucket
from geopatcher.formats.dataset_pool import POOL
from geopatcher.runs import source_watch

pytestmark = pytest.mark.once

SOURCE = "s3://bucket/maps/a.tif"
KEY_OF = "maps/a.tif"
TARGETS = pytest.mark.parametrize(
    "target", ["x.zarr", "x.tif", "s3://bucket/out/x.zarr", "s3://bucket/out/x.tif"]
)


@pytest.fixture(scope="module")
def server():
    with apart() as server:
        yield server


@pytest.fixture
def bucket(server, gdal_variables, tmp_path, monkeypatch):
    gdal_variables(**buckets.variables(server.server_port))
    (tmp_path / "tmp").mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    server.begin_anew()
    POOL.close()  # of what tests before this one found there
    found = Bucket("s3://bucket")
    found.put(KEY_OF, tiff(tmp_path / "a.tif"))
    return found


def tiff(path, pixels=None, **options):
    """Return the bytes of a GeoTIFF of `image`, or of other pixels."""
    pixels = image() if pixels is None else pixels
    bands, height, width = pixels.shape
    kind = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": pixels.dtype}
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "crs": "EPSG:32633"}
    place = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", **kind, **tiles, transform=place, **options) as file:
        file.write(pixels)
    return path.read_bytes()


def identity(path):
    return dict(RasterioSource(path).identity())


class Acting(Double):
    """Doubles, and does something at one patch."""

    def __init__(self, at, act):
        super().__init__()
        self.at, self.act = at, act

    def __call__(self, patch):
        self.count += 1
        if self.count == self.at:
            self.act()
        return patch * 2


def stop():
    raise ArithmeticError("stopped here")


@pytest.mark.parametrize(
    "path", [SOURCE, "/vsis3/bucket/maps/a.tif", "/vsis3_streaming/bucket/maps/a.tif"], ids=str
)
def test_what_it_is_follows_what_the_bucket_says(bucket, tmp_path, path):
    before = identity(path)
    assert before["etag"] == bucket.head(KEY_OF).e_tag
    assert before["bytes"] == str(bucket.head(KEY_OF).n_bytes)
    assert "unknown" not in before
    assert identity(path) == before
    bucket.put(KEY_OF, tiff(tmp_path / "b.tif", image() + 1))
    assert identity(path)["etag"] != before["etag"]


def test_the_version_is_asked_while_it_is_opened_and_once(bucket, server, monkeypatch):
    monkeypatch.setattr(url_identity, "CLOCKS_DIFFER_S", -3600)  # as if it had been there for an hour
    begun = len(server.log)
    source = RasterioSource(SOURCE)
    source._asked.said.result()
    first = source.version()
    heads = [path for method, path, _ in server.log[begun:] if method == "HEAD"]
    beside = [f"/bucket/maps/a.tif{ending}" for ending in ("", ".MSK", ".aux.xml", ".msk")]
    assert sorted(heads) == beside  # and what may lie beside it, once
    assert source.version() == first
    heads = [path for method, path, _ in server.log[begun:] if method == "HEAD"]
    assert sorted(heads) == ["/bucket/maps/a.tif", *beside]
    assert pickle.loads(pickle.dumps(source)).version() == first  # noqa: S301 - of our own making


@TARGETS
def test_a_run_that_was_killed_goes_on_with_nothing_computed_again(bucket, tmp_path, target):
    folder = tmp_path / "calls"
    folder.mkdir()
    target = target if "://" in target else str(tmp_path / target)
    killed_again_and_again(target, folder, (2.5, 2.5), source=SOURCE)
    whole = run(target, source=SOURCE)
    assert whole.stats.notes[0].startswith("complete since")
    local = run(tmp_path / "local.zarr")
    np.testing.assert_array_equal(np.asarray(whole.array[...]), np.asarray(local.array[...]))


@TARGETS
def test_a_run_that_failed_goes_on_and_another_object_is_refused(bucket, tmp_path, target):
    target = target if "://" in target else str(tmp_path / target)
    with pytest.raises(OperatorError):
        run(target, Acting(150, stop), source=SOURCE)
    kept = bucket.get(KEY_OF)
    bucket.put(KEY_OF, tiff(tmp_path / "b.tif", image() + 1))
    with pytest.raises(TargetExistsError, match=r"source.etag was .* and is"):
        run(target, source=SOURCE)
    bucket.put(KEY_OF, kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest = Acting(None, stop)
        found = run(target, rest, source=SOURCE)
    assert 0 < rest.count < gp.plan(image(), **SIZES).n_patches
    np.testing.assert_array_equal(np.asarray(found.array[...])[:, 100:], image()[:, 100:] * 2)


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("target", ["x.tif", "s3://bucket/out/x.zarr"])
def test_an_object_that_is_replaced_ends_the_run(bucket, tmp_path, monkeypatch, target, workers):
    monkeypatch.setattr(source_watch, "PATIENCE", 0)
    target = target if "://" in target else str(tmp_path / target)
    tiff(tmp_path / "b.tif", image() + 1)
    operator = Replacing(str(tmp_path / "b.tif"))
    with pytest.raises(SourceError, match=r"changed while it was read \(source.etag was .* and is"):
        run(target, operator, source=SOURCE, workers=workers)


def test_an_object_that_is_replaced_while_it_is_read_into_memory_ends_the_run(bucket, tmp_path, monkeypatch):
    other, read = tiff(tmp_path / "b.tif", image() + 1), RasterioSource.read

    def replacing(self, box):
        if box.row1 == self.shape[1]:  # the last strip
            bucket.put(KEY_OF, other)
        return read(self, box)

    monkeypatch.setattr(RasterioSource, "read", replacing)
    with pytest.raises(SourceError, match="changed while it was read"):
        run(None, source=SOURCE)


class Replacing(Double):
    """Replaces the source at its thirtieth patch in any process."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def __call__(self, patch):
        self.count += 1
        if self.count == 30:
            Bucket("s3://bucket").put(KEY_OF, Path(self.other).read_bytes())
        return patch * 2


def test_a_mask_beside_it_belongs_to_it(bucket, tmp_path):
    before, lone = identity(SOURCE), RasterioSource(SOURCE).version()
    mask = np.full((1, 250, 200), 255, "uint8")
    bucket.put(f"{KEY_OF}.msk", tiff(tmp_path / "m.tif", mask))
    POOL.drop(SOURCE)
    masked = RasterioSource(SOURCE)
    assert masked.identity() != before
    assert masked.version() != lone
    first = masked.version(), dict(masked.identity())
    mask[0, :, :50] = 0
    bucket.put(f"{KEY_OF}.msk", tiff(tmp_path / "m.tif", mask))
    assert masked.version() != first[0]
    assert identity(SOURCE)["files"] != first[1]["files"]


def test_tiles_of_a_mosaic_in_a_bucket_count(bucket, tmp_path):
    band = (
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename relativeToVRT="0">'
        "/vsis3/bucket/maps/a.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
    )
    path = tmp_path / "m.vrt"
    path.write_text(f'<VRTDataset rasterXSize="200" rasterYSize="250">{band}</VRTDataset>')
    source = RasterioSource(str(path))
    before, version = dict(source.identity()), source.version()
    assert "unknown" not in before
    bucket.put(KEY_OF, tiff(tmp_path / "b.tif", image() + 1))
    assert source.version() != version
    assert identity(str(path))["files"] != before["files"]


def test_what_is_needed_is_said_where_it_cannot_be_asked(bucket, monkeypatch, tmp_path):
    source = RasterioSource(SOURCE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    said = source.identity()["unknown"]
    assert said == (
        "there is no quick way to ask what s3 has: it takes credentials of the environment, such as "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES"
    )
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert "pip install 'geopatcher[cloud]'" in source.identity()["unknown"]
    with pytest.warns(RuntimeWarning, match=r"cannot be known .*pip install 'geopatcher\[cloud\]'"):
        run(tmp_path / "x.zarr", source=SOURCE)


def test_no_machine_is_asked_who_it_is(bucket, monkeypatch):
    """Without credentials obstore would ask a server that is nowhere but in a cloud."""
    monkeypatch.setattr("geopatcher.formats.bucket_heads.head", lambda *_: pytest.fail("it was asked"))
    files = SourceFiles((SOURCE,))
    with pytest.raises(pytest.fail.Exception):
        files.identity()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    assert "it takes credentials" in files.identity()["unknown"]
    assert files.version() == files.version()
    assert AskedAhead.of(SOURCE) is None


def test_a_bucket_that_does_not_answer_is_no_version(bucket, server):
    source = RasterioSource(SOURCE)
    source.version()
    server.fail(Fault("HEAD", KEY_OF, 403, 99))
    with pytest.raises(SourceError, match="whether it has changed is not known: .*not authorised"):
        source.version()
    assert "not authorised" in source.identity()["unknown"]
    server.heal()


def test_secrets_are_nowhere(bucket, server, tmp_path, capfd):
    log = tmp_path / "log.jsonl"
    server.fail(Fault("HEAD", KEY_OF, 403, 99))
    with pytest.warns(RuntimeWarning, match="not authorised") as told:
        run(tmp_path / "refused.zarr", source=SOURCE, log_json=log)
    server.heal()
    result = run(tmp_path / "x.zarr", source=SOURCE, log_json=log, workers=2)
    bucket.put(KEY_OF, tiff(tmp_path / "b.tif", image() + 1))
    with pytest.raises(TargetExistsError) as caught:
        run(tmp_path / "x.zarr", source=SOURCE)
    printed = capfd.readouterr()
    everything = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    words = [*(str(each.message) for each in told), all_told(caught.value), str(result), repr(result)]
    everything += [text.encode() for text in (*words, printed.out, printed.err)]
    everything.append(pickle.dumps(RasterioSource(SOURCE)))
    assert any(b"etag" in content for content in everything)
    for content in everything:
        assert buckets.SECRET.encode() not in content
        assert buckets.KEY.encode() not in content


@pytest.mark.parametrize("scheme", ["gs", "az", "/vsigs", "/vsiaz"])
def test_buckets_of_google_and_azure_say_it_too(tmp_path, gdal_variables, scheme):
    (tmp_path / "served").mkdir()
    tiff(tmp_path / "served" / "a.tif")
    with objects(tmp_path / "served") as port:
        where = f"http://127.0.0.1:{port}/{ACCOUNT}"
        azure = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={where};"
        known = {"AZURE_STORAGE_CONNECTION_STRING": azure}
        gdal_variables(**(known if "az" in scheme else {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"}))
        path = f"{scheme}{'' if scheme.startswith('/') else ':/'}/{BUCKET}/a.tif"
        found = identity(path)
        assert found["etag"].strip('"')
        assert found["bytes"] == str((tmp_path / "served" / "a.tif").stat().st_size)
        assert "unknown" not in found
        with pytest.raises(OperatorError):
            run(tmp_path / "x.zarr", Acting(150, stop), source=path)
        rest = Acting(None, stop)
        run(tmp_path / "x.zarr", rest, source=path)
        assert 0 < rest.count < gp.plan(image(), **SIZES).n_patches


def test_a_result_whose_mask_lies_beside_it_is_a_source_with_its_gaps(bucket):
    cells, held = gappy("s3://bucket/g.tif")
    again = gp.reconstruct("s3://bucket/g.tif", np.copy, size=64, window="boxcar", step=64)
    np.testing.assert_array_equal(again.valid[...], held)
    np.testing.assert_array_equal(again.array[...][held], cells[held])
    copy = gp.reconstruct(gp.export("s3://bucket/g.tif", "s3://bucket/g.zarr"), np.copy, size=64)
    np.testing.assert_array_equal(copy.valid[...], held)
