"""The version of this tree: what its tags say. The build asks `version`; nothing else decides it.

A release is made at a tag, ``v0.2.0``. Behind one it is the next version's ``.dev`` of so many commits. A
clone without tags, as many services make, and a tree without git have the newest version of the changelog,
marked as not exactly that; in an sdist the version stands in ``PKG-INFO``.
"""

from __future__ import annotations

import re
import subprocess
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: ``v0.2.0-14-g1a2b3c4``, with ``-dirty`` where files differ from those of the commit.
DESCRIBED = re.compile(r"v(\d+)\.(\d+)\.(\d+)-(\d+)-g([0-9a-f]+)(-dirty)?")
#: Tags such as ``v0.2.0``. The nearest of others, such as v1 or v0.2.0-rc1, would hide the last release.
RELEASES = ("--match", "v[0-9]*.[0-9]*.[0-9]*", "--exclude", "v*[!0-9.]*", "--exclude", "v*.*.*.*")
#: A version of the changelog that has its date.
DATED = re.compile(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", re.MULTILINE)


def version(root: Path = ROOT) -> str:
    """Return the version of a tree."""
    told = root / "PKG-INFO"
    if told.is_file():
        return HeaderParser().parsestr(told.read_text(encoding="utf-8"))["Version"]
    if not (root / ".git").exists():  # git would answer for a repository around it
        return f"{newest(root)}+untagged"
    found = DESCRIBED.fullmatch(_git(root, "describe", "--tags", "--long", "--dirty", *RELEASES))
    if found is None:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        return f"{newest(root)}+{f'g{commit}' if commit else 'untagged'}"
    major, minor, patch, ahead, commit, dirty = found.groups()
    if ahead == "0" and not dirty:
        return f"{major}.{minor}.{patch}"
    return f"{major}.{minor}.{int(patch) + 1}.dev{ahead}+g{commit}{'.dirty' if dirty else ''}"


def newest(root: Path = ROOT) -> str:
    """Return the newest version that the changelog has a date of."""
    found = DATED.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit("CHANGELOG.md has no version with a date, such as '## 0.2.0 (2026-11-30)'")
    return found[1]


def _git(root: Path, *words: str) -> str:
    """Return what git says, nothing where it fails or is not there."""
    try:
        said = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False, encoding="utf-8"
        )
    except OSError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


if __name__ == "__main__":
    print(version())
