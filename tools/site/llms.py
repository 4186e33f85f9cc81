"""``llms.txt``: what the site holds, in a page of plain links for programs that read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.documents import FENCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: An entry of the navigation: a page, a page with its title, or a section of them.
Nav = str | dict[str, "str | list[Nav]"]


def text(config: Mapping[str, str | list[Nav]], docs: Path) -> str:
    """Return the text: the pages of the navigation by their sections, with the first sentence of each."""
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}"]
    for section in config["nav"]:
        for title, inside in section.items():
            lines += ["", f"## {title}", ""]
            lines += [_line(entry, docs) for entry in (inside if isinstance(inside, list) else [inside])]
    return "\n".join(lines) + "\n"


def _line(entry: str | dict[str, str], docs: Path) -> str:
    title, place = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
    written = (docs / place).read_text(encoding="utf-8")
    title = title or written.partition("\n")[0].removeprefix("# ")
    said = _first_sentence(written)
    return f"- [{title}]({place.removesuffix('.md')}.html){f': {said}' if said else ''}"


def _first_sentence(written: str) -> str:
    written = FENCE.sub("", written)
    paragraphs = [part for part in written.split("\n\n") if part and part[0] not in "#!`|<->:["]
    return " ".join(paragraphs[0].split()).split(". ")[0].rstrip(".") + "." if paragraphs else ""
