"""Servers that send a page to log in where a file is asked for."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from faulty import Faulty
from geopatcher.formats.web_pages import is_page, page_instead_of
from loopback import serving


class Moves(BaseHTTPRequestHandler):
    """Sends on to a page to log in, as archives do."""

    def log_message(self, *_):
        """Keep the test's output clean."""

    def do_GET(self):
        moved = self.path.startswith("/data")
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", "/login?state=hunter2&sig=hunter3")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "0" if moved else "5")
        self.end_headers()
        self.wfile.write(b"" if moved else b"Hello")


def test_where_one_is_sent_is_told_without_secrets():
    with serving(Moves) as server:
        said = page_instead_of(f"{server.url}/data/a.tif?token=hunter1")
        assert f"a web page, from {server.url}/login, probably one to log in" in said
        assert "hunter" not in said
        assert page_instead_of(f"/vsicurl/{server.url}/data/a.tif") == said
    assert page_instead_of(f"{server.url}/data/a.tif") == ""  # it is gone


@pytest.mark.parametrize("fault", ["none", "404", "403", "503", "page"])
def test_what_is_no_page(tmp_path, fault):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(2000))
    with Faulty(tmp_path) as server:
        server.fails(fault)
        assert bool(page_instead_of(f"{server.url}/a.tif")) == (fault == "page")


@pytest.mark.parametrize("path", ["a.tif", "s3://bucket/a.tif", "<VRTDataset/>", ""])
def test_only_servers_are_asked(path):
    assert page_instead_of(path) == ""


@pytest.mark.parametrize(
    "start",
    [
        b"<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
        b"\xef\xbb\xbf<!doctype html>",
        b"\r\n <html>",
        b"<!-- proxy -->\n<head>",
    ],
)
def test_pages(start):
    assert is_page(start)


@pytest.mark.parametrize(
    "start", [b"", b"II*\0<html>", b"<VRTDataset>", b"<?xml version='1.0'?><Error>", b"\x89HDF"]
)
def test_others(start):
    assert not is_page(start)
