"""Questions to web servers: asked at once, and taken for an answer only where they are one."""

from __future__ import annotations

import time

import pytest

from buckets import keys
from geopatcher.formats.http_requests import all_absent, request_for


@pytest.fixture
def server(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"x")
    with keys(tmp_path) as server:
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server


def are_absent(*urls):
    with all_absent(urls) as is_alone:
        return is_alone()


def test_what_is_not_there_is_absent_and_all_are_asked(server):
    assert are_absent(*(f"{server.url}/{name}" for name in "bcd"))
    assert {method for method, *_ in server.log} == {"HEAD"}
    assert sorted(path for _, path, _ in server.log) == ["/b", "/c", "/d"]
    assert not are_absent(*(f"{server.url}/{name}" for name in ("b", "a.tif")))


def test_they_are_asked_while_something_else_is_done(server):
    with all_absent([f"{server.url}/b"]) as is_alone:
        for _ in range(1000):
            if server.log:
                break
            time.sleep(0.01)
        assert [path for _, path, _ in server.log] == ["/b"]
        assert is_alone()


def test_no_answer_and_a_refusal_are_none(server):
    assert not are_absent(f"{server.url}/list-type=2"[:-1] + "?list-type=2")  # which is answered with 403
    assert not are_absent("http://127.0.0.1:9/a.tif")


def test_a_user_is_sent_as_a_header_and_not_in_the_address():
    request = request_for("http://me:pa%20ss@host/a b.tif", "HEAD", {"Range": "bytes=0-0"})
    assert request.full_url == "http://host/a%20b.tif"
    assert request.unredirected_hdrs["Authorization"] == "Basic bWU6cGEgc3M="
