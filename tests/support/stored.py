"""What a result is on the disk, file by file."""

from __future__ import annotations

import hashlib


def digest(path):
    """Return every file of a result with a digest of its bytes."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def tree(folder):
    """Return every file below a folder with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
