"""Questions to web servers: asked at once, and taken for an answer only where they are one."""

from __future__ import annotations

import time

import pytest

from buckets import keys
from geopatcher.formats.http_requests import presence, request_for


@pytest.fixture
def server(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"x")
    with keys(tmp_path) as server:
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server


def found(*urls):
    with presence(urls) as answers:
        return answers()


def test_what_is_not_there_is_absent_and_all_are_asked(server):
    assert found(*(f"{server.url}/{name}" for name in "bcd")) == [False] * 3
    assert {method for method, *_ in server.log} == {"HEAD"}
    assert sorted(path for _, path, _ in server.log) == ["/b", "/c", "/d"]
    assert found(*(f"{server.url}/{name}" for name in ("b", "a.tif"))) == [False, True]


def test_they_are_asked_while_something_else_is_done(server):
    with presence([f"{server.url}/b"]) as answers:
        for _ in range(1000):
            if server.log:
                break
            time.sleep(0.01)
        assert [path for _, path, _ in server.log] == ["/b"]
        assert answers() == [False]


def test_no_answer_and_a_refusal_are_none(server):
    refused = f"{server.url}/list-type=2"[:-1] + "?list-type=2"  # which is answered with 403
    assert found(refused, "http://127.0.0.1:9/a.tif") == [None, None]


def test_a_user_is_sent_as_a_header_and_not_in_the_address():
    request = request_for("http://me:pa%20ss@host/a b.tif", "HEAD", {"Range": "bytes=0-0"})
    assert request.full_url == "http://host/a%20b.tif"
    assert request.unredirected_hdrs["Authorization"] == "Basic bWU6cGEgc3M="
