"""Pages whose code is run when the site is built: what a block printed stands below it.

A page is run in an empty folder of its own by `tools.documents`, two at a time. What came of it is kept in
``.site-cache`` until the page or the code of the packages changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.documents import blocks_of

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".site-cache"
#: Folders of ``docs`` whose pages are run.
RUN = ("tutorials", "howto", "concepts")
#: Seconds that a page may take: far more than it does.
LONGEST = 500
#: Lines of what a block printed that are shown.
SHOWN = 40


class PageError(Exception):
    """A page cannot be run from top to bottom."""


@dataclass(frozen=True)
class Ran:
    """What a page printed, block by block, and the folder with the pictures it made."""

    printed: list[str]
    folder: Path

    @property
    def pictures(self) -> list[Path]:
        """The pictures it made."""
        return sorted(self.folder.glob("*.png"))


def run_all(pages: list[Path]) -> dict[Path, Ran]:
    """Run pages, or take what they gave when they were last run."""
    code = sys.version + _digest([*sorted((ROOT / "src").rglob("*.py")), ROOT / "tools" / "documents.py"])
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(pages, pool.map(lambda page: _run(page, code), pages), strict=True))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _run(page: Path, code: str) -> Ran:
    kept = CACHE / hashlib.sha256(code.encode() + page.read_bytes()).hexdigest()[:24]
    if not (kept / "printed.json").exists():
        with tempfile.TemporaryDirectory(prefix="page-") as folder:
            done = subprocess.run(
                [sys.executable, "-m", "tools.documents", str(page), "printed.json"],
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
                    "MPLBACKEND": "agg",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST,
            )
            if done.returncode or "Warning" in done.stderr:
                raise PageError(f"{page.name} does not run:\n{done.stderr[-4000:]}")
            kept.mkdir(parents=True, exist_ok=True)
            for file in Path(folder).glob("*.png"):
                shutil.copy(file, kept)
            shutil.copy(Path(folder) / "printed.json", kept)
    return Ran(json.loads((kept / "printed.json").read_text(encoding="utf-8")), kept)


def with_output(page: Path, ran: Ran) -> str:
    """Return the Markdown of a page with what its blocks printed below them."""
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(list(zip(blocks_of(page), ran.printed, strict=True))):
        lines = printed.rstrip().splitlines()
        if lines:
            left = [f"... and {len(lines) - SHOWN:,} lines more"] if len(lines) > SHOWN + 1 else []
            shown = "\n".join(lines[: SHOWN if left else None] + left)
            text = (
                f"{text[: block.end]}\n\n``` {{ .text .output .no-copy }}\n{shown}\n```\n{text[block.end :]}"
            )
    return text
