"""Builds the site: pages are put together as Markdown, a generator makes HTML of them, and that is looked at.

    python -m tools.site            # into ./site

What is made (reference, changelog, benchmarks) and what blocks of code printed is in the Markdown that the
generator gets, so that it needs no plugins of ours, and another one may take its place.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tools.site import borrowed, check, commands, executed, llms, pictured, reference

ROOT = Path(__file__).resolve().parents[2]
DOCS, SITE = ROOT / "docs", ROOT / "site"
#: What the generator reads.
STAGED = ROOT / ".site-cache" / "docs"


def stage() -> None:
    """Put the Markdown and the pictures of the site together."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(DOCS, STAGED, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for place, content in {**borrowed.pages(), **reference.pages(), "cli.md": commands.page()}.items():
        file = STAGED / place
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    pages = sorted(page for folder in executed.RUN for page in (DOCS / folder).glob("*.md"))
    for page, ran in executed.run_all(pages).items():
        staged = STAGED / page.relative_to(DOCS)
        staged.write_text(executed.with_output(page, ran), encoding="utf-8")
        for picture in ran.pictures:
            shutil.copy(picture, staged.parent)
    for page in STAGED.rglob("*.md"):
        page.write_text(pictured.drawn_in(page.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> int:
    """Build the site, and return how many things are wrong with it."""
    try:
        stage()
    except (reference.MissingEntryError, executed.PageError) as error:
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        return 1
    entries = reference.entries()
    check.link_names(
        SITE, {name: reference.place_of(path) for name, path in reference.names(entries).items()}
    )
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    (SITE / "llms.txt").write_text(llms.text(config, STAGED), encoding="utf-8")
    faults = check.faults(SITE, [reference.place_of(path) for path in entries])
    print(
        "\n".join(faults)
        or f"the site is in {SITE.relative_to(ROOT)}: {len(list(SITE.rglob('*.html')))} pages"
    )
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main())
