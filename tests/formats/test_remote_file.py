"""Files that are read in ranges, against the bytes that are served."""

from __future__ import annotations

import os
import pickle
import traceback

import numpy as np
import pytest

import buckets
from faulty import Faulty
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.formats.remote_file import KEPT_BYTES, PAGE_BYTES, REQUEST_BYTES, TOGETHER_BYTES, RemoteFile

BYTES = np.random.default_rng(0).bytes(KEPT_BYTES + 5 * PAGE_BYTES + 77)


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("geopatcher.formats.opened_buckets.RETRIES", {"max_retries": 0})
    (tmp_path / "a file.bin").write_bytes(BYTES)
    with Faulty(tmp_path) as server:
        yield server


def opened(server):
    return RemoteFile(f"{server.url}/a%20file.bin")


def test_any_ranges(server):
    file, draw = opened(server), np.random.default_rng(1)
    assert file.n_bytes == len(BYTES)
    for _ in range(60):
        start = int(draw.integers(0, len(BYTES) + 10))
        length = int(draw.integers(0, 3 * PAGE_BYTES))
        assert file.seek(start) == start
        assert file.read(length) == BYTES[start : start + length]
        assert file.tell() == max(start, min(start + length, len(BYTES)))
    assert file.seek(-5, os.SEEK_END) == len(BYTES) - 5
    assert file.read() == BYTES[-5:]
    file.seek(10)
    assert file.seek(5, os.SEEK_CUR) == 15


def test_pages_are_fetched_once_and_those_side_by_side_together(server):
    file = opened(server)
    file.seek(3 * PAGE_BYTES + 5)
    file.read(10)
    file.seek(PAGE_BYTES)
    assert file.read(6 * PAGE_BYTES) == BYTES[PAGE_BYTES : 7 * PAGE_BYTES]
    file.seek(2 * PAGE_BYTES)
    file.read(PAGE_BYTES)
    pages = [(first // PAGE_BYTES, (last + 1) // PAGE_BYTES) for first, last in server.spans()]
    assert pages[:2] == [(0, 1), (3, 4)]
    assert sorted(pages[2:]) == [(1, 3), (4, 7)]


def test_of_a_server_nothing_is_asked_but_ranges(server):
    server.fails(head=403)
    assert opened(server).readall() == BYTES
    assert opened(server).stamp() == opened(server).stamp()
    assert {method for method, _ in server.asked("file")} == {"GET"}


def test_spans_are_fetched_by_several_requests_at_once(server):
    file, buffers = opened(server), [bytearray(PAGE_BYTES // 2) for _ in range(12)]
    assert file.n_bytes == len(BYTES)
    server.fails(latency=0.2)
    spans = [(2 * PAGE_BYTES * number + 7, memoryview(buffer)) for number, buffer in enumerate(buffers)]
    file.read_spans(spans)
    for (start, _), buffer in zip(spans, buffers, strict=True):
        assert buffer == BYTES[start : start + len(buffer)]
    assert server.most() >= 4
    server.fails(latency=0.2)
    file, whole = opened(server), bytearray(6 << 20)
    file.read_spans([(100, memoryview(whole))])
    assert whole == BYTES[100 : 100 + len(whole)]
    assert 4 <= server.most() <= TOGETHER_BYTES // REQUEST_BYTES + 1


def test_no_more_is_kept_than_is_said(server):
    file = opened(server)
    assert file.readall() == BYTES
    assert sum(map(len, file._pages.values())) <= KEPT_BYTES


def test_it_travels_as_an_address_and_knows_its_version(server):
    file = opened(server)
    file.read(4)
    sent = pickle.dumps(file)
    assert len(sent) < 400
    again = pickle.loads(sent)  # noqa: S301 - our own
    assert again.read(100) == BYTES[:100]
    assert again.stamp() == file.stamp()
    (server.folder / "a file.bin").write_bytes(BYTES[::-1])
    assert again.stamp() != pickle.loads(sent)._version  # noqa: S301 - what travelled
    with pytest.raises(SourceError, match=r"a%20file\.bin has changed since it was opened: open it again"):
        pickle.loads(sent).read(1)  # noqa: S301 - our own


def test_what_is_not_there(server):
    with pytest.raises(SourceAccessError, match=r"there is no file http://.*/nothing\.nc: check the address"):
        RemoteFile(f"{server.url}/nothing.nc").read(1)


@pytest.mark.parametrize("fault", ["503", "403", "404", "reset", "truncate"])
def test_bytes_that_do_not_come_are_an_error_that_stays_known(server, fault, monkeypatch):
    monkeypatch.setattr("geopatcher.formats.opened_buckets.RETRIES", {"max_retries": 0})
    file = opened(server)
    file.read(1)
    server.fails(fault)
    file.seek(PAGE_BYTES)
    with pytest.raises(SourceError, match=r"a%20file\.bin") as raised:
        file.read(1)
    assert file.trouble is raised.value
    server.fails()
    assert file.read(3) == BYTES[PAGE_BYTES : PAGE_BYTES + 3]


def test_a_file_that_changes_while_it_is_read_is_an_error_where_the_server_ignores_conditions(server):
    """This one does."""
    file = opened(server)
    assert file.read(100) == BYTES[:100]
    (server.folder / "a file.bin").write_bytes(BYTES[::-1])
    file.seek(5 * PAGE_BYTES)
    with pytest.raises(SourceError, match=r"a%20file\.bin has changed while it was read: start again"):
        file.read(1)


def sign(address):
    """Sign as often as it is called."""
    SIGNED_SO_OFTEN.append(address)
    return f"{address}?sig=hunter{len(SIGNED_SO_OFTEN)}&x=1"


SIGNED_SO_OFTEN: list[str] = []


def test_an_address_is_signed_anew_where_it_has_expired_and_no_signature_travels(server):
    SIGNED_SO_OFTEN.clear()
    server.fails(need="sig=hunter1&")
    file = RemoteFile(f"{server.url}/a%20file.bin", sign=sign)
    assert file.read(100) == BYTES[:100]
    stamp = file.stamp()
    server.fails(need="sig=hunter2&")
    file.seek(3 * PAGE_BYTES)
    assert file.read(9) == BYTES[3 * PAGE_BYTES :][:9]
    assert file.stamp() == stamp
    assert (len(SIGNED_SO_OFTEN), set(SIGNED_SO_OFTEN)) == (2, {f"{server.url}/a%20file.bin"})
    assert b"hunter" not in pickle.dumps(file)
    server.fails(need="nothing is")
    file.seek(7 * PAGE_BYTES)
    with pytest.raises(SourceAccessError, match="whether its signature has expired") as refused:
        file.read(1)
    assert "hunter" not in "".join(traceback.format_exception(refused.value))
    assert len(SIGNED_SO_OFTEN) == 3


def test_a_query_is_sent_and_never_shown(server):
    server.fails(need="X-Amz-Signature=hunter2")
    file = RemoteFile(f"{server.url}/a%20file.bin?X-Amz-Date=1&X-Amz-Signature=hunter2")
    assert file.read(100) == BYTES[:100]
    assert str(file) == f"{server.url}/a%20file.bin"
    assert "hunter" not in repr(file)
    server.fails("503")
    file.seek(3 * PAGE_BYTES)
    with pytest.raises(SourceError) as raised:
        file.read(1)
    assert "hunter" not in "".join(traceback.format_exception(raised.value))


def test_a_page_to_log_in_is_told_from_a_file(server):
    file = opened(server)
    assert file.read(100) == BYTES[:100]
    server.fails("page")
    file.seek(3 * PAGE_BYTES)
    with pytest.raises(SourceAccessError, match="its server sends a web page, probably one to log in"):
        file.read(1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("shift", r"Requested \d+\.\.\d+, got \d+\.\.\d+"),
        ("whole", "Range request not supported"),
        ("gzip", r"gave \d+ bytes where 65536 were asked for"),
    ],
)
@pytest.mark.parametrize("pages", [0, 5])
def test_other_bytes_than_were_asked_for_are_never_taken(server, fault, words, pages):
    file = opened(server)
    if pages:
        assert file.read(1) == BYTES[:1]
        file.seek(pages * PAGE_BYTES)
    elif fault == "shift":
        return  # before the first byte there is none
    server.fails(fault)
    with pytest.raises(SourceError, match=rf"a%20file\.bin.*{words}"):
        file.read(1)
    server.fails()
    assert file.read(2) == BYTES[pages * PAGE_BYTES :][:2]


def test_a_server_that_is_busy_is_asked_again(server, monkeypatch):
    monkeypatch.undo()
    file = opened(server)
    assert file.read(1) == BYTES[:1]
    server.fails("429", count=2)
    file.seek(PAGE_BYTES)
    assert file.read(3) == BYTES[PAGE_BYTES:][:3]
    assert len(server.asked("file")) == 3


def test_of_a_bucket_no_secret_travels(tmp_path, gdal_variables):
    (tmp_path / "a.bin").write_bytes(BYTES[:1000])
    with buckets.moto() as port:
        gdal_variables(**buckets.variables(port))
        buckets.upload(tmp_path, port, "files", "deep")
        file = RemoteFile("s3://files/deep/a.bin")
        assert file.read(1000) == BYTES[:1000]
        sent = pickle.dumps(file)
        for name, value in buckets.variables(port).items():
            if "SECRET" in name or "KEY" in name:
                assert value.encode() not in sent
        with pytest.raises(SourceAccessError, match="no such bucket|there is no file"):
            RemoteFile("s3://nobody/a.bin").read(1)
