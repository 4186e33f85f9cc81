"""Files of weights: their digests, and what lies beside them and belongs to them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

#: A file that names others holds little itself: names are looked for in no more than this.
_NAMES_WITHIN = 64 << 20


def weights_digest(path: Path) -> str:
    """Return the sha256 of a file of weights, and of files beside it that it names, as large networks do.

    Raises
    ------
    OperatorError
        A file is not there, or cannot be read.

    """
    try:
        digest = file_sha256(path)
        parts = [f"{name} {file_sha256(path.with_name(name))}" for name in _named_in(path)]
    except OSError as error:
        raise OperatorError(f"the model {path} cannot be read: {error.strerror or error}") from error
    return hashlib.sha256("\n".join([digest, *parts]).encode()).hexdigest() if parts else digest


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal.

    Raises
    ------
    OSError
        It cannot be read.

    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named_in(path: Path) -> list[str]:
    """Return files beside one that stand in it by name: ONNX keeps weights beyond 2 GB in such files."""
    if path.suffix.lower() != ".onnx" or path.stat().st_size > _NAMES_WITHIN:
        return []
    content = path.read_bytes()
    beside = (other.name for other in path.parent.iterdir() if other.is_file() and other.name != path.name)
    return sorted(name for name in beside if len(name) > 4 and name.encode() in content)
