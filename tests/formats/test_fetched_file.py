"""Files that are fetched whole, against the bytes that are served."""

from __future__ import annotations

import gc
import pickle
import shutil

import numpy as np
import pytest

from faulty import Faulty
from geopatcher.errors import SourceError
from geopatcher.formats import fetched_file
from geopatcher.formats.fetched_file import FetchedFile
from geopatcher.formats.remote_file import PAGE_BYTES, RemoteFile

BYTES = np.random.default_rng(0).bytes((9 << 20) + 77)


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("geopatcher.formats.opened_buckets.RETRIES", {"max_retries": 0})
    (tmp_path / "www").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "www" / "a.grib2").write_bytes(BYTES)
    with Faulty(tmp_path / "www") as server:
        yield server


def fetched(server):
    return FetchedFile(RemoteFile(f"{server.url}/a.grib2"))


def test_a_copy_is_fetched_once_and_gone_with_the_last_who_reads_it(server, tmp_path):
    file = fetched(server)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert file.path.read_bytes() == BYTES
    assert file.path.name == "a.grib2"
    asked = len(server.paths())
    other = pickle.loads(pickle.dumps(file))  # noqa: S301 - our own
    assert other.path == file.path
    assert len(server.paths()) <= asked + 1
    del other
    gc.collect()
    assert file.path.is_file()
    del file
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_where_the_copy_is_not_it_is_fetched_again(server):
    file = fetched(server)
    sent, place = pickle.dumps(file), file.path
    for sent in (pickle.dumps(fetched(server)), pickle.dumps(file)):
        if place.is_file():
            place.unlink()
        other = pickle.loads(sent)  # noqa: S301 - our own
        assert other.path.read_bytes() == BYTES
        assert other.path != place


def test_no_more_than_fits_is_fetched(server, monkeypatch, tmp_path):
    monkeypatch.setattr(fetched_file, "MOST_BYTES", 1 << 20)
    words = rf"a\.grib2 is fetched whole, and has {len(BYTES):,} bytes, of which 1,048,576 at most"
    with pytest.raises(SourceError, match=words):
        _ = fetched(server).path
    monkeypatch.undo()
    usage = shutil.disk_usage("/")._replace(free=(1 << 30) + len(BYTES) - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(SourceError, match="or set TMPDIR to one"):
        _ = FetchedFile(RemoteFile(f"{server.url}/a.grib2")).path


@pytest.mark.parametrize("fault", ["503", "reset", "truncate", "404", "page"])
def test_half_a_copy_is_none(server, tmp_path, fault):
    file = fetched(server)
    server.fails(fault, after=5)
    with pytest.raises(SourceError, match=r"a\.grib2"):
        _ = file.path
    server.fails()
    assert file.path.read_bytes() == BYTES


def test_a_file_that_changes_meanwhile_is_an_error(server):
    file = RemoteFile(f"{server.url}/a.grib2")
    assert file.read(3) == BYTES[:3]
    (server.folder / "a.grib2").write_bytes(BYTES[::-1])
    with pytest.raises(SourceError, match="has changed while it was read"):
        _ = FetchedFile(file).path
    assert file.n_bytes > PAGE_BYTES
