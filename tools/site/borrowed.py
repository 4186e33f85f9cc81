"""Pages made from files that lie elsewhere in the checkout: changelog, contributing, citation, benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
#: Results that are measured by a script of their own each, in the order of the page.
MEASURED = ("RESULTS.md", "waiting.md", "workers.md", "remote.md", "loading.md", "rows.md", "PLANNED.md")
BENCHMARKS = """# Benchmarks

Made from what lies in `benchmarks/results` whenever this site is built. What is measured, and how, is told
in `benchmarks/README.md`; `make bench` measures it on your machine. Ratios to a plain copy say more than
seconds: machines differ, and this one is virtual."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def pages() -> dict[str, str | bytes]:
    """Return what is made, by its place under ``docs``."""
    return {
        "changelog.md": _moved((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
        "contributing.md": _moved((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        "cite.md": citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")),
        "benchmarks.md": benchmarks(),
        "images/benchmarks.png": (RESULTS / "chart.png").read_bytes(),
    }


def _moved(text: str) -> str:
    """Return a text of the root as it is under ``docs``: links to what is not on the site are words."""

    def link(match: re.Match[str]) -> str:
        picture, words, place = match.groups()
        known = {
            "CHANGELOG.md": "changelog.md",
            "CONTRIBUTING.md": "contributing.md",
            "benchmarks/README.md": "benchmarks.md",
        }
        if place in known or place.startswith("docs/"):
            return f"{picture}[{words}]({known.get(place, place.removeprefix('docs/'))})"
        return words

    return LINK.sub(link, text)


def citation(cff: str) -> str:
    """Return the page that says how to cite, made from CITATION.cff."""
    told = yaml.safe_load(cff)
    authors = ", ".join(author["name"] for author in told["authors"])
    year = f", {told['date-released'].year}" if "date-released" in told else ""
    return f"""# How to cite

{told["message"]}

> {authors}{year}. *{told["title"]}*, version {told["version"]}. Software, {told["license"]} license.

```text
@software{{geopatcher,
  author  = {{{{{authors}}}}},
  title   = {{{told["title"]}: {told["abstract"].strip().rstrip(".")}}},
  version = {{{told["version"]}}},
  license = {{{told["license"]}}}
}}
```

The same is in `CITATION.cff`, for programs. Say the version that you used: `geopatcher --version`.
"""


def benchmarks(folder: Path = RESULTS) -> str:
    """Return the page of all results that are in the checkout, with their sections a level down."""
    parts = [BENCHMARKS]
    for name in MEASURED:
        if (folder / name).is_file():
            text = (
                (folder / name).read_text(encoding="utf-8").replace("(chart.png)", "(images/benchmarks.png)")
            )
            text = re.sub(r"^ *(python -m .*)$", r"    \1", text, flags=re.MULTILINE)  # commands, as code
            parts.append(re.sub(r"^(#+ )", r"#\1", text, flags=re.MULTILINE).strip())
    return "\n\n".join(parts) + "\n"
