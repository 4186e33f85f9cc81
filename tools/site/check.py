"""Looks at the finished pages: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import posixpath
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CODE = re.compile(r"<(a|h[1-6]|pre|title|nav)\b.*?</\1>|<code>([\w.]+)</code>", re.DOTALL)
#: Attributes whose address a browser fetches by itself.
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Links(HTMLParser):
    """The links of a page, what it fetches, and the places in it that links lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down what a tag links to, fetches, or is called."""
        told = {name: value or "" for name, value in attrs}
        self.anchors |= {told[name] for name in ("id", "name") if name in told}
        for name, value in told.items():
            if (tag, name) in FETCHED and told.get("rel") != "canonical":
                self.fetched.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


def link_names(site: Path, names: Mapping[str, str]) -> None:
    """Make links of public names, where they stand as code in a sentence or a docstring."""
    for file in site.rglob("*.html"):
        url = file.relative_to(site).as_posix()

        def link(match: re.Match[str], url: str = url) -> str:
            target = names.get(match[2] or "")
            if target is None:
                return match[0]
            place = posixpath.relpath(target, posixpath.dirname(url) or ".")
            return f'<a class="name" href="{place}"><code>{match[2]}</code></a>'

        file.write_text(CODE.sub(link, file.read_text(encoding="utf-8")), encoding="utf-8")


def faults(site: Path, wanted: Iterable[str] = ()) -> list[str]:
    """Return what is wrong: dead links, what comes from elsewhere, ``wanted`` places that are not there."""
    pages = {file: Links(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        name = file.relative_to(site)
        found += [f"{name} fetches {url}" for url in page.fetched if urlsplit(url).netloc]
        for url in dict.fromkeys(page.links + page.fetched):
            if not urlsplit(url).scheme and not urlsplit(url).netloc and _is_dead(site, file, url, pages):
                found.append(f"{name}: {url} leads nowhere")
    found += [
        f"no entry in the reference: {url}"
        for url in wanted
        if _is_dead(site, site / "index.html", url, pages)
    ]
    return found


def _is_dead(site: Path, file: Path, url: str, pages: Mapping[Path, Links]) -> bool:
    parts = urlsplit(url)
    path = unquote(parts.path)
    target = file if not path else site / path[1:] if path.startswith("/") else (file.parent / path).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return True
    anchor = unquote(parts.fragment)
    return bool(anchor) and target in pages and anchor not in pages[target].anchors
