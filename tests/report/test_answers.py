"""What a local page is answered."""

from __future__ import annotations

from geopatcher.report.answers import not_found, pages_of


def test_pages_are_files_of_the_package_by_their_address():
    pages = pages_of({"/": ("live.html", "text/html; charset=utf-8")})
    assert pages["/"].kind == "text/html; charset=utf-8"
    assert pages["/"].content.startswith(b"<!doctype html>")
    assert pages.get("/live.html") is None
    assert not_found().status == 404
